/*
 * Restore into a bucket: one walk, in which files become jobs.
 *
 * A file that fits into a part is one job: what is there is looked at, if need
 * be, the content read and put.  A larger one is a job for each part, all of
 * the same upload, which is begun by the walk and ended when the last of them
 * is taken back.  A directory is an object only if it was one: a marker.
 *
 * Invariants:
 *	1. The contents of all jobs that are not taken back yet are no more than
 *	   `budget' bytes; one may always go on.
 *	2. An upload is ended when every part was put, else aborted, also when
 *	   all is interrupted; if that can't be done it is said.
 *	3. What could not be put was said, and is counted in `failed'.
 */
#include "tools/job/restore_bucket_int.h"

#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>

#include "tools/job/content.h"

#define PART_BYTES	(16ULL << 20)
#define PART_MIN	(5ULL << 20)	/* the servers' */
#define PART_UNIT	(1ULL << 20)

/* A large object.  The walker's, but for what its parts only read, and the tag
 * of each, which is its job's. */
struct upload {
	char *path;			/* owned; below what is restored */
	struct entry en;
	unsigned refs;			/* the walk's, and its jobs' */
	unsigned parts;
	uint64_t part_bytes;
	struct put_target target;
	struct buf id;
	char *tags;			/* owned; parts of S3_TEXT_MAX */
	enum put_how how;
	bool begun;
	int rc;				/* of the first that failed */
	struct err err;
};

struct put_job {
	struct job job;
	struct restore *rs;
	struct entry en;
	char *path;			/* owned; below what is restored */
	struct upload *upload;		/* a reference; NULL: the whole */
	unsigned number;		/* of the part */
	uint64_t off;
	size_t len;
	/* What came of it. */
	int rc;				/* 0, PUT_FAILED, < 0 */
	struct err err;
	bool done;			/* false: it is no object at all */
	enum put_how how;
	const char *unsent;
};

struct bucket_restore {
	struct restore *rs;
	size_t budget, held;
	uint64_t part;			/* bytes of one, at least */
};

/* The content of a job. */
struct piece {
	uint8_t *dst;
	uint64_t off;
	size_t len, got;
};

static int
take_content(void *ctx, uint64_t off, const uint8_t *data, uint64_t len,
    struct err *e)
{
	struct piece *p = ctx;
	size_t room = p->len - p->got;

	BUG_ON(off != p->off + p->got);
	if (len > room)
		len = room;
	if (data != NULL)
		memcpy(p->dst + p->got, data, (size_t)len);
	else
		memset(p->dst + p->got, 0, (size_t)len);
	p->got += (size_t)len;
	return (p->got == p->len);
}

/* Not from the heap: a thread's part of it keeps what was freed, and of bodies
 * that would be one for each thread besides the budget. */
static uint8_t *
body_new(size_t len)
{
	void *p = mmap(NULL, len + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0);

	return (p != MAP_FAILED ? p : NULL);
}

static void
body_free(uint8_t *p, size_t len)
{
	if (p != NULL)
		(void)munmap(p, len + 1);
}

/* NULL and the error; damage is this file's alone (*rc). */
static uint8_t *
read_content(struct put_job *j, int *rc, struct err *e)
{
	struct piece p = { .off = j->off, .len = j->len };
	int r = 0;

	p.dst = body_new(j->len);
	if (p.dst == NULL) {
		*rc = err_set(e, ERR_NOMEM, "out of memory");
		return (NULL);
	}
	if (j->len > 0)
		r = content_read(j->rs->catalog, j->rs->fetch, &j->en, j->off,
		    take_content, &p, e);
	if (r >= 0 && p.got == p.len)
		return (p.dst);
	if (r >= 0)
		r = err_set(e, ERR_CORRUPT, "the catalog lacks its end");
	*rc = e->code == ERR_CORRUPT ? PUT_FAILED : r;
	body_free(p.dst, j->len);
	return (NULL);
}

static void
run_part(struct put_job *j)
{
	struct upload *u = j->upload;
	uint8_t *bytes = read_content(j, &j->rc, &j->err);

	if (bytes == NULL)
		return;
	j->rc = put_part(j->rs, &u->target, &u->id, j->number, bytes, j->len,
	    u->tags + (size_t)(j->number - 1) * S3_TEXT_MAX, &j->err);
	body_free(bytes, j->len);
}

