/*
 * Passphrases and key files: read into locked memory, from a file, a command, a
 * descriptor, the environment, or a terminal without echo.
 */
#include "tools/cmd/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "tools/cmd/text.h"
#include "tools/cmd/ui.h"
#include "tools/job/child.h"

#define SECRET_MAX	65536
#define KEY_FILE_MIN	16
#define NAP_MS		100

static const struct {
	const char *option, *variable;
	enum secret_from from;
} ways[] = {
	{ "password-file", "VITRINE_PASSWORD_FILE", SECRET_FILE },
	{ "password-command", "VITRINE_PASSWORD_COMMAND", SECRET_COMMAND },
	{ "password-fd", NULL, SECRET_FD },
	{ NULL, "VITRINE_PASSWORD", SECRET_ENV },
	{ "key-file", "VITRINE_KEY_FILE", SECRET_KEY_FILE }
};
#define WAYS	(sizeof(ways) / sizeof(ways[0]))

bool
secret_is_option(const char *option)
{
	for (size_t i = 0; i < WAYS; i++)
		if (ways[i].option != NULL &&
		    strcmp(ways[i].option, option) == 0)
			return (true);
	return (false);
}

/* What the environment says in this way; NULL: nothing. */
static const char *
from_environment(size_t way)
{
	const char *v;

	if (ways[way].variable == NULL)
		return (NULL);
	v = getenv(ways[way].variable);
	return (v != NULL && *v != '\0' ? v : NULL);
}

bool
secret_in_environment(void)
{
	for (size_t i = 0; i < WAYS; i++)
		if (from_environment(i) != NULL)
			return (true);
	return (false);
}

int
secret_source(struct secret_source *s, const struct opts *g, struct err *e)
{
	const char *first = NULL, *v;

	s->from = SECRET_PROMPT;
	s->what = NULL;
	s->fd = -1;
	for (size_t i = 0; i < WAYS; i++) {
		const struct opt_value *o;

		if (ways[i].option == NULL)
			continue;
		o = opts_get(g, ways[i].option);
		if (o->times == 0)
			continue;
		if (first != NULL)
			return (err_set(e, ERR_USAGE,
			    "give either --%s or --%s", first,
			    ways[i].option));
		first = ways[i].option;
		s->from = ways[i].from;
		s->what = o->text;
		s->fd = (int)o->number;
	}
	if (first != NULL)
		return (0);
	for (size_t i = 0; i < WAYS; i++) {
		if ((v = from_environment(i)) == NULL)
			continue;
		s->from = ways[i].from;
		s->what = s->from == SECRET_ENV ? ways[i].variable : v;
		break;
	}
	return (0);
}

/* Whoever is to write it may never do so, and we be told to end meanwhile. */
static int
wait_for(int fd, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (!atomic_load(signals_flag()))
		if (poll(&p, 1, NAP_MS) > 0)
			return (0);
	return (err_set(e, ERR_CANCELED, "interrupted"));
}

