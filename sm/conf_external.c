/* The keys of section host about client certificates, what their rows cannot say, and what sm/auth
 * makes of them. */
#include "sm/auth/auth.h"
#include "sm/auth/trust.h"
#include "sm/conf.h"

struct auth_authority sm_conf_authority(const struct sm_host_conf *h)
{
    return (struct auth_authority){ .host = h->name,
                                    .ca_file = h->external_ca,
                                    .crl_files = (const char *const *)h->external_crl.items,
                                    .crl_count = h->external_crl.count,
                                    .is_stale_ok = h->external_stale_crl == SM_STALE_CRL_ACCEPT,
                                    .map = (const char *const *)h->external_map.items,
                                    .map_count = h->external_map.count,
                                    .directory = sm_conf_is_directory(h) ? h->directory : NULL };
}

static bool say(struct buf *why, const struct sm_host_conf *h, const char *sentence)
{
    buf_printf(why, "host \"%s\": %s\n", h->name, sentence);
    return false;
}

static bool check_map(const struct sm_host_conf *h, struct buf *why)
{
    enum certificate_rule rule;
    bool is_good = true;

    for (size_t i = 0; i < h->external_map.count; i++)
        if (!certificate_rule_find(str_from(h->external_map.items[i]), &rule))
            is_good = say(why, h, "external_map: expected xmppaddr, mail, cn or uid");
    return is_good;
}

/* They are read as they will be: a file that cannot be used shows before anything starts. */
static bool check_files(const struct sm_host_conf *h, struct buf *why)
{
    struct auth_authority a = sm_conf_authority(h);
    struct trust_options options = { .ca_file = a.ca_file,
                                     .crl_files = a.crl_files,
                                     .crl_count = a.crl_count };
    struct buf reason = { 0 };
    struct trust *trust = NULL;
    bool is_good = trust_new(&options, &trust, &reason) == ERR_OK;

    if (!is_good)
        buf_printf(why, "host \"%s\": external_ca, external_crl: %.*s\n", h->name, (int)reason.n,
                   reason.p);
    trust_unref(trust);
    buf_fini(&reason);
    return is_good;
}

static bool check_host(const struct sm_host_conf *h, struct buf *why)
{
    bool is_good = check_map(h, why);

    for (size_t i = 0; i < h->external_crl.count; i++)
        if (h->external_crl.items[i][0] != '/')
            is_good = say(why, h, "external_crl: absolute paths are expected");
    if (!h->external_ca && (h->external_crl.count > 0 || h->external_map.count > 0))
        is_good = say(why, h, "external_ca: external_crl and external_map need it");
    return is_good && (!h->external_ca || check_files(h, why));
}

bool sm_conf_check_external(const struct sm_conf *c, struct buf *why)
{
    const struct sm_host_conf *hosts = c->hosts.items;
    bool is_good = true;

    for (size_t i = 0; i < c->hosts.count; i++)
        is_good &= check_host(&hosts[i], why);
    return is_good;
}
