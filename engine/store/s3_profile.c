/*
 * The environment and the shared files of Amazon's tools.
 */
#include "engine/store/s3_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/crypto/hash.h"

#define FILE_MAX_BYTES	((size_t)1 << 20)

struct s3_keys *
s3_keys_new(struct err *e)
{
	struct s3_keys *k;

	crypto_init();
	k = sodium_malloc(sizeof(*k));
	if (k == NULL)
		(void)err_set(e, ERR_NOMEM, "out of locked memory");
	else
		memset(k, 0, sizeof(*k));
	return (k);
}

void
s3_keys_free(struct s3_keys *k)
{
	sodium_free(k);
}

static bool
is_blank(char c)
{
	return (c == ' ' || c == '\t' || c == '\r');
}

static void
trim(const char **p, size_t *len)
{
	while (*len > 0 && is_blank(**p)) {
		(*p)++;
		(*len)--;
	}
	while (*len > 0 && is_blank((*p)[*len - 1]))
		(*len)--;
}

/* "[ name ]"; false when the line is none. */
static bool
parse_heading(const char *p, size_t len, const char **name, size_t *name_len)
{
	const char *end;

	if (len == 0 || *p != '[')
		return (false);
	end = memchr(p, ']', len);
	if (end == NULL)
		return (false);
	*name = p + 1;
	*name_len = (size_t)(end - p) - 1;
	trim(name, name_len);
	return (true);
}

/* A key that has no value but indented lines. */
struct outer {
	const char *key;
	size_t len;			/* 0: none */
};

static int
pair(const char *p, size_t len, struct outer *outer, s3_ini_fn *fn, void *ctx,
    struct err *e)
{
	bool inner = len > 0 && is_blank(*p);
	const char *eq, *value;
	size_t key_len, value_len;
	char both[128];

	if (inner)
		trim(&p, &len);
	if (len == 0 || *p == '#' || *p == ';')
		return (0);
	eq = memchr(p, '=', len);
	if (eq == NULL)
		return (0);
	key_len = (size_t)(eq - p);
	value = eq + 1;
	value_len = len - key_len - 1;
	trim(&p, &key_len);
	trim(&value, &value_len);
	if (!inner) {
		outer->key = p;
		outer->len = value_len == 0 ? key_len : 0;
		return (fn(ctx, p, key_len, value, value_len, e));
	}
	if (outer->len == 0 || outer->len + 1 + key_len > sizeof(both))
		return (0);
	memcpy(both, outer->key, outer->len);
	both[outer->len] = '.';
	memcpy(both + outer->len + 1, p, key_len);
	return (fn(ctx, both, outer->len + 1 + key_len, value, value_len, e));
}

int
s3_ini_section(const char *text, size_t len, const char *section,
    s3_ini_fn *fn, void *ctx, struct err *e)
{
	const char *p = text, *end = text + len, *nl, *name;
	bool inside = false, found = false;
	struct outer outer = { .len = 0 };
	size_t n;
	int rc;

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		if (parse_heading(p, (size_t)(nl - p), &name, &n)) {
			inside = n == strlen(section) &&
			    memcmp(name, section, n) == 0;
			outer.len = 0;
			found = found || inside;
		} else if (inside) {
			rc = pair(p, (size_t)(nl - p), &outer, fn, ctx, e);
			if (rc != 0)
				return (rc);
		}
	}
	return (found ? 0 : 1);
}

/* What one profile says, of both files. */
struct found {
	struct s3_profile *profile;
	struct s3_keys *keys;
	bool access, secret, token;
	bool beside;			/* the environment's are another's */
	char other[40];			/* a way to keys that we don't have */
	char services[128];		/* the section with endpoints; "" */
	bool no_endpoints;		/* such are not to be heeded */
};

static bool
is(const char *p, size_t len, const char *word)
{
	return (len == strlen(word) && memcmp(p, word, len) == 0);
}

static int
take(char *dst, size_t size, const char *key, const char *value, size_t len,
    struct err *e)
{
	if (len >= size)
		return (err_set(e, ERR_USAGE, "%s is longer than %zu bytes",
		    key, size - 1));
	memcpy(dst, value, len);
	dst[len] = '\0';
	return (0);
}

static int
note(void *ctx, const char *key, size_t klen, const char *value, size_t vlen,
    struct err *e)
{
	static const char *const others[] = {
		"role_arn", "sso_session", "sso_start_url", "login_session",
		"credential_process", "web_identity_token_file"
	};
	struct found *f = ctx;
	struct s3_profile *p = f->profile;

