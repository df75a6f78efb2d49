/* The owner's end of a channel: what it has taken and not yet confirmed, what it has sent and is
 * not yet final. The gate's end is channel_gate.c. LINK.md §6. */
#include "proto/channel.h"

#include "common/mem.h"

static struct channel_up *up_at(struct list *item)
{
    return CONTAINER_OF(item, struct channel_up, at);
}

static struct channel_down *down_at(struct list *item)
{
    return CONTAINER_OF(item, struct channel_down, at);
}

static bool is_id(const struct frame_id *id)
{
    static const uint8_t none[FRAME_SESSION_BYTES];

    return id && (id->count != 0 || id->part != 0 || memcmp(id->session, none, sizeof none) != 0);
}

static bool is_same_id(const struct frame_id *a, const struct frame_id *b)
{
    return a->count == b->count && a->part == b->part &&
           memcmp(a->session, b->session, sizeof a->session) == 0;
}

void channel_owner_init(struct channel_owner *o, uint64_t epoch, bool is_new,
                        void (*on_taken)(struct channel_owner *))
{
    *o = (struct channel_owner){ .epoch = epoch, .is_synced = is_new, .on_taken = on_taken };
    list_init(&o->ups);
    list_init(&o->downs);
    o->unwritten = &o->downs;
}

/* --- up frames -------------------------------------------------------------------------------- */

static void free_unused(struct channel_up *up)
{
    if (up->refs == 0 && up->holds == 0)
        mem_free(up);
}

static void up_unref(struct channel_up *up)
{
    up->refs--;
    free_unused(up);
}

/* It leaves its owner's list. */
static void make_final(struct channel_up *up)
{
    up->is_final = true;
    up->owner = NULL;
    list_remove(&up->at);
    up_unref(up);
}

enum channel_verdict channel_owner_up(struct channel_owner *o, uint64_t e, uint64_t n,
                                      struct channel_up **out_up)
{
    struct channel_up *up;

    if (!o->is_synced || e != o->epoch || n != o->up_last + 1)
        return CHANNEL_DROP;
    up = mem_new(struct channel_up);
    up->owner = o;
    up->n = o->up_last = n;
    up->holds = 1;
    up->refs = 1;
    list_push_back(&o->ups, &up->at);
    *out_up = up;
    return CHANNEL_TAKE;
}

struct channel_up *channel_up_hold(struct channel_up *up)
{
    if (up) {
        ASSERT(up->holds > 0); /* what was taken over is never taken back */
        up->holds++;
    }
    return up;
}

/* h is cumulative: it moves only when the first frame that is not taken over becomes so, and then
 * over all behind it that are. */
static void move_taken(struct channel_owner *o, struct channel_up *first)
{
    for (struct list *item = &first->at; item != &o->ups && up_at(item)->holds == 0;
         item = item->next)
        o->up_taken = up_at(item)->n;
    if (o->on_taken)
        o->on_taken(o);
}

void channel_up_release(struct channel_up *up)
{
    if (!up)
        return;
    ASSERT(up->holds > 0);
    if (--up->holds > 0)
        return;
    if (!up->owner)
        free_unused(up);
    else if (up->n == up->owner->up_taken + 1)
        move_taken(up->owner, up);
}

static void forget_ups(struct channel_owner *o, uint64_t n)
{
    if (n <= o->up_final)
        return;
    o->up_final = n;
    while (!list_is_empty(&o->ups) && up_at(list_first(&o->ups))->n <= n)
        make_final(up_at(list_first(&o->ups)));
}

void channel_owner_stored(struct channel_owner *o, uint64_t n)
{
    if (o->is_synced)
        forget_ups(o, n < o->up_taken ? n : o->up_taken);
}

bool channel_owner_has_final(const struct channel_owner *o, uint64_t n)
{
    return o->is_synced && n <= o->up_final;
}

/* --- down frames ------------------------------------------------------------------------------ */

static struct channel_down *add_down(struct channel_owner *o, uint64_t n, const struct frame_id *id)
{
    struct channel_down *d = mem_new(struct channel_down);

