/* Authentication: SASL exchanges through libsasl2 and the backends that know accounts. Knows neither sessions nor streams: bytes in,
 * bytes or a verdict out; what is slow (the store, a directory) is asynchronous. */
#ifndef SM_AUTH_AUTH_H
#define SM_AUTH_AUTH_H

#include "common/arena.h"
#include "common/buf.h"
#include "sm/directory/access.h"

struct auth;          /* one a process */
struct auth_exchange; /* one SASL exchange of one connection */
struct directories; /* sm/directory/directory.h */
struct guesses;         /* sm/auth/guesses.h */
struct guesses_options;
struct store;

/* Conditions of RFC 6120 §6.5. */
enum auth_failure {
    AUTH_OK,
    AUTH_ABORTED, AUTH_ACCOUNT_DISABLED, AUTH_CREDENTIALS_EXPIRED, AUTH_ENCRYPTION_REQUIRED, AUTH_INCORRECT_ENCODING, AUTH_INVALID_AUTHZID,
    AUTH_INVALID_MECHANISM, AUTH_MALFORMED_REQUEST, AUTH_MECHANISM_TOO_WEAK, AUTH_NOT_AUTHORIZED, AUTH_TEMPORARY_AUTH_FAILURE,
    AUTH_FAILURE_COUNT
};
const char *auth_failure_name(enum auth_failure f); /* "not-authorized" */

/* What becomes of the account of somebody whose entry has another name now. */
struct auth_renaming {
    void *owner;
    /* Of a host whose accounts follow their entries: its directory. NULL: they do not. */
    const char *(*directory_of)(void *owner, struct str host);
    /* The account old, which belongs to the entry of this key, is new from then on, with all that it has, or nothing has changed; in
     * bounded time. ERR_NOT_FOUND: old is not there, or is not the entry's; ERR_EXISTS: new is. done comes once. NULL: none follows. */
    void (*rename)(void *owner, struct str old, struct str new, struct str key, void (*done)(void *done_owner, enum err e), void *done_owner);
};

struct auth_options {
    struct store *store;
    struct auth_renaming renaming;
    struct directories *directories; /* outlives the exchanges; NULL: none */
    const struct guesses_options *guesses; /* read by auth_new; NULL: nobody is told of budgets that are used up */
    int64_t scram_iterations; /* for keys that we make */
    const char *keytab;       /* of GSSAPI; NULL: it is not known */
    const uint8_t *slot_key;  /* the cluster's, 16 bytes, read when an account is made (it may be filled after auth_new); NULL: slot 0 */
};
/* Registers the mechanisms and the credential plugin with libsasl2; once a process. why: one sentence. */
NODISCARD enum err auth_new(const struct auth_options *options, struct auth **out_auth, struct buf *why);
/* After its exchanges and before store_close. A password that is under way in the thread pool is then not stored: ERR_CLOSED. NULL is fine. */
void auth_free(struct auth *a);

/* The budgets of wrong passwords; none is limited until guesses_set_limits. auth_free frees them. */
struct guesses *auth_guesses(const struct auth *a);

/* The backends of a host, where it has both: who is first has an account that both have (chain.h). */
enum auth_order { AUTH_ALONE, AUTH_STORE_FIRST, AUTH_DIRECTORY_FIRST };

/* What a directory has that SCRAM can use: RFC 5803 values, passwords in clear text; or keys that we derive from a password that it
 * has accepted, at a login by PLAIN that did not come through the DMZ. */
enum auth_source { AUTH_SOURCE_NONE, AUTH_SOURCE_AUTH_PASSWORD, AUTH_SOURCE_USER_PASSWORD, AUTH_SOURCE_DERIVED };
enum { AUTH_SOURCES = AUTH_SOURCE_DERIVED + 1 };
/* "authPassword", "userPassword", "derived"; AUTH_SOURCE_NONE: anything else. */
enum auth_source auth_source_find(const char *name);

/* Before there are threads, and before auth_new, where there is a keytab: settings of the Kerberos library. Once a process.
 * default_realm: any of those that are used. */
NODISCARD enum err auth_prepare_gssapi(const char *default_realm, struct buf *why);
/* Whether the keytab has keys for this service; waits for files, so only at start. why: what the library says. */
NODISCARD enum err auth_try_gssapi(const char *hostname, struct buf *why);

/* Kerberos, as a host has it. */
struct auth_gssapi {
    const char *hostname;       /* the service is xmpp/HOSTNAME */
    const char *default_realm;  /* what auth_prepare_gssapi got */
    const char *const *realms;  /* NULL-terminated: their principals are this host's people */
};

/* What the connection offers to the exchange. Borrowed for the call. */
struct auth_facts {
    struct str host;      /* normalised; the realm */
    bool is_tls;
    struct str cb_exporter, cb_end_point, cb_unique; /* raw bytes or absent */
    const char *const *mechanisms; /* NULL-terminated: those that the host allows, without -PLUS; NULL: all we know but DIGEST-MD5 */
    const char *directory;           /* people are in this one; NULL: in the store */
    struct access_rules access;      /* with directory: by its groups */
    enum auth_order order;           /* with directory: whether there are accounts of the store as well */
    enum auth_source sources[AUTH_SOURCES]; /* of the directory, in the order in which they are tried; none: PLAIN alone is known of its people */
    bool is_inside;                  /* the connection does not come through the DMZ */
    const struct auth_gssapi *gssapi; /* NULL: not offered */
    const char *const *refused;    /* NULL-terminated: of these the ones that this connection is not offered; NULL: none */
    struct str address, c2s;       /* where guesses come from: the client's address as c2s claims it, and the c2s */
    struct str chain;        /* of the client's certificate, PEM, as c2s says that it was shown and proved; absent: none */
    bool is_chain_good;      /* auth_certificate_check found accounts: EXTERNAL is offered */
};

