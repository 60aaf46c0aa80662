/*
 * Puts objects into a repository that the command writes only later in life, or
 * only in passing: what a repack, a collection, a repair and a forgetting
 * leave, and the lease of a run that died.  For tests/vectors/make.sh, which
 * says why each is there.  Linked with the test variant of the library.
 *
 *	emit REPOSITORY KEY-FILE repack PACK [PACK ...]
 *	emit REPOSITORY KEY-FILE condemn STATE PACK [PACK ...]
 *	emit REPOSITORY KEY-FILE damaged PACK [PACK ...]
 *	emit REPOSITORY KEY-FILE forget SNAPSHOT [SNAPSHOT ...]
 *	emit REPOSITORY KEY-FILE lease
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/io.h"
#include "engine/crypto/rnd.h"
#include "engine/repo/fetch.h"
#include "engine/repo/impl.h"
#include "engine/repo/pack_name.h"
#include "engine/repo/records.h"
#include "engine/store/dir.h"

struct job {
	struct repo *repo;
	struct run_id run;
	uint64_t counter;
	int argc;
	char **argv;
};

static void
must(int ret, const struct err *e)
{
	if (ret == 0)
		return;
	(void)fprintf(stderr, "emit: %s\n", ret < 0 ? err_text(e) : "absent");
	exit(1);
}

static void
read_id(uint8_t id[ID_BYTES], const char *text)
{
	struct err e = ERR_INIT;

	if (strlen(text) != 2 * ID_BYTES || hex_parse(id, ID_BYTES, text) != 0)
		must(err_set(&e, ERR_USAGE, "%s is no id", text), &e);
}

static void
read_key(struct secret *out, const char *path)
{
	struct err e = ERR_INIT;
	uint8_t bytes[4096];
	size_t n;
	FILE *f = fopen(path, "rb");

	if (f == NULL)
		must(err_sys(&e, errno, "%s", path), &e);
	n = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	must(secret_copy(out, bytes, n, &e), &e);
}

static void
put_sealed(struct job *j, const char *dir, enum object_kind kind,
    const struct buf *content)
{
	struct err e = ERR_INIT;
	struct buf object = BUF_INIT;
	uint8_t id[ID_BYTES];

	must(sealed_emit(&object, repo_keyring(j->repo), kind, &j->run,
	    j->counter++, content, &e), &e);
	must(object_put(repo_store(j->repo), dir, &object, id, &e), &e);
	buf_fini(&object);
}

static void
put_plain(struct job *j, const char *dir, enum object_kind kind,
    const struct buf *content)
{
	struct err e = ERR_INIT;
	struct buf object = BUF_INIT;
	uint8_t id[ID_BYTES];

	must(plain_emit(&object, repo_keyring(j->repo), kind, &j->run, content,
	    &e), &e);
	must(object_put(repo_store(j->repo), dir, &object, id, &e), &e);
	buf_fini(&object);
}

/* A pack being made of the chunks of others, one frame a chunk. */
struct repack {
	struct packer *packer;
	struct squeezer *squeezer;
	struct frame *frame;
	struct store_put *out;
	struct fetch *fetch;
	struct buf bytes;		/* to be appended */
};

static void
flush(struct repack *r)
{
	struct err e = ERR_INIT;

	must(store_put_append(r->out, r->bytes.data, r->bytes.len, &e), &e);
	buf_reset(&r->bytes);
}

static void
move_chunk(struct repack *r, const struct pack_info *old,
    const struct frame_info *at, uint32_t slot, const struct slot_entry *s,
    struct forward_move *m)
{
	struct err e = ERR_INIT;
	struct fetched *ref;
	const uint8_t *data;

