/* adduser --file: many accounts over several connections at once. */
#ifndef DEPLOY_CTL_BULK_H
#define DEPLOY_CTL_BULK_H

#include "common/buf.h"

struct bulk_options {
    const char *file; /* lines "NAME PASSWORD"; "-" is standard input; blank lines and those with #
                         in front are skipped */
    const char *domain;  /* behind names without @; may be NULL */
    const char *socket;  /* path of the administrators' socket */
    int64_t timeout_ms;  /* of one request */
    bool is_json;
};

/* Checks all lines, then adds all accounts; prints failures and a summary. Returns the tool's exit
 * code. */
int bulk_add(const struct bulk_options *options);

#endif
