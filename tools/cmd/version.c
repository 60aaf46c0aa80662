/*
 * vitrine version: ours and the libraries'.
 */
#include <curl/curl.h>
#include <fuse_lowlevel.h>
#include <sodium.h>
#include <sqlite3.h>
#include <zstd.h>
#ifdef HAVE_LIBCRYPTO
#include <openssl/crypto.h>
#endif

#include "tools/cmd/cmd.h"

#ifdef HAVE_LIBCRYPTO
#define LIBCRYPTO	OpenSSL_version(OPENSSL_VERSION_STRING)
#else
#define LIBCRYPTO	"none"
#endif
#define FORMAT		1

void
version_print(struct cmd *c)
{
	const struct { const char *name, *version; } libraries[] = {
		{ "libsodium", sodium_version_string() },
		{ "libzstd", ZSTD_versionString() },
		{ "sqlite", sqlite3_libversion() },
		{ "libfuse", fuse_pkgversion() },
		{ "libcurl", curl_version_info(CURLVERSION_NOW)->version },
		{ "libcrypto", LIBCRYPTO }
	};
	const size_t n = sizeof(libraries) / sizeof(libraries[0]);
	struct json j = JSON_INIT;

	if (c->ui.json != NULL) {
		json_begin(&j, "version");
		json_text(&j, "vitrine", VITRINE_VERSION);
		json_u64(&j, "format", FORMAT);
		for (size_t i = 0; i < n; i++)
			json_text(&j, libraries[i].name,
			    libraries[i].version);
		ui_object(&c->ui, &j);
		json_fini(&j);
		return;
	}
	(void)printf("vitrine %s\nrepository format %d\n", VITRINE_VERSION,
	    FORMAT);
	for (size_t i = 0; i < n; i++)
		(void)printf("%s %s\n", libraries[i].name,
		    libraries[i].version);
}

static int
run(struct cmd *c, struct err *e)
{
	version_print(c);
	return (EXIT_DONE);
}

const struct command version_command = {
	"version", "", "Show the versions of vitrine and its libraries",
	no_options, 0, 0, run
};
