/*
 * Messages and the progress line; or, with --json, objects.
 */
#include "tools/cmd/ui.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "tools/cmd/text.h"

#define ESTIMATE_MS	2000	/* of work, before the rest is estimated */
#define ESTIMATE_PART	200	/* ... and so much of it */
#define PATH_LEAST	10	/* columns for a path, else none */
#define LINE_MAX_BYTES		8192
#define JSON_PROGRESS_MS	1000

void
ui_clear(struct ui *ui)
{
	(void)pthread_mutex_lock(&ui->lock);
	if (ui->drawn)
		(void)fputs("\r\033[K", stderr);
	ui->drawn = false;
	(void)pthread_mutex_unlock(&ui->lock);
}

/* Whole lines, whoever speaks at the same time. */
static void
put_object(struct ui *ui, struct json *j)
{
	json_end(j);
	(void)pthread_mutex_lock(&ui->lock);
	if (j->b.failed)
		(void)fputs("{\"type\":\"warning\","
		    "\"text\":\"out of memory\"}\n", ui->json);
	else
		(void)fwrite(j->b.data, 1, j->b.len, ui->json);
	(void)pthread_mutex_unlock(&ui->lock);
}

/* A program at the other end of a pipe hears of it now. */
static void
put_message(struct ui *ui, const char *type, const char *event,
    const char *path, const char *text)
{
	struct json j = JSON_INIT;

	json_begin(&j, type);
	if (event != NULL)
		json_text(&j, "event", event);
	if (path != NULL)
		json_text(&j, "path", path);
	json_text(&j, "text", text);
	put_object(ui, &j);
	(void)fflush(ui->json);
	json_fini(&j);
}

void
ui_object(struct ui *ui, struct json *j)
{
	BUG_ON(ui->json == NULL);
	put_object(ui, j);
}

void
ui_summary(struct ui *ui, const char *command, int status)
{
	struct json j = JSON_INIT;

	json_begin(&j, "summary");
	json_text(&j, "command", command);
	if (ui->sentence != NULL)
		json_text(&j, "text", ui->sentence);
	json_join(&j, &ui->result);
	json_i64(&j, "exit_status", status);
	put_object(ui, &j);
	json_fini(&j);
}

static const char *
code_name(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
	case ERR_SYS:
		return ("system");
	case ERR_NOMEM:
		return ("memory");
	case ERR_CORRUPT:
		return ("corrupt");
	case ERR_AUTH:
		return ("auth");
	case ERR_VERSION:
		return ("version");
	case ERR_NET:
		return ("net");
	case ERR_REMOTE:
		return ("remote");
	case ERR_BUSY:
		return ("busy");
	case ERR_FULL:
		return ("full");
	case ERR_LIMIT:
		return ("limit");
	case ERR_CANCELED:
		return ("canceled");
	case ERR_ABSENT:
		return ("absent");
	case ERR_EXISTS:
		return ("exists");
	case ERR_NOREPO:
		return ("norepo");
	case ERR_USAGE:
		return ("usage");
	}
	return ("system");
}

void
ui_error(struct ui *ui, const char *command, const struct err *e,
    const char *advice, int status)
{
	struct json j = JSON_INIT;

	json_begin(&j, "error");
	json_text(&j, "command", command);
	json_text(&j, "code", code_name(e->code));
	json_text(&j, "text", err_text(e));
	if (advice != NULL)
		json_text(&j, "advice", advice);
	json_i64(&j, "exit_status", status);
	put_object(ui, &j);
	json_fini(&j);
}

/* One whole line to stderr, "vitrine: " in front; escapes what isn't text. */
static void
put_line(struct ui *ui, const char *path, const char *text)
{
	struct buf b = BUF_INIT;

	if (ui->drawn)
		buf_bytes(&b, "\r\033[K", 4);
	ui->drawn = false;
	buf_bytes(&b, "vitrine: ", 9);
	if (path != NULL) {
		text_escape(&b, path, strlen(path));
		buf_bytes(&b, ": ", 2);
	}
	text_escape(&b, text, strlen(text));
	buf_u8(&b, '\n');
	if (!b.failed)
		(void)fwrite(b.data, 1, b.len, stderr);
	buf_fini(&b);
}

static void
locked_line(struct ui *ui, const char *path, const char *text)
{
	(void)pthread_mutex_lock(&ui->lock);
	put_line(ui, path, text);
	(void)pthread_mutex_unlock(&ui->lock);
}

