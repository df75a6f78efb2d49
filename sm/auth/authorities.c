/* Whose client certificates a host believes, and the check of one: trust.c in the thread pool,
 * certificate.c for the accounts that it means, the store for whether they exist. */
#include "sm/auth/authorities.h"

#include "common/log.h"
#include "common/mem.h"

enum { MAX_CHECKS = 1024 }; /* each holds a chain; beyond it EXTERNAL is not offered for a while */

struct authority {
    char *host;
    struct trust *trust;
    enum certificate_rule rules[CERTIFICATE_RULE_COUNT];
    size_t rule_count;
    bool is_in_directory;
    bool was_stale_told, was_unreadable_told; /* since the files were last read */
};

struct authorities {
    struct authority *items;
    size_t count;
    uint32_t checks;
};

struct auth_certificate_check {
    uv_work_t work;
    struct auth *auth;
    char *host;
    struct str chain; /* a copy in the arena, which is the thread's while it works */
    struct arena arena;
    struct trust *trust; /* as it was; ours */
    struct trust *fresh; /* made by the thread, because the files have changed; or NULL */
    struct buf why;      /* … and could not be read */
    struct certificate_names names;
    struct str accounts[CERTIFICATE_MAX_ADDRESSES];
    size_t count, asked, found;
    const char *refusal;
    auth_certificate_fn *done; /* NULL: forgotten */
    void *owner;
};

/* --- the authorities of a process ------------------------------------------------------------- */

static struct authority *find(const struct auth *a, struct str host)
{
    const struct authorities *as = a->authorities;

    for (size_t i = 0; as && i < as->count; i++)
        if (str_is(host, as->items[i].host))
            return &as->items[i];
    return NULL;
}

bool auth_has_authority(const struct auth *a, struct str host)
{
    return find(a, host) != NULL;
}

static void clear(struct authority *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mem_free(items[i].host);
        trust_unref(items[i].trust);
    }
    mem_free(items);
}

void authorities_free(struct authorities *as)
{
    if (!as)
        return;
    clear(as->items, as->count);
    mem_free(as);
}

static enum err load(const struct auth_authority *from, struct authority *to, struct buf *why)
{
    struct trust_options options = { .ca_file = from->ca_file,
                                     .crl_files = from->crl_files,
                                     .crl_count = from->crl_count,
                                     .is_stale_ok = from->is_stale_ok };
    struct buf reason = { 0 };
    enum err e;

    to->host = mem_strdup(from->host);
    to->is_in_directory = from->directory != NULL;
    for (size_t i = 0; i < from->map_count && to->rule_count < CERTIFICATE_RULE_COUNT; i++)
        to->rule_count +=
            certificate_rule_find(str_from(from->map[i]), &to->rules[to->rule_count]);
    if (to->rule_count == 0)
        to->rules[to->rule_count++] = CERTIFICATE_XMPP_ADDR;
    if ((e = trust_new(&options, &to->trust, &reason)) != ERR_OK)
        buf_printf(why, "host \"%s\": %.*s", from->host, (int)reason.n, reason.p);
    buf_fini(&reason);
    return e;
}

/* Loud, and once: at a start, a reload, and when a login first meets it. */
static void tell_stale(struct authority *au)
{
    const char *file = trust_stale_file(au->trust, time(NULL));

    if (!file || au->was_stale_told)
        return;
    au->was_stale_told = true;
    log_error("a revocation list of client certificates is past its next update",
              kv_text("host", au->host), kv_text("file", file));
}

enum err auth_set_authorities(struct auth *a, const struct auth_authority *authorities,
                              size_t count, struct buf *why)
{
    struct authority *items = mem_alloc((count + 1) * sizeof *items);
    enum err e = ERR_OK;

    memset(items, 0, (count + 1) * sizeof *items);
    for (size_t i = 0; i < count && e == ERR_OK; i++)
        e = load(&authorities[i], &items[i], why);
    if (e != ERR_OK) {
        clear(items, count);
        return e;
    }
    if (!a->authorities)
        a->authorities = mem_new(struct authorities);
    clear(a->authorities->items, a->authorities->count);
    a->authorities->items = items;
    a->authorities->count = count;
    for (size_t i = 0; i < count; i++)
        tell_stale(&items[i]);
    return ERR_OK;
}

/* --- one check -------------------------------------------------------------------------------- */

static void check_free(struct auth_certificate_check *c)
{
    if (c->auth->authorities)
        c->auth->authorities->checks--;
    trust_unref(c->trust);
    trust_unref(c->fresh);
    buf_fini(&c->why);
    arena_fini(&c->arena);
    mem_free(c->host);
    auth_unref(c->auth);
    mem_free(c);
}

