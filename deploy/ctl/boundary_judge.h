/* What was seen, held against what is declared: a verdict for each socket, findings and notes.
 * Pure.
 */
#ifndef DEPLOY_CTL_BOUNDARY_JUDGE_H
#define DEPLOY_CTL_BOUNDARY_JUDGE_H

#include "deploy/ctl/boundary_plan.h"

enum boundary_verdict {
    BOUNDARY_DECLARED,  /* a flow says so */
    BOUNDARY_EXPECTED,  /* of the operating system: journal, readiness, names of users */
    BOUNDARY_IDLE,      /* nothing can go through it: closed, or gone before one looked again */
    BOUNDARY_UNDECLARED /* a finding */
};
extern const char *const boundary_verdict_names[];

enum boundary_direction { BOUNDARY_LISTENS, BOUNDARY_IN, BOUNDARY_OUT, BOUNDARY_NEITHER };
extern const char *const boundary_direction_names[];

/* A socket of a process. */
struct boundary_row {
    const struct boundary_process *process; /* NULL: none of ours holds it */
    const struct boundary_node *node;       /* NULL: the process is not planned */
    const struct boundary_socket *socket;
    struct str local, remote; /* addresses, paths, or who it is */
    enum boundary_direction direction;
    enum boundary_verdict verdict;
    const struct boundary_flow *flow; /* of BOUNDARY_DECLARED */
    struct str why;                   /* of the other verdicts: a phrase */
    const char *code;                 /* of BOUNDARY_UNDECLARED */
    bool is_momentary;                /* counts only when it is still there at a second look */
};

/* Codes are stable: boundary_codes in boundary_judge.c. */
struct boundary_finding {
    const char *code;   /* "listener-undeclared" */
    struct str process; /* its planned name, or its program; "": none */
    pid_t pid;          /* 0: none */
    struct str text;    /* a sentence, with what to do */
};

struct boundary_findings {
    struct boundary_finding *items;
    size_t count;
};

/* Plan, looks and this must live as long as each other. */
struct boundary_judgement {
    struct arena arena;
    const struct boundary_node **nodes; /* for each process of the look */
    struct boundary_row *rows;          /* in a fixed order: process, kind, direction, addresses */
    size_t row_count;
    struct boundary_findings findings, notes;
    bool needs_second_look; /* some rows are momentary, and there was one look */
};

/* again: a later look; NULL: there is none, and what is momentary is taken as it is. */
void boundary_judge(const struct boundary_plan *plan, const struct boundary_look *look,
                    const struct boundary_look *again, struct boundary_judgement *out);
void boundary_judgement_fini(struct boundary_judgement *j);

/* "c2s-1", else the program's file name. */
struct str boundary_process_name(const struct boundary_process *p, const struct boundary_node *n);

#endif
