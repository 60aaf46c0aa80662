/*
 * The -o words.  They are looked at here rather than left to libfuse, which
 * would accept some that break a mount of ours (auto_unmount, subtype) and
 * print about others on its own.
 */
#include "fs/options.h"

#include <string.h>

#include "engine/base/buf.h"

static const char *const flag_words[] = {
	"dev", "exec", "noatime", "nodev", "nodiratime", "noexec", "nosuid",
	"nosymfollow", "suid",
};

static const struct refused {
	const char *word, *why;
} refused[] = {
	{ "rw", "a snapshot can't be written to" },
	{ "auto_unmount", "an empty directory in the place of a mount that "
	    "died looks like deleted files" },
	{ "uid", "owners are shown as they were backed up" },
	{ "gid", "owners are shown as they were backed up" },
	{ "umask", "modes are shown as they were backed up" },
	{ "subtype", "it is always vitrine" },
};

static bool
is(const char *word, size_t len, const char *what)
{
	return (strlen(what) == len && memcmp(word, what, len) == 0);
}

static int
unknown(const char *word, size_t len, struct err *err)
{
	const char *eq = memchr(word, '=', len);
	size_t key = eq != NULL ? (size_t)(eq - word) : len;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (is(word, key, refused[i].word))
			return (err_set(err, ERR_USAGE, "mount option %s: %s",
			    refused[i].word, refused[i].why));
	return (err_set(err, ERR_USAGE, "unknown mount option: %.*s",
	    (int)(len > 200 ? 200 : len), word));
}

static int
parse_word(struct mount_options *o, struct buf *flags, const char *word,
    size_t len, struct err *err)
{
	static const char fsname[] = "fsname=";

	if (len == 0 || is(word, len, "ro"))
		return (0);
	if (is(word, len, "allow_other")) {
		o->allow_other = o->default_permissions = true;
		return (0);
	}
	if (is(word, len, "default_permissions")) {
		o->default_permissions = true;
		return (0);
	}
	if (is(word, len, "nonempty")) {
		o->nonempty = true;
		return (0);
	}
	if (len > strlen(fsname) && memcmp(word, fsname, strlen(fsname)) == 0) {
		free(o->fsname);
		o->fsname = strndup(word + strlen(fsname),
		    len - strlen(fsname));
		return (o->fsname != NULL ? 0 :
		    err_set(err, ERR_NOMEM, "no memory"));
	}
	for (size_t i = 0; i < sizeof(flag_words) / sizeof(flag_words[0]); i++)
		if (is(word, len, flag_words[i])) {
			if (flags->len > 0)
				buf_u8(flags, ',');
			buf_bytes(flags, word, len);
			return (0);
		}
	return (unknown(word, len, err));
}

int
options_parse(struct mount_options *o, const char *text, struct err *err)
{
	struct buf flags = BUF_INIT;
	const char *p, *end;
	int rc = 0;

	memset(o, 0, sizeof(*o));
	for (p = text; rc == 0 && p != NULL; p = *end == ',' ? end + 1 : NULL) {
		end = strchrnul(p, ',');
		rc = parse_word(o, &flags, p, (size_t)(end - p), err);
	}
	buf_u8(&flags, '\0');
	if (rc == 0)
		rc = buf_ok(&flags, err);
	if (rc < 0) {
		buf_fini(&flags);
		options_fini(o);
		return (-1);
	}
	o->flags = (char *)flags.data;
	return (0);
}

void
options_fini(struct mount_options *o)
{
	free(o->fsname);
	free(o->flags);
	memset(o, 0, sizeof(*o));
}
