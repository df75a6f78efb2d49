/* <stream:features/>. */
#include "sm/features.h"

#include "proto/ns.h"
#include "sm/ext.h"

void features_extend(struct sm *sm, struct str host, bool is_authenticated, struct xml *features, struct arena *arena)
{
    for (const struct ext *const *e = ext_list; *e; e++) {
        if ((*e)->stream_features && ext_is_enabled(sm, *e))
            (*e)->stream_features(sm, host, is_authenticated, features, arena);
    }
}

/* The prefix is written out: clients look for "stream:features". */
void features_write(struct buf *out, const struct xml *features)
{
    buf_add(out, STR("<stream:features xmlns:stream='" NS_STREAM "' xmlns='" NS_CLIENT "'>"));
    for (const struct xml *x = features->first; x; x = x->next)
        xml_write(out, x, STR(NS_CLIENT));
    buf_add(out, STR("</stream:features>"));
}
