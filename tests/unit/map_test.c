/* Tables and the map: against a naive model on random data, damaged at every
 * page, merged, shared by threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/crypto/rnd.h"
#include "engine/map/map_impl.h"
#include "engine/map/table.h"
#include "engine/store/dir.h"
#include "engine/store/fault.h"

#define CACHE	((size_t)16 << 20)

static char dir[64];
static struct store *store;
static struct keyring *ring;
static struct repo_id repo;
static struct run_id run;
static uint64_t counter;
static unsigned said;

static void
say(void *ctx, enum log_level level, const char *text)
{
	said++;
}
static const struct log logger = { say, NULL };

static void
remove_all(const char *path)
{
	char cmd[128];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", path);
	assert_int_equal(system(cmd), 0);
}

static int
setup(void **state)
{
	struct err e = ERR_INIT;
	uint8_t master[KEY_BYTES];

	(void)snprintf(dir, sizeof(dir), "/tmp/map_test.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	rnd_bytes(master, sizeof(master));
	rnd_bytes(&repo, sizeof(repo));
	rnd_bytes(&run, sizeof(run));
	if (keyring_new_full(&ring, &repo, master, &e) != 0)
		return (-1);
	said = 0;
	return (store_dir_open(&store, dir, false, &e));
}

static int
teardown(void **state)
{
	store_close(store);
	keyring_free(ring);
	remove_all(dir);
	return (0);
}

/* A table of n random entries in np packs of nf frames. */
struct sample {
	struct map_entry *v;		/* sorted by table_write */
	struct map_entry *given;	/* as made */
	size_t n;
	struct map_pack *packs;
	size_t npacks;
	struct object_id id;
	uint64_t size;
};

static void
sample_make(struct sample *s, size_t n, size_t npacks, uint32_t nframes)
{
	s->n = n;
	s->npacks = npacks;
	s->given = calloc(n + 1, sizeof(*s->given));
	s->v = calloc(n + 1, sizeof(*s->v));
	s->packs = calloc(npacks + 1, sizeof(*s->packs));
	for (size_t i = 0; i < npacks; i++) {
		struct map_pack *p = &s->packs[i];
		struct frame_info *f = calloc(nframes, sizeof(*f));

		rnd_bytes(p->info.id.b, ID_BYTES);
		rnd_bytes(p->info.salt, SALT_BYTES);
		p->info.size_bytes = 1 << 25;
		p->info.domain = keyring_domain(ring);
		p->info.writer = keyring_writer(ring);
		p->info.kind = OBJECT_PACK_DATA;
		p->info.run = run;
		p->info.wrap.kind = p->info.writer == 0 ? WRAP_DERIVED :
		    WRAP_SEALED;
		if (p->info.writer != 0)
			rnd_bytes(p->info.wrap.bytes, WRAP_BYTES);
		for (uint32_t k = 0; k < nframes; k++)
			f[k] = (struct frame_info){ k, 200 + k * 1000, 1000,
			    4000 + k };
		p->frames = f;
		p->nframes = nframes;
	}
	for (size_t i = 0; i < n; i++) {
		rnd_bytes(s->given[i].id.b, ID_BYTES);
		s->given[i].pack = (uint32_t)(i % npacks);
		s->given[i].frame = (uint32_t)(i / npacks % nframes);
		s->given[i].slot = (uint32_t)i;
	}
}

static void
sample_write_as(struct sample *s, const struct keyring *k,
    const struct object_id *replaces, size_t nreplaces)
{
	struct err e = ERR_INIT;
	struct table_out *o;

	memcpy(s->v, s->given, s->n * sizeof(*s->v));
	assert_int_equal(table_write(&o, store, k, &run, counter++, s->v, s->n,
	    NULL, NULL, s->packs, s->npacks, replaces, nreplaces, &e), 0);
	assert_int_equal(table_out_commit(o, &s->id, &s->size, &e), 0);
	table_out_free(o);
}

static void
sample_write(struct sample *s)
{
	sample_write_as(s, ring, NULL, 0);
}

static void
sample_fini(struct sample *s)
{
	for (size_t i = 0; i < s->npacks; i++) {
		union { const struct frame_info *c; void *p; } u;

		u.c = s->packs[i].frames;
		free(u.p);
	}
	free(s->packs);
	free(s->v);
	free(s->given);
}

