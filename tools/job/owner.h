#ifndef VITRINE_TOOLS_JOB_OWNER_H
#define VITRINE_TOOLS_JOB_OWNER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Users and groups of this system, by number and by name.  0 or errno; ENOENT:
 * there is none.  Any thread.
 */
int owner_to_name(bool group, uint32_t id, char **name);	/* owned */
int owner_to_id(bool group, const char *name, uint32_t *id);

#endif
