/*
 * What one core does: cutting, naming, compressing, sealing, opening, in GB/s
 * of the chunks' bytes and of processor time, so that a busy machine shows the
 * same.  Arguments are files (the first 256 MiB of each); without any, random
 * bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/chunk/cutter.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/rnd.h"
#include "engine/pack/frame.h"

#define MOST	(256U << 20)

static double
seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return ((double)t.tv_sec + (double)t.tv_nsec / 1e9);
}

static void
say(const char *what, size_t bytes, double since)
{
	(void)printf("  %-10s %6.2f GB/s\n", what,
	    (double)bytes / (seconds() - since) / 1e9);
}

static void
die(const struct err *e)
{
	(void)fprintf(stderr, "micro: %s\n", err_text(e));
	exit(1);
}

struct bench {
	struct cutter cutter;
	struct squeezer *squeezer;
	struct frame *frame;
	struct pack_seal seal;
	uint8_t key[KEY_BYTES];
	double squeeze, sealing, opening;
	size_t stored;
};

static void
flush_frame(struct bench *b)
{
	struct opened_frame o;
	struct err e = ERR_INIT;
	double t = seconds();

	if (frame_squeeze(b->frame, b->squeezer, false, &e) < 0)
		die(&e);
	b->squeeze += seconds() - t;
	t = seconds();
	if (frame_seal(b->frame, &b->seal, 0, false, &e) < 0)
		die(&e);
	b->sealing += seconds() - t;
	t = seconds();
	if (frame_open(&o, &b->seal, 0, b->frame->stored.data,
	    b->frame->stored.len, &e) < 0)
		die(&e);
	opened_frame_fini(&o);
	b->opening += seconds() - t;
	b->stored += b->frame->stored.len;
	frame_reset(b->frame);
}

static void
cut_and_name(struct bench *b, const uint8_t *p, size_t len)
{
	size_t chunks = 0, least = SIZE_MAX, most = 0, forced = 0;
	double t = seconds();
	struct hash_long name;
	uint8_t id[HASH_BYTES];

	for (size_t at = 0; at < len; chunks++) {
		size_t n = cutter_cut(&b->cutter, p + at, len - at, true);

		at += n;
		forced += n == b->cutter.params.max_bytes;
		most = n > most ? n : most;
		if (at < len)
			least = n < least ? n : least;
	}
	say("cut", len, t);
	(void)printf("  %zu chunks, mean %zu, least %zu, most %zu, "
	    "%.1f %% at the maximum\n", chunks, len / chunks, least, most,
	    100.0 * (double)forced / (double)chunks);
	t = seconds();
	for (size_t at = 0; at < len;) {
		size_t n = len - at < 65536 ? len - at : 65536;

		hash_keyed(id, b->key, p + at, n);
		at += n;
	}
	say("id", len, t);
	t = seconds();
	hash_long_init(&name, HASH_SHA256);
	for (size_t at = 0; at < len; at += FRAME_TARGET)
		hash_long_update(&name, p + at,
		    len - at < FRAME_TARGET ? len - at : FRAME_TARGET);
	hash_long_final(&name, id);
	say("name", len, t);
}

static void
frames(struct bench *b, const uint8_t *p, size_t len)
{
	struct chunk_id id = { { 0 } };
	struct err e = ERR_INIT;
	uint32_t slot;

	b->squeeze = b->sealing = b->opening = 0;
	b->stored = 0;
	for (size_t at = 0; at < len;) {
		size_t n = cutter_cut(&b->cutter, p + at, len - at, true);

		if (!frame_has_room(b->frame, n))
			flush_frame(b);
		if (frame_add(b->frame, &id, p + at, n, &slot, &e) < 0)
			die(&e);
		at += n;
	}
	flush_frame(b);
	say("compress", len, seconds() - b->squeeze);
	say("seal", b->stored, seconds() - b->sealing);
	say("open", len, seconds() - b->opening);
	(void)printf("  stored %.1f %%\n",
	    100.0 * (double)b->stored / (double)len);
}

static void
pages(struct bench *b, uint8_t *p, size_t len)
{
	uint8_t ad[64] = { 0 };
	double t = seconds();

	for (size_t at = 0; len - at >= 16384; at += 16384)
		aead_seal(p + at, b->key, at, ad, sizeof(ad), p + at, 16368);
	say("16K pages", len, t);
}

static void
run(struct bench *b, const char *name, uint8_t *p, size_t len)
{
	(void)printf("%s, %zu bytes\n", name, len);
	if (len == 0)
		return;
	cut_and_name(b, p, len);
	frames(b, p, len);
	pages(b, p, len);
}

int
main(int argc, char **argv)
{
	struct cutter_params params = cutter_params_for(65536);
	struct repo_id repo = { { 0 } };
	uint8_t salt[SALT_BYTES] = { 0 };
	struct err e = ERR_INIT;
	uint8_t *p = malloc(MOST);
	static struct bench b;

	if (p == NULL)
		return (1);
	rnd_bytes(b.key, sizeof(b.key));
	pack_seal_init(&b.seal, &repo, 0, 3, salt, b.key);
	if (cutter_init(&b.cutter, &params, b.key, &e) < 0 ||
	    squeezer_new(&b.squeezer, 0, &e) < 0 || frame_new(&b.frame, &e) < 0)
		die(&e);
	if (argc == 1) {
		rnd_bytes(p, MOST);
		run(&b, "random", p, MOST);
	}
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		size_t len;

		if (f == NULL) {
			perror(argv[i]);
			return (1);
		}
		len = fread(p, 1, MOST, f);
		(void)fclose(f);
		run(&b, argv[i], p, len);
	}
	frame_free(b.frame);
	squeezer_free(b.squeezer);
	free(p);
	return (0);
}
