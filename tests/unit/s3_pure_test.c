/* What S3 needs and no server: signatures, locations, XML, shared files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/id.h"
#include "engine/crypto/hash.h"
#include "engine/store/s3_digest.h"
#include "engine/store/s3_int.h"
#include "engine/store/s3_profile.h"
#include "engine/store/s3_role.h"
#include "engine/store/s3_sign.h"
#include "engine/store/s3_url.h"
#include "engine/store/s3_xml.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char *
signature(const struct s3_signing *s)
{
	static char hex[SHA256_TEXT];
	struct buf b = BUF_INIT;
	const char *p;

	s3_sign(&b, s);
	buf_u8(&b, '\0');
	p = strstr((const char *)b.data, "Signature=");
	assert_non_null(p);
	assert_int_equal(strlen(p + 10), 64);
	memcpy(hex, p + 10, sizeof(hex));
	buf_fini(&b);
	return (hex);
}

/* Amazon's examples for S3 ("Signature Calculations for the Authorization
 * Header"). */
static void
test_sign_s3(void **state)
{
	static const char body[] =
	    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
	const char *host = "examplebucket.s3.amazonaws.com";
	const char *date = "20130524T000000Z";
	const struct s3_header get[] = {
		{ "host", host }, { "range", "bytes=0-9" },
		{ "x-amz-content-sha256", EMPTY }, { "x-amz-date", date }
	};
	const struct s3_header put[] = {
		{ "date", "Fri, 24 May 2013 00:00:00 GMT" }, { "host", host },
		{ "x-amz-content-sha256", body }, { "x-amz-date", date },
		{ "x-amz-storage-class", "REDUCED_REDUNDANCY" }
	};
	const struct s3_header plain[] = {
		{ "host", host }, { "x-amz-content-sha256", EMPTY },
		{ "x-amz-date", date }
	};
	struct s3_signing s = {
		.method = "GET", .path = "/test.txt", .query = "",
		.headers = get, .nheaders = 4, .payload = EMPTY, .date = date,
		.region = "us-east-1", .service = "s3",
		.access_key = "AKIAIOSFODNN7EXAMPLE",
		.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	};

	assert_string_equal(signature(&s), "f0e8bdb87c964420e857bd35b5d6ed310"
	    "bd44f0170aba48dd91039c6036bdb41");
	s.method = "PUT";
	s.path = "/test%24file.text";
	s.headers = put;
	s.nheaders = 5;
	s.payload = body;
	assert_string_equal(signature(&s), "98ad721746da40c64f1a55b78f14c238d"
	    "841ea1380cd77a1b5971af0ece108bd");
	s.method = "GET";
	s.path = "/";
	s.headers = plain;
	s.nheaders = 3;
	s.payload = EMPTY;
	s.query = "lifecycle=";
	assert_string_equal(signature(&s), "fea454ca298b7da1c68078a5d1bdbfbbe"
	    "0d65c699e0f91ac7a200a0136783543");
	s.query = "max-keys=2&prefix=J";
	assert_string_equal(signature(&s), "34b48302e7b5fa45bde8084f4b7868a86"
	    "f0a534bc59db6670ed5711ef69dc6f7");
}

/* From Amazon's test suite of Signature Version 4: get-vanilla,
 * get-vanilla-query-order-key-case, post-vanilla. */
static void
test_sign_suite(void **state)
{
	const struct s3_header h[] = {
		{ "host", "example.amazonaws.com" },
		{ "x-amz-date", "20150830T123600Z" }
	};
	struct s3_signing s = {
		.method = "GET", .path = "/", .query = "", .headers = h,
		.nheaders = 2, .payload = EMPTY, .date = "20150830T123600Z",
		.region = "us-east-1", .service = "service",
		.access_key = "AKIDEXAMPLE",
		.secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	};

	assert_string_equal(signature(&s), "5fa00fa31553b73ebf1942676e86291e8"
	    "372ff2a2260956d9b8aae1d763fbf31");
	s.query = "Param1=value1&Param2=value2";
	assert_string_equal(signature(&s), "b97d918cfa904a5beff61c982a1b6f458"
	    "b799221646efd99d3219ec94cdf2500");
	s.query = "";
	s.method = "POST";
	assert_string_equal(signature(&s), "5da7c1a2acd57cee7505fc6676e4e544"
	    "621c30862966e37dddb68e92efbe5d6b");
}

