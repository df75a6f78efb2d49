/* A client's stream: headers and restarts (RFC 6120 §4.2 to §4.7), STARTTLS (§5), errors (§4.9). */
#ifndef C2S_CLIENT_STREAM_H
#define C2S_CLIENT_STREAM_H

#include "c2s/client.h"

/* A stream header has come, with the XML declaration if there was one. */
void client_stream_header(struct client *c, struct str bytes);

/* <starttls/>. is_last: nothing but white space came behind it. */
void client_stream_starttls(struct client *c, bool is_last);

/* Writes what ends the stream, as far as the phase permits: our header where none was sent
 * (§4.9.1.2), the error, the tag. */
void client_stream_write_end(struct client *c, enum stream_error error, struct str text);

/* The session manager's <stream:features/> before authentication; STARTTLS goes first into it where
 * it is possible and TLS is not there yet. */
void client_stream_write_features(struct client *c, struct str features);

/* <open/> with the facts of the connection. is_lost: another session manager was lost meanwhile. */
void client_stream_write_open(struct client *c, bool is_lost, struct buf *out);

/* The greeting is not needed any more. */
void client_stream_forget(struct client *c);

#endif
