/* A client's stream (client_stream.h). RFC 6120 §4, §5. */
#include "c2s/client_stream.h"

#include "c2s/alone.h"
#include "c2s/gate.h"
#include "c2s/metrics.h"
#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/jid.h"
#include "proto/ns.h"

#include <gnutls/crypto.h>

enum { ID_BYTES = 16 };

#define STARTTLS "<starttls xmlns='" NS_TLS "'/>"
#define STARTTLS_REQUIRED "<starttls xmlns='" NS_TLS "'><required/></starttls>"

static void add_stream_id(struct buf *out)
{
    uint8_t bytes[ID_BYTES];

    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, bytes, sizeof(bytes)) == 0);
    buf_add_hex(out, str_of(bytes, sizeof(bytes)));
}

/* §4.7: from is the host, or who we are where it is unknown (§4.9.1.3); to is who the client says
 * it is (§4.7.2). */
static void write_header(struct client *c, const struct host *host, struct str to)
{
    const struct host *own = host ? host : c->c2s->hosts.first;
    struct buf id = { 0 }, out = { 0 };

    add_stream_id(&id);
    stream_write_header(&out, NS_CLIENT,
                        &(struct stream_header){
                            .from = own ? own->announced.name : STR_NONE,
                            .to = to,
                            .id = buf_str(&id),
                            .lang = STR("en"), /* of what we say ourselves (§4.7.4) */
                        });
    conn_write(c->conn, buf_str(&out));
    buf_fini(&id);
    buf_fini(&out);
}

void client_stream_write_end(struct client *c, enum stream_error error, struct str text)
{
    struct buf out = { 0 };

    if (c->phase == PHASE_PROXY || c->phase == PHASE_HANDSHAKE)
        return;
    if (c->phase == PHASE_HEADER || c->phase == PHASE_AUTHENTICATED)
        write_header(c, c->host, STR_NONE);
    if (error != STREAM_OK)
        stream_write_error(&out, error, text);
    buf_add(&out, stream_close_tag);
    conn_write(c->conn, buf_str(&out));
    buf_fini(&out);
}

/* --- headers ---------------------------------------------------------------------------------- */

/* An old client may leave `to` out (§4.7.2): then SNI says it, or there is but one host. */
static struct host *host_unnamed(struct client *c)
{
    struct hosts *hosts = &c->c2s->hosts;
    struct tls_facts facts = { 0 };
    struct host *host = NULL;

    if (conn_is_secure(c->conn))
        conn_tls_facts(c->conn, &c->c2s->client_arena, &facts);
    if (facts.sni.n)
        host = hosts_find(hosts, facts.sni);
    return host || hosts->count != 1 ? host : hosts->first;
}

static enum stream_error find_host(struct client *c, struct str to, struct host **out_host)
{
    struct str name;

    if (!str_is_set(to)) {
        *out_host = host_unnamed(c);
        return *out_host ? STREAM_OK : STREAM_HOST_UNKNOWN;
    }
    if (jid_prepare_domain(to, &c->c2s->client_arena, &name) == ERR_OK)
        *out_host = hosts_find(&c->c2s->hosts, name);
    if (!*out_host)
        return STREAM_HOST_UNKNOWN; /* §4.9.3.6: what is no name at all is not served either */
    /* A session belongs to one host. */
    return client_has_session(c) && *out_host != c->host ? STREAM_HOST_UNKNOWN : STREAM_OK;
}

static enum stream_error check_header(struct client *c, struct str bytes, struct stream_header *h,
                                      struct host **out_host, struct jid *out_from)
{
    struct arena *arena = &c->c2s->client_arena;
    struct xml *root;
    enum xml_error e = xml_parse_header(c->c2s->parser, bytes, arena, &root);
    enum stream_error error;

    if (e != XML_OK)
        return stream_error_from_xml(e);
    if ((error = stream_read_header(root, NS_CLIENT, h)) != STREAM_OK)
        return error;
    if (str_is_set(h->from) && jid_parse(h->from, arena, out_from) != ERR_OK)
        error = STREAM_IMPROPER_ADDRESSING;
    else
        error = find_host(c, h->to, out_host);
    if (error == STREAM_OK && !stream_version_is_1_0(h->version))
        error = STREAM_UNSUPPORTED_VERSION; /* §4.7.5 */
    return error;
}

static void greet(struct client *c, const struct stream_header *h)
{
    client_stream_forget(c);
    c->greeting = mem_new(struct client_greeting);
    if (str_is_set(h->lang))
        c->greeting->lang = str_dup(h->lang);
    if (str_is_set(h->from))
        c->greeting->from = str_dup(h->from);
}

void client_stream_forget(struct client *c)
{
    if (!c->greeting)
        return;
    mem_free(c->greeting->lang);
    mem_free(c->greeting->from);
    mem_free(c->greeting);
    c->greeting = NULL;
}

/* The time for authentication runs from accept, and is the host's from here on. */
static void set_auth_timer(struct client *c)
{
    uint64_t passed_ms = c2s_now_ms(c->c2s) - c->since_ms,
             limit_ms = client_limits(c)->auth_timeout_ms;

    timer_set(c->c2s->service->timers, &c->timer, limit_ms > passed_ms ? limit_ms - passed_ms : 0);
}

