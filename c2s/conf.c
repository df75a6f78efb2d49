/* The keys of c2s.conf: one row each (common/conf.h), and what rows cannot say. */
#include "c2s/conf.h"

#include "common/audit.h"
#include "common/mem.h"
#include "common/net_network.h"
#include "common/tls.h"

#define AT(field) offsetof(struct c2s_conf, field)
#define FLOOR(field) offsetof(struct c2s_conf, floors.field)
#define LISTEN(field) offsetof(struct c2s_listen_conf, field)
#define CERTIFICATE(field) offsetof(struct c2s_certificate_conf, field)

enum { MINUTE = 60 * 1000, KIB = 1024, MIB = 1024 * 1024 };

static const struct conf_key keys[] = {
    SERVICE_CONF_KEYS,
    LINK_CONF_KEYS(AT(link)),
    { "client_ca", CONF_PATH, AT(client_ca_file), "", 0, 0, NULL, CONF_AT_RELOAD,
      "CA of client certificates (PEM). With it clients are asked for one, and a verified chain is told to the session manager." },
    { "client_crl", CONF_PATH, AT(client_crl_file), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Revocation list of client_ca, PEM." },
    { "require_tls", CONF_BOOL, FLOOR(is_tls_required), "yes", 0, 0, NULL, CONF_AT_RELOAD,
      "Offer nothing but STARTTLS before TLS, whatever the table of hosts says." },
    { "max_stanza", CONF_SIZE, FLOOR(max_stanza), "256k", 10000, 8 * MIB, NULL, CONF_AT_RELOAD,
      "The largest element that an authenticated client may send (RFC 6120 13.12: at least 10000 bytes). Must stay below link_max_payload." },
    { "max_stanza_before", CONF_SIZE, FLOOR(max_stanza_before), "100k", KIB, 8 * MIB, NULL, CONF_AT_RELOAD,
      "The largest element before authentication, unless the host says less, as most do: those that take Kerberos tickets need it. "
      "A stream header is never larger than 10k." },
    { "max_depth", CONF_INT, FLOOR(max_depth), "64", 4, 1000, NULL, CONF_AT_RELOAD,
      "How deeply elements may be nested in what a client sends." },
    { "max_attributes", CONF_INT, FLOOR(max_attributes), "64", 8, 1000, NULL, CONF_AT_RELOAD,
      "How many attributes one element of a client may have." },
    { "bytes_per_second", CONF_SIZE, FLOOR(bytes_per_second), "0", 0, 1024LL * MIB, NULL, CONF_AT_RELOAD,
      "A client that sends more is read more slowly, after a burst of two seconds' worth. 0: no limit but the host's." },
    { "stanzas_per_second", CONF_INT, FLOOR(stanzas_per_second), "0", 0, 1000000, NULL, CONF_AT_RELOAD,
      "A client that sends more is read more slowly, after a burst of two seconds' worth. 0: no limit but the host's." },
    { "auth_timeout", CONF_DURATION, FLOOR(auth_timeout_ms), "30s", 1000, 10 * MINUTE, NULL, CONF_AT_RELOAD,
      "From accepting a connection until its client is authenticated." },
    { "idle_timeout", CONF_DURATION, FLOOR(idle_timeout_ms), "0", 0, 7LL * 24 * 60 * MINUTE, NULL, CONF_AT_RELOAD,
      "A client from which nothing (not even white space) came for so long is ended. 0: never." },
    { "connections_per_address", CONF_INT, AT(connections_per_address), "100", 1, 1000000, NULL, CONF_AT_RELOAD,
      "Connections open from one IPv4 address or IPv6 /64; more are refused with resource-constraint." },
    { "max_handshakes", CONF_INT, AT(max_handshakes), "500", 1, 1000000, NULL, CONF_AT_RELOAD,
      "Connections that are not authenticated yet; while there are so many, new ones wait in the listen queue." },
    { "park_timeout", CONF_DURATION, AT(park_timeout_ms), "5m", 1000, 24LL * 60 * MINUTE, NULL, CONF_AT_RELOAD,
      "How long clients are kept while their session manager or all routers are away." },
    { "session_window", CONF_INT, AT(session_window), "64", 1, 65536, NULL, CONF_AT_RELOAD,
      "Elements of one client under way to its session manager; beyond that its reading waits." },
    { "session_window_bytes", CONF_SIZE, AT(session_window_bytes), "256k", 10000, 64 * MIB, NULL, CONF_AT_RELOAD,
      "Bytes of one client under way to its session manager." },
    { "sm_window_bytes", CONF_SIZE, AT(sm_window_bytes), "16M", 64 * KIB, 1024LL * MIB, NULL, CONF_AT_RELOAD,
      "Bytes of all clients under way to one session manager." },
    { 0 },
};

static const char *const door_kinds[] = { "starttls", "tls", NULL };

static const struct conf_key listen_keys[] = {
    { "address", CONF_TEXT, LISTEN(address), NULL, 0, 0, NULL, CONF_AT_START,
      "Where clients connect: \"*:5222\" (IPv6 and IPv4), \"192.0.2.1:5222\", \"[2001:db8::1]:5222\"." },
    { "kind", CONF_CHOICE, LISTEN(kind), "starttls", 0, 0, door_kinds, CONF_AT_START,
      "starttls: RFC 6120. tls: TLS from the first byte, ALPN xmpp-client (XEP-0368)." },
    { "proxies", CONF_LIST, LISTEN(proxies), "", 0, 0, NULL, CONF_AT_START,
      "Addresses and networks of proxies: nobody else may connect here, and each connection begins with a header of the PROXY protocol, version 2, that says who the client is." },
    { "max_connections", CONF_INT, LISTEN(max_connections), "100000", 1, 10000000, NULL, CONF_AT_START,
      "Connections open at once; more wait in the listen queue." },
    { "backlog", CONF_INT, LISTEN(backlog), "1024", 1, 65535, NULL, CONF_AT_START,
      "Length of the kernel's listen queue." },
    { 0 },
};

static const struct conf_key certificate_keys[] = {
    { "cert", CONF_PATH, CERTIFICATE(cert_file), NULL, 0, 0, NULL, CONF_AT_RELOAD, "PEM, leaf first. Chosen by SNI among the names in it." },
    { "key", CONF_PATH, CERTIFICATE(key_file), NULL, 0, 0, NULL, CONF_AT_RELOAD, "Its key, PEM." },
    { 0 },
};

static const struct conf_section sections[] = {
    { .keys = keys, .doc = "Top level." },
    { .name = "listen",
      .keys = listen_keys,
      .is_titled = true,
      .offset = AT(listens),
      .item_bytes = sizeof(struct c2s_listen_conf),
      .doc = "One address on which clients are accepted." },
    { .name = "certificate",
      .keys = certificate_keys,
      .is_titled = true,
      .offset = AT(certificates),
      .item_bytes = sizeof(struct c2s_certificate_conf),
      .doc =
          "One certificate shown to clients; the first is the default. The title is a domain that it is for: a wildcard in it serves that one." },
    { .name = "peer",
      .keys = link_peer_keys,
      .is_titled = true,
      .offset = AT(link.peers),
      .item_bytes = sizeof(struct link_peer_conf),
      .doc = "A router. The title is its component name." },
    { .is_end = true },
};

const struct conf_spec c2s_conf_spec = { .bytes = sizeof(struct c2s_conf), .sections = sections };

/* Which section the failure is about: its sentence names a file. */
static void say_creds(const struct c2s_conf *conf, struct str reason, struct buf *why)
{
    const struct c2s_certificate_conf *items = conf->certificates.items;

    for (size_t i = 0; i < conf->certificates.count; i++) {
        if (memmem(reason.p, reason.n, items[i].cert_file, strlen(items[i].cert_file))) {
            buf_printf(why, "certificate \"%s\": cert: %.*s\n", items[i].name, STR_ARG(reason));
            return;
        }
    }
    buf_printf(why, "client_ca: %.*s\n", STR_ARG(reason));
}

enum err c2s_conf_creds(const struct c2s_conf *conf, bool is_direct, struct tls_creds **out_creds,
                        struct buf *why)
{
    static const char *const alpn[] = { "xmpp-client", NULL }; /* XEP-0368 §3 */
    const struct c2s_certificate_conf *items = conf->certificates.items;
    size_t count = conf->certificates.count;
    struct tls_cert *certs = mem_alloc((count ? count : 1) * sizeof(*certs));
    struct tls_options options = {
        .certs = certs,
        .cert_count = count,
        .ca_file = conf->client_ca_file,
        .crl_file = conf->client_crl_file,
        .client_auth = conf->client_ca_file ? TLS_CLIENT_AUTH_ASK : TLS_CLIENT_AUTH_NONE,
        .alpn = is_direct ? alpn : NULL,
        .tickets = true,
    };
    struct buf reason = { 0 };
    enum err e = ERR_OK;

    for (size_t i = 0; i < count; i++)
        certs[i] =
            (struct tls_cert){ items[i].cert_file, items[i].key_file, items[i].name };
    *out_creds = NULL;
    if (count && (e = tls_creds_new(&options, out_creds, &reason)) != ERR_OK) {
        say_creds(conf, buf_str(&reason), why);
        audit_certificate_refused("domains", buf_str(&reason));
    }
    buf_fini(&reason);
    mem_free(certs);
    return e;
}

static bool check_proxies(const struct c2s_listen_conf *conf, struct buf *why)
{
    struct net_network network;
    bool is_right = true;

    for (size_t i = 0; i < conf->proxies.count; i++)
        if (net_network_parse(str_from(conf->proxies.items[i]), &network) != ERR_OK) {
            buf_printf(why, "listen \"%s\": proxies: an address or a network as 192.0.2.0/24 is "
                            "expected, not \"%s\"\n",
                       conf->name, conf->proxies.items[i]);
            is_right = false;
        }
    return is_right;
}

static enum err check_listens(const struct c2s_conf *conf, struct buf *why)
{
    const struct c2s_listen_conf *items = conf->listens.items;
    struct net_address address;
    enum err e = ERR_OK;

    if (!conf->listens.count) {
        buf_printf(
            why,
            "listen: at least one section listen \"NAME\" { address = \"*:5222\" } is expected\n");
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < conf->listens.count; i++) {
        if (net_address_parse(str_from(items[i].address), &address) != ERR_OK || address.is_unix) {
            buf_printf(why, "listen \"%s\": address: ADDRESS:PORT is expected, not \"%s\"\n",
                       items[i].name, items[i].address);
            e = ERR_MALFORMED;
        }
        if (!check_proxies(&items[i], why))
            e = ERR_MALFORMED;
        if (items[i].kind == C2S_DOOR_TLS && !conf->certificates.count) {
            buf_printf(why, "listen \"%s\": kind: tls needs a section certificate\n",
                       items[i].name);
            e = ERR_MALFORMED;
        }
    }
    return e;
}

static enum err check_peers(const struct c2s_conf *conf, struct buf *why)
{
    const struct link_peer_conf *items = conf->link.peers.items;
    enum err e = ERR_OK;

    if (!conf->link.peers.count) {
        buf_printf(why, "peer: at least one router is expected\n");
        e = ERR_MALFORMED;
    }
    for (size_t i = 0; i < conf->link.peers.count; i++) {
        if (items[i].role != LINK_ROLE_ROUTER) {
            buf_printf(why, "peer \"%s\": role: router is expected; c2s has no other peers\n",
                       items[i].name);
            e = ERR_MALFORMED;
        }
    }
    return e;
}

enum err c2s_conf_check(const void *data, struct buf *why)
{
    const struct c2s_conf *conf = data;
    struct tls_creds *creds = NULL;
    enum err e = check_listens(conf, why), of_peers = check_peers(conf, why);

    if (e == ERR_OK)
        e = of_peers;
    if (conf->floors.is_tls_required && !conf->certificates.count) {
        buf_printf(why, "require_tls: yes needs a section certificate\n");
        e = ERR_MALFORMED;
    }
    /* An element grows by the namespace that is spliced in, and must still fit a frame. */
    if (conf->floors.max_stanza + 4 * KIB > conf->link.max_payload) {
        buf_printf(why, "max_stanza: at most link_max_payload less 4k is expected\n");
        e = ERR_MALFORMED;
    }
    if (e == ERR_OK)
        e = links_check(LINK_ROLE_C2S, &conf->link, why);
    if (e == ERR_OK) {
        e = c2s_conf_creds(conf, false, &creds, why);
        tls_creds_unref(creds);
    }
    return e;
}
