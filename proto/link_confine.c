/* What links need of the operating system: their files, ports and Unix sockets. */
#include "proto/link_private.h"

#include "common/confine.h"

void links_confine(enum link_role own_role, const struct link_conf *conf, struct confine *c)
{
    const struct link_peer_conf *peers = conf->peers.items;
    bool has_dialled_tcp = false;

    confine_allow_file(c, CONFINE_READ, conf->cert_file, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, conf->key_file, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, conf->ca_file, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, conf->crl_file, CONFINE_ALWAYS);
    confine_allow_listen(c, conf->listen, CONFINE_AT_START);
    for (size_t i = 0; i < conf->peers.count; i++) {
        confine_allow_file(c, CONFINE_READ, peers[i].secret_file, CONFINE_ALWAYS);
        confine_allow_listen(c, peers[i].accept, CONFINE_ALWAYS);
        confine_allow_dial(c, peers[i].dial);
        has_dialled_tcp |= peers[i].dial && strncmp(peers[i].dial, "unix:", 5) != 0;
    }
    /* A router takes new connection managers by reload, on whatever port they listen. */
    if (own_role == LINK_ROLE_ROUTER && has_dialled_tcp)
        confine_allow(c, CONFINE_DIAL_ANY_PORT);
}