static void begin_unauthenticated(struct client *c, const struct stream_header *h)
{
    set_auth_timer(c);
    if (!conn_is_secure(c->conn) && c->host->now.is_tls_required) {
        conn_write(c->conn, STR("<stream:features>" STARTTLS_REQUIRED "</stream:features>"));
        client_set_phase(c, PHASE_OFFER_TLS);
        return;
    }
    greet(c, h);
    client_hold(c, HOLD_ANSWER);
    client_open_upstream(c);
}

static void begin_session(struct client *c, const struct stream_header *h)
{
    struct buf restart = { 0 };
    uint64_t idle_ms = c->host->now.idle_timeout_ms;

    c->since_ms = c2s_now_ms(c->c2s);
    timer_stop(&c->timer);
    if (idle_ms)
        timer_set(c->c2s->service->timers, &c->timer, idle_ms);
    control_write_restart(&restart, c->host->announced.name, h->lang, h->from);
    gate_up(c, buf_str(&restart));
    buf_fini(&restart);
}

void client_stream_header(struct client *c, struct str bytes)
{
    struct stream_header h = { 0 };
    struct host *host = NULL;
    struct jid from = { 0 };
    enum stream_error error;

    arena_reset(&c->c2s->client_arena);
    error = check_header(c, bytes, &h, &host, &from);
    write_header(c, error == STREAM_OK ? host : NULL, from.bare);
    /* From here on our header is sent: an error alone follows it. */
    client_set_phase(c, client_has_session(c) ? PHASE_ACTIVE : PHASE_OPENING);
    if (error != STREAM_OK) {
        client_fail(c, error, NULL);
        return;
    }
    if (client_has_session(c)) {
        begin_session(c, &h);
        return;
    }
    c->host = host;
    begin_unauthenticated(c, &h);
}

/* --- STARTTLS --------------------------------------------------------------------------------- */

void client_stream_starttls(struct client *c, bool is_last)
{
    if (conn_is_secure(c->conn) || !c->c2s->starttls_creds) { /* §5.4.2.2: it was not offered */
        conn_write(c->conn, STR("<failure xmlns='" NS_TLS "'/>"));
        client_end(c, &(struct control_end){ .why = CONTROL_END_ERROR });
        return;
    }
    if (!is_last) {
        char peer[64];

        /* §5.3.3, and CVE-2011-0411: who can write into the clear part must not write into the
         * secure one. White space is forbidden as well, but go-xmpp sends it; it is thrown away
         * (client_input.c). */
        address_text(c->ip, c->ip_bytes, c->port, peer);
        audit_warning("bytes-behind-starttls", kv_text("address", peer));
        client_end(c, &(struct control_end){ .why = CONTROL_END_LOST,
                                             .text = STR("bytes in clear behind <starttls/>") });
        return;
    }
    conn_write(c->conn, STR("<proceed xmlns='" NS_TLS "'/>"));
    client_set_phase(c, PHASE_HANDSHAKE);
    conn_start_tls(c->conn, c->c2s->starttls_creds, true, NULL, STR_NONE);
}

void client_stream_write_features(struct client *c, struct str features)
{
    struct buf out = { 0 };

    if (conn_is_secure(c->conn) || !c->c2s->starttls_creds) {
        conn_write(c->conn, features);
        return;
    }
    alone_add_feature(features, STR(STARTTLS), &out);
    conn_write(c->conn, buf_str(&out));
    buf_fini(&out);
}

/* --- the facts -------------------------------------------------------------------------------- */

/* The connection goes on as if it had shown none. */
static void refuse_certificate(const struct client *c, const char *addr, const char *why)
{
    metric_inc(&c2s_metric_certificates_refused);
    audit_warning("client-certificate-refused", kv_text("address", addr),
                  kv_str("host", c->host->announced.name),
                  kv_text("reason", why ? why : "the certificate does not verify"));
}

void client_stream_write_open(struct client *c, bool is_lost, struct buf *out)
{
    struct arena arena = { 0 };
    struct tls_facts tls = { 0 };
    char addr[64];

    if (conn_is_secure(c->conn))
        conn_tls_facts(c->conn, &arena, &tls);
    address_text(c->ip, c->ip_bytes, c->port, addr);
    if (tls.has_peer_cert && !tls.is_peer_verified && !is_lost)
        refuse_certificate(c, addr, tls.peer_refusal);
    control_write_open(out, &(struct control_open){
                                .host = c->host->announced.name,
                                .addr = str_from(addr),
                                .lang = str_from(c->greeting->lang),
                                .from = str_from(c->greeting->from),
                                .is_lost = is_lost,
                                .tls = tls.version,
                                .cipher = tls.cipher,
                                .sni = tls.sni,
                                .alpn = tls.alpn,
                                .cb_exporter = tls.cb_exporter,
                                .cb_end_point = tls.cb_end_point,
                                .cb_unique = tls.cb_unique,
                                .chain = tls.is_peer_verified ? tls.peer_chain : STR_NONE,
                            });
    arena_fini(&arena);
}