void
ui_warn(struct ui *ui, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (ui->json != NULL)
		put_message(ui, "warning", NULL, NULL,
		    strncmp(line, "warning: ", 9) == 0 ? line + 9 : line);
	else
		locked_line(ui, NULL, line);
}

void
ui_note(struct ui *ui, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	if (ui->quiet)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (ui->json != NULL)
		put_message(ui, "message", NULL, NULL, line);
	else
		locked_line(ui, NULL, line);
}

void
ui_say(struct ui *ui, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	struct buf b = BUF_INIT;
	va_list ap;

	ui_clear(ui);
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (ui->json != NULL) {
		free(ui->sentence);
		ui->sentence = strdup(line);
		return;
	}
	if (ui->quiet)
		return;
	text_escape(&b, line, strlen(line));
	buf_u8(&b, '\n');
	if (!b.failed)
		(void)fwrite(b.data, 1, b.len, stdout);
	buf_fini(&b);
}

static void
log_sink(void *ctx, enum log_level level, const char *text)
{
	struct ui *ui = ctx;
	char line[LINE_MAX_BYTES];

	if (level != LOG_WARNING && (ui->quiet || (level == LOG_DETAIL &&
	    ui->verbose == 0)))
		return;
	if (ui->json != NULL)
		put_message(ui, level == LOG_WARNING ? "warning" : "message",
		    NULL, NULL, text);
	else if (level == LOG_WARNING) {
		(void)snprintf(line, sizeof(line), "warning: %s", text);
		locked_line(ui, NULL, line);
	} else
		locked_line(ui, NULL, text);
}

static const struct {
	const char *name;		/* as --json calls it */
	const char *prefix;		/* of the message */
} kinds[] = {
	[EVENT_UNREAD] = { "not_read", "not read: " },
	[EVENT_CHANGED] = { "changed", "warning: " },
	[EVENT_SKIPPED] = { "left_out", "left out: " },
	[EVENT_UNRESTORED] = { "not_restored", "not restored: " },
	[EVENT_DAMAGE] = { "damage", "damage: " },
	[EVENT_WARNING] = { "warning", "warning: " },
	[EVENT_DETAIL] = { "detail", "" }
};

static void
item(void *ctx, enum event_kind kind, const char *path, const char *text)
{
	struct ui *ui = ctx;
	char line[LINE_MAX_BYTES];

	if (ui->quiet && kind == EVENT_SKIPPED)
		return;
	if (ui->json != NULL) {
		put_message(ui, "event", kinds[kind].name, path, text);
		return;
	}
	(void)snprintf(line, sizeof(line), "%s%s", kinds[kind].prefix, text);
	locked_line(ui, path, line);
}

static size_t
terminal_width(void)
{
	size_t columns = text_columns(STDERR_FILENO);

	return (columns > 1 ? columns - 1 : 79);
}

/* no-color.org: any value but an empty one says no. */
static bool
wants_color(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return (isatty(STDOUT_FILENO) == 1 && (no == NULL || *no == '\0') &&
	    term != NULL && *term != '\0' && strcmp(term, "dumb") != 0);
}

/* "12,000 objects listed" */
static void
listing_text(const struct event_progress *p, struct buf *b)
{
	char line[64], t[TEXT_BYTES];

	(void)snprintf(line, sizeof(line), "%s listed", text_n(t, p->listed,
	    "object", "objects"));
	buf_bytes(b, line, strlen(line));
}

/* "12 / 400 files, 1.2 GiB, 85 MiB/s, 1:10 min left" */
static void
progress_text(struct ui *ui, const struct event_progress *p, struct buf *b)
{
	char line[512], t1[TEXT_BYTES], t2[TEXT_BYTES];
	uint64_t ms = clock_mono_ms() - ui->began_ms;
	uint64_t speed = ms > 0 ? p->bytes * 1000 / ms : 0;

	/* A job that knows no files counts bytes only. */
	if (p->files_total > 0)
		(void)snprintf(line, sizeof(line), "%s / %s files, ",
		    text_count(t1, p->files), text_count(t2, p->files_total));
	else if (p->files > 0)
		(void)snprintf(line, sizeof(line), "%s, ",
		    text_n(t1, p->files, "file", "files"));
	else
		line[0] = '\0';
	buf_bytes(b, line, strlen(line));
	(void)snprintf(line, sizeof(line), "%s, %s/s",
	    text_size(t1, p->bytes), text_size(t2, speed));
	buf_bytes(b, line, strlen(line));
	/* The first moments tell nothing. */
	if (p->bytes_total > p->bytes && speed > 0 && ms >= ESTIMATE_MS &&
	    p->bytes >= p->bytes_total / ESTIMATE_PART) {
		(void)snprintf(line, sizeof(line), ", %s left",
		    text_estimate(t1, (p->bytes_total - p->bytes) / speed *
		    1000));
		buf_bytes(b, line, strlen(line));
	}
	if (p->errors > 0) {
		(void)snprintf(line, sizeof(line), ", %s",
		    text_n(t1, p->errors, "error", "errors"));
		buf_bytes(b, line, strlen(line));
	}
}

