/* Directories: people who are kept in LDAP servers. Finds the entry of a name, and checks a password
 * by binding as it (RFC 4511, RFC 4513). Never blocks the loop: connecting, TLS and the service
 * account's bind happen in libuv's threads, all else on established connections with timers of its
 * own. Knows neither hosts nor accounts: names in, a verdict out. */
#ifndef SM_DIRECTORY_DIRECTORY_H
#define SM_DIRECTORY_DIRECTORY_H

#include "common/buf.h"
#include "sm/directory/verdict.h"

#include <uv.h>

struct directories; /* all of a process */
struct directory;
struct timers;

enum directory_scope { DIRECTORY_SUBTREE, DIRECTORY_ONE_LEVEL, DIRECTORY_BASE };
/* How groups in groups are found: not at all, by asking for the groups of each group, or by the
 * server's matching rule in chain (Active Directory). */
enum directory_nesting { DIRECTORY_NEST_WALK, DIRECTORY_NEST_CHAIN, DIRECTORY_NEST_NONE };
/* How the service account says who it is: a password, what TLS or the kernel says of
 * us, or a Kerberos ticket. */
enum directory_bind { DIRECTORY_SIMPLE, DIRECTORY_EXTERNAL, DIRECTORY_GSSAPI };

/* Which name the certificate of a server from DNS must have: the domain, as DNS could be forged
 * (RFC 4513 §3.1.3, RFC 6125 §6.2.1), or, where the CA is trusted for that, the server's own. */
enum directory_srv_certificate { DIRECTORY_OF_DOMAIN, DIRECTORY_OF_TARGET };
struct directory_ports {
    uint16_t items[8]; /* 0: none */
};

/* Whether the server is asked to tell of changes: in either way, by RFC 4533, by Active Directory's
 * notification, or not. */
enum directory_watch { DIRECTORY_WATCH_AUTO, DIRECTORY_WATCH_SYNC, DIRECTORY_WATCH_NOTIFY, DIRECTORY_WATCH_NONE };

/* One section of the configuration. Texts are copied by directories_set. A new field needs its row
 * in options.c. */
struct directory_options {
    const char *name;
    char *const *uris; /* in the order of preference */
    size_t uri_count;
    const char *srv;     /* a domain whose SRV records name further servers; NULL: none */
    int srv_certificate; /* enum directory_srv_certificate */
    struct directory_ports srv_ports; /* others are left out */
    int64_t srv_ms;      /* DNS is asked again at least so often */
    bool is_start_tls; /* of the ldap:// ones; without it they are not encrypted */
    const char *ca_file;
    const char *cert_file, *key_file; /* ours, shown in TLS; NULL: none */
    int bind;                 /* enum directory_bind */
    const char *bind_dn;      /* the service account of DIRECTORY_SIMPLE; NULL: anonymous */
    struct str bind_password; /* empty with a NULL bind_dn */
    const char *keytab, *principal; /* of DIRECTORY_GSSAPI; the environment of kerberos_conf.h */
    const char *base;
    int scope; /* enum directory_scope */
    const char *filter; /* filter.h */
    const char *key_attribute;
    const char *group_base;   /* groups.h; NULL: base */
    const char *group_filter; /* which entries are groups */
    const char *group_name;   /* attribute */
    const char *group_member; /* attribute: names of entries; "memberUid": login names */
    int group_nesting;        /* enum directory_nesting */
    int watch;                /* enum directory_watch */
    bool has_primary_group;   /* Active Directory's primaryGroupID is a group as well */
    int64_t lockout_ms;       /* a temporary lock is over so long after it began (state.h) */
    int64_t connect_ms, search_ms, bind_ms;
    int64_t query_ms; /* a search of many entries ends when nothing came for so long */
    int64_t answer_ms;  /* for a whole login, waiting included */
    int64_t refuse_ms;  /* refusals are told at multiples of it */
    int64_t probe_ms;   /* an idle connection is used at least so often */
    int64_t failback_ms; /* a better server must have been up so long */
    int64_t retry_ms;    /* a server that is down is dialled at least so often */
    int64_t keepalive_ms, unacked_ms; /* dial.h */
    int64_t search_connections, bind_connections; /* to one server */
    int64_t max_waiting;
};

