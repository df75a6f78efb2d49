/* From configuration to peers and credentials. Everything is read before anything is changed. */
#include "proto/link_private.h"

#include "common/audit.h"
#include "common/mem.h"

#include <pwd.h>
#include <unistd.h>

const struct conf_key link_peer_keys[] = {
    { "role", CONF_CHOICE, offsetof(struct link_peer_conf, role), NULL, 0, 0, link_role_names,
      CONF_AT_RELOAD, "What this peer is." },
    { "dial", CONF_TEXT, offsetof(struct link_peer_conf, dial), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Address to dial: \"HOST:PORT\" or \"unix:PATH\". When absent the peer dials this process." },
    { "accept", CONF_TEXT, offsetof(struct link_peer_conf, accept), "", 0, 0, NULL, CONF_AT_RELOAD,
      "\"unix:PATH\": a socket of this peer's own on which it dials this process. When absent (and "
      "no dial) it comes to link_listen." },
    { "secret_file", CONF_PATH, offsetof(struct link_peer_conf, secret_file), NULL, 0, 0, NULL,
      CONF_AT_RELOAD, "File with the secret of the XEP-0114 handshake." },
    { "uid", CONF_INT, offsetof(struct link_peer_conf, uid), "-1", -1, 4294967294, NULL,
      CONF_AT_RELOAD, "User at the other end of a Unix socket; -1 is this process's own." },
    { "user", CONF_TEXT, offsetof(struct link_peer_conf, user), "", 0, 0, NULL, CONF_AT_RELOAD,
      "User at the other end of a Unix socket by name, instead of uid." },
    { 0 },
};

/* --- copies: the process's configuration is replaced by reload, whatever becomes of that ------ */

static char *copy_text(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

struct link_conf *link_conf_copy(const struct link_conf *conf)
{
    struct link_conf *copy = mem_new(struct link_conf);
    const struct link_peer_conf *from = conf->peers.items;
    struct link_peer_conf *to = mem_alloc(conf->peers.count * sizeof *to);

    *copy = *conf;
    copy->name = copy_text(conf->name);
    copy->listen = copy_text(conf->listen);
    copy->cert_file = copy_text(conf->cert_file);
    copy->key_file = copy_text(conf->key_file);
    copy->ca_file = copy_text(conf->ca_file);
    copy->crl_file = copy_text(conf->crl_file);
    copy->peers.items = to;
    for (size_t i = 0; i < conf->peers.count; i++) {
        to[i] = from[i];
        to[i].name = copy_text(from[i].name);
        to[i].dial = copy_text(from[i].dial);
        to[i].accept = copy_text(from[i].accept);
        to[i].secret_file = copy_text(from[i].secret_file);
        to[i].user = copy_text(from[i].user);
    }
    return copy;
}

void link_conf_free(struct link_conf *conf)
{
    struct link_peer_conf *peers = conf ? conf->peers.items : NULL;

    if (!conf)
        return;
    for (size_t i = 0; i < conf->peers.count; i++) {
        mem_free(peers[i].name);
        mem_free(peers[i].dial);
        mem_free(peers[i].accept);
        mem_free(peers[i].secret_file);
        mem_free(peers[i].user);
    }
    mem_free(peers);
    mem_free(conf->name);
    mem_free(conf->listen);
    mem_free(conf->cert_file);
    mem_free(conf->key_file);
    mem_free(conf->ca_file);
    mem_free(conf->crl_file);
    mem_free(conf);
}

/* --- peers ------------------------------------------------------------------------------------ */

/* A name stands in frames and attributes as it is. */
static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
            return false;
    }
    return s.n > 0 && s.n < 254;
}

static enum err refuse(struct buf *why, const char *name, const char *sentence)
{
    buf_printf(why, "peer \"%s\": %s", name, sentence);
    return ERR_MALFORMED;
}

static enum err read_addresses(const struct links *ls, struct link_peer *p,
                               const struct link_conf *conf, struct buf *why)
{
    const struct link_peer_conf *c = p->conf;

    if (c->dial && c->accept)
        return refuse(why, c->name, "dial and accept exclude each other");
    if (c->dial && (net_address_parse(str_from(c->dial), &p->dial) != ERR_OK ||
                    strcmp(p->dial.host, "*") == 0))
        return refuse(why, c->name, "dial: expected \"HOST:PORT\" or \"unix:PATH\"");
    if (c->accept &&
        (net_address_parse(str_from(c->accept), &p->accept) != ERR_OK || !p->accept.is_unix))
        return refuse(why, c->name, "accept: expected \"unix:PATH\"");
    if (!c->dial && !c->accept && !conf->listen)
        return refuse(why, c->name, "expected dial, accept, or link_listen at the top level");
    if ((ls->role == LINK_ROLE_ROUTER) == (c->role == LINK_ROLE_ROUTER))
        return refuse(why, c->name,
                      ls->role == LINK_ROLE_ROUTER ? "role: a router's peers are c2s, s2s and sm"
                                                   : "role: expected router");
    p->is_dialled = c->dial != NULL;
    p->is_unix = c->dial ? p->dial.is_unix : c->accept != NULL;
    return ERR_OK;
}

static enum err read_user(struct link_peer *p, struct buf *why)
{
    const struct link_peer_conf *c = p->conf;
    const struct passwd *user = c->user ? getpwnam(c->user) : NULL;

