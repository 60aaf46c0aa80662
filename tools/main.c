/*
 * vitrine(1): parses the command line, runs the command, prints the error if
 * there is one, once, and sees that what was printed arrived.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tools/cmd/cmd.h"
#include "tools/cmd/mount_helper.h"
#include "tools/job/descriptors.h"
#include "tools/job/restore.h"

/* Secrets are in our memory: none of it goes into a core file or to a debugger
 * of the same user. */
static void
no_core(void)
{
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* A closed descriptor 0, 1 or 2 would be given to the next file opened. */
static void
standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		(void)close(fd);
}

/*
 * The table of descriptors is made as large as any command needs it while there
 * is one thread.  Later the kernel doubles it when it is full, and waits each
 * time until no processor can be looking at the old one: 10 to 20 ms in which
 * nobody opens a file.  The limit itself stays what it was.  (A daemon's fork
 * makes it small again; a mount opens few files.)
 */
static void
descriptor_table(void)
{
	size_t n = descriptors_raise(RESTORE_DESCRIPTORS);
	int fd = fcntl(0, F_DUPFD_CLOEXEC, (int)n - 1);

	if (fd >= 0)
		(void)close(fd);
	descriptors_put_back();
}

/* The error of what went to stdout; 0 when all of it arrived. */
static int
stdout_error(void)
{
	bool failed = ferror(stdout) != 0;
	int saved = failed ? EIO : 0;

	/* A buffer that could not be written is kept: so is its errno. */
	if (fflush(stdout) != 0)
		saved = errno;
	return (saved);
}

/* Even a command line that is wrong may have asked for objects. */
static bool
asks_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return (true);
	return (false);
}

static void
take_json(struct cmd *c)
{
	c->ui.json = opts_given(&c->global, "json") ? stdout : NULL;
}

/* Where a command takes none, what is given is most often the repository. */
static int
count_arguments(const struct cmd *c, bool has_repository, struct err *e)
{
	const struct command *d = c->command;
	bool few = c->nargs < d->min_args;

	if (!few && (d->max_args < 0 || c->nargs <= d->max_args))
		return (0);
	return (err_set(e, ERR_USAGE, "%s: too %s arguments%s; usage: "
	    "vitrine %s%s%s%s", d->name, few ? "few" : "many",
	    d->max_args == 0 && has_repository ? ": the repository is "
	    "named with --repo (-r) or VITRINE_REPOSITORY" : "", d->name,
	    d->options[0].name != NULL ? " [options]" : "",
	    *d->arguments != '\0' ? " " : "", d->arguments));
}

