/*
 * A bucket as a tree: listed once, then answered from the table.
 */
#include "tools/job/source_bucket.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/rd.h"
#include "engine/crypto/hash.h"
#include "tools/job/bucket_place.h"
#include "tools/job/source_bucket_int.h"

#define ROOT_INO	1
#define LOST_MAX	8	/* calls without an answer: it is gone */
#define NOWHERE_TOLD	20
#define SHOW_MS		100

static const struct source_ops bucket_ops;

/* 63 bits, so that SQLite's numbers hold it, and never 0. */
static uint64_t
ino_of(struct hash *h)
{
	uint8_t sum[HASH_BYTES];
	struct rd r;
	uint64_t ino;

	hash_final(h, sum);
	rd_init(&r, sum, sizeof(sum));
	ino = rd_u64(&r) & INT64_MAX;
	return (ino > ROOT_INO ? ino : ROOT_INO + 1);
}

static uint64_t
ino_of_dir(uint64_t parent, const char *name, size_t len)
{
	uint8_t up[8];
	struct hash h;

	le_put64(up, parent);
	hash_init(&h);
	hash_update(&h, up, sizeof(up));
	hash_update(&h, name, len);
	return (ino_of(&h));
}

uint64_t
bucket_dir_ino(const char *path)
{
	uint64_t ino = ROOT_INO;

	while (*path == '/') {
		size_t len = strcspn(++path, "/");

		ino = ino_of_dir(ino, path, len);
		path += len;
	}
	return (ino);
}

bool
bucket_is_gone(const struct bucket *b)
{
	return (atomic_load(&b->lost) >= LOST_MAX);
}

int
bucket_broken(struct bucket *b, const struct err *why)
{
	(void)pthread_mutex_lock(&b->lock);
	if (!atomic_load(&b->broken)) {
		b->why = *why;
		atomic_store(&b->broken, true);
	}
	(void)pthread_mutex_unlock(&b->lock);
	return (EIO);
}

static int
bucket_check(struct source *s, struct err *e)
{
	struct bucket *b = (struct bucket *)s;

	if (bucket_is_gone(b))
		return (err_set(e, ERR_NET, "%s does not answer any more",
		    b->url->host));
	if (!atomic_load(&b->broken))
		return (0);
	(void)pthread_mutex_lock(&b->lock);
	*e = b->why;
	(void)pthread_mutex_unlock(&b->lock);
	return (-1);
}

static const char *
bucket_why(struct source *s, int error)
{
	struct bucket *b = (struct bucket *)s;

	/* What was written once stays. */
	if (error < SOURCE_ERRORS || error >= SOURCE_ERRORS + BUCKET_WORDS)
		return (NULL);
	return (b->word[error - SOURCE_ERRORS]);
}

static void
stat_any(const struct bucket *b, const struct listed *l, struct meta_stat *st)
{
	memset(st, 0, sizeof(*st));
	st->uid = b->uid;
	st->gid = b->gid;
	st->nlink = 1;
	if (l->has_object)
		st->mtime = st->ctime = l->mtime;
}

void
bucket_stat_object(const struct bucket *b, const struct listed *l,
    struct meta_stat *st)
{
	uint8_t size[8];
	struct hash h;

	stat_any(b, l, st);
	st->kind = ENTRY_FILE;
	st->mode = 0600;
	st->size = st->allocated_bytes = l->size;
	le_put64(size, l->size);
	hash_init(&h);
	hash_update(&h, size, sizeof(size));
	hash_update(&h, l->etag, strlen(l->etag));
	st->ino = ino_of(&h);
}

static void
stat_dir(const struct bucket *b, const struct listed *l, uint64_t ino,
    struct meta_stat *st)
{
	stat_any(b, l, st);
	st->kind = ENTRY_DIR;
	st->mode = 0700;
	st->ino = ino;
}

/* Errno. */
static int
look_up(struct bucket *b, uint64_t dir, const char *name, struct listed *l)
{
	struct err e = ERR_INIT;
	int rc = bucket_table_get(b->table, dir, name, strlen(name), l, &e);

	if (rc < 0)
		return (bucket_broken(b, &e));
	return (rc == 0 ? 0 : ENOENT);
}

