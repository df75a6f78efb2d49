/* What sallyport-sm may do: dial and accept links, keep the store's files, compute keys in libuv's threads, write its log. */
#include "common/confine.h"
#include "sm/auth/kerberos_conf.h"
#include "sm/directory/directory.h"
#include "sm/directory/uri.h"
#include "sm/conf.h"
#include "sm/store/store.h"

/* Its password and certificates may be replaced while we run. */
static void allow_server(const struct sm_conf *conf, struct confine *c)
{
    for (size_t i = 0; i < conf->store_hosts.count; i++) {
        struct buf address = { 0 };

        store_host_address(conf->store_hosts.items[i], &address);
        confine_allow_dial(c, address.p);
        buf_fini(&address);
    }
    confine_allow(c, CONFINE_DATABASE);
    confine_allow_file(c, CONFINE_READ, conf->store_password, CONFINE_AT_START);
    confine_allow_file(c, CONFINE_READ, conf->store_ca, CONFINE_AT_START);
}

/* Names, and the ports that records may name. */
static void allow_srv(const struct sm_directory_conf *d, struct confine *c)
{
    for (size_t i = 0; i < d->srv_ports.count && d->srv; i++) {
        struct buf address = { 0 };

        buf_printf(&address, "%s:%s", d->srv, d->srv_ports.items[i]);
        buf_add_char(&address, '\0');
        confine_allow_dial(c, address.p);
        buf_fini(&address);
    }
}

static void allow_kerberos_path(void *owner, const char *path, bool is_folder)
{
    if (is_folder)
        confine_allow_folder(owner, CONFINE_READ, path, CONFINE_AT_START);
    else
        confine_allow_file(owner, CONFINE_READ, path, CONFINE_AT_START);
}

/* The service account's ticket: the keytab, krb5.conf, and the KDC, which that names by its address
 * or its name. */
static void allow_kdc(const struct sm_directory_conf *d, struct confine *c)
{
    confine_allow(c, CONFINE_KERBEROS);
    confine_allow_file(c, CONFINE_READ, d->keytab, CONFINE_ALWAYS);
    kerberos_conf_each(allow_kerberos_path, c);
    for (size_t i = 0; i < d->kdc_ports.count; i++) {
        struct buf address = { 0 };

        buf_printf(&address, "kdc:%s", d->kdc_ports.items[i]);
        buf_add_char(&address, '\0');
        confine_allow_dial(c, address.p);
        buf_fini(&address);
    }
}

static void allow_directory(const struct sm_directory_conf *d, struct confine *c)
{
    confine_allow(c, CONFINE_LDAP);
    confine_allow_file(c, CONFINE_READ, d->ca_file, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, d->cert_file, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, d->key_file, CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, d->bind_password_file, CONFINE_ALWAYS);
    allow_srv(d, c);
    if (d->bind == DIRECTORY_GSSAPI)
        allow_kdc(d, c);
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

static void allow_authority(const struct sm_host_conf *h, struct confine *c)
{
    confine_allow_file(c, CONFINE_READ, h->external_ca, CONFINE_ALWAYS);
    for (size_t i = 0; i < h->external_crl.count; i++)
        confine_allow_file(c, CONFINE_READ, h->external_crl.items[i], CONFINE_ALWAYS);
}

/* The keytab may be replaced while we run, and so may krb5.conf. */
static void allow_kerberos(const char *keytab, struct confine *c)
{
    confine_allow(c, CONFINE_KERBEROS);
    confine_allow_file(c, CONFINE_READ, keytab, CONFINE_AT_START);
    kerberos_conf_each(allow_kerberos_path, c);
}

void sm_confine(const void *data, struct confine *c)
{
    const struct sm_conf *conf = data;
    const struct sm_directory_conf *directories = conf->directories.items;
    const struct sm_host_conf *hosts = conf->hosts.items;

    links_confine(LINK_ROLE_SM, &conf->link, c);
    if (conf->store == SM_STORE_POSTGRESQL)
        allow_server(conf, c);
    else
        confine_allow_file(c, CONFINE_KEEP, conf->store_path, CONFINE_AT_START);
    confine_allow_folder(c, CONFINE_KEEP, conf->backup_dir, CONFINE_ALWAYS);
    confine_allow(c, CONFINE_THREADS);
    for (size_t i = 0; i < conf->directories.count; i++)
        allow_directory(&directories[i], c);
    for (size_t i = 0; i < conf->hosts.count; i++)
        allow_authority(&hosts[i], c);
    if (conf->gssapi_keytab)
        allow_kerberos(conf->gssapi_keytab, c);
}
