/*
 * Node numbers of the virtual tree and of what lies in snapshots, both ways.
 */
#include "fs/layout.h"

#include "index/catalog.h"

#define LINK_SHIFT	32

static const enum node_kind link_kind[] = {
	NODE_NONE, NODE_LATEST, NODE_TIME, NODE_ALIAS
};
#define LINK_KINDS	(sizeof(link_kind) / sizeof(link_kind[0]))

static void
single_node(const struct layout *l, uint64_t number, struct node *n)
{
	n->snapshot = 0;
	n->ino = number == 1 ? l->root_ino : number;
	/* The mounted directory has the number 1 and no other. */
	n->kind = number == 0 || (number == l->root_ino && number != 1) ?
	    NODE_NONE : NODE_ENTRY;
}

void
layout_node(const struct layout *l, uint64_t number, struct node *n)
{
	uint64_t link;

	if (l->single) {
		single_node(l, number, n);
		return;
	}
	n->kind = NODE_NONE;
	n->snapshot = (uint32_t)(number >> LAYOUT_SHIFT);
	n->ino = number & LAYOUT_INO_MAX;
	if (n->snapshot > 0) {
		if (n->ino > 0)
			n->kind = n->ino == CATALOG_ROOT_INO ?
			    NODE_TOP : NODE_ENTRY;
		return;
	}
	if (number >= 1 && number <= 3) {
		n->kind = number == 1 ? NODE_ROOT :
		    number == 2 ? NODE_BY_ID : NODE_BY_TIME;
		n->ino = 0;
		return;
	}
	link = number >> LINK_SHIFT;
	n->snapshot = (uint32_t)number;
	n->ino = 0;
	if (link < LINK_KINDS && n->snapshot > 0 &&
	    n->snapshot <= LAYOUT_SNAPSHOTS_MAX)
		n->kind = link_kind[link];
}

uint64_t
layout_number(const struct layout *l, const struct node *n)
{
	if (l->single) {
		if (n->kind != NODE_ENTRY)
			return (0);
		if (n->ino == l->root_ino)
			return (1);
		return (n->ino == 1 ? 0 : n->ino);
	}
	switch (n->kind) {
	case NODE_ROOT:
		return (1);
	case NODE_BY_ID:
		return (2);
	case NODE_BY_TIME:
		return (3);
	case NODE_LATEST:
	case NODE_TIME:
	case NODE_ALIAS:
		for (uint64_t i = 1; i < LINK_KINDS; i++)
			if (link_kind[i] == n->kind)
				return (i << LINK_SHIFT | n->snapshot);
		return (0);
	case NODE_TOP:
	case NODE_ENTRY:
		if (n->ino == 0 || n->ino > LAYOUT_INO_MAX)
			return (0);
		return ((uint64_t)n->snapshot << LAYOUT_SHIFT | n->ino);
	default:
		return (0);
	}
}

bool
node_is_link(const struct node *n)
{
	return (n->kind == NODE_LATEST || n->kind == NODE_TIME ||
	    n->kind == NODE_ALIAS);
}