static struct map *
open_map(size_t cache)
{
	struct err e = ERR_INIT;
	struct map *m;

	assert_int_equal(map_open(&m, store, ring, 0, cache, NULL, &logger,
	    &e), 0);
	return (m);
}

static void
check_hit(struct map *m, const struct sample *s, size_t i)
{
	const struct map_entry *want = &s->given[i];
	const struct map_pack *p = &s->packs[want->pack];
	struct err e = ERR_INIT;
	struct map_hit hit;

	assert_int_equal(map_find(m, &want->id, &hit, &e), 0);
	assert_memory_equal(hit.pack.id.b, p->info.id.b, ID_BYTES);
	assert_memory_equal(hit.pack.salt, p->info.salt, SALT_BYTES);
	assert_int_equal(hit.pack.size_bytes, p->info.size_bytes);
	assert_int_equal(hit.frame.no, want->frame);
	assert_int_equal(hit.frame.off, p->frames[want->frame].off);
	assert_int_equal(hit.frame.stored, p->frames[want->frame].stored);
	assert_int_equal(hit.frame.raw, p->frames[want->frame].raw);
	assert_int_equal(hit.slot, want->slot);
}

static void
check_misses(struct map *m, size_t n)
{
	struct err e = ERR_INIT;
	struct chunk_id id;
	struct map_hit hit;

	for (size_t i = 0; i < n; i++) {
		rnd_bytes(id.b, sizeof(id.b));
		assert_int_equal(map_find(m, &id, &hit, &e), MAP_UNKNOWN);
	}
}

/* Sizes around every page boundary. */
static void
test_sizes(void **state)
{
	static const size_t sizes[] = {
		0, 1, 2, 510, 511, 512, 1021, 1022, 1023, 5000, 13055, 13056,
		13057, 40000
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct sample s;
		struct map *m;
		uint64_t tables, entries;

		sample_make(&s, sizes[i], 3 + i * 40, 33);
		sample_write(&s);
		m = open_map(CACHE);
		for (size_t k = 0; k < s.n; k += s.n > 3000 ? 7 : 1)
			check_hit(m, &s, k);
		check_misses(m, 1000);
		map_stats(m, &tables, &entries);
		assert_int_equal(tables, 1);
		assert_int_equal(entries, s.n);
		map_close(m);
		sample_fini(&s);
		remove_all(dir);
		assert_int_equal(mkdir(dir, 0700), 0);
		{
			struct err e = ERR_INIT;

			store_close(store);
			assert_int_equal(store_dir_open(&store, dir, false,
			    &e), 0);
		}
	}
	assert_int_equal(said, 0);
}

/* Ids that are not evenly spread, and a cache of a few pages only. */
static void
test_skewed(void **state)
{
	struct sample s;
	struct map *m;

	sample_make(&s, 20000, 9, 7);
	for (size_t i = 0; i < s.n; i++) {
		memset(s.given[i].id.b, (int)(i % 3 == 0 ? 0xff : 0), 6);
		if (i % 5 == 0)
			memset(s.given[i].id.b, 0x7f, 15);
	}
	sample_write(&s);
	m = open_map(1);
	for (size_t k = 0; k < s.n; k++)
		check_hit(m, &s, k);
	map_close(m);
	sample_fini(&s);
	assert_int_equal(said, 0);
}

/* Equal ids in one run: one stays, and it is found. */
static void
test_equal_ids(void **state)
{
	struct err e = ERR_INIT;
	struct map_hit hit;
	struct sample s;
	struct map *m;

	sample_make(&s, 2000, 2, 4);
	for (size_t i = 0; i < 1000; i++)
		s.given[i].id = s.given[0].id;
	sample_write(&s);
	m = open_map(CACHE);
	assert_int_equal(map_find(m, &s.given[0].id, &hit, &e), 0);
	assert_true(hit.slot < 1000);
	for (size_t k = 1000; k < s.n; k++)
		check_hit(m, &s, k);
	map_close(m);
	sample_fini(&s);
}

