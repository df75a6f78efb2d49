/* See index.h: looking, comparing, reading and writing. Making one is index_build.c's. */
#include "sm/directory/index.h"

#include "common/mem.h"
#include "common/table.h"
#include "sm/directory/index_parts.h"

#include <stdlib.h>

enum { CHECK_BYTES = 8, TWO = 2 };

/* --- as bytes ---------------------------------------------------------------------------------- */

static size_t size_of(const struct index_head *h)
{
    return sizeof *h + (h->groups + (size_t)1) * sizeof(struct index_group) +
           (h->people + (size_t)1) * sizeof(struct index_person) +
           ((size_t)h->memberships + h->members) * sizeof(uint32_t) + h->texts;
}

static void find_to_all(struct directory_index *x)
{
    x->to_all = mem_alloc((x->head->groups + (size_t)1) * sizeof(uint32_t));
    for (uint32_t g = 0; g < x->head->groups; g++)
        if ((x->groups[g].flags & (INDEX_TO_ALL | INDEX_TOO_LARGE)) == INDEX_TO_ALL)
            x->to_all[x->to_all_count++] = g;
}

struct directory_index *index_open(struct buf *take_data)
{
    const struct index_head *h = (const void *)take_data->p;
    struct directory_index *x;

    if (take_data->n < sizeof *h || h->magic != INDEX_MAGIC || take_data->n != size_of(h)) {
        buf_fini(take_data);
        return NULL;
    }
    x = mem_new(struct directory_index);
    x->refs = 1;
    x->data = *take_data;
    *take_data = (struct buf){ 0 };
    x->head = h;
    x->groups = (const void *)(h + 1);
    x->people = (const void *)(x->groups + h->groups + 1);
    x->memberships = (const void *)(x->people + h->people + 1);
    x->members = x->memberships + h->memberships;
    x->texts = (const char *)(x->members + h->members);
    find_to_all(x);
    return x;
}

void directory_index_write(const struct directory_index *x, const uint8_t key[16], struct buf *out)
{
    uint64_t check = table_siphash(key, buf_str(&x->data));

    buf_add(out, str_of(&check, CHECK_BYTES));
    buf_add(out, buf_str(&x->data));
}

/* What passes the check was written by directory_index_write: its numbers fit. */
struct directory_index *directory_index_read(struct str bytes, const uint8_t key[16])
{
    struct buf data = { 0 };
    uint64_t check;

    if (bytes.n < CHECK_BYTES)
        return NULL;
    memcpy(&check, bytes.p, CHECK_BYTES);
    bytes = str_of(bytes.p + CHECK_BYTES, bytes.n - CHECK_BYTES);
    if (check != table_siphash(key, bytes))
        return NULL;
    buf_add(&data, bytes); /* aligned, too */
    return index_open(&data);
}

struct directory_index *directory_index_ref(struct directory_index *x)
{
    if (x)
        x->refs++;
    return x;
}

void directory_index_unref(struct directory_index *x)
{
    if (!x || --x->refs > 0)
        return;
    buf_fini(&x->data);
    mem_free(x->to_all);
    mem_free(x);
}

/* --- looking ----------------------------------------------------------------------------------- */

int index_compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

uint32_t directory_index_people(const struct directory_index *x)
{
    return x ? x->head->people : 0;
}

size_t directory_index_bytes(const struct directory_index *x)
{
    return x ? x->data.n : 0;
}

uint32_t directory_index_ambiguous(const struct directory_index *x)
{
    return x ? x->head->ambiguous : 0;
}

struct str directory_index_local(const struct directory_index *x, uint32_t person)
{
    return str_from(x->texts + x->people[person].local);
}

struct str directory_index_name(const struct directory_index *x, uint32_t person)
{
    uint32_t at = x->people[person].name;

    return at ? str_from(x->texts + at) : STR_NONE;
}

