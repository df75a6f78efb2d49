/* Authorities of client certificates (authorities.h). */
#include "sm/authorities.h"

#include "common/mem.h"
#include "sm/auth/auth.h"

enum err authorities_apply(struct sm *sm, struct buf *why)
{
    const struct sm_host_conf *hosts = sm->conf->hosts.items;
    struct auth_authority *list = mem_alloc((sm->conf->hosts.count + 1) * sizeof *list);
    size_t count = 0;
    enum err e;

    for (size_t i = 0; i < sm->conf->hosts.count; i++)
        if (hosts[i].external_ca)
            list[count++] = sm_conf_authority(&hosts[i]);
    e = auth_set_authorities(sm->auth, list, count, why);
    mem_free(list);
    return e;
}
