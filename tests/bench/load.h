/* The load generator: options and what its scenarios share. */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "tests/bench/user.h"

struct load {
    uv_loop_t *loop;
    struct net *net;
    struct tls_creds *creds;
    struct net_address *addresses; /* users are spread over them */
    int address_count;
    const char *domain, *prefix, *password, *scenario;
    const char *tickets; /* a folder with a credential cache for each user: GSSAPI; NULL: by password */
    bool is_plain, is_sha256, sends_presence, gets_roster;
    int users, first; /* accounts PREFIX<first> to PREFIX<first + users - 1> */
    int in_flight, window, seconds, rate, body_bytes, contacts;
    struct user_events events;
    struct user *all;
    int started, ready;
    uint64_t failures;
};

/* Starts all users, at most in_flight at once; then calls when_ready. */
void load_login_all(struct load *l, void (*when_ready)(struct load *l));
uint64_t load_now_ns(void);

/* Prints a line to the driver, and calls on_go when it answers with a line (or quit). */
void load_say(const char *format, ...) PRINTF_LIKE(1, 2);
void load_await_go(struct load *l, void (*on_go)(struct load *l));
void load_quit(struct load *l);

/* Scenarios. */
void scenario_login(struct load *l);    /* connect … bind, close, again: logins per second */
void scenario_messages(struct load *l); /* pairs with a window: messages per second */
void scenario_rate(struct load *l);     /* a given rate: latency */
void scenario_knock(struct load *l);    /* logins at a given rate, however long each takes */
void scenario_idle(struct load *l);     /* connections that do nothing */
void scenario_contacts(
    struct load *l); /* everyone of a group of contacts + 1 subscribes to all others of it */

#endif
