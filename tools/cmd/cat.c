/*
 * vitrine cat: a file's bytes to standard output.
 */
#include <string.h>

#include "tools/cmd/cmd.h"
#include "tools/job/content.h"

static const struct opt options[] = {
	FILTER_OPTIONS,
	{ .name = NULL }
};

static void
put_zeros(uint64_t n)
{
	static const uint8_t zeros[65536];

	while (n > 0) {
		size_t step = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);

		if (fwrite(zeros, 1, step, stdout) != step ||
		    atomic_load(signals_flag()))
			break;
		n -= step;
	}
}

static int
put_bytes(void *ctx, uint64_t off, const uint8_t *data, uint64_t len,
    struct err *e)
{
	if (data == NULL)
		put_zeros(len);
	else
		(void)fwrite(data, 1, (size_t)len, stdout);
	if (atomic_load(signals_flag()))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	/* Whose fault that is main finds out. */
	return (ferror(stdout) ? 1 : 0);
}

static int
run(struct cmd *c, struct err *e)
{
	static const char *const what[] = {
		"", "", "a directory", "a symbolic link", "a FIFO", "a socket",
		"a device", "a device"
	};
	struct reader reader;
	struct entry en;
	int r;

	/* Standard output is the file's. */
	if (c->ui.json != NULL)
		c->ui.json = stderr;
	if (strchr(c->args[0], ':') == NULL)
		return (err_set(e, ERR_USAGE, "which file?  Give "
		    "SNAPSHOT:PATH"));
	if (reader_open(&reader, c, c->args[0], e) < 0)
		return (-1);
	if ((r = reader_resolve(&reader, &en, e)) == 0) {
		if (en.kind != ENTRY_FILE)
			r = err_set(e, ERR_USAGE, "%s is %s",
			    *reader.chosen.path != '\0' ? reader.chosen.path :
			    "/", en.kind <= ENTRY_BLOCK ? what[en.kind] :
			    "no file");
		else if ((en.flags & ENTRY_UNREAD) != 0)
			r = err_set(e, ERR_ABSENT, "%s could not be read when "
			    "it was backed up", reader.chosen.path);
		else if ((r = content_read(reader.catalog, reader.fetch, &en,
		    0, put_bytes, NULL, e)) < 0)
			(void)err_wrap(e, "%s", reader.chosen.path);
	}
	reader_close(&reader);
	return (r < 0 ? -1 : EXIT_DONE);
}

const struct command cat_command = {
	"cat", "SNAPSHOT:PATH", "Write a file of a snapshot to standard output",
	options, 1, 1, run
};
