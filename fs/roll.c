/*
 * The roll: which snapshots a mount shows, under which names and numbers.
 *
 * A snapshot's number is made of the first 23 bits of its id, the next free
 * one where an older snapshot has that already; so it is the same after a
 * remount, on another machine, and for NFS, unless of two that clash the
 * older has been taken away.
 *
 * Its name in by-id is made where it is wanted: whether another has the short
 * one the numbers tell.  Names in by-time want calendar dates, and wait until
 * somebody looks there: then all get theirs, in the order of the items.
 *
 * 1. An item keeps its index, number and names until the roll is freed.
 * 2. `numbers' holds every item once, `times' the first `named' ones.
 * 3. `changed' grows with every change of what is listed.
 */
#include "fs/roll.h"

#include <pthread.h>
#include <stdlib.h>

#include "fs/layout.h"

#define SHORT_DIGITS	8
#define PREFIX_MIN	4

struct table {			/* open addressing; index + 1, 0 is free */
	uint32_t *slot;
	size_t cap;		/* a power of two, or 0 */
};

struct roll {
	pthread_mutex_t lock;	/* of all below */
	struct roll_item *v;	/* their `name' is not set */
	uint32_t n, cap, named;
	struct table numbers, times;
	uint32_t latest;	/* index + 1, or 0 */
	struct stamp changed;
};

int
roll_new(struct roll **out, struct err *err)
{
	struct roll *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	(void)pthread_mutex_init(&r->lock, NULL);
	r->changed = clock_wall();
	*out = r;
	return (0);
}

void
roll_free(struct roll *r)
{
	if (r == NULL)
		return;
	(void)pthread_mutex_destroy(&r->lock);
	free(r->numbers.slot);
	free(r->times.slot);
	free(r->v);
	free(r);
}

static uint32_t
number_hash(uint32_t number)
{
	return (number * UINT32_C(2654435761));
}

static uint32_t
name_hash(const char *s)
{
	uint32_t h = UINT32_C(2166136261);

	for (; *s != '\0'; s++)
		h = (h ^ (uint8_t)*s) * UINT32_C(16777619);
	return (h);
}

static void
table_put(struct table *t, uint32_t hash, uint32_t index)
{
	size_t i = hash & (t->cap - 1);

	while (t->slot[i] != 0)
		i = (i + 1) & (t->cap - 1);
	t->slot[i] = index + 1;
}

static struct roll_item *
find_number(const struct roll *r, uint32_t number)
{
	const struct table *t = &r->numbers;
	struct roll_item *it;

	if (t->cap == 0)
		return (NULL);
	for (size_t i = number_hash(number) & (t->cap - 1); t->slot[i] != 0;
	    i = (i + 1) & (t->cap - 1)) {
		it = &r->v[t->slot[i] - 1];
		if (it->number == number)
			return (it);
	}
	return (NULL);
}

static struct roll_item *
find_time(const struct roll *r, const char *name)
{
	const struct table *t = &r->times;
	struct roll_item *it;

	if (t->cap == 0)
		return (NULL);
	for (size_t i = name_hash(name) & (t->cap - 1); t->slot[i] != 0;
	    i = (i + 1) & (t->cap - 1)) {
		it = &r->v[t->slot[i] - 1];
		if (strcmp(it->time_name, name) == 0)
			return (it);
	}
	return (NULL);
}

/* The number that it has unless another has it. */
static uint32_t
first_number(const struct snapshot_id *id)
{
	return (((uint32_t)id->b[0] << 16 | (uint32_t)id->b[1] << 8 |
	    id->b[2]) >> 1);
}

static uint32_t
next_number(uint32_t number)
{
	return ((number + 1) & LAYOUT_SNAPSHOTS_MAX);
}

/* The oldest item whose id begins with these bytes, three or more.  No item
 * goes, so none is missing between its first number and its own; and what came
 * later has a later one. */
static struct roll_item *
find_bytes(const struct roll *r, const struct snapshot_id *id, size_t len)
{
	uint32_t number = first_number(id);
	struct roll_item *it;

	for (; number == 0 || (it = find_number(r, number)) != NULL;
	    number = next_number(number))
		if (number != 0 && memcmp(it->id.b, id->b, len) == 0)
			return (it);
	return (NULL);
}

