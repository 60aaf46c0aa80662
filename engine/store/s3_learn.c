/*
 * What is known of a server: whether it honours If-None-Match.  A repository's
 * header can't say it, since a bucket may be copied to another server; so it is
 * remembered on this machine, by host and bucket, for a month, and found out
 * again by who doesn't know it (s3_put.c).
 *
 * A file of one line in DIR/servers, named by a hash: "create-only" or
 * "replaces".  Whatever goes wrong with it costs one request.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/id.h"
#include "engine/base/io.h"
#include "engine/crypto/hash.h"
#include "engine/store/s3_impl.h"

#define MONTH_S		(30 * 86400)

static const char *const words[] = {
	[CREATE_ONLY] = "create-only\n",
	[CREATE_REPLACES] = "replaces\n"
};

static void
file_name(const struct s3_store *s, char hex[ID_HEX])
{
	uint8_t sum[HASH_BYTES];
	struct hash h;

	hash_init(&h);
	hash_update(&h, s->url->host, strlen(s->url->host) + 1);
	hash_update(&h, s->url->bucket, strlen(s->url->bucket) + 1);
	hash_final(&h, sum);
	(void)hex_emit(hex, sum, ID_BYTES);
}

static int
open_dir(const struct s3_store *s)
{
	char path[4096];
	struct err ignored = ERR_INIT;
	int n = snprintf(path, sizeof(path), "%s/servers", s->memory_dir);

	if (n < 0 || (size_t)n >= sizeof(path) ||
	    io_mkdirs(path, 0700, &ignored) != 0)
		return (-1);
	return (open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

void
s3_recall(struct s3_store *s)
{
	char hex[ID_HEX], line[16] = "";
	struct err ignored = ERR_INIT;
	struct stat st;
	size_t got = 0;
	int dir, fd;

	if (s->memory_dir == NULL || (dir = open_dir(s)) < 0)
		return;
	file_name(s, hex);
	fd = openat(dir, hex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	(void)close(dir);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_mtim.tv_sec + MONTH_S > time(NULL) &&
	    io_pread(fd, line, sizeof(line) - 1, 0, &got, &ignored) == 0) {
		for (unsigned i = CREATE_ONLY; i <= CREATE_REPLACES; i++)
			if (strcmp(line, words[i]) == 0)
				atomic_store(&s->create_only, i);
	}
	(void)close(fd);
}

void
s3_learn(struct s3_store *s, enum create_only what)
{
	struct err ignored = ERR_INIT;
	char hex[ID_HEX];
	int dir;

	if (atomic_exchange(&s->create_only, what) == what ||
	    s->memory_dir == NULL || (dir = open_dir(s)) < 0)
		return;
	file_name(s, hex);
	(void)io_replace(dir, hex, words[what], strlen(words[what]), 0600,
	    &ignored);
	(void)close(dir);
}
