/* The gate's end of a channel: what it keeps until it is taken over, what it remembers until it is
 * final. LINK.md §6. */
#include "proto/channel.h"

#include "common/mem.h"

enum { FEW_COPIES = 8 }; /* an idle session keeps room for so many, no more */

void channel_gate_init(struct channel_gate *g, uint64_t epoch)
{
    *g = (struct channel_gate){ .epoch = epoch };
    list_init(&g->kept);
}

static void forget_kept(struct channel_gate *g, struct channel_kept *k)
{
    g->kept_bytes -= k->payload->n;
    list_remove(&k->at);
    bytes_unref(k->payload);
    mem_free(k);
}

void channel_gate_fini(struct channel_gate *g)
{
    LIST_FOR_EACH_SAFE (item, following, &g->kept)
        forget_kept(g, CONTAINER_OF(item, struct channel_kept, at));
    mem_free(g->copies);
    g->copies = NULL;
    g->copy_first = g->copy_count = g->copy_cap = 0;
}

/* --- up --------------------------------------------------------------------------------------- */

uint64_t channel_gate_push(struct channel_gate *g, struct bytes *payload)
{
    struct channel_kept *k = mem_new(struct channel_kept);

    k->n = ++g->up_last;
    k->payload = bytes_ref(payload);
    g->kept_bytes += payload->n;
    list_push_back(&g->kept, &k->at);
    return k->n;
}

bool channel_gate_is_open(const struct channel_gate *g, const struct channel_window *w)
{
    return list_is_empty(&g->kept) ||
           (g->up_last - g->up_taken < w->max_frames && g->kept_bytes < w->max_bytes);
}

/* --- down ------------------------------------------------------------------------------------- */

static bool is_id(const struct frame_id *id)
{
    static const uint8_t none[FRAME_SESSION_BYTES];

    return id && (id->count != 0 || id->part != 0 || memcmp(id->session, none, sizeof none) != 0);
}

static void remember(struct channel_gate *g, uint64_t n, const struct frame_id *id)
{
    if (g->copy_first + g->copy_count == g->copy_cap) {
        if (g->copy_first > g->copy_cap / 2) {
            memmove(g->copies, g->copies + g->copy_first, g->copy_count * sizeof *g->copies);
            g->copy_first = 0;
        } else {
            g->copy_cap = g->copy_cap ? g->copy_cap * 2 : FEW_COPIES;
            g->copies = mem_realloc(g->copies, g->copy_cap * sizeof *g->copies);
        }
    }
    g->copies[g->copy_first + g->copy_count++] = (struct channel_copy){ .n = n, .id = *id };
}

/* An owner keeps to CHANNEL_MAX_UNFINAL; one that does not is not followed further, so that nothing
 * here grows without limit. */
enum channel_verdict channel_gate_down(struct channel_gate *g, uint64_t e, uint64_t n,
                                       const struct frame_id *id_or_null)
{
    if (e != g->epoch || n != g->down_last + 1)
        return CHANNEL_DROP;
    if (is_id(id_or_null)) {
        if (g->copy_count >= CHANNEL_MAX_UNFINAL)
            return CHANNEL_DROP;
        remember(g, n, id_or_null);
    }
    g->down_last = n;
    return CHANNEL_TAKE;
}

static void forget_copies(struct channel_gate *g, uint64_t f)
{
    while (g->copy_count > 0 && g->copies[g->copy_first].n <= f) {
        g->copy_first++;
        g->copy_count--;
    }
    if (g->copy_count > 0)
        return;
    g->copy_first = 0;
    if (g->copy_cap > FEW_COPIES) {
        mem_free(g->copies);
        g->copies = NULL;
        g->copy_cap = 0;
    }
}

bool channel_gate_confirm(struct channel_gate *g, uint64_t e, uint64_t h, uint64_t f)
{
    if (e != g->epoch)
        return false;
    if (f > g->down_final && f <= g->down_written) {
        g->down_final = f;
        forget_copies(g, f);
    }
    if (h <= g->up_taken || h > g->up_last)
        return false;
    g->up_taken = h;
    while (!list_is_empty(&g->kept)) {
        struct channel_kept *k = CONTAINER_OF(list_first(&g->kept), struct channel_kept, at);

        if (k->n > h)
            break;
        forget_kept(g, k);
    }
    return true;
}

void channel_gate_written(struct channel_gate *g, uint64_t n)
{
    ASSERT(n <= g->down_last);
    if (n > g->down_written)
        g->down_written = n;
}

/* --- a new owner ------------------------------------------------------------------------------ */

bool channel_gate_sync(struct channel_gate *g, uint64_t e)
{
    if (e < g->epoch)
        return false;
    g->epoch = e;
    return true;
}