uint32_t directory_index_find(const struct directory_index *x, struct str local)
{
    uint32_t low = 0, high = directory_index_people(x);

    while (low < high) {
        uint32_t middle = low + (high - low) / TWO;
        int order = str_cmp(directory_index_local(x, middle), local);

        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return DIRECTORY_NOBODY;
}

/* The groups that both are in and viewer views, and those of person that everybody does: each is
 * told until each says no. */
struct common {
    const struct directory_index *x;
    uint32_t viewer, person;
    uint32_t v, p; /* where in their memberships */
};

static bool is_to_all(const struct directory_index *x, uint32_t group)
{
    return x->groups[group].flags & INDEX_TO_ALL;
}

static struct common common_of(const struct directory_index *x, uint32_t viewer, uint32_t person)
{
    return (struct common){ x, viewer, person, x->people[viewer].first, x->people[person].first };
}

static uint32_t next_common(struct common *c)
{
    const struct directory_index *x = c->x;
    uint32_t v_end = x->people[c->viewer + 1].first, p_end = x->people[c->person + 1].first;

    while (c->p < p_end) {
        uint32_t group = x->memberships[c->p++] / TWO;

        if (is_to_all(x, group))
            return group;
        while (c->v < v_end && x->memberships[c->v] / TWO < group)
            c->v++;
        if (c->v < v_end && x->memberships[c->v] == group * TWO + INDEX_VIEWS)
            return group;
    }
    return DIRECTORY_NOBODY;
}

bool directory_index_sees(const struct directory_index *x, uint32_t viewer, uint32_t person)
{
    struct common c;

    if (viewer == DIRECTORY_NOBODY || person == DIRECTORY_NOBODY || viewer == person)
        return false;
    c = common_of(x, viewer, person);
    return next_common(&c) != DIRECTORY_NOBODY;
}

static bool is_among(const struct str *texts, size_t n, struct str text)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(texts[i], text))
            return true;
    return false;
}

size_t directory_index_groups_of(const struct directory_index *x, uint32_t viewer, uint32_t person,
                                 struct str *out, size_t max)
{
    struct common c = common_of(x, viewer, person);
    uint32_t group;
    size_t n = 0;

    while (n < max && (group = next_common(&c)) != DIRECTORY_NOBODY) {
        struct str name = str_from(x->texts + x->groups[group].name);

        if (name.n > 0 && !is_among(out, n, name))
            out[n++] = name;
    }
    return n;
}

/* Sorted, each once, without who. */
static size_t tidy(uint32_t *ids, size_t n, uint32_t who)
{
    size_t kept = 0;

    qsort(ids, n, sizeof *ids, index_compare_u32);
    for (size_t i = 0; i < n; i++)
        if (ids[i] != who && (kept == 0 || ids[kept - 1] != ids[i]))
            ids[kept++] = ids[i];
    return kept;
}

struct ids {
    uint32_t *p;
    size_t n, cap;
};

static void add_members(struct ids *out, const struct directory_index *x, uint32_t group,
                        bool only_viewers)
{
    uint32_t first = x->groups[group].first, end = x->groups[group + 1].first;

    if (out->n + (end - first) > out->cap) {
        out->cap = (out->n + (end - first)) * TWO;
        out->p = mem_realloc(out->p, out->cap * sizeof *out->p);
    }
    for (uint32_t i = first; i < end; i++)
        if (!only_viewers || (x->members[i] & INDEX_VIEWS))
            out->p[out->n++] = x->members[i] / TWO;
}

size_t directory_index_contacts(const struct directory_index *x, uint32_t viewer, uint32_t **out)
{
    struct ids ids = { 0 };

    *out = NULL;
    if (viewer == DIRECTORY_NOBODY)
        return 0;
    for (uint32_t i = x->people[viewer].first; i < x->people[viewer + 1].first; i++)
        if ((x->memberships[i] & INDEX_VIEWS) && !is_to_all(x, x->memberships[i] / TWO))
            add_members(&ids, x, x->memberships[i] / TWO, false);
    for (uint32_t i = 0; i < x->to_all_count; i++)
        add_members(&ids, x, x->to_all[i], false);
    *out = ids.p;
    return ids.n > 0 ? tidy(ids.p, ids.n, viewer) : 0;
}

size_t directory_index_viewers(const struct directory_index *x, uint32_t person, uint32_t **out,
                               bool *is_all)
{
    struct ids ids = { 0 };

    *out = NULL;
    *is_all = false;
    if (person == DIRECTORY_NOBODY)
        return 0;
    for (uint32_t i = x->people[person].first; i < x->people[person + 1].first; i++) {
        *is_all |= is_to_all(x, x->memberships[i] / TWO);
        add_members(&ids, x, x->memberships[i] / TWO, true);
    }
    *out = ids.p;
    return ids.n > 0 ? tidy(ids.p, ids.n, person) : 0;
}

