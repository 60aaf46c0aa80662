/*
 * Reading back what was written.  When all is made and synced, the files that
 * this run wrote are read again, past the cache as far as the kernel goes, and
 * each chunk's bytes are hashed: what the disk holds is what was backed up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "tools/job/restore_impl.h"

#define BATCH	64

/* Which inodes' content this run wrote: one bit each. */
int
written_note(struct restore *rs, uint64_t ino, struct err *e)
{
	int r = 0;

	if (ino / 8 >= WRITTEN_BYTES_MAX)
		return (err_set(e, ERR_LIMIT, "too many files to verify"));
	(void)pthread_mutex_lock(&rs->lock);
	if (ino / 8 >= rs->written.len)
		buf_zeros(&rs->written, ino / 8 + 1 - rs->written.len);
	r = buf_ok(&rs->written, e);
	if (r == 0)
		rs->written.data[ino / 8] |= (uint8_t)(1U << ino % 8);
	(void)pthread_mutex_unlock(&rs->lock);
	return (r);
}

/*
 * Is this the name by which its content is to be verified?  Of several names
 * that which was written: the others may be what was there before, or were not
 * wanted.
 */
static int
is_to_verify(struct restore *rs, const char *path, size_t len,
    const struct entry *en, bool *is, struct err *e)
{
	uint8_t bit = (uint8_t)(1U << en->ino % 8);
	struct buf first = BUF_INIT;
	int r = 0;

	*is = en->kind == ENTRY_FILE && en->ino / 8 < rs->written.len &&
	    (rs->written.data[en->ino / 8] & bit) != 0;
	if (*is && en->nlink > 1) {
		r = links_get(rs->links, en->ino, &first, e);
		/* A single file's are not noted: it was asked for by name. */
		if (r == 0)
			*is = first.len == len + 1 &&
			    memcmp(first.data, path, len) == 0;
		buf_fini(&first);
	}
	return (r < 0 ? -1 : 0);
}

struct verify_job {
	struct job job;
	struct restore *rs;
	struct entry entry;
	uint32_t domain;
	int fd;				/* owned */
	int result;
	struct err err;
	char path[];
};

static int
check_file(struct verify_job *j, uint8_t *tmp, struct err *e)
{
	struct restore *rs = j->rs;
	struct extent x[BATCH];
	uint64_t off = 0;
	struct stat st;
	size_t n, got;
	bool zeros;

	if (fstat(j->fd, &st) < 0)
		return (err_sys(e, errno, "stat"));
	if ((uint64_t)st.st_size != j->entry.size)
		return (1);
	while (off < j->entry.size) {
		if (restore_stopped(rs))
			return (err_set(e, ERR_CANCELED, "interrupted"));
		if (catalog_extents(rs->catalog, j->entry.ino, off, x, BATCH,
		    &n, e) < 0)
			return (-1);
		if (n == 0 || x[0].off > off)
			return (1);
		for (size_t i = 0; i < n; i++) {
			uint64_t end = x[i].off + x[i].len;

			if (x[i].hole) {
				if (io_is_zeros(j->fd, off, end - off, &zeros,
				    e) < 0)
					return (-1);
				if (!zeros)
					return (1);
			} else {
				if (x[i].len > CHUNK_MAX)
					return (1);
				if (io_pread(j->fd, tmp, (size_t)x[i].len,
				    x[i].off, &got, e) < 0)
					return (-1);
				if (got != x[i].len || !fetch_is_chunk(
				    rs->fetch, j->domain, &x[i].id, tmp, got))
					return (1);
			}
			off = end;
		}
	}
	return (0);
}

static void
run_verify(struct job *job)
{
	struct verify_job *j = (struct verify_job *)job;
	uint8_t *tmp = malloc(CHUNK_MAX);
	int r;

	(void)posix_fadvise(j->fd, 0, 0, POSIX_FADV_DONTNEED);
	(void)posix_fadvise(j->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (tmp == NULL)
		r = err_set(&j->err, ERR_NOMEM, "out of memory");
	else
		r = check_file(j, tmp, &j->err);
	free(tmp);
	(void)close(j->fd);
	if (r == 0) {
		(void)atomic_fetch_add(&j->rs->verified, 1);
	} else if (r > 0) {
		restore_failed(j->rs, j->path, "what was written reads back "
		    "as something else");
	} else if (j->err.code == ERR_SYS || j->err.code == ERR_CORRUPT) {
		restore_failed(j->rs, j->path, "can't be read back: %s",
		    err_text(&j->err));
	} else
		j->result = -1;
}

static int
take(struct restore *rs, struct err *e)
{
	struct verify_job *j = (struct verify_job *)lane_take(rs->lane);
	int r = j->result;

	if (r < 0)
		*e = j->err;
	free(j);
	return (r);
}

static int
walk_verify(void *ctx, const char *path, size_t len, const struct entry *en,
    struct err *e)
{
	struct restore *rs = ctx;
	const char *slash = memrchr(path, '/', len);
	size_t dir_len = slash != NULL ? (size_t)(slash - path) : 0;
	struct verify_job *j;
	int dir, r;
	bool is;

	if (restore_stopped(rs))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	r = is_to_verify(rs, path, len, en, &is, e);
	if (r < 0 || !is)
		return (r);
	if ((j = calloc(1, sizeof(*j) + len + 1)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	memcpy(j->path, path, len);
	j->job.run = run_verify;
	j->rs = rs;
	j->entry = *en;
	j->domain = rs->manifest.domain;
	err_init(&j->err);
	r = beneath_open(rs->target, path, dir_len, &dir, e);
	if (r < 0) {
		free(j);
		return (-1);
	}
	j->fd = -1;
	if (r == 0) {
		j->fd = openat(dir, j->path + (slash != NULL ? dir_len + 1 :
		    0), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		(void)close(dir);
	}
	if (j->fd < 0) {
		restore_failed(rs, j->path, "can't be opened to be verified: "
		    "%s", strerror(errno));
		free(j);
		return (0);
	}
	if (rs->verifying >= 4 * rs->threads) {
		rs->verifying--;
		if (take(rs, e) < 0) {
			(void)close(j->fd);
			free(j);
			return (-1);
		}
	}
	rs->verifying++;
	lane_submit(rs->lane, &j->job);
	restore_tick(rs, NULL, j->path);
	return (0);
}

int
restore_verify(struct restore *rs, const struct entry *top, const char *name,
    struct err *e)
{
	int r;

	if (top->kind == ENTRY_DIR)
		r = catalog_walk(rs->catalog, top->ino, walk_verify, rs, e);
	else
		r = walk_verify(rs, name, strlen(name), top, e);
	while (!lane_is_empty(rs->lane))
		if (take(rs, r < 0 ? &(struct err)ERR_INIT : e) < 0)
			r = -1;
	return (r < 0 ? -1 : 0);
}
