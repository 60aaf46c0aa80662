/*
 * Reading objects.  What is read is always one version of an object: every
 * answer's tag is compared with that of the first (the listing's, or HEAD's),
 * as not every server honours conditions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/job/bucket_meta.h"
#include "tools/job/bucket_place.h"
#include "tools/job/source_bucket_int.h"

/* A number for this text, the same for the same. */
static int
word(struct bucket *b, const char *text)
{
	unsigned i;

	(void)pthread_mutex_lock(&b->lock);
	for (i = 0; i < b->words && strncmp(b->word[i], text,
	    BUCKET_WORD_MAX - 1) != 0; i++)
		;
	if (i == b->words && i < BUCKET_WORDS) {
		(void)snprintf(b->word[i], BUCKET_WORD_MAX, "%s", text);
		b->words++;
	}
	(void)pthread_mutex_unlock(&b->lock);
	return (i < BUCKET_WORDS ? SOURCE_ERRORS + (int)i : EIO);
}

/* A refusal, without what is different each time (the request's id). */
static int
refused(struct bucket *b, const struct s3_call *c)
{
	char text[BUCKET_WORD_MAX];

	if (c->rq.status == 404 && s3_code_is(c, "NoSuchKey"))
		return (ENOENT);
	if (s3_code_is(c, "InvalidObjectState"))
		(void)snprintf(text, sizeof(text), "it lies in an archive "
		    "class: have it brought back first (InvalidObjectState)");
	else if (c->error.code[0] != '\0')
		(void)snprintf(text, sizeof(text), "%.60s (status %d)",
		    c->error.code, c->rq.status);
	else
		(void)snprintf(text, sizeof(text), "%s (status %d)",
		    c->rq.status == 403 ? "AccessDenied" : "refused",
		    c->rq.status);
	return (word(b, text));
}

/* What a call came to. */
static int
error_of(struct bucket *b, const struct s3_call *c, int rc,
    const struct err *why)
{
	if (rc < 0) {
		/* One that fails each time says nothing of the others. */
		if (c->rq.status != 500)
			(void)atomic_fetch_add(&b->lost, 1);
		return (word(b, err_text(why)));
	}
	atomic_store(&b->lost, 0);
	return (rc == 0 ? 0 : refused(b, c));
}

/* One that should be what o->listed says. */
struct getting {
	struct object *o;
	bool ranged;
	uint64_t off;
	size_t len;
};

static bool
is_other(const struct object *o, const struct s3_call *c)
{
	char etag[S3_TEXT_MAX];

	s3_etag(c, etag);
	return (strcmp(etag, o->listed.etag) != 0);
}

/* Of another object anything will do: it is not used. */
static bool
is_whole(struct s3_call *c, struct err *e)
{
	struct getting *g = c->ctx;
	uint64_t first, last, total;

	if (is_other(g->o, c)) {
		atomic_store(&g->o->changed, true);
		return (true);
	}
	if (!c->rq.too_long && c->rq.got == g->len && (!g->ranged ||
	    (c->rq.status == 206 &&
	    s3_content_range(c, &first, &last, &total) && first == g->off &&
	    last - first + 1 == g->len)))
		return (true);
	(void)err_set(e, ERR_NET, "another piece came than was asked for");
	return (false);
}

/* len bytes at off, or all; after 0 there are g->len of them, or changed is
 * set. */
static int
get(struct getting *g, void *dst, size_t cap)
{
	struct object *o = g->o;
	struct s3_call c = {
		.method = HTTP_GET, .key = o->key, .key_len = o->key_len,
		.sensible = is_whole, .ctx = g,
		.rq = { .dst = dst, .cap = cap, .text_max = S3_TEXT_MIN }
	};
	struct err why = ERR_INIT;
	char range[64];
	int rc, error;

	if (bucket_is_gone(o->b))
		return (EIO);
	(void)snprintf(range, sizeof(range), "bytes=%llu-%llu",
	    (unsigned long long)g->off,
	    (unsigned long long)(g->off + g->len - 1));
	if (g->ranged)
		s3_call_header(&c, "range", range);
	rc = s3_call(o->b->s3, &c, &why);
	error = error_of(o->b, &c, rc, &why);
	/* It is shorter now, or gone and come again. */
	if (rc == S3_REFUSED && c.rq.status == 416) {
		atomic_store(&o->changed, true);
		error = 0;
	}
	/* The first answer's will do for all. */
	(void)pthread_mutex_lock(&o->b->lock);
	if (error == 0 && !atomic_load(&o->changed) && o->head.len == 0) {
		o->head = c.rq.head;
		memset(&c.rq.head, 0, sizeof(c.rq.head));
	}
	(void)pthread_mutex_unlock(&o->b->lock);
	s3_call_fini(&c);
	return (error);
}

/* HEAD has no words for why; one byte does. */
static int
ask_why(struct object *o)
{
	struct getting g = { .o = o, .ranged = true, .len = 1 };
	uint8_t byte;
	int error = get(&g, &byte, 1);

	return (error != 0 ? error : ESTALE);
}

static int
take_time(void *ctx, const struct s3_object *x, struct err *e)
{
	struct object *o = ctx;

	if (x->key_len == o->key_len && memcmp(x->key, o->key, o->key_len) ==
	    0 && x->size_bytes == o->listed.size &&
	    strcmp(x->etag, o->listed.etag) == 0)
		o->listed.mtime = (struct stamp){ .s = x->mtime_s,
		    .ns = x->mtime_ns };
	return (1);		/* of those that begin with it, it is first */
}

/* HEAD's time is one of whole seconds.  With that the next run would take the
 * object to have changed, so its listing is asked. */
