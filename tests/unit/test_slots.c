/* The router's table of slots. */
#include "common/mem.h"
#include "router/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct control_slots told(uint64_t epoch, unsigned from, unsigned to)
{
    static struct str host = { "example.com", 11 };
    struct control_slots s = {
        .key = "0123456789abcde", .epoch = epoch, .hosts = &host, .host_count = 1
    };

    for (unsigned i = from; i <= to; i++)
        s.owned[i / 8] |= (uint8_t)(1u << (i % 8));
    return s;
}

static void take(struct slots *s, const char *sm, uint64_t epoch, unsigned from, unsigned to)
{
    struct control_slots t = told(epoch, from, to);

    assert_int_equal(slots_take(s, str_from(sm), &t, STR("<slots/>")), ERR_OK);
}

/* Who owns the slot number. */
static const char *owner_of(const struct slots *s, unsigned slot)
{
    return s->slots[slot].owner ? s->sms[s->slots[slot].owner - 1]->name : "";
}

static void the_highest_epoch_wins(void **state)
{
    struct slots s;

    (void)state;
    slots_init(&s);
    assert_false(str_is_set(slots_owner(&s, STR("a@example.com"))));
    take(&s, "sm-1", 5, 0, 1023);
    assert_true(str_is(slots_owner(&s, STR("a@example.com/x")), "sm-1"));
    assert_true(slots_is_hosted(&s, STR("example.com")));
    assert_false(slots_is_hosted(&s, STR("example.org")));
    take(&s, "sm-2", 4, 0, 1023); /* late */
    assert_string_equal(owner_of(&s, 7), "sm-1");
    take(&s, "sm-2", 6, 512, 1023);
    assert_string_equal(owner_of(&s, 511), "sm-1");
    assert_string_equal(owner_of(&s, 512), "sm-2");
    assert_int_equal(s.sms[1]->owned, 512);
    take(&s, "sm-1", 5, 0, 1023); /* it has not noticed */
    assert_string_equal(owner_of(&s, 512), "sm-2");
    slots_fini(&s);
}

static void what_is_not_named_any_more_is_nobodys(void **state)
{
    struct slots s;

    (void)state;
    slots_init(&s);
    take(&s, "sm-1", 5, 0, 1023);
    take(&s, "sm-1", 5, 0, 511);
    assert_string_equal(owner_of(&s, 511), "sm-1");
    assert_string_equal(owner_of(&s, 512), "");
    take(&s, "sm-2", 4, 512, 1023); /* older than the one before */
    assert_string_equal(owner_of(&s, 512), "");
    take(&s, "sm-2", 5, 512, 1023);
    assert_string_equal(owner_of(&s, 512), "sm-2");
    slots_fini(&s);
}

static void another_key_is_refused_but_for_the_only_sm(void **state)
{
    struct control_slots t = told(1, 0, 1023);
    struct slots s;

    (void)state;
    slots_init(&s);
    take(&s, "sm-1", 5, 0, 1023);
    t.key[0] ^= 1;
    assert_int_equal(slots_take(&s, STR("sm-2"), &t, STR("<slots/>")), ERR_DENIED);
    assert_int_equal(slots_take(&s, STR("sm-1"), &t, STR("<slots/>")), ERR_OK); /* a new store */
    assert_string_equal(owner_of(&s, 0), "sm-1");
    slots_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_epoch_wins),
        cmocka_unit_test(what_is_not_named_any_more_is_nobodys),
        cmocka_unit_test(another_key_is_refused_but_for_the_only_sm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
