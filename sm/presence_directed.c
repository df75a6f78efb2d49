/* Directed presence: whom a resource has told that it is there, so that they hear when it is gone.
 * RFC 6121 §4.6. */
#include "common/mem.h"
#include "sm/deliver.h"
#include "sm/presence_parts.h"

static struct session_directed *find(const struct session *s, struct str full)
{
    LIST_FOR_EACH(at, &s->directed)
    {
        struct session_directed *d = CONTAINER_OF(at, struct session_directed, at);

        if (str_eq(d->to.full, full))
            return d;
    }
    return NULL;
}

static void drop(struct session *s, struct session_directed *d)
{
    list_remove(&d->at);
    s->directed_count--;
    mem_free((char *)d->to.full.p);
    mem_free(d);
}

bool presence_remember(struct session *s, struct str full)
{
    struct session_directed *d;

    if (s->directed_count >= PRESENCE_MAX_DIRECTED)
        return false;
    d = mem_new(struct session_directed);
    jid_split(str_of(str_dup(full), full.n), &d->to);
    list_push_back(&s->directed, &d->at);
    s->directed_count++;
    return true;
}

void presence_forget_one(struct session *s, struct session_directed *d)
{
    drop(s, d);
}

void presence_forget_all(struct session *s)
{
    LIST_FOR_EACH_SAFE(at, following, &s->directed)
    drop(s, CONTAINER_OF(at, struct session_directed, at));
}

bool presence_forget(struct session *s, const struct jid *to)
{
    struct session_directed *d = find(s, to->full);

    if (d)
        drop(s, d);
    return d != NULL;
}

bool presence_is_directed(const struct session *s, const struct jid *to)
{
    return s->directed_count && (find(s, to->full) || find(s, to->bare));
}

/* §4.6.3: those who get the broadcasts anyway (1) need not be remembered; all others (2, 3) are. */
static bool is_broadcast_to(const struct session *s, const struct jid *to)
{
    return session_is_available(s) && roster_may_see(s->account, to);
}

void presence_directed(struct session *s, struct stanza *presence, struct origin *origin)
{
    bool is_changed = false;

    if (presence->type == TYPE_UNAVAILABLE) {
        is_changed = presence_forget(s, &presence->to);
    } else if (!is_broadcast_to(s, &presence->to) && !find(s, presence->to.full)) {
        if (!presence_remember(s, presence->to.full)) {
            deliver_error(s->sm, presence, STANZA_RESOURCE_CONSTRAINT, STR_NONE, origin);
            return;
        }
        is_changed = true;
    }
    if (is_changed)
        session_save(s, origin);
    deliver(s->sm, presence, origin);
}
