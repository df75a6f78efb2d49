/* The session's row: what a later owner needs (ARCHITECTURE §5). */
#include "sm/session_parts.h"

#include "common/bytes.h"
#include "common/log.h"
#include "common/mem.h"
#include "sm/incident.h"
#include "sm/presence.h"
#include "sm/store/store.h"

void session_row_put(struct session *s, void (*done)(void *owner, enum err e, int64_t changes), void *owner)
{
    struct store_tx *tx = store_begin(s->sm->store);

    store_add(tx, STORE_SESSION_NEW);
    store_bind_int(tx, sm_slot_of(s->sm, s->home->jid.bare));
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_bind_text(tx, s->home->jid.bare);
    store_bind_text(tx, str_from(s->c2s));
    store_bind_text(tx, str_from(s->conn));
    store_bind_text(tx, str_from(s->addr));
    store_bind_int(tx, s->opened_us);
    store_submit(tx, done, owner);
}

void session_row_bind(struct session *s, struct str resource, void (*done)(void *owner, enum err e, int64_t changes), void *owner)
{
    struct store_tx *tx = store_begin(s->sm->store);

    store_add(tx, STORE_SESSION_BIND);
    store_bind_text(tx, resource);
    store_bind_int(tx, (int64_t)s->channel.up_taken);
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_submit(tx, done, owner);
}

void session_row_delete(struct session *s, void (*done)(void *owner, enum err e, int64_t changes), void *owner)
{
    struct store_tx *tx = store_begin(s->sm->store);

    incident_add_end(tx, s);
    store_add(tx, STORE_QUEUE_CLEAR);
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_add(tx, STORE_SESSION_DELETE);
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_submit(tx, done, owner);
}

/* --- what RFC 6121 keeps, and what extensions do ------------------------------------------------------------------ */

/* The column interested: what its client has asked for. */
enum { ROW_ROSTER = 1, ROW_ROSTER_VERSION = 2, ROW_CARBONS = 4, ROW_BLOCKLIST = 8, ROW_INACTIVE = 16 };

static int64_t wishes_of(const struct session *s)
{
    return (s->is_interested ? ROW_ROSTER : 0) | (s->has_roster_version ? ROW_ROSTER_VERSION : 0) | (s->has_carbons ? ROW_CARBONS : 0) |
           (s->wants_blocklist ? ROW_BLOCKLIST : 0) | (s->csi.is_inactive ? ROW_INACTIVE : 0);
}

/* One JID a line: no JID holds a line end (RFC 7622). */
static void write_directed(struct buf *out, const struct session *s)
{
    LIST_FOR_EACH (at, &s->directed) {
        buf_add(out, CONTAINER_OF(at, struct session_directed, at)->to.full);
        buf_add_char(out, '\n');
    }
}

static void on_saved(void *owner, enum err e, int64_t changes)
{
    (void)changes;
    if (e != ERR_OK)
        log_error("session not stored", kv_err(e));
    origin_unref(owner);
}

void session_save(struct session *s, struct origin *origin)
{
    struct store_tx *tx = store_begin(s->sm->store);
    struct buf directed = { 0 };

    write_directed(&directed, s);
    store_add(tx, STORE_SESSION_SAVE);
    store_bind_blob(tx, s->presence ? bytes_str(s->presence) : STR_NONE);
    store_bind_int(tx, s->priority);
    store_bind_int(tx, wishes_of(s));
    store_bind_text(tx, buf_str(&directed));
    store_bind_int(tx, (int64_t)s->channel.up_taken);
    store_bind_blob(tx, str_of(s->id, sizeof s->id));
    store_submit(tx, on_saved, origin_ref(origin));
    buf_fini(&directed);
}

/* --- loading ----------------------------------------------------------------------------------------------------- */

void session_row_read(struct store_rows *rows, struct session_row *out_row)
{
    *out_row = (struct session_row){ .id = store_text(rows, 0),
                                     .account = store_text(rows, 1),
                                     .c2s = store_text(rows, 2),
                                     .conn = store_text(rows, 3),
                                     .addr = store_text(rows, 4),
                                     .opened_us = store_int(rows, 5),
                                     .resource = store_text(rows, 6),
                                     .presence = store_text(rows, 7),
                                     .priority = store_int(rows, 8),
                                     .wishes = store_int(rows, 9),
                                     .directed = store_text(rows, 10),
                                     .up = store_int(rows, 11) };
}

static void restore(struct session *s, const struct session_row *row)
{
    struct str rest = row->directed;

    if (str_is_set(row->presence) && row->presence.n > 0)
        s->presence = bytes_new(row->presence);
    s->priority = (int8_t)row->priority;
    s->is_interested = (row->wishes & ROW_ROSTER) != 0;
    s->has_roster_version = (row->wishes & ROW_ROSTER_VERSION) != 0;
    s->has_carbons = (row->wishes & ROW_CARBONS) != 0;
    s->wants_blocklist = (row->wishes & ROW_BLOCKLIST) != 0;
    s->csi.is_inactive = s->csi.is_incomplete = (row->wishes & ROW_INACTIVE) != 0;
    while (str_is_set(rest) && rest.n > 0) {
        struct str one = str_cut(&rest, '\n');

        if (one.n > 0 && !presence_remember(s, one))
            log_warn("directed presence is not restored", kv_text("session", s->id_text));
    }
}

struct session *session_load(struct sm *sm, struct account *a, const struct session_row *row)
{
    struct session_seed seed = {
        .account = a, .c2s = row->c2s, .conn = row->conn, .addr = row->addr, .opened_us = row->opened_us
    };
    struct session *s;

    if (row->id.n != sizeof seed.id || !str_is_set(row->c2s) || !str_is_set(row->conn)) {
        log_error("session row makes no sense", kv_str("account", row->account));
        return NULL;
    }
    memcpy(seed.id, row->id.p, sizeof seed.id);
    s = session_new(sm, &seed);
    s->stored_up = (uint64_t)row->up;
    if (str_is_set(row->resource))
        session_attach(s, row->resource);
    restore(s, row);
    session_set_state(s, SESSION_LOADED);
    return s;
}
