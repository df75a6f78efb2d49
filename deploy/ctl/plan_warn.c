/* What the place of a process means for passwords, what is allowed and dangerous, and what is
 * understood but cannot be installed yet. ARCHITECTURE: processes and zones; deploy/SECURITY.md. */
#include "deploy/ctl/plan.h"

/* --- mechanisms by zone ----------------------------------------------------------------------- */

/* Off by default through a c2s that is not inside (sm.conf: mechanisms_dmz). */
static const struct exposure {
    const char *mechanism, *theft;
} exposures[] = {
    { "PLAIN", "reads the password of everybody who logs in through it with PLAIN, and can be them "
               "until they change it" },
    { "EXTERNAL", "can log in as anybody, by claiming to have seen their client certificate" },
    { "DIGEST-MD5", "can try passwords offline against each login by DIGEST-MD5 that it sees" },
};

static bool is_exposed(const char *mechanism)
{
    for (size_t i = 0; i < ARRAY_LEN(exposures); i++)
        if (strcmp(exposures[i].mechanism, mechanism) == 0)
            return true;
    return false;
}

static bool has(const struct conf_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return true;
    return false;
}

static bool offers_nothing(const struct plan_domain_conf *d)
{
    for (size_t i = 0; i < d->mechanisms.count; i++)
        if (!is_exposed(d->mechanisms.items[i]))
            return false;
    return d->mechanisms_dmz.count == 0;
}

/* The names of all c2s that are not inside, comma-separated. */
static void list_outer(const struct plan *p, struct buf *out)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].role == PLAN_C2S && !plan_is_inside(p, &p->nodes[i]))
            buf_printf(out, "%s%.*s", out->n ? ", " : "", STR_ARG(p->nodes[i].name));
}

static bool has_inner(const struct plan *p)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].role == PLAN_C2S && plan_is_inside(p, &p->nodes[i]))
            return true;
    return false;
}

/* People of a directory may well log in inside alone: that is told (warn_mechanisms). */
enum err plan_check_mechanisms(const struct plan *p, struct buf *why)
{
    const struct plan_domain_conf *domains = p->conf->domains.items;
    struct buf outer = { 0 };
    enum err e = ERR_OK;

    list_outer(p, &outer);
    for (size_t i = 0; i < p->conf->domains.count && outer.n > 0 && !has_inner(p); i++) {
        if (!offers_nothing(&domains[i]))
            continue;
        buf_printf(
            why,
            "domain \"%s\": mechanisms: nobody could log in through %.*s: PLAIN, EXTERNAL "
            "and DIGEST-MD5 are off there unless mechanisms_dmz names them\n",
            domains[i].name, STR_ARG(buf_str(&outer)));
        e = ERR_MALFORMED;
    }
    buf_fini(&outer);
    return e;
}

static void warn_mechanisms(const struct plan *p, struct buf *out)
{
    const struct plan_domain_conf *domains = p->conf->domains.items;
    struct buf outer = { 0 };

    list_outer(p, &outer);
    for (size_t i = 0; i < p->conf->domains.count && outer.n > 0; i++) {
        if (offers_nothing(&domains[i]))
            buf_printf(
                out,
                "NOTE: domain %s: nobody can log in through %.*s: PLAIN and EXTERNAL are off "
                "there unless mechanisms_dmz names them.\n",
                domains[i].name, STR_ARG(buf_str(&outer)));
        for (size_t k = 0; k < ARRAY_LEN(exposures); k++)
            if (has(&domains[i].mechanisms_dmz, exposures[k].mechanism))
                buf_printf(out,
                           "WARNING: domain %s has %s on through a dmz (%.*s): who takes one of "
                           "these over %s.\n",
                           domains[i].name, exposures[k].mechanism, STR_ARG(buf_str(&outer)),
                           exposures[k].theft);
    }
    buf_fini(&outer);
}

/* XEP-0077 carries passwords as they are. */
static void warn_in_band(const struct plan *p, struct buf *out)
{
    const struct plan_domain_conf *domains = p->conf->domains.items;
    struct buf outer = { 0 };

    list_outer(p, &outer);
    for (size_t i = 0; i < p->conf->domains.count && outer.n > 0; i++) {
        if (domains[i].may_register)
            buf_printf(out,
                       "WARNING: domain %s lets strangers register through a dmz (%.*s): who takes "
                       "one of these over reads the passwords of new accounts.\n",
                       domains[i].name, STR_ARG(buf_str(&outer)));
        if (domains[i].may_change_password)
            buf_printf(out,
                       "NOTE: domain %s lets users change their password in band: a c2s in a dmz "
                       "(%.*s) that is taken over reads what is changed through it; "
                       "change_password = no turns that off.\n",
                       domains[i].name, STR_ARG(buf_str(&outer)));
    }
    buf_fini(&outer);
}

static void warn_routers(const struct plan *p, struct buf *out)
{
    for (size_t i = 0; i < p->node_count; i++) {
        const struct plan_node *n = &p->nodes[i];

        if (n->role == PLAN_ROUTER && n->zone->kind == PLAN_ZONE_DMZ)
            buf_printf(out,
                       "WARNING: %.*s stands in zone %s, a dmz: it reads and can alter all that "
                       "crosses it.\n",
                       STR_ARG(n->name), n->zone->name);
        if (n->role == PLAN_C2S && n->zone->kind == PLAN_ZONE_PRIVATE && !plan_is_inside(p, n))
            buf_printf(out,
                       "WARNING: %.*s stands in zone %s, but what its clients send can cross a "
                       "router in a dmz: it counts as one in a dmz, mechanisms_dmz holds for it.\n",
                       STR_ARG(n->name), n->zone->name);
    }
}

/* --- what cannot be installed yet ------------------------------------------------------------- */

enum err plan_check_version(const struct plan *p, struct buf *why)
{
    const struct plan_process_conf *sms = p->conf->sms.items, *s2s = p->conf->s2s.items;
    size_t before = why->n;

    if (p->conf->sms.count > 1)
        buf_printf(why,
                   "sm \"%s\": this version stores everything in an embedded database, a file of "
                   "one session manager: a second one would not know the accounts and sessions of "
                   "%s. Leave one section sm; several need a database that they share, which a "
                   "later version has\n",
                   sms[1].name, sms[0].name);
    for (size_t i = 0; i < p->conf->s2s.count; i++)
        buf_printf(why,
                   "s2s \"%s\": the program sallyport-s2s is not part of this version. Take the "
                   "section out until it is\n",
                   s2s[i].name);
    return why->n == before ? ERR_OK : ERR_UNSUPPORTED;
}

static void warn_version(const struct plan *p, struct buf *out)
{
    struct buf why = { 0 };
    struct str rest;

    if (plan_check_version(p, &why) != ERR_OK) {
        rest = buf_str(&why);
        while (rest.n > 0) {
            struct str line = str_cut(&rest, '\n');

            buf_printf(out, "WARNING: explained, but not installed: %.*s.\n", STR_ARG(line));
        }
    }
    buf_fini(&why);
}

void plan_warn(const struct plan *p, struct buf *out)
{
    warn_mechanisms(p, out);
    warn_routers(p, out);
    warn_version(p, out);
    warn_in_band(p, out);
}