/* The mechanisms to offer, strongest first, NULL-terminated, in the arena: EXTERNAL for a certificate that is good, -PLUS forms when there is
 * a channel binding, PLAIN, GSSAPI and DIGEST-MD5 only under TLS. */
const char **auth_mechanisms(struct auth *a, const struct auth_facts *facts, struct arena *arena);

enum auth_step { AUTH_CHALLENGE, AUTH_SUCCESS, AUTH_FAILED };
struct auth_result {
    enum auth_step step;
    enum auth_failure failure;   /* of AUTH_FAILED */
    struct str data;             /* challenge, or additional data with success (may be absent); raw bytes */
    struct str account;          /* bare JID, of AUTH_SUCCESS */
    const char *mechanism;       /* also of one that is refused; NULL: none that we know */
    bool may_outside;            /* of AUTH_SUCCESS: may exchange stanzas with other domains */
    bool counts;                 /* of AUTH_FAILED: a guess, to be counted against the retry limit */
    const char *detail;          /* of AUTH_FAILED: what the condition does not tell, for the audit log; NULL: nothing */
    struct str claimed;          /* who it claimed to be, for the audit log; may be absent */
};
/* Called on the loop once for each auth_start and auth_respond, never from inside the call; result is borrowed. */
typedef void auth_done_fn(void *owner, const struct auth_result *result);

struct auth_exchange *auth_exchange_new(struct auth *a, const struct auth_facts *facts, auth_done_fn *done, void *owner);
/* initial: absent when the client sent none, empty for "=". */
void auth_start(struct auth_exchange *x, struct str mechanism, struct str initial);
void auth_respond(struct auth_exchange *x, struct str response);
/* Also while something is under way: done is not called any more. NULL is fine. */
void auth_exchange_free(struct auth_exchange *x);

/* --- client certificates (XEP-0178 §2) ------------------------------------------------------------------------------- */

/* Whose certificates a host believes, and whom they mean. Files as trust.h has them. */
struct auth_authority {
    const char *host;             /* normalised */
    const char *ca_file;
    const char *const *crl_files;
    size_t crl_count;
    bool is_stale_ok;
    const char *const *map;       /* words of certificate_rule_find, in their order; none: "xmppaddr" */
    size_t map_count;
    const char *directory;        /* accounts are in this one; NULL: in the store */
};
/* These and no others from now on; the files are read: for start and reload. why: one sentence, and the old ones stay. */
NODISCARD enum err auth_set_authorities(struct auth *a, const struct auth_authority *authorities, size_t count, struct buf *why);
bool auth_has_authority(const struct auth *a, struct str host);

struct auth_certificate {
    const char *refusal;          /* a constant; NULL: it is good, and count is not 0 */
    const struct str *accounts;   /* bare JIDs of the host, in the order of the certificate, that exist (or could: in a directory) */
    size_t count;
};
typedef void auth_certificate_fn(void *owner, const struct auth_certificate *c);
struct auth_certificate_check;
/* Verifies a chain (PEM) in the thread pool, with files that are read again when they have changed, and finds its accounts. done comes
 * once, later; c is borrowed. NULL when the host has no authority: done is not called. */
struct auth_certificate_check *auth_certificate_check(struct auth *a, struct str host, struct str chain, auth_certificate_fn *done, void *owner);
/* done is not called any more. After done it is gone by itself. NULL is fine. */
void auth_certificate_forget(struct auth_certificate_check *c);

/* --- accounts of the internal backend; addresses are normalised bare JIDs ------------------------------------------ */

/* Makes SCRAM keys (PBKDF2 in the thread pool) and stores them; never the password. The password is
 * prepared by SASLprep or OpaqueString; ERR_MALFORMED if it cannot be. is_new: ERR_EXISTS when the
 * account is there already; otherwise ERR_NOT_FOUND when it is not. */
void auth_set_password(struct auth *a, struct str account, struct str password, bool is_new, void (*done)(void *owner, enum err e), void *owner);

/* --- accounts of hosts that have a directory ------------------------------------------------------------------------------ */

struct auth_home {
    enum err e;           /* ERR_OK; ERR_NOT_FOUND: there is no such account; or the store failed */
    bool is_directorys;   /* its password is the directory's; also of one that is not there, where there is a directory */
    struct str key;       /* of the entry that it belongs to; '': none. Borrowed for the call */
    bool is_expired;      /* an administrator demands a new password */
    bool has_derived;     /* SCRAM keys derived from its password are kept */
};
typedef void auth_home_fn(void *owner, const struct auth_home *home);
/* Whose the account is. done comes once, later. */
void auth_find_home(struct auth *a, struct str account, enum auth_order order, auth_home_fn *done, void *owner);

/* Keys that were derived from its password are gone; an audit line if there were any. why: a constant. */
void auth_drop_derived(struct auth *a, struct str account, const char *why);

#endif
