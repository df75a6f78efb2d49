/* Frames and acknowledgements of a link: what is read and written again is the same bytes; a frame
 * that is cut short asks for more. */
#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PAYLOAD = 4096 };

static void check_acks(struct str payload)
{
    struct buf out = { 0 };
    struct str rest = payload;
    struct frame_ack ack;
    enum err e;

    frame_acks_begin(&out);
    while ((e = frame_acks_next(&rest, &ack)) == ERR_OK)
        frame_acks_add(&out, &ack);
    frame_acks_end(&out);
    if (e == ERR_CLOSED && frame_is_acks(payload))
        ASSERT(str_eq(buf_str(&out), payload));
    buf_fini(&out);
}

static void check_id(struct str text)
{
    struct buf out = { 0 };
    struct frame_id id;

    if (frame_id_read(text, &id) == ERR_OK) {
        frame_id_write(&out, &id);
        ASSERT(str_eq(buf_str(&out), text));
    }
    buf_fini(&out);
}

/* used bytes of text were this frame. */
static void check_frame(const struct frame *f, struct str text)
{
    struct frame again;
    struct buf out = { 0 };
    size_t used;

    frame_write(&out, f);
    ASSERT(str_ends_with(text, buf_str(&out))); /* white space may stand in front */
    ASSERT(frame_read(buf_str(&out), MAX_PAYLOAD, &again, &used) == ERR_OK && used == out.n);
    ASSERT(str_eq(again.payload, f->payload) && str_eq(again.to, f->to) &&
           str_eq(again.from, f->from));
    for (size_t n = 0; n < out.n; n++)
        ASSERT(frame_read(str_of(out.p, n), MAX_PAYLOAD, &again, &used) == ERR_AGAIN &&
               (used == 0 || used == out.n));
    check_acks(f->payload);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_of(data, size);
    struct frame f;
    size_t used;

    check_id(rest);
    check_acks(rest);
    while (frame_read(rest, MAX_PAYLOAD, &f, &used) == ERR_OK) {
        ASSERT(used > 0 && used <= rest.n);
        check_frame(&f, str_of(rest.p, used));
        rest = str_of(rest.p + used, rest.n - used);
    }
    return 0;
}
