#ifndef VITRINE_ENGINE_REPO_PACK_NAME_H
#define VITRINE_ENGINE_REPO_PACK_NAME_H

#include <string.h>

#include "engine/base/id.h"

/* A pack's name: "packs/xx/ID", xx being ID's first two digits. */
#define PACK_NAME_BYTES	(sizeof("packs/xx/") - 1 + ID_HEX)

static inline const char *
pack_name(char dst[PACK_NAME_BYTES], const struct pack_id *id)
{
	memcpy(dst, "packs/", 6);
	hex_emit(dst + 9, id->b, ID_BYTES);
	dst[6] = dst[9];
	dst[7] = dst[10];
	dst[8] = '/';
	return (dst);
}

#endif
