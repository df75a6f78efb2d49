/* common/mem.c: a process that keeps nothing. Its own test: the mode lasts as long as the process.
 */
#include "common/arena.h"
#include "common/buf.h"
#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char secret[] = "what nobody may find";

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static void a_cleared_buf_holds_nothing_of_what_it_held(void **state)
{
    struct buf b = { 0 };

    (void)state;
    buf_add(&b, STR("what nobody may find"));
    buf_clear(&b);
    assert_int_equal(b.n, 0);
    assert_true(is_zero(b.p, sizeof secret - 1));
    buf_fini(&b);
}

static void behind_what_is_left_of_a_buf_is_nothing(void **state)
{
    struct buf b = { 0 };

    (void)state;
    buf_add(&b, STR("what nobody may find"));
    buf_drop(&b, 5);
    assert_true(str_is(buf_str(&b), "nobody may find"));
    assert_true(is_zero(b.p + b.n, 5));
    buf_fini(&b);
}

static void a_reset_arena_holds_nothing_of_what_it_held(void **state)
{
    struct arena a = { 0 };
    struct str copy = arena_str(&a, STR("what nobody may find"));

    (void)state;
    arena_reset(&a);
    assert_true(is_zero(copy.p, sizeof secret - 1)); /* its one chunk stays */
    arena_fini(&a);
}

static void what_grows_keeps_its_bytes(void **state)
{
    char *p = mem_strdup(secret);

    (void)state;
    p = mem_realloc(p, 100000);
    assert_string_equal(p, secret);
    p = mem_realloc(p, 4);
    assert_memory_equal(p, secret, 4);
    mem_free(p);
    mem_free(mem_realloc(NULL, 0));
    mem_free(NULL);
}

static int keep_nothing(void **state)
{
    (void)state;
    assert_false(mem_keeps_nothing());
    mem_keep_nothing();
    return mem_keeps_nothing() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cleared_buf_holds_nothing_of_what_it_held),
        cmocka_unit_test(behind_what_is_left_of_a_buf_is_nothing),
        cmocka_unit_test(a_reset_arena_holds_nothing_of_what_it_held),
        cmocka_unit_test(what_grows_keeps_its_bytes),
    };

    return cmocka_run_group_tests(tests, keep_nothing, NULL);
}
