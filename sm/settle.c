/* The counter in place of a gate's f (settle.h). Only for a session whose room runs out: gates that are there say f within a second, and a commit
 * for each of their frames would be a waste. */
#include "sm/settle.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/acks.h"
#include "sm/session_parts.h"
#include "sm/store/store.h"

enum { MUCH = CHANNEL_MAX_UNFINAL / 4 * 3 };

struct job {
    struct sm *sm;
    uint8_t sender[FRAME_SESSION_BYTES], recipient[FRAME_SESSION_BYTES];
    uint64_t n;
};

static struct session *find(const struct sm *sm, const uint8_t id[FRAME_SESSION_BYTES])
{
    return table_get(&sm->sessions, str_of(id, FRAME_SESSION_BYTES));
}

/* The session whose f the oldest frame waits for. */
static struct session *awaited(const struct session *s)
{
    const struct channel_down *d;

    if (list_is_empty(&s->channel.downs))
        return NULL;
    d = CONTAINER_OF(list_first(&s->channel.downs), struct channel_down, at);
    if (!d->is_written || d->pins > 0)
        return NULL;
    if (d->origin && d->origin->owner)
        return CONTAINER_OF(d->origin->owner, struct session, channel);
    return d->is_known ? find(s->sm, d->id.session) : NULL;
}

static void on_counted(void *owner, enum err e, int64_t changes)
{
    struct job *j = owner;
    struct session *sender = find(j->sm, j->sender), *s = find(j->sm, j->recipient);

    if (sender) {
        sender->is_counting = false;
        if (e == ERR_OK && changes > 0)
            channel_owner_stored(&sender->channel, j->n);
        else if (e != ERR_OK)
            log_error("counter of a session not stored", kv_err(e), kv_text("session", sender->id_text));
    }
    if (s && e == ERR_OK && channel_owner_finish(&s->channel)) {
        acks_owe(s);
        queue_pump(s);
        settle_help(s); /* the next may wait for another */
    }
    mem_free(j);
}

void settle_help(struct session *s)
{
    struct session *sender;
    struct store_tx *tx;
    struct job *j;

    if (s->channel.down_last - s->channel.down_final < MUCH || (sender = awaited(s)) == NULL)
        return;
    if (sender->is_counting || sender->channel.up_taken <= sender->channel.up_final)
        return;
    sender->is_counting = true;
    j = mem_new(struct job);
    j->sm = s->sm;
    memcpy(j->sender, sender->id, sizeof j->sender);
    memcpy(j->recipient, s->id, sizeof j->recipient);
    j->n = sender->channel.up_taken;
    tx = store_begin(s->sm->store);
    store_add(tx, STORE_SESSION_UP);
    store_bind_int(tx, (int64_t)j->n);
    store_bind_blob(tx, str_of(j->sender, sizeof j->sender));
    store_submit(tx, on_counted, j);
}
