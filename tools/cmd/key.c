/*
 * vitrine key list, add, change, remove: the slots that open a repository.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

#define NEW_SECRET							\
	{ "new-password-file", 0, OPT_TEXT, false, "FILE",		\
	    "read the new passphrase from a file" },			\
	{ "new-key-file", 0, OPT_TEXT, false, "FILE",			\
	    "the new key is this file" },				\
	{ "label", 0, OPT_TEXT, false, "TEXT", "a label for the key" }

static const struct opt change_options[] = {
	NEW_SECRET,
	{ .name = NULL }
};
static const struct opt add_options[] = {
	NEW_SECRET,
	{ "put-only", 0, OPT_FLAG, false, NULL,
	    "a key that backs up and can read nothing (needs --host)" },
	{ "host", 0, OPT_TEXT, false, "HOST",
	    "the only host name that a put-only key may use" },
	{ "share", 0, OPT_FLAG, false, NULL,
	    "let a put-only key deduplicate against everything" },
	{ .name = NULL }
};

static void
add_row(struct table *t, const struct key_info *k)
{
	char id[ID_HEX], text[TEXT_BYTES];

	table_cell(t, short_id(id, k->id.b, SHORT_ID));
	table_style(t, STYLE_DIM);
	table_cell(t, k->current ? "*" : "");
	table_cell(t, k->kind == SLOT_KEY_FILE ? "key file" : "passphrase");
	table_cell(t, k->record.role == ROLE_PUT_ONLY ? k->revoked ?
	    "put-only, revoked" : "put-only" : "full");
	table_cell(t, text_time(text, &k->record.created));
	table_cell(t, k->record.host);
	table_cell(t, k->record.label);
}

static void
put_objects(struct cmd *c, const struct key_info *keys, size_t n)
{
	struct json j = JSON_INIT;

	for (size_t i = 0; i < n; i++) {
		const struct slot_record *rec = &keys[i].record;

		json_begin(&j, "key");
		json_id(&j, "id", keys[i].id.b);
		json_bool(&j, "current", keys[i].current);
		json_text(&j, "kind", keys[i].kind == SLOT_KEY_FILE ?
		    "key_file" : "passphrase");
		json_text(&j, "role", rec->role == ROLE_PUT_ONLY ? "put_only" :
		    "full");
		json_bool(&j, "revoked", keys[i].revoked);
		json_time(&j, "created", &rec->created);
		json_text(&j, "host", rec->host);
		json_text(&j, "label", rec->label);
		json_u64(&j, "writer", rec->writer);
		ui_object(&c->ui, &j);
	}
	json_fini(&j);
}

static int
run_list(struct cmd *c, struct err *e)
{
	static const char *const heads[] = {
		"ID", "", "KIND", "ROLE", "MADE", "HOST", "LABEL"
	};
	struct key_info *keys = NULL;
	struct repo *repo;
	struct table t;
	size_t n;
	int r;

	if (cmd_open(c, &repo, e) < 0)
		return (-1);
	r = repo_keys(repo, &keys, &n, e);
	if (r == 0 && c->ui.json != NULL)
		put_objects(c, keys, n);
	else if (r == 0) {
		table_init(&t, 7, "lllllll", c->ui.color);
		for (size_t i = 0; i < 7; i++)
			table_cell(&t, heads[i]);
		for (size_t i = 0; i < n; i++)
			add_row(&t, &keys[i]);
		r = table_print(&t, stdout, e);
		table_fini(&t);
	}
	free(keys);
	repo_close(repo);
	return (r);
}

/* The new key's secret. */
static int
new_secret(struct cmd *c, struct secret *out, enum slot_kind *kind,
    struct err *e)
{
	const struct opt_value *file = opts_get(&c->own, "new-password-file");
	const struct opt_value *key = opts_get(&c->own, "new-key-file");
	struct secret_source from = { .from = SECRET_PROMPT, .fd = -1 };

	if (file->times > 0 && key->times > 0)
		return (err_set(e, ERR_USAGE, "give either "
		    "--new-password-file or --new-key-file"));
	if (file->times > 0) {
		from.from = SECRET_FILE;
		from.what = file->text;
	} else if (key->times > 0) {
		from.from = SECRET_KEY_FILE;
		from.what = key->text;
	}
	return (secret_obtain(&from, "New passphrase", true, out, kind, e));
}

static int
new_record(struct cmd *c, struct slot_record *rec, bool add, struct err *e)
{
	const struct opt_value *label = opts_get(&c->own, "label"), *host;

	memset(rec, 0, sizeof(*rec));
	rec->role = ROLE_FULL;
	if (label->times > 0) {
		if (strlen(label->text) > SLOT_LABEL_MAX)
			return (err_set(e, ERR_USAGE, "option --label: longer "
			    "than %d bytes", SLOT_LABEL_MAX));
		(void)snprintf(rec->label, sizeof(rec->label), "%s",
		    label->text);
	}
	if (!add)
		return (0);
	host = opts_get(&c->own, "host");
	if (!opts_given(&c->own, "put-only")) {
		if (host->times > 0 || opts_given(&c->own, "share"))
			return (err_set(e, ERR_USAGE, "--host and --share are "
			    "for a key that is --put-only"));
		return (0);
	}
	if (host->times == 0 || *host->text == '\0')
		return (err_set(e, ERR_USAGE, "--put-only needs --host: the "
		    "name under which that client backs up"));
	if (strlen(host->text) > SLOT_HOST_MAX)
		return (err_set(e, ERR_USAGE, "option --host: longer than %d "
		    "bytes", SLOT_HOST_MAX));
	rec->role = ROLE_PUT_ONLY;
	(void)snprintf(rec->host, sizeof(rec->host), "%s", host->text);
	return (0);
}

