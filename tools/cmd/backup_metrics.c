/*
 * A backup's figures as Prometheus' text format, for the textfile collector of
 * the node exporter.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "tools/cmd/backup_after.h"

#define SUCCESS		"vitrine_backup_last_success_timestamp_seconds"
#define OLD_MAX		65536	/* bytes of an earlier file to look at */

struct metrics {
	struct buf text;
	struct buf labels;		/* "{...}", NUL-terminated */
};

static void
put_text(struct buf *b, const char *s)
{
	buf_bytes(b, s, strlen(s));
}

/* A label's value; what is not printable ASCII becomes '?'. */
static void
put_value(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_u8(b, '\\');
		buf_u8(b, *s >= ' ' && *s <= '~' ? (uint8_t)*s : '?');
	}
}

static void
put_metric(struct metrics *m, const char *name, const char *help,
    const char *value)
{
	const char *labels = (const char *)m->labels.data;
	const char *const parts[] = { "# HELP ", name, " ", help, "\n# TYPE ",
	    name, " gauge\n", name, labels, " ", value, "\n" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		put_text(&m->text, parts[i]);
}

static void
put_number(struct metrics *m, const char *name, const char *help, uint64_t n)
{
	char value[32], full[64];

	(void)snprintf(value, sizeof(value), "%" PRIu64, n);
	(void)snprintf(full, sizeof(full), "vitrine_backup_%s", name);
	put_metric(m, full, help, value);
}

/* When the last success was, by the file as it is; "" when that isn't known. */
static void
old_success(int dir, const char *name, char value[32])
{
	char text[OLD_MAX + 1], *line;
	size_t got = 0;
	ssize_t n = 0;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	value[0] = '\0';
	if (fd < 0)
		return;
	while (got < OLD_MAX && (n = read(fd, text + got, OLD_MAX - got)) > 0)
		got += (size_t)n;
	(void)close(fd);
	text[got] = '\0';
	line = strstr(text, "\n" SUCCESS);
	if (line == NULL)
		return;
	line[1 + strcspn(line + 1, "\n")] = '\0';
	line = strrchr(line, ' ');
	if (line != NULL && line[1] != '\0' &&
	    strspn(line + 1, "0123456789") == strlen(line + 1) &&
	    strlen(line + 1) < 32)
		memcpy(value, line + 1, strlen(line + 1) + 1);
}

static void
put_all(struct metrics *m, const struct outcome *o, const char *success)
{
	const struct backup_result *r = o->res;
	char value[32];

	put_number(m, "last_run_timestamp_seconds",
	    "When the last backup ended.", (uint64_t)clock_wall().s);
	if (*success != '\0')
		put_metric(m, SUCCESS,
		    "When the last backup ended with status 0.", success);
	put_number(m, "exit_status", "Its exit status: 0 is well.",
	    (uint64_t)o->status);
	(void)snprintf(value, sizeof(value), "%" PRIu64 ".%03u",
	    r->duration_ms / 1000, (unsigned)(r->duration_ms % 1000));
	put_metric(m, "vitrine_backup_duration_seconds", "How long it took.",
	    value);
	put_number(m, "snapshot", "1 when it made a snapshot.",
	    id_is_zero(r->id.b) ? 0 : 1);
	put_number(m, "files", "Regular files.", r->files);
	put_number(m, "directories", "Directories.", r->dirs);
	put_number(m, "others", "Links, devices, FIFOs and sockets.",
	    r->others);
	put_number(m, "files_new", "Files that were not there before.",
	    r->files_new);
	put_number(m, "files_changed", "Files that differ from before.",
	    r->files_changed);
	put_number(m, "removed", "Entries that are gone.", r->removed);
	put_number(m, "unread", "Entries that could not be read.", r->unread);
	put_number(m, "changed_meanwhile",
	    "Files that changed while they were read.", r->changed_meanwhile);
	put_number(m, "bytes", "Bytes of the regular files.", r->bytes);
	put_number(m, "bytes_read", "Bytes read from files.", r->bytes_read);
	put_number(m, "bytes_new", "Bytes of data that was new.",
	    r->bytes_new);
	put_number(m, "bytes_added", "Bytes added to the repository.",
	    r->bytes_added);
}

static int
open_dir(const char *file, const char **name, struct err *e)
{
	const char *slash = strrchr(file, '/');
	char *path = slash == NULL ? strdup(".") :
	    strndup(file, slash == file ? 1 : (size_t)(slash - file));
	int fd;

	if (path == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	*name = slash == NULL ? file : slash + 1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		(void)err_sys(e, errno, "%s", path);
	free(path);
	return (fd);
}

int
metrics_write(struct cmd *c, const char *file, const struct outcome *o,
    struct err *e)
{
	struct metrics m = { .text = BUF_INIT, .labels = BUF_INIT };
	char success[32];
	const char *name = "";
	int dir = open_dir(file, &name, e), rc = -1;

	if (dir < 0)
		return (err_wrap(e, "--metrics-file"));
	put_text(&m.labels, "{repository=\"");
	put_value(&m.labels, c->location != NULL ? c->location : "");
	put_text(&m.labels, "\",name=\"");
	put_value(&m.labels, o->env->name != NULL ? o->env->name : "");
	put_text(&m.labels, "\"}");
	buf_u8(&m.labels, 0);
	if (o->status == EXIT_DONE && !o->env->dry_run)
		(void)snprintf(success, sizeof(success), "%" PRIu64,
		    (uint64_t)clock_wall().s);
	else
		old_success(dir, name, success);
	if (buf_ok(&m.labels, e) == 0) {
		put_all(&m, o, success);
		rc = buf_ok(&m.text, e);
	}
	if (rc == 0)
		rc = io_replace(dir, name, m.text.data, m.text.len, 0644, e);
	(void)close(dir);
	buf_fini(&m.text);
	buf_fini(&m.labels);
	return (rc == 0 ? 0 : err_wrap(e, "--metrics-file %s", file));
}
