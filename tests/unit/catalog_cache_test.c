/*
 * The local cache of catalogs after each run: the very catalog, whether or not
 * the file system gives a temporary file a name, and whoever else gives it one.
 */
#include "tests/unit/catalog_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "engine/base/io.h"
#include "index/cache.h"
#include "index/catalog_impl.h"

static bool refuse;		/* file systems do not give names */
static unsigned given;		/* names */
static char *race;		/* the plain file that another run replaces */

int
linkat(int from, const char *path, int dir, const char *name, int flags)
{
	int r;

	if (refuse) {
		errno = ENOENT;
		return (-1);
	}
	r = (int)syscall(SYS_linkat, from, path, dir, name, flags);
	given += r == 0;
	return (r);
}

/* As if it had ended just before. */
static void
other_run(void)
{
	char cmd[1100];

	(void)snprintf(cmd, sizeof(cmd), "cp '%s' '%s.new' && mv '%s.new' '%s'",
	    race, race, race, race);
	assert_int_equal(system(cmd), 0);
}

int
flock(int fd, int operation)
{
	if (race != NULL)
		other_run();
	return ((int)syscall(SYS_flock, fd, operation));
}

/* Do they give names here? */
static bool
is_allowed(const char *path)
{
	struct err e = ERR_INIT;
	int dir = open(path, O_RDONLY | O_DIRECTORY);
	int fd = io_temp_file(path, &e);
	bool yes;

	assert_true(dir >= 0 && fd >= 0);
	yes = io_temp_link(fd, dir, "x");
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(dir), 0);
	return (yes);
}

static char *
file_of(struct fixture *f, const struct manifest *m, const char *name)
{
	char *dir = cache_path(f->repo, &m->lineage), *path;

	assert_non_null(dir);
	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	free(dir);
	return (path);
}

/* That file is the catalog that is in the store. */
static void
is_stored(struct fixture *f, const struct manifest *m, const char *name)
{
	static uint8_t have[CATALOG_PAGE_BYTES], want[CATALOG_PAGE_BYTES];
	struct catalog_env env = { .use_cache = false };
	char *path = file_of(f, m, name), left[600];
	struct err e = ERR_INIT;
	struct catalog *c;
	struct stat st;
	uint64_t size;
	int fd;

	OK(catalog_open(&c, f->fetch, f->repo, m, &env, &e));
	size = c->pages->ops->size(c->pages);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true((uint64_t)st.st_size == size);
	for (uint64_t off = 0; off < size; off += sizeof(have)) {
		OK(io_pread_all(fd, have, sizeof(have), off, &e));
		OK(c->pages->ops->read(c->pages, want, sizeof(want), off, &e));
		assert_memory_equal(have, want, sizeof(have));
	}
	assert_int_equal(close(fd), 0);
	(void)snprintf(left, sizeof(left), "%s.new", path);
	assert_int_equal(access(left, F_OK), -1);
	catalog_close(c);
	free(path);
}

static void
add_files(struct run *r, unsigned from, unsigned n)
{
	struct err e = ERR_INIT;
	uint64_t ino;

	OK(build_inos(r->build, n, &ino, &e));
	for (unsigned i = 0; i < n; i++) {
		struct entry x = { .ino = ino + i, .kind = ENTRY_FIFO,
		    .mode = 0644, .mtime = { .s = from + i } };
		char name[32];

		(void)snprintf(name, sizeof(name), "fifo-%u", from + i);
		OK(build_node(r->build, &x, NULL, 0, &e));
		OK(build_name(r->build, CATALOG_ROOT_INO, name, strlen(name),
		    x.ino, &e));
	}
}

/* A run over that parent, if there is one; the manifest becomes its own. */
static void
back_up(struct fixture *f, struct manifest *m, bool again, unsigned from,
    unsigned n)
{
	struct manifest next;
	struct run r;

	run_begin(&r, f, again ? m : NULL);
	add_files(&r, from, n);
	run_end(&r, &next);
	manifest_fini(m);
	*m = next;
}

static void
test_whole(void **state)
{
	struct fixture f;
	struct manifest m;
	struct stat was, is;
	bool allowed;
	uint8_t byte;
	char *path;
	int fd;

	for (int i = 0; i < 2; i++) {
		fixture_init(&f, true);
		memset(&m, 0, sizeof(m));
		refuse = i == 1;
		allowed = is_allowed(f.dir);
		if (i == 0 && !allowed)
			print_message("no names for such files here\n");
		given = 0;
		back_up(&f, &m, false, 0, 20000);
		is_stored(&f, &m, "plain");
		/* All of it begins chains. */
		is_stored(&f, &m, "key");
		assert_int_equal(given, allowed);
		/* What is of the parent still is not copied. */
		path = file_of(&f, &m, "plain");
		assert_int_equal(stat(path, &was), 0);
		back_up(&f, &m, true, 20000, 100);
		is_stored(&f, &m, "plain");
		assert_int_equal(stat(path, &is), 0);
		assert_true(is.st_ino == was.st_ino);
		assert_int_equal(given, allowed);
		/* Nor is there anything to be added to. */
		assert_int_equal(unlink(path), 0);
		back_up(&f, &m, true, 20100, 100);
		is_stored(&f, &m, "plain");
		assert_int_equal(stat(path, &is), 0);
		assert_int_equal(given, allowed);
		/* A smaller one.  Who has the larger one open reads on. */
		fd = open(path, O_RDONLY);
		assert_true(fd >= 0);
		back_up(&f, &m, false, 0, 10);
		is_stored(&f, &m, "plain");
		assert_int_equal(given, 2 * allowed);
		if (allowed)
			assert_int_equal(pread(fd, &byte, 1, is.st_size - 1),
			    1);
		assert_int_equal(close(fd), 0);
		free(path);
		manifest_fini(&m);
		fixture_fini(&f);
	}
	refuse = false;
}

/* Another run of the lineage gives its file the name while this one begins. */
static void
test_race(void **state)
{
	struct fixture f;
	struct manifest m = { 0 };

	fixture_init(&f, true);
	back_up(&f, &m, false, 0, 5000);
	race = file_of(&f, &m, "plain");
	back_up(&f, &m, true, 5000, 100);
	is_stored(&f, &m, "plain");
	free(race);
	race = NULL;
	manifest_fini(&m);
	fixture_fini(&f);
}

/* While another run of the lineage writes, its files are left alone. */
static void
test_busy(void **state)
{
	struct fixture f;
	struct manifest m = { 0 }, first = { 0 };
	char *path;
	int fd;

	fixture_init(&f, true);
	back_up(&f, &first, false, 0, 5000);
	path = file_of(&f, &first, "lock");
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	back_up(&f, &m, false, 0, 10);
	is_stored(&f, &first, "plain");
	assert_int_equal(close(fd), 0);
	free(path);
	manifest_fini(&m);
	manifest_fini(&first);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_busy),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
