/* Passwords come from the terminal, without echo, or from standard input: never from the command
 * line, which everybody can read. */
#ifndef DEPLOY_CTL_PASSWORD_H
#define DEPLOY_CTL_PASSWORD_H

#include "common/buf.h"

enum { PASSWORD_MAX_BYTES = 1023 };

/* Asks twice on a terminal; otherwise takes the first line. The caller wipes out.
 * ERR_MALFORMED (empty, the two differ, not text), ERR_LIMIT, ERR_CLOSED (no input, or ^C); why:
 * one sentence. */
NODISCARD enum err password_read(struct str account, struct buf *out, struct buf *why);

/* A passphrase that is no account's: asked for on the terminal, twice when it is a new one, or the
 * first line of standard input. */
NODISCARD enum err password_read_passphrase(const char *prompt, bool is_new, struct buf *out,
                                            struct buf *why);

#endif