static struct roll_item *
find_id(const struct roll *r, const struct snapshot_id *id)
{
	return (find_bytes(r, id, ID_BYTES));
}

/* Room for one more; for as many as there will be, as a rule. */
static int
grow(struct roll *r, size_t expected, struct err *err)
{
	uint32_t cap = r->cap == 0 ? 16 : r->cap * 2;
	struct roll_item *v;
	struct table numbers, times;

	if (r->n < r->cap)
		return (0);
	while (cap < expected && cap < LAYOUT_SNAPSHOTS_MAX / 2)
		cap *= 2;
	numbers.cap = times.cap = (size_t)cap * 2;
	numbers.slot = calloc(numbers.cap, sizeof(uint32_t));
	times.slot = calloc(times.cap, sizeof(uint32_t));
	v = realloc(r->v, cap * sizeof(*v));
	if (v != NULL)
		r->v = v;
	if (v == NULL || numbers.slot == NULL || times.slot == NULL) {
		free(numbers.slot);
		free(times.slot);
		return (err_set(err, ERR_NOMEM, "no memory"));
	}
	r->cap = cap;
	for (uint32_t i = 0; i < r->n; i++)
		table_put(&numbers, number_hash(v[i].number), i);
	for (uint32_t i = 0; i < r->named; i++)
		table_put(&times, name_hash(v[i].time_name), i);
	free(r->numbers.slot);
	free(r->times.slot);
	r->numbers = numbers;
	r->times = times;
	return (0);
}

/* A name that nothing else in by-time has; earlier ones keep theirs. */
static void
name_time(const struct roll *r, struct roll_item *it)
{
	char hex[ID_HEX];
	time_t t = (time_t)it->time.s;
	struct tm tm;
	size_t n = 0;

	if (t == it->time.s && localtime_r(&t, &tm) != NULL)
		n = strftime(it->time_name, sizeof(it->time_name) - 20,
		    "%Y-%m-%dT%H-%M-%S", &tm);
	if (n == 0)
		n = (size_t)snprintf(it->time_name, sizeof(it->time_name),
		    "@%lld", (long long)it->time.s);
	if (find_time(r, it->time_name) == NULL)
		return;
	(void)hex_emit(hex, it->id.b, ID_BYTES);
	(void)snprintf(it->time_name + n, sizeof(it->time_name) - n, "-%.16s",
	    hex);
}

static void
name_times(struct roll *r)
{
	for (; r->named < r->n; r->named++) {
		struct roll_item *it = &r->v[r->named];

		name_time(r, it);
		table_put(&r->times, name_hash(it->time_name), r->named);
	}
}

static int
add(struct roll *r, const struct snapshot *s, size_t expected,
    struct err *err)
{
	struct roll_item *it;

	if (r->n >= LAYOUT_SNAPSHOTS_MAX / 2)
		return (err_set(err, ERR_LIMIT, "too many snapshots"));
	if (grow(r, expected, err) < 0)
		return (-1);
	it = &r->v[r->n];
	memset(it, 0, sizeof(*it));
	it->id = s->id;
	it->time = s->time;
	it->bytes = s->bytes;
	it->entries = s->files + s->dirs + s->others;
	it->number = first_number(&s->id);
	while (it->number == 0 || find_number(r, it->number) != NULL)
		it->number = next_number(it->number);
	table_put(&r->numbers, number_hash(it->number), r->n);
	r->n++;
	return (0);
}

static void
tick(struct roll *r)
{
	struct stamp now = clock_wall();
	struct stamp *c = &r->changed;

	if (stamp_compare(&now, c) > 0) {
		*c = now;
	} else if (++c->ns >= 1000000000) {
		c->ns = 0;
		c->s++;
	}
}

