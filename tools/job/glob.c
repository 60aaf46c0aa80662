/*
 * Matching patterns.  It takes no recursion and at most pattern times text
 * steps: on a mismatch it goes back to the last '*', which takes one byte more
 * but never a '/', or else to the last '**', which may.  Going back further
 * can't help, as what the last star of a kind could match is all that the
 * earlier ones could.
 */
#include "tools/job/glob.h"

#include <stddef.h>
#include <string.h>

/* [:name:], in ASCII whatever the locale; -1 for a name that is none. */
static int
in_class(const char *name, size_t len, unsigned char c)
{
	bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
	bool digit = c >= '0' && c <= '9', graph = c > ' ' && c < 0x7f;
	bool blank = c == ' ' || c == '\t';
	bool hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
	const struct {
		const char *name;
		bool in;
	} classes[] = {
		{ "alnum", upper || lower || digit },
		{ "alpha", upper || lower }, { "blank", blank },
		{ "cntrl", c < ' ' || c == 0x7f }, { "digit", digit },
		{ "graph", graph }, { "lower", lower },
		{ "print", graph || c == ' ' },
		{ "punct", graph && !upper && !lower && !digit },
		{ "space", blank || c == '\n' || c == '\r' },
		{ "upper", upper }, { "xdigit", hex }
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == len &&
		    memcmp(classes[i].name, name, len) == 0)
			return (classes[i].in);
	return (-1);
}

/* Is p, a '[' in a set, the beginning of a class?  Then *end is its ']'. */
static bool
is_class(const char *p, const char **end)
{
	if (p[0] != '[' || p[1] != ':')
		return (false);
	*end = strchr(p + 2, ']');
	return (*end == NULL || (*end > p + 2 && (*end)[-1] == ':'));
}

/* The set at p: its end, and whether it has c; NULL when it is none. */
static const char *
set_parse(const char *p, unsigned char c, bool *has)
{
	bool not = false, in = false;
	unsigned char prev = 0, ch;	/* prev 0: no range can begin there */
	const char *end;
	int hit;

	p++;
	if (*p == '!' || *p == '^') {
		not = true;
		p++;
	}
	do {
		ch = (unsigned char)*p;
		if (ch == '-' && prev != 0 && p[1] != '\0' && p[1] != ']') {
			ch = (unsigned char)*++p;
			if (ch == '\\')
				ch = (unsigned char)*++p;
			if (ch == '\0')
				return (NULL);
			in = in || (prev <= c && c <= ch);
			ch = 0;
		} else if (is_class(p, &end)) {
			if (end == NULL)
				return (NULL);
			hit = in_class(p + 2, (size_t)(end - p) - 3, c);
			if (hit < 0)
				return (NULL);
			in = in || hit > 0;
			p = end;
			ch = 0;
		} else {
			if (ch == '\\')
				ch = (unsigned char)*++p;
			if (ch == '\0')
				return (NULL);
			in = in || ch == c;
		}
		prev = ch;
	} while (*++p != ']');
	*has = in != not;
	return (p + 1);
}

const char *
glob_set_end(const char *p)
{
	bool has;

	return (set_parse(p, 0, &has));
}

/* Does the one-byte element at p match c?  *next is the element after it. */
static bool
one_fits(const char *p, unsigned char c, enum glob_rules rules,
    const char **next)
{
	const char *end;
	bool has;

	if (*p == '?') {
		*next = p + 1;
		return (c != '/');
	}
	if (*p == '[') {
		end = set_parse(p, c, &has);
		if (end == NULL && rules == GLOB_GIT)
			return (false);
		if (end != NULL) {
			*next = end;
			return (c != '/' && has);
		}
	}
	if (*p == '\\') {
		if (p[1] != '\0')
			p++;
		else if (rules == GLOB_GIT)
			return (false);
	}
	*next = p + 1;
	return ((unsigned char)*p == c);
}

/* The stars at p: how many, and whether they go over slashes, by whole
 * components. */
struct stars {
	size_t run;
	bool far, whole;
};

static struct stars
stars_at(const char *p, const char *start, const char *first,
    enum glob_rules rules)
{
	struct stars st = { .run = 1 };
	const char *after;
	bool begins;

	if (p[1] != '*')
		return (st);
	st.run = rules == GLOB_GIT ? strspn(p, "*") : 2;
	after = p + st.run;
	begins = p == start || p == first || p[-1] == '/';
	st.whole = begins && *after == '/';
	st.far = rules == GLOB_PLAIN || (begins && (*after == '\0' ||
	    *after == '/' || (after[0] == '\\' && after[1] == '/')));
	return (st);
}

bool
glob_fits(const char *p, const char *s, enum glob_rules rules)
{
	const char *star_p = NULL, *star_s = NULL;	/* the last '*' */
	const char *far_p = NULL, *far_s = NULL;	/* the last '**' */
	const char *start = p, *first = p;
	bool far_whole = false;		/* it stands for whole components */

	/* git takes what is literal off the front before it looks. */
	if (rules == GLOB_GIT)
		first += strcspn(p, "*?[\\");
	for (;;) {
		const char *next;

		if (*p == '*') {
			struct stars st = stars_at(p, start, first, rules);

			p += st.run + (st.whole ? 1 : 0);
			if (st.far) {
				far_p = p;
				far_s = s;
				far_whole = st.whole;
				star_p = NULL;
			} else {
				star_p = p;
				star_s = s;
			}
			continue;
		}
		if (*s == '\0' && *p == '\0')
			return (true);
		if (*s != '\0' && *p != '\0' &&
		    one_fits(p, (unsigned char)*s, rules, &next)) {
			p = next;
			s++;
			continue;
		}
		if (star_p != NULL && *star_s != '\0' && *star_s != '/') {
			p = star_p;
			s = ++star_s;
			continue;
		}
		if (far_p == NULL)
			return (false);
		if (far_whole) {
			far_s = strchr(far_s, '/');
			if (far_s == NULL)
				return (false);
		} else if (*far_s == '\0') {
			return (false);
		}
		p = far_p;
		s = ++far_s;
		star_p = NULL;
	}
}