static void
test_exclude_and_add(void **state)
{
	struct err e = ERR_INIT;
	struct map_hit hit;
	struct sample s, again;
	struct map *m;
	size_t gone = 0;

	sample_make(&s, 3000, 3, 10);
	sample_make(&again, 3000, 3, 10);
	for (size_t i = 0; i < 3000; i++)
		again.given[i].id = s.given[i].id;
	sample_write(&s);
	m = open_map(CACHE);
	assert_int_equal(map_exclude(m, &s.packs[1].info.id, &e), 0);
	for (size_t i = 0; i < s.n; i++) {
		int ret = map_find(m, &s.given[i].id, &hit, &e);

		assert_int_equal(ret, s.given[i].pack == 1 ? MAP_UNKNOWN : 0);
		gone += ret != 0;
	}
	assert_int_equal(gone, 1000);
	/* A second place of the same chunks makes them known again. */
	sample_write(&again);
	assert_int_equal(map_add(m, &again.id, again.size, &e), 0);
	for (size_t i = 0; i < s.n; i++) {
		assert_int_equal(map_find(m, &s.given[i].id, &hit, &e), 0);
		assert_memory_not_equal(hit.pack.id.b, s.packs[1].info.id.b,
		    ID_BYTES);
	}
	map_close(m);
	sample_fini(&s);
	sample_fini(&again);
}

static int
count_walk(void *ctx, const struct object_id *table, const uint8_t id20[20],
    const struct pack_info *pack, const struct frame_info *frame,
    uint32_t slot, struct err *e)
{
	uint64_t *sum = ctx;

	sum[0]++;
	sum[1] += id20[0] + (uint64_t)id20[19] * slot + frame->off +
	    pack->id.b[7];
	return (0);
}

/* A merged map answers as the tables that it came from; what it replaces is
 * left out, and a second place of a chunk survives. */
static void
test_merge(void **state)
{
	struct err e = ERR_INIT;
	uint64_t before[2] = { 0 }, after[2] = { 0 }, tables, entries;
	struct sample s[6];
	struct map *m;
	bool added;

	for (size_t i = 0; i < 6; i++) {
		sample_make(&s[i], 1000 + i * 777, 5 + i * 30, 21);
		if (i > 0)
			for (size_t k = 0; k < 100; k++)
				s[i].given[k].id = s[i - 1].given[500 + k].id;
		sample_write(&s[i]);
	}
	m = open_map(CACHE);
	assert_int_equal(map_walk(m, count_walk, before, &e), 0);
	/* Only three are small enough. */
	assert_int_equal(map_merge(m, &run, counter++, 340, &added, &e), 0);
	assert_false(added);
	assert_int_equal(map_merge(m, &run, counter++, 2000, &added, &e), 0);
	assert_true(added);
	map_stats(m, &tables, &entries);
	assert_int_equal(tables, 1);
	assert_int_equal(map_walk(m, count_walk, after, &e), 0);
	assert_int_equal(before[0], after[0]);
	assert_int_equal(before[1], after[1]);
	map_close(m);

	m = open_map(CACHE);
	map_stats(m, &tables, &entries);
	assert_int_equal(tables, 1);
	assert_int_equal(entries, before[0]);
	for (size_t i = 0; i < 6; i++)
		for (size_t k = 100; k < s[i].n; k++)
			if (k < 500 || k >= 600)
				check_hit(m, &s[i], k);
	/* s[0].given[500] is also s[1].given[0]: the other place is there. */
	assert_int_equal(map_exclude(m,
	    &s[1].packs[s[1].given[0].pack].info.id, &e), 0);
	check_hit(m, &s[0], 500);
	check_misses(m, 1000);
	assert_int_equal(map_merge(m, &run, counter++, 2000, &added, &e), 0);
	assert_false(added);
	map_close(m);
	for (size_t i = 0; i < 6; i++)
		sample_fini(&s[i]);
	assert_int_equal(said, 0);
}

static void
flip(const struct object_id *id, off_t at)
{
	char path[256], hex[ID_HEX];
	uint8_t b;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/index/%s", dir,
	    hex_emit(hex, id->b, ID_BYTES));
	(void)chmod(path, 0600);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 4;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	(void)close(fd);
}

