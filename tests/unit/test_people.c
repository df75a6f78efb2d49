/* Indexes of people and groups: who sees whom, groups in groups, limits, versions, differences. */
#include "common/mem.h"
#include "sm/directory/filter.h"
#include "sm/directory/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* --- a directory in a few lines ------------------------------------------------------------------ */

enum { MAX_LISTED = 8 };

struct listed_group {
    const char *name; /* its DN is cn=NAME,ou=groups */
    const char *members[MAX_LISTED]; /* "anna", or "@group" */
};

static struct directory_raw raw_of(const char *const *people, const struct listed_group *groups)
{
    struct directory_raw raw = { 0 };

    for (; people && *people; people++) {
        struct directory_raw_person *p = arena_new(&raw.arena, struct directory_raw_person);
        struct str rest = str_from(*people), local = str_cut(&rest, '=');

        *p = (struct directory_raw_person){ .next = raw.people,
                                            .dn = arena_printf(&raw.arena, "uid=%.*s,ou=people",
                                                               STR_ARG(local)),
                                            .local = arena_str(&raw.arena, local),
                                            .name = arena_str(&raw.arena, rest) };
        raw.people = p;
        raw.person_count++;
    }
    for (; groups && groups->name; groups++) {
        struct directory_raw_group *g = arena_new(&raw.arena, struct directory_raw_group);
        struct str *members = arena_alloc(&raw.arena, MAX_LISTED * sizeof *members);

        *g = (struct directory_raw_group){
            .next = raw.groups,
            .dn = arena_printf(&raw.arena, "cn=%s,ou=groups", groups->name),
            .name = str_from(groups->name),
            .members = members,
        };
        for (; g->member_count < MAX_LISTED && groups->members[g->member_count]; g->member_count++) {
            const char *m = groups->members[g->member_count];

            members[g->member_count] =
                m[0] == '@' ? arena_printf(&raw.arena, "CN=%s, OU=Groups", m + 1)
                            : arena_printf(&raw.arena, "uid=%s,ou=people", m);
        }
        raw.groups = g;
        raw.group_count++;
    }
    return raw;
}

static const char *const nothing[] = { NULL };
static const char *const everything[] = { "*", NULL };

static struct directory_index *index_of(const char *const *people, const struct listed_group *groups,
                                        const struct directory_index_options *options)
{
    struct directory_index_options o = options ? *options : (struct directory_index_options){ 0 };
    struct directory_raw raw = raw_of(people, groups);
    struct directory_index *x;

    o.shared = o.shared ? o.shared : everything;
    o.to_all = o.to_all ? o.to_all : nothing;
    o.max_shared = o.max_shared ? o.max_shared : 100;
    o.is_nested = true;
    x = directory_index_build(&raw, &o);
    arena_fini(&raw.arena);
    return x;
}

static bool sees(const struct directory_index *x, const char *viewer, const char *person)
{
    return directory_index_sees(x, directory_index_find(x, str_from(viewer)),
                                directory_index_find(x, str_from(person)));
}

/* "A B": the groups in which viewer sees person. */
static void assert_groups(const struct directory_index *x, const char *viewer, const char *person,
                          const char *expected)
{
    struct str names[MAX_LISTED];
    struct buf text = { 0 };
    size_t n = directory_index_groups_of(x, directory_index_find(x, str_from(viewer)),
                                         directory_index_find(x, str_from(person)), names,
                                         MAX_LISTED);

    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s%.*s", i ? " " : "", STR_ARG(names[i]));
    if (!str_is(n ? buf_str(&text) : STR(""), expected))
        fail_msg("%s sees %s in \"%.*s\", not \"%s\"", viewer, person, STR_ARG(buf_str(&text)), expected);
    buf_fini(&text);
}

static const char *const abc[] = { "anna=Anna A.", "bert", "carl", "dora", NULL };

/* --- tests ---------------------------------------------------------------------------------------- */

