/* Operations of a connection that is open, on the loop. libldap is asked only for what is there:
 * the descriptor does not block, and every wait is libuv's. */
#include "sm/directory/conn.h"

#include "common/mem.h"

static bool is_text(const struct berval *value)
{
    for (size_t i = 0; i < value->bv_len; i++)
        if (value->bv_val[i] <= ' ' || value->bv_val[i] > '~')
            return false;
    return value->bv_len > 0;
}

/* entryUUID is text; objectGUID is 16 bytes, which may look like text: then they are no UUID. */
static void keep_key(struct dir_conn *c, const struct berval *value)
{
    enum { GUID_BYTES = 16, MAX_KEY_BYTES = 255 };
    struct str bytes = str_of(value->bv_val, value->bv_len);

    if (value->bv_len == 0 || value->bv_len > MAX_KEY_BYTES)
        return;
    if (value->bv_len != GUID_BYTES && is_text(value))
        buf_add(&c->key, bytes);
    else
        buf_add_hex(&c->key, bytes);
}

/* An attribute with several values is nobody's key. */
static void take_entry(struct dir_conn *c, LDAPMessage *entry)
{
    struct berval **values;
    char *dn;

    if (++c->entries > 1)
        return;
    if ((dn = ldap_get_dn(c->ld, entry))) {
        buf_add(&c->dn, str_from(dn));
        buf_add_char(&c->dn, '\0');
        c->dn.n--;
    }
    ldap_memfree(dn);
    values = ldap_get_values_len(c->ld, entry, c->key_attribute ? c->key_attribute : "1.1");
    if (values && ldap_count_values_len(values) == 1)
        keep_key(c, values[0]);
    ldap_value_free_len(values);
}

static void finish(struct dir_conn *c, struct dir_answer *answer)
{
    dir_done_fn *done = c->done;

    timer_stop(&c->timer);
    c->is_busy = c->is_probing = false;
    c->msgid = -1;
    c->done = NULL;
    answer->entries = c->entries;
    answer->dn = buf_str(&c->dn);
    answer->key = buf_str(&c->key);
    done(c, answer);
}

static void read_policy(struct dir_conn *c, LDAPControl **controls, struct directory_policy *out)
{
    LDAPControl *control = ldap_control_find(LDAP_CONTROL_PASSWORDPOLICYRESPONSE, controls, NULL);
    ber_int_t expire, grace;
    LDAPPasswordPolicyError error = PP_noError;

    if (!control || ldap_parse_passwordpolicy_control(c->ld, control, &expire, &grace, &error) !=
                        LDAP_SUCCESS)
        return;
    out->is_there = true;
    out->error = (int)error;
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
    if (controls)
        read_policy(c, controls, &answer.policy);
    ldap_controls_free(controls);
    answer.diagnostic = text && text[0] ? text : NULL;
    finish(c, &answer);
    ldap_memfree(text);
    return true;
}

/* true: the operation is over. References to other servers are not followed. */
static bool take_message(struct dir_conn *c, LDAPMessage *message)
{
    if (!c->is_busy || ldap_msgid(message) != c->msgid)
        return false; /* a notice of disconnection: the end of the stream follows */
    switch (ldap_msgtype(message)) {
    case LDAP_RES_SEARCH_ENTRY:
        take_entry(c, message);
        return false;
    case LDAP_RES_SEARCH_RESULT:
    case LDAP_RES_BIND:
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
    int fd = -1;

    c->ld = take_ld;
    c->timers = timers;
    c->owner = owner;
    c->lost = lost;
    c->freed = freed;
    c->msgid = -1;
    list_init(&c->at);
    timer_init(&c->timer, on_timer);
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

    buf_fini(&c->dn);
    buf_fini(&c->key);
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
    buf_clear(&c->dn);
    buf_clear(&c->key);
    timer_set(c->timers, &c->timer, (uint64_t)timeout_ms);
    return true;
}

static int search(struct dir_conn *c, const char *base, int scope, const char *filter,
                  char **attributes, int64_t timeout_ms)
{
    enum { TWO_ENTRIES = 2 };
    struct timeval limit = { .tv_sec = (timeout_ms + 999) / 1000 };

    return ldap_search_ext(c->ld, base, scope, filter, attributes, 0, NULL, NULL, &limit,
                           TWO_ENTRIES, &c->msgid);
}

bool dir_conn_search(struct dir_conn *c, const struct directory_options *o, const char *filter,
                     dir_done_fn *done)
{
    char *attributes[] = { (char *)o->key_attribute, NULL };
    int scope = o->scope == DIRECTORY_ONE_LEVEL ? LDAP_SCOPE_ONELEVEL : LDAP_SCOPE_SUBTREE;

    c->key_attribute = o->key_attribute;
    return begin(c, search(c, o->base, scope, filter, attributes, o->search_ms), o->search_ms,
                 done);
}

bool dir_conn_probe(struct dir_conn *c, int64_t timeout_ms, dir_done_fn *done)
{
    char none[] = LDAP_NO_ATTRS, *attributes[] = { none, NULL };

    c->key_attribute = NULL;
    if (!begin(c, search(c, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, timeout_ms),
               timeout_ms, done))
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
