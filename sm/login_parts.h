/* What login.c and login_sasl.c share. */
#ifndef SM_LOGIN_PARTS_H
#define SM_LOGIN_PARTS_H

#include "proto/stream.h"
#include "sm/login.h"

enum login_state {
    LOGIN_OPEN,       /* features were sent; the client may begin */
    LOGIN_BUSY,       /* the exchange computes or asks the store */
    LOGIN_CHALLENGED, /* the client's turn */
    LOGIN_ADOPTING,   /* authenticated; the owner opens the session */
};

struct login {
    struct sm *sm;
    char *address;            /* "C2S/INSTANCE-CONN" */
    struct link *via;
    struct peer *c2s;
    enum login_state state;
    struct arena arena;       /* what open's texts live in */
    struct control_open open;
    const struct sm_host_conf *host;
    struct auth_exchange *exchange;
    struct auth_certificate_check *check; /* of the client's certificate, before the features; or NULL */
    bool is_certified;        /* it is good for an account of the host */
    uint32_t guesses, failures;
    bool is_lost;             /* the next SASL element is answered with temporary-auth-failure */
    struct timer timer;
};

void login_send(struct login *l, struct str payload);
void login_send_features(struct login *l);
void login_free(struct login *l);
/* A stream error, and the end. l is gone. */
void login_end(struct login *l, enum stream_error error, struct str text);

/* --- login_sasl.c ------------------------------------------------------------------------------------------------ */

/* Whether the client's certificate is being checked: the features are sent when that is done. */
bool login_sasl_certify(struct login *l);
void login_sasl_features(struct login *l, struct xml *features, struct arena *arena);
/* An element of NS_SASL. l may be gone. */
void login_sasl(struct login *l, const struct xml *el);
/* <failure/> for what is no guess; counts it. l may be gone. */
void login_sasl_fail(struct login *l, enum auth_failure failure);

#endif