static int
parse(struct cmd *c, int argc, char **argv, bool *done, struct err *e)
{
	struct opts *sets[2] = { &c->own, &c->global };
	struct opts *global[1] = { &c->global };
	bool shows;
	int at = 1;

	*done = true;
	if (opts_init(&c->global, global_options, e) < 0)
		return (-1);
	if (opts_parse(global, 1, argc, argv, &at, NULL, NULL, e) < 0)
		return (-1);
	take_json(c);
	if (opts_given(&c->global, "version")) {
		version_print(c);
		return (0);
	}
	if (at >= argc && opts_given(&c->global, "help")) {
		help_overview(c, stdout);
		return (0);
	}
	if (at >= argc) {
		if (c->ui.json == NULL)
			help_overview(c, stderr);
		return (err_set(e, ERR_USAGE, "which command?"));
	}
	if ((c->command = command_find(argc, argv, &at, e)) == NULL)
		return (-1);
	if (opts_init(&c->own, c->command->options, e) < 0)
		return (-1);
	c->args = calloc((size_t)argc + 1, sizeof(c->args[0]));
	if (c->args == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (opts_parse(sets, 2, argc, argv, &at, c->args, &c->nargs, e) < 0)
		return (-1);
	take_json(c);
	if (opts_given(&c->global, "help")) {
		help_command(c, c->command);
		return (0);
	}
	/* What shows how to go on doesn't depend on what the files say. */
	shows = c->command == &help_command_def ||
	    c->command == &version_command;
	if (!shows && config_load(c, e) < 0)
		return (-1);
	take_json(c);
	if (count_arguments(c, !shows, e) < 0)
		return (-1);
	*done = false;
	return (0);
}

/* What to do next, where the kind of error says it; or NULL. */
static const char *
advice(const struct cmd *c, const struct err *e)
{
	switch (e->code) {
	case ERR_NOREPO:
		/* It was that which found no bucket. */
		if (c->command == &init_command)
			return (NULL);
		return ("\"vitrine init\" makes a repository; --repo or "
		    "VITRINE_REPOSITORY says where it is");
	case ERR_FULL:
		if (c->command == &restore_command)
			return ("make room and run it again: with --overwrite "
			    "changed it keeps what was restored");
		return ("make room and run it again: what was stored is kept");
	case ERR_NET:
		if (c->command == &backup_command)
			return ("run it again when the store can be reached: "
			    "what was stored is kept");
		if (c->command == &restore_command)
			return ("run it again when the store can be reached: "
			    "with --overwrite changed it keeps what was "
			    "restored");
		return ("run it again when the store can be reached");
	case ERR_CORRUPT:
		if (c->command == NULL || c->command == &check_command)
			return (NULL);
		return ("\"vitrine check --read-data\" lists all damage and "
		    "what it hits");
	case ERR_SYS:
		if (e->sys == EMFILE)
			return ("allow more open files: ulimit -n");
		if (c->command != &umount_command || e->sys != EBUSY)
			return (NULL);
		return ("\"fuser -vm MOUNTPOINT\" tells who works in it");
	default:
		return (NULL);
	}
}

/* The last object.  A command line may be too wrong to name a command. */
static void
last_object(struct cmd *c, int status, const struct err *e)
{
	const char *name = c->command != NULL ? c->command->name : "";

	if (status < 0)
		ui_error(&c->ui, name, e, advice(c, e), err_exit_status(e));
	else
		ui_summary(&c->ui, name, status);
}

static int
finish(struct cmd *c, int status, bool pipe_ends_us, const struct err *e)
{
	int out;

	ui_clear(&c->ui);
	if (c->ui.json != NULL)
		last_object(c, status, e);
	out = stdout_error();
	if (out == EPIPE && pipe_ends_us) {
		(void)signal(SIGPIPE, SIG_DFL);
		(void)raise(SIGPIPE);
	}
	if (status < 0) {
		/* A reader that went away is no news of its own. */
		if (c->ui.json == NULL && !(out != 0 && e->code == ERR_SYS &&
		    e->sys == out)) {
			ui_warn(&c->ui, "%s", err_text(e));
			if (advice(c, e) != NULL)
				ui_note(&c->ui, "%s", advice(c, e));
		}
		status = err_exit_status(e);
	}
	if (out != 0) {
		c->ui.json = NULL;
		ui_warn(&c->ui, "standard output: %s", strerror(out));
		if (status == EXIT_DONE)
			status = EXIT_FAILED;
	}
	return (status);
}

static int
run_line(struct cmd *c, int argc, char **argv, struct err *e)
{
	bool done;
	int status;

	if (sodium_init() < 0)
		return (err_set(e, ERR_SYS, "libsodium can't start"));
	status = parse(c, argc, argv, &done, e);
	if (status < 0 && asks_json(argc, argv))
		c->ui.json = stdout;
	if (status == 0 && !done)
		status = cmd_settings(c, e);
	if (status == 0 && !done)
		status = c->command->run(c, e);
	return (status);
}

int
main(int argc, char **argv)
{
	struct cmd c;
	struct err e = ERR_INIT;
	struct mount_words words = { 0 };
	bool pipe_ends_us;
	int status;

	standard_files();
	descriptor_table();
	/* Or sqlite counts its memory, each piece under one lock of all. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	no_core();
	pipe_ends_us = signal(SIGPIPE, SIG_IGN) != SIG_IGN;
	(void)setlocale(LC_CTYPE, "");
	memset(&c, 0, sizeof(c));
	ui_init(&c.ui);
	signals_init();
	if (!mount_helper_is(argv[0]))
		status = run_line(&c, argc, argv, &e);
	else if ((status = mount_helper_parse(&words, argc, argv, &e)) == 0 &&
	    !words.fake)
		status = run_line(&c, words.argc, words.argv, &e);
	status = finish(&c, status, pipe_ends_us, &e);
	cmd_fini(&c);
	ui_fini(&c.ui);
	mount_words_fini(&words);
	return (status);
}
