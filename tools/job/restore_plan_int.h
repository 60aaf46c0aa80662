#ifndef VITRINE_TOOLS_JOB_RESTORE_PLAN_INT_H
#define VITRINE_TOOLS_JOB_RESTORE_PLAN_INT_H

#include "tools/job/restore_impl.h"

/*
 * A regular file on its way, from the walk that found it to the last byte that
 * is written.  References: the planner's until all pieces are known, and one a
 * piece; who drops the last finishes the file.  There are some hundred thousand
 * at a time, so it has no more than it needs, and locks are shared by several
 * (file_lock()).
 */
struct file {
	struct parent *parent;		/* a reference */
	uint64_t ino, size, xattrs;	/* of its entry, as the next seven */
	struct stamp mtime;
	uint32_t uid, gid;
	uint16_t mode;
	uint8_t flags;
	bool has_links;			/* more names than this one */
	uint8_t how;			/* OVER_MAKE, _REPLACE or _UPDATE */
	bool single;		/* one thread has it all: no lock, no waiting */
	bool tried;			/* lock */
	bool made;			/* lock: it stands in the directory */
	atomic_bool failed;
	atomic_uint refs;
	atomic_uint_least64_t bytes;	/* that were counted as restored */
	int fd;				/* lock; -1 until it is made */
	uint32_t temp;			/* lock; REPLACE: of the name until it
					 * is whole */
	struct err *err;		/* lock; owned: why it failed, the
					 * first; NULL: no memory to say */
	char name[];
};
/* Bytes of it are written, or are a hole; taken back where it fails. */
void file_count(struct file *, uint64_t bytes);
/* Some bytes of a file, and where they lie. */
struct piece {
	struct file *file;		/* a reference */
	uint64_t off;
	uint32_t len;
	uint32_t slot;
	uint32_t nth : 31;		/* of its plan */
	uint32_t there : 1;		/* found in place: not needed */
	/* The catalog's frame, and when that has been found, the index into the
	 * plan's places; PIECE_NONE. */
	uint32_t place;
	struct chunk_id id;
};
#define PIECE_NONE	UINT32_MAX	/* no bytes: the file is to be made */
#define PIECES_MAX	INT32_MAX	/* of a plan */

struct place {
	struct pack_info pack;
	struct frame_info info;
	uint32_t first;			/* of the pieces that lie in it */
	uint32_t n;
};

/*
 * What is restored together: sorted by place when it is full, then handed to
 * the workers in runs.
 */
struct plan {
	struct restore *rs;
	struct piece *pieces;		/* owned */
	size_t npieces, room;
	struct place *places;		/* owned; when sorted */
	size_t nplaces;
	size_t nopen;			/* files, or more */
	size_t bytes, bytes_max;	/* memory of all of it */
	uint32_t frame;			/* of the last piece with bytes */
	unsigned jobs;			/* in the lane; the coordinator's */
};

/* restore_write.c: the pieces of some places, or of none, by a worker. */
#define RUN_FRAMES_MAX	64
struct write_job {
	struct job job;
	struct plan *plan;		/* borrowed */
	size_t from, n;			/* places; of pieces if `bare' */
	bool bare;			/* pieces without bytes */
	int result;
	struct err err;
};
void write_run(struct job *);

/* restore_lost.c.  Something that only this entry suffers from; else all must
 * stop, and *e may be another: that the store is lost.  May ask the store. */
bool failure_is_local(struct restore *, struct err *);

/* restore_file.c.  Its path, for messages, in a buffer of the caller's. */
const char *file_path(const struct file *, struct buf *);
/* The file's descriptor, made by who comes first; -1: it
 * failed, and that is noted in the file. */
int file_open(struct file *);
/* Let a part of a file that is written in place be a hole. */
int file_punch(struct file *, uint64_t off, uint64_t len, struct err *);
void file_fail(struct file *, const struct err *);
/* Drop a reference; the last finishes the file.  < 0: all must stop. */
int file_put(struct file *, struct err *);

#endif