static void finish(struct auth_certificate_check *c)
{
    struct auth_certificate result = { .refusal = c->refusal,
                                       .accounts = c->accounts,
                                       .count = c->refusal ? 0 : c->found };

    if (c->done)
        c->done(c->owner, &result);
    check_free(c);
}

static void refuse(struct auth_certificate_check *c, const char *why)
{
    c->refusal = why;
    finish(c);
}

static void ask_next(struct auth_certificate_check *c);

static void on_row(void *owner, enum err e, struct store_rows *rows)
{
    struct auth_certificate_check *c = owner;

    if (e == ERR_OK && store_next(rows))
        c->accounts[c->found++] = c->accounts[c->asked];
    c->asked++;
    if (e != ERR_OK)
        refuse(c, "the store failed");
    else
        ask_next(c);
}

/* Which of them exist: XEP-0178 §2, step 11, counts registered accounts. */
static void ask_next(struct auth_certificate_check *c)
{
    struct store_tx *tx;

    if (!c->done || c->auth->is_closed || store_is_busy(c->auth->store)) {
        refuse(c, "the store is busy");
    } else if (c->asked == c->count) {
        refuse(c, c->found ? NULL : "no account of the certificate exists");
    } else {
        tx = store_begin(c->auth->store);
        store_add(tx, STORE_ACCOUNT_KEY);
        store_bind_text(tx, c->accounts[c->asked]);
        store_query(tx, on_row, c);
    }
}

static void find_accounts(struct auth_certificate_check *c, const struct authority *au)
{
    c->count = certificate_addresses(&c->names, au->rules, au->rule_count, str_from(c->host),
                                     &c->arena, c->accounts);
    if (c->count == 0) {
        refuse(c, "the certificate is for no account of this host");
    } else if (c->count > CERTIFICATE_MAX_ADDRESSES) {
        refuse(c, "the certificate is for too many accounts");
    } else if (au->is_in_directory) {
        c->found = c->count; /* made at the first login; the directory is asked then */
        finish(c);
    } else {
        ask_next(c);
    }
}

/* What the thread read anew is everybody's from now on, unless somebody was faster. */
static void settle_trust(struct auth_certificate_check *c, struct authority *au)
{
    if (c->fresh && au->trust == c->trust) {
        trust_unref(au->trust);
        au->trust = trust_ref(c->fresh);
        au->was_stale_told = au->was_unreadable_told = false;
        log_info("authorities or revocation lists of client certificates were read again",
                 kv_text("host", au->host));
    }
    if (c->why.n > 0 && !au->was_unreadable_told) {
        au->was_unreadable_told = true;
        log_error("authorities or revocation lists of client certificates have changed and cannot "
                  "be used: the old ones stay",
                  kv_text("host", au->host), kv_str("reason", buf_str(&c->why)));
    }
    tell_stale(au);
}

static void on_checked(uv_work_t *work, int status)
{
    struct auth_certificate_check *c = CONTAINER_OF(work, struct auth_certificate_check, work);
    struct authority *au = find(c->auth, str_from(c->host));

    if (au)
        settle_trust(c, au);
    if (status != 0 || !au || !c->done || c->auth->is_closed)
        refuse(c, "certificates of this host are not checked any more");
    else if (c->refusal)
        finish(c);
    else
        find_accounts(c, au);
}

static void on_work(uv_work_t *work)
{
    struct auth_certificate_check *c = CONTAINER_OF(work, struct auth_certificate_check, work);

    if (trust_is_changed(c->trust) && trust_again(c->trust, &c->fresh, &c->why) != ERR_OK)
        c->fresh = NULL;
    c->refusal =
        trust_check(c->fresh ? c->fresh : c->trust, c->chain, time(NULL), &c->arena, &c->names);
}

struct auth_certificate_check *auth_certificate_check(struct auth *a, struct str host,
                                                      struct str chain, auth_certificate_fn *done,
                                                      void *owner)
{
    struct authority *au = find(a, host);
    struct auth_certificate_check *c;

    if (!au || a->authorities->checks >= MAX_CHECKS)
        return NULL;
    c = mem_new(struct auth_certificate_check);
    c->auth = a;
    auth_ref(a);
    a->authorities->checks++;
    c->host = str_dup(host);
    c->chain = arena_str(&c->arena, chain);
    c->trust = trust_ref(au->trust);
    c->done = done;
    c->owner = owner;
    ASSERT(uv_queue_work(a->loop, &c->work, on_work, on_checked) == 0);
    return c;
}

void auth_certificate_forget(struct auth_certificate_check *c)
{
    if (c)
        c->done = NULL;
}
