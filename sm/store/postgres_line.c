/* The connection's coming and going: its phases, its socket, its timer, and when it is tried again.
 */
#include "sm/store/postgres.h"

#include "common/log.h"
#include "common/mem.h"

#include <gnutls/crypto.h>
#include <stdio.h>

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 3000 };

static const char *const phase_names[] = { "away",       "resolving", "dialling",
                                           "setting-up", "ready",     "undoing",
                                           "pausing",    "lost",      "closed" };

void pg_set_phase(struct pg_store *s, enum pg_phase phase)
{
    if (s->phase == phase)
        return;
    log_debug("the store's connection changes", kv_text("from", phase_names[s->phase]),
              kv_text("to", phase_names[phase]));
    s->phase = phase;
}

/* --- the socket ------------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

static void unwatch(struct pg_store *s)
{
    if (!s->poll)
        return;
    s->poll->data = NULL;
    uv_close((uv_handle_t *)s->poll, on_poll_closed);
    s->poll = NULL;
}

static void on_io(struct pg_store *s, int events)
{
    switch (s->phase) {
    case PG_DIALLING:
        pg_dial_io(s);
        break;
    case PG_SETTING_UP:
        pg_session_io(s);
        break;
    case PG_READY:
    case PG_UNDOING:
    case PG_PAUSING:
        pg_work_io(s, events);
        break;
    default:
        break;
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct pg_store *s = handle->data;

    if (s)
        on_io(s, status < 0 ? UV_READABLE | UV_WRITABLE : events);
}

void pg_watch(struct pg_store *s, int events)
{
    int fd = PQsocket(s->conn);

    if (s->poll && s->fd != fd)
        unwatch(s);
    if (!s->poll) {
        s->poll = mem_new(uv_poll_t);
        s->fd = fd;
        ASSERT(uv_poll_init(s->base.loop, s->poll, fd) == 0);
        s->poll->data = s;
    }
    ASSERT(uv_poll_start(s->poll, events, on_poll) == 0);
}

void pg_hang_up(struct pg_store *s)
{
    unwatch(s);
    if (s->conn)
        PQfinish(s->conn);
    s->conn = NULL;
}

/* --- coming and going ------------------------------------------------------------------------- */

void pg_on_ready(struct pg_store *s, uint64_t number)
{
    if (number < s->committed) {
        pg_on_refused(s, ERR_DENIED,
                      "the database has lost transactions that it had confirmed: it was restored, "
                      "or another server took over "
                      "without them");
        return;
    }
    s->backoff_ms = 0;
    s->retries = 0;
    s->batch_limit = s->in_flight > 0 || s->redo.first ? PG_CAREFUL_BATCH : PG_MAX_BATCH;
    pg_judge_unknown(s, number);
    s->committed = number;
    uv_timer_stop(&s->timer);
    pg_set_phase(s, PG_READY);
    if (s->is_busy_told)
        log_info("the store is back", kv_text("host", s->server.hosts[s->host]));
    s->is_busy_told = false;
    pg_pump(s);
    pg_close_if_idle(s);
}

static void on_timer(uv_timer_t *timer)
{
    struct pg_store *s = timer->data;

    switch (s->phase) {
    case PG_AWAY:
        pg_dial(s);
        break;
    case PG_RESOLVING:
    case PG_DIALLING:
        pg_dial_timeout(s);
        break;
    case PG_SETTING_UP:
        pg_session_timeout(s);
        break;
    case PG_PAUSING:
        pg_set_phase(s, PG_READY);
        pg_pump(s);
        break;
    default:
        break;
    }
}

void pg_set_timer(struct pg_store *s, uint64_t ms)
{
    uv_timer_start(&s->timer, on_timer, ms, 0);
}

/* Half of it is chance, so that many that lost one server do not come back at once. */
static uint64_t next_backoff(struct pg_store *s)
{
    uint32_t chance;
    uint64_t ms = s->backoff_ms ? s->backoff_ms * 2 : BACKOFF_MIN_MS;

    s->backoff_ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, &chance, sizeof chance) == 0);
    return s->backoff_ms / 2 + chance % (s->backoff_ms / 2 + 1);
}

/* In order: the next address, the next host, and from the first one again after a while. */
void pg_on_gone(struct pg_store *s, const char *why)
{
    bool was_ready = s->phase == PG_READY || s->phase == PG_UNDOING || s->phase == PG_PAUSING;
    bool is_round_over;

    snprintf(s->why, sizeof s->why, "%.*s", (int)strcspn(why, "\n"), why);
    pg_hang_up(s);
    if (was_ready) {
        log_warn("the store is away", kv_text("reason", s->why));
        s->is_busy_told = true;
        s->host = s->address = 0;
        is_round_over = true;
    } else {
        if (!s->is_opening)
            log_debug("the store cannot be reached", kv_text("host", s->server.hosts[s->host]),
                      kv_text("reason", s->why));
        is_round_over = ++s->address >= s->address_count;
        if (is_round_over) {
            s->address = s->address_count = 0;
            s->host = (s->host + 1) % s->server.host_count;
            is_round_over = s->host == 0;
        }
    }
    pg_set_phase(s, PG_AWAY);
    if (s->is_opening && is_round_over)
        s->is_opening = false;
    else
        pg_set_timer(s, is_round_over ? next_backoff(s) : 0);
}

void pg_on_refused(struct pg_store *s, enum err e, const char *why)
{
    snprintf(s->why, sizeof s->why, "%s", why);
    uv_timer_stop(&s->timer);
    pg_hang_up(s);
    pg_set_phase(s, PG_LOST);
    s->open_error = e;
    if (s->is_opening) {
        s->is_opening = false;
        return;
    }
    log_error("the store is lost", kv_text("reason", s->why));
    if (s->server.on_lost)
        s->server.on_lost(s->server.owner, s->why);
}
