/*
 * vitrine check: options for the job, its result as a sentence.
 */
#include "tools/job/check.h"

#include <string.h>

#include "tools/cmd/cmd.h"
#include "tools/cmd/value.h"

static const struct opt options[] = {
	{ "read-data", 0, OPT_FLAG, false, NULL,
	    "read and verify every byte, not the structure only" },
	{ "read-data-subset", 0, OPT_TEXT, false, "SUBSET",
	    "read some packs only: 5%, 2G (longest unread first) or 3/20" },
	{ "max-time", 0, OPT_TEXT, false, "TIME",
	    "read packs, longest unread first, until 20m, 1h30m … are over" },
	{ "mark-damaged", 0, OPT_FLAG, false, NULL,
	    "have the next backup store anew what lies in damaged packs" },
	{ .name = NULL }
};

/* What can be done; vitrine-check(1), DAMAGE. */
static void
advise(struct cmd *c, const struct check_result *res)
{
	char n[TEXT_BYTES];

	if (res->marked > 0)
		ui_note(&c->ui, "%s marked: back up the same sources again, "
		    "and what is still there is stored anew",
		    text_n(n, res->marked, "damaged pack is",
		    "damaged packs are"));
	else if (res->bad > 0 && res->lost > 0)
		ui_note(&c->ui, "to mend what can be mended: vitrine check "
		    "--read-data --mark-damaged, then back up the same "
		    "sources again: what is still there is stored anew");
	else if (res->missing > 0 && res->lost > 0)
		ui_note(&c->ui, "to mend what can be mended: back up the same "
		    "sources again; what is still there is stored anew");
	else if (res->bad + res->missing > 0 && res->traced)
		ui_note(&c->ui, "no file of a snapshot is hit: what its packs "
		    "lost is stored elsewhere too, or is of no snapshot");
}

static void
put_result(struct json *j, const struct check_result *res)
{
	json_u64(j, "snapshots", res->snapshots);
	json_u64(j, "packs", res->packs);
	json_u64(j, "chunks", res->chunks);
	json_u64(j, "bytes_read", res->bytes_read);
	json_u64(j, "packs_read", res->packs_read);
	json_u64(j, "packs_unverified", res->packs_unverified);
	json_u64(j, "damage", res->damage);
	json_u64(j, "packs_missing", res->missing);
	json_u64(j, "packs_damaged", res->bad);
	json_u64(j, "places_lost", res->lost);
	json_u64(j, "packs_marked", res->marked);
	json_u64(j, "warnings", res->warnings);
	json_u64(j, "duration_ms", res->duration_ms);
}

/* "5%" or "0.5%": in 1/10^6. */
static int
parse_share(struct check_env *env, const char *text, size_t len)
{
	uint64_t whole = 0, part = 0, unit = 10000;
	size_t i = 0;

	for (; i < len && text[i] >= '0' && text[i] <= '9' && whole <= 100; i++)
		whole = whole * 10 + (uint64_t)(text[i] - '0');
	if (i == 0)
		return (-1);
	if (i + 1 < len && text[i] == '.')
		for (i++; i < len && text[i] >= '0' && text[i] <= '9' &&
		    unit > 1; i++) {
			unit /= 10;
			part += (uint64_t)(text[i] - '0') * unit;
		}
	env->subset = CHECK_SHARE;
	env->share = (uint32_t)(whole * 10000 + part);
	return (i == len && env->share > 0 && env->share <= 1000000 ? 0 : -1);
}

/* "3/20" */
static int
parse_part(struct check_env *env, const char *text, const char *slash)
{
	struct err e = ERR_INIT;
	uint64_t part, parts;
	char first[8];

	if ((size_t)(slash - text) >= sizeof(first))
		return (-1);
	memcpy(first, text, (size_t)(slash - text));
	first[slash - text] = '\0';
	if (value_count(&parts, slash + 1, 1, 1000000, &e) < 0 ||
	    value_count(&part, first, 1, parts, &e) < 0)
		return (-1);
	env->subset = CHECK_PART;
	env->part = (uint32_t)part;
	env->parts = (uint32_t)parts;
	return (0);
}

