/* What the tests of an owner's end of proto/channel.h share. */
#ifndef TESTS_CHANNEL_PARTS_H
#define TESTS_CHANNEL_PARTS_H

#include "proto/channel.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int taken_calls;
static bool settled;

static inline void on_taken(struct channel_owner *o)
{
    (void)o;
    taken_calls++;
}

static inline bool is_settled(struct channel_owner *o, const struct frame_id *id)
{
    (void)o;
    (void)id;
    return settled;
}

static inline struct frame_id id_of(uint8_t session, uint64_t count)
{
    struct frame_id id = { .count = count, .part = 1 };

    memset(id.session, session, sizeof id.session);
    return id;
}

static inline struct bytes *text(const char *s)
{
    return bytes_new(str_from(s));
}

static inline void owner_open(struct channel_owner *o, uint64_t epoch)
{
    channel_owner_init(o, epoch, true, on_taken);
    o->is_settled = is_settled;
    taken_calls = 0;
    settled = false;
}

static inline struct channel_up *take(struct channel_owner *o, uint64_t n)
{
    struct channel_up *up = NULL;

    assert_int_equal(channel_owner_up(o, o->epoch, n, &up), CHANNEL_TAKE);
    return up;
}

static inline struct channel_down *send_down(struct channel_owner *o, const struct frame_id *id, struct channel_up *origin)
{
    struct bytes *b = text("<message/>");
    struct channel_down *d = channel_owner_push(o, id, b, origin);

    bytes_unref(b);
    return d;
}

#endif
