/*
 * Messages and the progress line.
 */
#include "tools/cmd/ui.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "tools/cmd/text.h"

#define LINE_MAX_BYTES	8192

void
ui_clear(struct ui *ui)
{
	(void)pthread_mutex_lock(&ui->lock);
	if (ui->drawn)
		(void)fputs("\r\033[K", stderr);
	ui->drawn = false;
	(void)pthread_mutex_unlock(&ui->lock);
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
	locked_line(ui, NULL, line);
}

void
ui_say(struct ui *ui, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	struct buf b = BUF_INIT;
	va_list ap;

	ui_clear(ui);
	if (ui->quiet)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
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

	if (level == LOG_WARNING) {
		(void)snprintf(line, sizeof(line), "warning: %s", text);
		locked_line(ui, NULL, line);
	} else if (!ui->quiet && (level == LOG_NOTICE || ui->verbose > 0))
		locked_line(ui, NULL, text);
}

static void
item(void *ctx, enum event_kind kind, const char *path, const char *text)
{
	struct ui *ui = ctx;
	char line[LINE_MAX_BYTES];
	const char *prefix = "";

	switch (kind) {
	case EVENT_UNREAD:
		prefix = "not read: ";
		break;
	case EVENT_UNRESTORED:
		prefix = "not restored: ";
		break;
	case EVENT_DAMAGE:
		prefix = "damage: ";
		break;
	case EVENT_CHANGED:
	case EVENT_WARNING:
		prefix = "warning: ";
		break;
	case EVENT_SKIPPED:
		if (ui->quiet)
			return;
		prefix = "left out: ";
		break;
	case EVENT_DETAIL:
		if (ui->quiet || ui->verbose == 0)
			return;
		break;
	}
	(void)snprintf(line, sizeof(line), "%s%s", prefix, text);
	locked_line(ui, path, line);
}

static size_t
terminal_width(void)
{
	struct winsize ws;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 1)
		return (ws.ws_col - 1U);
	return (79);
}

/* "12 / 400 files, 1.2 GiB, 85 MiB/s, 1:10 min left  /home/ana/x" */
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
	if (p->bytes_total > p->bytes && speed > 0) {
		(void)snprintf(line, sizeof(line), ", %s left",
		    text_interval(t1, (p->bytes_total - p->bytes) / speed *
		    1000));
		buf_bytes(b, line, strlen(line));
	}
	if (p->errors > 0) {
		(void)snprintf(line, sizeof(line), ", %s",
		    text_n(t1, p->errors, "error", "errors"));
		buf_bytes(b, line, strlen(line));
	}
	if (p->path != NULL) {
		buf_bytes(b, "  ", 2);
		text_escape(b, p->path, strlen(p->path));
	}
}

static void
progress(void *ctx, const struct event_progress *p)
{
	struct ui *ui = ctx;
	struct buf b = BUF_INIT;
	size_t cut;

	progress_text(ui, p, &b);
	if (!b.failed) {
		(void)text_width((char *)b.data, b.len, terminal_width(),
		    &cut);
		(void)pthread_mutex_lock(&ui->lock);
		(void)fprintf(stderr, "\r%.*s\033[K", (int)cut,
		    (char *)b.data);
		(void)fflush(stderr);
		ui->drawn = true;
		(void)pthread_mutex_unlock(&ui->lock);
	}
	buf_fini(&b);
}

void
ui_init(struct ui *ui)
{
	memset(ui, 0, sizeof(*ui));
	(void)pthread_mutex_init(&ui->lock, NULL);
	ui->terminal = isatty(STDERR_FILENO) == 1;
	ui->began_ms = clock_mono_ms();
	ui->log.say = log_sink;
	ui->log.ctx = ui;
	ui->events.item = item;
	ui->events.ctx = ui;
	ui->events.cancel = signals_flag();
}

void
ui_set(struct ui *ui, bool quiet, unsigned verbose)
{
	ui->quiet = quiet;
	ui->verbose = verbose;
	ui->events.progress = ui->terminal && !quiet ? progress : NULL;
}
