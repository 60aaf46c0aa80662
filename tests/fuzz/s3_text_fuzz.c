/* Text that S3 brings: the shared files of profiles, a role's JSON, locations,
 * percent-encoding.  The first byte says which. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/s3_profile.h"
#include "engine/store/s3_role.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
see(void *ctx, const char *key, size_t klen, const char *value, size_t vlen,
    struct err *e)
{
	*(size_t *)ctx += klen + vlen;
	return (memchr(key, '=', klen) == NULL &&
	    memchr(value, '\n', vlen) == NULL ? 0 : -1);
}

static void
role(const char *p, size_t len)
{
	static struct s3_keys *k;
	struct err e = ERR_INIT;

	if (k == NULL)
		k = s3_keys_new(&e);
	memset(k, 0, sizeof(*k));
	if (s3_role_parse(k, p, len, &e) == 0)
		BUG_ON(k->access[0] == '\0' || k->secret[0] == '\0');
	else
		BUG_ON(e.code == ERR_NONE);
}

static void
location(const char *text)
{
	struct err e = ERR_INIT;
	struct s3_url u;

	if (s3_url_parse(&u, text, "https://h.example", S3_STYLE_AUTO, &e) !=
	    0)
		return;
	BUG_ON(u.host[0] == '\0' || u.bucket[0] == '\0');
	BUG_ON(u.prefix[0] != '\0' &&
	    u.prefix[strlen(u.prefix) - 1] != '/');
	BUG_ON(strpbrk(u.host, "/@?# \r\n") != NULL);
}

static void
decode(char *text, size_t len)
{
	size_t n = len;
	struct buf b = BUF_INIT;

	if (s3_decode(text, &n) != 0)
		return;
	BUG_ON(n > len);
	s3_encode(&b, text, n, false);
	buf_u8(&b, '\0');
	len = b.len - 1;
	BUG_ON(s3_decode((char *)b.data, &len) != 0 || len != n ||
	    memcmp(b.data, text, n) != 0);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT;
	size_t sum = 0;
	char *text;

	if (len == 0 || (text = malloc(len)) == NULL)
		return (0);
	memcpy(text, data + 1, len - 1);
	text[len - 1] = '\0';
	switch (data[0]) {
	case 'i':
		BUG_ON(s3_ini_section(text, len - 1, "default", see, &sum,
		    &e) < 0);
		BUG_ON(sum > len);
		break;
	case 'r':
		role(text, len - 1);
		break;
	case 'l':
		location(text);
		break;
	case 'd':
		decode(text, len - 1);
		break;
	}
	free(text);
	return (0);
}