static void members_of_a_group_see_each_other_and_nobody_else_does(void **state)
{
    static const struct listed_group groups[] = { { "Sales", { "anna", "bert" } }, { 0 } };
    struct directory_index *x = index_of(abc, groups, NULL);
    uint32_t *contacts;

    (void)state;
    assert_true(sees(x, "anna", "bert") && sees(x, "bert", "anna"));
    assert_false(sees(x, "anna", "carl") || sees(x, "carl", "anna") || sees(x, "anna", "anna"));
    assert_false(sees(x, "nobody", "anna") || sees(x, "anna", "nobody"));
    assert_groups(x, "bert", "anna", "Sales");
    assert_true(str_is(directory_index_name(x, directory_index_find(x, STR("anna"))), "Anna A."));
    assert_int_equal(directory_index_contacts(x, directory_index_find(x, STR("bert")), &contacts), 1);
    assert_int_equal(contacts[0], directory_index_find(x, STR("anna")));
    mem_free(contacts);
    assert_int_equal(directory_index_contacts(x, directory_index_find(x, STR("carl")), &contacts), 0);
    mem_free(contacts);
    directory_index_unref(x);
}

static void groups_in_groups_are_walked_and_circles_end(void **state)
{
    static const struct listed_group groups[] = { { "top", { "anna", "@middle" } },
                                                  { "middle", { "bert", "@low" } },
                                                  { "low", { "carl", "@top", "@low", "@gone" } },
                                                  { 0 } };
    static const char *const top[] = { "TOP", NULL };
    const struct directory_index_options o = { .shared = top };
    struct directory_index *all = index_of(abc, groups, NULL), *one = index_of(abc, groups, &o);

    (void)state;
    assert_groups(all, "anna", "carl", "low middle top"); /* a circle: all are in all */
    assert_groups(one, "anna", "carl", "top");
    assert_groups(one, "bert", "anna", "top");
    assert_false(sees(one, "dora", "anna"));
    directory_index_unref(all);
    directory_index_unref(one);
}

static void a_group_is_named_by_its_dn_too(void **state)
{
    static const struct listed_group groups[] = { { "Sales", { "anna", "bert" } },
                                                  { "Other", { "carl", "bert" } },
                                                  { 0 } };
    static const char *const names[] = { "CN=sales, ou=Groups", NULL };
    const struct directory_index_options o = { .shared = names };
    struct directory_index *x = index_of(abc, groups, &o);

    (void)state;
    assert_int_equal(directory_index_group_count(x), 1);
    assert_true(sees(x, "anna", "bert"));
    assert_false(sees(x, "carl", "bert"));
    directory_index_unref(x);
}

static void a_group_that_is_shown_to_all_is_seen_and_sees_nobody(void **state)
{
    static const struct listed_group groups[] = { { "Help", { "anna", "bert" } }, { 0 } };
    static const char *const help[] = { "help", NULL };
    const struct directory_index_options o = { .shared = nothing, .to_all = help };
    struct directory_index *x = index_of(abc, groups, &o);
    uint32_t *viewers;
    bool is_all;

    (void)state;
    assert_true(sees(x, "carl", "anna") && sees(x, "bert", "anna"));
    assert_false(sees(x, "anna", "carl"));
    assert_int_equal(directory_index_viewers(x, directory_index_find(x, STR("anna")), &viewers, &is_all), 1);
    assert_true(is_all);
    mem_free(viewers);
    assert_int_not_equal(directory_index_version(x, directory_index_find(x, STR("carl"))), 0);
    directory_index_unref(x);
}

static void limits_leave_whole_groups_out(void **state)
{
    static const struct listed_group groups[] = { { "all", { "anna", "bert", "carl", "dora" } },
                                                  { "ab", { "anna", "bert" } },
                                                  { "ac", { "anna", "carl" } },
                                                  { 0 } };
    const struct directory_index_options three = { .max_shared = 3 };
    struct directory_index *x = index_of(abc, groups, &three);

    (void)state;
    assert_false(sees(x, "anna", "dora")); /* more members than one may see */
    assert_true(sees(x, "anna", "bert") && sees(x, "bert", "anna") && sees(x, "carl", "anna"));
    assert_false(sees(x, "anna", "carl")); /* two groups of two are too many for her alone */
    assert_true(directory_index_group(x, 2).is_too_large || directory_index_group(x, 1).is_too_large ||
                directory_index_group(x, 0).is_too_large);
    directory_index_unref(x);
}

