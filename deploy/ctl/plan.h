/* The plan: what cluster.conf means. Processes with their places, the links between them and who
 * dials, and every flow that follows. Pure: it reads one file and writes nothing. */
#ifndef DEPLOY_CTL_PLAN_H
#define DEPLOY_CTL_PLAN_H

#include "common/arena.h"
#include "deploy/ctl/plan_conf.h"

enum plan_role { PLAN_ROUTER, PLAN_C2S, PLAN_SM, PLAN_S2S, PLAN_ROLE_COUNT };
extern const char *const plan_role_names[];

struct plan_node {
    const struct plan_process_conf *conf;
    enum plan_role role;
    const struct plan_host_conf *host;
    const struct plan_zone_conf *zone;
    struct str name;      /* "c2s-1" */
    struct str full_name; /* "c2s-1.example.internal" */
    struct str user;
    struct str address; /* of its host, for links */
};

/* Of a router with one leaf: a process of any other role. */
struct plan_link {
    const struct plan_node *router, *leaf;
    const struct plan_node *dialler, *listener; /* these two again */
    bool is_unix;                               /* both are on one host */
};

enum plan_protocol { PLAN_TCP, PLAN_UDP, PLAN_UNIX };
extern const char *const plan_protocol_names[];

/* One end of a flow. */
struct plan_end {
    struct str name;              /* of a process, or what it is: "clients", "ntp" */
    struct str host, zone;        /* "" when it is not a host of ours; "Internet" */
    const struct plan_node *node; /* when it is a process of ours */
    const struct str *addresses;  /* none: any */
    size_t address_count;
};

struct plan_flow {
    struct plan_end from, to; /* from opens the connection */
    enum plan_protocol protocol;
    uint16_t port;       /* 0 for PLAN_UNIX */
    struct str path;     /* of PLAN_UNIX */
    bool is_crossing;    /* between two zones */
    struct str identity; /* who each end is, and how the other knows */
    struct str carries;  /* what may cross */
    struct str why;
};

struct plan {
    struct arena arena;
    struct plan_conf *conf;
    struct plan_node *nodes; /* by role, each in the order of the file */
    size_t node_count;
    struct plan_link *links;
    size_t link_count;
    struct plan_flow *flows;
    size_t flow_count;
};

/* Reads and understands a file. why: on failure lines as conf_load makes them.
 * Returns ERR_OK, ERR_IO, ERR_MALFORMED. */
NODISCARD enum err plan_open(const char *path, struct plan **out_plan, struct buf *why);
void plan_free(struct plan *p); /* NULL is fine */

/* What the table of keys cannot say; plan_check.c. why: sentences for conf_add_places. */
NODISCARD enum err plan_check(const struct plan_conf *conf, struct buf *why);

/* Fills p->flows; plan_flow.c. Refuses what would open connections from a dmz into a private zone.
 */
NODISCARD enum err plan_find_flows(struct plan *p, struct buf *why);

/* What follows from places: a domain that would offer nothing to clients through a dmz;
 * plan_warn.c. */
NODISCARD enum err plan_check_mechanisms(const struct plan *p, struct buf *why);
/* What is understood and cannot be installed by this version: explained, but no bundle is written.
 * why: a sentence each, as of plan_check, with the reason and what to do; plan_warn.c. */
NODISCARD enum err plan_check_version(const struct plan *p, struct buf *why);

/* The sections of a role. */
const struct conf_items *plan_processes(const struct plan_conf *conf, enum plan_role role);
const struct plan_zone_conf *plan_zone(const struct plan_conf *conf,
                                       const char *name); /* NULL: none */
const struct plan_host_conf *plan_host(const struct plan_conf *conf, const char *name);
const struct plan_node *plan_node(const struct plan *p, struct str name);

/* The other end of a link. */
const struct plan_node *plan_other(const struct plan_link *l, const struct plan_node *n);
/* Whether a TCP link is dialled by n, or to n. */
bool plan_dials_tcp(const struct plan *p, const struct plan_node *n);
bool plan_is_dialled_tcp(const struct plan *p, const struct plan_node *n);
bool plan_has_components(const struct plan *p, const struct plan_node *router);
/* Whether a component dials from another host: then the port speaks TLS, for all of them. */
bool plan_has_remote_components(const struct plan *p);

/* Whether what a c2s carries stays out of every dmz: it and all routers are in private zones. */
bool plan_is_inside(const struct plan *p, const struct plan_node *c2s);

/* "ADDRESS:PORT", "[ADDRESS]:PORT". */
struct str plan_endpoint(struct plan *p, struct str address, int64_t port);

/* Warnings for people: what is allowed here and is dangerous, and what plan_check_version refuses.
 * Lines; plan_warn.c. */
void plan_warn(const struct plan *p, struct buf *out);

#endif
