/* What is declared for this host: flows.json, which `sallyportctl plan` puts into each bundle. */
#ifndef DEPLOY_CTL_BOUNDARY_PLAN_H
#define DEPLOY_CTL_BOUNDARY_PLAN_H

#include "deploy/ctl/boundary.h"

#include <jansson.h>

enum { BOUNDARY_MAX_FLOWS = 65536, BOUNDARY_MAX_NODES = 4096 };

/* A process that is planned for this host. */
struct boundary_node {
    struct str name, user, program;
    uint32_t uid; /* BOUNDARY_NO_UID: this host has no such user */
};
#define BOUNDARY_NO_UID UINT32_MAX

struct boundary_flow {
    struct str from, from_host, from_user; /* user "": not a process of ours */
    struct str to, to_host, to_user;
    enum boundary_kind kind; /* TCP, UDP, UNIX */
    uint16_t port;
    struct str path; /* of Unix */
    struct boundary_networks sources, targets;
    struct str name;                  /* "clients > c2s-1 tcp/5222": for people */
    const struct boundary_node *node; /* of this host, at the end that listens; NULL: elsewhere */
    const struct boundary_node *dialler; /* of this host, at the other end; NULL: elsewhere */
};

struct boundary_plan {
    struct arena arena;
    json_t *rows;    /* as they are in the file */
    struct str host; /* whose file it is */
    struct boundary_flow *flows;
    size_t flow_count;
    struct boundary_node *nodes; /* in the order of the file */
    size_t node_count;
};

/* Takes the array of flows; uids are not looked up. Which host it is follows from its control
 * sockets, which both begin and end there. why: one sentence. Returns ERR_OK, ERR_MALFORMED. */
NODISCARD enum err boundary_plan_read(struct str text, struct boundary_plan *out, struct buf *why);
/* The same of rows that are parsed already; they are shared. */
NODISCARD enum err boundary_plan_take(json_t *rows, struct boundary_plan *out, struct buf *why);
void boundary_plan_fini(struct boundary_plan *p);

/* What names mean on this host: uids of users, programs without symbolic links. */
void boundary_plan_resolve(struct boundary_plan *p);
bool boundary_plan_has_uid(const struct boundary_plan *p, uint32_t uid);
/* NULL: none. */
const struct boundary_node *boundary_plan_node(const struct boundary_plan *p, struct str name);

#endif
