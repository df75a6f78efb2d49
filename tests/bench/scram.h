/* The client's side of SCRAM (RFC 5802, RFC 7677), for the load generator. */
#ifndef TESTS_BENCH_SCRAM_H
#define TESTS_BENCH_SCRAM_H

#include "common/buf.h"

struct scram {
    bool is_sha256; /* else SHA-1 */
    char nonce[33];
    struct buf first_bare;
};

/* Makes the client's first message, "n,,n=USER,r=NONCE". */
void scram_first(struct scram *s, const char *user, bool is_sha256, struct buf *out);

/* From the server's first message: appends the client's final one. ERR_MALFORMED when it is none.
 */
NODISCARD enum err scram_final(struct scram *s, struct str server_first, const char *password,
                               struct buf *out);
void scram_fini(struct scram *s);

#endif