static void
test_date(void **state)
{
	char d[S3_DATE_BYTES];

	s3_date(d, 1369353600);
	assert_string_equal(d, "20130524T000000Z");
}

struct place {
	const char *location, *endpoint;
	enum s3_style style;
	bool tls;
	const char *host, *base, *bucket, *prefix;
};

static void
test_locations(void **state)
{
	static const struct place good[] = {
		{ "s3:https://h.example/bucket", "", S3_STYLE_AUTO, true,
		    "h.example", "/bucket", "bucket", "" },
		{ "s3:http://127.0.0.1:8080/bucket/a/b c+%/", "",
		    S3_STYLE_AUTO, false, "127.0.0.1:8080", "/bucket",
		    "bucket", "a/b c+%/" },
		{ "s3:https://[::1]:443/bucket//x", "", S3_STYLE_AUTO, true,
		    "[::1]", "/bucket", "bucket", "x/" },
		{ "s3://bucket/p", "https://H.example:9000/", S3_STYLE_AUTO,
		    true, "h.example:9000", "/bucket", "bucket", "p/" },
		{ "s3://bucket/p", "https://s3.eu-west-1.amazonaws.com",
		    S3_STYLE_AUTO, true,
		    "bucket.s3.eu-west-1.amazonaws.com", "", "bucket", "p/" },
		{ "s3://my.bucket", "https://s3.eu-west-1.amazonaws.com",
		    S3_STYLE_AUTO, true, "s3.eu-west-1.amazonaws.com",
		    "/my.bucket", "my.bucket", "" },
		{ "s3:https://h.example/bucket", "", S3_STYLE_HOST, true,
		    "bucket.h.example", "", "bucket", "" },
		{ "s3:http://h.example:80/bucket", "", S3_STYLE_PATH, false,
		    "h.example", "/bucket", "bucket", "" }
	};
	static const char *const bad[] = {
		"s3:", "s3:h/b", "s3:ftp://h/bucket", "s3:https:///bucket",
		"s3:https://h", "s3:https://h/", "s3:https://h/ab",
		"s3:https://u:p@h/bucket", "s3:https://h/buc ket",
		"s3:https://h/bucket/a\nb", "s3://", "s3:///x",
		"s3:https://h h/bucket", "s3:https://h?x/bucket"
	};
	static const char *const addresses[] = {
		"s3:http://127.0.0.1/bucket", "s3:https://10.1.2.3:9000/bucket",
		"s3:http://[::1]:80/bucket"
	};
	struct err e = ERR_INIT;
	struct s3_url u;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct place *g = &good[i];

		assert_int_equal(s3_url_parse(&u, g->location, g->endpoint,
		    g->style, &e), 0);
		assert_int_equal(u.tls, g->tls);
		assert_string_equal(u.host, g->host);
		assert_string_equal(u.base, g->base);
		assert_string_equal(u.bucket, g->bucket);
		assert_string_equal(u.prefix, g->prefix);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_init(&e);
		assert_int_equal(s3_url_parse(&u, bad[i], "https://h",
		    S3_STYLE_AUTO, &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		err_init(&e);
		assert_int_equal(s3_url_parse(&u, addresses[i], "",
		    S3_STYLE_PATH, &e), 0);
		assert_int_equal(s3_url_parse(&u, addresses[i], "",
		    S3_STYLE_HOST, &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
	err_init(&e);
	assert_int_equal(s3_url_parse(&u, "s3://bucket", "h.example",
	    S3_STYLE_AUTO, &e), -1);
	assert_int_equal(s3_url_parse(&u, "s3://bucket", "https://h/path",
	    S3_STYLE_AUTO, &e), -1);
}

/* A repository in a bucket of the same name, elsewhere, is another one. */
static void
test_within(void **state)
{
	static const struct within {
		const char *location, *below;
	} cases[] = {
		{ "s3:https://h/bucket/a/b", "b/" },
		{ "s3:https://h/bucket/a", "" },
		{ "s3:https://h/bucket/ab", NULL },
		{ "s3:https://h/bucket", NULL },
		{ "s3:https://h/bucket2/a/b", NULL },
		{ "s3:https://h:9000/bucket/a/b", NULL }
	};
	struct err e = ERR_INIT;
	struct s3_url u, top;

	assert_int_equal(s3_url_parse(&top, "s3:https://h/bucket/a", "",
	    S3_STYLE_AUTO, &e), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *below;

		assert_int_equal(s3_url_parse(&u, cases[i].location, "",
		    S3_STYLE_AUTO, &e), 0);
		below = s3_url_within(&u, &top);
		assert_int_equal(below == NULL, cases[i].below == NULL);
		if (below != NULL)
			assert_string_equal(below, cases[i].below);
	}
}

static void
test_regions(void **state)
{
	char r[S3_REGION_MAX];

	assert_true(s3_host_region("s3.eu-west-1.amazonaws.com", r));
	assert_string_equal(r, "eu-west-1");
	assert_true(s3_host_region("b.s3.dualstack.us-west-2.amazonaws.com",
	    r));
	assert_string_equal(r, "us-west-2");
	assert_true(s3_host_region("s3.us-west-004.backblazeb2.com", r));
	assert_string_equal(r, "us-west-004");
	assert_true(s3_host_region("abc.r2.cloudflarestorage.com", r));
	assert_string_equal(r, "auto");
	assert_false(s3_host_region("s3.amazonaws.com", r));
	assert_false(s3_host_region("h.example", r));
}

static void
test_encoding(void **state)
{
	char text[3 * 256 + 1], all[256];
	struct buf b = BUF_INIT;
	size_t len;

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	s3_encode(&b, all, sizeof(all), false);
	memcpy(text, b.data, b.len);
	len = b.len;
	assert_int_equal(s3_decode(text, &len), 0);
	assert_int_equal(len, sizeof(all));
	assert_memory_equal(text, all, sizeof(all));
	buf_reset(&b);
	s3_encode(&b, "a b/~+\xc3\xa4", 8, true);
	assert_int_equal(b.len, 16);
	assert_memory_equal(b.data, "a%20b/~%2B%C3%A4", 16);
	buf_fini(&b);
	memcpy(text, "a%2", 4);
	len = 3;
	assert_int_equal(s3_decode(text, &len), -1);
	memcpy(text, "a%zz", 5);
	len = 4;
	assert_int_equal(s3_decode(text, &len), -1);
	memcpy(text, "a+b", 4);
	len = 3;
	assert_int_equal(s3_decode(text, &len), 0);
	assert_string_equal(text, "a b");
}

struct seen {
	int n;
	int stop_at;
	char keys[256];
	struct s3_object last;
	char etag[64];
};

static int
see(void *ctx, const struct s3_object *o, struct err *e)
{
	struct seen *s = ctx;

	s->n++;
	s->keys[strlen(s->keys)] = '|';
	assert_true(strlen(s->keys) + o->key_len < sizeof(s->keys));
	memcpy(s->keys + strlen(s->keys), o->key, o->key_len + 1);
	s->last = *o;
	(void)snprintf(s->etag, sizeof(s->etag), "%s", o->etag);
	return (s->n == s->stop_at ? 7 : 0);
}

#define PAGE(body) "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" \
	"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" \
	body "</ListBucketResult>"
#define OBJECT(key) "<Contents><Key>" key "</Key><LastModified>" \
	"2013-05-24T00:00:00.25Z</LastModified><ETag>&quot;abc&quot;</ETag>" \
	"<Size>12</Size><Owner><ID>x</ID></Owner>" \
	"<StorageClass>STANDARD</StorageClass></Contents>"

static int
page(const char *text, struct s3_page *p, struct seen *s, struct err *e)
{
	err_init(e);
	memset(s->keys, 0, sizeof(s->keys));
	s->n = 0;
	return (s3_page_parse(p, text, strlen(text), see, s, e));
}

static void
test_listing(void **state)
{
	static const char *const bad[] = {
		"", "x", "<a/>", PAGE(""), PAGE("<IsTruncated>true"
		    "</IsTruncated>"),
		PAGE("<IsTruncated>false</IsTruncated><Contents><Key>a</Key>"
		    "</Contents>"),
		PAGE("<IsTruncated>false</IsTruncated><Contents><Key>a</Key>"
		    "<Size>-1</Size></Contents>"),
		PAGE("<EncodingType>url</EncodingType><IsTruncated>false"
		    "</IsTruncated>" OBJECT("a%2")),
		"<!DOCTYPE x [<!ENTITY a \"b\">]>"
		    PAGE("<IsTruncated>false</IsTruncated>"),
		"<ListBucketResult><IsTruncated>false</IsTruncated>" OBJECT("a")
	};
	struct s3_page p = { 0 };
	struct seen s = { 0 };
	struct err e;

	assert_int_equal(page(PAGE("<Name>b</Name><IsTruncated>true"
	    "</IsTruncated><NextContinuationToken>t+/=</NextContinuationToken>"
	    OBJECT("p/a%20b") OBJECT("c&amp;d")
	    "<EncodingType>url</EncodingType>"), &p, &s, &e), 0);
	assert_true(p.truncated);
	assert_string_equal((char *)p.token.data, "t+/=");
	assert_string_equal(s.keys, "|p/a b|c&d");
	assert_string_equal(s.etag, "abc");
	assert_int_equal(s.last.size_bytes, 12);
	assert_int_equal(s.last.mtime_s, 1369353600);
	assert_int_equal(s.last.mtime_ns, 250000000);
	/* Not encoded: as it stands. */
	assert_int_equal(page(PAGE("<IsTruncated>false</IsTruncated>"
	    OBJECT("a%20b+")), &p, &s, &e), 0);
	assert_false(p.truncated);
	assert_string_equal(s.keys, "|a%20b+");
	/* s3proxy's directories. */
	assert_int_equal(page(PAGE("<IsTruncated>false</IsTruncated>"
	    OBJECT("a") "<Contents><Key>d/</Key></Contents>"), &p, &s, &e), 0);
	assert_string_equal(s.keys, "|a|d/");
	assert_int_equal(s.last.size_bytes, 0);
	assert_int_equal(s.last.mtime_s, 0);
	s.stop_at = 1;
	assert_int_equal(page(PAGE("<IsTruncated>false</IsTruncated>"
	    OBJECT("a") OBJECT("b")), &p, &s, &e), 7);
	assert_int_equal(s.n, 1);
	s.stop_at = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(page(bad[i], &p, &s, &e), -1);
		assert_int_equal(e.code, ERR_REMOTE);
	}
	s3_page_fini(&p);
}

static void
test_error(void **state)
{
	static const char text[] = "<?xml version=\"1.0\"?><Error><Code>NoSuch"
	    "Key</Code><Message>It is\nnot there</Message><RequestId>tx1"
	    "</RequestId><Region>eu</Region></Error>";
	struct s3_error x;

	assert_int_equal(s3_error_parse(&x, text, strlen(text)), 0);
	assert_string_equal(x.code, "NoSuchKey");
	assert_string_equal(x.message, "It is not there");
	assert_string_equal(x.request_id, "tx1");
	assert_string_equal(x.region, "eu");
	assert_int_equal(s3_error_parse(&x, text, strlen(text) - 3), 1);
	assert_int_equal(s3_error_parse(&x, "<html/>", 7), 1);
	assert_int_equal(s3_error_parse(&x, "<Error/>", 8), 1);
	assert_int_equal(s3_error_parse(&x, "", 0), 1);
}

static void
test_upload(void **state)
{
	static const char text[] = "<?xml version=\"1.0\"?>"
	    "<InitiateMultipartUploadResult xmlns=\"x\"><Bucket>b</Bucket>"
	    "<Key>k</Key><UploadId>2~a&amp;b</UploadId>"
	    "</InitiateMultipartUploadResult>";
	struct buf id = BUF_INIT;

	assert_int_equal(s3_upload_parse(&id, text, strlen(text)), 0);
	assert_string_equal((char *)id.data, "2~a&b");
	assert_int_equal(s3_upload_parse(&id, text, strlen(text) - 2), 1);
	assert_int_equal(s3_upload_parse(&id, "<Error/>", 8), 1);
	assert_int_equal(s3_upload_parse(&id,
	    "<InitiateMultipartUploadResult/>", 32), 1);
	buf_fini(&id);
}

/* Spaces in a value count as servers count them. */
static void
test_sign_spaces(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "x", " x  ", true }, { "a b", "a   b", true },
		{ " a  b c ", "a b c", true }, { "", "   ", true },
		{ "a b", "ab", false }, { "a  b  c", "a b c", true }
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct s3_header h = { "x-amz-meta-a", cases[i].a };
		struct s3_signing s = {
			.method = "GET", .path = "/", .query = "",
			.headers = &h, .nheaders = 1, .payload = EMPTY,
			.date = "20150830T123600Z", .region = "us-east-1",
			.service = "s3", .access_key = "a", .secret_key = "s"
		};
		char first[SHA256_TEXT];

		(void)snprintf(first, sizeof(first), "%s", signature(&s));
		h.value = cases[i].b;
		assert_int_equal(strcmp(first, signature(&s)) == 0,
		    cases[i].same);
	}
}

static int
pairs(void *ctx, const char *key, size_t klen, const char *value, size_t vlen,
    struct err *e)
{
	struct buf *b = ctx;

	buf_bytes(b, key, klen);
	buf_u8(b, '=');
	buf_bytes(b, value, vlen);
	buf_u8(b, '|');
	return (0);
}

static void
test_ini(void **state)
{
	static const char text[] = "a = 0\n[default]\nregion=eu \r\n"
	    "# c = d\n; e = f\ns3 =\n  nested = x\nnothing\n"
	    "[ profile two ] # words\n k = v=w\n\tx = y\nz=\n"
	    "[default]\nlast = 1";
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;

	assert_int_equal(s3_ini_section(text, strlen(text), "default", pairs,
	    &b, &e), 0);
	buf_u8(&b, '\0');
	assert_string_equal((char *)b.data, "region=eu|s3=|"
	    "s3.nested=x|last=1|");
	buf_reset(&b);
	assert_int_equal(s3_ini_section(text, strlen(text), "profile two",
	    pairs, &b, &e), 0);
	buf_u8(&b, '\0');
	assert_string_equal((char *)b.data, "z=|");
	assert_int_equal(s3_ini_section(text, strlen(text), "three", pairs, &b,
	    &e), 1);
	buf_fini(&b);
}

static void
test_role(void **state)
{
	static const char good[] = "{\"Code\":\"Success\",\"AccessKeyId\":"
	    "\"ASIA\",\"SecretAccessKey\":\"s/+\",\"Token\":\"t\\u00e4\","
	    "\"Expiration\":\"2013-05-24T00:00:00Z\"}";
	static const char *const bad[] = {
		"", "{", "[]", "{}", "{\"AccessKeyId\":\"a\"}",
		("{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\","
		    "\"Expiration\":\"soon\"}")
	};
	struct err e = ERR_INIT;
	struct s3_keys *k = s3_keys_new(&e);

	assert_non_null(k);
	assert_int_equal(s3_role_parse(k, good, strlen(good), &e), 0);
	assert_string_equal(k->access, "ASIA");
	assert_string_equal(k->secret, "s/+");
	assert_string_equal(k->token, "t\xc3\xa4");
	assert_int_equal(k->expires, 1369353600);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_init(&e);
		assert_int_equal(s3_role_parse(k, bad[i], strlen(bad[i]), &e),
		    -1);
	}
	s3_keys_free(k);
}