    d->n = n;
    if (is_id(id))
        d->id = *id;
    list_push_back(&o->downs, &d->at);
    return d;
}

static void set_known(struct channel_owner *o, struct channel_down *d)
{
    d->is_known = true;
    o->known_count++;
}

static void count_flight(struct channel_owner *o, struct channel_down *d)
{
    o->flight_frames++;
    if (o->unwritten == &o->downs)
        o->unwritten = &d->at;
}

static void set_payload(struct channel_owner *o, struct channel_down *d, struct bytes *payload)
{
    d->payload = bytes_ref(payload);
    o->flight_bytes += payload->n;
}

static void set_origin(struct channel_down *d, struct channel_up *origin)
{
    if (!origin || d->origin)
        return;
    d->origin = origin;
    origin->refs++;
    if (!d->is_released)
        channel_up_hold(origin);
}

static void release_origin(struct channel_down *d)
{
    if (d->is_released)
        return;
    d->is_released = true;
    channel_up_release(d->origin);
}

static void free_down(struct channel_owner *o, struct channel_down *d)
{
    if (d->is_known)
        o->known_count--;
    list_remove(&d->at);
    release_origin(d);
    if (d->origin)
        up_unref(d->origin);
    bytes_unref(d->payload);
    mem_free(d);
}

bool channel_owner_is_open(const struct channel_owner *o, const struct channel_window *w)
{
    if (!o->is_synced || o->down_last - o->down_final >= CHANNEL_MAX_UNFINAL)
        return false;
    return o->flight_frames == 0 ||
           (o->flight_frames < w->max_frames && o->flight_bytes < w->max_bytes);
}

/* Only after a new owner's sync, and for slow clients, is anything known; then it is among the
 * oldest. */
struct channel_down *channel_owner_known(const struct channel_owner *o, const struct frame_id *id)
{
    uint32_t left = o->known_count;

    for (struct list *item = o->downs.next; left > 0; item = item->next) {
        struct channel_down *d = down_at(item);

        if (d->is_known && is_same_id(&d->id, id))
            return d;
        left -= d->is_known;
    }
    return NULL;
}

/* The payload of a copy that is not written is wanted as well: what the client does not take in
 * time goes to the store. */
static void join(struct channel_owner *o, struct channel_down *d, struct bytes *payload,
                 struct channel_up *origin)
{
    if (!d->is_written && !d->payload)
        set_payload(o, d, payload);
    set_origin(d, origin);
}

struct channel_down *channel_owner_push(struct channel_owner *o, const struct frame_id *id,
                                        struct bytes *payload, struct channel_up *origin)
{
    struct channel_down *d = is_id(id) ? channel_owner_known(o, id) : NULL;

    ASSERT(o->is_synced);
    if (d) {
        join(o, d, payload, origin);
        return NULL;
    }
    d = add_down(o, ++o->down_last, id);
    count_flight(o, d);
    set_payload(o, d, payload);
    if (origin) {
        set_origin(d, origin);
    } else {
        d->is_released = true;
        if (is_id(id))
            set_known(o, d);
    }
    return d;
}

void channel_down_stored(struct channel_down *d)
{
    release_origin(d);
}

void channel_down_pin(struct channel_down *d)
{
    d->pins++;
}

void channel_down_unpin(struct channel_owner *o, struct channel_down *d)
{
    (void)o;
    ASSERT(d->pins > 0);
    d->pins--;
}

static void set_written(struct channel_owner *o, struct channel_down *d)
{
    d->is_written = true;
    o->flight_frames--;
    if (d->payload) {
        o->flight_bytes -= d->payload->n;
        bytes_unref(d->payload);
        d->payload = NULL;
    }
    if (o->on_written)
        o->on_written(o, d);
    release_origin(d);
}

