/* The interface of extensions: one file each in sm/ext/, which includes this, proto/ and common/
 * only, and one line in sm/ext/list.c. */
#ifndef SM_EXT_H
#define SM_EXT_H

#include "proto/ns.h"
#include "proto/rsm.h"
#include "proto/stanza.h"

struct sm;
struct origin;
struct session;

/* The answer to an IQ of a connection that is not logged in. key names the connection. */
typedef void iq_answer_fn(struct sm *sm, struct str key, const struct stanza *answer);

/* A get or set that waits for its answer. Lives until iq_reply or iq_error. */
struct iq {
    struct sm *sm;
    struct stanza *stanza;
    struct xml *child;       /* the one child element */
    struct session *session; /* of the sender, if it is a local client, valid during the handler
                                only; else NULL */
    struct origin *origin;
    bool is_own;          /* the sender is the account that `to` names (or to is absent) */
    bool is_before_login; /* the sender has no address yet: only XEP-0077 */
    struct str host;      /* the host that is asked (of `to`, or of the sender's stream) */
    iq_answer_fn *answer; /* ext_api.c's: where the answer goes before login … */
    char *answer_key;     /* … and for which connection */
    void *kept;           /* the extension's, from one of its callbacks to the next; or NULL */
};

enum iq_kind { IQ_GET = 1, IQ_SET = 2 };
/* A host's domain; a bare JID (or none); the server of a connection that is not logged in; the
 * address of a host at which people are searched (iq->host is the host). */
enum iq_target { TO_SERVER = 1, TO_ACCOUNT = 2, TO_LOGIN = 4, TO_SEARCH = 8 };

struct ext_iq {
    int kinds; /* IQ_GET | IQ_SET */
    const char *ns, *name;
    int targets;
    /* STANZA_OK: answered, or will be. Otherwise this error is the answer. */
    enum stanza_error (*run)(struct iq *iq);
};

/* An element of a stream that is no stanza, from a client that is logged in. */
struct ext_element {
    const char *ns, *name;
    void (*run)(struct session *s, struct origin *origin);
};

struct ext {
    const char *name;                    /* for the configuration key disabled */
    const char *doc;                     /* one line for the manual, with the XEP's number */
    const char *const *features;         /* disco#info of the server, NULL-terminated; or NULL */
    const char *const *account_features; /* disco#info of a bare JID; or NULL */
    const struct ext_iq *iqs;            /* ends with a zeroed row; or NULL */
    const struct ext_element *elements;  /* ends with a zeroed row; or NULL */
    /* Adds children of <stream:features/> after authentication (before: for registration); or NULL.
     */
    void (*stream_features)(struct sm *sm, struct str host, bool is_authenticated,
                            struct xml *features, struct arena *arena);
    /* A session of the account ended or became unavailable with this status text; or NULL
     * (XEP-0012). */
    void (*on_unavailable)(struct sm *sm, const struct jid *full, struct str status);
    /* Whether features and account_features are told for this host; NULL: always. */
    bool (*is_offered)(const struct sm *sm, struct str host);
    /* Adds data forms (XEP-0128) to the server's disco#info; or NULL. */
    void (*extend_info)(struct iq *iq, struct xml *query);
    /* Adds items to the server's disco#items; or NULL. */
    void (*extend_items)(struct iq *iq, struct xml *query);
};

extern const struct ext
    *const ext_list[]; /* NULL-terminated, in the order of hooks, each with its reason */
bool ext_is_enabled(const struct sm *sm, const struct ext *e);

/* --- what an extension may do ----------------------------------------------------------------- */

/* Answers with a result that holds child (may be NULL); child lives in iq->stanza->arena or another
 * that outlives the call. Frees iq. */
void iq_reply(struct iq *iq, struct xml *child);
void iq_error(struct iq *iq, enum stanza_error e, const char *text_or_null);
struct arena *iq_arena(struct iq *iq); /* lives as long as iq */

/* The account that `to` names (the sender's own when to is absent); host of the server. */
struct jid iq_account(const struct iq *iq);
struct str iq_host(const struct iq *iq);

/* The stanza error for a failure of what ext_… was asked to do; STANZA_OK for ERR_OK. */
enum stanza_error ext_stanza_error(enum err e);

/* XML that belongs to an account under (kind, key). The limit max_data_bytes of the configuration
 * holds for each account: ERR_LIMIT. found: xml absent when there is none. Callbacks get iq back
 * and must answer it. */
void ext_data_get(struct iq *iq, struct str account, const char *kind, struct str key,
                  void (*found)(struct iq *iq, enum err e, struct str xml));
/* All of them or none. xml absent: removed. */
struct ext_data {
    struct str key, xml;
};
void ext_data_put(struct iq *iq, struct str account, const char *kind, const struct ext_data *items,
                  size_t count, void (*done)(struct iq *iq, enum err e));
/* The same without an iq: nobody waits. */
void ext_data_note(struct sm *sm, struct str account, const char *kind, struct str key,
                   struct str xml);
/* What the directory of the account's host shows of it to the sender, in iq's arena; NULL: nothing,
 * or the host has none. ERR_AGAIN: the directory does not answer. A get is taken over at once: if
 * we end meanwhile, it has no answer. */
void ext_directory_vcard(struct iq *iq, void (*found)(struct iq *iq, enum err e, struct xml *vcard));
/* first and, of second, the elements that first has none of, as far as there is room in a stanza;
 * either may be NULL. */