static void who_may_not_log_in_is_in_no_group(void **state)
{
    static const struct listed_group groups[] = { { "chat", { "anna", "@more" } },
                                                  { "more", { "bert" } },
                                                  { "Sales", { "anna", "bert", "carl" } },
                                                  { 0 } };
    static const char *const chat[] = { "chat", NULL }, *const sales[] = { "Sales", NULL };
    const struct directory_index_options o = { .shared = sales, .allowed = chat };
    struct directory_index *x = index_of(abc, groups, &o);

    (void)state;
    assert_true(sees(x, "anna", "bert"));
    assert_false(sees(x, "anna", "carl") || sees(x, "carl", "anna"));
    directory_index_unref(x);
}

static void two_people_of_one_name_are_left_out(void **state)
{
    static const char *const people[] = { "anna", "bert=one", "bert=two", NULL };
    static const struct listed_group groups[] = { { "g", { "anna", "bert" } }, { 0 } };
    struct directory_index *x = index_of(people, groups, NULL);

    (void)state;
    assert_int_equal(directory_index_people(x), 1);
    assert_int_equal(directory_index_ambiguous(x), 2);
    assert_false(sees(x, "anna", "bert"));
    directory_index_unref(x);
}

static void texts_that_clients_must_not_get_are_cleaned(void **state)
{
    static const struct {
        const char *name, *shown;
    } rows[] = { { "Anna\x01\n A.", "Anna A." }, { "\xff\xfe", NULL }, { "M\xc3\xbcller", "M\xc3\xbcller" },
                 { "a\xef\xbf\xbf" "b", "ab" }, { "  x ", "x" }, { "", NULL } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = { 0 };
        const char *const people[] = { arena_printf(&arena, "anna=%s", rows[i].name).p, NULL };
        struct directory_index *x = index_of(people, NULL, NULL);

        assert_true(str_eq(directory_index_name(x, 0), str_from(rows[i].shown)));
        directory_index_unref(x);
        arena_fini(&arena);
    }
}

/* --- differences ---------------------------------------------------------------------------------- */