static int
bucket_stat_root(struct source *s, struct meta_stat *st)
{
	static const struct listed none;

	stat_dir((struct bucket *)s, &none, ROOT_INO, st);
	return (0);
}

static int
bucket_open_dir(struct source *s, struct walk_dir *d)
{
	struct listed l;
	int error;

	if (d->parent == NULL) {
		d->place = TABLE_ROOT;
		return (0);
	}
	error = look_up((struct bucket *)s, d->parent->place, d->name, &l);
	if (error == 0 && l.dir == 0)
		error = ENOTDIR;
	if (error == 0)
		d->place = l.dir;
	return (error);
}

static int
bucket_reopen_dir(struct source *s, struct walk_dir *d,
    const struct walk_dir *child)
{
	return (0);
}

struct list {
	struct names *ns;
	size_t max_bytes;
	int error;
};

static int
add_name(void *ctx, const char *name, size_t len, bool is_dir)
{
	struct list *l = ctx;
	struct names *ns = l->ns;

	if (ns->n > 1 && ns->used + ns->n * sizeof(*ns->v) > l->max_bytes) {
		ns->more = true;
		return (1);
	}
	l->error = names_add(ns, name, len, is_dir ? DT_DIR : DT_REG);
	return (l->error != 0);
}

static int
bucket_list(struct source *s, struct walk_dir *d, bool again, struct names *ns,
    const char *after, size_t max_bytes)
{
	struct bucket *b = (struct bucket *)s;
	struct list l = { .ns = ns, .max_bytes = max_bytes };
	struct err e = ERR_INIT;

	ns->n = ns->used = ns->at = 0;
	ns->more = false;
	if (bucket_table_names(b->table, d->place, after, add_name, &l, &e) !=
	    0)
		return (bucket_broken(b, &e));
	return (l.error);
}

static int
bucket_stat(struct source *s, const struct walk_dir *d, const char *name,
    struct meta_stat *st)
{
	struct bucket *b = (struct bucket *)s;
	struct listed l;
	int error = look_up(b, d->place, name, &l);

	if (error != 0)
		return (error);
	if (l.dir > 0)
		stat_dir(b, &l, ino_of_dir(d->st.ino, name, strlen(name)), st);
	else
		bucket_stat_object(b, &l, st);
	return (0);
}

static void
bucket_entry_meta(struct source *s, const struct walk_dir *d,
    const char *name, uint8_t kind, struct meta *m)
{
	BUG("a bucket has files and directories alone");
}

static void
bucket_dir_meta(struct source *s, const struct walk_dir *d, struct meta *m)
{
	struct bucket *b = (struct bucket *)s;
	struct listed l;

	if (d->parent == NULL || d->implied)
		return;
	m->error = look_up(b, d->parent->place, d->name, &l);
	if (m->error == 0 && l.has_object)
		bucket_marker_meta(b, d, &l, m);
}

/* Its directories have their path's inodes: none was ever elsewhere. */
static bool
bucket_has_vanished(struct source *s, const char *path,
    const struct meta_stat *st)
{
	return (false);
}

static const struct source_ops bucket_ops = {
	.root = bucket_stat_root, .open_dir = bucket_open_dir,
	.reopen_dir = bucket_reopen_dir, .list = bucket_list,
	.stat = bucket_stat, .entry_meta = bucket_entry_meta,
	.dir_meta = bucket_dir_meta, .open = bucket_open,
	.close = bucket_close, .stat_file = bucket_stat_file,
	.file_meta = bucket_file_meta, .read_whole = bucket_read_whole,
	.span = bucket_span, .read_at = bucket_read_at,
	.has_vanished = bucket_has_vanished, .why = bucket_why,
	.check = bucket_check
};

void
bucket_host(char dst[S3_HOST_MAX], const struct s3_url *u)
{
	/* Where the bucket is a part of the name it is taken off. */
	size_t skip = u->base[0] == '\0' ? strlen(u->bucket) + 1 : 0;

	(void)snprintf(dst, S3_HOST_MAX, "%s", u->host + skip);
}

