#ifndef VITRINE_TOOLS_CMD_JSON_H
#define VITRINE_TOOLS_CMD_JSON_H

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/id.h"
#include "engine/repo/manifest.h"

/*
 * One JSON object, put together member by member (vitrine-json(5)).  Keys are
 * literals of ours.  Strings may be any bytes: what is not UTF-8 is replaced by
 * U+FFFD, byte by byte, and the exact bytes follow as "KEY_base64"; of an array
 * all members do when one is not UTF-8.  A lack of memory is remembered in the
 * buffer.  Confined.
 */
struct json {
	struct buf b;
};
#define JSON_INIT	{ .b = BUF_INIT }

void json_fini(struct json *);
/* Begin anew: {"type":"..."; with NULL an object of no type, to be joined to
 * another by json_join(). */
void json_begin(struct json *, const char *type);
/* All members of another object that was begun without a type. */
void json_join(struct json *, const struct json *);
/* "}" and a newline: b holds one line. */
void json_end(struct json *);

void json_bytes(struct json *, const char *key, const void *, size_t len);
void json_text(struct json *, const char *key, const char *);
void json_u64(struct json *, const char *key, uint64_t);
void json_i64(struct json *, const char *key, int64_t);
void json_bool(struct json *, const char *key, bool);
void json_null(struct json *, const char *key);
/* RFC 3339 with nanoseconds and the local offset; "@SECONDS" where the year
 * has not four digits. */
void json_time(struct json *, const char *key, const struct stamp *);
void json_id(struct json *, const char *key, const uint8_t id[ID_BYTES]);
/* An array of strings; a NULL among them is null. */
void json_list(struct json *, const char *key, const char *const *,
    const size_t *lens, size_t n);
void json_strings(struct json *, const char *key, const struct strings *);

#endif