/* Eight tables, merged after the fourth and the last: of ten one counts. */
static void
write_merged(struct sample s[8])
{
	struct err e = ERR_INIT;
	struct map *m;
	bool added;

	for (size_t i = 0; i < 8; i++) {
		sample_make(&s[i], 300, 3, 21);
		sample_write(&s[i]);
		if (i % 4 != 3)
			continue;
		m = open_map(CACHE);
		assert_int_equal(map_merge(m, &run, counter++, 1000, &added,
		    &e), 0);
		assert_true(added);
		map_close(m);
	}
}

/* A merged table of merged tables says all that it stands for: of ten tables
 * in the store one is opened. */
static void
test_merge_again(void **state)
{
	struct sample s[8];
	struct map *m;

	write_merged(s);
	m = open_map(CACHE);
	assert_int_equal(m->nfound, 10);
	assert_int_equal(m->n, 1);
	for (size_t i = 0; i < 8; i++) {
		for (size_t k = 0; k < s[i].n; k++)
			check_hit(m, &s[i], k);
		sample_fini(&s[i]);
	}
	map_close(m);
	assert_int_equal(said, 0);
}

/* One whose information is damaged hides nothing: the tables that it stands for
 * are asked. */
static void
test_merged_damaged(void **state)
{
	const struct table_head *h;
	struct sample s[8];
	struct map *m;

	write_merged(s);
	m = open_map(CACHE);
	h = &m->tables[0]->head;
	flip(&m->tables[0]->id, TABLE_HEAD_BYTES +
	    (off_t)(h->filter_pages + h->entry_pages) * TABLE_PAGE_BYTES + 50);
	map_close(m);
	m = open_map(CACHE);
	assert_int_equal(said, 1);
	for (size_t i = 0; i < 8; i++) {
		for (size_t k = 0; k < s[i].n; k++)
			check_hit(m, &s[i], k);
		sample_fini(&s[i]);
	}
	map_close(m);
}

/* With a file that may say anything: how many were looked at? */
static size_t
looked_at(const char *hints, const struct sample *s, size_t n)
{
	struct err e = ERR_INIT;
	uint64_t tables, entries;
	size_t looks = 0;
	struct map *m;

	assert_int_equal(map_open(&m, store, ring, 0, CACHE, hints, &logger,
	    &e), 0);
	map_stats(m, &tables, &entries);
	assert_int_equal(tables, 1);
	assert_int_equal(entries, n * s[0].n);
	for (size_t i = 0; i < n; i++)
		check_hit(m, &s[i], i);
	for (size_t i = 0; i < m->nfound; i++)
		looks += m->found[i].sized;
	map_close(m);
	return (looks);
}

