/* The verdict on one socket. Pure. */
#ifndef DEPLOY_CTL_BOUNDARY_MATCH_H
#define DEPLOY_CTL_BOUNDARY_MATCH_H

#include "deploy/ctl/boundary_judge.h"

struct boundary_listener {
    pid_t pid;
    enum boundary_kind kind;
    uint16_t port;
};

struct boundary_scene {
    const struct boundary_plan *plan;
    const struct boundary_look *look;
    const struct boundary_node *const *nodes;  /* for each process of the look */
    const struct boundary_listener *listeners; /* of all processes, TCP and SCTP */
    size_t listener_count;
    struct arena *arena;
};

/* Fills in listeners, in the arena. */
void boundary_list_listeners(struct boundary_scene *scene);

/* Which planned process this one is; NULL: none. */
const struct boundary_node *boundary_node_of(const struct boundary_scene *scene,
                                             const struct boundary_process *p);

/* row has process, node and socket; the rest is filled in. */
void boundary_match(const struct boundary_scene *scene, struct boundary_row *row);

/* Whether it is the socket that listens for this flow. */
bool boundary_is_listener(const struct boundary_flow *f, const struct boundary_socket *s);

#endif
