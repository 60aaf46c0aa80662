/*
 * Node numbers, both ways; the roll's names and numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/layout.h"
#include "fs/roll.h"

static void
round_trip(const struct layout *l, uint64_t number, enum node_kind kind)
{
	struct node n;

	layout_node(l, number, &n);
	assert_int_equal(n.kind, kind);
	if (kind != NODE_NONE)
		assert_true(layout_number(l, &n) == number);
}

static void
repository_numbers(void **state)
{
	const struct layout l = { 0 };
	struct node n = { .kind = NODE_ENTRY, .snapshot = 7 };

	(void)state;
	round_trip(&l, 0, NODE_NONE);
	round_trip(&l, 1, NODE_ROOT);
	round_trip(&l, 2, NODE_BY_ID);
	round_trip(&l, 3, NODE_BY_TIME);
	round_trip(&l, 4, NODE_NONE);
	round_trip(&l, UINT64_C(1) << 32, NODE_NONE);
	round_trip(&l, UINT64_C(1) << 32 | 5, NODE_LATEST);
	round_trip(&l, UINT64_C(2) << 32 | 5, NODE_TIME);
	round_trip(&l, UINT64_C(3) << 32 | LAYOUT_SNAPSHOTS_MAX, NODE_ALIAS);
	round_trip(&l, UINT64_C(3) << 32 | (LAYOUT_SNAPSHOTS_MAX + 1),
	    NODE_NONE);
	round_trip(&l, UINT64_C(4) << 32 | 5, NODE_NONE);
	round_trip(&l, UINT64_C(5) << 40, NODE_NONE);
	round_trip(&l, UINT64_C(5) << 40 | 1, NODE_TOP);
	round_trip(&l, UINT64_C(5) << 40 | 2, NODE_ENTRY);
	round_trip(&l, (uint64_t)LAYOUT_SNAPSHOTS_MAX << 40 | LAYOUT_INO_MAX,
	    NODE_ENTRY);
	/* What a hostile catalog may hold. */
	n.ino = LAYOUT_INO_MAX + 1;
	assert_true(layout_number(&l, &n) == 0);
	n.ino = 0;
	assert_true(layout_number(&l, &n) == 0);
}

static void
single_numbers(void **state)
{
	const struct layout whole = { .single = true, .root_ino = 1 };
	const struct layout part = { .single = true, .root_ino = 44 };
	struct node n = { .kind = NODE_ENTRY };

	(void)state;
	round_trip(&whole, 0, NODE_NONE);
	round_trip(&whole, 1, NODE_ENTRY);
	round_trip(&whole, 44, NODE_ENTRY);
	round_trip(&part, 1, NODE_ENTRY);
	round_trip(&part, 44, NODE_NONE);
	layout_node(&part, 1, &n);
	assert_true(n.ino == 44);
	/* The snapshot's top is not in this mount: its number is taken. */
	n.ino = 1;
	assert_true(layout_number(&part, &n) == 0);
}

static struct snapshots
list_of(struct snapshot *v, size_t n)
{
	return ((struct snapshots){ .v = v, .n = n });
}

static struct snapshot
made(const uint8_t first[4], uint8_t last, int64_t s)
{
	struct snapshot x = { .time = { .s = s }, .bytes = 10, .files = 1 };

	memcpy(x.id.b, first, 4);
	x.id.b[31] = last;
	return (x);
}

