/*
 * The global options: the table, and what they and the environment come to.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

#define MEMORY_DEFAULT	(256ULL << 20)
#define MEMORY_MIN	(64ULL << 20)
#define THREADS_MAX	1024

const struct opt global_options[] = {
	{ "repo", 'r', OPT_TEXT, false, "LOCATION",
	    "the repository: a directory or s3:... (else VITRINE_REPOSITORY)" },
	{ "password-file", 0, OPT_TEXT, false, "FILE",
	    "read the passphrase from a file" },
	{ "password-command", 0, OPT_TEXT, false, "COMMAND",
	    "... from what a shell command prints" },
	{ "password-fd", 0, OPT_COUNT, false, "NUMBER",
	    "... from an open file descriptor" },
	{ "key-file", 0, OPT_TEXT, false, "FILE",
	    "open the repository with a key file" },
	{ "cache-dir", 0, OPT_TEXT, false, "DIRECTORY",
	    "cache (else $XDG_CACHE_HOME/vitrine)" },
	{ "memory", 0, OPT_SIZE, false, "SIZE",
	    "memory to work in, 64M or more (default 256M)" },
	{ "threads", 0, OPT_COUNT, false, "NUMBER",
	    "threads (default: as many as CPUs)" },
	{ "cache-size", 0, OPT_SIZE, false, "SIZE",
	    "cache for a store far away (default 1G, no data)" },
	{ "s3-region", 0, OPT_TEXT, false, "NAME",
	    "S3: the bucket's region (else AWS_REGION)" },
	{ "s3-style", 0, OPT_TEXT, false, "STYLE",
	    "S3: auto, path (HOST/BUCKET) or host (BUCKET.HOST)" },
	{ "s3-class", 0, OPT_TEXT, false, "NAME",
	    "S3: storage class of data packs" },
	{ "s3-ca-file", 0, OPT_TEXT, false, "FILE",
	    "S3: certificates to believe (else AWS_CA_BUNDLE)" },
	{ "s3-insecure", 0, OPT_FLAG, false, NULL,
	    "S3: believe any certificate" },
	{ "s3-anonymous", 0, OPT_FLAG, false, NULL,
	    "S3: read a public bucket without credentials" },
	{ "connections", 0, OPT_COUNT, false, "NUMBER",
	    "connections to a store far away (default 16)" },
	{ "connect-timeout", 0, OPT_COUNT, false, "SECONDS",
	    "to reach it (default 15)" },
	{ "stall-timeout", 0, OPT_COUNT, false, "SECONDS",
	    "for a request without progress (default 60)" },
	{ "request-timeout", 0, OPT_COUNT, false, "SECONDS",
	    "for a request with all retries (default 1800)" },
	{ "limit-upload", 0, OPT_SIZE, false, "SIZE",
	    "bytes a second to it, at most" },
	{ "limit-download", 0, OPT_SIZE, false, "SIZE",
	    "bytes a second from it, at most" },
	{ "json", 0, OPT_FLAG, false, NULL,
	    "one JSON object a line (see vitrine-json(5))" },
	{ "profile", 'p', OPT_TEXT, false, "NAME",
	    "what the configuration says for this name" },
	{ "bytes", 0, OPT_FLAG, false, NULL,
	    "sizes as numbers of bytes" },
	{ "quiet", 'q', OPT_FLAG, false, NULL,
	    "say nothing but warnings and errors" },
	{ "verbose", 'v', OPT_FLAG, false, NULL, "say more" },
	{ "help", 'h', OPT_FLAG, false, NULL, "show help" },
	{ "version", 0, OPT_FLAG, false, NULL, "show versions" },
	{ .name = NULL }
};

const struct opt no_options[] = { { .name = NULL } };

const char *
settings_variable(const char *option)
{
	if (strcmp(option, "repo") == 0)
		return ("VITRINE_REPOSITORY");
	return (settings_s3_variable(option));
}

int
settings_environment(struct opts *o, const struct named *v, size_t n,
    struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *text = getenv(v[i].variable);

		if (text == NULL || *text == '\0' ||
		    opts_given(o, v[i].option))
			continue;
		if (opts_set(o, opts_find(o->table, v[i].option), text, NULL,
		    e) != 0)
			return (err_wrap(e, "%s", v[i].variable));
	}
	return (0);
}

const char *
settings_text(const struct opts *o, const char *option)
{
	const struct opt_value *v = opts_get(o, option);

	return (v->times > 0 && *v->text != '\0' ? v->text : NULL);
}

/* "$xdg/vitrine", else "$HOME/rest"; NULL in *out when neither is known. */
static int
user_dir(char **out, const char *xdg, const char *rest, struct err *e)
{
	const char *base = getenv(xdg);
	const char *home = getenv("HOME");
	int n;

	*out = NULL;
	/* The specification: a relative path is to be ignored. */
	if (base != NULL && base[0] == '/')
		n = asprintf(out, "%s/vitrine", base);
	else if (home != NULL && home[0] == '/')
		n = asprintf(out, "%s/%s", home, rest);
	else
		return (0);
	if (n < 0) {
		*out = NULL;
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	return (0);
}

static int
directories(struct cmd *c, struct err *e)
{
	const struct opt_value *v = opts_get(&c->global, "cache-dir");

	if (v->times > 0) {
		if (*v->text == '\0')
			return (err_set(e, ERR_USAGE,
			    "option --cache-dir: the name is empty"));
		if ((c->cache_dir = strdup(v->text)) == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
	} else if (user_dir(&c->cache_dir, "XDG_CACHE_HOME", ".cache/vitrine",
	    e) < 0)
		return (-1);
	return (user_dir(&c->state_dir, "XDG_STATE_HOME",
	    ".local/state/vitrine", e));
}

int
cmd_settings(struct cmd *c, struct err *e)
{
	const struct opt_value *v;

	ui_set(&c->ui, opts_given(&c->global, "quiet"),
	    opts_get(&c->global, "verbose")->times);
	if (opts_given(&c->global, "bytes"))
		text_exact_sizes();
	v = opts_get(&c->global, "repo");
	c->location = v->times > 0 ? v->text :
	    getenv(settings_variable("repo"));
	if (c->location != NULL && *c->location == '\0')
		c->location = NULL;
	c->env.memory_bytes = MEMORY_DEFAULT;
	v = opts_get(&c->global, "memory");
	if (v->times > 0) {
		if (v->number < MEMORY_MIN)
			return (err_set(e, ERR_USAGE,
			    "option --memory: %s is less than 64M", v->text));
		c->env.memory_bytes = (size_t)v->number;
		if (c->env.memory_bytes != v->number)
			return (err_set(e, ERR_USAGE, "option --memory: no "
			    "process has %s here", v->text));
	}
	v = opts_get(&c->global, "threads");
	if (v->times > 0) {
		if (v->number < 1 || v->number > THREADS_MAX)
			return (err_set(e, ERR_USAGE,
			    "option --threads: %s is outside 1 to %d", v->text,
			    THREADS_MAX));
		c->env.threads = (unsigned)v->number;
	}
	if (directories(c, e) < 0 || settings_s3(c, e) < 0)
		return (-1);
	c->env.log = &c->ui.log;
	c->env.cache_dir = c->cache_dir;
	c->env.state_dir = c->state_dir;
	return (0);
}

void
cmd_fini(struct cmd *c)
{
	opts_fini(&c->global);
	opts_fini(&c->own);
	config_fini(&c->config);
	free(c->args);
	free(c->cache_dir);
	free(c->state_dir);
}
