/* Which session manager owns which slot, and which domains this cluster serves, as the session
 * managers say. A hint: who is wrong about it gets his frame refused by the sm and sends it again
 * (ARCHITECTURE §5). */
#ifndef ROUTER_SLOTS_H
#define ROUTER_SLOTS_H

#include "common/bytes.h"
#include "common/table.h"
#include "proto/control.h"

enum { SLOTS_MAX_SMS = 1024 };

struct slots_sm {
    char *name;
    uint64_t epoch;
    uint16_t owned;          /* how many slots */
    struct bytes *announced; /* its last <slots/>, for links that come up later */
    struct arena arena;      /* hosts live here */
    struct str *hosts;
    size_t host_count;
};

struct slot {
    uint64_t epoch;
    uint16_t owner; /* index into sms + 1; 0: nobody */
};

struct slots {
    bool has_key;
    uint8_t key[16];
    struct slot slots[SLOT_COUNT];
    struct slots_sm **sms;
    size_t sm_count;
    struct table hosts; /* struct str, in the arenas of sms */
};

void slots_init(struct slots *s);
void slots_fini(struct slots *s);

/* An sm's announcement. raw is the element as it came.
 * Returns ERR_OK; ERR_DENIED when its key is not that of the cluster; ERR_LIMIT. */
NODISCARD enum err slots_take(struct slots *s, struct str sm, const struct control_slots *told,
                              struct str raw);

/* The owner of an address's slot; absent when nobody owns it. */
struct str slots_owner(const struct slots *s, struct str address);
bool slots_is_hosted(const struct slots *s, struct str domain);

#endif
