#ifndef VITRINE_ENGINE_PACK_PACK_H
#define VITRINE_ENGINE_PACK_PACK_H

#include "engine/pack/frame.h"
#include "engine/pack/object.h"

/*
 * Packs: header, frames, sealed directory, trailer (vitrine-format(5), PACKS).
 */
#define PACK_HEADER_BYTES	200
#define PACK_TRAILER_BYTES	24
#define PACK_MAX		(256U << 20)
#define PACK_FRAMES_MAX		65536

/* All that is needed to open a pack's frames, with a full keyring: a copy
 * stands in catalogs, tables and manifests ("pack record"). */
struct pack_info {
	struct pack_id id;
	uint64_t size_bytes;
	uint32_t domain;
	uint32_t writer;
	uint8_t kind;			/* OBJECT_PACK_DATA or _META */
	struct run_id run;
	uint8_t salt[SALT_BYTES];
	struct wrap wrap;
};
struct frame_info {
	uint32_t no;			/* number in the pack */
	uint32_t off;			/* of the prefix, in the pack */
	uint32_t stored;		/* bytes, with the prefix */
	uint32_t raw;			/* bytes, all slots together */
};

/* A pack record, as bytes (vitrine-format(5), PACK RECORD). */
#define PACK_RECORD_MAX		(32 + 8 + 4 + 4 + 1 + 16 + 32 + 1 + WRAP_BYTES)
void pack_info_emit(struct buf *, const struct pack_info *);
void pack_info_parse(struct pack_info *, struct rd *);

/* Writing: the bytes of a pack in order, for a store_put stream.  Confined, but
 * for packer_hash. */
struct packer;
/* Emits the header into out; mix as for salt_new.  `number' counts the
 * run's packs; `naming' is what the repository names them by. */
int packer_open(struct packer **out_packer, struct buf *out,
    const struct keyring *, enum hash_kind naming, enum object_kind,
    const struct run_id *, uint64_t number, const void *mix, size_t mix_len,
    struct err *);
void packer_free(struct packer *);
const struct pack_seal *packer_seal(const struct packer *);
/* The number that the next frame will have. */
uint32_t packer_next_frame(const struct packer *);
/* Bytes so far, header counted. */
uint64_t packer_bytes(const struct packer *);
/* Note a sealed frame as the next; its `stored' bytes go to the stream after
 * what was emitted before.  *info says where it lies. */
int packer_add(struct packer *, const struct frame *, struct frame_info *info,
    struct err *);
/* Then its bytes, for the pack's name: once for each frame added, in the same
 * order, before the close.  Another thread may do it while later ones are
 * added. */
void packer_hash(struct packer *, const struct frame *);
/* How much of a pack would be padding, were it closed with so many frames, of
 * so many bytes and slots in all. */
uint64_t pack_padding(uint64_t frame_bytes, uint64_t frames, uint64_t slots);
/* Emits directory and trailer into out, padded (Padme); gives the id.  The
 * bytes hashed are all that were emitted or added, in order. */
int packer_close(struct packer *, struct buf *out, struct pack_info *,
    struct err *);

/* Reading. */
int pack_header_parse(struct pack_info *out, const struct keyring *,
    const void *bytes /* PACK_HEADER_BYTES */, struct err *);
/* The keys of a pack; full keyring only. */
int pack_seal_open(struct pack_seal *out, const struct keyring *,
    const struct pack_info *, struct err *);
/* The trailer's fields: where the directory lies. */
int pack_trailer_parse(uint64_t *dir_off, uint64_t *dir_len, uint32_t *frames,
    const void *bytes /* PACK_TRAILER_BYTES */, uint64_t pack_bytes,
    struct err *);

struct pack_directory {
	uint32_t nframes;
	struct frame_info *frames;	/* owned */
	uint8_t *codec;			/* nframes, owned */
	uint32_t *first_slot;	/* nframes + 1: index into slots, owned */
	struct slot_entry *slots;	/* owned */
};
void pack_directory_fini(struct pack_directory *);
/* `head' is the pack's first 80 bytes, `trailer' its last
 * PACK_TRAILER_BYTES. */
int pack_directory_open(struct pack_directory *out, const struct pack_seal *,
    const uint8_t *head, const uint8_t *trailer, const void *sealed,
    size_t len, struct err *);

#endif
