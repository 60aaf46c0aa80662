/*
 * What a request is made of, and where it goes.  Nothing is sent, as
 * http_perform() is ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/store/s3_int.h"

#define PLAIN	"s3:http://127.0.0.1:1/bucket/repo"
#define SECURE	"s3:https://127.0.0.1:1/bucket/repo"
#define EMPTY	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852" \
		"b855"
#define ABC	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f200" \
		"15ad"
#define ABC_MD5	"kAFQmDzST7DWlj99KOF/cg=="

/* The connections' options, and the last request. */
static struct http_options options;
static char peer[S3_HOST_MAX];
static char url[512], lines[4096];	/* each line ended by \n */
static size_t headers;

int
http_new(struct http **out, const struct http_options *o, struct err *e)
{
	*out = NULL;
	options = *o;
	(void)snprintf(peer, sizeof(peer), "%s", o->peer);
	return (0);
}

void
http_free(struct http *h)
{
}

void
http_fini(struct http_request *rq)
{
}

int
http_perform(struct http *h, struct http_request *rq, struct err *e)
{
	size_t n = 0;

	(void)snprintf(url, sizeof(url), "%s", rq->url);
	lines[n++] = '\n';
	for (size_t i = 0; i < rq->headers; i++)
		n += (size_t)snprintf(lines + n, sizeof(lines) - n, "%s\n",
		    rq->header[i]);
	headers = rq->headers;
	rq->status = 200;
	return (0);
}

static int
begin(void **state)
{
	static const char *const unset[] = { "AWS_SESSION_TOKEN", "AWS_REGION",
	    "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_CA_BUNDLE",
	    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3" };

	for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++)
		(void)unsetenv(unset[i]);
	return (setenv("HOME", "/nowhere", 1) != 0 ||
	    setenv("AWS_EC2_METADATA_DISABLED", "true", 1) != 0 ||
	    setenv("AWS_ACCESS_KEY_ID", "id", 1) != 0 ||
	    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1) != 0);
}

static struct s3 *
open_at(const char *location, const struct s3_options *o)
{
	struct err e = ERR_INIT;
	struct s3 *s;

	assert_int_equal(s3_new(&s, location, o, &e), 0);
	return (s);
}

static char access_key[S3_ACCESS_MAX];

static void
send_it(struct s3 *s, struct s3_call *c)
{
	struct err e = ERR_INIT;

	assert_int_equal(s3_send(s, c, access_key, &e), 0);
}

static bool
has(const char *line)
{
	return (strstr(lines, line) != NULL);
}

static void
in_region(const char *location, const struct s3_options *o,
    const char *region, const char *where)
{
	struct s3_call c = { .method = HTTP_GET };
	struct s3 *s = open_at(location, o);
	char scope[100];

	send_it(s, &c);
	(void)snprintf(scope, sizeof(scope), "/%s/s3/aws4_request,", region);
	assert_true(has(scope));
	assert_memory_equal(url, where, strlen(where));
	s3_free(s);
}

