/* What incident.c (what is done) and incident_answer.c (what is said of it) share. */
#ifndef SM_INCIDENT_PARTS_H
#define SM_INCIDENT_PARTS_H

#include "sm/incident.h"

#include <uv.h>

/* What one account did with the c2s. */
struct incident_use {
    struct incident *incident;
    struct str account; /* in the arena */
    int64_t first_us, last_us, plain_us;
    uint64_t sessions;
    bool must_change, had_derived; /* SCRAM keys derived from a directory's password: dropped */
};

struct incident_session {
    uint8_t bytes[FRAME_SESSION_BYTES];
};

struct incident {
    struct sm *sm;
    struct ctl_request *request;
    struct arena arena;
    struct str c2s;
    int64_t since_us, begun_us; /* begun_us: when the record begins */
    bool is_dry_run, may_expire;
    struct table by_account;    /* struct incident_use */
    struct incident_use **uses; /* in order; as many as by_account has */
    size_t cap;
    struct incident_session *sessions; /* to be ended */
    size_t session_count, session_cap;
    enum { INCIDENT_LISTING, INCIDENT_EXPIRING, INCIDENT_ENDING, INCIDENT_WRITING } step;
    size_t at; /* how far the step is */
    uint64_t must_change, expired, ended, tokens, places, keys;
    uint32_t pending; /* of the store */
    enum err e;
    uv_idle_t turn;
    bool is_answered, is_closed;
};

/* The head of the answer, one row of it, and what is said at its end. */
void incident_write_facts(struct incident *i);
void incident_write_use(const struct incident *i, const struct incident_use *u);
void incident_write_sentences(struct incident *i);

#endif
