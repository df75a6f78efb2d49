/* Kerberos as the process has it; see the header. */
#include "sm/single_sign_on.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/auth/auth.h"
#include "sm/conf.h"
#include "sm/directory/directory.h"
#include "sm/sm.h"

#include <string.h>

/* The library wants one; which, is of no account, but it must stay what it was told. */
static const char *first_realm(const struct sm_conf *conf)
{
    const struct sm_host_conf *hosts = conf->hosts.items;
    const struct sm_directory_conf *directories = conf->directories.items;

    for (size_t i = 0; i < conf->hosts.count; i++)
        if (hosts[i].gssapi_realms.count > 0)
            return hosts[i].gssapi_realms.items[0];
    for (size_t i = 0; i < conf->directories.count; i++)
        if (directories[i].bind == DIRECTORY_GSSAPI)
            return strrchr(directories[i].principal, '@') + 1; /* checked with the configuration */
    return NULL;
}

enum err single_sign_on_prepare(struct sm *sm, struct buf *why)
{
    const char *realm = first_realm(sm->conf);

    if (!realm && !sm->conf->gssapi_keytab)
        return ERR_OK;
    sm->kerberos_realm = mem_strdup(realm ? realm : "INVALID");
    return auth_prepare_gssapi(sm->kerberos_realm, why);
}

static const char *hostname_of(const struct sm_host_conf *h)
{
    return h->gssapi_hostname ? h->gssapi_hostname : h->name;
}

void single_sign_on_try(const struct sm *sm)
{
    const struct sm_host_conf *hosts = sm->conf->hosts.items;

    for (size_t i = 0; sm->kerberos_realm && i < sm->conf->hosts.count; i++) {
        struct buf why = { 0 };

        if (hosts[i].gssapi_realms.count > 0 &&
            auth_try_gssapi(hostname_of(&hosts[i]), &why) != ERR_OK)
            log_warn("nobody can log in by GSSAPI: the keytab does not serve this host",
                     kv_text("host", hosts[i].name), kv_text("hostname", hostname_of(&hosts[i])),
                     kv_str("reason", buf_str(&why)));
        buf_fini(&why);
    }
}

void single_sign_on_stop(struct sm *sm)
{
    mem_free(sm->kerberos_realm);
    sm->kerberos_realm = NULL;
}

const struct auth_gssapi *single_sign_on_facts(const struct sm *sm, const struct sm_host_conf *h,
                                               struct arena *arena)
{
    struct auth_gssapi *g;
    const char **realms;

    if (!sm->kerberos_realm || h->gssapi_realms.count == 0)
        return NULL;
    g = arena_alloc(arena, sizeof *g);
    realms = arena_alloc(arena, (h->gssapi_realms.count + 1) * sizeof *realms);
    for (size_t i = 0; i < h->gssapi_realms.count; i++)
        realms[i] = h->gssapi_realms.items[i];
    realms[h->gssapi_realms.count] = NULL;
    *g = (struct auth_gssapi){ hostname_of(h), sm->kerberos_realm, realms };
    return g;
}