/* Before anything of libsasl2 and of libldap is used, and before there are threads; once a process.
 * libldap then reads no files and no environment, and wipes what it frees. */
void directory_library_init(void);
bool directory_library_is_ready(void);

/* What the process counts, shared by all directories. */
struct directory_counters {
    uint64_t searches, binds, refused, failed; /* failed: temporary-auth-failure */
};
/* A server went down or came back. why: of the first, one sentence. */
typedef void directory_changed_fn(void *owner, const char *directory, const char *uri, bool is_up,
                                  const char *why);
/* The directory says that the entry of this key (directory_entry_add_key) changed or went; absent:
 * anything may have. */
typedef void directory_hint_fn(void *owner, const char *directory, struct str key);

struct directories *directories_new(uv_loop_t *loop, struct timers *timers,
                                    directory_changed_fn *changed, directory_hint_fn *hint,
                                    void *owner);
/* These and no others from now on. One whose options are the same goes on as it is; what was under
 * way in one that is not fails with DIRECTORY_UNAVAILABLE. */
void directories_set(struct directories *ds, const struct directory_options *options, size_t count);
/* All that is under way fails now; memory goes when the loop has run the last of it. NULL is fine.
 */
void directories_close(struct directories *ds);

/* NULL: none of this name. Not to be kept. */
struct directory *directories_find(struct directories *ds, const char *name);
const struct directory_counters *directories_counters(const struct directories *ds);

/* --- logins ------------------------------------------------------------------------------------ */

/* Whose entry: what the filter's placeholders become. */
struct directory_name {
    struct str user; /* absent: nobody can have this name; the answer takes as long as any refusal */
    struct str host, jid;
};
/* Called once, on the loop, maybe from inside the call (and by directories_close and
 * directories_set); found is borrowed. */
typedef void directory_done_fn(void *owner, const struct directory_found *found);

/* Whether the entry that was found, by its key, may be bound now; asked once, on the loop. false:
 * DIRECTORY_HELD. */
typedef bool directory_may_bind_fn(void *owner, struct str key);
/* Finds the entry and binds as it. The password is copied, and wiped when it has been used. */
void directory_login(struct directory *d, const struct directory_name *name, struct str password,
                     directory_may_bind_fn *may_bind, directory_done_fn *done, void *owner);
/* Told when a refusal of a login that begins now is told; asks nobody and counts nowhere. For names
 * that are not looked for here, so that the time does not tell that. */
void directory_refuse(struct directory *d, directory_done_fn *done, void *owner);
/* Only finds it: for administrators, and for logins whose proof is not a bind, which then go by
 * found->state. Told at once, DIRECTORY_OK when there is one entry. attributes: wanted in
 * found->entry besides those of the state; copied, NULL-terminated; NULL: none. */
void directory_lookup(struct directory *d, const struct directory_name *name,
                      const char *const *attributes, directory_done_fn *done, void *owner);

/* --- what administrators see ------------------------------------------------------------------- */

struct directory_server_status {
    const char *directory, *uri;
    const char *state; /* "up", "down", "new" */
    bool is_chosen;
    uint32_t search_connections, bind_connections;
    uint32_t waiting;       /* of the directory */
    uint64_t logins, lost;  /* binds answered; connections that failed or were lost */
    const char *last_error; /* NULL: none yet */
    const char *watch;      /* "syncrepl", "notification", "no": how it tells of changes */
    const char *tls;        /* "TLS1.3 …" of the newest connection; NULL: none */
    uint64_t since_ms;      /* how long in this state */
};
/* Calls each for all servers, by directory, in their order. */
void directories_each(const struct directories *ds,
                      void (*each)(void *owner, const struct directory_server_status *s),
                      void *owner);

#endif
