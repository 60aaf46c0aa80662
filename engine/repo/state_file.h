#ifndef VITRINE_ENGINE_REPO_STATE_FILE_H
#define VITRINE_ENGINE_REPO_STATE_FILE_H

#include "engine/base/rd.h"
#include "engine/repo/repo.h"

/*
 * What is the same of each file that this user keeps of a repository in
 * $state_dir: small, replaced as a whole, with a checksum and no secret.
 *
 *	bytes 8		magic
 *	u32		version
 *	bytes 16	repository id
 *	bytes		content
 *	bytes 32	H(all before)
 *
 * All functions are thread-safe.
 */
struct state_kind {
	const char *magic;	/* 8 bytes */
	uint32_t version;
	const char *suffix;	/* behind the repository's id */
	size_t max;		/* bytes of a file */
	const char *what;	/* it is, for messages */
	const char *lost;	/* with a file that is damaged */
};
#define STATE_NAME_MAX	(RUN_HEX + 16)

/* The head; then the content is appended, then the checksum of all from `at'
 * on, where the head began.  A failure sticks to the buffer. */
void state_file_begin(struct buf *, const struct state_kind *,
    const struct repo_id *);
void state_file_end(struct buf *, size_t at);
/* A reader of the content, borrowed from the bytes.  ERR_CORRUPT. */
int state_file_open(struct rd *, const struct state_kind *, const void *,
    size_t len, const struct repo_id *, struct err *);
/* Fails with ERR_CORRUPT. */
int state_file_bad(const struct state_kind *, struct err *);

/* <repository's id><suffix> */
char *state_file_name(char name[STATE_NAME_MAX], const struct repo *,
    const char *suffix);
/* The state directory, made when it isn't there: a descriptor to be closed. */
int state_dir_open(const struct repo *, struct err *);

/* out is a value that parse fills; it is left alone where there is no state
 * directory or no file, or a damaged one (said in the log). */
typedef int state_parse_fn(void *out, const void *, size_t len,
    const struct repo_id *, struct err *);
int state_file_load(struct repo *, const struct state_kind *, state_parse_fn *,
    void *out, struct err *);
int state_file_store(struct repo *, const struct state_kind *,
    const struct buf *, struct err *);

#endif
