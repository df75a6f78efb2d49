/* Frames: what a link carries (LINK.md §4).
 * <route xmlns='urn:sallyport:link:1' to='…' from='…' s='…' e='…' n='…' h='…' f='…' id='…'
 * len='312'>…</route> Attributes in this order, unused ones left out; len is the truth. Pure: bytes
 * in, frames out. */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "common/buf.h"

enum { FRAME_SESSION_BYTES = 16, FRAME_SESSION_TEXT = 32, FRAME_MAX_HEADER = 8192 };

/* What a derived stanza is made from: the same on repetition, never twice with another content
 * (ARCHITECTURE §5). Text form: 32 hexadecimal digits, '.', count, '.', part. A zeroed id is
 * "none". */
struct frame_id {
    uint8_t session[FRAME_SESSION_BYTES];
    uint64_t count;
    uint32_t part;
};

struct frame {
    struct str to, from; /* always there; on the wire neither holds & < > ' " or a control character
                            (frame_address_of) */
    struct str s;         /* 32 lower-case hexadecimal digits, or absent */
    uint64_t e, n, h, f;  /* 0: left out */
    struct frame_id id;
    bool has_id;
    struct str payload;   /* may be empty */
};

/* Appends the whole frame, with frame_address_of its addresses. What is left of them and s must be
 * clean (ASSERT). */
void frame_write(struct buf *out, const struct frame *f);

/* Looks for one frame at the front of bytes.
 * max_payload  a longer one is ERR_LIMIT.
 * out_frame    its texts point into bytes.
 * out_used     how many bytes it takes.
 * Returns ERR_OK, ERR_AGAIN (not whole yet; out_used then is how many bytes it will take in all if
 * that is known, else 0), ERR_MALFORMED, ERR_LIMIT. White space in front of a frame (keepalive) is
 * skipped and counted in out_used. When bytes is only white space: ERR_AGAIN with out_used = 0. */
NODISCARD enum err frame_read(struct str bytes, size_t max_payload, struct frame *out_frame,
                              size_t *out_used);

bool frame_id_eq(const struct frame_id *a, const struct frame_id *b);
void frame_id_write(struct buf *out, const struct frame_id *id);
NODISCARD enum err frame_id_read(struct str text, struct frame_id *out_id);

/* The name in front of '/' and what is behind it (absent without '/'): "c2s-1.x/7f-12". */
struct str frame_address_name(struct str address);
struct str frame_address_rest(struct str address);

/* An address as it stands in frames: a resource with a character that XML would escape is left out
 * there; the payload has it. (A bare JID holds none of these: RFC 7622 §3.3.1.) A payload's address
 * p belongs to a frame's f when str_eq(frame_address_of(p), f). */
struct str frame_address_of(struct str address);

/* --- acknowledgements: many sessions a frame
 * ------------------------------------------------------------------ * <acks
 * xmlns='urn:sallyport:link:1'>SESSION:e:h:f SESSION:e:h:f …</acks>; h and f are 0 where they do
 * not change. */
struct frame_ack {
    struct str s; /* hexadecimal */
    uint64_t e, h, f;
};
void frame_acks_begin(struct buf *out);
void frame_acks_add(struct buf *out, const struct frame_ack *ack);
void frame_acks_end(struct buf *out);
/* Whether a payload is one of these. */
bool frame_is_acks(struct str payload);
/* *rest starts as the payload. ERR_OK with one ack, ERR_CLOSED at the end, ERR_MALFORMED. */
NODISCARD enum err frame_acks_next(struct str *rest, struct frame_ack *out_ack);

#endif
