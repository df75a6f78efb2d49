/* What a client's first SASL message claims: who it is, for whom, and which channel binding. Pure:
 * bytes in, parts out; decides nothing. SCRAM: RFC 5802 §7 (with the GS2 header of RFC 5801 §4);
 * PLAIN: RFC 4616 §2. */
#ifndef SM_AUTH_FIRST_MESSAGE_H
#define SM_AUTH_FIRST_MESSAGE_H

#include "common/arena.h"

enum {
    FIRST_MESSAGE_MAX_BYTES = 2048
}; /* libsasl2's own limit for a SCRAM message; two names of 1023 bytes do not fit, and need not */

struct first_message {
    char binding_flag;       /* 'p', 'y' or 'n'; 0 for PLAIN */
    struct str binding_name; /* of 'p': "tls-exporter" */
    struct str gs2_header;   /* of SCRAM; borrowed from the message */
    struct str authzid;      /* decoded; absent when there is none */
    struct str user;         /* decoded, as claimed: not prepared */
    struct str password;     /* of PLAIN; borrowed from the message */
};

/* Names are valid UTF-8 without NUL and not empty. Both return ERR_OK, ERR_MALFORMED, or ERR_LIMIT
 * (too long). */
NODISCARD enum err first_message_read_scram(struct str message, struct arena *arena,
                                            struct first_message *out);
NODISCARD enum err first_message_read_plain(struct str message, struct arena *arena,
                                            struct first_message *out);

/* Whether a SCRAM client-final-message has the form "c=base64,r=nonce[,extensions],p=base64":
 * libsasl2 answers malformed ones and wrong proofs alike, and RFC 6120 §6.5 does not.
 * out_binding: the value of c=, borrowed from the message. */
bool first_message_is_scram_final(struct str message, struct str *out_binding);

#endif