/* All of fd, into locked memory. */
static int
read_fd(int fd, const char *what, struct secret *out, struct err *e)
{
	uint8_t *p;
	size_t n = 0;
	ssize_t got;
	int r = -1;

	if ((p = sodium_malloc(SECRET_MAX + 1)) == NULL)
		return (err_set(e, ERR_NOMEM, "no memory that can be locked"));
	while (n <= SECRET_MAX) {
		if (wait_for(fd, e) < 0)
			goto out;
		got = read(fd, p + n, SECRET_MAX + 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			(void)err_sys(e, errno, "%s", what);
			goto out;
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n > SECRET_MAX) {
		(void)err_set(e, ERR_LIMIT, "%s: longer than %d bytes", what,
		    SECRET_MAX);
		goto out;
	}
	r = secret_copy(out, p, n, e);
out:
	sodium_free(p);
	return (r);
}

static int
read_file(const char *path, struct secret *out, struct err *e)
{
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return (err_sys(e, errno, "%s", path));
	r = read_fd(fd, path, out, e);
	(void)close(fd);
	return (r);
}

static int
read_command(const char *command, struct secret *out, struct err *e)
{
	const char *const argv[] = { "/bin/sh", "-c", command, NULL };
	const struct program sh = { .argv = argv, .input = true,
	    .output = true, .name = "the password command" };
	const struct events until = { .cancel = signals_flag() };
	struct child child;
	int r;

	if (child_start(&child, &sh, e) != 0)
		return (-1);
	r = read_fd(child.out, "the password command's output", out, e);
	if (r == 0 && child_wait(&child, &until, e) != 0) {
		/* It doesn't give the secret away: as if that were wrong. */
		if (e->code == ERR_ABSENT)
			e->code = ERR_AUTH;
		secret_fini(out);
		r = -1;
	}
	child_stop(&child);
	return (r);
}

/* The variable leaves the environment: no child of ours needs it. */
static int
read_env(const char *name, struct secret *out, struct err *e)
{
	char *v = getenv(name);
	int r;

	if (v == NULL)
		return (err_set(e, ERR_AUTH, "%s was used already", name));
	r = secret_copy(out, v, strlen(v), e);
	sodium_memzero(v, strlen(v));
	(void)unsetenv(name);
	return (r);
}

/*
 * One byte; 0: the end; -1, EINTR: a signal asks us to end.  Such signals come
 * in while ppoll() waits and at no other time, so that none is missed and the
 * terminal is never left without echo.
 */
static ssize_t
read_key(int tty, uint8_t *c, const sigset_t *open_mask)
{
	struct pollfd fd = { .fd = tty, .events = POLLIN };

	if (atomic_load(signals_flag())) {
		errno = EINTR;
		return (-1);
	}
	while (ppoll(&fd, 1, NULL, open_mask) < 0)
		if (errno != EINTR || atomic_load(signals_flag()))
			return (-1);
	return (read(tty, c, 1));
}

/* A line, into p.  0 and *n. */
static int
read_line(int tty, const sigset_t *open_mask, uint8_t *p, size_t *n,
    struct err *e)
{
	ssize_t got = 0;

	*n = 0;
	while (*n < SECRET_MAX &&
	    (got = read_key(tty, p + *n, open_mask)) == 1 && p[*n] != '\n')
		(*n)++;
	if (*n == SECRET_MAX)
		return (err_set(e, ERR_LIMIT, "the passphrase is too long"));
	if (got < 0 && errno == EINTR)
		return (err_set(e, ERR_CANCELED, "interrupted"));
	if (got < 0)
		return (err_sys(e, errno, "/dev/tty"));
	if (got == 0 && *n == 0)
		return (err_set(e, ERR_USAGE, "no passphrase was given"));
	return (0);
}

static void
hold_signals(sigset_t *open_mask)
{
	sigset_t ending;

	(void)sigemptyset(&ending);
	(void)sigaddset(&ending, SIGINT);
	(void)sigaddset(&ending, SIGTERM);
	(void)sigaddset(&ending, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &ending, open_mask);
}

/* A line from the terminal, without echo; a signal ends it. */
static int
ask(int tty, const char *prompt, struct secret *out, struct err *e)
{
	struct termios old, raw;
	struct buf line = BUF_INIT;
	sigset_t open_mask;
	uint8_t *p;
	size_t n;
	int r = -1;

	if ((p = sodium_malloc(SECRET_MAX)) == NULL)
		return (err_set(e, ERR_NOMEM, "no memory that can be locked"));
	hold_signals(&open_mask);
	if (tcgetattr(tty, &old) < 0) {
		(void)err_sys(e, errno, "/dev/tty");
		goto out;
	}
	raw = old;
	raw.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(tty, TCSAFLUSH, &raw) < 0) {
		(void)err_sys(e, errno, "/dev/tty");
		goto out;
	}
	text_escape(&line, prompt, strlen(prompt));
	(void)dprintf(tty, "%.*s: ", (int)line.len, (char *)line.data);
	if (read_line(tty, &open_mask, p, &n, e) == 0)
		r = secret_copy(out, p, n, e);
	(void)tcsetattr(tty, TCSAFLUSH, &old);
	(void)dprintf(tty, "\n");
out:
	(void)pthread_sigmask(SIG_SETMASK, &open_mask, NULL);
	buf_fini(&line);
	sodium_free(p);
	return (r);
}

static int
prompt_for(const char *prompt, bool twice, struct secret *out, struct err *e)
{
	struct secret again = { 0 };
	int tty, r;

	tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return (err_set(e, ERR_USAGE, "no passphrase: there is no "
		    "terminal to ask on; give --password-file, "
		    "--password-command, --key-file or VITRINE_PASSWORD"));
	r = ask(tty, prompt, out, e);
	/* One who opens a repository may try again: a wrong one, so to
	 * speak. */
	if (r == 0 && out->len == 0) {
		secret_fini(out);
		r = err_set(e, twice ? ERR_USAGE : ERR_AUTH,
		    "the passphrase is empty");
	}
	if (r == 0 && twice) {
		r = ask(tty, "The same again", &again, e);
		if (r == 0 && (again.len != out->len ||
		    (out->len > 0 &&
		    sodium_memcmp(again.bytes, out->bytes, out->len) != 0)))
			r = err_set(e, ERR_USAGE, "the two passphrases differ");
		secret_fini(&again);
		if (r < 0)
			secret_fini(out);
	}
	(void)close(tty);
	return (r);
}

int
secret_obtain(const struct secret_source *s, const char *prompt, bool twice,
    struct secret *out, enum slot_kind *kind, struct err *e)
{
	int r = -1;

	out->bytes = NULL;
	out->len = 0;
	*kind = SLOT_PASSPHRASE;
	switch (s->from) {
	case SECRET_FILE:
		r = read_file(s->what, out, e);
		if (r < 0)
			(void)err_wrap(e, "the passphrase's file");
		break;
	case SECRET_COMMAND:
		r = read_command(s->what, out, e);
		break;
	case SECRET_FD:
		r = read_fd(s->fd, "--password-fd", out, e);
		break;
	case SECRET_ENV:
		r = read_env(s->what, out, e);
		break;
	case SECRET_KEY_FILE:
		*kind = SLOT_KEY_FILE;
		r = read_file(s->what, out, e);
		if (r < 0)
			(void)err_wrap(e, "the key file");
		break;
	case SECRET_PROMPT:
		r = prompt_for(prompt, twice, out, e);
		break;
	}
	if (r < 0)
		return (-1);
	if (*kind == SLOT_KEY_FILE && out->len < KEY_FILE_MIN) {
		secret_fini(out);
		return (err_set(e, ERR_USAGE, "%s: a key file has at least %d "
		    "bytes", s->what, KEY_FILE_MIN));
	}
	if ((s->from == SECRET_FILE || s->from == SECRET_COMMAND ||
	    s->from == SECRET_FD) && out->len > 0 &&
	    out->bytes[out->len - 1] == '\n')
		out->len--;
	if (out->len == 0) {
		secret_fini(out);
		return (err_set(e, ERR_USAGE, "the passphrase is empty"));
	}
	return (0);
}
