/* The table of hosts: announced by session managers with a version, the highest wins; what this
 * process's own file says is never made laxer by it (ARCHITECTURE: sessions). Pure. */
#ifndef C2S_HOSTS_H
#define C2S_HOSTS_H

#include "c2s/conf.h"
#include "common/table.h"
#include "proto/control.h"

/* Lives as long as the table: clients point to it. */
struct host {
    struct control_host announced; /* its name is owned */
    struct control_host now;       /* with the floors applied */
    bool is_gone;                  /* no longer in the table */
};

struct hosts {
    struct table by_name;
    struct host *first; /* says who we are where a client asks for nobody we know (RFC 6120
                           §4.9.1.3); NULL: no table */
    uint64_t version;   /* 0: no table yet */
    size_t count;       /* without those that are gone */
};

void hosts_init(struct hosts *hs);
void hosts_fini(struct hosts *hs);

/* Takes over a table. Returns false, and changes nothing, when it is not newer than the one there
 * is, or empty. */
bool hosts_take(struct hosts *hs, const struct control_hosts *table,
                const struct c2s_floors *floors);

/* The file has changed. */
void hosts_apply_floors(struct hosts *hs, const struct c2s_floors *floors);

/* NULL when name (normalised) is not served. */
struct host *hosts_find(const struct hosts *hs, struct str name);

/* The floors alone, for a client that has not said yet which host it wants. */
struct control_host hosts_of_floors(const struct c2s_floors *floors);

#endif
