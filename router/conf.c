/* The keys of router.conf: one row each (common/conf.h), and what rows cannot say. */
#include "router/conf.h"

#include "common/arena.h"
#include "common/mem.h"
#include "proto/jid.h"

#define AT(field) offsetof(struct router_conf, field)

static const struct conf_key keys[] = {
    SERVICE_CONF_KEYS,
    LINK_CONF_KEYS(AT(link)),
    { "component_listen", CONF_TEXT, AT(component_listen), "", 0, 0, NULL, CONF_AT_START,
      "Where third-party components (XEP-0114) connect: \"127.0.0.1:5347\", \"unix:PATH\", or "
      "another address with component_cert." },
    { "component_cert", CONF_PATH, AT(component_cert_file), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Certificate of the component port, PEM. With it, components speak TLS from the first "
      "byte." },
    { "component_key", CONF_PATH, AT(component_key_file), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Key of component_cert, PEM." },
    { "component_max_stanza", CONF_SIZE, AT(component_max_stanza), "256k", 10000, 8388608, NULL,
      CONF_AT_RELOAD,
      "The largest stanza that a component may send. Must stay below link_max_payload." },
    { "component_queue", CONF_SIZE, AT(component_queue), "16M", 65536, 1073741824, NULL,
      CONF_AT_RELOAD, "Bytes that may wait for one component; beyond this its connection ends." },
    { "component_auth_timeout", CONF_DURATION, AT(component_auth_ms), "10s", 1000, 600000, NULL,
      CONF_AT_RELOAD, "From accepting a component's connection until its handshake is done." },
    { 0 },
};

static const struct conf_key component_keys[] = {
    { "secret_file", CONF_PATH, offsetof(struct router_component_conf, secret_file), NULL, 0, 0,
      NULL, CONF_AT_RELOAD, "File with the secret of the XEP-0114 handshake." },
    { 0 },
};

static const struct conf_section sections[] = {
    { .keys = keys, .doc = "The router." },
    { .name = "peer",
      .keys = link_peer_keys,
      .is_titled = true,
      .offset = AT(link.peers),
      .item_bytes = sizeof(struct link_peer_conf),
      .doc = "A process of the cluster, by its component name." },
    { .name = "component",
      .keys = component_keys,
      .is_titled = true,
      .offset = AT(components),
      .item_bytes = sizeof(struct router_component_conf),
      .doc = "A third-party component, by its domain." },
    { .is_end = true },
};

const struct conf_spec router_conf_spec = { .bytes = sizeof(struct router_conf),
                                            .sections = sections };

bool router_conf_is_local(const struct net_address *a)
{
    return a->is_unix || strcmp(a->host, "[::1]") == 0 || strncmp(a->host, "127.", 4) == 0;
}

static enum err check_listen(const struct router_conf *c, struct buf *why)
{
    struct net_address a;

    if (!c->component_cert_file != !c->component_key_file) {
        buf_printf(why, "component_cert: component_cert and component_key need each other\n");
        return ERR_MALFORMED;
    }
    if (!c->component_listen)
        return ERR_OK;
    if (net_address_parse(str_from(c->component_listen), &a) != ERR_OK) {
        buf_printf(why, "component_listen: expected \"ADDRESS:PORT\" or \"unix:PATH\"\n");
        return ERR_MALFORMED;
    }
    if (!router_conf_is_local(&a) && !c->component_cert_file) {
        buf_printf(why,
                   "component_listen: %s can be reached from other hosts: component_cert and "
                   "component_key are needed "
                   "there; without TLS only 127.0.0.1, [::1] and unix: are possible\n",
                   c->component_listen);
        return ERR_MALFORMED;
    }
    return ERR_OK;
}

static enum err check_components(const struct router_conf *c, struct buf *why)
{
    const struct router_component_conf *items = c->components.items;
    struct arena arena = { 0 };
    struct buf secret = { 0 }, reason = { 0 };
    enum err e = ERR_OK;

    for (size_t i = 0; i < c->components.count; i++) {
        struct str domain;

        if (jid_prepare_domain(str_from(items[i].domain), &arena, &domain) != ERR_OK) {
            buf_printf(why, "component \"%s\": expected a domain\n", items[i].domain);
            e = ERR_MALFORMED;
        } else if (conf_read_secret(items[i].secret_file, &secret, &reason) != ERR_OK) {
            buf_printf(why, "component \"%s\": secret_file: %.*s\n", items[i].domain,
                       STR_ARG(buf_str(&reason)));
            buf_clear(&reason);
            e = ERR_MALFORMED;
        }
    }
    mem_wipe(secret.p, secret.n);
    buf_fini(&secret);
    buf_fini(&reason);
    arena_fini(&arena);
    return e;
}

enum err router_conf_check(const void *data, struct buf *why)
{
    const struct router_conf *c = data;
    enum err e = links_check(LINK_ROLE_ROUTER, &c->link, why), of_listen = check_listen(c, why),
             of_components = check_components(c, why);

    if (c->component_max_stanza + 4096 > c->link.max_payload) {
        buf_printf(why, "component_max_stanza: at most link_max_payload less 4k is expected\n");
        return ERR_MALFORMED;
    }
    if (e != ERR_OK)
        return e;
    return of_listen != ERR_OK ? of_listen : of_components;
}
