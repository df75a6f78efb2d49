/* What a section directory with bind = gssapi must say. */
#include "sm/conf.h"
#include "sm/directory/uri.h"

#include <string.h>
#include <sys/stat.h>

static bool is_private_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & (S_IROTH | S_IWOTH));
}

static bool are_ports(const struct conf_list *list)
{
    uint64_t port;

    for (size_t i = 0; i < list->count; i++)
        if (str_to_u64(str_from(list->items[i]), &port) != ERR_OK || port == 0 || port > UINT16_MAX)
            return false;
    return true;
}

static bool say(const struct sm_directory_conf *d, const char *sentence, struct buf *why)
{
    buf_printf(why, "directory \"%s\": %s\n", d->name, sentence);
    return false;
}

/* A ticket does not encrypt what is asked and answered, nor the passwords of people. */
bool sm_conf_check_kerberos(const struct sm_directory_conf *d, struct buf *why)
{
    const char *at = d->principal ? strrchr(d->principal, '@') : NULL;
    bool is_good = true;

    if (!at || at == d->principal || at[1] == '\0')
        is_good = say(d, "principal: bind = gssapi needs it, as name@REALM", why);
    if (!d->keytab || !is_private_file(d->keytab))
        is_good = say(d, "keytab: bind = gssapi needs it, a file that others cannot read", why);
    if (!are_ports(&d->kdc_ports))
        is_good = say(d, "kdc_ports: expected numbers of ports", why);
    for (size_t i = 0; i < d->uris.count; i++) {
        struct directory_uri u;

        if (directory_uri_read(d->uris.items[i], &u) != ERR_OK)
            continue; /* said elsewhere */
        if (u.scheme == DIRECTORY_LDAP && !d->is_start_tls)
            is_good = say(d, "bind: gssapi needs ldaps:// or StartTLS", why);
        if (u.scheme == DIRECTORY_LDAPI)
            is_good = say(d, "bind: gssapi needs names of hosts; ldapi:// has external", why);
    }
    return is_good;
}
