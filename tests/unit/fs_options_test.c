/*
 * The words of -o; directory positions; what is read ahead; mountpoints' paths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/cookie.h"
#include "fs/mount.h"
#include "fs/options.h"
#include "fs/point.h"
#include "fs/track.h"

static void
known_words(void **state)
{
	struct mount_options o;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(options_parse(&o, NULL, &err), 0);
	assert_false(o.allow_other || o.default_permissions || o.nonempty);
	assert_null(o.fsname);
	assert_string_equal(o.flags, "");
	options_fini(&o);
	assert_int_equal(options_parse(&o, "allow_other,ro,,fsname=a b,nodev,"
	    "noexec,nonempty", &err), 0);
	assert_true(o.allow_other && o.default_permissions && o.nonempty);
	assert_string_equal(o.fsname, "a b");
	assert_string_equal(o.flags, "nodev,noexec");
	options_fini(&o);
	assert_int_equal(options_parse(&o, "default_permissions", &err), 0);
	assert_true(o.default_permissions && !o.allow_other);
	options_fini(&o);
}

static void
refused_words(void **state)
{
	static const char *const words[] = {
		"rw", "uid=0", "gid=3", "auto_unmount", "subtype=x", "fsname=",
		"nodevx", "node", "ro,foo", "allow_root", "fd=3", "nonempty=1"
	};
	struct mount_options o;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		err_init(&err);
		assert_int_equal(options_parse(&o, words[i], &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
}

static void
positions(void **state)
{
	struct cookies *c;
	struct err err = ERR_INIT;
	char name[CATALOG_NAME_MAX + 1], text[16];
	uint64_t found;
	size_t len;

	(void)state;
	assert_int_equal(cookies_new(&c, 8, &err), 0);
	cookies_find(c, 5, 100, &found, name, &len);
	assert_true(found == 0 && len == 0);
	cookies_note(c, 5, 10, "ten", 3, false);
	cookies_note(c, 5, 20, "twenty", 6, true);
	cookies_note(c, 6, 15, "other", 5, true);
	assert_false(cookies_find(c, 5, 10, &found, name, &len));
	assert_true(cookies_find(c, 5, 20, &found, name, &len));
	assert_false(cookies_find(c, 5, 21, &found, name, &len));
	cookies_find(c, 5, 9, &found, name, &len);
	assert_true(found == 0 && len == 0);
	cookies_find(c, 5, 10, &found, name, &len);
	assert_true(found == 10);
	assert_string_equal(name, "ten");
	cookies_find(c, 5, 1000, &found, name, &len);
	assert_true(found == 20);
	assert_string_equal(name, "twenty");
	/* Bounded: the oldest is forgotten, the newest is not. */
	for (uint64_t i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "n%u", (unsigned)i);
		cookies_note(c, 7, i + 2, text, strlen(text), false);
	}
	cookies_find(c, 5, 1000, &found, name, &len);
	assert_true(found == 0);
	cookies_find(c, 7, 1000, &found, name, &len);
	assert_true(found == 101);
	assert_string_equal(name, "n99");
	/* The same position again takes no second place. */
	for (unsigned i = 0; i < 100; i++)
		cookies_note(c, 7, 101, "n99", 3, false);
	cookies_find(c, 7, 96, &found, name, &len);
	assert_true(found == 96);
	cookies_free(c);
}

#define MIB	(UINT64_C(1) << 20)

