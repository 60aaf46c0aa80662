/*
 * Programs that are run for us: a backup's hooks, the command whose output is
 * backed up, the one that knows the passphrase.
 *
 * Such a program gets a process group of its own, to be ended with all that it
 * started; but not where there is a terminal, which only the foreground's group
 * may read, and which tells that group of a Ctrl-C.
 */
#include "tools/job/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAP_MS	16		/* at most: the first is shorter */
#define SECRET	"VITRINE_PASSWORD="

/* posix_spawn's arrays are not const, but it changes nothing. */
static char *const *
unconst(const char *const *v)
{
	return ((char *const *)(uintptr_t)v);
}

/* The environment but for the passphrase, which is nobody else's business; the
 * caller's to free. */
static const char **
without_secret(const char *const *environment)
{
	const char **v;
	size_t n = 0;

	while (environment[n] != NULL)
		n++;
	v = calloc(n + 1, sizeof(*v));
	if (v == NULL)
		return (NULL);
	n = 0;
	for (; *environment != NULL; environment++)
		if (strncmp(*environment, SECRET, strlen(SECRET)) != 0)
			v[n++] = *environment;
	return (v);
}

/* Does a terminal tell all of us, so that a program may ask on it, too? */
static bool
on_terminal(void)
{
	int tty = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (tty >= 0)
		(void)close(tty);
	return (tty >= 0);
}

static int
set_files(posix_spawn_file_actions_t *files, const struct program *p, int out)
{
	int error = 0;

	if (!p->input)
		error = posix_spawn_file_actions_addopen(files, STDIN_FILENO,
		    "/dev/null", O_RDONLY, 0);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(files, out,
		    STDOUT_FILENO);
	return (error);
}

/* Others' wish to ignore a signal (nohup's) stands. */
static int
set_attributes(posix_spawnattr_t *attr, bool own_group)
{
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	sigset_t ours, none;
	int error;

	(void)sigemptyset(&none);
	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGPIPE);
	(void)sigaddset(&ours, SIGXFSZ);
	if (own_group)
		flags |= POSIX_SPAWN_SETPGROUP;
	error = posix_spawnattr_setsigdefault(attr, &ours);
	if (error == 0)
		error = posix_spawnattr_setsigmask(attr, &none);
	if (error == 0)
		error = posix_spawnattr_setflags(attr, flags);
	return (error);
}

static int
spawn(struct child *c, const struct program *p, const char *const *environment,
    int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int error;

	error = posix_spawn_file_actions_init(&files);
	if (error != 0)
		return (error);
	error = posix_spawnattr_init(&attr);
	if (error != 0) {
		(void)posix_spawn_file_actions_destroy(&files);
		return (error);
	}
	error = set_files(&files, p, out);
	if (error == 0)
		error = set_attributes(&attr, c->own_group);
	if (error == 0)
		error = posix_spawnp(&c->pid, p->argv[0], &files, &attr,
		    unconst(p->argv), unconst(environment));
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&files);
	return (error);
}

int
child_start(struct child *c, const struct program *p, struct err *e)
{
	int fds[2] = { -1, STDERR_FILENO }, error;
	const char **env;

	memset(c, 0, sizeof(*c));
	c->name = p->name != NULL ? p->name : p->argv[0];
	c->out = -1;
	c->own_group = !on_terminal();
	env = without_secret(p->environment != NULL ? p->environment :
	    (const char *const *)environ);
	if (env == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (p->output && pipe2(fds, O_CLOEXEC) != 0) {
		error = errno;
		free(env);
		return (err_sys(e, error, "a pipe"));
	}
	c->out = fds[0];
	error = spawn(c, p, env, fds[1]);
	free(env);
	if (p->output)
		(void)close(fds[1]);
	if (error == 0)
		return (0);
	if (c->out >= 0)
		(void)close(c->out);
	c->out = -1;
	c->pid = 0;
	return (err_sys(e, error, "%s", c->name));
}

static void
terminate(const struct child *c)
{
	(void)kill(c->own_group ? -c->pid : c->pid, SIGTERM);
}

static void
close_out(struct child *c)
{
	if (c->out >= 0)
		(void)close(c->out);
	c->out = -1;
}

int
child_wait(struct child *c, const struct events *ev, struct err *e)
{
	bool told = false;
	int status, nap_ms = 1;
	pid_t r;

	close_out(c);
	for (;;) {
		if (!told && ev != NULL && events_canceled(ev)) {
			told = true;
			terminate(c);
		}
		r = waitpid(c->pid, &status, ev != NULL ? WNOHANG : 0);
		if (r == c->pid)
			break;
		if (r < 0 && errno != EINTR) {
			c->pid = 0;
			return (err_sys(e, errno, "%s", c->name));
		}
		if (r == 0)
			(void)poll(NULL, 0, nap_ms);
		if (nap_ms < NAP_MS)
			nap_ms *= 2;
	}
	c->pid = 0;
	if (told)
		return (err_set(e, ERR_CANCELED, "%s: interrupted", c->name));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return (0);
	if (WIFEXITED(status))
		return (err_set(e, ERR_ABSENT, "%s: ended with status %d",
		    c->name, WEXITSTATUS(status)));
	return (err_set(e, ERR_ABSENT, "%s: ended by signal %d (%s)", c->name,
	    WTERMSIG(status), strsignal(WTERMSIG(status))));
}

void
child_stop(struct child *c)
{
	struct err ignored = ERR_INIT;

	if (c->pid == 0)
		return;
	terminate(c);
	(void)child_wait(c, NULL, &ignored);
}
