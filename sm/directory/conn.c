/* Operations of a connection that is open, on the loop. libldap is asked only for what is there:
 * the descriptor does not block, and every wait is libuv's. */
#include "sm/directory/conn.h"

#include "common/mem.h"
#include "sm/directory/sync.h"

#include <string.h>

#define DIR_NOTIFICATION_OID "1.2.840.113556.1.4.528"

enum { MAX_INCOMING_BYTES = 16 * 1024 * 1024 };

static size_t count_attributes(struct dir_conn *c, LDAPMessage *entry)
{
    BerElement *ber = NULL;
    size_t n = 0;

    for (char *name = ldap_first_attribute(c->ld, entry, &ber); name;
         name = ldap_next_attribute(c->ld, entry, ber), n++)
        ldap_memfree(name);
    ber_free(ber, 0);
    return n;
}

static struct directory_attribute read_values(struct dir_conn *c, LDAPMessage *entry,
                                              const char *name)
{
    struct berval **from = ldap_get_values_len(c->ld, entry, name);
    size_t n = (size_t)ldap_count_values_len(from);
    struct str *values = arena_alloc(&c->arena, n * sizeof *values);

    for (size_t i = 0; i < n; i++)
        values[i] = arena_str(&c->arena, str_of(from[i]->bv_val, from[i]->bv_len));
    ldap_value_free_len(from);
    return (struct directory_attribute){ arena_str(&c->arena, str_from(name)), n, values };
}

static struct directory_entry read_entry(struct dir_conn *c, LDAPMessage *entry)
{
    size_t most = count_attributes(c, entry), n = 0;
    struct directory_attribute *attributes = arena_alloc(&c->arena, most * sizeof *attributes);
    BerElement *ber = NULL;
    char *dn = ldap_get_dn(c->ld, entry);
    struct directory_entry e = { .attributes = attributes };

    for (char *name = ldap_first_attribute(c->ld, entry, &ber); name;
         name = ldap_next_attribute(c->ld, entry, ber)) {
        if (n < most)
            attributes[n++] = read_values(c, entry, name);
        ldap_memfree(name);
    }
    ber_free(ber, 0);
    e.count = n;
    e.dn = arena_str(&c->arena, str_from(dn ? dn : ""));
    ldap_memfree(dn);
    return e;
}

static void take_entry(struct dir_conn *c, LDAPMessage *message)
{
    struct directory_entry e;

    c->entries++;
    timer_set(c->timers, &c->timer, (uint64_t)c->timeout_ms);
    if (!c->entry)
        return;
    e = read_entry(c, message);
    c->entry(c, &e);
    arena_wipe(&c->arena);
    arena_reset(&c->arena);
}

static void finish(struct dir_conn *c, struct dir_answer *answer)
{
    dir_done_fn *done = c->done;

    timer_stop(&c->timer);
    c->is_busy = c->is_probing = false;
    c->msgid = -1;
    c->done = NULL;
    c->entry = NULL;
    c->changed = NULL;
    answer->entries = c->entries;
    answer->cookie = buf_str(&c->cookie);
    done(c, answer);
}

static void read_policy(struct dir_conn *c, LDAPControl **controls, struct directory_policy *out)
{
    LDAPControl *control = ldap_control_find(LDAP_CONTROL_PASSWORDPOLICYRESPONSE, controls, NULL);
    ber_int_t expire, grace;
    LDAPPasswordPolicyError error = PP_noError;

    if (!control ||
        ldap_parse_passwordpolicy_control(c->ld, control, &expire, &grace, &error) != LDAP_SUCCESS)
        return;
    out->is_there = true;
    out->error = (int)error;
}

/* RFC 2696 §3. */
static void read_cookie(struct dir_conn *c, LDAPControl **controls)
{
    LDAPControl *control = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
    struct berval cookie = { 0 };
    ber_int_t estimate;

    if (!control ||
        ldap_parse_pageresponse_control(c->ld, control, &estimate, &cookie) != LDAP_SUCCESS)
        return;
    buf_add(&c->cookie, str_of(cookie.bv_val, cookie.bv_len));
    ber_memfree(cookie.bv_val);
}

