#ifndef VITRINE_TOOLS_JOB_BACKUP_INT_H
#define VITRINE_TOOLS_JOB_BACKUP_INT_H

#include "engine/chunk/cutter.h"
#include "engine/map/map.h"
#include "index/build.h"
#include "tools/job/backup.h"
#include "tools/job/inoset.h"
#include "tools/job/pattern.h"
#include "tools/job/walk.h"

/*
 * Inside a backup.  All is the coordinator's but what says otherwise.
 *
 *	backup.c	the run: session, parent, pool, commit
 *	backup_parent.c	what it is compared with and builds upon
 *	backup_tree.c	the walk's callbacks: what is new, changed, gone, moved
 *	backup_filter.c	what is wanted: patterns, ignore files, markers, sizes
 *	backup_flow.c	files' content in order: works, lanes, results
 *	backup_settle.c	what a work has found is written
 *	backup_stream.c	a stream or a command's output instead of the walk
 *	backup_same.c	is content that was read again the same?
 *	backup_read.c	what workers do for it: read, cut, look up
 *	backup_sink.c	what is written: nodes, attributes, owners; or, dry,
 *			counted
 */
struct flow;
struct pace;
struct content;

/* Directories taken away, kept until the end: they may turn up elsewhere. */
struct gone_dirs {
	struct buf list;		/* u64 directory, u16 length, name */
	struct inoset inos;
};

struct backup {
	struct repo *repo;
	const struct backup_env *env;
	const struct events *ev;
	struct backup_result *res;

	struct source *source;		/* borrowed */
	struct source *bucket;		/* owned; NULL: the file system */
	unsigned readers;		/* files read at once; 0: as threads */
	struct roots roots;
	struct patterns *patterns;
	struct marker *markers;		/* owned */
	size_t nmarkers;
	size_t memory_bytes;
	size_t descriptors;		/* that there may be; 0: a stream */
	struct pool *pool;
	struct cutter cutter;
	uint8_t id_key[KEY_BYTES];	/* dry; wiped */

	struct session *session;	/* NULL: dry */
	struct put *put;		/* NULL: dry */
	struct build *build;		/* NULL: dry */
	struct fetch *fetch;
	struct map *map;		/* dry */
	struct catalog *own_parent;	/* dry: owned */
	struct catalog *parent;		/* NULL: none; any thread */
	struct manifest before;		/* the parent's */
	bool has_before;
	struct inoset dry_seen;		/* chunks that this dry run counted */

	struct flow *flow;
	struct pace *pace;		/* owned; NULL: without a limit */
	bool altered;		/* something is not as in the parent */
	struct gone_dirs gone;
	struct inoset moved;		/* directories that were moved */
	struct inoset lost;		/* linked files that vanished unread */
	struct inoset uids, gids;	/* owners told, + 1 */
	uint64_t limbo;		/* names given to directories in the way */
	uint64_t dry_ino;
	size_t roots_read;
	uint64_t skip[2][2];	/* dev, ino: the repository, the cache */
	unsigned nskip;

	uint64_t partial_bytes;		/* of the file being written */
	atomic_bool parent_bad;		/* its catalog is damaged */
	uint64_t shown_ms;
	unsigned ticks;
	struct buf path;		/* for messages */
};

/* A file that is to be read, or another name of one that was. */
struct item {
	struct walk_dir *dir;		/* held by the flow */
	const char *name;
	struct meta_stat st;		/* the walk's, later the reader's */
	struct stamp now;		/* before the stat */
	uint64_t ino;
	bool named;			/* the name stands for ino already */
	bool is_root;
	bool link;			/* only a name for ino */
	bool is_new;			/* there was none before */
	bool like;			/* as in the parent, as stat sees it */
	uint64_t old_xattrs;		/* then */
};

/* backup_flow.c */
int flow_new(struct flow **out, struct backup *, struct err *);
void flow_free(struct flow *);		/* NULL is fine; waits for workers */
/* Queues; copies what it needs of the item. */
int flow_file(struct flow *, const struct item *, struct err *);
/* All that the descriptor gives until its end, as the content of `ino', which
 * was begun; *bytes is how much that is. */
int flow_stream(struct flow *, int fd, uint64_t ino, struct content *,
    uint64_t *bytes, struct err *);
/* Finish all that is queued. */
int flow_drain(struct flow *, struct err *);

/* backup_sink.c */
/* Inode numbers for a batch; the next of them. */
int sink_inos(struct backup *, struct walk_batch *, uint64_t n, struct err *);
int sink_ino(struct backup *, struct walk_batch *, uint64_t *ino,
    struct err *);
/* Make a node of what stat and meta say; flags besides ENTRY_RECENT. */
struct node {
	uint64_t ino, parent;
	uint8_t flags;
	const struct meta_stat *st;
	const struct meta *meta;	/* NULL: none */
	uint64_t xattrs;		/* without meta; set by sink_node */
	const struct stamp *now;	/* NULL: not recent */
	bool like;		/* a parent's node, as stat sees it, */
	uint64_t old_xattrs;	/* which has these */
};
int sink_node(struct backup *, struct node *, struct err *);
int sink_name(struct backup *, uint64_t dir, const char *name, uint64_t ino,
    struct err *);