static void
put_hints(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

/* Where the tables that are live were noted, the others are not looked at; and
 * whatever is noted, they are the same. */
static void
test_hints(void **state)
{
	uint8_t junk[10 * ID_BYTES + 3];
	struct sample s[8];
	char path[80];

	(void)snprintf(path, sizeof(path), "%s/hints", dir);
	write_merged(s);
	assert_int_equal(looked_at(NULL, s, 8), 10);
	assert_int_equal(looked_at("/nowhere/hints", s, 8), 10);
	assert_int_equal(looked_at(path, s, 8), 10);
	assert_int_equal(looked_at(path, s, 8), 1);
	rnd_bytes(junk, sizeof(junk));
	put_hints(path, junk, sizeof(junk));
	assert_int_equal(looked_at(path, s, 8), 10);
	assert_int_equal(looked_at(path, s, 8), 1);
	/* One that was replaced since, and one twice. */
	memcpy(junk, s[0].id.b, ID_BYTES);
	memcpy(junk + ID_BYTES, s[0].id.b, ID_BYTES);
	put_hints(path, junk, sizeof(junk));
	assert_int_equal(looked_at(path, s, 8), 10);
	put_hints(path, "", 0);
	assert_int_equal(looked_at(path, s, 8), 10);
	for (size_t i = 0; i < 8; i++)
		sample_fini(&s[i]);
	assert_int_equal(said, 0);
}

/* Runs that store next to nothing leave few tables, not one for each few. */
static void
test_merge_tiny(void **state)
{
	struct err e = ERR_INIT;
	struct sample s[64];
	uint64_t tables, entries;
	struct map *m;

	for (size_t i = 0; i < 64; i++) {
		sample_make(&s[i], 2, 1, 1);
		sample_write(&s[i]);
		m = open_map(CACHE);
		assert_int_equal(map_merge(m, &run, counter++, 2, NULL, &e),
		    0);
		map_close(m);
	}
	m = open_map(CACHE);
	map_stats(m, &tables, &entries);
	assert_in_range(tables, 1, 3);
	assert_int_equal(entries, 128);
	for (size_t i = 0; i < 64; i++) {
		for (size_t k = 0; k < s[i].n; k++)
			check_hit(m, &s[i], k);
		sample_fini(&s[i]);
	}
	map_close(m);
	assert_int_equal(said, 0);
}

/* A flip in any page: said once, nothing wrong is answered, the rest is. */
static void
test_damage(void **state)
{
	struct err e = ERR_INIT;
	struct table_head h;
	struct sample s;
	struct map *m;
	uint8_t head[TABLE_HEAD_BYTES];
	size_t got;
	char name[TABLE_NAME_MAX], hex[ID_HEX];

	sample_make(&s, 5000, 60, 40);
	sample_write(&s);
	(void)snprintf(name, sizeof(name), "index/%s",
	    hex_emit(hex, s.id.b, ID_BYTES));
	assert_int_equal(store_read(store, name, 0, head, sizeof(head), &got,
	    &e), 0);
	assert_int_equal(table_head_parse(&h, head, sizeof(head), &repo, &e),
	    0);
	for (uint32_t page = 0; page < table_pages(&h); page++) {
		size_t unknown = 0;

		said = 0;
		flip(&s.id, TABLE_HEAD_BYTES + (off_t)page * TABLE_PAGE_BYTES +
		    (off_t)rnd_below(TABLE_PAGE_BYTES));
		m = open_map(CACHE);
		for (size_t i = 0; i < s.n; i++) {
			struct map_hit hit;
			int ret = map_find(m, &s.given[i].id, &hit, &e);

			assert_true(ret == 0 || ret == MAP_UNKNOWN);
			if (ret == 0)
				check_hit(m, &s, i);
			else
				unknown++;
		}
		assert_int_equal(said, 1);
		assert_true(unknown > 0);
		if (page >= h.filter_pages &&
		    page < h.filter_pages + h.entry_pages)
			assert_true(unknown < s.n);
		map_close(m);
		/* Written anew: the same entries under another name. */
		assert_int_equal(store_remove(store, name, &e), 0);
		sample_write(&s);
		(void)snprintf(name, sizeof(name), "index/%s",
		    hex_emit(hex, s.id.b, ID_BYTES));
	}
	/* The head: the table is left out. */
	for (off_t at = 0; at < TABLE_HEAD_BYTES; at++) {
		uint64_t tables, entries;

		said = 0;
		flip(&s.id, at);
		m = open_map(CACHE);
		map_stats(m, &tables, &entries);
		assert_int_equal(tables, 0);
		map_close(m);
		/* Another domain's tables are not ours to judge. */
		if (at < 24 || at >= 28)
			assert_int_equal(said, 1);
		flip(&s.id, at);
		/* (The bit is back.) */
	}
	m = open_map(CACHE);
	check_hit(m, &s, 17);
	map_close(m);
	sample_fini(&s);
}

/* A damaged source stays out of a merge and is not replaced. */
static void
test_merge_damaged(void **state)
{
	struct err e = ERR_INIT;
	uint64_t tables, entries;
	struct sample s[5];
	struct map *m;
	bool added;

	for (size_t i = 0; i < 5; i++) {
		sample_make(&s[i], 2000, 4, 9);
		sample_write(&s[i]);
	}
	flip(&s[2].id, TABLE_HEAD_BYTES + 3 * TABLE_PAGE_BYTES + 100);
	m = open_map(CACHE);
	assert_int_equal(map_merge(m, &run, counter++, 2000, &added, &e), 0);
	assert_true(added);
	map_stats(m, &tables, &entries);
	assert_int_equal(tables, 2);
	assert_int_equal(entries, 10000);
	map_close(m);
	for (size_t i = 0; i < 5; i++)
		sample_fini(&s[i]);
}

/* A put-only writer's table in domain 0 does not verify: it lacks the key. */
static void
test_forged(void **state)
{
	struct put_only_secrets sec;
	struct err e = ERR_INIT;
	struct keyring *other;
	uint64_t tables, entries;
	struct sample s;
	struct map *m;

	assert_int_equal(keyring_put_only(ring, 7, 0, &sec, &e), 0);
	rnd_bytes(sec.domain_secret, sizeof(sec.domain_secret));
	assert_int_equal(keyring_new_put_only(&other, &repo, &sec, &e), 0);
	sample_make(&s, 1000, 2, 3);
	sample_write_as(&s, other, NULL, 0);
	m = open_map(CACHE);
	for (size_t i = 0; i < s.n; i++) {
		struct map_hit hit;

		assert_int_equal(map_find(m, &s.given[i].id, &hit, &e),
		    MAP_UNKNOWN);
	}
	assert_int_equal(said, 1);
	map_close(m);
	/* With another writer's number it isn't even opened. */
	rnd_bytes(sec.writer_key, sizeof(sec.writer_key));
	sec.writer = 9;
	keyring_free(other);
	assert_int_equal(keyring_new_put_only(&other, &repo, &sec, &e), 0);
	sample_write_as(&s, other, NULL, 0);
	m = open_map(CACHE);
	map_stats(m, &tables, &entries);
	assert_int_equal(tables, 1);
	map_close(m);
	keyring_free(other);
	sample_fini(&s);
}

/* A put-only writer finds its own. */
static void
test_put_only(void **state)
{
	struct put_only_secrets sec;
	struct err e = ERR_INIT;
	struct keyring *full = ring;
	struct sample s;
	struct map *m;

	assert_int_equal(keyring_put_only(full, 7, 7, &sec, &e), 0);
	assert_int_equal(keyring_new_put_only(&ring, &repo, &sec, &e), 0);
	sample_make(&s, 1000, 2, 3);
	sample_write(&s);
	assert_int_equal(map_open(&m, store, ring, 7, CACHE, NULL, &logger,
	    &e), 0);
	for (size_t i = 0; i < s.n; i++)
		check_hit(m, &s, i);
	map_close(m);
	assert_int_equal(map_open(&m, store, full, 7, CACHE, NULL, &logger,
	    &e), 0);
	for (size_t i = 0; i < s.n; i++)
		check_hit(m, &s, i);
	map_close(m);
	keyring_free(ring);
	ring = full;
	sample_fini(&s);
	assert_int_equal(said, 0);
}

/* A store that fails: reading a page makes chunks unknown, listing makes an
 * error. */
static void
test_store_fails(void **state)
{
	struct err e = ERR_INIT;
	struct sample s;
	struct store *inner = store;
	struct map *m;
	struct map_hit hit;

	sample_make(&s, 3000, 4, 5);
	sample_write(&s);
	assert_int_equal(store_fault_open(&store, inner, "read@2+=eio", &e),
	    0);
	m = open_map(CACHE);
	for (size_t i = 0; i < s.n; i++)
		assert_int_equal(map_find(m, &s.given[i].id, &hit, &e),
		    MAP_UNKNOWN);
	assert_int_equal(said, 1);
	map_close(m);
	store_close(store);
	assert_int_equal(store_dir_open(&inner, dir, false, &e), 0);
	assert_int_equal(store_fault_open(&store, inner, "list@1=eio", &e), 0);
	assert_int_equal(map_open(&m, store, ring, 0, CACHE, NULL, &logger,
	    &e), -1);
	sample_fini(&s);
}

static int
no_read(struct store *s, const char *name, uint64_t off, void *dst, size_t len,
    size_t *got, struct err *e)
{
	return (err_set(e, ERR_NET, "out of reach"));
}

/* Out of reach is not unknown, nor damaged: that is said, and afterwards all is
 * found. */
static void
test_out_of_reach(void **state)
{
	const struct store_ops *ops = store->ops;
	struct store_ops lost = *ops;
	struct map_hit hit;
	struct sample s;
	struct map *m;

	lost.read = no_read;
	lost.read_near = NULL;
	sample_make(&s, 3000, 4, 5);
	sample_write(&s);
	m = open_map(CACHE);
	store->ops = &lost;
	for (size_t i = 0; i < s.n; i += 500) {
		struct err e = ERR_INIT;

		assert_int_equal(map_find(m, &s.given[i].id, &hit, &e), -1);
		assert_int_equal(e.code, ERR_NET);
	}
	store->ops = ops;
	for (size_t i = 0; i < s.n; i++)
		check_hit(m, &s, i);
	assert_int_equal(said, 0);
	map_close(m);
	sample_fini(&s);
}

struct worker {
	pthread_t thread;
	struct map *m;
	const struct sample *s;
	unsigned seed;
	size_t wrong;
};

static void *
look_up(void *arg)
{
	struct worker *w = arg;
	struct err e = ERR_INIT;
	struct map_hit hit;

	for (size_t n = 0; n < 40000; n++) {
		size_t i = (n * 7919 + w->seed * 104729) % w->s->n;
		struct chunk_id id = w->s->given[i].id;

		if (map_find(w->m, &id, &hit, &e) != 0 ||
		    hit.slot != w->s->given[i].slot)
			w->wrong++;
		id.b[20 - 1 - n % 20] ^= 0x55;
		if (map_find(w->m, &id, &hit, &e) != MAP_UNKNOWN)
			w->wrong++;
	}
	return (NULL);
}

static void
test_threads(void **state)
{
	struct err e = ERR_INIT;
	struct worker w[4];
	struct sample s, late;
	struct map *m;

	sample_make(&s, 30000, 100, 30);
	sample_make(&late, 1000, 1, 1);
	sample_write(&s);
	sample_write(&late);
	m = open_map(40 * sizeof(struct page));
	for (unsigned i = 0; i < 4; i++) {
		w[i] = (struct worker){ .m = m, .s = &s, .seed = i };
		assert_int_equal(pthread_create(&w[i].thread, NULL, look_up,
		    &w[i]), 0);
	}
	assert_int_equal(map_exclude(m, &late.packs[0].info.id, &e), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		assert_int_equal(w[i].wrong, 0);
	}
	map_close(m);
	sample_fini(&s);
	sample_fini(&late);
	assert_int_equal(said, 0);
}

/* The information's parser refuses what is left over or cut off. */
struct blob {
	const uint8_t *p;
	size_t len;
};
static int
blob_read(void *ctx, uint64_t off, void *dst, size_t len, size_t *got,
    struct err *e)
{
	struct blob *b = ctx;

	*got = off >= b->len ? 0 : b->len - off < len ? b->len - off : len;
	memcpy(dst, b->p + (b->len < off ? b->len : off), *got);
	return (0);
}

static void
test_info_scan(void **state)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	struct object_id ids[2];
	struct blob blob;
	uint64_t index[3];
	struct sample s;

	sample_make(&s, 0, 2, 5);
	for (size_t i = 0; i < 2; i++) {
		pack_info_emit(&b, &s.packs[i].info);
		buf_u32(&b, 5);
		for (uint32_t k = 0; k < 15; k++)
			buf_u32(&b, k);
	}
	buf_bytes(&b, s.packs[0].info.id.b, ID_BYTES);
	buf_zeros(&b, 100);
	blob.p = b.data;
	blob.len = b.len;
	assert_int_equal(info_scan(blob_read, &blob, 2, index, 1, ids, &e), 0);
	assert_int_equal(index[0], 0);
	assert_int_equal(index[1], PACK_RECORD_MAX - WRAP_BYTES + 4 + 60);
	assert_memory_equal(ids[0].b, s.packs[0].info.id.b, ID_BYTES);
	b.data[b.len - 1] = 1;
	assert_int_equal(info_scan(blob_read, &blob, 2, index, 1, ids, &e), -1);
	b.data[b.len - 1] = 0;
	assert_int_equal(info_scan(blob_read, &blob, 3, index, 1, ids, &e), -1);
	blob.len -= 110;
	assert_int_equal(info_scan(blob_read, &blob, 2, index, 1, ids, &e), -1);
	buf_fini(&b);
	sample_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_sizes), T(test_skewed), T(test_equal_ids),
		T(test_exclude_and_add), T(test_merge), T(test_damage),
		T(test_merge_again), T(test_merged_damaged), T(test_hints),
		T(test_merge_tiny),
		T(test_merge_damaged), T(test_forged), T(test_put_only),
		T(test_store_fails), T(test_out_of_reach), T(test_threads),
		T(test_info_scan)
	};

	if (sodium_init() < 0)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