    p->uid = c->uid;
    if (!c->user)
        return ERR_OK;
    if (c->uid >= 0)
        return refuse(why, c->name, "uid and user exclude each other");
    if (!user)
        return refuse(why, c->name, "user: expected the name of a user of this system");
    p->uid = user->pw_uid == geteuid() ? -1 : (int64_t)user->pw_uid;
    return ERR_OK;
}

static enum err read_secret(struct link_peer *p, struct buf *why)
{
    struct buf reason = { 0 };
    enum err e = conf_read_secret(p->conf->secret_file, &p->secret, &reason);

    if (e != ERR_OK)
        buf_printf(why, "peer \"%s\": secret_file: %.*s", p->conf->name, STR_ARG(buf_str(&reason)));
    buf_fini(&reason);
    return e;
}

static enum err peer_load(struct links *ls, const struct link_conf *conf,
                          const struct link_peer_conf *c, struct link_peer **out_peer,
                          struct buf *why)
{
    struct link_peer *p = mem_new(struct link_peer);
    enum err e;

    *out_peer = p;
    p->ls = ls;
    p->conf = c;
    p->name = str_from(c->name);
    p->backoff_ms = LINK_BACKOFF_MIN_MS;
    p->last_error = "";
    timer_init(&p->retry, NULL);
    if (!is_name(p->name) || str_is(p->name, conf->name))
        return refuse(why, c->name,
                      "expected a DNS name in lower case, other than this process's own");
    if ((e = read_addresses(ls, p, conf, why)) != ERR_OK || (e = read_user(p, why)) != ERR_OK)
        return e;
    return read_secret(p, why);
}

static void peer_free(struct link_peer *p)
{
    if (!p)
        return;
    link_peer_stop(p);
    mem_wipe(p->secret.p, p->secret.cap);
    buf_fini(&p->secret);
    mem_free(p);
}

void link_peers_free(struct link_peer **peers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        peer_free(peers[i]);
    mem_free(peers);
}

enum err link_peers_load(struct links *ls, const struct link_conf *conf,
                         struct link_peer ***out_peers, size_t *out_count, struct buf *why)
{
    const struct link_peer_conf *items = conf->peers.items;
    size_t count = conf->peers.count;
    struct link_peer **peers = mem_alloc(count * sizeof(struct link_peer *));
    enum err e = is_name(str_from(conf->name)) ? ERR_OK : ERR_MALFORMED;

    if (e != ERR_OK)
        buf_printf(why, "name: expected a DNS name in lower case");
    for (size_t i = 0; i < count && e == ERR_OK; i++)
        e = peer_load(ls, conf, &items[i], &peers[i], why);
    if (e != ERR_OK) {
        link_peers_free(peers, count);
        return e;
    }
    *out_peers = peers;
    *out_count = count;
    return ERR_OK;
}

/* --- credentials ------------------------------------------------------------------------------ */

static bool needs_tls(const struct link_conf *conf)
{
    const struct link_peer_conf *items = conf->peers.items;

    for (size_t i = 0; i < conf->peers.count; i++)
        if (items[i].dial && strncmp(items[i].dial, "unix:", 5) != 0)
            return true;
    return conf->listen != NULL;
}

static enum err load_creds(const struct link_conf *conf, struct tls_creds **out_creds,
                           struct buf *why)
{
    struct tls_cert cert = { .cert_file = conf->cert_file, .key_file = conf->key_file };
    struct tls_options o = {
        .certs = &cert,
        .cert_count = 1,
        .ca_file = conf->ca_file,
        .crl_file = conf->crl_file,
        .client_auth = TLS_CLIENT_AUTH_REQUIRE,
        .only_tls13 = true,
    };
    struct buf reason = { 0 };
    enum err e;

    *out_creds = NULL;
    if (!needs_tls(conf))
        return ERR_OK;
    if (!conf->cert_file || !conf->key_file || !conf->ca_file) {
        buf_printf(why, "link_cert, link_key and link_ca are needed for TLS links");
        return ERR_MALFORMED;
    }
    if ((e = tls_creds_new(&o, out_creds, &reason)) != ERR_OK)
        buf_printf(why, "link_cert: %.*s", STR_ARG(buf_str(&reason)));
    buf_fini(&reason);
    if (e == ERR_OK && !tls_creds_covers(*out_creds, str_from(conf->name))) {
        buf_printf(why, "link_cert: %s is not for the name %s", conf->cert_file, conf->name);
        tls_creds_unref(*out_creds);
        *out_creds = NULL;
        return ERR_MALFORMED;
    }
    return e;
}

enum err link_creds_load(const struct link_conf *conf, struct tls_creds **out_creds,
                         struct buf *why)
{
    size_t before = why->n;
    enum err e = load_creds(conf, out_creds, why);

    if (e != ERR_OK)
        audit_certificate_refused("link", str_of(why->p + before, why->n - before));
    return e;
}

enum err links_check(enum link_role own_role, const struct link_conf *conf, struct buf *why)
{
    struct links nobody = { .role = own_role };
    struct link_peer **peers = NULL;
    struct tls_creds *creds = NULL;
    size_t count = 0, before = why->n;
    enum err e;

    if ((e = link_creds_load(conf, &creds, why)) == ERR_OK)
        e = link_peers_load(&nobody, conf, &peers, &count, why);
    link_peers_free(peers, count);
    tls_creds_unref(creds);
    if (why->n > before && why->p[why->n - 1] != '\n')
        buf_add_char(why, '\n');
    return e;
}
