/* An index as it lies in memory and in the store: groups in the order of their DNs, people in that of
 * their local parts, texts cleaned of what no client may get. */
#include "common/table.h"
#include "sm/directory/index_parts.h"

#include <stdlib.h>

enum { MAX_TEXT = 1023, TWO = 2 };

/* --- the bytes ---------------------------------------------------------------------------------- */

static bool is_fit(uint32_t code)
{
    return code >= 0x20 && code != 0x7f && !(code >= 0x80 && code < 0xa0) &&
           (code & 0xfffe) != 0xfffe && !(code >= 0xfdd0 && code <= 0xfdef);
}

/* 0: there is nothing in it that may be shown. */
static uint32_t put_text(struct index_build *b, struct str text)
{
    size_t start = b->texts.n, n;
    uint32_t code;

    for (text = str_trim(text); text.n > 0; text = str_of(text.p + n, text.n - n)) {
        n = str_utf8_next(text, &code);
        if (b->texts.n - start + n > MAX_TEXT)
            break;
        if (n > 0 && is_fit(code))
            buf_add(&b->texts, str_of(text.p, n));
        n = n > 0 ? n : 1;
    }
    if (b->texts.n == start)
        return 0;
    buf_add_char(&b->texts, '\0');
    return (uint32_t)start;
}

static uint32_t put_exactly(struct index_build *b, struct str text)
{
    size_t start = b->texts.n;

    buf_add(&b->texts, str_of(text.p, strnlen(text.p, text.n)));
    buf_add_char(&b->texts, '\0');
    return (uint32_t)start;
}

static uint64_t hash_group(const struct index_build *b, const struct index_making *g,
                           const struct index_person *people, struct str name)
{
    struct buf all = { 0 };
    uint64_t hash;

    buf_add(&all, name);
    ids_add(&all, g->flags);
    for (size_t i = 0; i < ids_count(&g->members); i++) {
        uint32_t member = ids_of(&g->members)[i];
        const struct index_person *p = &people[member / TWO];

        buf_add(&all, str_from(b->texts.p + p->local));
        buf_add_char(&all, (char)('0' + (member & INDEX_VIEWS)));
        buf_add(&all, str_from(b->texts.p + p->name));
        buf_add_char(&all, '\0');
    }
    hash = table_siphash(b->o->key, buf_str(&all));
    buf_fini(&all);
    return hash;
}

/* Memberships follow from the lists of members, group by group in their order. */
static void invert(struct index_build *b)
{
    qsort(b->shown, b->shown_count, sizeof *b->shown, index_compare_shown);
    for (uint32_t i = 0; i < b->shown_count; i++) {
        const struct index_making *g = b->shown[i];

        for (size_t m = 0; m < ids_count(&g->members); m++) {
            uint32_t member = ids_of(&g->members)[m];

            ids_add(&b->in[member / TWO], i * TWO + (member & INDEX_VIEWS));
        }
    }
}

static void write_people(struct index_build *b, struct buf *people, struct buf *memberships)
{
    struct index_person end;

    for (uint32_t p = 0; p < b->person_count; p++) {
        struct str name = b->people[p]->name;
        struct index_person row = { put_exactly(b, b->people[p]->local),
                                    str_is_set(name) ? put_text(b, name) : 0,
                                    (uint32_t)ids_count(memberships) };

        buf_add(people, str_of(&row, sizeof row));
        if (b->in[p].n > 0)
            buf_add(memberships, buf_str(&b->in[p]));
    }
    end = (struct index_person){ .first = (uint32_t)ids_count(memberships) };
    buf_add(people, str_of(&end, sizeof end));
}

static void write_groups(struct index_build *b, const struct buf *people, struct buf *groups,
                         struct buf *members)
{
    struct index_group end;

    for (uint32_t i = 0; i < b->shown_count; i++) {
        const struct index_making *g = b->shown[i];
        struct index_group row = { .first = (uint32_t)ids_count(members),
                                   .count = g->count,
                                   .not_viewed_by = g->not_viewed_by,
                                   .flags = g->flags };

        row.name = str_is_set(g->raw->name) ? put_text(b, g->raw->name) : 0;
        row.dn = put_exactly(b, str_from(g->dn));
        row.hash = hash_group(b, g, (const void *)people->p, str_from(b->texts.p + row.name));
        buf_add(groups, str_of(&row, sizeof row));
        if (g->members.n > 0)
            buf_add(members, buf_str(&g->members));
    }
    end = (struct index_group){ .first = (uint32_t)ids_count(members) };
    buf_add(groups, str_of(&end, sizeof end));
}

struct directory_index *index_bytes(struct index_build *b)
{
    struct buf people = { 0 }, memberships = { 0 }, groups = { 0 }, members = { 0 }, data = { 0 };
    struct buf *const parts[] = { &groups, &people, &memberships, &members, &b->texts };
    struct index_head head = { .magic = INDEX_MAGIC, .ambiguous = b->ambiguous };

    buf_add_char(&b->texts, '\0');
    invert(b);
    write_people(b, &people, &memberships);
    write_groups(b, &people, &groups, &members);
    head.groups = b->shown_count;
    head.people = b->person_count;
    head.memberships = (uint32_t)ids_count(&memberships);
    head.members = (uint32_t)ids_count(&members);
    head.texts = (uint32_t)b->texts.n;
    buf_reserve(&data, sizeof head + groups.n + people.n + memberships.n + members.n + b->texts.n);
    buf_add(&data, str_of(&head, sizeof head));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i]->n > 0)
            buf_add(&data, buf_str(parts[i]));
        buf_fini(parts[i]);
    }
    return index_open(&data);
}
