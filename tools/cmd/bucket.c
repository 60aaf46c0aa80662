/*
 * A bucket beside the repository: what is backed up, or restored to.
 */
#include <stdlib.h>

#include "tools/cmd/cmd.h"

/* Options and the variables that stand for them. */
static const struct named named[] = {
	{ "bucket-profile", "VITRINE_BUCKET_PROFILE" },
	{ "bucket-anonymous", "VITRINE_BUCKET_ANONYMOUS" },
	{ "bucket-endpoint", "VITRINE_BUCKET_ENDPOINT" },
	{ "bucket-region", "VITRINE_BUCKET_REGION" },
	{ "bucket-style", "VITRINE_BUCKET_STYLE" },
	{ "bucket-ca-file", "VITRINE_BUCKET_CA_FILE" }
};
#define NAMED	(sizeof(named) / sizeof(named[0]))

static const char *
variable(const char *name)
{
	const char *text = getenv(name);

	return (text != NULL && *text != '\0' ? text : NULL);
}

int
cmd_no_bucket(const struct cmd *c, struct err *e)
{
	for (size_t i = 0; i < NAMED; i++)
		if (opts_given(&c->own, named[i].option))
			return (err_set(e, ERR_USAGE, "--%s is for a bucket "
			    "(s3:...), and there is none", named[i].option));
	return (0);
}

int
cmd_bucket(struct cmd *c, const char *location, unsigned connections,
    struct s3 **out, struct err *e)
{
	struct s3_options o = {
		.connections = c->s3.connections,
		.connect_s = c->s3.connect_s,
		.stall_s = c->s3.stall_s,
		.total_s = c->s3.total_s,
		.up_limit = c->s3.up_limit,
		.down_limit = c->s3.down_limit,
		.hurry = c->s3.hurry,
		.log = c->s3.log,
		.beside = true
	};

	if (settings_environment(&c->own, named, NAMED, e) != 0 ||
	    settings_s3_style(&c->own, "bucket-style", &o.style, e) != 0)
		return (-1);
	if (o.connections == 0 && connections > S3_CONNECTIONS)
		o.connections = connections;
	o.anonymous = opts_given(&c->own, "bucket-anonymous");
	o.region = settings_text(&c->own, "bucket-region");
	o.ca_file = settings_text(&c->own, "bucket-ca-file");
	o.who.profile = settings_text(&c->own, "bucket-profile");
	o.who.endpoint = settings_text(&c->own, "bucket-endpoint");
	/* A profile that is asked for counts more than keys. */
	if (o.who.profile == NULL) {
		o.who.access = variable("VITRINE_BUCKET_ACCESS_KEY_ID");
		o.who.secret = variable("VITRINE_BUCKET_SECRET_ACCESS_KEY");
		o.who.token = variable("VITRINE_BUCKET_SESSION_TOKEN");
	}
	return (s3_new(out, location, &o, e));
}
