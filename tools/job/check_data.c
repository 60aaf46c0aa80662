/*
 * Every byte: each pack is read once, from its beginning to its end; its bytes
 * hash to its name, each frame opens, each chunk hashes to its id.  One pack a
 * worker at a time.  Where not all are to be read, those go first that this
 * user has not read for longest, so that every pack has its turn.
 *
 * A pack is read in stretches of many frames, and far away by more workers than
 * there are processors: some wait while the others compute.
 */
#include <string.h>
#include <unistd.h>

#include "engine/repo/pack_name.h"
#include "tools/job/check_impl.h"

#define PIECE		(1U << 20)
#define FAR_PIECE	(4U << 20)
#define THREADS_MAX	8

struct reading {
	struct job job;
	struct check *c;
	struct pack_row row;
	struct err err;
	int result;

	/* Read before, and lent; NULL: it was not, or there was no room. */
	const struct pack_info *info;
	const struct pack_directory *dir;

	char hex[ID_HEX];
	char name[PACK_NAME_BYTES];
	struct buf bytes;		/* what was read last: of the pack */
	uint64_t bytes_off;		/* ... from here on */
	struct hash hash;
	uint64_t off;
	uint64_t wrong;			/* frames */
	bool said;			/* that something is wrong */
	bool whole;			/* nothing is */
};

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
	hash_update(&rd->hash, *out, len);
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

static void
bad_frame(struct reading *rd, uint32_t no, const struct err *e)
{
	rd->wrong++;
	check_damage(rd->c, NULL, "pack %s: frame %u: %s", rd->hex, no,
	    check_why(e));
	check_bad(rd->c, &rd->row.id, no);
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
			bad_frame(rd, no, &why);
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
		check_damage(rd->c, NULL, "pack %s: %s", rd->hex,
		    check_why(&why));
		rd->said = true;
		return (0);
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

	hash_init(&rd->hash);
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
	hash_final(&rd->hash, id);
	if (memcmp(id, rd->row.id.b, ID_BYTES) != 0 && rd->wrong == 0 &&
	    !rd->said)
		check_damage(rd->c, NULL, "pack %s: its bytes are not what "
		    "its name says", rd->hex);
	if (rd->said || memcmp(id, rd->row.id.b, ID_BYTES) == 0) {
		rd->whole = !rd->said && rd->wrong == 0;
		return (0);
	}
	(void)pthread_mutex_lock(&rd->c->lock);
	rd->c->res.bad++;
	(void)pthread_mutex_unlock(&rd->c->lock);
	return (0);
}

static void
run_job(struct job *job)
{
	struct reading *rd = (struct reading *)job;

	rd->result = check_whole(rd, &rd->err);
	if (rd->result < 0 && check_is_damage(&rd->err)) {
		check_damage(rd->c, NULL, "pack %s: %s", rd->hex,
		    check_why(&rd->err));
		check_bad(rd->c, &rd->row.id, UINT32_MAX);
		rd->result = 0;
	}
	buf_fini(&rd->bytes);
}

static int
take(struct lane *lane, struct err *e)
{
	struct reading *rd = (struct reading *)lane_take(lane);
	struct check *c = rd->c;
	struct stamp now = clock_wall();
	int r = rd->result;

	if (r < 0 && e->code == ERR_NONE)
		*e = rd->err;
	else if (r >= 0) {
		c->res.packs_read++;
		r = packlist_verified(c->packs, &rd->row.id,
		    rd->whole && now.s > 0 ? (uint64_t)now.s : 0, e);
	}
	free(rd);
	return (r);
}

static int
submit(struct check *c, struct lane *lane, const struct pack_row *row,
    struct err *e)
{
	struct reading *rd;

