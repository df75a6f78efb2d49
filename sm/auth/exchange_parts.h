/* What the files of one exchange share: exchange.c (its steps), exchange_digest.c (those of
 * DIGEST-MD5), exchange_answer.c (what is told, and whether groups allow it). For nobody else. */
#ifndef SM_AUTH_EXCHANGE_PARTS_H
#define SM_AUTH_EXCHANGE_PARTS_H

#include "sm/auth/claim.h"
#include "sm/auth/guesses.h"
#include "sm/auth/sasl.h"
#include "sm/directory/verdict.h"

enum state {
    WANTS_MECHANISM,
    WANTS_FIRST, /* an empty challenge is out: all our mechanisms let the client begin */
    QUEUED,      /* others are at it: a budget has no room for one more guess at once */
    FETCHING,    /* the store, a directory or the thread pool is at it */
    WANTS_FINAL, /* a challenge of SCRAM, GSSAPI or DIGEST-MD5 is out */
    OVER,
};

struct auth_exchange {
    struct auth *auth;
    enum state state;
    struct arena arena;
    struct auth_facts facts; /* a copy in the arena */
    auth_done_fn *done;
    void *owner;
    const struct auth_mechanism *mechanism;
    struct buf message; /* the client's first, which may hold a password */
    struct claim claim; /* what it says */
    struct guess guess;
    struct str response; /* the message with the proof, while it is to be looked at */
    bool is_known;      /* the keys are real */
    const char *detail; /* what the directory or Kerberos said of a refusal */
    bool is_barred;     /* it is who it claims to be, and may not log in (from here) */
    struct str success; /* what libsasl2 says with success */
    bool is_expired;    /* … and are good for nothing but to be changed */
    enum directory_verdict entry_state; /* with entry_key: what follows from a right proof */
    struct str entry_key; /* of the directory's entry that has the keys; absent: they are the store's */
    struct buf secret;  /* for libsasl2, NUL-terminated */
    struct auth_sasl_answers answers;
    struct auth_sasl *sasl;
    struct gssapi *gssapi; /* NULL: another mechanism */
    struct auth_result result;
    struct list ready_at;
    bool is_in_call; /* from auth_start or auth_respond: the answer must wait for the loop */
    bool is_waiting; /* a callback will come */
    bool is_freed;   /* … and then this goes */
};

/* --- exchange.c ------------------------------------------------------------------------------- */

/* A callback came. false: nobody waits for it any more; x may be gone. */
bool exchange_wake(struct auth_exchange *x);
/* Asks the budgets of guesses, and goes on when they allow it. */
void exchange_try_guess(struct auth_exchange *x);
/* Has libsasl2 look at x->response, and goes on to the end. */
void exchange_check_proof(struct auth_exchange *x);

/* --- exchange_digest.c ------------------------------------------------------------------------ */

/* DIGEST-MD5: the challenge; the client's answer; the password that it is checked against, absent
 * when there is none, as for a name that nobody has. */
void exchange_digest_begin(struct auth_exchange *x);
void exchange_digest_read(struct auth_exchange *x, struct str response);
void exchange_digest_check(struct auth_exchange *x, struct str password);

/* --- exchange_answer.c ------------------------------------------------------------------------ */

/* The first outcome is the guess's; of what was none, nothing. */
void exchange_settle(struct auth_exchange *x, enum guesses_outcome outcome);

void exchange_fail(struct auth_exchange *x, enum auth_failure failure);
void exchange_challenge(struct auth_exchange *x, enum state next, struct str data);
/* data: libsasl2's, until it is asked again. Groups of the directory may still refuse. */
void exchange_succeed(struct auth_exchange *x, struct str data);

#endif