/* true: the operation is over; the connection may be gone. */
static bool take_result(struct dir_conn *c, LDAPMessage *message)
{
    struct dir_answer answer = { .end = DIR_DONE };
    LDAPControl **controls = NULL;
    char *text = NULL;

    if (ldap_parse_result(c->ld, message, &answer.code, NULL, &text, NULL, &controls, 0) !=
        LDAP_SUCCESS)
        answer.end = DIR_LOST;
    if (controls) {
        read_policy(c, controls, &answer.policy);
        read_cookie(c, controls);
    }
    ldap_controls_free(controls);
    answer.diagnostic = text && text[0] ? text : NULL;
    finish(c, &answer);
    ldap_memfree(text);
    return true;
}

/* --- changes ----------------------------------------------------------------------------------- */

static struct str control_value(LDAPControl **controls, const char *oid)
{
    LDAPControl *control = controls ? ldap_control_find(oid, controls, NULL) : NULL;

    return control ? str_of(control->ldctl_value.bv_val, control->ldctl_value.bv_len) : STR_NONE;
}

/* Without the control of RFC 4533 it is Active Directory's way: each entry is news. */
static void take_change(struct dir_conn *c, LDAPMessage *message)
{
    LDAPControl **controls = NULL;
    struct dir_change change = { .uuid = STR_NONE, .is_old = !c->is_refreshed };
    uint8_t uuid[SYNC_UUID_BYTES];
    enum sync_state state = SYNC_MODIFY;
    struct directory_entry e;
    struct str value;

    c->entries++;
    if (!c->is_refreshed)
        timer_set(c->timers, &c->timer, (uint64_t)c->timeout_ms);
    ldap_get_entry_controls(c->ld, message, &controls);
    value = control_value(controls, LDAP_CONTROL_SYNC_STATE);
    if (str_is_set(value) && sync_state_read(value, &state, uuid, &c->cookie) == ERR_OK)
        change.uuid = str_of(uuid, sizeof uuid);
    ldap_controls_free(controls);
    e = read_entry(c, message);
    change.e = state == SYNC_DELETE ? NULL : &e;
    c->changed(c, &change);
    arena_reset(&c->arena);
}

static void take_info(struct dir_conn *c, LDAPMessage *message)
{
    struct dir_change change = { .uuid = STR_NONE, .is_old = !c->is_refreshed };
    struct sync_info info = { 0 };
    struct berval *value = NULL;
    char *oid = NULL;

    if (ldap_parse_intermediate(c->ld, message, &oid, &value, NULL, 0) == LDAP_SUCCESS && oid &&
        strcmp(oid, LDAP_SYNC_INFO) == 0 && value &&
        sync_info_read(str_of(value->bv_val, value->bv_len), &info, &c->cookie) != ERR_OK)
        info = (struct sync_info){ 0 };
    ldap_memfree(oid);
    ber_bvfree(value);
    if (info.is_refreshed && !c->is_refreshed) {
        c->is_refreshed = true;
        timer_stop(&c->timer);
    }
    change.is_anything = info.has_ids;
    c->changed(c, &change);
}

/* true: the operation is over. References to other servers are not followed. */
static bool take_message(struct dir_conn *c, LDAPMessage *message)
{
    if (!c->is_busy || ldap_msgid(message) != c->msgid)
        return false; /* a notice of disconnection: the end of the stream follows */
    switch (ldap_msgtype(message)) {
    case LDAP_RES_SEARCH_ENTRY:
        if (c->changed)
            take_change(c, message);
        else
            take_entry(c, message);
        return c->is_closing;
    case LDAP_RES_INTERMEDIATE:
        if (c->changed)
            take_info(c, message);
        return c->is_closing;
    case LDAP_RES_SEARCH_RESULT:
    case LDAP_RES_BIND:
    case LDAP_RES_EXTENDED: /* Samba refuses a control so, whatever was asked */
        return take_result(c, message);
    default:
        return false;
    }
}

