/* The keys of sm.conf: one row each (common/conf.h), and what rows cannot say. */
#include "sm/conf.h"

#include "common/arena.h"
#include "common/mem.h"
#include "proto/jid.h"
#include "sm/store/store.h"

#include <sys/stat.h>

#define AT(field) offsetof(struct sm_conf, field)
#define HOST(field) offsetof(struct sm_host_conf, field)

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, KIB = 1024, MIB = 1024 * 1024 };

static const char *const stores[] = { "sqlite", "postgresql", NULL };
static const char *const store_tls[] = { "verify-full", "verify-ca", "require", "disable", NULL }; /* enum store_tls */
static const char *const syncs[] = { "full", "normal", NULL };
static const char *const stale_crls[] = { "refuse", "accept", NULL }; /* enum sm_stale_crl */
static const char *const renamed[] = { "new", "move", NULL }; /* enum sm_renamed */
static const char *const conflicts[] = { "replace-old", "rename-new", "refuse-new", NULL };

const char *const sm_conf_exposed[] = { "PLAIN", "EXTERNAL", "DIGEST-MD5", NULL };

static const struct conf_key keys[] = {
    SERVICE_CONF_KEYS,
    LINK_CONF_KEYS(AT(link)),
    { "store", CONF_CHOICE, AT(store), "sqlite", 0, 0, stores, CONF_AT_START,
      "Where accounts and messages are kept: sqlite, a file of the process's own, or postgresql, a database on a server." },
    { "store_path", CONF_PATH, AT(store_path), "", 0, 0, NULL, CONF_AT_START,
      "sqlite: the database, one file; its folder must exist and be the process's own." },
    { "store_hosts", CONF_LIST, AT(store_hosts), "", 0, 0, NULL, CONF_AT_START,
      "postgresql: where it listens, NAME:PORT or the folder of its Unix socket (with :PORT where it is not 5432). Of several, that which takes writes is used; "
      "no pooler may stand in between." },
    { "store_database", CONF_TEXT, AT(store_database), "sallyport", 0, 0, NULL, CONF_AT_START,
      "postgresql: the name of the database, which is for this process alone; the role must own it." },
    { "store_user", CONF_TEXT, AT(store_user), "sallyport", 0, 0, NULL, CONF_AT_START, "postgresql: the role that logs in." },
    { "store_password", CONF_PATH, AT(store_password), "", 0, 0, NULL, CONF_AT_START,
      "postgresql: a file with its password, which is read for every connection; none is sent when absent." },
    { "store_tls", CONF_CHOICE, AT(store_tls), "verify-full", 0, 0, store_tls, CONF_AT_START,
      "postgresql: what is demanded of a connection over TCP: a certificate of store_ca for this very name, one of store_ca, any, or no TLS at all." },
    { "store_ca", CONF_PATH, AT(store_ca), "", 0, 0, NULL, CONF_AT_START,
      "postgresql: the certificates (PEM) that those of the server are checked against." },
    { "backup_dir", CONF_PATH, AT(backup_dir), "", 0, 0, NULL, CONF_AT_RELOAD,
      "sqlite: where copies of the database are made (sallyportctl store backup); that of store_path when absent. It must exist, and be for the process alone." },
    { "store_sync", CONF_CHOICE, AT(store_sync), "full", 0, 0, syncs, CONF_AT_START,
      "sqlite: with full, what is acknowledged survives a loss of power. With normal it survives the death of any process." },
    { "store_queue", CONF_INT, AT(store_queue), "20000", 100, 10000000, NULL, CONF_AT_START,
      "Transactions and queries that may wait for the store; beyond that new logins and offline messages are refused." },
    { "scram_iterations", CONF_INT, AT(scram_iterations), "10000", 4096, 10000000, NULL, CONF_AT_START,
      "Rounds of PBKDF2 in the SCRAM keys of new passwords (RFC 5802 5.1: at least 4096). 10000 cost some 9 ms of CPU for each new password." },
    { "gssapi_keytab", CONF_PATH, AT(gssapi_keytab), "", 0, 0, NULL, CONF_AT_START,
      "The keytab with the keys of xmpp/HOSTNAME@REALM: with it, hosts that have gssapi_realms offer GSSAPI under TLS. The file is read at each "
      "login, so new keys need no reload." },
    { "auth_retries", CONF_INT, AT(auth_retries), "3", 1, 100, NULL, CONF_AT_RELOAD,
      "Wrong guesses that one connection may make before its stream ends (RFC 6120 6.4.5)." },
    { "guesses_account", CONF_INT, AT(guesses_account), "4", 0, 1000000, NULL, CONF_AT_RELOAD,
      "Wrong passwords for one account from addresses that it has not logged in from lately; then it is refused from there with temporary-auth-failure, before "
      "any password is looked at, until there was none for guesses_period. Of a directory's entry the same, by whatever names. With guesses_known it must stay "
      "below the directory's lockout threshold: deploy/DIRECTORY.md. 0: no limit, nor for guesses_known." },
    { "guesses_known", CONF_INT, AT(guesses_known), "3", 0, 1000000, NULL, CONF_AT_RELOAD,
      "The same, from addresses (through the same c2s) that the account has logged in from in guesses_remember, which guesses from elsewhere do not use up. "
      "0: these addresses have no budget of their own." },
    { "guesses_address", CONF_INT, AT(guesses_address), "50", 0, 1000000, NULL, CONF_AT_RELOAD,
      "Wrong passwords in each guesses_period from one IPv4 address or IPv6 /64, as one c2s tells it; used up, they come back one by one. For people at known "
      "addresses as many again. 0: no limit, for clients behind a balancer that does not tell their addresses." },
    { "guesses_c2s", CONF_INT, AT(guesses_c2s), "1000", 0, 100000000, NULL, CONF_AT_RELOAD,
      "The same through one c2s: what whoever has taken it over can try. 0: no limit." },
    { "guesses_period", CONF_DURATION, AT(guesses_period_ms), "30m", SECOND, 30LL * 24 * HOUR, NULL, CONF_AT_RELOAD,
      "No shorter than the window in which the directory adds up wrong passwords." },
    { "guesses_remember", CONF_DURATION, AT(guesses_remember_ms), "14d", MINUTE, 365LL * 24 * HOUR, NULL, CONF_AT_RELOAD,
      "How long after a login its address is known for the account; while the process runs." },
    { "bind_conflict", CONF_CHOICE, AT(bind_conflict), "replace-old", 0, 0, conflicts, CONF_AT_RELOAD,
      "When a resource is in use (RFC 6120 7.7.2.2): the old stream ends with conflict, the new one gets another name, or the new one is refused." },
    { "max_resources", CONF_INT, AT(max_resources), "20", 1, 10000, NULL, CONF_AT_RELOAD,
      "Sessions of one account at a time." },
    { "max_roster_items", CONF_INT, AT(max_roster_items), "1000", 1, 100000, NULL, CONF_AT_RELOAD,
      "Contacts in one roster, pending requests included." },
    { "max_blocked", CONF_INT, AT(max_blocked), "1000", 0, 100000, NULL, CONF_AT_RELOAD,
      "JIDs that one account may block (XEP-0191)." },
    { "max_offline", CONF_INT, AT(max_offline), "1000", 0, 1000000, NULL, CONF_AT_RELOAD,
      "Messages kept for one account that is away; more are refused with service-unavailable." },
    { "max_data", CONF_SIZE, AT(max_data_bytes), "512k", 1024, 64 * MIB, NULL, CONF_AT_RELOAD,
      "Bytes of private XML and vcard of one account." },
    { "account_idle", CONF_DURATION, AT(account_idle_ms), "5m", 0, 24 * HOUR, NULL, CONF_AT_RELOAD,
      "How long an account without sessions stays in memory." },
    { "session_window", CONF_INT, AT(session_window), "256", 1, 65536, NULL, CONF_AT_RELOAD,
      "Stanzas under way to one client." },
    { "session_window_bytes", CONF_SIZE, AT(session_window_bytes), "512k", 10000, 64 * MIB, NULL, CONF_AT_RELOAD,
      "Bytes under way to one client." },
    { "session_queue", CONF_INT, AT(session_queue), "1000", 1, 1000000, NULL, CONF_AT_RELOAD,
      "Stanzas waiting in memory behind the window of one client; what is beyond waits in the store." },
    { "session_queue_bytes", CONF_SIZE, AT(session_queue_bytes), "1M", 10000, 1024LL * MIB, NULL, CONF_AT_RELOAD,
      "Bytes waiting in memory behind the window of one client." },
    { "csi_hold", CONF_INT, AT(csi_hold), "500", 0, 100000, NULL, CONF_AT_RELOAD,
      "Presence and chat states that wait in memory for a client that says that nobody looks at it (XEP-0352); all of it goes down when there is more. "
      "0: nothing waits." },
    { "csi_hold_bytes", CONF_SIZE, AT(csi_hold_bytes), "256k", 4096, 64 * MIB, NULL, CONF_AT_RELOAD,
      "Bytes of them." },
    { "store_after", CONF_DURATION, AT(store_after_ms), "1s", 100, HOUR, NULL, CONF_AT_RELOAD,
      "What a client has not taken in this time goes to the store, so that its sender need not wait." },
    { "lost_c2s", CONF_DURATION, AT(lost_c2s_ms), "5m", SECOND, 24 * HOUR, NULL, CONF_AT_RELOAD,
      "Sessions of a c2s that does not come back in this time end." },
    { "c2s_history", CONF_DURATION, AT(c2s_history_ms), "90d", 24 * HOUR, 3650LL * 24 * HOUR, NULL, CONF_AT_RELOAD,
      "How long it is known which accounts used which connection manager (sallyportctl incident)." },
    { "vcard_cache", CONF_SIZE, AT(vcard_cache), "16M", 64 * KIB, 1024LL * MIB, NULL, CONF_AT_RELOAD,
      "Memory for the vCards of people in directories." },
    { "software_os", CONF_TEXT, AT(software_os), "", 0, 0, NULL, CONF_AT_RELOAD,
      "The operating system that XEP-0092 tells; nothing when absent." },
    { "inside", CONF_LIST, AT(inside), "", 0, 0, NULL, CONF_AT_RELOAD,
      "The c2s that stand in a private zone, with all routers between them and this process, by the names of their components. "
      "Every other one stands in a dmz: mechanisms_dmz holds for it." },
    { "disabled", CONF_LIST, AT(disabled), "", 0, 0, NULL, CONF_AT_START,
      "Extensions that are turned off, by the name of their file in sm/ext." },
    { 0 },
};

