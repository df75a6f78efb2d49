/* The connection manager's process: what everything in c2s/ is handed. */
#ifndef C2S_C2S_H
#define C2S_C2S_H

#include "c2s/address.h"
#include "c2s/conf.h"
#include "c2s/hosts.h"
#include "common/service.h"
#include "common/table.h"
#include "proto/link.h"
#include "proto/xml.h"

struct c2s {
    struct service *service;
    const struct c2s_conf *conf;
    struct links *links;
    struct xml_parser *parser;
    /* Of the element at hand, reset by whoever begins with the next one. A frame from a link may
     * let a client go on, whose elements come before the frame is done with: hence two of each. */
    struct arena client_arena, link_arena;
    struct buf client_scratch, link_scratch;
    struct control_host floors; /* of the file, for clients that have not named a host */
    struct hosts hosts;
    struct table
        clients; /* struct client, by the 8 bytes of its number; those without a socket too */
    struct table sessions;     /* struct client, by session id */
    struct table upstreams;    /* struct upstream, by name */
    struct addresses addresses;
    struct list doors;         /* struct door */
    struct list unopened;      /* struct client, path_at: they wait for any session manager */
    struct list dead;          /* struct client, path_at: freed when the turn ends */
    struct tls_creds *starttls_creds, *direct_creds; /* NULL: no certificate */
    char *own_prefix; /* "c2s-1.example/0123456789abcdef-": in front of a client's number */
    size_t own_prefix_bytes, own_name_bytes;
    uint64_t last_number;
    uint64_t next_upstream;    /* turn of the next client to be opened */
    uint32_t unauthenticated;
    uint32_t freed, freed_before; /* clients since the last trim, now and a second ago */
    bool is_ready, is_draining;
    uv_idle_t turn;            /* runs once after c2s_at_turn_end */
    struct timer lazy;         /* f and trimming */
};

/* For service_spec. */
enum err c2s_start(struct service *s, void **out_app, struct buf *why);
enum err c2s_reload(struct service *s, const void *old_conf, struct buf *why);
void c2s_drain(struct service *s);
void c2s_stop(struct service *s);

/* Whether new clients may come in has perhaps changed: a table of hosts, a session manager, the
 * number of those that are not authenticated. */
void c2s_update(struct c2s *c2s);

/* Something waits to be done at the end of this turn: acknowledgements, freeing. */
void c2s_at_turn_end(struct c2s *c2s);

uint64_t c2s_now_ms(const struct c2s *c2s);

/* Our component name. */
struct str c2s_name(const struct c2s *c2s);

/* A frame from this process itself to a session manager. */
void c2s_send_control(struct c2s *c2s, struct link *l, const char *to, struct str payload);

#endif
