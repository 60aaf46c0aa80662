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

void
version_print(FILE *f)
{
	(void)fprintf(f, "vitrine %s\n", VITRINE_VERSION);
	(void)fprintf(f, "repository format 1\n");
	(void)fprintf(f, "libsodium %s\n", sodium_version_string());
	(void)fprintf(f, "libzstd %s\n", ZSTD_versionString());
	(void)fprintf(f, "sqlite %s\n", sqlite3_libversion());
	(void)fprintf(f, "libfuse %s\n", fuse_pkgversion());
	(void)fprintf(f, "libcurl %s\n", curl_version_info(CURLVERSION_NOW)->
	    version);
#ifdef HAVE_LIBCRYPTO
	(void)fprintf(f, "libcrypto %s\n",
	    OpenSSL_version(OPENSSL_VERSION_STRING));
#else
	(void)fprintf(f, "libcrypto none\n");
#endif
}

static int
run(struct cmd *c, struct err *e)
{
	version_print(stdout);
	return (EXIT_DONE);
}

static const struct opt options[] = { { .name = NULL } };

const struct command version_command = {
	"version", "", "Show the versions of vitrine and its libraries",
	options, 0, 0, run
};
