/* The keys that SCRAM keeps instead of a password. RFC 5802 §3, RFC 5803, RFC 7677. Pure; slow
 * where it says so. */
#ifndef SM_AUTH_SCRAM_H
#define SM_AUTH_SCRAM_H

#include "common/buf.h"

enum scram_hash {
    SCRAM_SHA_512,
    SCRAM_SHA_256,
    SCRAM_SHA_1,
    SCRAM_HASH_COUNT
}; /* strongest first */

enum { SCRAM_MAX_DIGEST = 64, SCRAM_SALT_BYTES = 16 };

/* "SCRAM-SHA-256", and the length of its digest. */
const char *scram_name(enum scram_hash hash);
size_t scram_digest_bytes(enum scram_hash hash);

struct scram_keys {
    enum scram_hash hash;
    uint32_t iterations;
    uint8_t salt[64];
    size_t salt_bytes;
    uint8_t stored_key[SCRAM_MAX_DIGEST];
    uint8_t server_key[SCRAM_MAX_DIGEST];
};

/* Fills the two keys from hash, salt, iterations and the prepared password. Milliseconds of CPU:
 * for the thread pool. */
void scram_derive(struct scram_keys *k, struct str password);

/* The form of RFC 5803: NAME$ITERATIONS:SALT$STOREDKEY:SERVERKEY, the last three in base64. */
void scram_write(struct buf *out, const struct scram_keys *k);
/* ERR_MALFORMED when it is not that. */
NODISCARD enum err scram_read(struct str text, struct scram_keys *out_keys);

/* Keys for somebody who does not exist: the same for the same name at each try, and nobody's. RFC
 * 5802 §5.1 leaves it to the server; an attacker learns nothing from the answer. secret: the
 * server's own, 32 bytes. */
void scram_invent(struct scram_keys *k, struct str secret, struct str name);

#endif
