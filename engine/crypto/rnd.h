#ifndef VITRINE_ENGINE_CRYPTO_RND_H
#define VITRINE_ENGINE_CRYPTO_RND_H

#include <stddef.h>
#include <stdint.h>

/*
 * The random source.  A test build (VITRINE_TESTING) honours VITRINE_TEST_SEED:
 * then the bytes come from a deterministic stream, and whoever wants the same
 * bytes with any number of threads calls this from ordered code only.
 * Thread-safe.
 */
void rnd_bytes(void *, size_t len);
/* 0 .. below - 1, without bias. */
uint32_t rnd_below(uint32_t below);

#endif
