#ifndef VITRINE_TOOLS_JOB_SOURCE_H
#define VITRINE_TOOLS_JOB_SOURCE_H

#include "engine/base/err.h"
#include "tools/job/meta.h"

/*
 * What is backed up, as the walk and the readers see it: a tree of directories
 * and files.  There are the file system (source_fs.c) and the bucket
 * (source_bucket.h).  Any thread may call anything; of one file or directory
 * one at a time.
 *
 * Where it says so an operation returns 0 or a number: an errno, or one of the
 * source's own from SOURCE_ERRORS on, which `why' has words for.
 */
#define SOURCE_ERRORS	4096

struct walk_dir;
struct names;
struct object;

/* A file that is open.  A value: each source has its own part. */
struct source_file {
	int fd;				/* source_fs; -1 */
	enum { HOLES_UNSURE, HOLES_TOLD, HOLES_DOUBTED } holes; /* source_fs */
	struct object *object;		/* source_bucket; owned */
};

struct source {
	const struct source_ops *ops;
	/* Far away, and what it says of a file tells each change of it:
	 * nothing is too recent to be trusted, a read is of the file that was
	 * asked for or none, and its attributes come with its bytes. */
	bool vouches;
	/* A directory may be one that was elsewhere before. */
	bool moves;
};

struct source_ops {
	/* Of "/".  Errno. */
	int (*root)(struct source *, struct meta_stat *);

	/* Directories: dir->parent is open (for open_dir).  Errno. */
	int (*open_dir)(struct source *, struct walk_dir *);
	/* One that was closed meanwhile; child: one of those in it, maybe open
	 * (NULL: none).  It must be the same as before. */
	int (*reopen_dir)(struct source *, struct walk_dir *,
	    const struct walk_dir *child);
	/* As names_list(); again: not the first time since it was opened. */
	int (*list)(struct source *, struct walk_dir *, bool again,
	    struct names *, const char *after, size_t max_bytes);
	/* Of a name in it. */
	int (*stat)(struct source *, const struct walk_dir *,
	    const char *name, struct meta_stat *);
	/* Attributes, and a link's target: of a name in it that is neither
	 * file nor directory; of itself (open or, where opening failed,
	 * not). */
	void (*entry_meta)(struct source *, const struct walk_dir *,
	    const char *name, uint8_t kind, struct meta *);
	void (*dir_meta)(struct source *, const struct walk_dir *,
	    struct meta *);

	/*
	 * Files.  Opening one never waits, follows or has effects.  `large': it
	 * is read by steps, or alone: stat() then tells what it is now, not
	 * what it was when the walk came by.  Errno.
	 */
	int (*open)(struct source *, const struct walk_dir *,
	    const char *name, bool large, struct source_file *);
	void (*close)(struct source *, struct source_file *);
	/* What it is; after reading: whether it is still what was read. */
	int (*stat_file)(struct source *, struct source_file *,
	    struct meta_stat *);
	void (*file_meta)(struct source *, struct source_file *,
	    struct meta *);
	/* All of one that should be st->size bytes, into a buffer of one more.
	 * *got is what came; *redo: it has to be read by spans. */
	int (*read_whole)(struct source *, struct source_file *,
	    const struct meta_stat *st, uint8_t *dst, size_t *got,
	    bool *redo);
	/* Where the data are: from `off' on, *hole bytes of hole, then *data
	 * bytes of data; both 0 at the end (st->size). */
	int (*span)(struct source *, struct source_file *,
	    const struct meta_stat *st, uint64_t off, uint64_t *hole,
	    uint64_t *data);
	/* Up to len bytes; *got less only at the file's end.  Several threads
	 * may read one file. */
	int (*read_at)(struct source *, struct source_file *, void *dst,
	    size_t len, uint64_t off, size_t *got);

	/* Is there nothing, or something else, at this path now? */
	bool (*has_vanished)(struct source *, const char *path,
	    const struct meta_stat *);
	/* An error of its own in words; NULL where there are none. */
	const char *(*why)(struct source *, int error);
	/* 0, or why nothing more will come from it. */
	int (*check)(struct source *, struct err *);
};

/* The file system that the process sees; static, stateless. */
struct source *source_fs(void);

#endif
