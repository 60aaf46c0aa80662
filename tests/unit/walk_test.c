/*
 * Roots, listings and the walk: order, batches, letting go and coming back,
 * depth, and the same calls with any number of threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/job/walk.h"

#define MOVED	7		/* the old inode of what is below "moved" */

static char top[64];

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	assert_int_equal(system(cmd), 0);
}

static int
setup(void **state)
{
	(void)snprintf(top, sizeof(top), "/tmp/walk_test.XXXXXX");
	return (mkdtemp(top) == NULL ? -1 : 0);
}

static int
teardown(void **state)
{
	run("rm -rf %s", top);
	return (0);
}

/* What the walk told, as text. */
struct told {
	struct buf text;
	unsigned batches;
	struct walk_dir *held[2];	/* those of entries named "held" */
	unsigned nheld;
};

static bool
keep(void *ctx, const struct walk_dir *d, const char *path,
    struct walk_entry *en)
{
	if (strcmp(en->name, "mine") == 0)
		en->left_out = true;
	return (strcmp(en->name, "excluded") != 0);
}

static int
examine(void *ctx, struct walk_batch *b, struct err *e)
{
	struct entry old = { .kind = ENTRY_FILE };

	for (size_t i = 0; i < b->n && b->dir->old == MOVED; i++) {
		b->v[i].has_old = true;
		b->v[i].old.kind = b->v[i].st.kind;
		b->v[i].old.src_ino = b->v[i].st.ino;
		b->v[i].old.ino = MOVED;
	}
	/* As if the parent had had "gone" in every directory below the top. */
	if (strncmp(b->dir->name, "with_gone", 9) != 0)
		return (0);
	if ((b->after == NULL || strcmp("gone", b->after) > 0) &&
	    (b->upto == NULL || strcmp("gone", b->upto) <= 0))
		return (walk_gone_add(b, "gone", 4, &old));
	return (0);
}

static int
cross(void *ctx, struct walk_dir *d, struct walk_entry *en, bool *list,
    struct err *e)
{
	*list = en->is_root || en->leads;
	return (0);
}

static int
tell(struct told *t, const char *what, const struct walk_dir *dir,
    const char *name, struct err *e)
{
	struct buf path = BUF_INIT;

	assert_int_equal(walk_path(dir, name, &path, e), 0);
	buf_bytes(&t->text, what, strlen(what));
	buf_bytes(&t->text, path.data, path.len);
	buf_bytes(&t->text, "\n", 1);
	buf_fini(&path);
	return (0);
}

static int
enter(void *ctx, struct walk_dir *dir, struct walk_batch *in,
    struct walk_entry *en, struct walk_batch *first, struct err *e)
{
	assert_true(first->dir == dir);
	/* Found only now to be one that was elsewhere. */
	if (strcmp(dir->name, "moved") == 0) {
		assert_int_equal(dir->old, 0);
		dir->old = MOVED;
		walk_batch_reset(first);
		assert_int_equal(examine(ctx, first, e), 0);
	}
	for (size_t i = 0; i < first->n; i++)
		assert_int_equal(first->v[i].has_old, dir->old == MOVED);
	return (tell(ctx, first->error != 0 ? "d!" : dir->implied ? "d- " :
	    dir->old == MOVED ? "D " : "d ", dir, NULL, e));
}

static int
batch(void *ctx, struct walk_batch *b, struct err *e)
{
	struct told *t = ctx;

	t->batches++;
	return (0);
}

static int
gone(void *ctx, struct walk_batch *b, struct walk_gone *g, struct err *e)
{
	return (tell(ctx, "g ", b->dir, g->name, e));
}

static int
entry(void *ctx, struct walk_batch *b, struct walk_entry *en, struct err *e)
{
	struct meta_stat st;
	struct told *t = ctx;

	/* Invariant 5 of the walk. */
	if (en->error == 0)
		assert_int_equal(meta_stat(&st, b->dir->fd, en->name), 0);
	if (strcmp(en->name, "held") == 0) {
		assert_true(t->nheld < 2);
		walk_dir_hold(b->dir);
		t->held[t->nheld++] = b->dir;
	}
	return (tell(ctx, en->error != 0 ? "f!" : "f ", b->dir, en->name, e));
}

