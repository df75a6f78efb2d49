/* Stanzas: message, presence, iq (RFC 6120 §8) and their errors (§8.3). */
#ifndef PROTO_STANZA_H
#define PROTO_STANZA_H

#include "proto/jid.h"
#include "proto/xml.h"

enum stanza_kind { STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };

enum stanza_type {
    TYPE_NONE, /* absent */
    TYPE_NORMAL,
    TYPE_CHAT,
    TYPE_GROUPCHAT,
    TYPE_HEADLINE, /* RFC 6121 §5.2.2 */
    TYPE_UNAVAILABLE,
    TYPE_SUBSCRIBE,
    TYPE_SUBSCRIBED,
    TYPE_UNSUBSCRIBE,
    TYPE_UNSUBSCRIBED,
    TYPE_PROBE, /* §4.7.1 */
    TYPE_GET,
    TYPE_SET,
    TYPE_RESULT, /* RFC 6120 §8.2.3 */
    TYPE_ERROR,
    TYPE_UNKNOWN, /* a word that the kind does not know */
};

/* Conditions of RFC 6120 §8.3.3. */
enum stanza_error {
    STANZA_OK,
    STANZA_BAD_REQUEST,
    STANZA_CONFLICT,
    STANZA_FEATURE_NOT_IMPLEMENTED,
    STANZA_FORBIDDEN,
    STANZA_GONE,
    STANZA_INTERNAL_SERVER_ERROR,
    STANZA_ITEM_NOT_FOUND,
    STANZA_JID_MALFORMED,
    STANZA_NOT_ACCEPTABLE,
    STANZA_NOT_ALLOWED,
    STANZA_NOT_AUTHORIZED,
    STANZA_POLICY_VIOLATION,
    STANZA_RECIPIENT_UNAVAILABLE,
    STANZA_REDIRECT,
    STANZA_REGISTRATION_REQUIRED,
    STANZA_REMOTE_SERVER_NOT_FOUND,
    STANZA_REMOTE_SERVER_TIMEOUT,
    STANZA_RESOURCE_CONSTRAINT,
    STANZA_SERVICE_UNAVAILABLE,
    STANZA_SUBSCRIPTION_REQUIRED,
    STANZA_UNDEFINED_CONDITION,
    STANZA_UNEXPECTED_REQUEST,
    STANZA_ERROR_COUNT
};

/* "bad-request", and the default type of §8.3.3: "cancel", "modify", "auth", "wait". */
const char *stanza_error_name(enum stanza_error e);
const char *stanza_error_type(enum stanza_error e);

/* A stanza and its arena. Counted; heap. from and to are normalised and agree with the element's
 * attributes once the owner has stamped it. */
struct stanza {
    uint32_t refs;
    enum stanza_kind kind;
    enum stanza_type type; /* TYPE_NORMAL for a message without type or with one that is not known
                              (RFC 6121 §5.2.2) */
    struct arena arena;
    struct xml *el;
    struct jid from, to;   /* to: zeroed when the stanza has none */
    struct str id;         /* absent when there is none */
    struct str lang;       /* xml:lang, absent when there is none */
};

/* An empty stanza; what it holds goes into s->arena. */
struct stanza *stanza_new(enum stanza_kind kind, enum stanza_type type);
struct stanza *stanza_ref(struct stanza *s);
void stanza_unref(struct stanza *s); /* NULL is fine */

/* Reads kind, type, addresses, id and lang of s->el (which lives in s->arena).
 * Returns STANZA_OK; STANZA_JID_MALFORMED (to or from; RFC 6120 §8.3.3.8), the other of them filled
 * if it is good; STANZA_BAD_REQUEST: not a stanza of jabber:client, an iq without type or id, or of
 * an unknown type, or a get or set without exactly one child (§8.2.3), or an unknown presence type.
 * kind is set whenever the name is one of the three. */
NODISCARD enum stanza_error stanza_read(struct stanza *s);

/* A new stanza of the same kind with from and to exchanged and the same id, for an answer. */
struct stanza *stanza_reply(const struct stanza *s, enum stanza_type type);

/* The error answer (§8.3.1): type error, the original's children as the sender sent them when they
 * are at most 4 KiB, then <error/>. text: absent, or an explanation for humans. Returns NULL where
 * none may be sent: for an error, an iq result, or a presence other than of a subscription or
 * directed. */
struct stanza *stanza_error_reply(const struct stanza *s, enum stanza_error e, struct str text);

/* Sets addresses and the element's attributes alike. jid zeroed: removed. */
void stanza_set_from(struct stanza *s, const struct jid *from);
void stanza_set_to(struct stanza *s, const struct jid *to);
void stanza_set_type(struct stanza *s, enum stanza_type type);

const char *stanza_kind_name(enum stanza_kind kind);
/* NULL for TYPE_NONE and TYPE_UNKNOWN. */
const char *stanza_type_name(enum stanza_type type);

#endif
