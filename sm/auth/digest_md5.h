/* What a client's response of DIGEST-MD5 says: who it is, for which realm, service and challenge.
 * Pure: bytes in, parts out; what it proves is libsasl2's to find. RFC 2831 §2.1.2, §7. */
#ifndef SM_AUTH_DIGEST_MD5_H
#define SM_AUTH_DIGEST_MD5_H

#include "common/arena.h"

enum { DIGEST_MD5_MAX_BYTES = 2048 }; /* §2.1.2 forbids 4096; two long names fit into this */

struct digest_md5 {
    struct str username; /* unquoted, not prepared; valid UTF-8 without NUL, not empty */
    struct str realm;    /* absent: the client names none */
    struct str nonce;
    struct str digest_uri;
    struct str authzid; /* absent: none; otherwise as username */
    uint32_t count;     /* nc: how often the client has used this nonce */
    bool is_auth;       /* qop: authentication alone, which is also the default */
};

/* Everything lies in the arena. ERR_MALFORMED: another grammar, something that must be there is
 * missing, something stands twice, a name beyond ASCII without charset=utf-8; ERR_LIMIT: too long.
 * Directives that are not known are skipped (§2.1.2, auth-param). */
NODISCARD enum err digest_md5_read(struct str message, struct arena *arena, struct digest_md5 *out);

/* Whether digest-uri means this service of this host: "xmpp/HOST". RFC 2831 §2.1.2. */
bool digest_md5_is_for(const struct digest_md5 *d, struct str host);

#endif
