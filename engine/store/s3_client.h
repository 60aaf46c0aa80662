#ifndef VITRINE_ENGINE_STORE_S3_CLIENT_H
#define VITRINE_ENGINE_STORE_S3_CLIENT_H

#include "engine/store/http.h"
#include "engine/store/s3_digest.h"
#include "engine/store/s3_profile.h"
#include "engine/store/s3_sign.h"
#include "engine/store/s3_url.h"
#include "engine/store/s3_xml.h"

/*
 * A bucket: signed requests, retried while that makes sense, with answers that
 * are understood.  Thread-safe; each call blocks.
 */
struct s3;

struct s3_options {
	enum s3_style style;
	const char *region;		/* NULL: as elsewhere said */
	const char *storage_class;	/* of data packs; NULL: the bucket's */
	const char *ca_file;
	const char *spool_dir;		/* NULL: io_temp_dir() */
	const char *memory_dir;		/* for what servers can do; NULL: ask
					 * them each time */
	bool no_verify;
	bool anonymous;
	bool beside;			/* its options are --bucket-... */
	/* Instead of what the environment says (s3_profile.h). */
	struct s3_who who;
	unsigned connections;		/* 0: S3_CONNECTIONS */
	unsigned connect_s;		/* 0: S3_CONNECT_S; likewise below */
	unsigned stall_s;
	unsigned total_s;		/* for a call, its repetitions in it;
					 * 0: S3_TOTAL_S, and more for what is
					 * large */
	uint64_t up_limit;		/* bytes a second; 0: none */
	uint64_t down_limit;
	/* Once it is true, nothing is waited for in vain and nothing asked
	 * again (http_options): ERR_CANCELED.  Borrowed; NULL: never. */
	const atomic_bool *hurry;
	const struct log *log;		/* borrowed; NULL: nobody */
};
#define S3_CONNECTIONS	16
#define S3_CONNECT_S	15
#define S3_STALL_S	60
#define S3_TOTAL_S	1800

/* Nothing is sent yet.  A NULL options is all defaults. */
int s3_new(struct s3 **out, const char *location, const struct s3_options *,
    struct err *);
void s3_free(struct s3 *);		/* NULL is fine */
const struct s3_url *s3_url(const struct s3 *);
unsigned s3_connections(const struct s3 *);
/* What bodies are checked by. */
enum s3_sum_kind s3_sum_kind(const struct s3 *);

#define S3_REFUSED	1	/* the server has answered, and not with 2xx */
#define S3_CALL_HEADERS	96

/*
 * One call.  The caller fills the first part, and of rq only dst, cap and
 * text_max (which errors need, too: S3_TEXT_MIN or more).
 */
#define S3_TEXT_MIN	((size_t)64 << 10)
struct s3_call {
	enum http_method method;
	const char *key;		/* NULL: the bucket itself */
	size_t key_len;
	const char *query;		/* encoded and sorted; NULL: none */
	struct s3_header header[S3_CALL_HEADERS];	/* names lower-case */
	size_t headers;
	struct http_body body;
	const struct s3_sum *sum;	/* of the body; NULL: it is made */
	/* Does a 2xx answer make sense?  One that doesn't is asked for again.
	 * NULL: any does. */
	bool (*sensible)(struct s3_call *, struct err *);
	void *ctx;			/* for sensible() */

	bool token;			/* a session's token went with it */
	struct http_request rq;		/* the last answer */
	struct s3_error error;		/* of a refusal */
	bool again;			/* the request was sent more than once:
					 * an earlier one may have worked */
};
/* 0; S3_REFUSED (then s3_refusal() makes an error of it); < 0 when no answer
 * was had, after all retries. */
int s3_call(struct s3 *, struct s3_call *, struct err *);
void s3_call_fini(struct s3_call *);
void s3_call_header(struct s3_call *, const char *name, const char *value);

/* Of the answer's headers; false: missing, or nothing that can be. */
bool s3_content_range(const struct s3_call *, uint64_t *first, uint64_t *last,
    uint64_t *total);
bool s3_content_length(const struct s3_call *, uint64_t *len);
/* 0 when it isn't told. */
int64_t s3_last_modified(const struct s3_call *);
/* Without quotes; "" when there is none. */
void s3_etag(const struct s3_call *, char dst[S3_TEXT_MAX]);

/* The server's code, message and request id, and what to do about it. */
int s3_refusal(const struct s3 *, const struct s3_call *, struct err *);
/* Is this the server's code? */
bool s3_code_is(const struct s3_call *, const char *code);

/*
 * Every object whose key begins with prefix (any bytes; the caller sees to its
 * '/'), in pages.  fn runs on the caller's thread; other than 0 from it ends
 * the listing and is returned.
 */
int s3_list(struct s3 *, const char *prefix, s3_object_fn *, void *ctx,
    struct err *);

#endif
