/*
 * A main for the fuzz targets without libFuzzer: runs a target over its corpus,
 * and over what lies near it (every seed cut short, and with bytes changed, the
 * same ones each time), so that the targets are tried with any compiler and
 * under any sanitizer in a few seconds.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED_BYTES_MAX	((size_t)1 << 24)
#define CUTS		64
#define CHANGES		256
#define BYTES_A_SEED	((size_t)16 << 20)	/* what variants may cost */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***) __attribute__((weak));

static unsigned long runs;

/* On the heap and of the exact size, so that a sanitizer sees one byte too
 * many. */
static void
run(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	if (copy == NULL)
		abort();
	memcpy(copy, bytes, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
	runs++;
}

static uint32_t
next(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return (*x);
}

static void
run_near(uint8_t *bytes, size_t len)
{
	static const uint8_t odd[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	uint32_t x = 2463534242u;
	size_t afford = len == 0 ? 0 : BYTES_A_SEED / len;
	size_t cuts = len < CUTS ? len : CUTS;
	size_t changes = CHANGES;

	cuts = cuts < afford ? cuts : afford;
	changes = changes < afford ? changes : afford;
	for (size_t i = 0; i < cuts; i++)
		run(bytes, len <= CUTS ? i : next(&x) % len);
	for (size_t i = 0; len > 0 && i < changes; i++) {
		size_t at = next(&x) % len;
		uint8_t was = bytes[at];

		/* Most counts and versions stand in front. */
		if (i % 2 == 0)
			at %= 64;
		was = bytes[at];
		bytes[at] = i % 3 == 0 ? odd[next(&x) % sizeof(odd)] :
		    (uint8_t)(was ^ 1u << next(&x) % 8);
		run(bytes, len);
		bytes[at] = was;
	}
}

static int
run_file(const char *path)
{
	uint8_t *bytes = malloc(SEED_BYTES_MAX);
	FILE *f = fopen(path, "rb");
	size_t len;

	if (bytes == NULL || f == NULL) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		free(bytes);
		if (f != NULL)
			(void)fclose(f);
		return (-1);
	}
	len = fread(bytes, 1, SEED_BYTES_MAX, f);
	(void)fclose(f);
	run(bytes, len);
	run_near(bytes, len);
	free(bytes);
	return (0);
}

static int
run_dir(const char *path)
{
	struct dirent **names;
	char file[4096];
	int n, seeds = 0, rc = 0;

	n = scandir(path, &names, NULL, alphasort);
	if (n < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return (-1);
	}
	for (int i = 0; i < n; i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", path,
		    names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			seeds++;
			if (run_file(file) != 0)
				rc = -1;
		}
		free(names[i]);
	}
	free(names);
	if (seeds == 0) {
		(void)fprintf(stderr, "%s: no seeds\n", path);
		return (-1);
	}
	return (rc);
}

int
main(int argc, char **argv)
{
	struct stat st;
	int rc = 0;

	if (LLVMFuzzerInitialize != NULL)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	if (argc < 2) {
		(void)fprintf(stderr, "usage: %s FILE-OR-DIRECTORY ...\n",
		    argv[0]);
		return (2);
	}
	run((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			rc |= run_dir(argv[i]);
		else
			rc |= run_file(argv[i]);
	}
	(void)printf("%lu inputs\n", runs);
	return (rc == 0 ? 0 : 1);
}