struct xml *ext_vcard_merge(struct iq *iq, const struct xml *first, const struct xml *second);
/* Takes out of own what directory has elements for. Returns whether own had another photo. */
bool ext_vcard_strip(struct iq *iq, struct xml *own, const struct xml *directory);
/* --- searches for people (XEP-0055) --- */

struct ext_person {
    struct str jid, name; /* name: absent when there is none */
    struct str *values;   /* one a field; absent: none */
};
struct ext_people {
    struct ext_person *people; /* in iq's arena */
    size_t count, fields;
    bool is_cut; /* there are more */
};
/* The host's address for searches; NULL: none. */
const char *ext_search_domain(struct iq *iq);
/* The fields that there are, in iq's arena; none: 0. */
size_t ext_search_fields(struct iq *iq, struct str **out_vars);
/* terms: one a field, absent: not asked for; in iq's arena. STANZA_OK: found is called, later or from
 * inside, with its own error or with people. NOT_ACCEPTABLE: no term says anything, or one too much;
 * FORBIDDEN: who asks may not; RESOURCE_CONSTRAINT: too often. */
typedef void ext_found_fn(struct iq *iq, enum stanza_error e, const struct ext_people *found);
enum stanza_error ext_search(struct iq *iq, const struct str *terms, ext_found_fn *found);

/* Parses what was stored, into iq's arena; NULL when it is broken. */
struct xml *ext_parse(struct iq *iq, struct str xml);

/* Whether the account exists, has a connected resource, and whether the sender may see its presence
 * (RFC 6121: subscription from or both, or its own). */
struct ext_account {
    bool exists, is_connected, may_see;
};
void ext_account(struct iq *iq,
                 void (*found)(struct iq *iq, enum err e, struct ext_account account));
/* Full JIDs of the account's available resources; count is returned. */
size_t ext_resources(struct sm *sm, struct str account, struct arena *arena, struct jid **out_jids);

/* The sender's session wants copies of messages, or no longer (XEP-0280): answers when that is noted, and frees iq. It survives this
 * process: the request is taken over when the session's row says so. */
enum stanza_error ext_set_carbons(struct iq *iq, bool is_on);

/* The client of this session is not looked at, or is again (XEP-0352): in effect on return. */
void ext_set_inactive(struct session *s, bool is_inactive, struct origin *origin);

/* The own account's blocklist (XEP-0191). The sender's session hears of changes from now on. */
size_t ext_blocked(struct iq *iq, struct str **out_jids);
/* All of the change or nothing. Answers and frees iq on STANZA_OK. jids live in iq's arena. More than max_blocked:
 * STANZA_RESOURCE_CONSTRAINT. */
enum ext_block { EXT_BLOCK, EXT_UNBLOCK, EXT_UNBLOCK_ALL };
enum stanza_error ext_block(struct iq *iq, enum ext_block what, struct jid *jids, size_t count);

/* The own account's archive (XEP-0313). Whether its host has one: */
bool ext_archive_is_on(const struct sm *sm, struct str host);

enum { EXT_ARCHIVE_MAX_IDS = 100, EXT_ARCHIVE_MAX_QUERYID = 1024 };
struct ext_archive_query {
    struct str queryid;             /* absent: none */
    struct jid with;                /* zeroed: anybody */
    int64_t start_us, end_us;       /* both included; INT64_MIN, INT64_MAX: no limit */
    struct str after_id, before_id; /* absent: none */
    const struct str *ids;
    size_t id_count;                /* 0: not asked for by id */
    struct rsm page;
    bool is_flipped;
};
/* Sends the page to the sender's session, then answers, and frees iq, on STANZA_OK. Texts live in
 * iq's arena. STANZA_ITEM_NOT_FOUND is answered for an id that is not there (any more),
 * STANZA_RESOURCE_CONSTRAINT to a client that does not read what it has asked for. */
enum stanza_error ext_archive_query(struct iq *iq, const struct ext_archive_query *query);
/* Answers with <metadata/> (§5). */
enum stanza_error ext_archive_metadata(struct iq *iq);

/* What is kept (XEP-0441). Both answer with <prefs/>, what holds, and free iq, on STANZA_OK. A change
 * is done as a whole or not at all, and is stored when it is answered. */
struct ext_archive_prefs {
    struct str by_default; /* "always", "never", "roster" */
    const struct jid *always, *never;
    size_t always_count, never_count;
};
enum stanza_error ext_archive_get_prefs(struct iq *iq);
enum stanza_error ext_archive_set_prefs(struct iq *iq, const struct ext_archive_prefs *prefs);

/* Accounts: XEP-0077. */
void ext_register(struct iq *iq, struct str account, struct str password, bool is_new,
                  void (*done)(struct iq *iq, enum err e));
/* Answers with a result, then ends the account and its sessions (§3.2). Frees iq. */
void ext_unregister(struct iq *iq, struct str account);
bool ext_may_register(const struct sm *sm, struct str host);
bool ext_may_change_password(const struct sm *sm, struct str host);

/* Hosts and components of the cluster, for disco#items. */
size_t ext_components(struct sm *sm, struct arena *arena, struct str **out_names);
const char *ext_software_os(const struct sm *sm); /* or NULL */
int64_t ext_uptime_seconds(const struct sm *sm);
int64_t ext_time_us(void); /* microseconds since 1970 */
/* admins of the host, for XEP-0157. */
size_t ext_admins(const struct sm *sm, struct str host, struct arena *arena, struct str **out_jids);

#endif