static void what_differs_is_told_and_nothing_else(void **state)
{
    static const char *const renamed[] = { "anna=Anna B.", "bert", "carl", "dora", NULL };
    static const char *const fewer[] = { "anna=Anna A.", "bert", "carl", NULL };
    static const struct listed_group none[] = { { 0 } }, g[] = { { "g", { "anna", "bert" } }, { 0 } },
                                     joined[] = { { "g", { "anna", "bert", "carl" } }, { 0 } },
                                     other[] = { { "h", { "anna", "bert" } }, { 0 } },
                                     two[] = { { "g", { "anna", "bert" } }, { "a", { "dora", "carl" } }, { 0 } };
    static const struct {
        const char *const *people_was;
        const struct listed_group *was;
        const char *const *people_is;
        const struct listed_group *is;
        const char *expected; /* - went, + came, = changed */
    } rows[] = {
        { abc, g, abc, g, "" },
        { abc, g, abc, joined, "=carl" },
        { abc, joined, abc, g, "=carl" },
        { abc, g, abc, none, "=anna =bert" },
        { abc, g, abc, other, "=anna =bert" },
        { abc, g, abc, two, "=carl =dora" },
        { abc, g, renamed, g, "=anna" },
        { abc, g, fewer, g, "-dora" },
        { fewer, g, abc, g, "+dora" },
        { NULL, none, fewer, g, "+anna +bert +carl" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct directory_index *was = index_of(rows[i].people_was, rows[i].was, NULL);
        struct directory_index *is = index_of(rows[i].people_is, rows[i].is, NULL);
        struct directory_index_change *changes;
        size_t n = directory_index_diff(was, is, &changes);
        struct buf text = { 0 };

        for (size_t c = 0; c < n; c++) {
            bool came = changes[c].was == DIRECTORY_NOBODY, went = changes[c].is == DIRECTORY_NOBODY;
            struct str local = went ? directory_index_local(was, changes[c].was)
                                    : directory_index_local(is, changes[c].is);

            buf_printf(&text, "%s%c%.*s", c ? " " : "", came ? '+' : went ? '-' : '=', STR_ARG(local));
        }
        if (!str_is(n ? buf_str(&text) : STR(""), rows[i].expected))
            fail_msg("row %zu: \"%.*s\", not \"%s\"", i, STR_ARG(buf_str(&text)), rows[i].expected);
        buf_fini(&text);
        mem_free(changes);
        directory_index_unref(was);
        directory_index_unref(is);
    }
}

static void a_version_is_another_when_what_is_shown_is(void **state)
{
    static const char *const renamed[] = { "anna=Anna B.", "bert", "carl", "dora", NULL };
    static const struct listed_group g[] = { { "g", { "anna", "bert" } }, { "far", { "dora" } }, { 0 } },
                                     joined[] = { { "g", { "anna", "bert", "carl" } }, { 0 } },
                                     far[] = { { "g", { "anna", "bert" } }, { "far", { "dora", "carl" } }, { 0 } };
    struct directory_index *x[] = { index_of(abc, g, NULL), index_of(abc, g, NULL), index_of(renamed, g, NULL),
                                    index_of(abc, joined, NULL), index_of(abc, far, NULL) };
    uint64_t v[ARRAY_LEN(x)];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(x); i++)
        v[i] = directory_index_version(x[i], directory_index_find(x[i], STR("bert")));
    assert_true(v[0] == v[1] && v[0] != v[2] && v[0] != v[3] && v[2] != v[3]);
    assert_true(v[0] == v[4]); /* what he does not see changes nothing */
    assert_int_equal(directory_index_version(x[0], directory_index_find(x[0], STR("carl"))), 0);
    for (size_t i = 0; i < ARRAY_LEN(x); i++)
        directory_index_unref(x[i]);
}

static void what_was_written_is_read_and_nothing_else_is(void **state)
{
    static const struct listed_group g[] = { { "g", { "anna", "bert" } }, { 0 } };
    static const uint8_t key[16] = { 1 }, other[16] = { 2 };
    struct directory_index *x = index_of(abc, g, NULL), *again;
    struct buf out = { 0 };

    (void)state;
    directory_index_write(x, key, &out);
    again = directory_index_read(buf_str(&out), key);
    assert_non_null(again);
    assert_groups(again, "anna", "bert", "g");
    assert_true(directory_index_version(x, 0) == directory_index_version(again, 0));
    assert_null(directory_index_read(buf_str(&out), other));
    assert_null(directory_index_read(str_of(out.p, out.n - 1), key));
    assert_null(directory_index_read(STR("short"), key));
    out.p[out.n / 2] ^= 1;
    assert_null(directory_index_read(buf_str(&out), key));
    buf_fini(&out);
    directory_index_unref(x);
    directory_index_unref(again);
}

/* --- size ------------------------------------------------------------------------------------------ */

enum { MANY = 100000, TEAM = 50, DIVISION = 2000 };

