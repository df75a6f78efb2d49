/* The router's process: what everything in router/ is handed. */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include "common/service.h"
#include "proto/link.h"
#include "proto/xml.h"
#include "router/claims.h"
#include "router/conf.h"
#include "router/slots.h"

struct components;

struct router {
    struct service *service;
    const struct router_conf *conf;
    struct links *links;
    struct components *components;
    struct slots slots;
    struct claims claims; /* of peers about themselves */
    struct xml_parser *parser;
    struct arena arena; /* of one control element or announcement */
    struct buf scratch; /* of one payload */
};

enum err router_start(struct service *s, void **out_app, struct buf *why);
enum err router_reload(struct service *s, const void *old_conf, struct buf *why);
void router_drain(struct service *s);
void router_stop(struct service *s);
enum ctl_exit router_status(struct service *s, struct ctl_request *r);

/* commands.c */
extern const struct ctl_command router_commands[];

static inline struct str router_name(const struct router *r)
{
    return str_from(r->conf->link.name);
}

/* A frame of the router's own, with what is in r->scratch. */
void router_say(struct router *r, struct link *to);

#endif
