/* What `incident c2s` answers. */
#include "sm/incident_parts.h"

#include "proto/datetime.h"

void incident_write_use(const struct incident *i, const struct incident_use *u)
{
    struct arena arena = { 0 };
    const struct str cells[] = { u->account,
                                 datetime_text(u->first_us, &arena),
                                 datetime_text(u->last_us, &arena),
                                 arena_printf(&arena, "%llu", (unsigned long long)u->sessions),
                                 u->must_change ? STR("change") : STR("keep"),
                                 u->must_change ? datetime_text(u->plain_us, &arena) : STR_NONE,
                                 u->had_derived ? STR("dropped") : STR_NONE };

    ctl_row(i->request, cells);
    arena_fini(&arena);
}

void incident_write_facts(struct incident *i)
{
    static const char *const columns[] = { "account",  "first_use", "last_use",     "sessions",
                                           "password", "in_clear",  "derived_keys", NULL };
    struct ctl_request *r = i->request;

    ctl_field(r, "c2s", i->c2s);
    ctl_field(r, "since", datetime_text(i->since_us, &i->arena));
    ctl_field_u64(r, "accounts", i->by_account.count);
    ctl_field_u64(r, i->is_dry_run ? "sessions_open" : "sessions_ended",
                  i->is_dry_run ? i->session_count : i->ended);
    ctl_field_u64(r, "tokens_revoked", i->tokens);
    ctl_field_u64(r, "passwords_to_change", i->must_change);
    ctl_field_u64(r, "passwords_expired", i->expired);
    ctl_field_u64(r, "derived_keys_dropped", i->keys);
    ctl_field_u64(r, "places_forgotten", i->places);
    ctl_columns(r, columns);
}

void incident_write_sentences(struct incident *i)
{
    struct ctl_request *r = i->request;

    if (i->is_dry_run)
        ctl_say(r, "nothing was changed (--dry-run)");
    if (i->must_change > 0)
        ctl_say(r,
                "\"change\": the password went through this connection manager in clear (PLAIN, or "
                "one that was set by XEP-0077)%s",
                i->expired > 0
                    ? "; logins with it are refused until an administrator sets another (passwd)"
                    : "");
    ctl_say(r, "\"keep\": logged in by SCRAM, which shows the connection manager neither the "
               "password nor what another login needs; one that "
               "can be guessed should be changed all the same");
    if (i->since_us < i->begun_us)
        ctl_say(r, "the record begins at %.*s: who used it before is not known",
                STR_ARG(datetime_text(i->begun_us, &i->arena)));
}