static void
roll_keeps(void **state)
{
	static const uint8_t a[4] = { 0xa1, 0xb2, 0xc3, 0xd4 };
	static const uint8_t z[4] = { 0, 0, 0, 0 };
	struct snapshot v[4] = {
		made(a, 1, 1000), made(a, 2, 1000), made(z, 3, 1001),
		made(a, 4, 2000)
	};
	struct snapshots s = list_of(v, 3);
	struct roll_item one, two, three, it;
	struct roll_sum before, after;
	struct err err = ERR_INIT;
	struct roll *r;
	uint64_t pos = 0;

	(void)state;
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	assert_int_equal(roll_new(&r, &err), 0);
	assert_false(roll_latest(r, &it));
	assert_int_equal(roll_update(r, &s, &err), 0);
	assert_true(roll_by_name(r, "a1b2c3d4", &one));
	assert_int_equal(one.id.b[31], 1);
	assert_true(roll_by_time(r, "1970-01-01T00-16-40", &one));
	assert_int_equal(one.id.b[31], 1);
	assert_string_equal(one.name, "a1b2c3d4");
	assert_int_equal(one.number, 0xa1b2c3 >> 1);
	/* The same first digits and the same second. */
	assert_true(roll_by_time(r, "1970-01-01T00-16-40-a1b2c3d400000000",
	    &two));
	assert_int_equal(two.id.b[31], 2);
	assert_int_equal(strlen(two.name), 64);
	assert_int_equal(two.number, one.number + 1);
	assert_true(roll_by_name(r, "00000000", &three));
	assert_int_equal(three.number, 1);
	/* Other spellings. */
	assert_true(roll_by_name(r, "0000", &it));
	assert_string_equal(it.name, "00000000");
	assert_false(roll_by_name(r, "000", &it));
	assert_false(roll_by_name(r, "a1b2c3d", &it));
	assert_false(roll_by_name(r, "A1B2C3D4", &it));
	assert_true(roll_latest(r, &it));
	assert_int_equal(it.id.b[31], 3);

	/* The first goes, another comes: the rest keeps its names. */
	roll_sum(r, &before);
	v[0] = v[3];
	assert_int_equal(roll_update(r, &s, &err), 0);
	roll_sum(r, &after);
	assert_int_equal(after.snapshots, 3);
	assert_true(after.changed.s != before.changed.s ||
	    after.changed.ns != before.changed.ns);
	assert_true(roll_by_number(r, one.number, &it));
	assert_true(it.gone);
	assert_false(roll_by_time(r, one.time_name, &it));
	assert_true(roll_by_name(r, two.name, &it));
	assert_int_equal(it.number, two.number);
	assert_true(roll_next(r, &pos, &it));
	assert_int_equal(pos, 1);
	assert_int_equal(it.number, two.number);

	/* Nothing new: the time of change stays. */
	before = after;
	assert_int_equal(roll_update(r, &s, &err), 0);
	roll_sum(r, &after);
	assert_memory_equal(&after.changed, &before.changed,
	    sizeof(after.changed));

	/* One that isn't the latest goes; all go; and they come back. */
	s = list_of(v + 1, 2);
	assert_int_equal(roll_update(r, &s, &err), 0);
	roll_sum(r, &after);
	assert_true(stamp_compare(&after.changed, &before.changed) > 0);
	before = after;
	s = list_of(v, 0);
	assert_int_equal(roll_update(r, &s, &err), 0);
	assert_false(roll_latest(r, &it));
	assert_false(roll_by_name(r, two.name, &it));
	roll_sum(r, &after);
	assert_true(stamp_compare(&after.changed, &before.changed) > 0);
	before = after;
	s.n = 3;
	assert_int_equal(roll_update(r, &s, &err), 0);
	assert_true(roll_latest(r, &it));
	assert_int_equal(it.id.b[31], 3);
	assert_true(roll_by_name(r, two.name, &it));
	roll_sum(r, &after);
	assert_true(stamp_compare(&after.changed, &before.changed) > 0);
	roll_free(r);
}

/* Names in by-time don't depend on when somebody first looks there. */
static void
roll_names_late(void **state)
{
	static const uint8_t a[4] = { 0xa1, 0xb2, 0xc3, 0xd4 };
	struct snapshot v[2] = { made(a, 1, 1000), made(a, 2, 1000) };
	struct snapshots s = list_of(v, 2);
	struct err err = ERR_INIT;
	struct roll_item it;
	struct roll *r;
	uint64_t pos = 0;

	(void)state;
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	assert_int_equal(roll_new(&r, &err), 0);
	assert_int_equal(roll_update(r, &s, &err), 0);
	s = list_of(v + 1, 1);
	assert_int_equal(roll_update(r, &s, &err), 0);
	assert_false(roll_by_time(r, "1970-01-01T00-16-40", &it));
	assert_true(roll_next(r, &pos, &it));
	assert_string_equal(it.time_name,
	    "1970-01-01T00-16-40-a1b2c3d400000000");
	/* What was the first's short name is now one that leads to the other,
	 * whose own is the long one. */
	assert_true(roll_by_name(r, "a1b2c3d4", &it));
	assert_int_equal(it.id.b[31], 2);
	assert_int_equal(strlen(it.name), 64);
	roll_free(r);
}

static void
roll_grows(void **state)
{
	enum { MANY = 5000 };
	struct snapshot *v = calloc(MANY, sizeof(*v));
	struct snapshots s = list_of(v, MANY);
	struct err err = ERR_INIT;
	struct roll_item it;
	struct roll *r;
	char hex[ID_HEX];

	(void)state;
	assert_non_null(v);
	for (uint32_t i = 0; i < MANY; i++) {
		v[i].time.s = i / 3;
		/* Many share their first digits. */
		v[i].id.b[0] = (uint8_t)(i % 5 * 50);
		v[i].id.b[10] = (uint8_t)i;
		v[i].id.b[11] = (uint8_t)(i >> 8);
	}
	assert_int_equal(roll_new(&r, &err), 0);
	assert_int_equal(roll_update(r, &s, &err), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		(void)hex_emit(hex, v[i].id.b, ID_BYTES);
		assert_true(roll_by_name(r, hex, &it));
		assert_true(id_equal(it.id.b, v[i].id.b));
		assert_true(roll_by_number(r, it.number, &it));
		assert_true(id_equal(it.id.b, v[i].id.b));
		assert_in_range(it.number, 1, LAYOUT_SNAPSHOTS_MAX);
		assert_int_equal(strlen(it.name), i < 5 ? 8 : 64);
		assert_true(roll_by_name(r, it.name, &it));
		assert_true(id_equal(it.id.b, v[i].id.b));
	}
	for (uint64_t pos = 0; roll_next(r, &pos, &it); pos++) {
		assert_true(roll_by_time(r, it.time_name, &it));
		assert_true(id_equal(it.id.b, v[pos].id.b));
	}
	roll_free(r);
	free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repository_numbers),
		cmocka_unit_test(single_numbers),
		cmocka_unit_test(roll_keeps),
		cmocka_unit_test(roll_names_late),
		cmocka_unit_test(roll_grows),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
