/* One client of the load generator: direct TLS, SCRAM, bind, initial presence, then whatever the
 * scenario sends. Understands no more XML than it must: it costs far less than what it measures. */
#ifndef TESTS_BENCH_USER_H
#define TESTS_BENCH_USER_H

#include "common/net.h"
#include "proto/scan.h"
#include "tests/bench/kerberos.h"
#include "tests/bench/scram.h"

struct load;

enum user_phase {
    USER_CONNECTING,
    USER_HEADER,
    USER_SASL,
    USER_RESTARTED,
    USER_BINDING,
    USER_ENTERING,
    USER_READY,
    USER_CLOSED
};

struct user {
    struct load *load;
    struct conn *conn;
    enum user_phase phase;
    int number;           /* account "PREFIX<number>" */
    struct user *partner; /* of the pair */
    struct scan scan;
    struct buf partial; /* of an element that is not whole */
    struct scram scram;
    struct kerberos *kerberos; /* during a login by GSSAPI; NULL: none */
    bool has_stream; /* the server's header has come */
    int awaited;     /* entering: of the roster and its own presence, what has not come back */
    int contacts;    /* of scenario_contacts: who has said yes */
    uint64_t started_ns;
};

/* What a scenario hears; any may be NULL. */
struct user_events {
    void (*on_ready)(
        struct user *u); /* bound, and roster and presence came back where they are asked for */
    void (*on_message)(struct user *u, struct str stanza);
    void (*on_presence)(struct user *u, struct str stanza);
    void (*on_failed)(struct user *u, const char *why);
};

void user_start(struct user *u, struct load *load, int number);
void user_send(struct user *u, struct str bytes);

/* Says goodbye and forgets the connection, which ends by itself; the user may start again. */
void user_stop(struct user *u);

/* The value of an attribute of the root element, as it stands there; absent: STR_NONE. */
struct str user_attribute(struct str element, const char *name);

#endif