/* Whoever holds a directory finds it open, but not those that lead there. */
static void
let_held_go(struct told *t)
{
	struct walk_dir *inner = t->held[0], *outer = t->held[1];

	assert_int_equal(t->nheld, 2);
	assert_ptr_equal(inner->parent->parent, outer);
	assert_true(inner->fd >= 0);
	assert_int_equal(inner->parent->fd, -1);
	assert_true(outer->fd >= 0);
	walk_dir_drop(outer);
	assert_int_equal(outer->fd, -1);
	assert_true(inner->fd >= 0);
	walk_dir_drop(inner);
	t->nheld = 0;
}

static int
leave(void *ctx, struct walk_dir *dir, int error, struct err *e)
{
	struct told *t = ctx;

	if (t->nheld > 0 && strcmp(dir->name, strrchr(top, '/') + 1) == 0)
		let_held_go(t);
	return (tell(ctx, error != 0 ? "l!" : "l ", dir, NULL, e));
}

static const struct walk_ops ops = { .keep = keep, .examine = examine,
	.cross = cross, .enter = enter, .batch = batch, .gone = gone,
	.entry = entry, .leave = leave };

static char *
walk(const char *const *roots, size_t n, unsigned threads, size_t budget)
{
	struct err e = ERR_INIT;
	struct told t = { .text = BUF_INIT };
	struct roots r;
	struct walk_env env = { .roots = &r, .budget_bytes = budget,
	    .descriptors = 1024, .ops = &ops, .ctx = &t };

	assert_int_equal(roots_make(&r, roots, n, true, &e), 0);
	assert_int_equal(pool_new(&env.pool, threads, &e), 0);
	if (walk_run(&env, &e) != 0)
		fail_msg("%s", err_text(&e));
	pool_free(env.pool);
	roots_fini(&r);
	buf_u8(&t.text, 0);
	return ((char *)t.text.data);
}

/* The walk's text from the directory `top' on to its leaving. */
static char *
walk_top(unsigned threads, size_t budget)
{
	const char *roots[] = { top };
	char *all = walk(roots, 1, threads, budget), line[128], *a, *z, *out;

	(void)snprintf(line, sizeof(line), "d %s\n", top);
	a = strstr(all, line);
	(void)snprintf(line, sizeof(line), "l %s\n", top);
	z = strstr(all, line);
	assert_non_null(a);
	assert_non_null(z);
	out = strndup(a, (size_t)(z - a));
	free(all);
	return (out);
}

static void
test_roots(void **state)
{
	const char *given[] = { "/usr/lib/../bin//", "/usr/bin/./env",
	    "/no-such/", "relative/x", "/usr/bin", "/usr/bin-x",
	    "/none/../such" };
	struct err e = ERR_INIT;
	struct roots r;
	char cwd[512], rel[600];

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	(void)snprintf(rel, sizeof(rel), "%s/relative/x", cwd);
	assert_int_equal(roots_make(&r, given, 7, true, &e), 0);
	assert_int_equal(r.n, 5);
	for (size_t i = 1; i < r.n; i++)
		assert_true(path_compare(r.v[i - 1], r.v[i]) < 0);
	for (size_t i = 0; i < r.n; i++)
		assert_true(strcmp(r.v[i], "/usr/bin") == 0 ||
		    strcmp(r.v[i], "/usr/bin-x") == 0 ||
		    strcmp(r.v[i], "/no-such") == 0 ||
		    strcmp(r.v[i], "/such") == 0 ||
		    strcmp(r.v[i], rel) == 0);
	roots_fini(&r);
	assert_int_equal(roots_make(&r, given, 7, false, &e), 0);
	assert_int_equal(r.n, 6);
	roots_fini(&r);
	given[0] = "";
	assert_int_equal(roots_make(&r, given, 1, true, &e), -1);
}

