/* Accounts in memory: a bare JID of a hosted domain, its sessions and its roster. Loaded from the store when first needed, dropped when idle. */
#ifndef SM_ACCOUNT_H
#define SM_ACCOUNT_H

#include "sm/sm.h"

struct directory_index;
struct peer;
struct roster;

/* What it wants archived (sm/archive.h): the numbers stand in rows. */
enum archive_default { ARCHIVE_ALWAYS, ARCHIVE_NEVER, ARCHIVE_ROSTER };

struct archive_wishes {
    enum archive_default by_default;
    struct table jids; /* struct archive_wish */
};

struct account {
    struct jid jid;           /* bare; texts owned */
    const struct sm_host_conf *host;
    struct list sessions;     /* struct session, bound ones, newest last */
    struct roster *roster;    /* never NULL once loaded */
    struct directory_index *shared_was; /* shared_apply.c: what its clients know of shared contacts, while shared_left > 0 */
    uint32_t shared_left;     /* pushes that they still get; 0: they know all of it */
    struct table blocked;     /* whom it has blocked (sm/block.h) */
    uint64_t search_due_ms;   /* of sm/search.c: how often it searches for people */
    bool may_outside;         /* exchange stanzas with other domains: account_may_outside */
    struct archive_wishes wishes;
    int64_t created_us;       /* what is older in the store was another's of that name */
    char *directory_key;      /* of the entry that it belongs to; "": none. NULL before it is loaded */
    uint64_t leavers_round;   /* leavers.c: it was looked at */
    bool is_loaded;
    struct list waiters;
    uint32_t pins;            /* reasons to stay in memory besides sessions */
    struct timer idle;
    struct sm *sm;
    /* Offline messages (offline.c): how many wait in the store, puts submitted so far, the delivery under way. */
    int64_t offline_count;
    uint64_t offline_puts;
    int64_t offline_after_us;  /* rows up to this stamp were given to a session */
    struct offline_run *offline_run;
    bool is_loading, is_missing, is_half;
    /* Subscriptions that come in are shown when they are stored; what comes behind one goes behind it (deliver.c). */
    uint64_t inbound_begun, inbound_done;
    uint32_t stops; /* deliver_stop */
    /* What incident_use.c wrote down last: through which c2s, when, and when a password in clear. */
    const struct peer *used_c2s;
    int64_t used_us, used_plain_us;
    struct list behind;
};

/* Finds or loads it. found is called with NULL when there is no such account (or the store failed: e tells), at once when it is in memory
 * already, else later, in the order of asking. The account is borrowed for the call; it stays as long as it has sessions or pins. */
typedef void account_found_fn(void *owner, struct account *a, enum err e);
void account_with(struct sm *sm, const struct jid *bare, account_found_fn *found, void *owner);

/* Only if it is loaded; NULL otherwise. An account that is not in memory has no sessions. */
struct account *account_in_memory(const struct sm *sm, struct str bare);

void account_pin(struct account *a);
void account_unpin(struct account *a);

/* What the groups of its directory say of it now; written where it is news. */
void account_set_outside(struct account *a, bool may);

/* The login of somebody of a directory may have given the account to an entry: then that is read. */
void account_refresh_key(struct account *a);

/* What is in memory may differ from the store (a write failed): loaded anew before anyone is given it again. Sessions stay. */
void account_reload(struct account *a);

/* Ends its sessions with <not-authorized/> and forgets it; its rows are deleted (account, roster,
 * data, offline), contacts are told (unsubscribed, unavailable). */
void account_delete(struct sm *sm, const struct jid *bare, const char *by, void (*done)(void *owner, enum err e), void *owner);

/* Who is renamed, both of one host. Borrowed for the call. */
struct account_rename {
    struct jid old, new;
    struct str key; /* only if it belongs to this entry of the directory; absent: whosesoever it is */
    const char *by; /* for the audit log; a constant */
};
/* It has another name from then on, and so has all that belongs to it, and what contacts here have of it; its sessions end first. One
 * transaction. ERR_NOT_FOUND: old; ERR_EXISTS: new does; ERR_AGAIN: it does not come to rest in 10 s, or rows of one that had the new name
 * are still being deleted. */
void account_rename(struct sm *sm, const struct account_rename *what, void (*done)(void *owner, enum err e), void *owner);
/* Those that wait for an account to come to rest do not any more: ERR_AGAIN. When the process stops. */
void account_rename_stop(struct sm *sm);

/* The session that a stanza of ours to this full JID reaches, or NULL. */
struct session *account_session(const struct account *a, struct str resource);

#endif
