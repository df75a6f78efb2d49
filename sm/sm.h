/* The session manager's process: what everything in sm/ is handed. */
#ifndef SM_SM_H
#define SM_SM_H

#include "common/service.h"
#include "common/table.h"
#include "proto/control.h"
#include "proto/jid.h"
#include "proto/stanza.h"
#include "sm/conf.h"

struct account;
struct archive_purger;
struct auth;
struct directories;
struct incident;
struct origin;
struct people;
struct searches;
struct session;
struct shared;
struct store;

struct sm {
    struct service *service;
    const struct sm_conf *conf;
    struct links *links;
    struct store *store;
    struct auth *auth;
    struct directories *directories;
    struct leavers *leavers;    /* NULL while there are no directories */
    struct searches *searches;  /* of people, under way (sm/search.h) */
    struct people *people;      /* what is told of those in directories (sm/people.h) */
    struct shared *shared;      /* rosters by groups (sm/shared.h); NULL: nowhere */
    char *kerberos_realm;       /* the library's default; NULL: no GSSAPI (sm/single_sign_on.h) */
    struct xml_parser *parser;
    struct table accounts;      /* struct account, by bare JID: those in memory */
    struct table sessions;      /* struct session, by the 16 bytes of its id */
    struct table addresses;     /* struct session, by "C2S/INSTANCE-CONN" */
    struct table bound;         /* struct session, by full JID */
    struct table logins;        /* struct login, by "C2S/INSTANCE-CONN" */
    struct table peers;         /* struct peer: what the routers say is linked to them (sm/peers.h) */
    uint64_t epoch;             /* of all slots: one more at each start */
    uint8_t slot_key[16];
    uint8_t adopt_key[32];
    uint64_t hosts_version;
    struct acks *acks;          /* acknowledgements that are due (sm/acks.h) */
    struct adopter *adopter;    /* nonces that were used (sm/adopt.h) */
    int64_t use_failed_us;      /* when a use of a c2s was last not stored (sm/incident_use.c) */
    struct incident *incident;  /* one that is being dealt with, or NULL (sm/incident.h) */
    struct archive_purger *purger; /* of archives (sm/archive_purge.h) */
    struct list renamings;      /* of accounts, under way (sm/account_rename.c) */
    struct timer purge;
    int64_t last_stamp_us;      /* sm_stamp_us */
    bool is_stopping;
};

/* The host of the configuration with this (normalised) name, or NULL. */
const struct sm_host_conf *sm_host(const struct sm *sm, struct str domain);
bool sm_is_hosted(const struct sm *sm, struct str domain);
/* Whether this c2s is one of those that the world cannot reach; whoever is not listed stands in the DMZ. */
bool sm_is_inside(const struct sm *sm, struct str c2s);

/* --- origins ----------------------------------------------------------------------------------------------------- *
 * What one frame of a client (or one stanza of a component) leads to. Everything derived from it holds a reference; when the last is
 * given back, the frame is taken over (ARCHITECTURE §5). Ids of derived frames are made from it. */
struct origin {
    uint32_t refs;
    struct channel_up *up;      /* NULL: the server's own doing, or a component's */
    uint8_t session[FRAME_SESSION_BYTES];
    uint64_t count;             /* the number of the frame; 0: derived frames have no id */
    void (*on_done)(void *owner); /* or NULL: called once, with the last reference */
    void *owner;
};
/* take_up: one hold, given back with the last reference. NULL for what no frame started. session NULL: zeroes. */
struct origin *origin_new(struct channel_up *take_up, const uint8_t session[FRAME_SESSION_BYTES], uint64_t count);
struct origin *origin_ref(struct origin *o); /* NULL is passed through */
void origin_unref(struct origin *o);         /* NULL is fine */
/* (session, count, hash of the payload): the same when the frame is handled again. Zeroed when there is no origin. */
struct frame_id origin_derive(const struct sm *sm, const struct origin *o, struct str payload);

/* Milliseconds of the loop, and microseconds since 1970 (what the store keeps). */
uint64_t sm_now_ms(const struct sm *sm);
int64_t sm_time_us(void);
/* The same, but never the same twice and never backwards: what sorts rows. */
int64_t sm_stamp_us(struct sm *sm);
/* The slot of a bare JID, as rows hold it. */
int64_t sm_slot_of(const struct sm *sm, struct str bare);
struct str sm_own_name(const struct sm *sm);
/* 128 bits of GnuTLS's generator for keys. */
void sm_random(void *out, size_t n);

#endif