	if (lane_is_full(lane) && take(lane, e) < 0)
		return (-1);
	if ((rd = calloc(1, sizeof(*rd))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	rd->job.run = run_job;
	rd->c = c;
	rd->row = *row;
	rd->dir = dirs_find(c->dirs, &row->id);
	rd->info = dirs_info(c->dirs, &row->id);
	err_init(&rd->err);
	(void)check_id(rd->hex, row->id.b);
	(void)pack_name(rd->name, &row->id);
	lane_submit(lane, &rd->job);
	return (0);
}

/* Is it one of the packs of that part?  Always the same ones. */
static bool
in_part(const struct check_env *env, const struct pack_id *id)
{
	uint64_t n = 0;

	for (size_t i = 0; i < 8; i++)
		n = n << 8 | id->b[i];
	return (n % env->parts == env->part - 1);
}

/* How many bytes are enough. */
static uint64_t
bytes_wanted(const struct check *c)
{
	const struct check_env *env = c->env;
	uint64_t share = env->share;

	if (env->subset == CHECK_BYTES)
		return (env->bytes);
	if (env->subset != CHECK_SHARE)
		return (UINT64_MAX);
	/* Rounded up, and without an overflow. */
	return (c->bytes_total / 1000000 * share + (c->bytes_total % 1000000 *
	    share + 999999) / 1000000);
}

static bool
time_is_up(const struct check *c)
{
	return (c->env->max_ms > 0 && c->begun > 0 &&
	    clock_mono_ms() - c->began_ms >= c->env->max_ms);
}

static int
read_some(struct check *c, struct lane *lane, struct err *e)
{
	uint64_t wanted = bytes_wanted(c), begun = 0;
	struct pack_row row;
	int r;

	if ((r = packlist_oldest(c->packs, e)) < 0)
		return (-1);
	if (c->env->subset == CHECK_PART)
		c->bytes_total = 0;
	else if (wanted < c->bytes_total)
		c->bytes_total = wanted;
	while (begun < wanted && !time_is_up(c)) {
		if ((r = packlist_oldest_next(c->packs, &row, e)) != 0)
			break;
		if (c->env->subset == CHECK_PART && !in_part(c->env, &row.id))
			continue;
		if ((r = check_going(c, e)) < 0 ||
		    (r = submit(c, lane, &row, e)) < 0)
			break;
		begun += row.size_bytes;
		c->begun++;
	}
	while (!lane_is_empty(lane))
		if (take(lane, e) < 0)
			r = -1;
	return (r < 0 ? -1 : 0);
}

/* What is known now of when each pack was read. */
static int
remember(struct check *c, struct err *e)
{
	struct pack_row rows[64];
	struct verified now = { 0 };
	struct pack_id last;
	size_t n = 64;
	int r = 0;

	for (bool begun = false; r == 0 && n == 64; begun = true) {
		r = packlist_next(c->packs, begun ? &last : NULL, rows, 64, &n,
		    e);
		for (size_t i = 0; r == 0 && i < n; i++) {
			last = rows[i].id;
			if (rows[i].verified == 0) {
				c->res.packs_unverified++;
				continue;
			}
			if (c->res.oldest == 0 ||
			    rows[i].verified < c->res.oldest)
				c->res.oldest = rows[i].verified;
			r = verified_add(&now, &last, rows[i].verified, e);
		}
	}
	if (r == 0 && c->res.packs_read > 0 &&
	    verified_store(c->repo, &now, e) < 0) {
		check_warning(c, "what was verified can't be remembered: %s",
		    err_text(e));
		err_init(e);
	}
	verified_fini(&now);
	return (r);
}

int
check_data(struct check *c, struct err *e)
{
	const struct repo_env *env = repo_env(c->repo);
	struct pool *pool = NULL;
	struct lane *lane = NULL;
	unsigned threads = env->threads;
	size_t fit = env->memory_bytes / 2 /
	    (2 * frame_bytes(c) + FAR_PIECE);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct err why = ERR_INIT;
	int r = -1;

	if (threads == 0)
		threads = cpus > 0 ? (unsigned)cpus : 1;
	if (threads > THREADS_MAX ||
	    repo_store(c->repo)->parallel > 0)
		threads = THREADS_MAX;
	if (threads > fit)
		threads = fit > 0 ? (unsigned)fit : 1;
	if (pool_new(&pool, threads > 1 ? threads : 0, e) == 0 &&
	    lane_new(&lane, pool, 0, threads * 2, e) == 0)
		r = read_some(c, lane, e);
	lane_free(lane);
	pool_free(pool);
	/* What was read before an interruption counts as well. */
	if (remember(c, &why) < 0 && r == 0) {
		*e = why;
		r = -1;
	}
	return (r);
}
