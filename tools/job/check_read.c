/*
 * Every byte of one pack, from its beginning to its end: they hash to its name,
 * each frame opens, each chunk hashes to its id.  Any thread reads; what it
 * finds is kept until the check's own thread tells it, for what is worth saying
 * depends on what was said of the pack before.
 *
 * A pack is read in stretches of many frames.
 */
#include <string.h>

#include "engine/repo/pack_name.h"
#include "tools/job/check_impl.h"

#define PIECE		(1U << 20)
#define FAR_PIECE	(4U << 20)
#define NO_FRAME	UINT32_MAX

/* What is wrong inside, to be said later. */
struct finding {
	struct finding *next;
	uint32_t frame;			/* NO_FRAME: the directory */
	char text[];
};

struct reading {
	struct job job;
	struct check *c;
	struct pack_row row;
	struct err err;
	int result;
	struct finding *first, **last;	/* owned */

	/* Read before, and lent; NULL: it was not, or there was no room. */
	const struct pack_info *info;
	const struct pack_directory *dir;

	char hex[ID_HEX];
	char name[PACK_NAME_BYTES];
	struct buf bytes;		/* what was read last: of the pack */
	uint64_t bytes_off;		/* ... from here on */
	struct hash_long hash;
	uint64_t off;
	uint64_t wrong;			/* frames */
	bool said;			/* something is wrong, or was before */
	bool misnamed;			/* its bytes don't hash to its name */
};

static int
keep_finding(struct reading *rd, uint32_t frame, const char *text,
    struct err *e)
{
	size_t len = strlen(text) + 1;
	struct finding *x = malloc(sizeof(*x) + len);

