/* Whom client certificates of a host are checked against: its CA and its revocation lists, as files
 * say it. What is made of them never changes, so that any thread may use it; another is made when
 * the files are others. RFC 5280 §6, RFC 6120 §13.7.1.1, §13.7.2. */
#ifndef SM_AUTH_TRUST_H
#define SM_AUTH_TRUST_H

#include "common/buf.h"
#include "sm/auth/certificate.h"

#include <time.h>

struct trust;

enum { TRUST_MAX_CRLS = 32 };

struct trust_options {
    const char *ca_file;          /* PEM */
    const char *const *crl_files; /* PEM, one list or several each */
    size_t crl_count;             /* at most TRUST_MAX_CRLS; 0: nothing is ever revoked */
    bool is_stale_ok;             /* a list past its nextUpdate counts as if it were not */
};

/* Reads the files: blocks. why: one sentence that names the file. */
NODISCARD enum err trust_new(const struct trust_options *options, struct trust **out_trust,
                             struct buf *why);
/* The same files read again. */
NODISCARD enum err trust_again(const struct trust *old, struct trust **out_trust, struct buf *why);
/* References are counted without locks: for one thread, the loop's. NULL is fine. */
struct trust *trust_ref(struct trust *t);
void trust_unref(struct trust *t);

/* Whether a file is another than the one that was read, by its time, size and number. Blocks. */
bool trust_is_changed(const struct trust *t);

/* The file of the first list that is past its nextUpdate; NULL: none is. */
const char *trust_stale_file(const struct trust *t, time_t now);

#define TRUST_STALE "a revocation list is past its next update"

/* Verifies a chain (PEM, leaf first): signatures, dates, lengths of keys, that the leaf is for
 * clients (extendedKeyUsage, keyUsage, no CA, a subject), and that nobody in it is revoked. Where
 * there are lists, one of the leaf's issuer must be among them. Costs some 100 µs to 1 ms: for the
 * thread pool. Returns NULL and the leaf's names, or why not: a constant. */
const char *trust_check(const struct trust *t, struct str chain, time_t now, struct arena *arena,
                        struct certificate_names *out_names);

#endif
