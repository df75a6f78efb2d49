/* Opening a connection: names, TCP, TLS, the service account's bind. Waits, so for threads only;
 * pool.c has it done by dir_opening_start, check.c does it in a thread of its own. */
#ifndef SM_DIRECTORY_OPENING_H
#define SM_DIRECTORY_OPENING_H

#include "sm/directory/dial.h"
#include "sm/directory/directory.h"

#include <ldap.h>

enum dir_step { DIR_RESOLVE, DIR_CONNECT, DIR_TLS, DIR_SERVICE_BIND, DIR_STEPS };

/* What a thread needs, its own copy, so that it outlives everybody; and what came of it. */
struct dir_opening {
    uv_work_t work;
    void *owner;
    void (*opened)(struct dir_opening *o); /* on the loop; takes ld by setting it to NULL */
    char *uri;
    char *tls_name; /* the certificate must have it; NULL: the host of the uri */
    struct directory_options options;
    bool is_unverified; /* only to look at the certificate; no bind */
    /* the result */
    LDAP *ld;           /* does not block; NULL: failed */
    enum dir_step step; /* the last one tried */
    bool is_refused;    /* the server is there and does not take the service account */
    struct buf why;     /* of a failure: one sentence */
    int fd;             /* ld's */
    struct buf tls;     /* "TLS1.3 …"; empty: none */
    struct buf certificate; /* the server's, DER; of a failure, too */
    struct buf address; /* "192.0.2.1:636"; empty: none */
    uint64_t ms[DIR_STEPS];
};

/* tls_name: may be NULL. */
void dir_opening_init(struct dir_opening *o, const struct directory_options *options,
                      const char *uri, const char *tls_name);
/* In a thread. */
void dir_opening_run(struct dir_opening *o);
/* Ends the connection, too, if it is still there. */
void dir_opening_fini(struct dir_opening *o);

/* Begins at once. opened is called exactly once; then the opening frees itself. */
void dir_opening_start(uv_loop_t *loop, const struct directory_options *options, const char *uri,
                       const char *tls_name, void (*opened)(struct dir_opening *o), void *owner);

#endif
