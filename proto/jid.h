/* Addresses. RFC 7622, with PRECIS (RFC 8264, 8265) for localpart and resourcepart and IDNA2008 for
 * the domain. A parsed jid is always normalised: two are the same address exactly when their texts
 * are the same bytes. */
#ifndef PROTO_JID_H
#define PROTO_JID_H

#include "common/arena.h"

enum { JID_PART_MAX_BYTES = 1023, JID_MAX_BYTES = 3 * JID_PART_MAX_BYTES + 2 };

/* full is "local@domain/resource" as far as present; the others point into it. Zeroed: no address.
 */
struct jid {
    struct str full;
    struct str bare; /* the front of full */
    struct str local;    /* absent: a domain's own address */
    struct str domain;
    struct str resource; /* absent: a bare JID */
};

/* Splits and normalises an address into its three parts. RFC 7622 §3.
 * text     borrowed; need not end in NUL; a part over JID_PART_MAX_BYTES is malformed.
 * arena    the parts live here and die with it.
 * out_jid  written only on success.
 * Returns ERR_OK, or ERR_MALFORMED for anything a stranger could send. Does not log. */
NODISCARD enum err jid_parse(struct str text, struct arena *arena, struct jid *out_jid);

/* The parts alone, normalised; an empty part is malformed. */
NODISCARD enum err jid_prepare_local(struct str text, struct arena *arena, struct str *out_text);
NODISCARD enum err jid_prepare_domain(struct str text, struct arena *arena, struct str *out_text);
NODISCARD enum err jid_prepare_resource(struct str text, struct arena *arena, struct str *out_text);

/* OpaqueString of RFC 8265 §4.2: for passwords. */
NODISCARD enum err jid_prepare_password(struct str text, struct arena *arena, struct str *out_text);

/* Joins parts that are normalised already; local and resource may be absent. */
void jid_make(struct str local, struct str domain, struct str resource, struct arena *arena,
              struct jid *out_jid);

/* From a text that jid_parse made earlier (out of the store, or from a peer that checked it): only
 * splits, borrows text. */
void jid_split(struct str normalised, struct jid *out_jid);

static inline bool jid_is_set(const struct jid *j)
{
    return str_is_set(j->full);
}

static inline bool jid_is_bare(const struct jid *j)
{
    return !str_is_set(j->resource);
}

static inline bool jid_eq(const struct jid *a, const struct jid *b)
{
    return str_eq(a->full, b->full);
}

static inline bool jid_eq_bare(const struct jid *a, const struct jid *b)
{
    return str_eq(a->bare, b->bare);
}

#endif