static void
run_whole(struct put_job *j)
{
	struct restore *rs = j->rs;
	struct put_target t;
	uint8_t *bytes = NULL;
	bool looked;

	j->rc = put_target_make(&t, rs, j->path, strlen(j->path), &j->en,
	    &j->err);
	j->unsent = t.unsent;
	/* A directory that was no object; the marker of a whole bucket. */
	j->done = j->en.kind == ENTRY_FILE || (j->rc != 0 || (t.is_object &&
	    t.key.len > 0));
	looked = !put_is_safe(rs, &j->en, &j->how);
	if (j->rc == 0 && j->done && looked)
		j->rc = put_look(rs, &t, &j->en, &j->how, &j->err);
	if (j->rc == 0 && j->done && !rs->env->dry_run &&
	    j->how != PUT_KEEP && j->how != PUT_REFUSE) {
		bytes = read_content(j, &j->rc, &j->err);
		if (bytes != NULL)
			j->rc = put_whole(rs, &t, looked, &j->how, bytes,
			    j->len, &j->err);
	}
	body_free(bytes, j->len);
	put_target_fini(&t);
}

/* On a worker. */
static void
run_job(struct job *job)
{
	struct put_job *j = (struct put_job *)job;

	if (restore_stopped(j->rs))
		j->rc = err_set(&j->err, ERR_CANCELED, "interrupted");
	else if (j->upload != NULL)
		run_part(j);
	else
		run_whole(j);
	if (j->rc < 0)
		atomic_store(&j->rs->stop, true);
}

/* For people: what is restored has no name below itself. */
static const char *
shown(const char *path)
{
	return (*path != '\0' ? path : ".");
}

static void
job_free(struct put_job *j)
{
	free(j->path);
	free(j);
}

static const char *
would_word(enum put_how how)
{
	return (how == PUT_MAKE ? "create" : how == PUT_REPLACE ? "replace" :
	    "keep");
}

/* An object's end: said, counted. */
static void
tell(struct restore *rs, const char *path, const struct entry *en,
    enum put_how how, const char *unsent)
{
	if (how == PUT_REFUSE) {
		restore_failed(rs, path, "an object of this key is there "
		    "already");
		return;
	}
	if (rs->env->dry_run)
		restore_would(rs, would_word(how), path);
	if (how == PUT_KEEP) {
		(void)atomic_fetch_add(&rs->kept, 1);
		return;
	}
	if (unsent != NULL)
		restore_failed(rs, path, "%s", unsent);
	if (en->kind == ENTRY_FILE)
		(void)atomic_fetch_add(&rs->files, 1);
	(void)atomic_fetch_add(&rs->bytes, en->size);
}

static void
upload_abort(struct restore *rs, struct upload *u)
{
	struct err why = ERR_INIT;

	if (put_abort_parts(rs, &u->target, &u->id, &why) == 0)
		return;
	(void)err_wrap(&why, "parts of it may be left in the bucket, as an "
	    "upload that was not ended");
	restore_note(rs, EVENT_WARNING, shown(u->path), err_text(&why));
}

/* With the last reference the upload ends. */
static int
upload_unref(struct restore *rs, struct upload *u, struct err *e)
{
	int rc = u->rc;

	if (--u->refs > 0)
		return (0);
	if (u->begun && rc == 0 && events_canceled(rs->events))
		rc = err_set(&u->err, ERR_CANCELED, "interrupted");
	if (u->begun && rc == 0)
		rc = put_end_parts(rs, &u->target, &u->id, u->tags, u->parts,
		    u->en.size, &u->err);
	if (u->begun && rc != 0)
		upload_abort(rs, u);
	if (rc < 0)
		*e = u->err;
	else if (rc > 0)
		restore_failed(rs, u->path, "%s", err_text(&u->err));
	else
		tell(rs, u->path, &u->en, u->how, u->target.unsent);
	put_target_fini(&u->target);
	buf_fini(&u->id);
	free(u->tags);
	free(u->path);
	free(u);
	return (rc < 0 ? -1 : 0);
}