	/* What was found before counts more: the environment, and the file of
	 * credentials before that of settings. */
	if (is(key, klen, "region") && p->region[0] == '\0')
		return (take(p->region, sizeof(p->region), "region", value,
		    vlen, e));
	if (is(key, klen, "endpoint_url") && p->endpoint[0] == '\0')
		return (take(p->endpoint, sizeof(p->endpoint), "endpoint_url",
		    value, vlen, e));
	if (is(key, klen, "services") && f->services[0] == '\0')
		return (take(f->services, sizeof(f->services), "services",
		    value, vlen, e));
	if (is(key, klen, "ignore_configured_endpoint_urls"))
		f->no_endpoints = f->no_endpoints || (vlen == 4 &&
		    strncasecmp(value, "true", 4) == 0);
	if (p->has_keys)
		return (0);
	if (is(key, klen, "aws_access_key_id") && !f->access) {
		f->access = true;
		return (take(f->keys->access, sizeof(f->keys->access),
		    "aws_access_key_id", value, vlen, e));
	}
	if (is(key, klen, "aws_secret_access_key") && !f->secret) {
		f->secret = true;
		return (take(f->keys->secret, sizeof(f->keys->secret),
		    "aws_secret_access_key", value, vlen, e));
	}
	if (is(key, klen, "aws_session_token") && !f->token) {
		f->token = true;
		return (take(f->keys->token, sizeof(f->keys->token),
		    "aws_session_token", value, vlen, e));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (is(key, klen, others[i]) && f->other[0] == '\0')
			(void)snprintf(f->other, sizeof(f->other), "%s",
			    others[i]);
	return (0);
}

/* Of the section that a profile's "services" names: S3's endpoint, which counts
 * more than that of all services. */
static int
note_service(void *ctx, const char *key, size_t klen, const char *value,
    size_t vlen, struct err *e)
{
	struct found *f = ctx;

	if (!is(key, klen, "s3.endpoint_url"))
		return (0);
	return (take(f->profile->endpoint, sizeof(f->profile->endpoint),
	    "endpoint_url", value, vlen, e));
}

/* One of the two files, if it is there: 0 with the section found, > 0. */
static int
load_file(struct found *f, const char *variable, const char *name,
    const char *section, s3_ini_fn *fn, struct err *e)
{
	const char *path = getenv(variable), *home = getenv("HOME");
	struct buf b = BUF_INIT;
	char *made = NULL;
	int fd, rc;

	if (path == NULL || *path == '\0') {
		if (home == NULL || *home != '/')
			return (1);
		if (asprintf(&made, "%s/.aws/%s", home, name) < 0)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		path = made;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		rc = 1;
		if (errno != ENOENT && errno != ENOTDIR)
			rc = err_sys(e, errno, "%s", path);
	} else {
		rc = io_slurp(fd, &b, FILE_MAX_BYTES, e);
		(void)close(fd);
		if (rc == 0)
			rc = s3_ini_section((const char *)b.data, b.len,
			    section, fn, f, e);
		if (rc < 0)
			(void)err_wrap(e, "%s", path);
	}
	buf_wipe(&b);
	free(made);
	return (rc);
}

static int
take_keys(struct s3_keys *k, const char *access, const char *secret,
    const char *token, struct err *e)
{
	if (take(k->access, sizeof(k->access), "the access key", access,
	    strlen(access), e) != 0 ||
	    take(k->secret, sizeof(k->secret), "the secret access key", secret,
	    strlen(secret), e) != 0)
		return (-1);
	return (token == NULL ? 0 : take(k->token, sizeof(k->token),
	    "the session token", token, strlen(token), e));
}

static bool
is_somebody(const struct s3_who *who)
{
	return (who->access != NULL || who->profile != NULL);
}

/* What is said of somebody else. */
static int
from_who(struct s3_profile *p, struct s3_keys *k, const struct s3_who *who,
    struct err *e)
{
	if (who->endpoint != NULL && take(p->endpoint, sizeof(p->endpoint),
	    "the endpoint", who->endpoint, strlen(who->endpoint), e) != 0)
		return (-1);
	if (who->access == NULL)
		return (0);
	if (who->secret == NULL)
		return (err_set(e, ERR_USAGE, "an access key is set without "
		    "its secret"));
	p->has_keys = true;
	p->from = "the environment";
	return (take_keys(k, who->access, who->secret, who->token, e));
}

static bool
is_true(const char *variable)
{
	const char *value = getenv(variable);

	return (value != NULL && strcasecmp(value, "true") == 0);
}

static int
from_environment(struct s3_profile *p, struct s3_keys *k, struct err *e)
{
	const char *access = getenv("AWS_ACCESS_KEY_ID");
	const char *secret = getenv("AWS_SECRET_ACCESS_KEY");
	const char *token = getenv("AWS_SESSION_TOKEN");
	const char *region = getenv("AWS_REGION");
	const char *endpoint = getenv("AWS_ENDPOINT_URL_S3");

	if (is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
		endpoint = NULL;
	else if (endpoint == NULL || *endpoint == '\0')
		endpoint = getenv("AWS_ENDPOINT_URL");
	if (region == NULL || *region == '\0')
		region = getenv("AWS_DEFAULT_REGION");
	if (region != NULL && take(p->region, sizeof(p->region), "AWS_REGION",
	    region, strlen(region), e) != 0)
		return (-1);
	if (endpoint != NULL && p->endpoint[0] == '\0' &&
	    take(p->endpoint, sizeof(p->endpoint), "AWS_ENDPOINT_URL",
	    endpoint, strlen(endpoint), e) != 0)
		return (-1);
	if (access == NULL || *access == '\0')
		return (0);
	if (secret == NULL || *secret == '\0')
		return (err_set(e, ERR_USAGE, "AWS_ACCESS_KEY_ID is set and "
		    "AWS_SECRET_ACCESS_KEY is not"));
	p->has_keys = true;
	p->from = "the environment";
	return (take_keys(k, access, secret, token, e));
}

/* > 0: the profile is in neither file. */
static int
load_files(struct found *f, const char *name, struct err *e)
{
	static const char config[] = "AWS_CONFIG_FILE";
	bool said = f->profile->endpoint[0] != '\0';
	char section[256];
	int a, b;

	a = load_file(f, "AWS_SHARED_CREDENTIALS_FILE", "credentials", name,
	    note, e);
	if (a < 0)
		return (-1);
	(void)snprintf(section, sizeof(section), "profile %s", name);
	b = load_file(f, config, "config", section, note, e);
	if (b > 0 && strcmp(name, "default") == 0)
		b = load_file(f, config, "config", name, note, e);
	if (b < 0)
		return (-1);
	if (f->services[0] != '\0' && !said && !f->no_endpoints) {
		int rc;

		(void)snprintf(section, sizeof(section), "services %s",
		    f->services);
		rc = load_file(f, config, "config", section, note_service, e);
		if (rc > 0)
			rc = err_set(e, ERR_USAGE, "the profile \"%s\" has its "
			    "endpoints from [%s], which ~/.aws/config doesn't "
			    "have", name, section);
		if (rc < 0)
			return (-1);
	}
	if (f->no_endpoints && !said)
		f->profile->endpoint[0] = '\0';
	return (a > 0 && b > 0);
}

/* Amazon's tool can do it.  What it prints is for the environment, where the
 * variables of somebody else have other names. */
static int
not_done(const struct found *f, const char *name, struct err *e)
{
	char how[400];

	if (f->beside)
		(void)snprintf(how, sizeof(how), "set VITRINE_BUCKET_ACCESS_"
		    "KEY_ID and so on as \"aws configure export-credentials "
		    "--profile %s\" says", name);
	else
		(void)snprintf(how, sizeof(how), "run eval \"$(aws configure "
		    "export-credentials --format env)\" first");
	return (err_set(e, ERR_USAGE, "the profile \"%s\" has its credentials "
	    "from %s, which vitrine does not do; %s", name, f->other, how));
}

static int
from_files(struct s3_profile *p, struct s3_keys *k, const char *named,
    bool beside, bool anonymous, struct err *e)
{
	const char *name = named != NULL && *named != '\0' ? named : "default";
	struct found f = { .profile = p, .keys = k, .beside = beside,
	    .no_endpoints = is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") };
	int rc = load_files(&f, name, e);

	if (rc < 0)
		return (-1);
	if (p->has_keys)
		return (0);
	if (rc > 0 && name == named && strcmp(name, "default") != 0)
		return (err_set(e, ERR_USAGE, "the profile \"%s\" "
		    "is in neither ~/.aws/credentials nor "
		    "~/.aws/config", name));
	if (anonymous)
		return (0);
	if (f.access && f.secret) {
		p->has_keys = true;
		p->from = "the profile";
		return (0);
	}
	if (f.access || f.secret)
		return (err_set(e, ERR_USAGE, "the profile \"%s\" has an "
		    "access key without its secret, or the reverse", name));
	return (f.other[0] == '\0' ? 0 : not_done(&f, name, e));
}

/* Who has such a variable is somebody else than the instance. */
static int
no_web_identity(const struct s3_profile *p, struct err *e)
{
	const char *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");

	if (p->has_keys || file == NULL || *file == '\0')
		return (0);
	return (err_set(e, ERR_USAGE, "AWS_WEB_IDENTITY_TOKEN_FILE is set, and "
	    "vitrine does not take the role of a web identity; run "
	    "eval \"$(aws configure export-credentials --format env)\" "
	    "first, or unset it"));
}

int
s3_profile_load(struct s3_profile *p, struct s3_keys *k,
    const struct s3_who *who, bool anonymous, struct err *e)
{
	memset(p, 0, sizeof(*p));
	if (from_who(p, k, who, e) != 0)
		return (-1);
	if (is_somebody(who))
		return (from_files(p, k, who->profile, true, anonymous, e));
	if (from_environment(p, k, e) != 0 ||
	    from_files(p, k, getenv("AWS_PROFILE"), false, anonymous, e) != 0)
		return (-1);
	return (anonymous ? 0 : no_web_identity(p, e));
}
