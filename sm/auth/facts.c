/* What is said of a connection, kept as long as its exchange. */
#include "sm/auth/auth_private.h"

static const struct auth_gssapi *copy_gssapi(struct arena *arena, const struct auth_gssapi *g)
{
    struct auth_gssapi *copy;

    if (!g)
        return NULL;
    copy = arena_alloc(arena, sizeof *copy);
    copy->hostname = arena_str(arena, str_from(g->hostname)).p;
    copy->default_realm = arena_str(arena, str_from(g->default_realm)).p;
    copy->realms = directory_names_copy(g->realms, arena);
    return copy;
}

void auth_facts_copy(struct auth_facts *out, const struct auth_facts *facts, struct arena *arena)
{
    out->host = arena_str(arena, facts->host);
    out->is_tls = facts->is_tls;
    out->cb_exporter = arena_str(arena, facts->cb_exporter);
    out->cb_end_point = arena_str(arena, facts->cb_end_point);
    out->cb_unique = arena_str(arena, facts->cb_unique);
    out->mechanisms = directory_names_copy(facts->mechanisms, arena);
    out->directory = facts->directory ? arena_str(arena, str_from(facts->directory)).p : NULL;
    out->order = facts->order;
    memcpy(out->sources, facts->sources, sizeof out->sources);
    out->gssapi = copy_gssapi(arena, facts->gssapi);
    out->refused = directory_names_copy(facts->refused, arena);
    out->is_inside = facts->is_inside;
    out->access.log_in = directory_names_copy(facts->access.log_in, arena);
    out->access.log_in_dmz = directory_names_copy(facts->access.log_in_dmz, arena);
    out->access.outside = directory_names_copy(facts->access.outside, arena);
    out->address = arena_str(arena, facts->address);
    out->c2s = arena_str(arena, facts->c2s);
    out->chain = arena_str(arena, facts->chain);
    out->is_chain_good = facts->is_chain_good;
}
