/* Keys, certificates and secrets that outlive a plan. See plan_keys.h. Files: keys/NAME.key,
 * keys/NAME.pem, secrets/LEAF+ROUTER, secrets/component-DOMAIN, requests/NAME.csr. */
#include "deploy/ctl/plan_keys.h"

#include "common/mem.h"
#include "deploy/ctl/plan_file.h"
#include "deploy/ctl/plan_x509.h"

#include <gnutls/crypto.h>
#include <time.h>
#include <unistd.h>

enum { SECRET_BYTES = 32, DAY = 86400, WARN_DAYS = 30 };

static void path_of(const struct plan_keys *k, const char *folder, struct str name,
                    const char *suffix, struct buf *out)
{
    buf_clear(out);
    buf_printf(out, "%s/%s/%.*s%s%c", k->folder, folder, STR_ARG(name), suffix, '\0');
}

static void wipe(struct buf *b)
{
    if (b->p)
        mem_wipe(b->p, b->cap);
    buf_fini(b);
}

static const char *full_name(const struct plan_node *n)
{
    return n->full_name.p; /* of an arena: ends in NUL */
}

enum err plan_keys_key(struct plan_keys *k, const struct plan_node *n, struct buf *out,
                       struct buf *why)
{
    struct buf path = { 0 };
    enum err e;

    path_of(k, "keys", n->name, ".key", &path);
    e = plan_file_read(path.p, out, why);
    if (e == ERR_NOT_FOUND && (e = plan_x509_new_key(out, why)) == ERR_OK)
        e = plan_file_write(path.p, 0600, buf_str(out), why);
    buf_fini(&path);
    return e;
}

/* --- certificates ----------------------------------------------------------------------------- */

/* Whether an old one will do; otherwise reason says why not. */
static bool is_usable(struct plan_keys *k, const struct plan_node *n, struct str cert,
                      struct str key, struct buf *reason)
{
    struct plan_x509_facts facts;
    int64_t left;

    if (plan_x509_check(cert, key, full_name(n), k->ca ? plan_ca_signer(k->ca) : STR_NONE,
                        reason) != ERR_OK ||
        plan_x509_read(cert, &facts, reason) != ERR_OK)
        return false;
    left = facts.not_after - (int64_t)time(NULL);
    if (left <= 0) {
        buf_printf(reason, "it has ended");
        return false;
    }
    if (k->ca && plan_ca_is_revoked(k->ca, facts.serial))
        buf_printf(k->report,
                   "WARNING: the certificate of %s is revoked: peers refuse it. A new key and "
                   "certificate: plan renew %.*s\n",
                   full_name(n), STR_ARG(n->name));
    else if (left < (int64_t)WARN_DAYS * DAY)
        buf_printf(k->report, "WARNING: the certificate of %s ends in %d days: plan renew\n",
                   full_name(n), (int)(left / DAY));
    return true;
}

static enum err own_cert(struct plan_keys *k, const struct plan_node *n, struct str key,
                         struct buf *out, struct buf *why)
{
    const struct plan_x509_wish wish = { key, full_name(n), time(NULL),
                                         k->plan->conf->cert_ms / 1000 };
    struct buf path = { 0 }, old = { 0 }, reason = { 0 };
    enum err e;

    path_of(k, "keys", n->name, ".pem", &path);
    e = plan_file_read(path.p, &old, why);
    if (e == ERR_OK && is_usable(k, n, buf_str(&old), key, &reason)) {
        buf_add(out, buf_str(&old));
    } else if (e == ERR_OK || e == ERR_NOT_FOUND) {
        e = plan_ca_issue(k->ca, &wish, out, why);
        if (e == ERR_OK)
            e = plan_file_write(path.p, 0600, buf_str(out), why);
        if (e == ERR_OK)
            buf_printf(k->report, "issued   a certificate for %s%s%.*s\n", full_name(n),
                       reason.n ? ": " : "", (int)reason.n, reason.p ? reason.p : "");
    }
    buf_fini(&path);
    buf_fini(&old);
    buf_fini(&reason);
    return e;
}

static enum err write_request(struct plan_keys *k, const struct plan_node *n, struct str key,
                              struct buf *why)
{
    struct buf path = { 0 }, request = { 0 };
    enum err e = ERR_OK;