	must(fetch_chunk(r->fetch, old, at, slot, &s->id, s->len, &ref, &data,
	    &e), &e);
	frame_reset(r->frame);
	must(frame_add(r->frame, &s->id, data, s->len, &m->to_slot, &e), &e);
	fetch_put(r->fetch, ref);
	must(frame_squeeze(r->frame, r->squeezer, true, &e), &e);
	must(frame_seal(r->frame, packer_seal(r->packer),
	    packer_next_frame(r->packer), true, &e), &e);
	must(packer_add(r->packer, r->frame, &m->to, &e), &e);
	packer_hash(r->packer, r->frame);
	must(store_put_append(r->out, r->frame->stored.data,
	    r->frame->stored.len, &e), &e);
	m->frame = at->no;
	m->slot = slot;
}

static void
move_pack(struct job *j, struct repack *r, const char *name, struct forward *f)
{
	struct err e = ERR_INIT;
	struct pack_directory d;
	struct pack_info old;

	read_id(f->old.b, name);
	must(fetch_pack_info(j->repo, &f->old, OBJECT_PACK_DATA, &old, &e), &e);
	must(fetch_directory(j->repo, &old, &d, &e), &e);
	f->moves = calloc(d.first_slot[d.nframes], sizeof(*f->moves));
	if (f->moves == NULL)
		must(err_set(&e, ERR_NOMEM, "no memory"), &e);
	for (uint32_t i = 0; i < d.nframes; i++) {
		for (uint32_t s = d.first_slot[i]; s < d.first_slot[i + 1];
		    s++)
			move_chunk(r, &old, &d.frames[i], s - d.first_slot[i],
			    &d.slots[s], &f->moves[f->nmoves++]);
	}
	pack_directory_fini(&d);
}

static void
repack(struct job *j)
{
	struct err e = ERR_INIT;
	struct repack r = { .bytes = BUF_INIT };
	struct forwards all = { 0 };
	struct buf content = BUF_INIT;
	struct pack_info new;
	char name[PACK_NAME_BYTES];

	all.v = calloc((size_t)j->argc, sizeof(*all.v));
	all.n = (uint32_t)j->argc;
	if (all.v == NULL)
		must(err_set(&e, ERR_NOMEM, "no memory"), &e);
	must(store_put_begin(repo_store(j->repo), &r.out, &e), &e);
	must(packer_open(&r.packer, &r.bytes, repo_keyring(j->repo),
	    repo_pack_naming(j->repo), OBJECT_PACK_DATA, &j->run,
	    j->counter++, "repack", 6, &e), &e);
	must(squeezer_new(&r.squeezer, 3, &e), &e);
	must(frame_new(&r.frame, &e), &e);
	must(fetch_new(&r.fetch, j->repo, 4U << 20, true, &e), &e);
	flush(&r);
	for (int i = 0; i < j->argc; i++)
		move_pack(j, &r, j->argv[i], &all.v[i]);
	must(packer_close(r.packer, &r.bytes, &new, &e), &e);
	flush(&r);
	must(store_put_commit(r.out, pack_name(name, &new.id), &e), &e);
	for (int i = 0; i < j->argc; i++)
		all.v[i].pack = new;
	forwards_sort(&all);
	must(forwards_emit(&content, &all, &e), &e);
	put_sealed(j, "forwards", OBJECT_FORWARDS, &content);
	forwards_fini(&all);
	buf_fini(&content);
	buf_fini(&r.bytes);
	fetch_free(r.fetch);
	frame_free(r.frame);
	squeezer_free(r.squeezer);
	packer_free(r.packer);
}

static void
condemn(struct job *j)
{
	static char lease[] = "00112233445566778899aabbccddeeff-00000003";
	struct err e = ERR_INIT;
	struct bytes seen = { .p = lease, .len = sizeof(lease) - 1 };
	struct pack_id packs[16];
	struct condemned c = { .packs = packs };
	struct buf content = BUF_INIT;

	c.state = j->argv[0][0] == '2' ? CONDEMNED_DELETING : CONDEMNED;
	c.leases.v = &seen;
	c.leases.n = 1;
	for (int i = 1; i < j->argc && i <= 16; i++)
		read_id(packs[c.npacks++].b, j->argv[i]);
	must(condemned_emit(&content, &c, &e), &e);
	put_plain(j, "condemned", OBJECT_CONDEMNED, &content);
	buf_fini(&content);
}