static void
upload_failed(struct upload *u, int rc, const struct err *why)
{
	if (u->rc != 0)
		return;
	u->rc = rc;
	u->err = *why;
}

/* Take the oldest job back. */
static int
settle(struct bucket_restore *b, struct err *e)
{
	struct restore *rs = b->rs;
	struct put_job *j = (struct put_job *)lane_take(rs->lane);
	int rc = 0;

	b->held -= j->len;
	restore_tick(rs, NULL, shown(j->path));
	if (j->rc < 0) {
		*e = j->err;
		rc = -1;
	}
	if (j->upload != NULL) {
		if (j->rc != 0)
			upload_failed(j->upload, j->rc, &j->err);
		if (upload_unref(rs, j->upload, e) != 0)
			rc = -1;
	} else if (j->rc > 0) {
		restore_failed(rs, shown(j->path), "%s", err_text(&j->err));
	} else if (j->rc == 0 && j->done) {
		tell(rs, shown(j->path), &j->en, j->how, j->unsent);
	}
	job_free(j);
	return (rc);
}

/* Takes the job. */
static int
submit(struct bucket_restore *b, struct put_job *j, struct err *e)
{
	struct restore *rs = b->rs;

	while (!lane_is_empty(rs->lane) && (lane_is_full(rs->lane) ||
	    b->held + j->len > b->budget)) {
		if (settle(b, e) != 0) {
			job_free(j);
			return (-1);
		}
	}
	b->held += j->len;
	if (j->upload != NULL)
		j->upload->refs++;
	lane_submit(rs->lane, &j->job);
	return (0);
}

static struct put_job *
job_new(struct bucket_restore *b, const char *path, const struct entry *en,
    struct err *e)
{
	struct put_job *j = calloc(1, sizeof(*j));

	if (j == NULL || (j->path = strdup(path)) == NULL) {
		free(j);
		(void)err_set(e, ERR_NOMEM, "out of memory");
		return (NULL);
	}
	j->job.run = run_job;
	j->rs = b->rs;
	j->en = *en;
	j->len = en->kind == ENTRY_FILE ? (size_t)en->size : 0;
	err_init(&j->err);
	return (j);
}

static int
submit_whole(struct bucket_restore *b, const char *path,
    const struct entry *en, struct err *e)
{
	struct put_job *j = job_new(b, path, en, e);

	return (j == NULL ? -1 : submit(b, j, e));
}

/* How large the parts of such a file are; 0: it has too many. */
static uint64_t
part_bytes(const struct bucket_restore *b, uint64_t size)
{
	uint64_t part = (size / PUT_PARTS_MAX / PART_UNIT + 1) * PART_UNIT;

	if (part < b->part)
		part = b->part;
	return (part > b->budget ? 0 : part);
}