static const struct conf_key host_keys[] = {
    { "tls_required", CONF_BOOL, HOST(is_tls_required), "yes", 0, 0, NULL, CONF_AT_RELOAD,
      "Nobody logs in without TLS." },
    { "mechanisms", CONF_LIST, HOST(mechanisms), "", 0, 0, NULL, CONF_AT_RELOAD,
      "SASL mechanisms that are offered, without -PLUS; all when absent, but not DIGEST-MD5, which must be named, and needs a directory whose "
      "scram has userPassword." },
    { "mechanisms_dmz", CONF_LIST, HOST(mechanisms_dmz), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Those that are offered, and accepted, through a c2s that is not listed in inside; when absent mechanisms without PLAIN, EXTERNAL and "
      "DIGEST-MD5: a c2s that is taken over reads what PLAIN sends, is believed in what EXTERNAL shows, and can try passwords at home against what "
      "DIGEST-MD5 sends." },
    { "auth", CONF_LIST, HOST(auth), "", 0, 2, NULL, CONF_AT_RELOAD,
      "Where passwords are: internal (SCRAM keys in the store; when absent), or ldap: then directory names the section, accounts are made at "
      "the first login, and register and change_password are off. With both, accounts that adduser made are the store's and the others the "
      "directory's; the first has what both have, and with ldap first adduser refuses names of the directory (deploy/DIRECTORY.md)." },
    { "directory", CONF_TEXT, HOST(directory), "", 0, 0, NULL, CONF_AT_RELOAD,
      "The title of the section directory whose people are this host's." },
    { "renamed", CONF_CHOICE, HOST(renamed), "new", 0, 0, renamed, CONF_AT_RELOAD,
      "Whoever the directory has renamed begins with nothing at the first login by the new name; or, with move, their account gets that name, with all that "
      "it has, if it is the only one of their entry and the directory knows them by its old name no more (deploy/DIRECTORY.md)." },
    { "allow_groups", CONF_LIST, HOST(allow_groups), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Groups of the directory, by name or DN, whose members may log in; everybody when absent." },
    { "allow_groups_dmz", CONF_LIST, HOST(allow_groups_dmz), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Of these the ones that may log in through a c2s that is not listed in inside; all when absent." },
    { "outside_groups", CONF_LIST, HOST(outside_groups), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Groups whose members may exchange stanzas with domains that are not hosted here and are no component; everybody when absent." },
    { "external_ca", CONF_PATH, HOST(external_ca), "", 0, 0, NULL, CONF_AT_RELOAD,
      "The authorities (PEM) whose client certificates log in by EXTERNAL (XEP-0178). c2s checks them too, by its client_ca. Read again when it changes. "
      "Absent: EXTERNAL is not offered." },
    { "external_crl", CONF_LIST, HOST(external_crl), "", 0, 32, NULL, CONF_AT_RELOAD,
      "Their revocation lists: PEM files, by absolute paths, read again when they change. With any of them, one of the certificate's issuer must be there." },
    { "external_stale_crl", CONF_CHOICE, HOST(external_stale_crl), "refuse", 0, 0, stale_crls, CONF_AT_RELOAD,
      "When a revocation list is past its next update, its issuer's certificates are refused; or accepted, by what it says." },
    { "external_map", CONF_LIST, HOST(external_map), "", 0, 4, NULL, CONF_AT_RELOAD,
      "Where a certificate says whose it is, the first that gives an account counts: xmppaddr (id-on-xmppAddr, RFC 6120 13.7.1.4; when absent), "
      "mail (rfc822Name as the account's address), cn or uid (of the subject, as its local part)." },
    { "shared_groups", CONF_LIST, HOST(shared_groups), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Groups of the directory, by name or DN, whose members have each other in their rosters; \"*\" means all of them." },
    { "shared_groups_to_all", CONF_LIST, HOST(shared_groups_to_all), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Groups whose members everybody of the directory has in the roster." },
    { "max_shared", CONF_INT, HOST(max_shared), "3000", 1, 100000, NULL, CONF_AT_RELOAD,
      "Contacts that groups give to one roster. A group of more members is not shown; of several that are more together the smallest are." },
    { "search_groups", CONF_LIST, HOST(search_groups), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Groups whose members may search for people (the directory's key search); everybody of this host when absent." },
    { "gssapi_realms", CONF_LIST, HOST(gssapi_realms), "", 0, 0, NULL, CONF_AT_RELOAD,
      "The Kerberos realms whose principals are this host's people: name@REALM logs in as name@HOST. Those of services, instances and machines "
      "are nobody. None when absent. It needs gssapi_keytab, and makes max_stanza_before 96k at least, for tickets with many groups." },
    { "gssapi_hostname", CONF_TEXT, HOST(gssapi_hostname), "", 0, 0, NULL, CONF_AT_RELOAD,
      "The host name of the service's principal, told to clients (XEP-0233); the host's own name when absent." },
    { "register", CONF_BOOL, HOST(may_register), "no", 0, 0, NULL, CONF_AT_RELOAD,
      "Strangers may make accounts (XEP-0077)." },
    { "change_password", CONF_BOOL, HOST(may_change_password), "yes", 0, 0, NULL, CONF_AT_RELOAD,
      "Users may change their password and delete their account (XEP-0077)." },
    { "max_stanza", CONF_SIZE, HOST(max_stanza), "256k", 10000, 8 * MIB, NULL, CONF_AT_RELOAD,
      "The largest element of an authenticated client (RFC 6120 13.12: at least 10000 bytes)." },
    { "max_stanza_before", CONF_SIZE, HOST(max_stanza_before), "8k", 2 * KIB, 8 * MIB, NULL, CONF_AT_RELOAD,
      "The largest element before authentication; it must hold a SASL response." },
    { "max_depth", CONF_INT, HOST(max_depth), "64", 4, 64, NULL, CONF_AT_RELOAD,
      "How deeply elements may be nested." },
    { "max_attributes", CONF_INT, HOST(max_attributes), "64", 8, 64, NULL, CONF_AT_RELOAD,
      "How many attributes one element may have." },
    { "bytes_per_second", CONF_SIZE, HOST(bytes_per_second), "100k", 0, 1024LL * MIB, NULL, CONF_AT_RELOAD,
      "A client that sends more is read more slowly. 0: no limit." },
    { "stanzas_per_second", CONF_INT, HOST(stanzas_per_second), "100", 0, 1000000, NULL, CONF_AT_RELOAD,
      "A client that sends more is read more slowly. 0: no limit." },
    { "auth_timeout", CONF_DURATION, HOST(auth_timeout_ms), "30s", SECOND, 10 * MINUTE, NULL, CONF_AT_RELOAD,
      "From accepting a connection until its client is authenticated." },
    { "idle_timeout", CONF_DURATION, HOST(idle_timeout_ms), "0", 0, 7LL * 24 * HOUR, NULL, CONF_AT_RELOAD,
      "A client from which nothing came for so long is ended. 0: never." },
    { "archive", CONF_BOOL, HOST(has_archive), "yes", 0, 0, NULL, CONF_AT_RELOAD,
      "Messages of its accounts are archived (XEP-0313), before they are acknowledged, unless an account does not want it. With no, nothing is, "
      "and what was archived before can not be asked for; it is deleted when its time is over." },
    { "archive_keep", CONF_DURATION, HOST(archive_keep_ms), "365d", 0, 36500LL * 24 * HOUR, NULL, CONF_AT_RELOAD,
      "How long archived messages are kept, those that wait for a client that is away included. 0: for ever." },
    { "archive_max", CONF_INT, HOST(archive_max), "100000", 100, 1000000000, NULL, CONF_AT_RELOAD,
      "Messages in the archive of one account; the oldest are deleted when there are more." },
    { "admins", CONF_LIST, HOST(admins), "", 0, 0, NULL, CONF_AT_RELOAD,
      "Bare JIDs of those who can be asked about this host (XEP-0157)." },
    { 0 },
};

static const struct conf_section sections[] = {
    { .keys = keys },
    { .name = "peer", .keys = link_peer_keys, .is_titled = true, .offset = AT(link.peers), .item_bytes = sizeof(struct link_peer_conf),
      .doc = "A router; the title is its component name." },
    { .name = "host", .keys = host_keys, .is_titled = true, .offset = AT(hosts), .item_bytes = sizeof(struct sm_host_conf),
      .doc = "A domain that is served; at least one." },
    { .name = "directory", .keys = sm_conf_directory_keys, .is_titled = true, .offset = AT(directories),
      .item_bytes = sizeof(struct sm_directory_conf), .doc = "LDAP servers that hold the same people (deploy/DIRECTORY.md)." },
    { .is_end = true },
};

const struct conf_spec sm_conf_spec = { .bytes = sizeof(struct sm_conf), .sections = sections };

/* --- what rows cannot say ---------------------------------------------------------------------------------------- */

static bool check_jid(const struct sm_host_conf *h, const char *text, struct buf *why)
{
    struct arena arena = { 0 };
    struct jid jid;
    bool is_good = jid_parse(str_from(text), &arena, &jid) == ERR_OK && jid_is_bare(&jid);

    if (!is_good)
        buf_printf(why, "host \"%s\": admins: expected bare addresses, not \"%s\"\n", h->name, text);
    arena_fini(&arena);
    return is_good;
}

/* The name as addresses have it (RFC 7622 §3.2). */
static bool normalise(struct sm_host_conf *h, struct buf *why)
{
    struct arena arena = { 0 };
    struct str name;
    bool is_good = jid_prepare_domain(str_from(h->name), &arena, &name) == ERR_OK;

    if (is_good) {
        char *text = str_dup(name);

        mem_free(h->name);
        h->name = text;
    } else {
        buf_printf(why, "host \"%s\": expected a domain name\n", h->name);
    }
    arena_fini(&arena);
    return is_good;
}

bool sm_conf_is_exposed(const char *mechanism)
{
    for (const char *const *m = sm_conf_exposed; *m; m++) {
        if (strcmp(*m, mechanism) == 0)
            return true;
    }
    return false;
}

/* A name that is misspelt would silently not be offered. */
static bool check_mechanisms(const struct sm_host_conf *h, const char *key, const struct conf_list *list, struct buf *why)
{
    bool is_good = true;

    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->items[i];

        if (name[0] && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] == '\0' &&
            !str_ends_with(str_from(name), STR("-PLUS")))
            continue;
        buf_printf(why, "host \"%s\": %s: expected names as SCRAM-SHA-256 (without -PLUS), not \"%s\"\n", h->name, key, name);
        is_good = false;
    }
    return is_good;
}

static bool is_realm(const char *name)
{
    return name[0] && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_")] == '\0';
}

/* Before login a client must be able to say a whole ticket: 64 KiB with all groups of Active Directory, in base64. */
static bool check_gssapi(const struct sm_conf *c, struct sm_host_conf *h, struct buf *why)
{
    enum { MAX_STANZA_BEFORE = 96 * KIB };
    size_t before = why->n;

    for (size_t i = 0; i < h->gssapi_realms.count; i++) {
        if (!is_realm(h->gssapi_realms.items[i]))
            buf_printf(why, "host \"%s\": gssapi_realms: expected names as EXAMPLE.COM, not \"%s\"\n", h->name, h->gssapi_realms.items[i]);
    }
    if (h->gssapi_realms.count > 0 && !c->gssapi_keytab)
        buf_printf(why, "host \"%s\": gssapi_realms: it needs gssapi_keytab\n", h->name);
    if (h->gssapi_realms.count == 0 && h->gssapi_hostname)
        buf_printf(why, "host \"%s\": gssapi_hostname: it needs gssapi_realms\n", h->name);
    if (h->gssapi_realms.count > 0 && h->max_stanza_before < MAX_STANZA_BEFORE)
        h->max_stanza_before = MAX_STANZA_BEFORE;
    return why->n == before;
}

static bool check_inside(const struct sm_conf *c, struct buf *why)
{
    bool is_good = true;

    for (size_t i = 0; i < c->inside.count; i++) {
        struct arena arena = { 0 };
        struct str name;

        if (jid_prepare_domain(str_from(c->inside.items[i]), &arena, &name) != ERR_OK || !str_is(name, c->inside.items[i])) {
            buf_printf(why, "inside: expected names of components as c2s-1.example.internal, not \"%s\"\n", c->inside.items[i]);
            is_good = false;
        }
        arena_fini(&arena);
    }
    return is_good;
}

static bool check_host(struct sm_conf *c, size_t at, struct buf *why)
{
    struct sm_host_conf *hosts = c->hosts.items, *h = &hosts[at];
    bool is_good = normalise(h, why);

    for (size_t i = 0; i < at; i++) {
        if (strcmp(hosts[i].name, h->name) == 0) {
            buf_printf(why, "host \"%s\": it is there twice\n", h->name);
            is_good = false;
        }
    }
    for (size_t i = 0; i < h->admins.count; i++)
        is_good &= check_jid(h, h->admins.items[i], why);
    is_good &= check_mechanisms(h, "mechanisms", &h->mechanisms, why);
    is_good &= check_mechanisms(h, "mechanisms_dmz", &h->mechanisms_dmz, why);
    is_good &= check_gssapi(c, h, why);
    if (h->max_stanza >= c->link.max_payload) {
        buf_printf(why, "host \"%s\": max_stanza: must stay below link_max_payload\n", h->name);
        is_good = false;
    }
    return is_good;
}

static bool check_backup_dir(const struct sm_conf *c, struct buf *why)
{
    struct stat st;
    bool is_good = !c->backup_dir || (stat(c->backup_dir, &st) == 0 && S_ISDIR(st.st_mode));

    if (!is_good)
        buf_printf(why, "backup_dir: the folder %s does not exist\n", c->backup_dir);
    return is_good;
}

static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* Whether certificates are checked: on Unix sockets there are none. */
static bool needs_ca(const struct sm_conf *c)
{
    bool is_remote = false;

    for (size_t i = 0; i < c->store_hosts.count; i++)
        is_remote |= c->store_hosts.items[i][0] != '/';
    return is_remote && (c->store_tls == STORE_TLS_VERIFY_FULL || c->store_tls == STORE_TLS_VERIFY_CA);
}

static bool check_server(const struct sm_conf *c, struct buf *why)
{
    size_t before = why->n;

    if (c->store_hosts.count == 0)
        buf_printf(why, "store_hosts: expected where the database listens, as \"db.example.internal:5432\"\n");
    for (size_t i = 0; i < c->store_hosts.count; i++) {
        if (!store_is_host(c->store_hosts.items[i]))
            buf_printf(why, "store_hosts: expected NAME:PORT, [ADDRESS]:PORT or /FOLDER, not \"%s\"\n", c->store_hosts.items[i]);
    }
    if (c->store_password && !is_file(c->store_password))
        buf_printf(why, "store_password: the file %s does not exist\n", c->store_password);
    if (c->store_ca && !is_file(c->store_ca))
        buf_printf(why, "store_ca: the file %s does not exist\n", c->store_ca);
    if (needs_ca(c) && !c->store_ca)
        buf_printf(why, "store_ca: expected a file of certificates, because store_tls is %s\n", store_tls[c->store_tls]);
    return why->n == before;
}

static bool check_folder(const struct sm_conf *c, struct buf *why)
{
    const char *slash = c->store_path ? strrchr(c->store_path, '/') : NULL;
    char *folder;
    struct stat st;
    bool is_good;

    if (!slash) {
        buf_printf(why, "store_path: expected the file of the database\n");
        return false;
    }
    folder = str_dup(str_of(c->store_path, slash > c->store_path ? (size_t)(slash - c->store_path) : 1));
    is_good = stat(folder, &st) == 0 && S_ISDIR(st.st_mode);

    if (!is_good)
        buf_printf(why, "store_path: the folder %s does not exist\n", folder);
    mem_free(folder);
    return is_good;
}

/* Host names are normalised here, whatever const says: the whole process compares them as bytes. */
enum err sm_conf_check(const void *conf, struct buf *why)
{
    struct sm_conf *c = (struct sm_conf *)conf;
    bool is_good = c->store == SM_STORE_POSTGRESQL ? check_server(c, why) : check_folder(c, why);

    if (c->gssapi_keytab && !is_file(c->gssapi_keytab)) {
        buf_printf(why, "gssapi_keytab: the file %s does not exist\n", c->gssapi_keytab);
        is_good = false;
    }
    is_good &= check_backup_dir(c, why);
    is_good &= check_inside(c, why);

    if (c->hosts.count == 0) {
        buf_printf(why, "host: expected at least one section host \"DOMAIN\"\n");
        is_good = false;
    }
    for (size_t i = 0; i < c->hosts.count; i++)
        is_good &= check_host(c, i, why);
    is_good &= sm_conf_check_directories(c, why);
    is_good &= sm_conf_check_external(c, why);
    return is_good ? ERR_OK : ERR_MALFORMED;
}
