/* The table of slots (slots.h). The highest epoch wins; what an sm no longer names is nobody's
 * until another names it. */
#include "router/slots.h"

#include "common/mem.h"
#include "proto/frame.h"

static struct str host_key(const void *item)
{
    return *(const struct str *)item;
}

void slots_init(struct slots *s)
{
    *s = (struct slots){ 0 };
    table_init(&s->hosts, host_key);
}

void slots_fini(struct slots *s)
{
    for (size_t i = 0; i < s->sm_count; i++) {
        bytes_unref(s->sms[i]->announced);
        arena_fini(&s->sms[i]->arena);
        mem_free(s->sms[i]->name);
        mem_free(s->sms[i]);
    }
    mem_free(s->sms);
    table_fini(&s->hosts);
}

/* Names are configured: the number is small, and an index stays valid. */
static size_t index_of(struct slots *s, struct str sm)
{
    for (size_t i = 0; i < s->sm_count; i++)
        if (str_is(sm, s->sms[i]->name))
            return i;
    s->sms = mem_realloc(s->sms, (s->sm_count + 1) * sizeof(struct slots_sm *));
    s->sms[s->sm_count] = mem_new(struct slots_sm);
    s->sms[s->sm_count]->name = str_dup(sm);
    return s->sm_count++;
}

static void rebuild_hosts(struct slots *s)
{
    table_fini(&s->hosts);
    for (size_t i = 0; i < s->sm_count; i++)
        for (size_t h = 0; h < s->sms[i]->host_count; h++)
            table_put(&s->hosts, &s->sms[i]->hosts[h]);
}

static void keep(struct slots_sm *sm, const struct control_slots *told, struct str raw)
{
    bytes_unref(sm->announced);
    sm->announced = bytes_new(raw);
    sm->epoch = told->epoch;
    arena_reset(&sm->arena);
    sm->host_count = told->host_count;
    sm->hosts = arena_alloc(&sm->arena, told->host_count * sizeof *sm->hosts);
    for (size_t i = 0; i < told->host_count; i++)
        sm->hosts[i] = arena_str(&sm->arena, told->hosts[i]);
}

static void take_slot(struct slots *s, size_t sm, unsigned slot, uint64_t epoch, bool is_owned)
{
    struct slot *at = &s->slots[slot];
    uint16_t me = (uint16_t)(sm + 1);

    if (is_owned &&
        (epoch > at->epoch || (epoch == at->epoch && (at->owner == 0 || at->owner == me))))
        *at = (struct slot){ epoch, me };
    else if (!is_owned && at->owner == me && epoch >= at->epoch)
        at->owner = 0;
}

/* Another key is another cluster's, or that of a new store: the only sm there is may have that. */
static bool may_change_key(const struct slots *s, struct str sm)
{
    return s->sm_count == 1 && str_is(sm, s->sms[0]->name);
}

enum err slots_take(struct slots *s, struct str sm, const struct control_slots *told,
                    struct str raw)
{
    size_t index;

    if (s->has_key && memcmp(s->key, told->key, sizeof s->key) != 0) {
        if (!may_change_key(s, sm))
            return ERR_DENIED;
        memset(s->slots, 0, sizeof s->slots);
    }
    if (s->sm_count >= SLOTS_MAX_SMS)
        return ERR_LIMIT;
    index = index_of(s, sm);
    memcpy(s->key, told->key, sizeof s->key);
    s->has_key = true;
    table_fini(&s->hosts); /* points into what keep replaces */
    keep(s->sms[index], told, raw);
    rebuild_hosts(s);
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        take_slot(s, index, i, told->epoch, told->owned[i / 8] >> (i % 8) & 1);
    s->sms[index]->owned = 0;
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        s->sms[index]->owned += s->slots[i].owner == index + 1;
    return ERR_OK;
}

struct str slots_owner(const struct slots *s, struct str address)
{
    uint16_t owner;

    if (!s->has_key)
        return STR_NONE;
    owner = s->slots[control_slot_of(s->key, frame_address_name(address))].owner;
    return owner ? str_from(s->sms[owner - 1]->name) : STR_NONE;
}

bool slots_is_hosted(const struct slots *s, struct str domain)
{
    return table_get(&s->hosts, domain) != NULL;
}
