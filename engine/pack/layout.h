#ifndef VITRINE_ENGINE_PACK_LAYOUT_H
#define VITRINE_ENGINE_PACK_LAYOUT_H

/* Within engine/pack: sizes and offsets of a frame and of a pack
 * (vitrine-format(5), FRAMES, PACKS). */
#define FRAME_TABLE_HEAD	4	/* codec, zero, number of slots */
#define FRAME_ID_BYTES		8	/* of a chunk's id */
#define FRAME_SLOT_BYTES	(4 + FRAME_ID_BYTES)
#define PACK_HEAD_AD		80 /* header bytes bound to the directory */
#define PACK_MAC_AT		168
#define PACK_DIR_MAX		(64U << 20)
#define PACK_TRAILER_MAGIC	"VTRE"
#define DIR_FRAME_BYTES		11
#define DIR_SLOT_BYTES		(32 + 4)

#endif