static void
ahead(void **state)
{
	struct tracks *t;
	struct err err = ERR_INIT;
	uint64_t from, to, last = 0;

	(void)state;
	assert_int_equal(tracks_new(&t, 0, &err), 0);
	/* In order: all is asked for once, and nothing twice. */
	for (uint64_t off = 0; off < 100 * MIB; off += MIB / 2) {
		if (!track_read(t, 9, 100 * MIB, off, MIB / 2, &from, &to))
			continue;
		assert_true(from >= last && from < to && to <= 100 * MIB);
		assert_true(last == 0 || from == last);
		last = to;
	}
	assert_true(last == 100 * MIB);
	/* Here and there: nothing. */
	for (uint64_t i = 1; i < 50; i++)
		assert_false(track_read(t, 10, 1000 * MIB,
		    (i * 37 + 5) % 100 * 10 * MIB, 4096, &from, &to));
	/* Backwards by a little, out of order: that is the kernel's threads. */
	assert_true(track_read(t, 11, 10 * MIB, 0, MIB, &from, &to));
	assert_false(track_read(t, 11, 10 * MIB, 2 * MIB, MIB / 8, &from,
	    &to) && from < MIB);
	/* The table is bounded: the first is forgotten, and begins anew. */
	for (uint64_t i = 100; i < 1000; i++)
		(void)track_read(t, i, 10 * MIB, 0, 4096, &from, &to);
	assert_true(track_read(t, 11, 10 * MIB, 0, MIB, &from, &to));
	tracks_free(t);
}

/* Far away: who waits is read further ahead for, up to the bound; at hand
 * nothing changes. */
static void
ahead_far(void **state)
{
	static const size_t far[] = { 0, 16 * MIB };
	struct tracks *t;
	struct err err = ERR_INIT;
	uint64_t from, to, most = 0;

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		assert_int_equal(tracks_new(&t, far[k], &err), 0);
		most = 0;
		for (uint64_t off = 0; off < 100 * MIB; off += MIB / 2) {
			if (track_read(t, 9, 200 * MIB, off, MIB / 2, &from,
			    &to) && to - off > most)
				most = to - off;
			track_waited(t, 9);
		}
		assert_in_range(most, k == 0 ? 4 * MIB : 16 * MIB,
		    k == 0 ? 5 * MIB : 17 * MIB);
		/* The next one begins so. */
		assert_true(track_read(t, 10, 200 * MIB, 0, MIB, &from, &to));
		assert_true(to >= (k == 0 ? 4 : 16) * MIB);
		tracks_free(t);
	}
	/* Nobody waits: it becomes less again. */
	assert_int_equal(tracks_new(&t, 16 * MIB, &err), 0);
	for (uint64_t off = 0; off < 100 * MIB; off += MIB / 2) {
		(void)track_read(t, 9, 200 * MIB, off, MIB / 2, &from, &to);
		track_waited(t, 9);
	}
	for (uint64_t node = 10; node < 2000; node++)
		for (uint64_t off = 0; off < 40 * MIB; off += 2 * MIB)
			(void)track_read(t, node, 100 * MIB, off, 2 * MIB,
			    &from, &to);
	assert_true(track_read(t, 5000, 200 * MIB, 0, MIB, &from, &to));
	assert_in_range(to, 4 * MIB, 5 * MIB);
	tracks_free(t);
}

static void
mountpoints(void **state)
{
	struct err err = ERR_INIT;
	char *path;
	bool ours = true;
	dev_t dev;
	int id;

	(void)state;
	assert_int_equal(point_resolve("/proc/./self/../", &path, &err), 0);
	assert_string_equal(path, "/proc");
	assert_int_equal(point_find(path, &ours, &id, &dev, &err), 0);
	assert_false(ours);
	assert_true(id > 0);
	assert_int_equal(mount_is_ours((uint64_t)dev, &ours, &err), 0);
	assert_false(ours);
	assert_int_equal(mount_unmount(path, &err), -1);
	assert_int_equal(err.code, ERR_ABSENT);
	free(path);
	assert_int_equal(point_resolve("/no/such/place", &path, &err), -1);
	assert_int_equal(err.code, ERR_ABSENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_words),
		cmocka_unit_test(refused_words),
		cmocka_unit_test(positions),
		cmocka_unit_test(ahead),
		cmocka_unit_test(ahead_far),
		cmocka_unit_test(mountpoints),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
