/*
 * What a store far away wants to know, from options and their variables.
 */
#include <ctype.h>
#include <string.h>

#include "tools/cmd/cmd.h"

#define TIMEOUT_MAX_S	86400

/* Options that have a variable of their name: VITRINE_ and capitals. */
static const struct named named[] = {
	{ "s3-region", "VITRINE_S3_REGION" },
	{ "s3-style", "VITRINE_S3_STYLE" },
	{ "s3-class", "VITRINE_S3_CLASS" },
	{ "s3-ca-file", "VITRINE_S3_CA_FILE" },
	{ "s3-insecure", "VITRINE_S3_INSECURE" },
	{ "s3-anonymous", "VITRINE_S3_ANONYMOUS" },
	{ "connections", "VITRINE_CONNECTIONS" },
	{ "connect-timeout", "VITRINE_CONNECT_TIMEOUT" },
	{ "stall-timeout", "VITRINE_STALL_TIMEOUT" },
	{ "request-timeout", "VITRINE_REQUEST_TIMEOUT" },
	{ "limit-upload", "VITRINE_LIMIT_UPLOAD" },
	{ "limit-download", "VITRINE_LIMIT_DOWNLOAD" },
	{ "cache-size", "VITRINE_CACHE_SIZE" }
};
#define NAMED	(sizeof(named) / sizeof(named[0]))

const char *
settings_s3_variable(const char *option)
{
	for (size_t i = 0; i < NAMED; i++)
		if (strcmp(named[i].option, option) == 0)
			return (named[i].variable);
	return (NULL);
}

/* 0 when it wasn't given. */
static int
count_of(const struct cmd *c, const char *option, unsigned max, unsigned *out,
    struct err *e)
{
	const struct opt_value *v = opts_get(&c->global, option);

	*out = 0;
	if (v->times == 0)
		return (0);
	if (v->number < 1 || v->number > max)
		return (err_set(e, ERR_USAGE, "option --%s: %s is outside 1 to "
		    "%u", option, v->text, max));
	*out = (unsigned)v->number;
	return (0);
}

static int
limit_of(const struct cmd *c, const char *option, uint64_t *out,
    struct err *e)
{
	const struct opt_value *v = opts_get(&c->global, option);

	*out = 0;
	if (v->times == 0)
		return (0);
	if (v->number < 1024)
		return (err_set(e, ERR_USAGE, "option --%s: %s is less than 1K "
		    "a second", option, v->text));
	*out = v->number;
	return (0);
}

int
settings_s3_style(const struct opts *opts, const char *option,
    enum s3_style *out, struct err *e)
{
	static const char *const styles[] = { "auto", "path", "host" };
	const char *text = settings_text(opts, option);

	*out = S3_STYLE_AUTO;
	if (text == NULL)
		return (0);
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(styles[i], text) == 0) {
			*out = (enum s3_style)i;
			return (0);
		}
	return (err_set(e, ERR_USAGE, "option --%s: \"%s\" is none of "
	    "auto, path, host", option, text));
}

/* It goes into a header. */
static int
class_of(const struct cmd *c, const char **out, struct err *e)
{
	const char *text = settings_text(&c->global, "s3-class");

	*out = text;
	for (; text != NULL && *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && *text != '_' &&
		    *text != '-')
			return (err_set(e, ERR_USAGE, "option --s3-class: "
			    "\"%s\" is no storage class", *out));
	return (0);
}

int
settings_s3(struct cmd *c, struct err *e)
{
	struct s3_options *o = &c->s3;

	if (settings_environment(&c->global, named, NAMED, e) != 0 ||
	    settings_s3_style(&c->global, "s3-style", &o->style, e) != 0 ||
	    class_of(c, &o->storage_class, e) != 0 ||
	    count_of(c, "connections", HTTP_CONNECTIONS_MAX, &o->connections,
	    e) != 0 ||
	    count_of(c, "connect-timeout", TIMEOUT_MAX_S, &o->connect_s,
	    e) != 0 ||
	    count_of(c, "stall-timeout", TIMEOUT_MAX_S, &o->stall_s, e) != 0 ||
	    count_of(c, "request-timeout", TIMEOUT_MAX_S, &o->total_s,
	    e) != 0 ||
	    limit_of(c, "limit-upload", &o->up_limit, e) != 0 ||
	    limit_of(c, "limit-download", &o->down_limit, e) != 0)
		return (-1);
	o->hurry = signals_flag();
	o->log = &c->ui.log;
	o->region = settings_text(&c->global, "s3-region");
	o->ca_file = settings_text(&c->global, "s3-ca-file");
	o->anonymous = opts_given(&c->global, "s3-anonymous");
	o->no_verify = opts_given(&c->global, "s3-insecure");
	if (o->no_verify && c->location != NULL && s3_is_location(c->location))
		ui_warn(&c->ui, "--s3-insecure: the server may be anybody: "
		    "names and sizes of objects, and what is lost or held "
		    "back, are in that one's hands");
	return (0);
}