static void tell_lost(struct dir_conn *c)
{
    struct dir_answer answer = { .end = DIR_LOST };

    uv_poll_stop(&c->poll);
    if (c->is_busy)
        finish(c, &answer);
    else
        c->lost(c);
}

/* One event may bring several messages, libldap keeps what it has read. Behind the end of an
 * operation the connection may be gone, or busy with the next: the loop comes again, as the
 * descriptor is readable as long as something is in the kernel, and nothing of this connection is
 * unanswered that could be in libldap. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct dir_conn *c = CONTAINER_OF(poll, struct dir_conn, poll);
    struct timeval now = { 0 };
    LDAPMessage *message;
    bool is_over = false;
    int rc = status < 0 ? -1 : 0;

    while (rc >= 0 && !is_over) {
        message = NULL;
        rc = ldap_result(c->ld, LDAP_RES_ANY, LDAP_MSG_ONE, &now, &message);
        if (rc <= 0)
            break;
        is_over = take_message(c, message);
        ldap_msgfree(message);
    }
    if (!is_over && (rc < 0 || (events & UV_DISCONNECT)))
        tell_lost(c);
}

static void on_timer(struct timer *t)
{
    struct dir_conn *c = CONTAINER_OF(t, struct dir_conn, timer);
    struct dir_answer answer = { .end = DIR_TIMEOUT };

    finish(c, &answer);
}

struct dir_conn *dir_conn_new(uv_loop_t *loop, struct timers *timers, LDAP *take_ld,
                              void (*lost)(struct dir_conn *c), void (*freed)(void *owner),
                              void *owner)
{
    struct dir_conn *c = mem_new(struct dir_conn);
    ber_len_t most = MAX_INCOMING_BYTES;
    Sockbuf *sockbuf = NULL;
    int fd = -1;

    c->ld = take_ld;
    c->timers = timers;
    c->owner = owner;
    c->lost = lost;
    c->freed = freed;
    c->msgid = -1;
    list_init(&c->at);
    timer_init(&c->timer, on_timer);
    if (ldap_get_option(c->ld, LDAP_OPT_SOCKBUF, &sockbuf) == LDAP_OPT_SUCCESS && sockbuf)
        ber_sockbuf_ctrl(sockbuf, LBER_SB_OPT_SET_MAX_INCOMING, &most);
    ASSERT(ldap_get_option(c->ld, LDAP_OPT_DESC, &fd) == LDAP_OPT_SUCCESS);
    ASSERT(uv_poll_init(loop, &c->poll, fd) == 0);
    ASSERT(uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, on_poll) == 0);
    return c;
}

static void on_closed(uv_handle_t *handle)
{
    struct dir_conn *c = CONTAINER_OF((uv_poll_t *)handle, struct dir_conn, poll);
    void (*freed)(void *owner) = c->freed;
    void *owner = c->owner;

    arena_fini(&c->arena);
    buf_fini(&c->cookie);
    mem_free(c);
    freed(owner);
}

/* libuv lets go of the descriptor in uv_close, before libldap closes it. It may be libldap that
 * called us (take_message): it goes when that has returned, with the loop's next turn. */
static void on_handle_closed(uv_handle_t *handle)
{
    struct dir_conn *c = CONTAINER_OF((uv_poll_t *)handle, struct dir_conn, poll);

    ldap_unbind_ext(c->ld, NULL, NULL);
    on_closed(handle);
}

void dir_conn_close(struct dir_conn *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    list_remove(&c->at);
    timer_stop(&c->timer);
    uv_close((uv_handle_t *)&c->poll, on_handle_closed);
}

static bool begin(struct dir_conn *c, int rc, int64_t timeout_ms, dir_done_fn *done)
{
    if (rc != LDAP_SUCCESS)
        return false;
    c->is_busy = true;
    c->done = done;
    c->entries = 0;
    c->timeout_ms = timeout_ms;
    buf_clear(&c->cookie);
    timer_set(c->timers, &c->timer, (uint64_t)timeout_ms);
    return true;
}

