/* Who fills a queue (share.h). Bytes are counted since the queue was empty last: what else waits
 * came from others in that time. */
#include "router/share.h"

#include "common/mem.h"

struct share {
    unsigned violations;
    uint64_t empties;      /* of session managers: how often their queue was found empty */
    const struct link *to; /* whose queue the bytes are in */
    uint64_t since;        /* its empties then */
    uint64_t bytes;
};

void share_begin(struct link *l)
{
    link_set_data(l, mem_new(struct share));
}

void share_end(struct link *l)
{
    mem_free(link_data(l));
    link_set_data(l, NULL);
}

unsigned share_violated(struct link *l)
{
    struct share *s = link_data(l);

    return ++s->violations;
}

static uint64_t bytes_of(const struct link *l, const struct link *to)
{
    const struct share *s = link_data(l), *queue = link_data(to);

    return s->to == to && s->since == queue->empties ? s->bytes : 0;
}

static void end_largest(struct router *r, const struct link *to)
{
    struct link *l, *largest = NULL;

    for (size_t at = 0; (l = links_next(r->links, &at));)
        if (link_role(l) != LINK_ROLE_SM && (!largest || bytes_of(l, to) > bytes_of(largest, to)))
            largest = l;
    /* What one put there that is gone already still waits: the next must not pay for it. */
    if (largest && bytes_of(largest, to) > (uint64_t)r->conf->link.queue_limit / 4)
        link_refuse(largest, "it floods a session manager");
}

void share_sent(struct router *r, struct link *from, struct link *to, size_t bytes)
{
    struct share *s = link_data(from), *queue = link_data(to);
    size_t waiting = link_queued_bytes(to);

    if (waiting <= bytes)
        queue->empties++;
    if (s->to != to || s->since != queue->empties)
        *s = (struct share){ s->violations, s->empties, to, queue->empties, 0 };
    s->bytes += bytes;
    if (waiting > (size_t)r->conf->link.queue_limit / 2)
        end_largest(r, to);
}