    path_of(k, "requests", n->name, ".csr", &path);
    if (!plan_file_exists(path.p) &&
        (e = plan_x509_request(key, full_name(n), &request, why)) == ERR_OK)
        e = plan_file_write(path.p, 0644, buf_str(&request), why);
    if (e == ERR_OK)
        buf_printf(k->report, "waiting  for %s/%.*s.pem, which answers %s\n",
                   k->plan->conf->company_certs, STR_ARG(n->name), path.p);
    buf_fini(&path);
    buf_fini(&request);
    return e;
}

static enum err company_cert(struct plan_keys *k, const struct plan_node *n, struct str key,
                             struct buf *out, struct buf *why)
{
    struct buf path = { 0 }, cert = { 0 }, reason = { 0 };
    enum err e;

    buf_printf(&path, "%s/%.*s.pem%c", k->plan->conf->company_certs, STR_ARG(n->name), '\0');
    e = plan_file_read(path.p, &cert, why);
    if (e == ERR_OK && !is_usable(k, n, buf_str(&cert), key, &reason)) {
        buf_printf(k->report, "WARNING: %s cannot be used: %.*s\n", path.p, (int)reason.n,
                   reason.p ? reason.p : "");
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK)
        buf_add(out, buf_str(&cert));
    else if (e == ERR_NOT_FOUND && (e = write_request(k, n, key, why)) == ERR_OK)
        e = ERR_AGAIN;
    buf_fini(&path);
    buf_fini(&cert);
    buf_fini(&reason);
    return e;
}

enum err plan_keys_cert(struct plan_keys *k, const struct plan_node *n, struct buf *out,
                        struct buf *why)
{
    struct buf key = { 0 };
    enum err e = plan_keys_key(k, n, &key, why);

    if (e == ERR_OK)
        e = k->ca ? own_cert(k, n, buf_str(&key), out, why)
                  : company_cert(k, n, buf_str(&key), out, why);
    wipe(&key);
    return e;
}

enum err plan_keys_renew(struct plan_keys *k, const struct plan_node *n, bool has_new_key,
                         struct buf *why)
{
    struct buf path = { 0 }, old = { 0 };
    struct plan_x509_facts facts;
    enum err e = k->ca ? plan_ca_unlock(k->ca, why) : ERR_OK;

    path_of(k, "keys", n->name, ".pem", &path);
    if (e == ERR_OK && k->ca && plan_file_read(path.p, &old, why) == ERR_OK &&
        plan_x509_read(buf_str(&old), &facts, why) == ERR_OK)
        has_new_key |= plan_ca_is_revoked(k->ca, facts.serial);
    if (e == ERR_OK) {
        unlink(path.p);
        path_of(k, "requests", n->name, ".csr", &path);
        unlink(path.p);
        path_of(k, "keys", n->name, ".key", &path);
        if (has_new_key)
            unlink(path.p);
    }
    buf_fini(&path);
    buf_fini(&old);
    return e;
}

/* --- secrets and trust
 * ------------------------------------------------------------------------------------------- */

struct str plan_keys_link_secret_name(struct plan *p, const struct plan_link *l)
{
    return arena_printf(&p->arena, "%.*s+%.*s", STR_ARG(l->leaf->name), STR_ARG(l->router->name));
}

enum err plan_keys_secret(struct plan_keys *k, struct str name, struct buf *out, struct buf *why)
{
    struct buf path = { 0 };
    uint8_t random[SECRET_BYTES];
    enum err e;

    path_of(k, "secrets", name, "", &path);
    e = plan_file_read(path.p, out, why);
    if (e == ERR_NOT_FOUND) {
        ASSERT(gnutls_rnd(GNUTLS_RND_KEY, random, sizeof random) == 0);
        buf_add_hex(out, str_of(random, sizeof random));
        buf_add_char(out, '\n');
        mem_wipe(random, sizeof random);
        e = plan_file_write(path.p, 0600, buf_str(out), why);
    }
    buf_fini(&path);
    return e;
}

enum err plan_keys_trust(struct plan_keys *k, struct buf *out_ca, struct buf *out_crl,
                         struct buf *why)
{
    const struct plan_conf *c = k->plan->conf;
    enum err e;

    if (k->ca) {
        plan_ca_trusted(k->ca, out_ca);
        return plan_ca_crl(k->ca, out_crl, why);
    }
    e = plan_file_read(c->company_ca, out_ca, why);
    if (e == ERR_OK && c->company_crl)
        e = plan_file_read(c->company_crl, out_crl, why);
    if (e == ERR_NOT_FOUND)
        buf_printf(why, "company_ca or company_crl: there is no such file");
    return e;
}
