/* The keys of sm.conf. */
#ifndef SM_CONF_H
#define SM_CONF_H

#include "common/service.h"
#include "proto/link.h"
#include "sm/auth/auth.h"

enum sm_bind_conflict { SM_BIND_REPLACE_OLD, SM_BIND_RENAME_NEW, SM_BIND_REFUSE_NEW }; /* RFC 6120 §7.7.2.2 */

struct access_rules; /* sm/directory/access.h */
struct arena;

enum sm_store { SM_STORE_SQLITE, SM_STORE_POSTGRESQL };

enum sm_renamed { SM_RENAMED_NEW, SM_RENAMED_MOVE };

enum sm_stale_crl { SM_STALE_CRL_REFUSE, SM_STALE_CRL_ACCEPT };

struct sm_host_conf { /* section host "example.com" */
    char *name;               /* normalised by sm_conf_check */
    bool is_tls_required;
    struct conf_list mechanisms; /* empty: all */
    struct conf_list mechanisms_dmz; /* through c2s that do not stand inside; empty: mechanisms without PLAIN, EXTERNAL and DIGEST-MD5 */
    bool may_register;        /* XEP-0077, before login */
    bool may_change_password; /* XEP-0077 §3.3 */
    int64_t max_stanza, max_stanza_before, max_depth, max_attributes;
    int64_t bytes_per_second, stanzas_per_second;
    struct conf_list auth;    /* "internal" (when empty), "ldap", or both */
    char *directory;          /* the section; NULL: none */
    int renamed;              /* enum sm_renamed */
    struct conf_list shared_groups, shared_groups_to_all; /* sm/shared.h */
    int64_t max_shared;
    struct conf_list allow_groups, allow_groups_dmz, outside_groups, search_groups; /* sm/directory/access.h */
    char *external_ca;        /* of client certificates; NULL: EXTERNAL is not offered */
    struct conf_list external_crl, external_map;
    int external_stale_crl;   /* enum sm_stale_crl */
    struct conf_list gssapi_realms; /* empty: no GSSAPI */
    char *gssapi_hostname;    /* NULL: the host's name */
    int64_t auth_timeout_ms, idle_timeout_ms;
    bool has_archive;         /* XEP-0313 */
    int64_t archive_keep_ms;  /* 0: for ever */
    int64_t archive_max;      /* messages of one account */
    struct conf_list admins;  /* bare JIDs, shown in disco (XEP-0157) */
};

struct sm_directory_conf { /* section directory "corp" */
    char *name;
    struct conf_list uris;
    char *srv; /* NULL: none */
    int srv_certificate; /* enum directory_srv_certificate */
    struct conf_list srv_ports; /* empty: 389, 636 */
    int64_t srv_ms;
    bool is_start_tls, is_plain_ok;
    char *ca_file, *cert_file, *key_file;
    int bind; /* enum directory_bind */
    char *bind_dn, *bind_password_file;
    char *keytab, *principal;   /* of DIRECTORY_GSSAPI */
    struct conf_list kdc_ports;
    char *base, *filter, *key_attribute;
    struct conf_list scram; /* names of enum auth_source */
    int scope; /* enum directory_scope */
    char *group_base, *group_filter, *group_name, *group_member;
    int group_nesting; /* enum directory_nesting */
    bool has_primary_group;
    int watch; /* enum directory_watch */
    int64_t lockout_ms, query_ms, leavers_ms;
    char *user_attribute, *name_attribute;
    int64_t people_refresh_ms, max_people, max_groups;
    int64_t connect_ms, search_ms, bind_ms, answer_ms, refuse_ms, probe_ms, failback_ms;
    int64_t retry_ms, keepalive_ms, unacked_ms;
    int64_t search_connections, bind_connections, max_waiting;
    struct conf_list vcard;   /* sm/vcard.h; empty: nothing is told */
    bool is_vcard_outside;
    int64_t vcard_age_ms, vcard_photo;
    struct conf_list search;  /* sm/search.h; empty: nobody searches */
    int64_t search_min, search_max, search_rate;
};