static void a_hundred_thousand_people_fit(void **state)
{
    struct directory_raw raw = { 0 };
    struct directory_index_options o = { .shared = everything, .to_all = nothing, .max_shared = 3000, .is_nested = true };
    struct directory_index *x, *again;
    struct directory_index_change *changes;
    clock_t begin = clock();
    uint32_t *contacts;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        struct directory_raw_person *p = arena_new(&raw.arena, struct directory_raw_person);

        *p = (struct directory_raw_person){ raw.people,
                                            arena_printf(&raw.arena, "uid=person%06d,ou=people,dc=example,dc=org", i),
                                            arena_printf(&raw.arena, "person%06d", i),
                                            arena_printf(&raw.arena, "Firstname Lastname-%06d", i), STR_NONE };
        raw.people = p;
        raw.person_count++;
    }
    for (int kind = 0; kind < 2; kind++)
        for (int first = 0; first < MANY; first += kind ? DIVISION : TEAM) {
            struct directory_raw_group *g = arena_new(&raw.arena, struct directory_raw_group);
            int n = kind ? DIVISION : TEAM;
            struct str *members = arena_alloc(&raw.arena, (size_t)n * sizeof *members);

            for (int i = 0; i < n; i++)
                members[i] = arena_printf(&raw.arena, "uid=person%06d,ou=people,dc=example,dc=org", first + i);
            *g = (struct directory_raw_group){ raw.groups, arena_printf(&raw.arena, "cn=group %d %d,ou=groups", kind, first),
                                               arena_printf(&raw.arena, "group %d %d", kind, first), STR_NONE, members, (size_t)n };
            raw.groups = g;
            raw.group_count++;
        }
    x = directory_index_build(&raw, &o);
    again = directory_index_build(&raw, &o);
    assert_int_equal(directory_index_people(x), MANY);
    assert_int_equal(directory_index_contacts(x, MANY / 2, &contacts), DIVISION - 1);
    assert_int_equal(directory_index_diff(x, again, &changes), 0);
    assert_true(directory_index_bytes(x) < (size_t)MANY * 120);
    print_message("%zu bytes a person, %ld ms twice\n", directory_index_bytes(x) / MANY,
                  (long)((clock() - begin) * 1000 / CLOCKS_PER_SEC));
    mem_free(contacts);
    mem_free(changes);
    arena_fini(&raw.arena);
    directory_index_unref(x);
    directory_index_unref(again);
}

/* --- filters --------------------------------------------------------------------------------------- */

static void a_login_filter_becomes_one_for_everybody(void **state)
{
    static const struct {
        const char *filter, *expected; /* NULL: it cannot */
    } rows[] = {
        { "(uid=%u)", "(uid=*)" },
        { "(&(objectClass=person)(|(uid=%u)(mail=%a)))", "(&(objectClass=person)(|(uid=*)(mail=*@example.com)))" },
        { "(mail=%u@%d)", "(mail=*@example.com)" },
        { "(&(uid=%u)(o=100%%))", "(&(uid=*)(o=100%))" },
        { "(uid:caseExactMatch:=%u)", NULL },
        { "(uid>=%u)", NULL },
        { "(uid~=%u)", NULL },
        { "(%u=x)", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = { 0 }, why = { 0 };
        bool can = directory_filter_check_everybody(rows[i].filter, &why) == ERR_OK;

        assert_int_equal(can, rows[i].expected != NULL);
        directory_filter_write_everybody(&out, rows[i].filter, STR("example.com"));
        if (can)
            assert_true(str_is(buf_str(&out), rows[i].expected));
        buf_fini(&out);
        buf_fini(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_a_group_see_each_other_and_nobody_else_does),
        cmocka_unit_test(groups_in_groups_are_walked_and_circles_end),
        cmocka_unit_test(a_group_is_named_by_its_dn_too),
        cmocka_unit_test(a_group_that_is_shown_to_all_is_seen_and_sees_nobody),
        cmocka_unit_test(limits_leave_whole_groups_out),
        cmocka_unit_test(who_may_not_log_in_is_in_no_group),
        cmocka_unit_test(two_people_of_one_name_are_left_out),
        cmocka_unit_test(texts_that_clients_must_not_get_are_cleaned),
        cmocka_unit_test(what_differs_is_told_and_nothing_else),
        cmocka_unit_test(a_version_is_another_when_what_is_shown_is),
        cmocka_unit_test(what_was_written_is_read_and_nothing_else_is),
        cmocka_unit_test(a_hundred_thousand_people_fit),
        cmocka_unit_test(a_login_filter_becomes_one_for_everybody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
