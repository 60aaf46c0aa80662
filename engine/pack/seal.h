#ifndef VITRINE_ENGINE_PACK_SEAL_H
#define VITRINE_ENGINE_PACK_SEAL_H

#include "engine/pack/frame.h"

/* Within engine/pack: the associated data of frame `no' (vitrine-format(5),
 * FRAMES). */
#define FRAME_AD_BYTES	60
void frame_ad(uint8_t out[FRAME_AD_BYTES], const struct pack_seal *,
    uint8_t codec, uint32_t no);

#endif
