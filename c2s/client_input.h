/* What comes from a client: the PROXY protocol's header, TLS, then elements, each found by the
 * scanner, checked by the parser and handed to the handler that the table of rules names. */
#ifndef C2S_CLIENT_INPUT_H
#define C2S_CLIENT_INPUT_H

#include "c2s/client.h"

/* Becomes the owner of c->conn. */
void client_input_start(struct client *c);

/* Nothing holds it any more: goes on with what had come meanwhile. */
void client_input_resume(struct client *c);

/* It is over its rate: left unread for so long. Slowed, never ended: its own TCP window tells it.
 */
void client_input_slow(struct client *c, uint64_t wait_ms);

#endif
