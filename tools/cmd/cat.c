/*
 * vitrine cat: a file's bytes to standard output.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

#define BATCH	64

static const struct opt options[] = {
	FILTER_OPTIONS,
	{ .name = NULL }
};

static int
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
	return (0);
}

static int
put_extent(struct reader *r, const struct extent *x, struct err *e)
{
	struct pack_info pack;
	struct frame_info frame;
	struct fetched *ref;
	const uint8_t *data;

	if (x->hole)
		return (put_zeros(x->len));
	if (catalog_frame(r->catalog, x->frame, &pack, &frame, e) < 0 ||
	    fetch_chunk(r->fetch, &pack, &frame, x->slot, &x->id,
	    (uint32_t)x->len, &ref, &data, e) < 0)
		return (-1);
	(void)fwrite(data, 1, (size_t)x->len, stdout);
	fetch_put(r->fetch, ref);
	return (0);
}

/* The frames of a batch are asked for before the first is needed. */
static int
ask_ahead(struct reader *r, const struct extent *x, size_t n, struct err *e)
{
	struct pack_info pack;
	struct frame_info frame;
	uint32_t last = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		if (x[i].hole || x[i].frame == last)
			continue;
		last = x[i].frame;
		if (catalog_frame(r->catalog, last, &pack, &frame, e) < 0)
			return (-1);
		fetch_ahead(r->fetch, &pack, &frame);
	}
	return (0);
}

static int
put_file(struct reader *r, const struct entry *en, struct err *e)
{
	struct extent x[BATCH];
	uint64_t off = 0;
	size_t n;

	while (off < en->size) {
		if (catalog_extents(r->catalog, en->ino, off, x, BATCH, &n,
		    e) < 0)
			return (-1);
		if (n == 0)
			return (err_set(e, ERR_CORRUPT,
			    "the catalog lacks the bytes from %llu on",
			    (unsigned long long)off));
		if (ask_ahead(r, x, n, e) < 0)
			return (-1);
		for (size_t i = 0; i < n; i++) {
			if (put_extent(r, &x[i], e) < 0)
				return (-1);
			if (ferror(stdout))
				return (0);
			if (atomic_load(signals_flag()))
				return (err_set(e, ERR_CANCELED,
				    "interrupted"));
		}
		off = x[n - 1].off + x[n - 1].len;
	}
	return (0);
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
		else if ((r = put_file(&reader, &en, e)) < 0)
			(void)err_wrap(e, "%s", reader.chosen.path);
	}
	reader_close(&reader);
	return (r < 0 ? -1 : EXIT_DONE);
}

const struct command cat_command = {
	"cat", "SNAPSHOT:PATH", "Write a file of a snapshot to standard output",
	options, 1, 1, run
};
