/* <stream:features/> (RFC 6120 §4.3.2), built by whoever knows what is on offer. */
#ifndef SM_FEATURES_H
#define SM_FEATURES_H

#include "sm/sm.h"

/* What the extensions that are enabled add. */
void features_extend(struct sm *sm, struct str host, bool is_authenticated, struct xml *features, struct arena *arena);

/* Writes it as a payload that declares its namespaces: <stream:features xmlns:stream=… xmlns='jabber:client'>…. */
void features_write(struct buf *out, const struct xml *features);

#endif