static void
find_time(struct object *o)
{
	struct err ignored = ERR_INIT;
	char *key = malloc(o->key_len + 1);

	if (key == NULL)
		return;
	memcpy(key, o->key, o->key_len);
	key[o->key_len] = '\0';
	(void)s3_list(o->b->s3, key, take_time, o, &ignored);
	free(key);
}

/* What the object is now. */
static int
look(struct object *o)
{
	struct s3_call c = {
		.method = HTTP_HEAD, .key = o->key, .key_len = o->key_len,
		.rq = { .text_max = S3_TEXT_MIN }
	};
	struct listed *l = &o->listed;
	struct err why = ERR_INIT;
	uint64_t size = 0;
	int rc, error;

	if (bucket_is_gone(o->b))
		return (EIO);
	rc = s3_call(o->b->s3, &c, &why);
	if (rc == 0 && !s3_content_length(&c, &size))
		rc = err_set(&why, ERR_REMOTE, "the server tells no size");
	error = error_of(o->b, &c, rc, &why);
	if (rc == S3_REFUSED && c.rq.status == 404)
		error = ask_why(o);
	if (error == 0 && (is_other(o, &c) || size != l->size)) {
		l->size = size;
		l->mtime.s = s3_last_modified(&c);
		l->mtime.ns = 0;
		s3_etag(&c, l->etag);
		find_time(o);
	}
	if (error == 0) {
		o->head = c.rq.head;
		memset(&c.rq.head, 0, sizeof(c.rq.head));
	}
	s3_call_fini(&c);
	return (error);
}

static void
object_free(struct object *o)
{
	if (o == NULL)
		return;
	buf_fini(&o->head);
	free(o->key);
	free(o);
}

/* The object at a path of the walk. */
static struct object *
object_new(struct bucket *b, const struct walk_dir *d, const char *name,
    bool marker, const struct listed *l, int *error)
{
	struct object *o = calloc(1, sizeof(*o));
	struct buf path = BUF_INIT, key = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = -1;

	if (o != NULL && walk_path(d, name, &path, &e) == 0)
		rc = path.len < b->head ? PLACE_NONE :
		    key_of_place(&key, (const char *)path.data + b->head,
		    path.len - b->head, marker, &e);
	if (rc == 0) {
		o->b = b;
		o->listed = *l;
		o->key = (char *)key.data;
		o->key_len = key.len;
	} else {
		*error = rc < 0 ? ENOMEM : EILSEQ;
		buf_fini(&key);
		object_free(o);
		o = NULL;
	}
	buf_fini(&path);
	return (o);
}

int
bucket_open(struct source *s, const struct walk_dir *d, const char *name,
    bool large, struct source_file *f)
{
	struct bucket *b = (struct bucket *)s;
	struct err e = ERR_INIT;
	struct listed l;
	int error = 0, rc;

	f->fd = -1;
	f->object = NULL;
	rc = bucket_table_get(b->table, d->place, name, strlen(name), &l, &e);
	if (rc < 0)
		return (bucket_broken(b, &e));
	if (rc > 0 || l.dir > 0)
		return (rc > 0 ? ENOENT : EISDIR);
	f->object = object_new(b, d, name, false, &l, &error);
	if (f->object != NULL && large)
		error = look(f->object);
	if (error != 0)
		bucket_close(s, f);
	return (error);
}

void
bucket_close(struct source *s, struct source_file *f)
{
	object_free(f->object);
	f->object = NULL;
}

int
bucket_stat_file(struct source *s, struct source_file *f, struct meta_stat *st)
{
	const struct object *o = f->object;

	if (atomic_load(&o->changed))
		return (ESTALE);
	bucket_stat_object(o->b, &o->listed, st);
	return (0);
}

void
bucket_file_meta(struct source *s, struct source_file *f, struct meta *m)
{
	if (f->object->head.len > 0)
		bucket_meta_read(m, &f->object->head);
}

int
bucket_read_whole(struct source *s, struct source_file *f,
    const struct meta_stat *st, uint8_t *dst, size_t *got, bool *redo)
{
	struct object *o = f->object;
	struct getting g = { .o = o, .len = (size_t)o->listed.size };
	int error;

	*got = 0;
	*redo = o->listed.size != st->size;
	if (*redo)
		return (0);
	error = get(&g, dst, (size_t)st->size + 1);
	*redo = atomic_load(&o->changed);
	if (error == 0 && !*redo)
		*got = g.len;
	return (error);
}

int
bucket_span(struct source *s, struct source_file *f,
    const struct meta_stat *st, uint64_t off, uint64_t *hole, uint64_t *data)
{
	*hole = 0;
	*data = off < st->size ? st->size - off : 0;
	return (0);
}

int
bucket_read_at(struct source *s, struct source_file *f, void *dst, size_t len,
    uint64_t off, size_t *got)
{
	struct object *o = f->object;
	uint64_t size = o->listed.size;
	struct getting g = { .o = o, .ranged = true, .off = off };
	int error;

	*got = 0;
	if (off >= size || len == 0 || atomic_load(&o->changed))
		return (0);
	g.len = len < size - off ? len : (size_t)(size - off);
	error = get(&g, dst, g.len);
	if (error == 0 && !atomic_load(&o->changed))
		*got = g.len;
	return (error);
}

void
bucket_marker_meta(struct bucket *b, const struct walk_dir *d,
    const struct listed *l, struct meta *m)
{
	struct object *o = object_new(b, d, NULL, true, l, &m->error);

	if (o == NULL)
		return;
	m->error = look(o);
	if (m->error == 0)
		bucket_meta_read(m, &o->head);
	object_free(o);
}
