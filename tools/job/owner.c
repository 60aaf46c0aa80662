/*
 * Users and groups of this system.  A group comes with all its members, of
 * which there may be many thousands: the room for them grows until they fit.
 */
#include "tools/job/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST	4096
#define ROOM_MAX	((size_t)64 << 20)

struct owner {
	const char *name;		/* into the room */
	uint32_t id;
};

/* By name, or where that is NULL by id; into the room. */
static int
ask(bool group, const char *name, uint32_t id, char *room, size_t size,
    struct owner *out)
{
	struct passwd pw, *p = NULL;
	struct group gr, *g = NULL;
	int error;

	if (group)
		error = name != NULL ? getgrnam_r(name, &gr, room, size, &g) :
		    getgrgid_r(id, &gr, room, size, &g);
	else
		error = name != NULL ? getpwnam_r(name, &pw, room, size, &p) :
		    getpwuid_r(id, &pw, room, size, &p);
	if (error != 0)
		return (error);
	if (g == NULL && p == NULL)
		return (ENOENT);
	out->name = g != NULL ? g->gr_name : p->pw_name;
	out->id = g != NULL ? g->gr_gid : p->pw_uid;
	return (0);
}

/* The room is the caller's to free. */
static int
find(bool group, const char *name, uint32_t id, char **room,
    struct owner *out)
{
	size_t size = ROOM_FIRST;
	int error;

	for (;; size *= 4) {
		*room = malloc(size);
		if (*room == NULL)
			return (ENOMEM);
		error = ask(group, name, id, *room, size, out);
		if (error != ERANGE || size >= ROOM_MAX)
			return (error);
		free(*room);
	}
}

int
owner_to_name(bool group, uint32_t id, char **name)
{
	struct owner found;
	char *room;
	int error = find(group, NULL, id, &room, &found);

	if (error == 0) {
		*name = strdup(found.name);
		error = *name != NULL ? 0 : ENOMEM;
	}
	free(room);
	return (error);
}

int
owner_to_id(bool group, const char *name, uint32_t *id)
{
	struct owner found;
	char *room;
	int error = find(group, name, 0, &room, &found);

	if (error == 0)
		*id = found.id;
	free(room);
	return (error);
}
