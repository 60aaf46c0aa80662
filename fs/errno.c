/*
 * Errors on their way to the kernel: what they become, and who hears of them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fs/fs_int.h"
#include "fs/voice.h"

#define SAID_MAX	20	/* lines */
#define SAID_MS		60000	/* in that time */

struct complaints {
	pthread_mutex_t lock;	/* of all below */
	uint64_t since_ms;
	unsigned said;
	unsigned unsaid;
};

static int
to_errno(const struct err *err)
{
	switch (err->code) {
	case ERR_ABSENT:
		return (ENOENT);
	case ERR_NOMEM:
		return (ENOMEM);
	case ERR_CANCELED:
		return (EINTR);
	default:
		/* Damage, network, store: never ENOENT, which is a proof. */
		return (EIO);
	}
}

int
complaints_new(struct complaints **out, struct err *err)
{
	struct complaints *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	(void)pthread_mutex_init(&c->lock, NULL);
	*out = c;
	return (0);
}

void
complaints_free(struct complaints *c)
{
	if (c == NULL)
		return;
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

/* May a line be said now?  *unsaid: how many were not before it. */
static bool
may_say(struct complaints *c, unsigned *unsaid)
{
	uint64_t now = clock_mono_ms();
	bool may;

	*unsaid = 0;
	(void)pthread_mutex_lock(&c->lock);
	if (c->said == 0 || now - c->since_ms >= SAID_MS) {
		c->since_ms = now;
		c->said = 0;
		*unsaid = c->unsaid;
		c->unsaid = 0;
	}
	may = c->said < SAID_MAX;
	if (may)
		c->said++;
	else
		c->unsaid++;
	(void)pthread_mutex_unlock(&c->lock);
	return (may);
}

static void
say(struct fs *fs, const char *text)
{
	if (atomic_load(&fs->background))
		voice_say(text);
	else
		log_say(repo_log(fs->repo), LOG_WARNING, "%s", text);
}

int
fs_fail(struct fs *fs, const struct err *err, const char *what, uint64_t node)
{
	char line[ERR_TEXT_BYTES + 128];
	unsigned unsaid;

	if (err->code == ERR_ABSENT || err->code == ERR_CANCELED)
		return (to_errno(err));
	if (!may_say(fs->complaints, &unsaid))
		return (to_errno(err));
	if (unsaid > 0) {
		(void)snprintf(line, sizeof(line),
		    "mount: %u more errors were not logged", unsaid);
		say(fs, line);
	}
	(void)snprintf(line, sizeof(line), "mount: %s of inode %llu: %s", what,
	    (unsigned long long)node, err_text(err));
	say(fs, line);
	return (to_errno(err));
}