/* The first pack as a whole, of the others frames 0 and 2. */
static void
damage(struct job *j)
{
	uint32_t frames[] = { 0, 2 };
	struct err e = ERR_INIT;
	struct damaged_pack packs[16] = { { .whole = false } };
	struct damaged d = { .v = packs };
	struct buf content = BUF_INIT;

	for (int i = 0; i < j->argc && i < 16; i++, d.n++) {
		read_id(packs[i].id.b, j->argv[i]);
		packs[i].whole = i == 0;
		if (i > 0) {
			packs[i].frames = frames;
			packs[i].nframes = 2;
		}
	}
	must(damaged_emit(&content, &d, &e), &e);
	put_plain(j, "damaged", OBJECT_DAMAGED, &content);
	buf_fini(&content);
}

static void
forget(struct job *j)
{
	struct err e = ERR_INIT;
	struct tombstone stones[16];
	struct forgotten f = { .v = stones };
	struct buf content = BUF_INIT;

	for (int i = 0; i < j->argc && i < 16; i++, f.n++) {
		struct tombstone *t = &stones[i];
		struct manifest m;

		read_id(t->id.b, j->argv[i]);
		must(repo_manifest(j->repo, &t->id, &m, &e), &e);
		t->lineage = m.lineage;
		t->sequence = m.sequence;
		t->previous = m.previous;
		t->time = m.time;
		manifest_fini(&m);
	}
	must(forgotten_emit(&content, &f, &e), &e);
	put_sealed(j, "forgotten", OBJECT_FORGOTTEN, &content);
	buf_fini(&content);
}

static void
lease(struct job *j)
{
	static char host[] = "ana";
	struct err e = ERR_INIT;
	struct lease l = { .role = LEASE_COLLECTOR, .generation = 12,
	    .host = { .p = host, .len = 3 } };
	struct buf content = BUF_INIT, object = BUF_INIT;
	char name[64], hex[2 * RUN_BYTES + 1];

	l.time = clock_wall();
	must(lease_emit(&content, &l, &e), &e);
	must(plain_emit(&object, repo_keyring(j->repo), OBJECT_LEASE, &j->run,
	    &content, &e), &e);
	(void)snprintf(name, sizeof(name), "leases/%s-%08u",
	    hex_emit(hex, j->run.b, RUN_BYTES), l.generation);
	must(store_put(repo_store(j->repo), name, object.data, object.len, &e),
	    &e);
	buf_fini(&content);
	buf_fini(&object);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
		void (*fn)(struct job *);
	} kinds[] = { { "repack", 1, repack }, { "condemn", 2, condemn },
	    { "damaged", 1, damage }, { "forget", 1, forget },
	    { "lease", 0, lease } };
	struct repo_env env = { .memory_bytes = 64U << 20, .threads = 1 };
	struct err e = ERR_INIT;
	struct secret key;
	struct store *store;
	struct job j = { .argc = argc - 4, .argv = argv + 4 };

	for (size_t i = 0; argc > 3 && i < 5; i++) {
		if (strcmp(argv[3], kinds[i].name) != 0 ||
		    j.argc < kinds[i].args)
			continue;
		must(store_dir_open(&store, argv[1], false, &e), &e);
		read_key(&key, argv[2]);
		must(repo_open(&j.repo, store, SLOT_KEY_FILE, &key, &env, &e),
		    &e);
		rnd_bytes(j.run.b, sizeof(j.run.b));
		kinds[i].fn(&j);
		repo_close(j.repo);
		secret_fini(&key);
		return (0);
	}
	(void)fprintf(stderr, "emit: see the source for how to call it\n");
	return (2);
}