uint64_t directory_index_version(const struct directory_index *x, uint32_t viewer)
{
    static const uint8_t no_key[16]; /* the groups' hashes have one */
    struct buf all = { 0 };
    uint64_t version = 0;

    if (viewer == DIRECTORY_NOBODY)
        return 0;
    for (uint32_t i = x->people[viewer].first; i < x->people[viewer + 1].first; i++) {
        uint32_t views = x->memberships[i] & INDEX_VIEWS;

        buf_add(&all, str_of(&x->groups[x->memberships[i] / TWO].hash, sizeof(uint64_t)));
        buf_add(&all, str_of(&views, sizeof views));
    }
    for (uint32_t i = 0; i < x->to_all_count; i++)
        buf_add(&all, str_of(&x->groups[x->to_all[i]].hash, sizeof(uint64_t)));
    if (all.n > 0)
        version = table_siphash(no_key, buf_str(&all)) | 1;
    buf_fini(&all);
    return version;
}

uint32_t directory_index_group_count(const struct directory_index *x)
{
    return x ? x->head->groups : 0;
}

struct directory_index_group directory_index_group(const struct directory_index *x, uint32_t group)
{
    const struct index_group *g = &x->groups[group];

    return (struct directory_index_group){ .name = str_from(x->texts + g->name),
                                           .dn = str_from(x->texts + g->dn),
                                           .members = g->count,
                                           .is_to_all = g->flags & INDEX_TO_ALL,
                                           .is_too_large = g->flags & INDEX_TOO_LARGE,
                                           .not_viewed_by = g->not_viewed_by };
}

uint32_t directory_index_member(const struct directory_index *x, uint32_t group, uint32_t at)
{
    uint32_t first = x->groups[group].first;

    return at < x->groups[group + 1].first - first ? x->members[first + at] / TWO
                                                   : DIRECTORY_NOBODY;
}

/* --- comparing --------------------------------------------------------------------------------- */

static const char *text_of(const struct directory_index *x, uint32_t at)
{
    return x->texts + at;
}

/* For each group of was its number in is, where nothing that its members show differs. */
static uint32_t *match_groups(const struct directory_index *was, const struct directory_index *is)
{
    uint32_t n = directory_index_group_count(was), m = directory_index_group_count(is), j = 0;
    uint32_t *same = mem_alloc((n + (size_t)1) * sizeof *same);

    for (uint32_t i = 0; i < n; i++) {
        const struct index_group *g = &was->groups[i];
        int order = 1;

        while (j < m && (order = strcmp(text_of(is, is->groups[j].dn), text_of(was, g->dn))) < 0)
            j++;
        same[i] = DIRECTORY_NOBODY;
        if (j < m && order == 0 && is->groups[j].flags == g->flags &&
            strcmp(text_of(is, is->groups[j].name), text_of(was, g->name)) == 0)
            same[i] = j;
    }
    return same;
}

static bool is_same_person(const struct directory_index *was, uint32_t a,
                           const struct directory_index *is, uint32_t b, const uint32_t *same)
{
    const struct index_person *p = &was->people[a], *q = &is->people[b];
    uint32_t n = p[1].first - p->first;

    if (n != q[1].first - q->first || !str_eq(directory_index_name(was, a), directory_index_name(is, b)))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t old = was->memberships[p->first + i], new = is->memberships[q->first + i];

        if (same[old / TWO] != new / TWO || ((old ^ new) & INDEX_VIEWS))
            return false;
    }
    return true;
}

size_t directory_index_diff(const struct directory_index *was, const struct directory_index *is,
                            struct directory_index_change **out)
{
    uint32_t n = directory_index_people(was), m = directory_index_people(is), a = 0, b = 0;
    uint32_t *same = match_groups(was, is);
    struct buf changes = { 0 };

    while (a < n || b < m) {
        int order = a == n   ? 1
                    : b == m ? -1
                             : str_cmp(directory_index_local(was, a), directory_index_local(is, b));
        struct directory_index_change c = { order <= 0 ? a : DIRECTORY_NOBODY,
                                            order >= 0 ? b : DIRECTORY_NOBODY };

        if (order != 0 || !is_same_person(was, a, is, b, same))
            buf_add(&changes, str_of(&c, sizeof c));
        a += order <= 0;
        b += order >= 0;
    }
    mem_free(same);
    *out = (void *)changes.p;
    return changes.n / sizeof **out;
}