static int
parse_subset(struct check_env *env, const char *text, struct err *e)
{
	struct err why = ERR_INIT;
	const char *slash = strchr(text, '/');
	size_t len = strlen(text);
	int r;

	if (len > 0 && text[len - 1] == '%')
		r = parse_share(env, text, len - 1);
	else if (slash != NULL)
		r = parse_part(env, text, slash);
	else {
		env->subset = CHECK_BYTES;
		r = value_size(&env->bytes, text, &why);
		if (r == 0 && env->bytes == 0)
			r = -1;
	}
	if (r == 0)
		return (0);
	return (err_set(e, ERR_USAGE, "option --read-data-subset: \"%s\" is "
	    "no subset (such as 5%%, 3/20, 2G)", text));
}

static int
parse(struct cmd *c, struct check_env *env, struct err *e)
{
	const struct opt_value *subset = opts_get(&c->own, "read-data-subset");
	const struct opt_value *time = opts_get(&c->own, "max-time");

	env->read_data = opts_given(&c->own, "read-data") ||
	    subset->times > 0 || time->times > 0;
	if (subset->times > 0 && parse_subset(env, subset->text, e) < 0)
		return (-1);
	env->mark = opts_given(&c->own, "mark-damaged");
	if (time->times > 0 && value_interval(&env->max_ms, time->text, e) < 0)
		return (err_wrap(e, "option --max-time"));
	return (0);
}

/* What was read, and what wasn't yet: "; every pack ...". */
static const char *
say_read(char *text, size_t size, const struct check_result *res)
{
	char n[2][TEXT_BYTES];
	struct stamp oldest = { .s = (int64_t)res->oldest };

	if (res->packs_unverified > 0)
		(void)snprintf(text, size, "; %s never been verified from here",
		    text_n(n[0], res->packs_unverified, "pack has",
		    "packs have"));
	else
		(void)snprintf(text, size, "; all packs were verified since %s",
		    text_time(n[0], &oldest));
	return (text);
}

static int
run(struct cmd *c, struct err *e)
{
	char n[5][TEXT_BYTES], what[2 * TEXT_BYTES + 32], rest[128] = "";
	struct check_result res = { 0 };
	struct check_env env = { 0 };
	struct repo *repo;
	int r;

	if (parse(c, &env, e) < 0 || cmd_open(c, &repo, e) < 0)
		return (-1);
	r = check_run(repo, &env, &c->ui.events, &res, e);
	repo_close(repo);
	if (r < 0)
		return (-1);
	put_result(&c->ui.result, &res);
	advise(c, &res);
	if (res.damage > 0)
		(void)snprintf(n[0], TEXT_BYTES, "Damage: %s",
		    text_n(n[4], res.damage, "finding", "findings"));
	else
		(void)snprintf(n[0], TEXT_BYTES, "No damage");
	if (!env.read_data)
		(void)snprintf(what, sizeof(what), "the structure");
	else if (res.packs_read == res.packs)
		(void)snprintf(what, sizeof(what), "%s",
		    text_size(n[3], res.bytes_read));
	else {
		(void)snprintf(what, sizeof(what), "%s (%s) of them",
		    text_count(n[4], res.packs_read),
		    text_size(n[3], res.bytes_read));
		(void)say_read(rest, sizeof(rest), &res);
	}
	ui_say(&c->ui, "%s in %s, %s; %s verified in %s%s%s.", n[0],
	    text_n(n[1], res.snapshots, "snapshot", "snapshots"),
	    text_n(n[2], res.packs, "pack", "packs"), what,
	    text_interval(n[4], res.duration_ms), rest, env.read_data ? "" :
	    " (--read-data verifies every byte)");
	return (res.damage > 0 ? EXIT_DAMAGE : EXIT_DONE);
}

const struct command check_command = {
	"check", "", "Prove that the repository is whole", options, 0, 0, run
};
