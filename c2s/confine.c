/* What sallyport-c2s may do: accept connections, read certificates, write its log. With links that
 * routers dial it makes no socket at all once it serves. */
#include "common/confine.h"
#include "c2s/conf.h"

void c2s_confine(const void *data, struct confine *c)
{
    const struct c2s_conf *conf = data;
    const struct c2s_listen_conf *listens = conf->listens.items;
    const struct c2s_certificate_conf *certificates = conf->certificates.items;

    links_confine(LINK_ROLE_C2S, &conf->link, c);
    for (size_t i = 0; i < conf->listens.count; i++)
        confine_allow_listen(c, listens[i].address, CONFINE_AT_START);
    for (size_t i = 0; i < conf->certificates.count; i++) {
        confine_allow_file(c, CONFINE_READ, certificates[i].cert_file, CONFINE_ALWAYS);
        confine_allow_file(c, CONFINE_READ, certificates[i].key_file, CONFINE_ALWAYS);
    }
    confine_allow_file(c, CONFINE_READ, conf->client_ca_file, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, conf->client_crl_file, CONFINE_ALWAYS);
}
