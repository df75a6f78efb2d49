/* Origins: what one frame leads to is held together until all of it is done (sm.h). */
#include "sm/sm.h"

#include "common/mem.h"

struct origin *origin_new(struct channel_up *take_up, const uint8_t session[FRAME_SESSION_BYTES], uint64_t count)
{
    struct origin *o = mem_new(struct origin);

    o->refs = 1;
    o->up = take_up;
    if (session)
        memcpy(o->session, session, sizeof o->session);
    o->count = count;
    return o;
}

struct origin *origin_ref(struct origin *o)
{
    if (o)
        o->refs++;
    return o;
}

void origin_unref(struct origin *o)
{
    if (!o || --o->refs > 0)
        return;
    channel_up_release(o->up);
    if (o->on_done)
        o->on_done(o->owner);
    mem_free(o);
}

/* Keyed: who knows one id cannot make another payload of the same. */
struct frame_id origin_derive(const struct sm *sm, const struct origin *o, struct str payload)
{
    struct frame_id id = { .count = 0 };

    if (!o || o->count == 0)
        return id;
    memcpy(id.session, o->session, sizeof id.session);
    id.count = o->count;
    id.part = (uint32_t)table_siphash(sm->slot_key, payload);
    return id;
}
