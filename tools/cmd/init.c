/*
 * vitrine init: make a repository.
 */
#include <string.h>

#include "engine/repo/header.h"
#include "tools/cmd/cmd.h"

#define CHUNK_AVG_MIN	(4U << 10)
#define CHUNK_AVG_MAX	(8U << 20)

static const struct opt options[] = {
	{ "chunk-size", 0, OPT_SIZE, false, "SIZE",
	    "average chunk: a power of two, 4K to 8M (default 64K)" },
	{ "label", 0, OPT_TEXT, false, "TEXT", "a label for the first key" },
	{ .name = NULL }
};

static int
chunk_size(const struct cmd *c, uint32_t *out, struct err *e)
{
	const struct opt_value *v = opts_get(&c->own, "chunk-size");

	*out = 0;
	if (v->times == 0)
		return (0);
	if (v->number < CHUNK_AVG_MIN || v->number > CHUNK_AVG_MAX ||
	    (v->number & (v->number - 1)) != 0)
		return (err_set(e, ERR_USAGE, "option --chunk-size: %s is no "
		    "power of two from 4K to 8M", v->text));
	*out = (uint32_t)v->number;
	return (0);
}

/* A place is not empty: if a repository is there, that is what to say. */
static void
tell_there(struct cmd *c, struct err *e)
{
	struct store *store = NULL;
	struct err ignored = ERR_INIT;
	struct store_stat st;

	if (cmd_store(c, false, &store, &ignored) == 0 &&
	    store_stat(store, HEADER_NAME, &st, &ignored) == 0)
		(void)err_set(e, ERR_EXISTS, "%s: there is a repository "
		    "already", c->location);
	store_close(store);
}

static int
run(struct cmd *c, struct err *e)
{
	const struct opt_value *label = opts_get(&c->own, "label");
	struct repo_params params = { 0 };
	struct slot_params slot;
	struct secret_source from;
	struct secret secret = { 0 };
	struct store *store = NULL;
	enum slot_kind kind;
	int r = -1;

	if (chunk_size(c, &params.chunk_bytes, e) < 0 ||
	    secret_source(&from, &c->global, e) < 0)
		return (-1);
	if (label->times > 0 && strlen(label->text) > SLOT_LABEL_MAX)
		return (err_set(e, ERR_USAGE,
		    "option --label: longer than %d bytes", SLOT_LABEL_MAX));
	/* The secret first: a mistyped one leaves no directory behind. */
	if (secret_obtain(&from, "Passphrase for the new repository", true,
	    &secret, &kind, e) < 0)
		return (-1);
	if (cmd_store(c, true, &store, e) < 0) {
		if (e->code == ERR_EXISTS)
			tell_there(c, e);
		goto out;
	}
	slot = slot_params_default(kind);
	r = repo_init(store, &params, &slot, &secret,
	    label->times > 0 ? label->text : "", e);
out:
	secret_fini(&secret);
	store_close(store);
	if (r < 0)
		return (-1);
	json_text(&c->ui.result, "repository", c->location);
	ui_say(&c->ui, "Repository made at %s.  Without its %s nothing in it "
	    "can be read: keep a copy elsewhere.", c->location,
	    kind == SLOT_KEY_FILE ? "key file" : "passphrase");
	return (EXIT_DONE);
}

const struct command init_command = {
	"init", "", "Make a repository", options, 0, 0, run
};