static int
add_key(struct cmd *c, struct repo *repo, struct slot_record *rec, bool share,
    struct object_id *id, struct err *e)
{
	struct secret secret = { 0 };
	struct slot_params params;
	enum slot_kind kind;
	int r;

	if (new_secret(c, &secret, &kind, e) < 0)
		return (-1);
	params = slot_params_default(kind);
	r = repo_key_add(repo, &params, &secret, rec, share, id, e);
	secret_fini(&secret);
	return (r);
}

static int
run_add(struct cmd *c, struct err *e)
{
	struct slot_record rec;
	struct object_id id;
	struct repo *repo;
	char hex[ID_HEX];
	int r;

	if (new_record(c, &rec, true, e) < 0 || cmd_open(c, &repo, e) < 0)
		return (-1);
	r = add_key(c, repo, &rec, opts_given(&c->own, "share"), &id, e);
	repo_close(repo);
	if (r < 0)
		return (-1);
	json_id(&c->ui.result, "id", id.b);
	(void)short_id(hex, id.b, SHORT_ID);
	if (rec.role == ROLE_PUT_ONLY)
		ui_say(&c->ui, "Key %s added: put-only, for host %s.  That it "
		    "can't delete is for the store's permissions to say.", hex,
		    rec.host);
	else
		ui_say(&c->ui, "Key %s added.", hex);
	return (EXIT_DONE);
}

static int
current_key(struct repo *repo, struct key_info *out, struct err *e)
{
	struct key_info *keys = NULL;
	size_t n;
	int r;

	if (repo_keys(repo, &keys, &n, e) < 0)
		return (-1);
	r = err_set(e, ERR_ABSENT, "the key in use is no longer there");
	for (size_t i = 0; i < n && r < 0; i++)
		if (keys[i].current) {
			*out = keys[i];
			err_init(e);
			r = 0;
		}
	free(keys);
	return (r);
}

static int
run_change(struct cmd *c, struct err *e)
{
	struct slot_record rec;
	struct key_info old;
	struct object_id id;
	struct repo *repo;
	char hex[ID_HEX], was[ID_HEX];
	int r;

	if (new_record(c, &rec, false, e) < 0 || cmd_open(c, &repo, e) < 0)
		return (-1);
	if ((r = current_key(repo, &old, e)) < 0)
		goto out;
	if (!opts_given(&c->own, "label"))
		memcpy(rec.label, old.record.label, sizeof(rec.label));
	if ((r = add_key(c, repo, &rec, false, &id, e)) < 0)
		goto out;
	(void)short_id(hex, id.b, SHORT_ID);
	(void)short_id(was, old.id.b, SHORT_ID);
	if ((r = repo_key_remove(repo, &old.id, e)) < 0)
		(void)err_wrap(e, "key %s was added, but %s not removed", hex,
		    was);
out:
	repo_close(repo);
	if (r < 0)
		return (-1);
	json_id(&c->ui.result, "id", id.b);
	json_id(&c->ui.result, "replaced", old.id.b);
	ui_say(&c->ui, "Key %s replaces %s.", hex, was);
	return (EXIT_DONE);
}

/* A key by the first digits of its id. */
static int
find_key(struct repo *repo, const char *prefix, struct key_info *out,
    struct err *e)
{
	struct key_info *keys = NULL;
	char hex[ID_HEX];
	size_t n, found = 0;

	if (*prefix == '\0')
		return (err_set(e, ERR_USAGE, "which key?"));
	if (repo_keys(repo, &keys, &n, e) < 0)
		return (-1);
	for (size_t i = 0; i < n; i++) {
		(void)hex_emit(hex, keys[i].id.b, ID_BYTES);
		if (strncmp(hex, prefix, strlen(prefix)) == 0) {
			*out = keys[i];
			found++;
		}
	}
	free(keys);
	if (found == 0)
		return (err_set(e, ERR_ABSENT, "there is no key %s", prefix));
	if (found > 1)
		return (err_set(e, ERR_USAGE, "%zu keys begin with %s", found,
		    prefix));
	return (0);
}

static int
run_remove(struct cmd *c, struct err *e)
{
	struct key_info key;
	struct repo *repo;
	char hex[ID_HEX];
	int r;

	if (cmd_open(c, &repo, e) < 0)
		return (-1);
	if ((r = find_key(repo, c->args[0], &key, e)) == 0)
		r = repo_key_remove(repo, &key.id, e);
	repo_close(repo);
	if (r < 0)
		return (-1);
	json_id(&c->ui.result, "id", key.id.b);
	(void)short_id(hex, key.id.b, SHORT_ID);
	if (key.record.role == ROLE_PUT_ONLY)
		ui_say(&c->ui, "Key %s removed; what its writer stores from "
		    "now on is refused.", hex);
	else
		ui_say(&c->ui, "Key %s removed.  Who copied the master secret "
		    "with it still has it.", hex);
	return (EXIT_DONE);
}

const struct command key_list_command = {
	"key list", "", "List the keys", no_options, 0, 0, run_list
};
const struct command key_add_command = {
	"key add", "", "Add a passphrase, a key file, or a put-only key",
	add_options, 0, 0, run_add
};
const struct command key_change_command = {
	"key change", "", "Replace the key in use by a new one",
	change_options, 0, 0, run_change
};
const struct command key_remove_command = {
	"key remove", "ID", "Remove a key", no_options, 1, 1, run_remove
};