/* The path behind it, as far as there is room: its end says most. */
static void
progress_path(struct buf *b, const char *path, size_t width)
{
	size_t used = text_width((char *)b->data, b->len, SIZE_MAX, NULL);
	struct buf escaped = BUF_INIT;
	size_t at;

	text_escape(&escaped, path, strlen(path));
	if (!escaped.failed && !b->failed && used + PATH_LEAST <= width) {
		width -= used + 2;
		buf_bytes(b, "  ", 2);
		at = text_tail((char *)escaped.data, escaped.len, width);
		if (at > 0) {
			buf_bytes(b, "...", 3);
			at = text_tail((char *)escaped.data, escaped.len,
			    width - 3);
		}
		buf_bytes(b, escaped.data + at, escaped.len - at);
	}
	buf_fini(&escaped);
}

static void
progress(void *ctx, const struct event_progress *p)
{
	struct ui *ui = ctx;
	size_t width = terminal_width(), cut;
	struct buf b = BUF_INIT;

	if (p->listing)
		listing_text(p, &b);
	else
		progress_text(ui, p, &b);
	if (p->path != NULL)
		progress_path(&b, p->path, width);
	if (!b.failed) {
		(void)text_width((char *)b.data, b.len, width, &cut);
		(void)pthread_mutex_lock(&ui->lock);
		(void)fprintf(stderr, "\r%.*s\033[K", (int)cut,
		    (char *)b.data);
		(void)fflush(stderr);
		ui->drawn = true;
		(void)pthread_mutex_unlock(&ui->lock);
	}
	buf_fini(&b);
}

static void
json_progress(void *ctx, const struct event_progress *p)
{
	struct ui *ui = ctx;
	struct json j = JSON_INIT;
	uint64_t now = clock_mono_ms();

	if (now - ui->progress_ms < JSON_PROGRESS_MS)
		return;
	ui->progress_ms = now;
	json_begin(&j, "progress");
	json_u64(&j, "elapsed_ms", now - ui->began_ms);
	json_u64(&j, "files", p->files);
	if (p->files_total > 0)
		json_u64(&j, "files_total", p->files_total);
	json_u64(&j, "bytes", p->bytes);
	if (p->bytes_total > 0)
		json_u64(&j, "bytes_total", p->bytes_total);
	json_u64(&j, "bytes_new", p->bytes_new);
	json_u64(&j, "bytes_added", p->bytes_added);
	json_u64(&j, "errors", p->errors);
	if (p->listing)
		json_u64(&j, "listed", p->listed);
	if (p->path != NULL)
		json_text(&j, "path", p->path);
	put_object(ui, &j);
	(void)fflush(ui->json);
	json_fini(&j);
}

void
ui_init(struct ui *ui)
{
	memset(ui, 0, sizeof(*ui));
	(void)pthread_mutex_init(&ui->lock, NULL);
	ui->terminal = isatty(STDERR_FILENO) == 1;
	ui->color = wants_color();
	ui->began_ms = clock_mono_ms();
	ui->log.say = log_sink;
	ui->log.ctx = ui;
	ui->events.item = item;
	ui->events.no_details = true;
	ui->events.ctx = ui;
	ui->events.cancel = signals_flag();
}

void
ui_set(struct ui *ui, bool quiet, unsigned verbose)
{
	ui->quiet = quiet;
	ui->verbose = verbose;
	ui->events.no_details = quiet || verbose == 0;
	if (quiet)
		ui->events.progress = NULL;
	else if (ui->json != NULL)
		ui->events.progress = json_progress;
	else
		ui->events.progress = ui->terminal ? progress : NULL;
}

void
ui_fini(struct ui *ui)
{
	json_fini(&ui->result);
	free(ui->sentence);
	(void)pthread_mutex_destroy(&ui->lock);
}