int sink_unname(struct backup *, uint64_t dir, const char *name, struct err *);
int sink_linked(struct backup *, const struct meta_stat *, uint64_t *ino,
    struct err *);
int sink_link(struct backup *, const struct meta_stat *, uint64_t ino,
    struct err *);
int sink_begin(struct backup *, uint64_t ino, struct err *);
int sink_chunk(struct backup *, uint64_t ino, const struct put_hint *,
    const void *, size_t len, struct err *);
int sink_hole(struct backup *, uint64_t ino, uint64_t len, struct err *);
int sink_end(struct backup *, uint64_t ino, struct err *);
/* Any thread. */
int sink_lookup(struct backup *, const void *, size_t len, struct put_hint *,
    struct err *);

/* A directory of the parent goes to another place; 0, or CATALOG_ABSENT. */
int sink_move(struct backup *, uint64_t ino, uint64_t dir, const char *name,
    struct err *);

/* backup_filter.c */
struct marker {
	char *name;			/* owned */
	char *header;			/* owned; "": its being there does */
};
int filter_init(struct backup *, struct err *);
void filter_fini(struct backup *);
/* Any thread, as walk_ops says. */
int filter_listed(void *backup, struct walk_dir *, const struct names *,
    struct err *);
bool filter_keep(void *backup, const struct walk_dir *, const char *path,
    struct walk_entry *);
/* What is to be said of a directory's markers and rules. */
void filter_tell(struct backup *, const struct walk_dir *, bool is_root);

/*
 * backup_parent.c: the snapshot that was asked for or (dry, without a session)
 * the newest of the lineage becomes `before'.  In a session this comes after
 * its lease is in the store, so that what is found is not collected before the
 * commit is seen.
 */
int backup_find_parent(struct backup *, const struct manifest *, struct err *);
/* In a session: the first inode number that the lineage has not used, as its
 * newest snapshot has it; 0 where there is none, or none that can be read. */
int backup_first_ino(struct backup *, const struct manifest *, uint64_t *,
    struct err *);

/* backup_same.c: is the content that was read again what the parent has?  Kept
 * only where the answer is asked for. */
struct content {
	struct hash hash;
	uint64_t hole;			/* not hashed yet */
	bool on;
	bool same;			/* set by content_end */
};
void content_begin(struct content *, const struct backup *, bool like);
void content_chunk(struct content *, const struct chunk_id *, uint64_t len);
void content_hole(struct content *, uint64_t len);
/* Notes in the backup when it differs from the parent's file. */
int content_end(struct content *, struct backup *, uint64_t ino, struct err *);

/* backup_stream.c: a stream instead of a walk. */
int stream_run(struct backup *, struct err *);

/* backup_tree.c */
extern const struct walk_ops backup_walk_ops;
/* Take away what the walk left for the end. */
int tree_finish(struct backup *, struct err *);

/* backup.c: messages and progress. */
void backup_say(struct backup *, enum event_kind, const struct walk_dir *,
    const char *name, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Could not be read: told, counted. */
void backup_unread(struct backup *, const struct walk_dir *, const char *name,
    int error);
/* Now and then: progress; ERR_CANCELED when asked to stop. */
int backup_tick(struct backup *, const struct walk_dir *, const char *name,
    struct err *);

/* backup_read.c: a worker's part. */
#define STEP_BYTES	(1U << 20)
#define SMALL_MAX	STEP_BYTES	/* files up to this are read in runs */
#define RUN_ITEMS	256
#define RUN_ITEMS_FAR	16	/* so that many are asked for at once */
#define RUN_DIRS	16

struct cut {
	struct put_hint hint;
	uint32_t off, len;		/* in the buffer */
};
struct cuts {
	struct cut *v;			/* owned */
	size_t n, cap;
};
struct run_item {
	struct item it;
	uint32_t name_off;
	int error;			/* errno of open or read */
	bool redo;			/* not as the walk saw it: read alone */
	struct meta meta;
	size_t first_cut, ncuts;
};
/* Before so many bytes are read: waits as long as the rate asks for. */
void read_pace(struct backup *, size_t bytes);
/* Read, cut and look up a small file whose bytes go to buf (st.size + 1 of
 * room). */
int read_small(struct backup *, struct run_item *, uint8_t *buf, size_t off,
    struct cuts *, struct err *);
/* Cut len bytes at off of buf; what is left over (not last) is *left. */
int read_cut(struct backup *, const uint8_t *buf, size_t off, size_t len,
    bool last, struct cuts *, size_t *left, struct err *);
int read_lookup(struct backup *, const uint8_t *buf, struct cuts *,
    size_t first, struct err *);

#endif
