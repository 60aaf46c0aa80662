#ifndef VITRINE_TOOLS_JOB_BACKUP_H
#define VITRINE_TOOLS_JOB_BACKUP_H

#include "engine/repo/repo.h"
#include "engine/store/s3_client.h"
#include "tools/job/event.h"

/*
 * Back up directories and files into a new snapshot (DESIGN section 6).
 * Borrows all.  The repository's memory_bytes and threads bound the job.
 */
struct backup_env {
	const char *const *roots;	/* relative ones are made absolute */
	size_t nroots;
	struct s3 *bucket;	/* instead of roots; NULL: none */
	const char *const *excludes;	/* patterns: vitrine-backup(1) */
	size_t nexcludes;
	bool exclude_caches;		/* what CACHEDIR.TAG marks */
	const char *const *exclude_present;	/* NAME[:HEADER] */
	size_t nexclude_present;
	const uint64_t *exclude_larger;	/* files of more bytes; NULL: none */
	bool no_ignore_files;
	const char *const *tags;
	size_t ntags;
	const char *host;		/* NULL: the machine's */
	const char *name;		/* part of the lineage; NULL: none */
	const char *parent;		/* id or "latest" of any; NULL: the
					 * newest of the lineage */
	const struct stamp *time;	/* NULL: now */
	bool one_file_system;
	bool dry_run;		/* store nothing, count what would be new */
	bool force;		/* read all, whatever the parent says */
	bool allow_empty;	/* a snapshot without any file is fine */
	bool skip_unchanged;	/* no snapshot when nothing changed */
	int level;			/* zstd; 0 = default */
	bool no_compression;
	unsigned read_concurrency;	/* files read at once; 0: default */
	uint64_t rate_bytes;		/* read a second at most; 0: no limit */
	/* Instead of roots: a stream, which becomes the file of that path. */
	const char *stream_name;	/* NULL: none */
	const char *const *command;	/* its output; NULL: the descriptor */
	int stream_fd;			/* borrowed */
};
struct backup_result {
	struct snapshot_id id;	/* zeros when none was made */
	bool skipped;			/* as nothing changed since parent */
	bool has_parent;
	struct snapshot_id parent;
	uint64_t files, dirs, others, bytes;
	uint64_t files_new, files_changed, files_unchanged, removed;
	uint64_t unread, changed_meanwhile;
	uint64_t bytes_read, bytes_new, bytes_added;
	uint64_t duration_ms;
};
/*
 * 0: the snapshot exists (result->unread > 0 when it is incomplete), or was not
 * asked for (dry run, skipped).  No root could be read at all, nothing was
 * found, or the command failed: an error, no snapshot.
 * ERR_CANCELED: what was stored is kept for the next run, no snapshot.
 */
int backup_run(struct repo *, const struct backup_env *, const struct events *,
    struct backup_result *, struct err *);

#endif
