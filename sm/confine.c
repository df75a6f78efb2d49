/* What sallyport-sm may do: dial and accept links, keep the store's files, compute keys in libuv's threads, write its log. */
#include "common/confine.h"
#include "sm/directory/uri.h"
#include "sm/conf.h"

static void allow_directory(const struct sm_directory_conf *d, struct confine *c)
{
    confine_allow(c, CONFINE_LDAP);
    confine_allow_file(c, CONFINE_READ, d->ca_file, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, d->bind_password_file, CONFINE_ALWAYS);
    for (size_t i = 0; i < d->uris.count; i++) {
        struct directory_uri u;
        struct buf address = { 0 };

        if (directory_uri_read(d->uris.items[i], &u) == ERR_OK)
            directory_uri_add_address(&address, &u);
        buf_add_char(&address, '\0');
        confine_allow_dial(c, address.p);
        buf_fini(&address);
    }
}

void sm_confine(const void *data, struct confine *c)
{
    const struct sm_conf *conf = data;
    const struct sm_directory_conf *directories = conf->directories.items;

    links_confine(LINK_ROLE_SM, &conf->link, c);
    confine_allow_file(c, CONFINE_KEEP, conf->store_path, CONFINE_AT_START);
    confine_allow_folder(c, CONFINE_KEEP, conf->backup_dir, CONFINE_ALWAYS);
    confine_allow(c, CONFINE_THREADS);
    for (size_t i = 0; i < conf->directories.count; i++)
        allow_directory(&directories[i], c);
}