/* 0, with u->begun when there is something to be put. */
static int
upload_begin(struct restore *rs, struct upload *u, struct err *e)
{
	const struct entry *en = &u->en;
	int rc = put_target_make(&u->target, rs, u->path, strlen(u->path), en,
	    e);

	if (rc == 0)
		rc = put_look(rs, &u->target, en, &u->how, e);
	if (rc != 0 || rs->env->dry_run || u->how == PUT_KEEP ||
	    u->how == PUT_REFUSE)
		return (rc);
	u->parts = (unsigned)((en->size + u->part_bytes - 1) / u->part_bytes);
	u->tags = calloc(u->parts, S3_TEXT_MAX);
	if (u->tags == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	rc = put_begin_parts(rs, &u->target, &u->id, e);
	u->begun = rc == 0;
	return (rc);
}

/* Until one of them fails. */
static int
submit_parts(struct bucket_restore *b, struct upload *u, struct err *e)
{
	for (unsigned i = 0; i < u->parts && u->rc == 0; i++) {
		struct put_job *j;

		if (restore_stopped(b->rs))
			return (err_set(e, ERR_CANCELED, "interrupted"));
		j = job_new(b, u->path, &u->en, e);
		if (j == NULL)
			return (-1);
		j->upload = u;
		j->number = i + 1;
		j->off = i * u->part_bytes;
		j->len = (size_t)(u->en.size - j->off < u->part_bytes ?
		    u->en.size - j->off : u->part_bytes);
		if (submit(b, j, e) != 0)
			return (-1);
	}
	return (0);
}

static int
submit_large(struct bucket_restore *b, const char *path,
    const struct entry *en, struct err *e)
{
	struct upload *u = calloc(1, sizeof(*u));
	struct err why = ERR_INIT;
	int rc;

	if (u == NULL || (u->path = strdup(path)) == NULL) {
		free(u);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	u->refs = 1;
	u->en = *en;
	err_init(&u->err);
	u->part_bytes = part_bytes(b, en->size);
	if (u->part_bytes == 0) {
		(void)err_set(&why, ERR_LIMIT, "too large: more than %d parts "
		    "that fit into --memory", PUT_PARTS_MAX);
		rc = PUT_FAILED;
	} else {
		rc = upload_begin(b->rs, u, &why);
	}
	if (rc == 0 && u->begun)
		rc = submit_parts(b, u, &why);
	if (rc != 0)
		upload_failed(u, rc, &why);
	if (rc < 0)
		*e = why;
	return (upload_unref(b->rs, u, e) != 0 || rc < 0 ? -1 : 0);
}

static const char *
other_name(uint8_t kind)
{
	switch (kind) {
	case ENTRY_SYMLINK:
		return ("symbolic links");
	case ENTRY_FIFO:
		return ("FIFOs");
	case ENTRY_SOCKET:
		return ("sockets");
	default:
		return ("devices");
	}
}

static int
put_entry(struct bucket_restore *b, const char *path, const struct entry *en,
    struct err *e)
{
	struct restore *rs = b->rs;

	if ((en->flags & ENTRY_UNREAD) != 0) {
		restore_failed(rs, path, "it could not be read when it was "
		    "backed up%s", en->kind == ENTRY_DIR ?
		    ": what was in it is missing" : "");
		if (en->kind != ENTRY_DIR)
			return (0);
	}
	switch (en->kind) {
	case ENTRY_DIR:
		(void)atomic_fetch_add(&rs->dirs, 1);
		return (en->xattrs == 0 ? 0 : submit_whole(b, path, en, e));
	case ENTRY_FILE:
		return (en->size > b->part ? submit_large(b, path, en, e) :
		    submit_whole(b, path, en, e));
	default:
		restore_failed(rs, path, "a bucket has no %s",
		    other_name(en->kind));
		return (0);
	}
}

static int
walk_put(void *ctx, const char *bytes, size_t len, const struct entry *en,
    struct err *e)
{
	struct bucket_restore *b = ctx;
	const char *path;
	int r = restore_wanted(b->rs, bytes, len, en, &path, e);

	if (r != 0 || path == NULL)
		return (r);
	return (put_entry(b, path, en, e));
}

int
restore_bucket(struct restore *rs, const struct entry *top, const char *name,
    struct err *e)
{
	size_t memory = repo_env(rs->repo)->memory_bytes;
	struct bucket_restore b = { .rs = rs, .budget = memory / 3 };
	struct err why = ERR_INIT;
	int rc;

	b.part = b.budget / 4 < PART_BYTES ? b.budget / 4 : PART_BYTES;
	if (b.part < PART_MIN)
		b.part = PART_MIN;
	if (b.budget < b.part)
		b.budget = (size_t)b.part;
	rc = filter_new(&rs->filter, rs->env, &rs->manifest, rs->env->path,
	    e);
	if (rc == 0 && top->kind != ENTRY_DIR) {
		rc = walk_put(&b, name, strlen(name), top, e);
	} else if (rc == 0) {
		/* The marker of what is restored is the prefix's own. */
		if (top->xattrs != 0 && filter_wants_all(rs->filter))
			rc = submit_whole(&b, "", top, e);
		if (rc == 0)
			rc = catalog_walk(rs->catalog, top->ino, walk_put, &b,
			    e);
	}
	if (rc < 0)
		atomic_store(&rs->stop, true);
	/* That all was stopped says less than why. */
	while (!lane_is_empty(rs->lane))
		if (settle(&b, &why) != 0) {
			if (rc >= 0 || (e->code == ERR_CANCELED &&
			    !events_canceled(rs->events)))
				*e = why;
			rc = -1;
		}
	return (rc < 0 ? -1 : 0);
}
