/*
 * Places of objects: the first byte says whether a marker's.  What has a key
 * has but that one place, and every key a place that gives it back.
 */
#include "tools/job/bucket_place.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
there_and_back(const char *key, size_t len, bool marker, const char *want,
    size_t want_len)
{
	struct buf place = BUF_INIT, back = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = place_of_key(&place, key, len, marker, &e);

	BUG_ON(rc < 0 || (rc > 0 && want != NULL));
	if (rc == 0) {
		BUG_ON(want != NULL && (place.len != want_len ||
		    memcmp(place.data, want, want_len) != 0));
		BUG_ON(key_of_place(&back, (char *)place.data, place.len,
		    marker, &e) != 0);
		BUG_ON(back.len != len || memcmp(back.data, key, len) != 0);
	}
	buf_fini(&place);
	buf_fini(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char self[] = "/" PLACE_SELF;
	const char *text = (const char *)data + 1;
	size_t n = sizeof(self) - 1;
	struct buf key = BUF_INIT;
	struct err e = ERR_INIT;
	bool marker;

	if (len == 0)
		return (0);
	marker = data[0] & 1;
	len--;
	if (key_of_place(&key, text, len, marker, &e) == 0 && key.len > 0) {
		if (!marker && len > n &&
		    memcmp(text + len - n, self, n) == 0)
			len -= n;
		there_and_back((char *)key.data, key.len, marker, text, len);
	}
	if (!marker || (len > 0 && text[len - 1] == '/'))
		there_and_back(text, len, marker, NULL, 0);
	buf_fini(&key);
	return (0);
}
