/* libsasl2, as far as this server needs it: one exchange with one mechanism, what it must know in
 * memory beforehand. Nothing in here waits. RFC 4422. The mechanisms' own messages are libsasl2's
 * business. */
#ifndef SM_AUTH_SASL_H
#define SM_AUTH_SASL_H

#include "common/buf.h"

struct auth_sasl;

/* Once before and once after all exchanges of a process (they nest), on the loop's thread. why: one
 * sentence. names: mechanisms that must be there, NULL-terminated. ERR_UNSUPPORTED when libsasl2
 * lacks one.
 * keytab: with it the plugin of GSSAPI is loaded, and uses this file; NULL: it is not. */
NODISCARD enum err auth_sasl_init(const char *const *names, const char *keytab, struct buf *why);
/* Waits for the file system. false: what is in the keytab's place is no regular file, such as a pipe,
 * which would hold whoever reads it for ever. One that is missing is the library's to tell. */
bool auth_sasl_may_read_keytab(void);
void auth_sasl_fini(void);

/* What the exchange is told when it asks. All of it is borrowed until auth_sasl_free. */
struct auth_sasl_answers {
    const char *host;         /* of GSSAPI: the second part of the service's principal */
    bool is_gssapi;           /* names come from libsasl2, and no security layer goes with them */
    bool is_digest;           /* nor with DIGEST-MD5 */
    const char *secret;       /* RFC 5803, of this mechanism; NULL for others */
    bool is_password_right;   /* of PLAIN: checked already */
    const char *binding_name; /* "tls-exporter", or NULL */
    struct str binding;       /* its bytes */
    const char *external;     /* of EXTERNAL: who was proved without us; NULL otherwise */
};

/* NULL when libsasl2 has no memory for it. */
struct auth_sasl *auth_sasl_new(const struct auth_sasl_answers *answers);
void auth_sasl_free(struct auth_sasl *s); /* NULL is fine */

enum auth_sasl_step { AUTH_SASL_CHALLENGE, AUTH_SASL_SUCCESS, AUTH_SASL_REFUSED, AUTH_SASL_BROKEN };

/* The client's first message, then each later one. out_data: borrowed until the next call; absent
 * when there is none. AUTH_SASL_REFUSED: what the client sent was wrong in form or in fact,
 * libsasl2 does not say which. AUTH_SASL_BROKEN: our side failed. Those of GSSAPI read files, and
 * may run in any thread, one at a time for each exchange. */
enum auth_sasl_step auth_sasl_start(struct auth_sasl *s, const char *mechanism, struct str message,
                                    struct str *out_data);
enum auth_sasl_step auth_sasl_step(struct auth_sasl *s, struct str message, struct str *out_data);

/* Of DIGEST-MD5, before the step that looks at the response: the password, in clear text, borrowed
 * until that step is over. */
void auth_sasl_tell_password(struct auth_sasl *s, const char *password);

/* --- of GSSAPI; all borrowed until the next call ------------------------------------------------ */

/* Whether libsasl2 called the last refusal a failure, and not the client's fault. */
bool auth_sasl_has_failed(const struct auth_sasl *s);
/* What it said about it, for a log; may be empty. */
struct str auth_sasl_reason(const struct auth_sasl *s);
/* Of a success: who the client is, and on whose behalf, as sent; absent: nobody else's. */
struct str auth_sasl_authcid(const struct auth_sasl *s);
struct str auth_sasl_authzid(const struct auth_sasl *s);

#endif