static void
test_root_link(void **state)
{
	char path[128];
	const char *given[] = { path };
	struct err e = ERR_INIT;
	struct roots r;

	run("mkdir %s/real && ln -s real %s/link && touch %s/real/f", top, top,
	    top);
	(void)snprintf(path, sizeof(path), "%s/link", top);
	assert_int_equal(roots_make(&r, given, 1, true, &e), 0);
	assert_string_equal(r.v[0], path);
	roots_fini(&r);
	(void)snprintf(path, sizeof(path), "%s/link/", top);
	assert_int_equal(roots_make(&r, given, 1, true, &e), 0);
	assert_non_null(strstr(r.v[0], "/real"));
	roots_fini(&r);
	(void)snprintf(path, sizeof(path), "%s/link/f", top);
	assert_int_equal(roots_make(&r, given, 1, true, &e), 0);
	assert_non_null(strstr(r.v[0], "/real/f"));
	roots_fini(&r);
}

static void
test_names(void **state)
{
	struct names ns = { 0 };
	char last[256] = "";
	size_t total = 0, passes = 0;
	int fd;

	run("cd %s && mkdir n && cd n && seq -f 'name%%06.0f' 5000 | "
	    "xargs touch", top);
	(void)snprintf(last, sizeof(last), "%s/n", top);
	fd = open(last, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	last[0] = '\0';
	do {
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(names_list(&ns, fd, last, 20000), 0);
		assert_true(names_bytes(&ns) < 60000);
		for (size_t i = 0; i < ns.n; i++) {
			assert_true(strcmp(names_text(&ns, i), last) > 0);
			(void)snprintf(last, sizeof(last), "%s",
			    names_text(&ns, i));
			total++;
		}
		passes++;
	} while (ns.more);
	assert_int_equal(total, 5000);
	assert_true(passes > 5);
	names_fini(&ns);
	(void)close(fd);
}

/* A file system may tell a name twice. */
static void
test_names_twice(void **state)
{
	static const char *const told[] = { "b", "a name longer", "b", "a",
	    "a name longer", "a name long", "b" };
	struct names ns = { 0 };

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		assert_int_equal(names_add(&ns, told[i], strlen(told[i]), 0),
		    0);
	names_sort(&ns);
	assert_int_equal(ns.n, 4);
	assert_string_equal(names_text(&ns, 0), "a");
	assert_string_equal(names_text(&ns, 1), "a name long");
	assert_string_equal(names_text(&ns, 2), "a name longer");
	assert_string_equal(names_text(&ns, 3), "b");
	names_fini(&ns);
}

/* What each number of threads tells, so many times: the same. */
static char *
walk_by_all(unsigned rounds)
{
	static const unsigned threads[] = { 0, 1, 2, 5 };
	char *first = NULL;

	for (unsigned i = 0; i < 4 * rounds; i++) {
		char *text = walk_top(threads[i % 4], 16 << 20);

		if (first == NULL)
			first = text;
		assert_string_equal(text, first);
		if (text != first)
			free(text);
	}
	return (first);
}

static void
test_order(void **state)
{
	char *first;

	run("cd %s && mkdir -p a/b/c a.b 'a b' with_gone/x excluded/y "
	    "mine/z && touch a/f a/b/f a/b/c/f a.b/f 'a b/f' with_gone/aa "
	    "with_gone/zz excluded/f with_gone/x/f z && mkfifo p && "
	    "ln -s nowhere s", top);
	first = walk_by_all(1);
	assert_null(strstr(first, "excluded"));
	assert_null(strstr(first, "mine"));
	{
		char want[2048], *p = want;
		/* "a" < "a b" < "a.b": by the bytes of the names. */
		p += snprintf(p, 256, "d %s\nd %s/a\nd %s/a/b\nd %s/a/b/c\n",
		    top, top, top, top);
		p += snprintf(p, 256, "f %s/a/b/c/f\nl %s/a/b/c\nf %s/a/b/f\n",
		    top, top, top);
		p += snprintf(p, 256, "l %s/a/b\nf %s/a/f\nl %s/a\n", top, top,
		    top);
		p += snprintf(p, 256, "d %s/a b\nf %s/a b/f\nl %s/a b\n", top,
		    top, top);
		p += snprintf(p, 256, "d %s/a.b\nf %s/a.b/f\nl %s/a.b\n", top,
		    top, top);
		p += snprintf(p, 256, "f %s/p\nf %s/s\nd %s/with_gone\n", top,
		    top, top);
		p += snprintf(p, 256, "f %s/with_gone/aa\n"
		    "g %s/with_gone/gone\n", top, top);
		p += snprintf(p, 256, "d %s/with_gone/x\nf %s/with_gone/x/f\n",
		    top, top);
		p += snprintf(p, 256, "l %s/with_gone/x\nf %s/with_gone/zz\n",
		    top, top);
		(void)snprintf(p, 256, "l %s/with_gone\nf %s/z\n", top, top);
		assert_string_equal(first, want);
	}
	free(first);
}

/* Narrow and deep: the next directories are far down.  What was looked at ahead
 * below a directory that turns out to be another's is looked at again. */
static void
test_far_ahead(void **state)
{
	unsigned moved = 0;
	char *first;

	run("cd %s && for a in 1 2 3 4 5 6 7 8; do for b in 1 2 3; do "
	    "for c in x moved y; do mkdir -p far/$a/$b/$c/p/q/r && "
	    "touch far/$a/$b/$c/f far/$a/$b/$c/p/q/f; done; done; done", top);
	first = walk_by_all(8);
	for (const char *p = first; (p = strstr(p, "\nD ")) != NULL; p++)
		moved++;
	assert_int_equal(moved, 8 * 3 * 4);
	free(first);
}

/* Large directories in one another, with hardly any memory: all is let go of
 * and listed again. */
static void
test_let_go(void **state)
{
	char *rich, *poor, *poor2;

	run("cd %s && for d in d with_gone1/e with_gone1/e/with_gone2; do "
	    "mkdir -p $d/sub && (cd $d && seq -f 'name%%06.0f' 3000 | "
	    "xargs touch && touch sub/x sub/y); done", top);
	rich = walk_top(0, 256 << 20);
	poor = walk_top(0, 16384);
	poor2 = walk_top(3, 16384);
	assert_string_equal(rich, poor);
	assert_string_equal(rich, poor2);
	free(rich);
	free(poor);
	free(poor2);
}

/* Deeper than any path or table of descriptors. */
static void
test_deep(void **state)
{
	char *text, *p;
	int fd = open(top, O_RDONLY | O_DIRECTORY);
	unsigned deepest = 0;

	for (int i = 0; i < 1500; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "directory", 0700), 0);
		assert_int_equal(mknodat(fd, "f", S_IFREG | 0600, 0), 0);
		assert_int_equal(mknodat(fd, "a", S_IFREG | 0600, 0), 0);
		next = openat(fd, "directory", O_RDONLY | O_DIRECTORY);
		(void)close(fd);
		fd = next;
		assert_true(fd >= 0);
	}
	(void)close(fd);
	for (unsigned threads = 0; threads < 3; threads += 2) {
		deepest = 0;
		text = walk_top(threads, 1 << 20);
		for (p = text; (p = strchr(p, '\n')) != NULL; p++)
			deepest++;
		assert_null(strstr(text, "!"));
		assert_int_equal(deepest, 1500 * 4 + 1);
		free(text);
	}
}

static void
test_held(void **state)
{
	run("mkdir -p %s/a/b/c && cd %s/a && touch held b/c/held", top, top);
	for (unsigned threads = 0; threads < 3; threads += 2)
		free(walk_top(threads, 1 << 20));
}

static void
test_unreadable(void **state)
{
	const char *roots[] = { "/nonexistent/root", top };
	char *all, want[128];

	all = walk(roots, 2, 0, 1 << 20);
	assert_non_null(strstr(all, "f!/nonexistent\n"));
	(void)snprintf(want, sizeof(want), "d %s\n", top);
	assert_non_null(strstr(all, want));
	free(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_roots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root_link, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test(test_names_twice),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_far_ahead, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup,
		    teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