	if (x == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	x->next = NULL;
	x->frame = frame;
	memcpy(x->text, text, len);
	*rd->last = x;
	rd->last = &x->next;
	return (0);
}

static void
drop_findings(struct reading *rd)
{
	struct finding *x;

	while ((x = rd->first) != NULL) {
		rd->first = x->next;
		free(x);
	}
	rd->last = &rd->first;
}

/* Read on behind what is there, so that len bytes from rd->off on are. */
static int
read_more(struct reading *rd, size_t len, struct err *e)
{
	struct store *store = repo_store(rd->c->repo);
	size_t want = store->parallel > 0 ? FAR_PIECE : PIECE;
	size_t done = (size_t)(rd->off - rd->bytes_off), kept, got;
	uint64_t left;
	uint8_t *p;
	int r;

	kept = rd->bytes.len - done;
	if (kept > 0)
		memmove(rd->bytes.data, rd->bytes.data + done, kept);
	rd->bytes.len = kept;
	rd->bytes_off = rd->off;
	if (want < len)
		want = len;
	want -= kept;
	left = rd->row.size_bytes - (rd->off + kept);
	if (want > left)
		want = (size_t)left;
	if ((p = buf_grow(&rd->bytes, want)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	r = store_read(store, rd->name, rd->off + kept, p, want, &got, e);
	if (r == STORE_ABSENT)
		return (err_set(e, ERR_CORRUPT, "it is gone"));
	if (r < 0)
		return (-1);
	if (got < want || kept + want < len)
		return (err_set(e, ERR_CORRUPT, "it is shorter than it was "
		    "when it was listed"));
	return (0);
}

/* The next len bytes of the pack, hashed on the way; valid until the next. */
static int
read_next(struct reading *rd, size_t len, const uint8_t **out, struct err *e)
{
	if (rd->off + len > rd->bytes_off + rd->bytes.len &&
	    read_more(rd, len, e) < 0)
		return (-1);
	*out = rd->bytes.data + (rd->off - rd->bytes_off);
	hash_long_update(&rd->hash, *out, len);
	rd->off += len;
	(void)atomic_fetch_add(&rd->c->bytes, len);
	check_tick(rd->c, NULL);
	return (0);
}

static int
check_chunks(const struct opened_frame *f, const struct pack_directory *d,
    uint32_t no, const uint8_t id_key[KEY_BYTES], struct err *e)
{
	const struct slot_entry *slot = &d->slots[d->first_slot[no]];
	uint8_t id[HASH_BYTES];

	if (f->nslots != d->first_slot[no + 1] - d->first_slot[no])
		return (err_set(e, ERR_CORRUPT, "it has %u chunks, not %u",
		    f->nslots, d->first_slot[no + 1] - d->first_slot[no]));
	for (uint32_t i = 0; i < f->nslots; i++) {
		hash_keyed(id, id_key, f->raw + f->off[i],
		    f->off[i + 1] - f->off[i]);
		if (memcmp(id, slot[i].id.b, HASH_BYTES) != 0)
			return (err_set(e, ERR_CORRUPT,
			    "chunk %u is not what its id says", i));
	}
	return (0);
}

/* The chunks of a frame, at most, unless somebody else's program made it. */
static size_t
frame_bytes(const struct check *c)
{
	return ((size_t)FRAME_TARGET +
	    repo_header(c->repo)->cutter.max_bytes);
}

static int
check_frame(struct reading *rd, const struct pack_directory *d, uint32_t no,
    const struct pack_seal *seal, const uint8_t id_key[KEY_BYTES],
    struct err *e)
{
	struct opened_frame f;
	const uint8_t *sealed;
	struct err why = ERR_INIT;
	int r = 0;

	if (read_next(rd, d->frames[no].stored, &sealed, e) < 0)
		return (-1);
	memset(&f, 0, sizeof(f));
	if (frame_open(&f, seal, no, sealed, d->frames[no].stored,
	    &why) < 0 || check_chunks(&f, d, no, id_key, &why) < 0) {
		if (why.code == ERR_NOMEM) {
			*e = why;
			r = -1;
		} else {
			rd->wrong++;
			r = keep_finding(rd, no, check_why(&why), e);
		}
	}
	opened_frame_fini(&f);
	return (r);
}

static int
check_frames(struct reading *rd, const struct pack_directory *d,
    const struct pack_seal *seal, const uint8_t id_key[KEY_BYTES],
    struct err *e)
{
	struct check *c = rd->c;
	bool big;
	int r = 0;

	for (uint32_t no = 0; r == 0 && no < d->nframes; no++) {
		if (check_going(c, e) < 0)
			return (-1);
		if (d->frames[no].off != rd->off)
			return (err_set(e, ERR_CORRUPT, "frame %u is not where "
			    "the directory says", no));
		/* One at a time of those that the memory was not shared out
		 * for. */
		big = d->frames[no].raw > frame_bytes(c) ||
		    d->frames[no].stored > frame_bytes(c);
		if (big)
			(void)pthread_mutex_lock(&c->big);
		r = check_frame(rd, d, no, seal, id_key, e);
		if (big) {
			buf_fini(&rd->bytes);
			(void)pthread_mutex_unlock(&c->big);
		}
	}
	return (r);
}

/* Header and directory; of a small pack, all of it is read at once. */
static int
load_directory(struct reading *rd, struct pack_info *info,
    struct pack_directory *d, struct err *e)
{
	struct repo *repo = rd->c->repo;
	const struct pack_row *row = &rd->row;

	if (row->size_bytes > PIECE)
		return (fetch_pack(repo, &row->id, row->size_bytes, row->kind,
		    info, d, e));
	if (read_more(rd, (size_t)row->size_bytes, e) < 0)
		return (-1);
	return (fetch_pack_parse(repo, &row->id, row->kind, rd->bytes.data,
	    rd->bytes.len, info, d, e));
}

/* Frames by the directory. */
static int
check_by(struct reading *rd, const struct pack_info *info,
    const struct pack_directory *d, struct err *e)
{
	uint8_t id_key[KEY_BYTES];
	struct pack_seal seal;
	const uint8_t *header;
	int r;

	if (pack_seal_open(&seal, repo_keyring(rd->c->repo), info, e) < 0 ||
	    keyring_domain_id_key(repo_keyring(rd->c->repo), info->domain,
	    id_key, e) < 0 || read_next(rd, PACK_HEADER_BYTES, &header,
	    e) < 0)
		r = -1;
	else
		r = check_frames(rd, d, &seal, id_key, e);
	sodium_memzero(&seal, sizeof(seal));
	sodium_memzero(id_key, sizeof(id_key));
	return (r);
}

static int
check_inside(struct reading *rd, struct err *e)
{
	struct pack_directory d = { 0 };
	struct pack_info info;
	struct err why = ERR_INIT;
	int r;

	if (rd->dir != NULL)
		return (check_by(rd, rd->info, rd->dir, e));
	r = load_directory(rd, &info, &d, &why);
	if (r < 0 && !check_is_damage(&why)) {
		*e = why;
		return (-1);
	}
	if (r > 0)
		return (err_set(e, ERR_CORRUPT, "it is gone"));
	if (r < 0) {
		rd->said = true;
		return (keep_finding(rd, NO_FRAME, check_why(&why), e));
	}
	r = check_by(rd, &info, &d, e);
	pack_directory_fini(&d);
	return (r);
}

static int
check_whole(struct reading *rd, struct err *e)
{
	uint8_t id[HASH_BYTES];
	const uint8_t *bytes;
	uint64_t left;

	hash_long_init(&rd->hash, repo_pack_naming(rd->c->repo));
	/* Without header or directory, the files' chunks were read when their
	 * catalogs were. */
	rd->said = (rd->row.flags & PACK_SAID) != 0;
	if (!rd->said && check_inside(rd, e) < 0)
		return (-1);
	while (rd->off < rd->row.size_bytes) {
		left = rd->row.size_bytes - rd->off;
		if (check_going(rd->c, e) < 0 || read_next(rd, left < PIECE ?
		    (size_t)left : PIECE, &bytes, e) < 0)
			return (-1);
	}
	hash_long_final(&rd->hash, id);
	rd->misnamed = memcmp(id, rd->row.id.b, ID_BYTES) != 0;
	return (0);
}

static void
run_job(struct job *job)
{
	struct reading *rd = (struct reading *)job;

	rd->result = check_whole(rd, &rd->err);
	hash_long_fini(&rd->hash);
	buf_fini(&rd->bytes);
}

size_t
reading_bytes(const struct check *c)
{
	return (2 * frame_bytes(c) + FAR_PIECE);
}

int
reading_new(struct job **out, struct check *c, const struct pack_row *row,
    bool lend, struct err *e)
{
	struct reading *rd = calloc(1, sizeof(*rd));

	if (rd == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	rd->job.run = run_job;
	rd->c = c;
	rd->row = *row;
	if (lend) {
		rd->dir = dirs_find(c->dirs, &row->id);
		rd->info = dirs_info(c->dirs, &row->id);
	}
	rd->last = &rd->first;
	err_init(&rd->err);
	(void)check_id(rd->hex, row->id.b);
	(void)pack_name(rd->name, &row->id);
	*out = &rd->job;
	return (0);
}

void
reading_free(struct job *job)
{
	struct reading *rd = (struct reading *)job;

	if (rd == NULL)
		return;
	drop_findings(rd);
	free(rd);
}

/* Something was said of the pack since its reading began: then what is inside
 * is no news, and only its name is looked at. */
static void
read_again(struct reading *rd, const struct pack_row *row)
{
	drop_findings(rd);
	(void)atomic_fetch_sub(&rd->c->bytes, rd->off);
	rd->row = *row;
	rd->off = rd->bytes_off = rd->wrong = 0;
	rd->misnamed = false;
	err_init(&rd->err);
	run_job(&rd->job);
}

/* All that is wrong; is it nothing? */
static bool
say_findings(struct reading *rd)
{
	struct check *c = rd->c;

	for (const struct finding *x = rd->first; x != NULL; x = x->next) {
		if (x->frame == NO_FRAME) {
			check_damage(c, NULL, "pack %s: %s", rd->hex, x->text);
			continue;
		}
		check_damage(c, NULL, "pack %s: frame %u: %s", rd->hex,
		    x->frame, x->text);
		check_bad(c, &rd->row.id, x->frame);
	}
	if (rd->result < 0) {
		check_damage(c, NULL, "pack %s: %s", rd->hex,
		    check_why(&rd->err));
		check_bad(c, &rd->row.id, UINT32_MAX);
		return (false);
	}
	if (!rd->misnamed)
		return (!rd->said && rd->wrong == 0);
	if (!rd->said && rd->wrong == 0)
		check_damage(c, NULL, "pack %s: its bytes are not what its "
		    "name says", rd->hex);
	c->res.bad++;
	return (false);
}

int
reading_tell(struct job *job, struct err *e)
{
	struct reading *rd = (struct reading *)job;
	struct check *c = rd->c;
	struct stamp now = clock_wall();
	struct pack_row row;
	bool whole;

	if (packlist_find(c->packs, &rd->row.id, &row, e) < 0)
		return (-1);
	if ((row.flags & ~rd->row.flags & PACK_SAID) != 0)
		read_again(rd, &row);
	if (rd->result < 0 && !check_is_damage(&rd->err)) {
		if (e->code == ERR_NONE)
			*e = rd->err;
		return (-1);
	}
	whole = say_findings(rd);
	c->res.packs_read++;
	return (packlist_verified(c->packs, &rd->row.id,
	    whole && now.s > 0 ? (uint64_t)now.s : 0, e));
}
