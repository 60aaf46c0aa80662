/*
 * To the background.  The process forks before it has threads, locked memory
 * or a secret, none of which a child inherits whole; it keeps the terminal,
 * for the prompt and for what goes wrong, until the mount serves.
 */
#include "fs/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The parent's part: its status is the child's, or 0 once the child is
 * ready. */
static _Noreturn void
wait_for_child(int fd, pid_t child)
{
	int status;
	ssize_t n;
	char c;

	/* Ctrl-C is the child's to deal with: it may have to mend the
	 * terminal. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	do {
		n = read(fd, &c, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_DONE);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			_exit(EXIT_FAILED);
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	_exit(WTERMSIG(status) == SIGINT ? EXIT_INTERRUPTED : EXIT_FAILED);
}

int
mount_daemonise(struct mount_parent *parent, struct err *err)
{
	int p[2];
	pid_t pid;

	parent->fd = -1;
	if (pipe2(p, O_CLOEXEC) < 0)
		return (err_sys(err, errno, "pipe"));
	(void)fflush(NULL);
	pid = fork();
	if (pid < 0) {
		(void)err_sys(err, errno, "fork");
		(void)close(p[0]);
		(void)close(p[1]);
		return (-1);
	}
	if (pid > 0) {
		(void)close(p[1]);
		wait_for_child(p[0], pid);
	}
	(void)close(p[0]);
	parent->fd = p[1];
	return (0);
}

int
daemon_ready(struct mount_parent *parent, struct err *err)
{
	ssize_t n;
	int fd, eno;

	if (parent == NULL || parent->fd < 0)
		return (0);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return (err_sys(err, errno, "/dev/null"));
	if (chdir("/") < 0) {
		(void)err_sys(err, errno, "/");
		(void)close(fd);
		return (-1);
	}
	(void)setsid();
	n = write(parent->fd, "", 1);
	eno = errno;
	(void)close(parent->fd);
	parent->fd = -1;
	if (n != 1) {
		(void)close(fd);
		return (eno == EPIPE ? err_set(err, ERR_CANCELED,
		    "whoever started this mount is gone") :
		    err_sys(err, eno, "pipe"));
	}
	(void)dup2(fd, STDIN_FILENO);
	(void)dup2(fd, STDOUT_FILENO);
	(void)dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
	return (0);
}