int
bucket_root(struct buf *out, const struct s3_url *u, struct err *e)
{
	buf_u8(out, '/');
	buf_bytes(out, u->bucket, strlen(u->bucket));
	if (u->prefix[0] != '\0') {
		buf_u8(out, '/');
		if (place_of_key(out, u->prefix, strlen(u->prefix), true, e) <
		    0)
			return (-1);
	}
	buf_u8(out, '\0');
	return (buf_ok(out, e));
}

/* One listing. */
struct listing {
	struct bucket *b;
	const struct bucket_env *env;
	struct bucket_counts *counts;
	struct buf path;		/* "BUCKET/", then the object's place */
	uint64_t shown_ms;
};

static void
show(struct listing *l)
{
	const struct events *ev = l->env->events;
	struct event_progress p = { .listing = true,
	    .listed = l->counts->objects };
	uint64_t now;

	if (ev == NULL || ev->progress == NULL)
		return;
	now = clock_mono_ms();
	if (now - l->shown_ms < SHOW_MS)
		return;
	l->shown_ms = now;
	ev->progress(ev->ctx, &p);
}

static int
take(void *ctx, const struct s3_object *o, struct err *e)
{
	struct listing *l = ctx;
	struct listed object = { .size = o->size_bytes,
	    .mtime = { .s = o->mtime_s, .ns = o->mtime_ns } };
	bool marker = o->size_bytes == 0 && o->key_len > 0 &&
	    o->key[o->key_len - 1] == '/';
	int rc;

	if (events_canceled(l->env->events))
		return (err_set(e, ERR_CANCELED, "the backup was interrupted"));
	l->path.len = l->b->head - 1;
	rc = place_of_key(&l->path, o->key, o->key_len, marker, e);
	if (rc < 0)
		return (-1);
	if (rc == PLACE_NONE) {
		if (l->counts->nowhere++ < NOWHERE_TOLD)
			events_item(l->env->events, EVENT_UNREAD, o->key,
			    "an object whose key can't be a path");
		return (0);
	}
	(void)snprintf(object.etag, sizeof(object.etag), "%s", o->etag);
	(void)snprintf(object.class, sizeof(object.class), "%s",
	    o->storage_class);
	l->counts->objects++;
	show(l);
	return (bucket_table_add(l->b->table, (const char *)l->path.data,
	    l->path.len, marker, &object, e));
}

static int
list(struct bucket *b, const struct bucket_env *env,
    struct bucket_counts *counts, struct err *e)
{
	struct listing l = { .b = b, .env = env, .counts = counts };
	int rc = bucket_root(&l.path, b->url, e);

	/* It is there, whether anything is in it or not. */
	if (rc == 0)
		rc = bucket_table_dir(b->table, (const char *)l.path.data + 1,
		    l.path.len - 2, e);
	buf_reset(&l.path);
	buf_bytes(&l.path, b->url->bucket, strlen(b->url->bucket));
	buf_u8(&l.path, '/');
	show(&l);
	if (rc == 0)
		rc = s3_list(b->s3, b->url->prefix, take, &l, e);
	if (rc != 0) {
		/* It isn't the repository that is missing. */
		if (e->code == ERR_NOREPO)
			e->code = ERR_REMOTE;
		(void)err_wrap(e, "listing %s/%s", b->url->bucket,
		    b->url->prefix);
	}
	buf_fini(&l.path);
	return (rc);
}

int
source_bucket_new(struct source **out, const struct bucket_env *env,
    struct bucket_counts *counts, struct err *e)
{
	struct bucket *b = calloc(1, sizeof(*b));

	memset(counts, 0, sizeof(*counts));
	if (b == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	(void)pthread_mutex_init(&b->lock, NULL);
	b->base.ops = &bucket_ops;
	b->base.vouches = true;
	b->s3 = env->s3;
	b->url = s3_url(env->s3);
	b->head = strlen(b->url->bucket) + 2;
	b->uid = geteuid();
	b->gid = getegid();
	if (bucket_table_new(&b->table, env->cache_bytes, e) != 0 ||
	    list(b, env, counts, e) != 0) {
		source_bucket_free(&b->base);
		return (-1);
	}
	*out = &b->base;
	return (0);
}

void
source_bucket_free(struct source *s)
{
	struct bucket *b = (struct bucket *)s;

	if (b == NULL)
		return;
	bucket_table_free(b->table);
	(void)pthread_mutex_destroy(&b->lock);
	free(b);
}
