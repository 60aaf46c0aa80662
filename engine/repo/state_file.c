/*
 * Files of the state directory.
 */
#include "engine/repo/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/crypto/hash.h"

#define MAGIC_BYTES	8

void
state_file_begin(struct buf *b, const struct state_kind *kind,
    const struct repo_id *repo)
{
	buf_bytes(b, kind->magic, MAGIC_BYTES);
	buf_u32(b, kind->version);
	buf_bytes(b, repo->b, sizeof(repo->b));
}

void
state_file_end(struct buf *b, size_t at)
{
	uint8_t digest[HASH_BYTES];

	if (b->failed)
		return;
	hash_bytes(digest, b->data + at, b->len - at);
	buf_bytes(b, digest, sizeof(digest));
}

int
state_file_bad(const struct state_kind *kind, struct err *e)
{
	return (err_set(e, ERR_CORRUPT, "%s is damaged", kind->what));
}

int
state_file_open(struct rd *r, const struct state_kind *kind, const void *bytes,
    size_t len, const struct repo_id *repo, struct err *e)
{
	uint8_t magic[MAGIC_BYTES], digest[HASH_BYTES];
	struct repo_id id;

	if (len < HASH_BYTES)
		return (state_file_bad(kind, e));
	rd_init(r, bytes, len - HASH_BYTES);
	hash_bytes(digest, bytes, len - HASH_BYTES);
	if (memcmp(digest, r->end, HASH_BYTES) != 0)
		return (state_file_bad(kind, e));
	rd_bytes(r, magic, sizeof(magic));
	if (memcmp(magic, kind->magic, sizeof(magic)) != 0 ||
	    rd_u32(r) != kind->version)
		return (state_file_bad(kind, e));
	rd_bytes(r, id.b, sizeof(id.b));
	if (r->bad || memcmp(id.b, repo->b, sizeof(id.b)) != 0)
		return (state_file_bad(kind, e));
	return (0);
}

char *
state_file_name(char name[STATE_NAME_MAX], const struct repo *repo,
    const char *suffix)
{
	const struct repo_id *id = &repo_header(repo)->id;
	char hex[RUN_HEX];

	(void)snprintf(name, STATE_NAME_MAX, "%s%s",
	    hex_emit(hex, id->b, sizeof(id->b)), suffix);
	return (name);
}

int
state_dir_open(const struct repo *repo, struct err *e)
{
	const char *path = repo_env(repo)->state_dir;
	int fd;

	if (io_mkdirs(path, 0700, e) != 0)
		return (-1);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return (err_sys(e, errno, "%s", path));
	return (fd);
}

/* A file to read, or -1: errno says why. */
static int
open_file(const struct repo *repo, const char *name)
{
	int dir = open(repo_env(repo)->state_dir,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd, error;

	if (dir < 0)
		return (-1);
	fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	error = errno;
	(void)close(dir);
	errno = error;
	return (fd);
}

int
state_file_load(struct repo *repo, const struct state_kind *kind,
    state_parse_fn *parse, void *out, struct err *e)
{
	const char *dir = repo_env(repo)->state_dir;
	char name[STATE_NAME_MAX];
	struct buf b = BUF_INIT;
	struct err why = ERR_INIT;
	int fd, r;

	if (dir == NULL)
		return (0);
	fd = open_file(repo, state_file_name(name, repo, kind->suffix));
	if (fd < 0)
		return (errno == ENOENT ? 0 : err_sys(e, errno, "%s/%s", dir,
		    name));
	r = io_slurp(fd, &b, kind->max, &why);
	(void)close(fd);
	if (r == 0)
		r = parse(out, b.data, b.len, &repo_header(repo)->id, &why);
	buf_fini(&b);
	if (r == 0)
		return (0);
	if (why.code != ERR_CORRUPT && why.code != ERR_LIMIT) {
		*e = why;
		return (err_wrap(e, "%s/%s", dir, name));
	}
	log_say(repo_log(repo), LOG_WARNING, "%s/%s: %s; %s is forgotten", dir,
	    name, err_text(&why), kind->lost);
	return (0);
}

int
state_file_store(struct repo *repo, const struct state_kind *kind,
    const struct buf *b, struct err *e)
{
	char name[STATE_NAME_MAX];
	int dir, r;

	dir = state_dir_open(repo, e);
	if (dir < 0)
		return (-1);
	r = io_replace(dir, state_file_name(name, repo, kind->suffix), b->data,
	    b->len, 0600, e);
	(void)close(dir);
	return (r);
}
