#ifndef VITRINE_FS_LAYOUT_H
#define VITRINE_FS_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Node numbers: what the kernel and NFS remember of a file.  They are
 * derived, never allocated, so that a node means the same after a remount and
 * nothing is kept for it here.
 *
 * In a mount of a repository:
 *	1, 2, 3			the root, by-id, by-time
 *	KIND << 32 | SNAPSHOT	a link to a snapshot: latest, a time, a
 *				longer or shorter spelling of an id
 *	SNAPSHOT << 40 | INO	an entry; with INO 1 the snapshot's top
 * SNAPSHOT is a number of 23 bits, from 1, that roll.c derives from the id
 * (so that no inode number looks negative).
 *
 * In a mount of a snapshot or of a directory in one, the mounted directory is
 * 1 and everything else has its inode number, which is small (32-bit
 * programs).
 *
 * A directory has one name: the kernel can't show the same directory inode at
 * two places, therefore by-time and latest are links into by-id.
 */
#define LAYOUT_SHIFT	40
#define LAYOUT_INO_MAX	((UINT64_C(1) << LAYOUT_SHIFT) - 1)
#define LAYOUT_SNAPSHOTS_MAX ((1U << 23) - 1)

enum node_kind {
	NODE_NONE = 0,		/* no node has such a number */
	NODE_ROOT, NODE_BY_ID, NODE_BY_TIME,
	NODE_LATEST, NODE_TIME, NODE_ALIAS,	/* links */
	NODE_TOP,		/* a snapshot's top directory, in by-id */
	NODE_ENTRY
};

struct node {
	enum node_kind kind;
	uint32_t snapshot;	/* number; 0 in a mount of a single one */
	uint64_t ino;		/* of NODE_TOP and NODE_ENTRY */
};

struct layout {
	bool single;
	uint64_t root_ino;	/* single: the mounted directory's */
};

void layout_node(const struct layout *, uint64_t number, struct node *);
/* 0 when there is no number for it: an inode number that no honest catalog
 * has. */
uint64_t layout_number(const struct layout *, const struct node *);
/* Is it one of the links to a snapshot? */
bool node_is_link(const struct node *);

#endif
