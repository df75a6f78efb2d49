/* The hash table, against a plain array as the truth; lists. */
#include "common/list.h"
#include "common/table.h"

#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    char key[16];
    bool is_in;
};

static struct str key_of(const void *item)
{
    return str_from(((const struct item *)item)->key);
}

static void check(const struct table *t, const struct item *items, size_t count)
{
    size_t inside = 0, seen = 0;
    const struct item *item;

    for (size_t i = 0; i < count; i++) {
        inside += items[i].is_in;
        assert_ptr_equal(table_get(t, key_of(&items[i])), items[i].is_in ? &items[i] : NULL);
    }
    for (size_t at = 0; (item = table_next(t, &at)); seen++)
        assert_true(item->is_in);
    assert_int_equal(t->count, inside);
    assert_int_equal(seen, inside);
}

static void it_holds_what_was_put_and_not_removed(void **state)
{
    static struct item items[500];
    struct table t;

    (void)state;
    srandom(7);
    table_init(&t, key_of);
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        snprintf(items[i].key, sizeof items[i].key, "key-%zu", i);
    for (int step = 0; step < 20000; step++) {
        struct item *item = &items[(size_t)random() % ARRAY_LEN(items)];

        /* It grows in one half of the time and shrinks in the other. */
        if (random() % 10 < (step / 5000 % 2 == 0 ? 7 : 2)) {
            assert_ptr_equal(table_put(&t, item), item->is_in ? item : NULL);
            item->is_in = true;
        } else {
            assert_ptr_equal(table_remove(&t, key_of(item)), item->is_in ? item : NULL);
            item->is_in = false;
        }
        if (step % 500 == 0)
            check(&t, items, ARRAY_LEN(items));
    }
    table_fini(&t);
    assert_int_equal(t.count, 0);
}

static void an_equal_key_replaces_and_gives_back_the_old_one(void **state)
{
    struct item a = { "same", false }, b = { "same", false };
    struct table t;

    (void)state;
    table_init(&t, key_of);
    assert_null(table_get(&t, STR("same")));
    assert_null(table_remove(&t, STR("same")));
    assert_null(table_put(&t, &a));
    assert_ptr_equal(table_put(&t, &b), &a);
    assert_ptr_equal(table_get(&t, STR("same")), &b);
    assert_int_equal(t.count, 1);
    table_fini(&t);
}

/* The first and the last vectors of the reference implementation: key 00..0f, input 00 01 02 … */
static void siphash_gives_the_published_values(void **state)
{
    static const struct {
        size_t n;
        uint64_t hash;
    } rows[] = { { 0, 0x726fdb47dd0e0e31u }, { 1, 0x74f839c593dc67fdu }, { 7, 0xab0200f58b01d137u },
                 { 8, 0x93f5f5799a932462u }, { 15, 0xa129ca6149be45e5u }, { 63, 0x958a324ceb064572u } };
    uint8_t key[16], input[64];

    (void)state;
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (uint8_t)i;
    memcpy(key, input, sizeof key);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(table_siphash(key, str_of(input, rows[i].n)), rows[i].hash);
}

static void a_list_keeps_order_and_forgives_removing_twice(void **state)
{
    struct list head, items[3];
    size_t i = 0;

    (void)state;
    list_init(&head);
    assert_null(list_first(&head));
    list_push_back(&head, &items[1]);
    list_push_back(&head, &items[2]);
    list_push_front(&head, &items[0]);
    LIST_FOR_EACH(item, &head)
        assert_ptr_equal(item, &items[i++]);
    assert_int_equal(i, 3);
    list_remove(&items[1]);
    list_remove(&items[1]);
    assert_ptr_equal(items[0].next, &items[2]);
    LIST_FOR_EACH_SAFE(item, following, &head)
        list_remove(item);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_was_put_and_not_removed),
        cmocka_unit_test(an_equal_key_replaces_and_gives_back_the_old_one),
        cmocka_unit_test(siphash_gives_the_published_values),
        cmocka_unit_test(a_list_keeps_order_and_forgives_removing_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
