/*
 * Opening: the store, then the repository with the secret that the user gives.
 */
#include <string.h>

#include "engine/store/cache.h"
#include "tools/cmd/cmd.h"

#define PROMPTS		3
#define CACHE_DEFAULT	(1ULL << 30)

/* In front of a store far away: what it has sent once is kept. */
static int
add_cache(struct cmd *c, struct store **store, struct err *e)
{
	const struct opt_value *v = opts_get(&c->global, "cache-size");
	uint64_t max = v->times > 0 ? v->number : CACHE_DEFAULT;
	char *dir;
	int r;

	if (c->cache_dir == NULL || max == 0)
		return (0);
	if (asprintf(&dir, "%s/near", c->cache_dir) < 0)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	r = store_cache_open(store, *store, dir, max, v->times > 0, e);
	free(dir);
	return (r);
}

int
cmd_store(struct cmd *c, bool create, struct store **out, struct err *e)
{
	if (c->location == NULL)
		return (err_set(e, ERR_USAGE, "which repository?  Give --repo "
		    "or set VITRINE_REPOSITORY"));
	c->s3.memory_dir = c->cache_dir;
	if (store_open_with(out, c->location, create, &c->s3, e) != 0)
		return (-1);
	/* A check is of the store. */
	if ((*out)->parallel > 0 && c->command != &check_command &&
	    add_cache(c, out, e) != 0) {
		store_close(*out);
		return (-1);
	}
	return (0);
}

/* Takes the store. */
int
cmd_unlock(struct cmd *c, struct store *store, struct repo **out,
    struct err *e)
{
	struct secret_source from;
	struct secret secret = { 0 };
	enum slot_kind kind;
	char prompt[600];
	int r;

	if (c->cache_dir == NULL)
		ui_note(&c->ui, "no cache: neither XDG_CACHE_HOME nor HOME is "
		    "set to an absolute path; give --cache-dir");
	(void)snprintf(prompt, sizeof(prompt), "Passphrase for %s",
	    c->location);
	if (secret_source(&from, &c->global, e) < 0) {
		store_close(store);
		return (-1);
	}
	for (int i = 1;; i++) {
		r = secret_obtain(&from, prompt, false, &secret, &kind, e);
		if (r == 0) {
			r = repo_open(out, store, kind, &secret, &c->env, e);
			store = NULL;
			secret_fini(&secret);
		}
		if (r == 0 || e->code != ERR_AUTH ||
		    from.from != SECRET_PROMPT || i == PROMPTS)
			break;
		ui_warn(&c->ui, "%s", err_text(e));
		err_init(e);
		if (store == NULL && cmd_store(c, false, &store, e) < 0)
			return (-1);
	}
	store_close(store);
	return (r);
}

int
cmd_open(struct cmd *c, struct repo **out, struct err *e)
{
	struct store *store;

	if (cmd_store(c, false, &store, e) < 0)
		return (-1);
	return (cmd_unlock(c, store, out, e));
}
