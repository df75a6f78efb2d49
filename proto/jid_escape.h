/* Localparts that stand for names with characters that no localpart has: XEP-0106. */
#ifndef PROTO_JID_ESCAPE_H
#define PROTO_JID_ESCAPE_H

#include "common/buf.h"

/* §4.2: "anna maria" becomes "anna\20maria"; not yet prepared (jid_prepare_local). Spaces at the
 * ends stay, and so cannot be prepared. */
void jid_escape(struct buf *out, struct str name);

/* §3.3, the way back. A sequence of none of these characters stays as it is, and so does a space at
 * an end. */
void jid_unescape(struct buf *out, struct str local);

#endif
