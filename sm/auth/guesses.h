/* Budgets for wrong passwords, asked before any backend is: by account, by entry of a directory, by
 * the client's address and by the c2s that it came through. Pure: time is an argument, memory is
 * bounded. Whether a name exists is not known here: an unknown one is budgeted like any other.
 *
 * Account and entry are counted as directories count: wrong guesses add up, and are forgotten when
 * none has come for a whole period. While the period is no shorter than the directory's own window
 * (lockoutObservationWindow, pwdFailureCountInterval) its count of our guesses is never above ours.
 * A bucket that leaked slowly instead would let through one guess now and then for ever, each
 * within the window of the one before, and Active Directory would count them all up to its
 * threshold. Address and c2s bound a rate: they leak steadily, the whole budget in one period.
 *
 * Whoever logged in to the account lately, from the same address through the same c2s, is known
 * there, and spends from budgets of their own (of all four kinds): strangers cannot use those up.
 * One account's wrong guesses in a window are therefore at most limits.account + limits.known.
 *
 * Attempts under way count as if they were wrong, so that a hundred at once are no more than ten.
 * Who finds the rest of a budget under way waits, GUESSES_WAIT_MS at most; who finds it used up is
 * refused at once. */
#ifndef SM_AUTH_GUESSES_H
#define SM_AUTH_GUESSES_H

#include "common/list.h"
#include "common/str.h"

enum {
    GUESSES_WAIT_MS = 1000,
    GUESSES_MAX_ACCOUNTS = 32768,  /* full: strangers of other accounts are refused */
    GUESSES_MAX_ADDRESSES = 16384, /* full: the oldest is forgotten; these protect no directory */
    GUESSES_MAX_C2S = 4096,        /* the same */
    GUESSES_MAX_KNOWN = 131072,    /* accounts; full: the oldest is forgotten */
    GUESSES_PLACES = 8,            /* of one account; the same */
    GUESSES_ADDRESS_BYTES = 64,
};

enum guesses_kind { GUESSES_ACCOUNT, GUESSES_ENTRY, GUESSES_ADDRESS, GUESSES_C2S, GUESSES_KINDS };
const char *guesses_kind_name(enum guesses_kind kind); /* "account" */

struct guesses_limits {
    uint32_t account, address, c2s; /* wrong guesses; 0: no limit. account holds for entries, too */
    uint32_t known; /* of an account and of an entry, from known addresses; 0: none are known */
    uint64_t period_ms;
    uint64_t known_ms; /* who logged in so lately is known */
};

/* A bucket's contents. Texts are borrowed for the call. */
struct guesses_state {
    enum guesses_kind kind;
    bool is_known;   /* of those who are known there */
    struct str what; /* account; key of an entry; address; name of the c2s */
    struct str c2s;  /* of an address: where it was claimed; else absent */
    uint32_t used, limit;
    uint64_t wait_ms; /* until something is free (again), if nothing else comes */
};

/* Who tries. Borrowed until guesses_end. */
struct guesses_who {
    struct str account; /* the bare JID that is claimed, or what stands for one */
    struct str address; /* as claimed by c2s, with port: an IPv6 address counts by its /64 */
    struct str c2s;
};

struct guesses_options {
    /* A budget is used up: told once in a period. The last guess was who's. May be NULL. */
    void (*used_up)(void *owner, const struct guesses_state *state, const struct guesses_who *who);
    void *owner;
};

struct guesses_counters {
    uint64_t wrong, refused, used_up; /* refused: also those that waited too long */
};

struct guesses; /* the tables */

struct guesses *guesses_new(const struct guesses_options *options);
void guesses_free(struct guesses *g); /* after its guesses have ended; NULL is fine */
/* Zeroed before the first time. Those that wait are woken. */
void guesses_set_limits(struct guesses *g, const struct guesses_limits *limits);
const struct guesses_counters *guesses_counters(const struct guesses *g);
size_t guesses_buckets(const struct guesses *g); /* in memory */

struct guesses_bucket;
/* One attempt; zeroed before the first guesses_begin. It stays where it is until guesses_end. */
struct guess {
    struct guesses *guesses;
    int state;
    bool is_known;
    uint64_t since_ms;
    struct guesses_who who;
    struct guesses_bucket *held[GUESSES_KINDS];
    struct guesses_bucket *waits_for;
    struct list waits_at;
    void (*wake)(struct guess *guess); /* notes that guesses_begin is to be called again: later */
};

enum guesses_answer {
    GUESSES_GO,      /* reserved: guesses_end must say what came of it */
    GUESSES_WAIT,    /* wake will be called */
    GUESSES_USED_UP, /* or a table is full */
    GUESSES_BUSY,    /* it waited too long */
};
enum guesses_answer guesses_begin(struct guesses *g, struct guess *guess,
                                  const struct guesses_who *who, uint64_t now_ms);

/* The account turned out to be the entry of this key, about to be bound: one person may have many
 * names. false: the entry's budget is used up; no bind may follow. Only while under way. */
bool guesses_take_entry(struct guess *guess, struct str entry, uint64_t now_ms);

enum guesses_outcome {
    GUESSES_RIGHT, /* logged in: known from now on; their own budget of the account is whole */
    GUESSES_WRONG,
    GUESSES_UNANSWERED, /* it may have been counted elsewhere: counts, but not for the known */
    GUESSES_NOTHING,    /* no password was looked at, or a right one opened nothing */
};
/* Also of one that waits, or never began. The first end counts. */
void guesses_end(struct guess *guess, enum guesses_outcome outcome, uint64_t now_ms);

/* As after a login: of a session that outlived a restart. */
void guesses_know(struct guesses *g, const struct guesses_who *who, uint64_t now_ms);

/* Of a c2s that was taken over: nobody is known any more through it. Returns how many places of
 * accounts that were. What it counted is not touched. */
size_t guesses_forget_c2s(struct guesses *g, struct str c2s);

/* Buckets with wrong guesses in them, in no order. */
void guesses_each(struct guesses *g, uint64_t now_ms,
                  void (*each)(void *owner, const struct guesses_state *state), void *owner);
/* Empties what stands for this account, address or c2s. Returns how many buckets had something. */
size_t guesses_forgive(struct guesses *g, struct str what, uint64_t now_ms);

/* "192.0.2.1:5222", "[2001:db8::1]:5222", or without port: "192.0.2.1", "2001:db8::/64". What is no
 * address is GUESSES_UNKNOWN_ADDRESS. */
#define GUESSES_UNKNOWN_ADDRESS "unknown"
void guesses_address(struct str text, char out_address[GUESSES_ADDRESS_BYTES]);

#endif
