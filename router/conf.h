/* The keys of router.conf. */
#ifndef ROUTER_CONF_H
#define ROUTER_CONF_H

#include "common/service.h"
#include "proto/link.h"

struct router_component_conf { /* section component "plays.example.com" */
    char *domain;
    char *secret_file;
};

struct router_conf {
    struct service_conf service;
    struct link_conf link;
    char *component_listen; /* NULL: no third-party components */
    char *component_cert_file, *component_key_file;
    int64_t component_max_stanza;
    int64_t component_queue;
    int64_t component_auth_ms;
    struct conf_items components; /* struct router_component_conf */
};

extern const struct conf_spec router_conf_spec;
enum err router_conf_check(const void *conf, struct buf *why);

/* confine.c: what the process may do, from its configuration. */
void router_confine(const void *conf, struct confine *c);

/* Whether components may come without TLS: loopback and Unix sockets (ARCHITECTURE §3). */
bool router_conf_is_local(const struct net_address *a);

#endif
