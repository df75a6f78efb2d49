/* The session's side of a client: numbered frames up and down, windows, repetition, a new owner's
 * <sync/> (ARCHITECTURE: sessions; the rules themselves are proto/channel.h's). */
#ifndef C2S_GATE_H
#define C2S_GATE_H

#include "c2s/client.h"

struct control_sync;

/* A frame came down for the client c, or, with c NULL, for the connection of that number which is
 * gone. */
void gate_frame(struct c2s *c2s, struct link *l, const struct frame *f, struct client *c,
                uint64_t number);

/* Up: an element that declares its own namespaces. Numbered and kept with a session, else sent at
 * once. */
void gate_up(struct client *c, struct str payload);

/* The session manager's <acks/>. */
void gate_acks(struct c2s *c2s, struct upstream *from, struct str payload);

/* The socket took more bytes. */
void gate_sent(struct client *c);

/* Sends again all that is kept. */
void gate_repeat(struct client *c);

/* A new owner: answers it, and repeats. path: where it came from. */
void gate_sync(struct c2s *c2s, struct path *path, const struct control_sync *sync);

/* The socket is gone: the last frame of the session. */
void gate_end(struct client *c, const struct control_end *end);

/* What is owed, in one frame for all sessions of a path. */
void gate_flush(struct path *path, bool is_lazy);

/* A client of path has been put on it, or was taken off. */
void gate_attached(struct client *c);

void gate_fini(struct client *c);

#endif
