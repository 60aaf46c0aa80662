/*
 * vitrine check: options for the job, its result as a sentence.
 */
#include "tools/job/check.h"

#include "tools/cmd/cmd.h"

static const struct opt options[] = {
	{ "read-data", 0, OPT_FLAG, false, NULL,
	    "read and verify every byte, not the structure only" },
	{ .name = NULL }
};

/* What can be done; vitrine-check(1), DAMAGE. */
static void
advise(struct cmd *c, const struct check_result *res)
{
	if (res->bad > 0)
		ui_note(&c->ui, "to mend what can be mended: move each "
		    "damaged pack aside (pack 0123abcd is packs/01/0123abcd... "
		    "in the repository), back up the same sources again, move "
		    "it back; what is still there is stored anew");
	else if (res->missing > 0)
		ui_note(&c->ui, "to mend what can be mended: back up the same "
		    "sources again; what is still there is stored anew");
}

static void
put_result(struct json *j, const struct check_result *res)
{
	json_u64(j, "snapshots", res->snapshots);
	json_u64(j, "packs", res->packs);
	json_u64(j, "chunks", res->chunks);
	json_u64(j, "bytes_read", res->bytes_read);
	json_u64(j, "damage", res->damage);
	json_u64(j, "packs_missing", res->missing);
	json_u64(j, "packs_damaged", res->bad);
	json_u64(j, "warnings", res->warnings);
	json_u64(j, "duration_ms", res->duration_ms);
}

static int
run(struct cmd *c, struct err *e)
{
	char n[5][TEXT_BYTES];
	struct check_result res = { 0 };
	struct check_env env = { 0 };
	struct repo *repo;
	int r;

	env.read_data = opts_given(&c->own, "read-data");
	if (cmd_open(c, &repo, e) < 0)
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
	ui_say(&c->ui, "%s in %s, %s; %s verified in %s%s.", n[0],
	    text_n(n[1], res.snapshots, "snapshot", "snapshots"),
	    text_n(n[2], res.packs, "pack", "packs"), env.read_data ?
	    text_size(n[3], res.bytes_read) : "the structure",
	    text_interval(n[4], res.duration_ms), env.read_data ? "" :
	    " (--read-data verifies every byte)");
	return (res.damage > 0 ? EXIT_DAMAGE : EXIT_DONE);
}

const struct command check_command = {
	"check", "", "Prove that the repository is whole", options, 0, 0, run
};
