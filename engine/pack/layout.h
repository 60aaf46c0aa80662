#ifndef VITRINE_ENGINE_PACK_LAYOUT_H
#define VITRINE_ENGINE_PACK_LAYOUT_H

/* Within engine/pack: sizes and offsets of a pack (vitrine-format(5),
 * PACKS). */
#define PACK_HEAD_AD		80 /* header bytes bound to the directory */
#define PACK_MAC_AT		168
#define PACK_DIR_MAX		(64U << 20)
#define PACK_TRAILER_MAGIC	"VTRE"
#define DIR_FRAME_BYTES		11
#define DIR_SLOT_BYTES		(32 + 4)

#endif
