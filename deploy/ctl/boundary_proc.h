/* Processes and their descriptors as /proc shows them, proc(5). The texts of /proc are parsed by
 * functions that read nothing, so that tests can hand them any. */
#ifndef DEPLOY_CTL_BOUNDARY_PROC_H
#define DEPLOY_CTL_BOUNDARY_PROC_H

#include "deploy/ctl/boundary_plan.h"

/* /proc/PID/status: uids, capabilities, seccomp, no_new_privs. ERR_MALFORMED: a line is missing or
 * odd. ERR_CLOSED: it is a zombie, which holds nothing. */
NODISCARD enum err boundary_proc_status(struct str text, struct boundary_process *p);
/* /proc/PID/limits: the soft limit of core files; absent: no such line. */
struct str boundary_proc_core_limit(struct str text);
/* "socket:[123]" with kind "socket". */
bool boundary_proc_inode(struct str link, const char *kind, uint64_t *out_inode);
/* Whether it is one of our programs by its name alone: sallyport-c2s, anywhere. */
bool boundary_proc_is_program(struct str path);

enum { BOUNDARY_MAX_HOLDINGS = 16 << 20 };

/* Fills processes and holdings (of all their threads): those that run one of our programs, and
 * those of the plan's users. What ends meanwhile is left out. root: "/proc". why: one sentence.
 * ERR_IO, ERR_LIMIT. */
NODISCARD enum err boundary_proc_look(const char *root, const struct boundary_plan *plan,
                                      struct boundary_look *look, struct buf *why);

/* Fills others: which other processes hold one of these inodes (sorted). */
NODISCARD enum err boundary_proc_find_others(const char *root, const uint64_t *inodes, size_t count,
                                             struct boundary_look *look, struct buf *why);

#endif
