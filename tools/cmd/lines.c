/*
 * Lists in files: exclude patterns, paths.
 */
#include "tools/cmd/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"

#define FILE_MAX	(64U << 20)

static int
add(struct lines *l, const char *line, unsigned no, struct err *e)
{
	/* Room grows when it was filled: at each power of two. */
	if ((l->n & (l->n - 1)) == 0) {
		size_t cap = l->n == 0 ? 1 : l->n * 2;
		const char **v = reallocarray(l->v, cap, sizeof(*v));
		unsigned *nos;

		if (v != NULL)
			l->v = v;
		nos = reallocarray(l->no, cap, sizeof(*nos));
		if (nos != NULL)
			l->no = nos;
		if (v == NULL || nos == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	l->v[l->n] = line;
	l->no[l->n++] = no;
	return (0);
}

static bool
is_space(char c)
{
	return (c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f');
}

static char *
trim(char *line)
{
	size_t len;

	while (is_space(*line))
		line++;
	len = strlen(line);
	while (len > 0 && is_space(line[len - 1]))
		line[--len] = '\0';
	return (line);
}

/* The text is NUL-terminated behind len. */
static int
split(struct lines *l, size_t len, enum lines_form form, struct err *e)
{
	char *p = l->text, *end = p + len;
	char mark = form == LINES_NUL ? '\0' : '\n';

	for (unsigned no = 1; p < end; no++) {
		char *line = p, *stop = memchr(p, mark, (size_t)(end - p));

		if (stop == NULL)
			stop = end;
		p = stop + 1;
		*stop = '\0';
		if (strlen(line) != (size_t)(stop - line))
			return (err_set(e, ERR_USAGE, "line %u has a NUL byte",
			    no));
		if (form == LINES_NUL && *line == '\0')
			return (err_set(e, ERR_USAGE, "name %u is empty", no));
		if (form == LINES_TRIMMED) {
			line = trim(line);
			if (*line == '#')
				continue;
		}
		if (*line != '\0' && add(l, line, no, e) != 0)
			return (-1);
	}
	return (0);
}

int
lines_load(struct lines *l, const char *file, enum lines_form form,
    struct err *e)
{
	bool input = strcmp(file, "-") == 0;
	struct buf b = BUF_INIT;
	int fd, rc;

	memset(l, 0, sizeof(*l));
	fd = input ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (err_sys(e, errno, "%s", file));
	rc = io_slurp(fd, &b, FILE_MAX, e);
	if (!input)
		(void)close(fd);
	buf_u8(&b, 0);
	if (rc == 0)
		rc = buf_ok(&b, e);
	if (rc == 0) {
		l->text = (char *)b.data;
		rc = split(l, b.len - 1, form, e);
	} else {
		buf_fini(&b);
	}
	if (rc != 0) {
		lines_fini(l);
		(void)err_wrap(e, "%s", input ? "standard input" : file);
	}
	return (rc);
}

void
lines_fini(struct lines *l)
{
	free(l->text);
	free(l->v);
	free(l->no);
	memset(l, 0, sizeof(*l));
}