int
roll_update(struct roll *r, const struct snapshots *s, struct err *err)
{
	struct roll_item *it;
	struct err ignored = ERR_INIT;
	uint32_t before, latest;
	bool changed = false;
	bool *seen = NULL;
	size_t i;
	int rc = 0;

	(void)pthread_mutex_lock(&r->lock);
	before = r->n;
	latest = r->latest;
	for (i = 0; rc == 0 && i < s->n; i++)
		if (find_id(r, &s->v[i].id) == NULL)
			rc = add(r, &s->v[i], s->n, err);
	changed = r->n > before;
	seen = calloc((size_t)r->n + 1, sizeof(*seen));
	if (rc == 0 && seen == NULL)
		rc = err_set(err, ERR_NOMEM, "no memory");
	if (rc < 0)
		goto out;
	for (i = 0; i < s->n; i++)
		seen[find_id(r, &s->v[i].id) - r->v] = true;
	for (uint32_t k = 0; k < r->n; k++) {
		it = &r->v[k];
		changed = changed || it->gone == seen[k];
		it->gone = !seen[k];
	}
	r->latest = 0;
	if (s->n > 0 && snapshots_find(s, "latest", &i, &ignored) == 0)
		r->latest = (uint32_t)(find_id(r, &s->v[i].id) - r->v) + 1;
out:
	if (changed || r->latest != latest)
		tick(r);
	(void)pthread_mutex_unlock(&r->lock);
	free(seen);
	return (rc);
}

static bool
give(struct roll *r, const struct roll_item *it, struct roll_item *out)
{
	if (it != NULL) {
		*out = *it;
		(void)hex_emit(out->name, it->id.b, find_bytes(r, &it->id,
		    SHORT_DIGITS / 2) == it ? SHORT_DIGITS / 2 : ID_BYTES);
	}
	(void)pthread_mutex_unlock(&r->lock);
	return (it != NULL);
}

bool
roll_by_number(struct roll *r, uint32_t number, struct roll_item *out)
{
	(void)pthread_mutex_lock(&r->lock);
	return (give(r, find_number(r, number), out));
}

bool
roll_by_name(struct roll *r, const char *name, struct roll_item *out)
{
	const struct roll_item *found = NULL;
	struct snapshot_id id = { { 0 } };
	char hex[ID_HEX];
	size_t len = strlen(name);

	(void)pthread_mutex_lock(&r->lock);
	if (hex_parse(id.b, SHORT_DIGITS / 2, name) == 0)
		found = find_bytes(r, &id, SHORT_DIGITS / 2);
	else if (hex_parse(id.b, ID_BYTES, name) == 0)
		found = find_id(r, &id);
	if (found != NULL && !found->gone)
		return (give(r, found, out));
	found = NULL;
	if (len < PREFIX_MIN || len >= ID_HEX ||
	    strspn(name, "0123456789abcdef") != len)
		return (give(r, NULL, out));
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->v[i].gone)
			continue;
		(void)hex_emit(hex, r->v[i].id.b, ID_BYTES);
		if (memcmp(hex, name, len) != 0)
			continue;
		if (found != NULL)
			return (give(r, NULL, out));
		found = &r->v[i];
	}
	return (give(r, found, out));
}

bool
roll_by_time(struct roll *r, const char *name, struct roll_item *out)
{
	const struct roll_item *it;

	(void)pthread_mutex_lock(&r->lock);
	name_times(r);
	it = find_time(r, name);
	return (give(r, it != NULL && it->gone ? NULL : it, out));
}

bool
roll_latest(struct roll *r, struct roll_item *out)
{
	(void)pthread_mutex_lock(&r->lock);
	return (give(r, r->latest == 0 ? NULL : &r->v[r->latest - 1], out));
}

bool
roll_next(struct roll *r, uint64_t *pos, struct roll_item *out)
{
	uint64_t i;

	(void)pthread_mutex_lock(&r->lock);
	name_times(r);
	for (i = *pos; i < r->n && r->v[i].gone; i++)
		continue;
	*pos = i;
	return (give(r, i < r->n ? &r->v[i] : NULL, out));
}

void
roll_sum(struct roll *r, struct roll_sum *sum)
{
	memset(sum, 0, sizeof(*sum));
	(void)pthread_mutex_lock(&r->lock);
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->v[i].gone)
			continue;
		sum->snapshots++;
		sum->bytes += r->v[i].bytes;
		sum->entries += r->v[i].entries;
	}
	sum->changed = r->changed;
	(void)pthread_mutex_unlock(&r->lock);
}
