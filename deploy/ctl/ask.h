/* One request to one process's control socket, and its answer. Blocking with deadlines: this is a
 * tool, not a loop. The form of request and answer: common/ctl.h. */
#ifndef DEPLOY_CTL_ASK_H
#define DEPLOY_CTL_ASK_H

#include "common/buf.h"

struct ask {
    int fd;                /* -1: not under way */
    int64_t deadline_ms;   /* by ask_now_ms */
    struct buf answer;
    int exit_code;         /* of the answer, once it is whole */
    struct str body;       /* into answer */
};

/* Connects and sends. arguments: joined with the separator, without LF.
 * Returns ERR_OK, ERR_NOT_FOUND (no such socket), ERR_CLOSED (nobody listens), ERR_DENIED,
 * ERR_TIMEOUT, ERR_IO. */
NODISCARD enum err ask_begin(struct ask *a, const char *path, struct str arguments,
                             int64_t timeout_ms);

/* Reads what is there; call it when fd is readable. ERR_OK: the answer is whole; ERR_AGAIN: more
 * will come; ERR_MALFORMED. */
NODISCARD enum err ask_read(struct ask *a);

/* Waits for the whole answer. Besides those of ask_read: ERR_TIMEOUT. */
NODISCARD enum err ask_wait(struct ask *a);

/* Closes and frees; a is unused again. */
void ask_end(struct ask *a);

int64_t ask_now_ms(void);

/* The request of these arguments; ERR_MALFORMED when one holds what the form cannot carry. out is
 * for ask_begin. */
NODISCARD enum err ask_join(struct buf *out, bool is_json, const struct str *args, size_t count);

#endif