static void
put_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/.aws/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* What the profile of that name comes to, and whose access key that is. */
static char access_key[S3_ACCESS_MAX];

static int
load(const char *name, bool anonymous, struct s3_profile *p, struct err *e)
{
	static const struct s3_who nobody;
	struct s3_keys *k = s3_keys_new(e);
	int rc;

	err_init(e);
	assert_int_equal(setenv("AWS_PROFILE", name, 1), 0);
	rc = s3_profile_load(p, k, &nobody, anonymous, e);
	memcpy(access_key, k->access, sizeof(access_key));
	s3_keys_free(k);
	return (rc);
}

static void
test_profile(void **state)
{
	static const char config[] = "[default]\nregion = one\n"
	    "[profile both]\nendpoint_url = https://all.test\n"
	    "services = near\n"
	    "[services near]\nec2 =\n  endpoint_url = https://ec2.test\n"
	    "s3 =\n  endpoint_url = https://s3.test\n"
	    "[services none]\nec2 =\n  endpoint_url = https://ec2.test\n"
	    "[profile plain]\nendpoint_url = https://all.test\n"
	    "services=none\n"
	    "[profile lost]\nservices=nowhere\n"
	    "[profile deaf]\nignore_configured_endpoint_urls=true\n"
	    "endpoint_url = https://all.test\n"
	    "[profile sso]\nsso_session = x\n"
	    "[profile process]\ncredential_process = /bin/x\n";
	static const char *const no[] = { "AWS_ACCESS_KEY_ID",
	    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION",
	    "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE",
	    "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE" };
	char dir[] = "/tmp/vitrine-profile-XXXXXX", path[64];
	struct s3_profile p;
	struct err e;

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_int_equal(unsetenv(no[i]), 0);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/.aws", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(setenv("HOME", dir, 1), 0);
	put_file(dir, "config", config);
	put_file(dir, "credentials", "[both]\naws_access_key_id=a\n"
	    "aws_secret_access_key=b\n");

	assert_int_equal(load("both", false, &p, &e), 0);
	assert_string_equal(p.endpoint, "https://s3.test");
	assert_true(p.has_keys);
	assert_int_equal(load("plain", false, &p, &e), 0);
	assert_string_equal(p.endpoint, "https://all.test");
	assert_int_equal(load("lost", false, &p, &e), -1);
	assert_non_null(strstr(err_text(&e), "services nowhere"));
	assert_int_equal(load("deaf", false, &p, &e), 0);
	assert_string_equal(p.endpoint, "");
	/* The environment's counts more, unless none does. */
	assert_int_equal(setenv("AWS_ENDPOINT_URL", "https://env.test", 1), 0);
	assert_int_equal(load("both", false, &p, &e), 0);
	assert_string_equal(p.endpoint, "https://env.test");
	assert_int_equal(setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true",
	    1), 0);
	assert_int_equal(load("both", false, &p, &e), 0);
	assert_string_equal(p.endpoint, "");
	assert_int_equal(unsetenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), 0);
	assert_string_equal(access_key, "a");
	assert_int_equal(setenv("AWS_ACCESS_KEY_ID", "e", 1), 0);
	assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "f", 1), 0);
	assert_int_equal(setenv("AWS_REGION", "far", 1), 0);
	assert_int_equal(load("both", false, &p, &e), 0);
	assert_string_equal(access_key, "e");
	assert_int_equal(load("default", false, &p, &e), 0);
	assert_string_equal(p.region, "far");
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_int_equal(unsetenv(no[i]), 0);

	/* Ways to keys that there aren't: said, but where none are needed. */
	assert_int_equal(load("sso", false, &p, &e), -1);
	assert_non_null(strstr(err_text(&e), "sso_session"));
	assert_int_equal(load("process", false, &p, &e), -1);
	assert_int_equal(load("sso", true, &p, &e), 0);
	assert_int_equal(setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/x", 1), 0);
	assert_int_equal(load("default", false, &p, &e), -1);
	assert_non_null(strstr(err_text(&e), "AWS_WEB_IDENTITY_TOKEN_FILE"));
	assert_int_equal(load("default", true, &p, &e), 0);
	assert_int_equal(load("both", false, &p, &e), 0);
	assert_int_equal(unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE"), 0);

	assert_int_equal(load("", false, &p, &e), 0);
	assert_string_equal(p.region, "one");
	put_file(dir, "config", "[default]\nregion = one\n"
	    "[profile default]\nregion = two\n");
	assert_int_equal(load("", false, &p, &e), 0);
	assert_string_equal(p.region, "two");
	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = { "/config",
		    "/credentials", "" };

		(void)snprintf(path, sizeof(path), "%s/.aws%s", dir,
		    names[i]);
		assert_int_equal(remove(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

/* Over a slow line many packs at one time take hours, and are to arrive. */
static void
test_total(void **state)
{
	struct s3 s = { .o = { .total_s = 0 } };
	struct s3_call c = { .body = { .len = 32 << 20 } };

	assert_true(s3_total_s(&s, &c) > 2 * 3600);
	c.body.len = 0;
	assert_int_equal(s3_total_s(&s, &c), S3_TOTAL_S);
	c.rq.cap = 32 << 20;
	assert_true(s3_total_s(&s, &c) > 2 * 3600);
	s.o.total_s = 20;
	assert_int_equal(s3_total_s(&s, &c), 20);
}

/* Piece by piece it is the digest of the whole. */
static void
test_digest(void **state)
{
	static uint8_t bytes[100000];
	const struct http_body body = { .bytes = bytes, .len = sizeof(bytes) };
	struct err e = ERR_INIT;
	struct s3_digest *d;
	struct s3_sum sum;
	uint8_t whole[SHA256_BYTES];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i >> 3);
	for (int md5 = 0; md5 < 2; md5++) {
		d = s3_digest_new(md5 ? S3_MD5 : S3_SHA256);
		for (size_t at = 0, n; at < sizeof(bytes); at += n) {
			n = at % 777 + 1;
			if (n > sizeof(bytes) - at)
				n = sizeof(bytes) - at;
			s3_digest_add(d, bytes + at, n);
		}
		if (!s3_digest_end(d, &sum))
			continue;	/* not in this build */
		assert_int_equal(sum.kind, md5 ? S3_MD5 : S3_SHA256);
		assert_int_equal((md5 ? s3_md5 : s3_sha256)(&body, whole, &e),
		    0);
		assert_memory_equal(sum.bytes, whole,
		    md5 ? MD5_BYTES : SHA256_BYTES);
	}
	assert_false(s3_digest_end(NULL, &sum));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign_s3),
		cmocka_unit_test(test_sign_suite),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_locations),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_listing),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_sign_spaces),
		cmocka_unit_test(test_ini),
		cmocka_unit_test(test_profile),
		cmocka_unit_test(test_total),
		cmocka_unit_test(test_role),
		cmocka_unit_test(test_digest)
	};

	crypto_init();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