static void
test_places(void **state)
{
	static const char *const bad[] = { "a b", "a/b", "a\r", "a\n", NULL };
	struct s3_options o = { .region = "here" };
	char longest[S3_REGION_MAX + 1] = "";
	struct err e = ERR_INIT;
	struct s3 *s;

	in_region(PLAIN, NULL, "us-east-1", "http://127.0.0.1:1/bucket");
	in_region("s3:https://s3.eu-west-7.amazonaws.com/bucket", NULL,
	    "eu-west-7", "https://");
	in_region("s3://bucket/x", NULL, "us-east-1", "https://bucket.s3."
	    "us-east-1.amazonaws.com/");
	assert_int_equal(setenv("AWS_REGION", "cn-north-9", 1), 0);
	in_region("s3://bucket/x", NULL, "cn-north-9", "https://bucket.s3."
	    "cn-north-9.amazonaws.com.cn/");
	in_region(PLAIN, NULL, "cn-north-9", "http://127.0.0.1:1/bucket");
	/* The option goes before what else says so. */
	in_region(PLAIN, &o, "here", "http://127.0.0.1:1/bucket");
	in_region("s3://bucket/x", &o, "here", "https://bucket.s3.here."
	    "amazonaws.com/");
	in_region("s3:https://s3.eu-west-7.amazonaws.com/bucket", &o, "here",
	    "https://");
	for (unsigned i = 0; bad[i] != NULL; i++) {
		o.region = bad[i];
		err_init(&e);
		assert_int_equal(s3_new(&s, PLAIN, &o, &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
	memset(longest, 'r', S3_REGION_MAX);
	o.region = longest;
	assert_int_equal(s3_new(&s, PLAIN, &o, &e), -1);
	longest[S3_REGION_MAX - 1] = '\0';
	in_region(PLAIN, &o, longest, "http:");
}

static void
test_options(void **state)
{
	static const atomic_bool hurried;
	static const struct log log;
	struct s3_options o = {
		.connections = 3, .connect_s = 4, .stall_s = 5, .total_s = 6,
		.up_limit = 7, .down_limit = 8, .ca_file = "ca",
		.no_verify = true, .hurry = &hurried, .log = &log
	};

	s3_free(open_at(PLAIN, NULL));
	assert_int_equal(options.connections, S3_CONNECTIONS);
	assert_int_equal(options.connect_ms, S3_CONNECT_S * 1000);
	assert_int_equal(options.stall_s, S3_STALL_S);
	assert_int_equal(options.total_s, S3_TOTAL_S);
	assert_null(options.ca_file);
	assert_false(options.no_verify);
	assert_string_equal(peer, "127.0.0.1:1");
	assert_int_equal(setenv("AWS_CA_BUNDLE", "", 1), 0);
	s3_free(open_at(PLAIN, NULL));
	assert_null(options.ca_file);
	assert_int_equal(setenv("AWS_CA_BUNDLE", "bundle", 1), 0);
	s3_free(open_at(PLAIN, NULL));
	assert_string_equal(options.ca_file, "bundle");
	s3_free(open_at(PLAIN, &o));
	assert_int_equal(options.connections, 3);
	assert_int_equal(options.connect_ms, 4000);
	assert_int_equal(options.stall_s, 5);
	assert_int_equal(options.total_s, 6);
	assert_int_equal(options.up_limit, 7);
	assert_int_equal(options.down_limit, 8);
	assert_string_equal(options.ca_file, "ca");
	assert_true(options.no_verify);
	assert_ptr_equal(options.hurry, &hurried);
	assert_ptr_equal(options.log, &log);
}

static void
test_request(void **state)
{
	struct s3_call c = { .method = HTTP_GET, .key = "a b/c", .key_len = 5,
	    .query = "x=1&y" };
	struct s3 *s = open_at(PLAIN, NULL);

	s3_call_header(&c, "x-amz-zz", "z");
	s3_call_header(&c, "range", "bytes=0-1");
	s3_call_header(&c, "x-amz-meta-none", "");
	send_it(s, &c);
	assert_string_equal(url, "http://127.0.0.1:1/bucket/a%20b/c?x=1&y");
	assert_string_equal(access_key, "id");
	assert_true(has("\nrange: bytes=0-1\n"));
	assert_true(has("\nx-amz-zz: z\n"));
	/* Nothing is left of it in the next. */
	send_it(s, &c);
	assert_int_equal(headers, 6);
	/* So libcurl sends it without a value. */
	assert_true(has("\nx-amz-meta-none;\n"));
	assert_true(has("\nx-amz-content-sha256: " EMPTY "\n"));
	assert_true(has("\nx-amz-date: "));
	assert_true(has("SignedHeaders=host;range;x-amz-content-sha256;"
	    "x-amz-date;x-amz-meta-none;x-amz-zz,"));
	assert_false(has("\nhost:"));
	assert_false(has("security-token"));
	assert_false(has("content-md5"));
	s3_free(s);
	/* The bucket itself, and who is only for a while who he is. */
	assert_int_equal(setenv("AWS_SESSION_TOKEN", "token", 1), 0);
	s = open_at(PLAIN, NULL);
	c = (struct s3_call){ .method = HTTP_GET };
	send_it(s, &c);
	assert_string_equal(url, "http://127.0.0.1:1/bucket");
	assert_true(has("\nx-amz-security-token: token\n"));
	assert_true(has(";x-amz-security-token,"));
	s3_free(s);
}

static void
test_bodies(void **state)
{
	struct s3_sum said = { .kind = S3_SHA256 };
	struct s3_call c = { .method = HTTP_PUT,
	    .body = { .bytes = "abc", .len = 3 } };
	struct s3 *s = open_at(PLAIN, NULL);

	send_it(s, &c);
	assert_true(has("\nx-amz-content-sha256: " ABC "\n"));
	assert_false(has("content-md5"));
	c.sum = &said;
	send_it(s, &c);
	assert_true(has("\nx-amz-content-sha256: 000000"));
	/* What is said in another way is no use. */
	said.kind = S3_MD5;
	send_it(s, &c);
	assert_true(has("\nx-amz-content-sha256: " ABC "\n"));
	atomic_store(&s->wants_md5, true);
	c.method = HTTP_POST;
	send_it(s, &c);
	assert_true(has("\nx-amz-content-sha256: " ABC "\n"));
	assert_true(has("\ncontent-md5: " ABC_MD5 "\n"));
	assert_true(has("SignedHeaders=content-md5;host;"));
	s3_free(s);
	c.sum = NULL;
	s = open_at(SECURE, NULL);
	send_it(s, &c);
	assert_true(has("\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n"));
	assert_true(has("\ncontent-md5: " ABC_MD5 "\n"));
	assert_memory_equal(url, "https://127.0.0.1:1/", 20);
	c.method = HTTP_DELETE;
	send_it(s, &c);
	assert_true(has("\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n"));
	assert_false(has("content-md5"));
	s3_free(s);
}

static void
test_unsigned(void **state)
{
	const struct s3_options o = { .anonymous = true };
	struct s3_call c = { .method = HTTP_PUT,
	    .body = { .bytes = "abc", .len = 3 } };
	struct s3 *s = open_at(PLAIN, &o);
	struct err e = ERR_INIT;

	s3_call_header(&c, "x-amz-zz", "z");
	send_it(s, &c);
	assert_string_equal(access_key, "");
	assert_false(has("Authorization"));
	assert_false(has("x-amz-date"));
	assert_true(has("\nx-amz-zz: z\n"));
	assert_true(has("\ncontent-md5: " ABC_MD5 "\n"));
	s3_free(s);
	/* Who has no keys and does not say that he wants none sends nothing. */
	assert_int_equal(unsetenv("AWS_ACCESS_KEY_ID"), 0);
	assert_int_equal(unsetenv("AWS_SECRET_ACCESS_KEY"), 0);
	s = open_at(PLAIN, NULL);
	lines[0] = '\0';
	assert_int_equal(s3_send(s, &c, access_key, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_true(c.rq.hopeless);
	assert_string_equal(lines, "");
	s3_free(s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_places, begin),
		cmocka_unit_test_setup(test_options, begin),
		cmocka_unit_test_setup(test_request, begin),
		cmocka_unit_test_setup(test_bodies, begin),
		cmocka_unit_test_setup(test_unsigned, begin)
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