bool channel_owner_confirm(struct channel_owner *o, uint64_t e, uint64_t h, uint64_t f)
{
    if (!o->is_synced || e != o->epoch)
        return false;
    if (f <= o->up_taken)
        forget_ups(o, f);
    if (h <= o->down_written || h > o->down_last)
        return false;
    o->down_written = h;
    while (o->unwritten != &o->downs && down_at(o->unwritten)->n <= h) {
        struct channel_down *d = down_at(o->unwritten);

        o->unwritten = o->unwritten->next;
        set_written(o, d);
    }
    return true;
}

/* --- final ------------------------------------------------------------------------------------ */

/* What is known may be pushed again by a repetition that its origin, if it has one, does not stand
 * for: a row of the store. */
static bool is_final(struct channel_owner *o, const struct channel_down *d)
{
    if (!d->is_written || d->pins > 0 || (d->origin && !d->origin->is_final))
        return false;
    return !d->is_known || (o->is_settled && o->is_settled(o, &d->id));
}

bool channel_owner_finish(struct channel_owner *o)
{
    uint64_t before = o->down_final;

    if (!o->is_synced)
        return false;
    while (!list_is_empty(&o->downs) && is_final(o, down_at(list_first(&o->downs))))
        free_down(o, down_at(list_first(&o->downs)));
    o->down_final = list_is_empty(&o->downs) ? o->down_last : down_at(list_first(&o->downs))->n - 1;
    return o->down_final > before;
}

/* Its own up frames first: its down frames may hold them, and nobody is to hear of it. */
void channel_owner_fini(struct channel_owner *o)
{
    while (!list_is_empty(&o->ups))
        make_final(up_at(list_first(&o->ups)));
    while (!list_is_empty(&o->downs))
        free_down(o, down_at(list_first(&o->downs)));
    o->unwritten = &o->downs;
    o->flight_frames = o->flight_bytes = 0;
    o->is_synced = false;
}

/* --- a new owner ------------------------------------------------------------------------------ */

static bool is_sound(const struct channel_synced *a)
{
    uint64_t last = 0;

    if (a->down_written > a->down_last || a->down_last - a->down_written > CHANNEL_MAX_UNFINAL ||
        a->copy_count > CHANNEL_MAX_UNFINAL)
        return false;
    for (uint32_t i = 0; i < a->copy_count; i++) {
        if (a->copies[i].n <= last || a->copies[i].n > a->down_last || !is_id(&a->copies[i].id))
            return false;
        last = a->copies[i].n;
    }
    return true;
}

/* A frame that has no id and is not written needs an entry too: it is in the window until its h
 * comes. */
static void add_unwritten(struct channel_owner *o, uint64_t n, const struct frame_id *id)
{
    struct channel_down *d = add_down(o, n, id);

    count_flight(o, d);
    if (id)
        set_known(o, d);
    else
        d->is_released = true;
}

static void add_written_copy(struct channel_owner *o, const struct channel_copy *copy)
{
    struct channel_down *d = add_down(o, copy->n, &copy->id);

    d->is_written = d->is_released = true;
    set_known(o, d);
}

enum err channel_owner_synced(struct channel_owner *o, uint64_t stored_up,
                              const struct channel_synced *answer)
{
    uint32_t i = 0;

    if (o->is_synced)
        return ERR_EXISTS;
    if (!is_sound(answer))
        return ERR_MALFORMED;
    o->is_synced = true;
    o->up_last = o->up_taken = o->up_final =
        stored_up > answer->up_taken ? stored_up : answer->up_taken;
    for (; i < answer->copy_count && answer->copies[i].n <= answer->down_written; i++)
        add_written_copy(o, &answer->copies[i]);
    for (uint64_t n = answer->down_written + 1; n <= answer->down_last; n++) {
        bool is_copy = i < answer->copy_count && answer->copies[i].n == n;

        add_unwritten(o, n, is_copy ? &answer->copies[i++].id : NULL);
    }
    o->down_last = answer->down_last;
    o->down_written = answer->down_written;
    o->down_final = list_is_empty(&o->downs) ? o->down_last : down_at(list_first(&o->downs))->n - 1;
    if (o->up_taken > answer->up_taken && o->on_taken)
        o->on_taken(o);
    return ERR_OK;
}