struct sm_conf {
    struct service_conf service;
    struct link_conf link;
    int store;                /* enum sm_store */
    char *store_path;         /* of SQLite */
    struct conf_list store_hosts; /* of PostgreSQL, as all store_… down to store_ca */
    char *store_database, *store_user, *store_password; /* the last is a file; NULL: none */
    int store_tls;            /* enum store_tls (sm/store/store.h) */
    char *store_ca;
    char *backup_dir;         /* NULL: the folder of store_path */
    int store_sync;           /* 0 full, 1 normal */
    int64_t store_queue;
    int64_t scram_iterations;
    char *gssapi_keytab;      /* NULL: no GSSAPI */
    int64_t auth_retries;     /* per connection (RFC 6120 §6.4.5) */
    int64_t guesses_account, guesses_known, guesses_address, guesses_c2s; /* sm/auth/guesses.h */
    int64_t guesses_period_ms, guesses_remember_ms;
    int bind_conflict;        /* enum sm_bind_conflict */
    int64_t max_resources;    /* sessions of one account */
    int64_t max_roster_items, max_blocked, max_offline, max_data_bytes;
    int64_t account_idle_ms;  /* an account without sessions stays in memory so long */
    int64_t session_window, session_window_bytes; /* down frames under way to one client */
    int64_t session_queue, session_queue_bytes;   /* behind the window, per session */
    int64_t csi_hold, csi_hold_bytes;             /* held back from a client that nobody looks at */
    int64_t store_after_ms;   /* what a client has not taken in this time goes to the store */
    int64_t c2s_history_ms;   /* who used which c2s is known so long */
    int64_t lost_c2s_ms;      /* sessions whose c2s does not come back in this time end */
    int64_t vcard_cache;      /* bytes of vCards of directories */
    char *software_os;        /* answered to XEP-0092; NULL: not told */
    struct conf_list disabled; /* names of extensions */
    struct conf_list inside;  /* component names of the c2s that the world cannot reach, nor their links */
    struct conf_items hosts;  /* struct sm_host_conf */
    struct conf_items directories; /* struct sm_directory_conf */
};

/* Mechanisms whose passwords c2s could read, or where it is believed: not offered through one that
 * the world can reach, unless the host says so. NULL-terminated. */
extern const char *const sm_conf_exposed[];
bool sm_conf_is_exposed(const char *mechanism);
/* The host names DIGEST-MD5, inside or outside. */
bool sm_conf_has_digest(const struct sm_host_conf *h);

/* People of this host are in a directory. */
bool sm_conf_is_directory(const struct sm_host_conf *h);
/* Whose an account of this host is; struct auth_facts has it so. */
enum auth_order sm_conf_auth_order(const struct sm_host_conf *h);
/* Of the host's directory; NULL: it has none. */
const struct sm_directory_conf *sm_conf_directory_of(const struct sm_conf *c, const struct sm_host_conf *h);

/* conf_directory.c */
struct directory_ports;
/* The ports that SRV records may name; false: one of the list is no port. */
bool sm_conf_srv_ports(const struct sm_directory_conf *d, struct directory_ports *out);
/* conf_kerberos.c: of one whose service account binds by Kerberos; why: a sentence a line. */
bool sm_conf_check_kerberos(const struct sm_directory_conf *d, struct buf *why);
/* NULL: no section of this title. */
const struct sm_directory_conf *sm_conf_directory(const struct sm_conf *c, const char *name);
/* A list as NULL-terminated names, which stay the configuration's; the list is in the arena. */
const char *const *sm_conf_names(const struct conf_list *list, struct arena *arena);
/* The host's, in the arena. */
struct access_rules sm_conf_access(const struct sm_host_conf *h, struct arena *arena);
extern const struct conf_key sm_conf_directory_keys[];
bool sm_conf_check_directories(struct sm_conf *c, struct buf *why);

/* conf_external.c: the keys external_… of hosts */
bool sm_conf_check_external(const struct sm_conf *c, struct buf *why);
struct auth_authority;
/* What of a host's keys authorities are made of; borrowed. Only with external_ca. */
struct auth_authority sm_conf_authority(const struct sm_host_conf *h);

extern const struct conf_spec sm_conf_spec;
enum err sm_conf_check(const void *conf, struct buf *why);

/* confine.c: what the process may do, from its configuration. */
void sm_confine(const void *conf, struct confine *c);

#endif