static int scope_of(int scope)
{
    static const int scopes[] = { [DIRECTORY_SUBTREE] = LDAP_SCOPE_SUBTREE,
                                  [DIRECTORY_ONE_LEVEL] = LDAP_SCOPE_ONELEVEL,
                                  [DIRECTORY_BASE] = LDAP_SCOPE_BASE };

    return scopes[scope];
}

/* The server's limit of time is ours, for a search that is answered at once; one in pages may take
 * longer, as long as it goes on. */
bool dir_conn_search(struct dir_conn *c, const struct dir_request *r, dir_done_fn *done)
{
    struct timeval limit = { .tv_sec = (r->timeout_ms + 999) / 1000 };
    struct berval cookie = { .bv_len = r->cookie.n, .bv_val = (char *)(uintptr_t)r->cookie.p };
    LDAPControl *page = NULL, *controls[] = { NULL, NULL };
    int rc = LDAP_SUCCESS;

    if (r->page > 0)
        rc = ldap_create_page_control(c->ld, (ber_int_t)r->page, r->cookie.n > 0 ? &cookie : NULL,
                                      1, &page);
    controls[0] = page;
    if (rc == LDAP_SUCCESS)
        rc = ldap_search_ext(c->ld, r->base, scope_of(r->scope), r->filter,
                             (char **)(uintptr_t)r->attributes, 0, controls, NULL,
                             r->page > 0 ? NULL : &limit, (int)r->max_entries, &c->msgid);
    ldap_control_free(page);
    c->entry = r->entry;
    return begin(c, rc, r->timeout_ms, done);
}

bool dir_conn_watch(struct dir_conn *c, const struct dir_request *r, enum dir_watch how,
                    void (*changed)(struct dir_conn *c, const struct dir_change *change),
                    dir_done_fn *done)
{
    struct buf value = { 0 };
    LDAPControl control = { .ldctl_oid = (char *)LDAP_CONTROL_SYNC, .ldctl_iscritical = 1 };
    LDAPControl *controls[] = { &control, NULL };
    bool is_begun;
    int rc;

    if (how == DIR_WATCH_NOTIFY)
        control.ldctl_oid = (char *)DIR_NOTIFICATION_OID;
    else
        sync_request_write(&value, r->cookie);
    control.ldctl_value = (struct berval){ .bv_len = value.n, .bv_val = value.p };
    rc = ldap_search_ext(c->ld, r->base, scope_of(r->scope), r->filter,
                         (char **)(uintptr_t)r->attributes, 0, controls, NULL, NULL, 0, &c->msgid);
    buf_fini(&value);
    is_begun = begin(c, rc, r->timeout_ms, done);
    if (!is_begun)
        return false;
    c->changed = changed;
    c->is_refreshed = how == DIR_WATCH_NOTIFY; /* it tells nothing but news */
    buf_add(&c->cookie, r->cookie);
    if (c->is_refreshed)
        timer_stop(&c->timer);
    return true;
}

bool dir_conn_probe(struct dir_conn *c, int64_t timeout_ms, dir_done_fn *done)
{
    static const char *const none[] = { LDAP_NO_ATTRS, NULL };
    const struct dir_request r = { .base = "",
                                   .scope = DIRECTORY_BASE,
                                   .filter = "(objectClass=*)",
                                   .attributes = none,
                                   .timeout_ms = timeout_ms };

    if (!dir_conn_search(c, &r, done))
        return false;
    c->is_probing = true;
    return true;
}

bool dir_conn_bind(struct dir_conn *c, int64_t timeout_ms, const char *dn, struct str password,
                   dir_done_fn *done)
{
    struct berval value = { .bv_len = password.n, .bv_val = (char *)password.p };
    LDAPControl ask = { .ldctl_oid = (char *)LDAP_CONTROL_PASSWORDPOLICYREQUEST };
    LDAPControl *controls[] = { &ask, NULL };
    int rc;

    /* Without either it would be anonymous, and succeed: RFC 4513 §5.1. */
    ASSERT(dn && dn[0] && password.n > 0);
    rc = ldap_sasl_bind(c->ld, dn, LDAP_SASL_SIMPLE, &value, controls, NULL, &c->msgid);
    return begin(c, rc, timeout_ms, done);
}
