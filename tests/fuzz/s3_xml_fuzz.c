/* What an S3 server says in XML: listings and errors.  Keys are whole, tokens
 * end, and a page that says that there is more says where. */
#include <string.h>

#include "engine/store/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
see(void *ctx, const struct s3_object *o, struct err *e)
{
	BUG_ON(o->key[o->key_len] != '\0');
	BUG_ON(strlen(o->etag) + strlen(o->storage_class) > 64 << 10);
	(*(size_t *)ctx)++;
	return (o->key_len == 7 ? 1 : 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct s3_page page = { 0 };
	struct buf id = BUF_INIT;
	struct s3_error x;
	struct err e = ERR_INIT;
	size_t n = 0;
	int rc;

	rc = s3_page_parse(&page, data, len, see, &n, &e);
	BUG_ON(rc < 0 && e.code == ERR_NONE);
	BUG_ON(rc == 0 && page.truncated && page.token.len < 2);
	s3_page_fini(&page);
	if (s3_upload_parse(&id, data, len) == 0)
		BUG_ON(id.len < 2 || id.data[id.len - 1] != '\0');
	buf_fini(&id);
	if (s3_error_parse(&x, data, len) == 0)
		BUG_ON(x.code[0] == '\0' || strpbrk(x.message, "\r\n"));
	return (0);
}
