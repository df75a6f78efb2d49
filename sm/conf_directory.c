/* The keys of section directory, and what its rows cannot say. */
#include "sm/conf.h"
#include "sm/directory/access.h"
#include "sm/directory/directory.h"
#include "sm/directory/filter.h"
#include "sm/directory/uri.h"
#include "sm/search.h"
#include "sm/vcard.h"

#include <stddef.h>
#include <string.h>

#define DIR(field) offsetof(struct sm_directory_conf, field)

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, MAX_SERVERS = 16 };

static const char *const scopes[] = { "subtree", "one-level", NULL };
static const char *const watches[] = { "auto", "syncrepl", "notification", "none", NULL }; /* enum directory_watch */
static const char *const nestings[] = { "walk", "in-chain", "none", NULL }; /* enum directory_nesting */
static const char *const certificates[] = { "domain", "target", NULL }; /* enum directory_srv_certificate */
static const char *const binds[] = { "simple", "external", "gssapi", NULL };

const struct conf_key sm_conf_directory_keys[] = {
    { "uris", CONF_LIST, DIR(uris), "", 0, MAX_SERVERS, NULL, CONF_AT_RELOAD,
      "The servers, the best first: ldaps://host[:port], ldap://host[:port] or ldapi://%2Fpath%2Fof%2Fsocket. "
      "The first that is up is used." },
    { "srv", CONF_TEXT, DIR(srv), "", 0, 0, NULL, CONF_AT_RELOAD,
      "A domain whose SRV records name further servers, in the order of RFC 2782: _ldaps._tcp, or else _ldap._tcp with StartTLS." },
    { "srv_certificate", CONF_CHOICE, DIR(srv_certificate), "domain", 0, 0, certificates, CONF_AT_RELOAD,
      "The name that certificates of servers found by srv must have: the domain's, or the server's own (target), which whoever forges DNS "
      "can choose among all names that the CA ever signed." },
    { "srv_ports", CONF_LIST, DIR(srv_ports), "636, 389", 0, 8, NULL, CONF_AT_RELOAD,
      "Ports that SRV records may name: the process may dial no others." },
    { "srv_interval", CONF_DURATION, DIR(srv_ms), "5m", SECOND, 24 * HOUR, NULL, CONF_AT_RELOAD,
      "DNS is asked again when its answer has expired, and at least so often." },
    { "start_tls", CONF_BOOL, DIR(is_start_tls), "yes", 0, 0, NULL, CONF_AT_RELOAD,
      "Connections of ldap:// are encrypted before anything else is said." },
    { "plain", CONF_BOOL, DIR(is_plain_ok), "no", 0, 0, NULL, CONF_AT_RELOAD,
      "With start_tls = no: passwords may go unencrypted to ldap:// servers, which must then be on the loopback interface." },
    { "ca", CONF_PATH, DIR(ca_file), "", 0, 0, NULL, CONF_AT_RELOAD,
      "PEM file of the authorities that may have signed the servers' certificates; those must name the host of their uri. "
      "Needed unless nothing is encrypted." },
    { "bind", CONF_CHOICE, DIR(bind), "simple", 0, 0, binds, CONF_AT_RELOAD,
      "How the service account, which searches, says who it is: by a password (bind_dn), or by what the server knows of the connection "
      "(SASL EXTERNAL): cert and key, or over ldapi:// the user that we run as; or by Kerberos (SASL GSSAPI): keytab and principal." },
    { "cert", CONF_PATH, DIR(cert_file), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Our own certificate (PEM), which servers are shown that ask for one." },
    { "key", CONF_PATH, DIR(key_file), "", 0, 0, NULL, CONF_AT_RELOAD, "Its key (PEM). Others must not be able to read it." },
    { "bind_dn", CONF_TEXT, DIR(bind_dn), "", 0, 0, NULL, CONF_AT_RELOAD,
      "The service account of bind = simple; anonymous when absent." },
    { "bind_password_file", CONF_PATH, DIR(bind_password_file), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Its password: the file's first line. Others must not be able to read it." },
    { "principal", CONF_TEXT, DIR(principal), "", 0, 0, NULL, CONF_AT_RELOAD,
      "The service account of bind = gssapi, as name@REALM. Where the realm's KDC is, the site's krb5.conf says. The servers are ldap/HOST, HOST as in uris." },
    { "keytab", CONF_PATH, DIR(keytab), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Its keys, read for each new connection. Others must not be able to read it." },
    { "kdc_ports", CONF_LIST, DIR(kdc_ports), "88", 0, 8, NULL, CONF_AT_RELOAD,
      "TCP ports of the KDCs: with bind = gssapi the process may dial these, and no others." },
    { "base", CONF_TEXT, DIR(base), NULL, 0, 0, NULL, CONF_AT_RELOAD, "Where people are searched." },
    { "scope", CONF_CHOICE, DIR(scope), "subtree", 0, 0, scopes, CONF_AT_RELOAD,
      "All below base, or the entries right below it." },
    { "filter", CONF_TEXT, DIR(filter), "(uid=%u)", 0, 0, NULL, CONF_AT_RELOAD,
      "Which entry is meant by an address: %u is its local part, %d its domain, %a the whole; escaped (RFC 4515). "
      "It must find one entry, or none; those who may not log in at all can be left out here." },
    { "key_attribute", CONF_TEXT, DIR(key_attribute), "entryUUID", 0, 0, NULL, CONF_AT_RELOAD,
      "The attribute that an entry keeps for ever and that no other ever gets: an account belongs to it, not to the name. "
      "objectGUID for Active Directory." },
    { "scram", CONF_LIST, DIR(scram), "", 0, 3, NULL, CONF_AT_RELOAD,
      "What the directory has for SCRAM, tried in this order: authPassword (values of RFC 5803), userPassword (in clear text; the service account "
      "must be allowed to read it), derived (keys made here when a password was accepted by PLAIN through a c2s that is listed in inside, and kept "
      "in the store until the entry shows that it changed). Without any, SCRAM is not offered to people of the directory." },
    { "group_base", CONF_TEXT, DIR(group_base), "", 0, 0, NULL, CONF_AT_RELOAD, "Where groups are searched; base when absent." },
    { "group_filter", CONF_TEXT, DIR(group_filter), "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group))",
      0, 0, NULL, CONF_AT_RELOAD, "Which entries are groups." },
    { "group_name", CONF_TEXT, DIR(group_name), "cn", 0, 0, NULL, CONF_AT_RELOAD, "The attribute that is a group's name." },
    { "group_member", CONF_TEXT, DIR(group_member), "member", 0, 0, NULL, CONF_AT_RELOAD,
      "The attribute that lists a group's members, by the names of their entries; of memberUid, by the local parts of their addresses." },
    { "group_nesting", CONF_CHOICE, DIR(group_nesting), "walk", 0, 0, nestings, CONF_AT_RELOAD,
      "How members of groups in groups are found: by asking for the groups of each group, by the server's matching rule in chain "
      "(Active Directory: one question), or not at all." },
    { "primary_group", CONF_BOOL, DIR(has_primary_group), "no", 0, 0, NULL, CONF_AT_RELOAD,
      "Active Directory: the group that primaryGroupID names is one of the person's as well; no list of members shows it." },
    { "lockout_duration", CONF_DURATION, DIR(lockout_ms), "1h", 0, 365LL * 24 * HOUR, NULL, CONF_AT_RELOAD,
      "How long the directory locks an account after guesses. An entry that shows only when that was, as ppolicy's do, counts as locked so long "
      "where no bind tells." },
    { "query_timeout", CONF_DURATION, DIR(query_ms), "10s", 100, 10 * MINUTE, NULL, CONF_AT_RELOAD,
      "A search of many entries (groups, contacts) is given up when nothing came for so long." },
    { "watch", CONF_CHOICE, DIR(watch), "auto", 0, 0, watches, CONF_AT_RELOAD,
      "How the directory tells what changes, so that nobody has to wait for leavers_interval: syncrepl (RFC 4533: OpenLDAP with the overlay syncprov), "
      "notification (Active Directory), auto: whichever it does, or none." },
    { "leavers_interval", CONF_DURATION, DIR(leavers_ms), "5m", 0, 24 * HOUR, NULL, CONF_AT_RELOAD,
      "People with sessions are looked for so often: who is gone, disabled, locked, or in no group any more that may log in loses them. 0: never." },
    { "user_attribute", CONF_TEXT, DIR(user_attribute), "uid", 0, 0, NULL, CONF_AT_RELOAD,
      "Where everybody is searched (shared rosters, search): the attribute that holds the local part of a person's address, or the whole address. "
      "sAMAccountName for Active Directory." },
    { "name_attribute", CONF_TEXT, DIR(name_attribute), "displayName", 0, 0, NULL, CONF_AT_RELOAD,
      "What people are called; cn where an entry has none." },
    { "people_refresh", CONF_DURATION, DIR(people_refresh_ms), "5m", 100, 24 * HOUR, NULL, CONF_AT_RELOAD,
      "How often everybody and the groups are searched, for shared rosters." },
    { "max_people", CONF_INT, DIR(max_people), "200000", 1, 2000000, NULL, CONF_AT_RELOAD,
      "People kept in memory for shared rosters, some 100 bytes each; when the directory has more, none are taken over." },
    { "max_groups", CONF_INT, DIR(max_groups), "20000", 1, 1000000, NULL, CONF_AT_RELOAD,
      "Groups that are read for shared rosters; when the directory has more, none are taken over." },
    { "connect_timeout", CONF_DURATION, DIR(connect_ms), "2s", 100, MINUTE, NULL, CONF_AT_RELOAD,
      "For each step of a new connection: TCP, TLS, the service account's bind." },
    { "search_timeout", CONF_DURATION, DIR(search_ms), "1s", 100, MINUTE, NULL, CONF_AT_RELOAD,
      "A server that takes longer to answer is down, until it takes a new connection." },
    { "bind_timeout", CONF_DURATION, DIR(bind_ms), "1s", 100, MINUTE, NULL, CONF_AT_RELOAD,
      "The same for checking a password." },
    { "answer_timeout", CONF_DURATION, DIR(answer_ms), "1800ms", 200, MINUTE, NULL, CONF_AT_RELOAD,
      "For a whole login, with fail-over and waiting; then it is answered with temporary-auth-failure." },
    { "refuse_after", CONF_DURATION, DIR(refuse_ms), "500ms", 0, 10 * SECOND, NULL, CONF_AT_RELOAD,
      "Refusals are told at multiples of this time, so that it does not tell who exists: more than a wrong password takes. 0: at once." },
    { "probe_interval", CONF_DURATION, DIR(probe_ms), "30s", SECOND, HOUR, NULL, CONF_AT_RELOAD,
      "A connection that is not used is tried so often." },
    { "failback", CONF_DURATION, DIR(failback_ms), "1m", 0, 24 * HOUR, NULL, CONF_AT_RELOAD,
      "A better server is used again when it has been up so long." },
    { "retry", CONF_DURATION, DIR(retry_ms), "30s", SECOND, HOUR, NULL, CONF_AT_RELOAD,
      "A server that is down is dialled again after 1, 2, 4 … seconds, and at least so often." },
    { "keepalive", CONF_DURATION, DIR(keepalive_ms), "60s", 0, HOUR, NULL, CONF_AT_RELOAD,
      "When nothing was heard on a connection for so long, the kernel asks three times, at a third of this time, whether the host is there. 0: never." },
    { "unacknowledged", CONF_DURATION, DIR(unacked_ms), "20s", 0, HOUR, NULL, CONF_AT_RELOAD,
      "What the host does not acknowledge in this time ends the connection (TCP_USER_TIMEOUT). 0: as long as the kernel likes." },
    { "search_connections", CONF_INT, DIR(search_connections), "2", 1, 64, NULL, CONF_AT_RELOAD,
      "Connections to one server that search." },
    { "bind_connections", CONF_INT, DIR(bind_connections), "4", 1, 64, NULL, CONF_AT_RELOAD,
      "Connections to one server that check passwords, one at a time each." },
    { "max_waiting", CONF_INT, DIR(max_waiting), "1000", 1, 100000, NULL, CONF_AT_RELOAD,
      "Logins under way; more are answered with temporary-auth-failure." },
    { "search", CONF_LIST, DIR(search), "", 0, SEARCH_MAX_FIELDS, NULL, CONF_AT_RELOAD,
      "People of the hosts of this directory may search in it (XEP-0055), at search.HOST: the fields, each as field=attribute: last=sn, "
      "email=mail, department=ou …. What is found shows these attributes. standard: first, last, nick and email. When absent nobody searches." },
    { "search_min", CONF_INT, DIR(search_min), "3", 1, 20, NULL, CONF_AT_RELOAD,
      "A term of a search finds what begins with it; one of fewer letters only what is the same." },
    { "search_max", CONF_INT, DIR(search_max), "50", 1, SEARCH_MAX_RESULTS, NULL, CONF_AT_RELOAD,
      "A search shows so many people at most, and says when there are more." },
    { "search_rate", CONF_INT, DIR(search_rate), "20", 1, 6000, NULL, CONF_AT_RELOAD,
      "Searches of one account in a minute." },
    { "vcard", CONF_LIST, DIR(vcard), "", 0, VCARD_MAX_ROWS, NULL, CONF_AT_RELOAD,
      "Which attributes are shown in people's vCards (XEP-0054), each as FIELD=attribute: FN=cn, N/GIVEN=givenName, EMAIL/USERID=mail, "
      "TEL/NUMBER=telephoneNumber, PHOTO/BINVAL=jpegPhoto …; of several for one field the first that has a value. standard: names, mail, "
      "telephone, organisation, title and photo, by the attributes of inetOrgPerson and Active Directory. When absent none is." },
    { "vcard_outside", CONF_BOOL, DIR(is_vcard_outside), "no", 0, 0, NULL, CONF_AT_RELOAD,
      "Addresses of domains that are not hosted here see them, too." },
    { "vcard_age", CONF_DURATION, DIR(vcard_age_ms), "10m", 0, 24 * HOUR, NULL, CONF_AT_RELOAD,
      "The directory is asked again when what is known of somebody is older; while it does not answer, what is known is shown." },
    { "vcard_photo", CONF_SIZE, DIR(vcard_photo), "64k", 0, 4096 * 1024, NULL, CONF_AT_RELOAD,
      "Photos that have more bytes are not shown; nor those with which the vCard would not fit into max_stanza of the host." },
    { 0 },
};

static bool is_among(const struct conf_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return true;
    return false;
}

bool sm_conf_is_directory(const struct sm_host_conf *h)
{
    return is_among(&h->auth, "ldap");
}

enum auth_order sm_conf_auth_order(const struct sm_host_conf *h)
{
    if (h->auth.count < 2)
        return AUTH_ALONE;
    return strcmp(h->auth.items[0], "internal") == 0 ? AUTH_STORE_FIRST : AUTH_DIRECTORY_FIRST;
}

const struct sm_directory_conf *sm_conf_directory_of(const struct sm_conf *c, const struct sm_host_conf *h)
{
    return h->directory ? sm_conf_directory(c, h->directory) : NULL;
}

const struct sm_directory_conf *sm_conf_directory(const struct sm_conf *c, const char *name)
{
    const struct sm_directory_conf *items = c->directories.items;

    for (size_t i = 0; i < c->directories.count; i++)
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    return NULL;
}

const char *const *sm_conf_names(const struct conf_list *list, struct arena *arena)
{
    const char **names = arena_alloc(arena, (list->count + 1) * sizeof *names);

    for (size_t i = 0; i < list->count; i++)
        names[i] = list->items[i];
    return names;
}

struct access_rules sm_conf_access(const struct sm_host_conf *h, struct arena *arena)
{
    return (struct access_rules){ .log_in = sm_conf_names(&h->allow_groups, arena),
                                  .log_in_dmz = sm_conf_names(&h->allow_groups_dmz, arena),
                                  .outside = sm_conf_names(&h->outside_groups, arena) };
}

static bool say(struct buf *why, const char *section, const char *title, const char *sentence)
{
    buf_printf(why, "%s \"%s\": %s\n", section, title, sentence);
    return false;
}

/* --- directories ------------------------------------------------------------------------------- */

static bool check_uri(const struct sm_directory_conf *d, const char *text, struct buf *why)
{
    struct directory_uri u;
    bool is_plain;

    if (directory_uri_read(text, &u) != ERR_OK) {
        buf_printf(why, "directory \"%s\": uris: expected ldaps://host, ldap://host:port or "
                        "ldapi://%%2Fpath, not \"%s\"\n", d->name, text);
        return false;
    }
    is_plain = u.scheme == DIRECTORY_LDAP && !d->is_start_tls;
    if (is_plain && !(d->is_plain_ok && u.is_loopback)) {
        buf_printf(why, "directory \"%s\": uris: passwords would go unencrypted to %s: start_tls "
                        "= yes or ldaps:// (plain = yes is for the loopback interface)\n",
                   d->name, text);
        return false;
    }
    if (!is_plain && u.scheme != DIRECTORY_LDAPI && !d->ca_file)
        return say(why, "directory", d->name, "ca: needed to verify the servers' certificates");
    return true;
}

/* What must be sent to a server must be a text that it takes. */
static bool check_attribute(const struct sm_directory_conf *d, const char *key, const char *a, struct buf *why)
{
    size_t n = strspn(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");

    if (n == 0 || a[n] != '\0')
        buf_printf(why, "directory \"%s\": %s: expected the name of one attribute\n", d->name, key);
    return n > 0 && a[n] == '\0';
}

/* Who the service account is, must be said in one way. */
static bool check_bind(const struct sm_directory_conf *d, struct buf *why)
{
    bool is_good = true;

    if ((d->cert_file != NULL) != (d->key_file != NULL))
        is_good = say(why, "directory", d->name, "cert: it needs key, and the other way round");
    if (d->bind != DIRECTORY_GSSAPI && (d->keytab || d->principal))
        is_good = say(why, "directory", d->name, "keytab and principal: they go with bind = gssapi");
    if (d->bind == DIRECTORY_SIMPLE)
        return is_good & ((d->bind_dn != NULL) == (d->bind_password_file != NULL) ||
                          say(why, "directory", d->name,
                              "bind_dn: it needs bind_password_file, and the other way round"));
    if (d->bind_dn || d->bind_password_file)
        is_good = say(why, "directory", d->name,
                      "bind_dn: it goes with bind = simple; the server says who we are");
    if (d->bind == DIRECTORY_GSSAPI)
        return sm_conf_check_kerberos(d, why) && is_good;
    for (size_t i = 0; i < d->uris.count; i++) {
        struct directory_uri u;

        if (!d->cert_file && directory_uri_read(d->uris.items[i], &u) == ERR_OK &&
            u.scheme != DIRECTORY_LDAPI)
            is_good = say(why, "directory", d->name, "bind: external needs cert and key, or ldapi://");
    }
    return is_good;
}

bool sm_conf_srv_ports(const struct sm_directory_conf *d, struct directory_ports *out)
{
    *out = (struct directory_ports){ { 0 } };
    for (size_t i = 0; i < d->srv_ports.count && i < ARRAY_LEN(out->items); i++) {
        uint64_t port;

        if (str_to_u64(str_from(d->srv_ports.items[i]), &port) != ERR_OK || port == 0 || port > UINT16_MAX)
            return false;
        out->items[i] = (uint16_t)port;
    }
    return true;
}

/* Its servers are as those of uris that begin with ldaps:// or ldap://. */
static bool check_srv(const struct sm_directory_conf *d, struct buf *why)
{
    struct directory_ports ports;
    struct directory_uri u;
    struct buf uri = { 0 };
    bool is_name;

    if (!d->srv)
        return d->uris.count > 0 || say(why, "directory", d->name, "uris: expected servers, or srv");
    buf_printf(&uri, "ldaps://%s", d->srv);
    buf_add_char(&uri, '\0');
    is_name = directory_uri_read(uri.p, &u) == ERR_OK && str_is(u.host, d->srv) && u.host.p[0] != '[';
    buf_fini(&uri);
    if (!is_name)
        return say(why, "directory", d->name, "srv: expected a domain");
    if (!sm_conf_srv_ports(d, &ports))
        return say(why, "directory", d->name, "srv_ports: expected numbers of ports");
    if (!d->is_start_tls)
        return say(why, "directory", d->name, "srv: it needs start_tls = yes");
    if (!d->ca_file)
        return say(why, "directory", d->name, "ca: needed to verify the servers' certificates");
    return d->bind != DIRECTORY_EXTERNAL || d->cert_file || say(why, "directory", d->name, "bind: external needs cert and key, or ldapi://");
}

/* What is misspelt would silently never be used. */
static bool check_scram(const struct sm_directory_conf *d, struct buf *why)
{
    bool is_good = true;

    for (size_t i = 0; i < d->scram.count; i++)
        if (auth_source_find(d->scram.items[i]) == AUTH_SOURCE_NONE) {
            buf_printf(why, "directory \"%s\": scram: expected authPassword, userPassword or derived, not \"%s\"\n", d->name, d->scram.items[i]);
            is_good = false;
        }
    return is_good;
}

static bool check_directory(const struct sm_directory_conf *d, struct buf *why)
{
    struct buf reason = { 0 };
    struct vcard_map map;
    struct search_map fields;
    bool is_good = check_attribute(d, "key_attribute", d->key_attribute, why);

    is_good &= check_scram(d, why);
    is_good &= check_attribute(d, "group_name", d->group_name, why);
    is_good &= check_attribute(d, "group_member", d->group_member, why);
    is_good &= check_attribute(d, "user_attribute", d->user_attribute, why);
    is_good &= check_attribute(d, "name_attribute", d->name_attribute, why);

    for (size_t i = 0; i < d->uris.count; i++)
        is_good &= check_uri(d, d->uris.items[i], why);
    is_good &= check_srv(d, why);
    is_good &= check_bind(d, why);
    if (directory_filter_check(d->filter, &reason) != ERR_OK) {
        buf_printf(why, "directory \"%s\": filter: %.*s\n", d->name, (int)reason.n, reason.p);
        is_good = false;
    }
    buf_clear(&reason);
    if (search_map_read(&d->search, &fields, &reason) != ERR_OK ||
        (d->search.count > 0 && directory_filter_check_everybody(d->filter, &reason) != ERR_OK)) {
        buf_printf(why, "directory \"%s\": search: %.*s\n", d->name, (int)reason.n, reason.p);
        is_good = false;
    }
    buf_clear(&reason);
    if (vcard_map_read(&d->vcard, &map, &reason) != ERR_OK) {
        buf_printf(why, "directory \"%s\": vcard: %.*s\n", d->name, (int)reason.n, reason.p);
        is_good = false;
    }
    buf_clear(&reason);
    if (directory_filter_check_plain(d->group_filter, &reason) != ERR_OK) {
        buf_printf(why, "directory \"%s\": group_filter: %.*s\n", d->name, (int)reason.n, reason.p);
        is_good = false;
    }
    buf_fini(&reason);
    return is_good;
}

/* --- hosts ------------------------------------------------------------------------------------- */

/* Everybody must be found by the filter that finds one. */
static bool check_shared(const struct sm_conf *c, const struct sm_host_conf *h, struct buf *why)
{
    const struct sm_directory_conf *items = c->directories.items;
    struct buf reason = { 0 };
    bool is_good = true;

    if (h->shared_groups.count + h->shared_groups_to_all.count == 0)
        return true;
    for (size_t i = 0; i < c->directories.count; i++)
        if (strcmp(items[i].name, h->directory) == 0 &&
            directory_filter_check_everybody(items[i].filter, &reason) != ERR_OK) {
            buf_printf(why, "directory \"%s\": filter: shared_groups of host \"%s\": %.*s\n",
                       items[i].name, h->name, (int)reason.n, reason.p);
            is_good = false;
        }
    buf_fini(&reason);
    return is_good;
}

static bool has(const struct conf_list *list, const char *mechanism)
{
    return list->count == 0 || is_among(list, mechanism);
}

/* internal, ldap, or both, each once. */
static bool check_auth(const struct sm_host_conf *h)
{
    for (size_t i = 0; i < h->auth.count; i++)
        if (strcmp(h->auth.items[i], "internal") != 0 && strcmp(h->auth.items[i], "ldap") != 0)
            return false;
    return h->auth.count < 2 || strcmp(h->auth.items[0], h->auth.items[1]) != 0;
}

/* Whether somebody can log in of whom nothing is known but the directory's entry. */
static bool has_other_proofs(const struct sm_host_conf *h)
{
    return (h->external_ca && has(&h->mechanisms, "EXTERNAL")) ||
           (h->gssapi_realms.count > 0 && has(&h->mechanisms, "GSSAPI"));
}

/* Whether people of the directory can log in at all, and keys be derived where that is wanted. */
static bool check_directory_mechanisms(const struct sm_host_conf *h, const struct sm_directory_conf *d, struct buf *why)
{
    if (has(&h->mechanisms, "PLAIN"))
        return true;
    if (is_among(&d->scram, "derived"))
        return say(why, "host", h->name, "mechanisms: keys are derived at a login by PLAIN: scram of the directory needs it");
    return has_other_proofs(h) || d->scram.count > 0 || say(why, "host", h->name, "mechanisms: without scram a directory can check PLAIN alone");
}

bool sm_conf_has_digest(const struct sm_host_conf *h)
{
    return is_among(&h->mechanisms, "DIGEST-MD5") || is_among(&h->mechanisms_dmz, "DIGEST-MD5");
}

/* It can be checked against the password alone, which the store never has. d: NULL: none. */
static bool check_digest(const struct sm_host_conf *h, const struct sm_directory_conf *d, struct buf *why)
{
    if (!sm_conf_has_digest(h) || (d && is_among(&d->scram, "userPassword")))
        return true;
    return say(why, "host", h->name,
               "mechanisms: DIGEST-MD5 needs passwords in clear text: auth = {\"ldap\"}, and a directory with scram = {\"userPassword\"}");
}

/* Rules that nobody would apply. */
static bool check_no_directory(const struct sm_host_conf *h, struct buf *why)
{
    const struct {
        const char *key;
        const struct conf_list *list;
    } rules[] = { { "allow_groups", &h->allow_groups },
                  { "allow_groups_dmz", &h->allow_groups_dmz },
                  { "outside_groups", &h->outside_groups },
                  { "shared_groups", &h->shared_groups },
                  { "shared_groups_to_all", &h->shared_groups_to_all },
                  { "search_groups", &h->search_groups } };
    bool is_good = !h->directory || say(why, "host", h->name, "directory: it needs auth = {\"ldap\"}");

    if (h->renamed == SM_RENAMED_MOVE)
        is_good = say(why, "host", h->name, "renamed: it needs auth = {\"ldap\"}");
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (rules[i].list->count > 0) {
            buf_printf(why, "host \"%s\": %s: it needs auth = {\"ldap\"}\n", h->name, rules[i].key);
            is_good = false;
        }
    return is_good;
}

static bool check_host(const struct sm_conf *c, struct sm_host_conf *h, struct buf *why)
{
    const struct sm_directory_conf *d = sm_conf_directory_of(c, h);

    if (!check_auth(h))
        return say(why, "host", h->name, "auth: expected \"internal\", \"ldap\", or both, each once");
    if (!sm_conf_is_directory(h))
        return check_no_directory(h, why) && check_digest(h, NULL, why);
    if (!h->directory)
        return say(why, "host", h->name, "directory: auth = {\"ldap\"} needs one");
    if (!d)
        return say(why, "host", h->name, "directory: there is no section of this title");
    if (h->may_register)
        return say(why, "host", h->name, "register: accounts are the directory's to make");
    if (!check_directory_mechanisms(h, d, why) || !check_digest(h, d, why))
        return false;
    if (!h->is_tls_required)
        return say(why, "host", h->name, "tls_required: passwords of the directory need it");
    if (sm_conf_auth_order(h) == AUTH_ALONE)
        h->may_change_password = false;
    return check_shared(c, h, why);
}

bool sm_conf_check_directories(struct sm_conf *c, struct buf *why)
{
    const struct sm_directory_conf *items = c->directories.items;
    struct sm_host_conf *hosts = c->hosts.items;
    bool is_good = true;

    for (size_t i = 0; i < c->directories.count; i++)
        is_good &= check_directory(&items[i], why);
    for (size_t i = 0; i < c->hosts.count; i++)
        is_good &= check_host(c, &hosts[i], why);
    return is_good;
}
