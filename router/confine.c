/* What sallyport-router may do: dial and accept links and components, read certificates and
 * secrets, write its log. */
#include "common/confine.h"
#include "router/conf.h"

void router_confine(const void *data, struct confine *c)
{
    const struct router_conf *conf = data;
    const struct router_component_conf *components = conf->components.items;

    links_confine(LINK_ROLE_ROUTER, &conf->link, c);
    confine_allow_listen(c, conf->component_listen, CONFINE_AT_START);
    confine_allow_file(c, CONFINE_READ, conf->component_cert_file, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, conf->component_key_file, CONFINE_ALWAYS);
    for (size_t i = 0; i < conf->components.count; i++)
        confine_allow_file(c, CONFINE_READ, components[i].secret_file, CONFINE_ALWAYS);
}
