/* Connections counted by client address. */
#include "c2s/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void an_address_may_have_so_many_and_no_more(void **state)
{
    const uint8_t ip[4] = { 192, 0, 2, 1 }, other[4] = { 192, 0, 2, 2 };
    struct address *a, *b;
    struct addresses as;

    (void)state;
    addresses_init(&as);
    a = address_enter(&as, ip, 4, 2);
    assert_ptr_equal(address_enter(&as, ip, 4, 2), a);
    assert_null(address_enter(&as, ip, 4, 2));
    b = address_enter(&as, other, 4, 2);
    assert_non_null(b);
    address_leave(&as, a);
    assert_ptr_equal(address_enter(&as, ip, 4, 2), a);
    address_leave(&as, a);
    address_leave(&as, a);
    address_leave(&as, b);
    address_leave(&as, NULL);
    assert_int_equal(as.table.count, 0);
    addresses_fini(&as);
}

static void a_household_of_ipv6_counts_as_one(void **state)
{
    uint8_t one[16] = { 0x20, 0x01, 0x0d, 0xb8, [7] = 1, [15] = 1 }, two[16] = { 0x20, 0x01, 0x0d, 0xb8, [7] = 1, [15] = 2 };
    uint8_t far[16] = { 0x20, 0x01, 0x0d, 0xb8, [7] = 2, [15] = 1 };
    struct address *a, *b;
    struct addresses as;

    (void)state;
    addresses_init(&as);
    a = address_enter(&as, one, 16, 1);
    assert_null(address_enter(&as, two, 16, 1));
    b = address_enter(&as, far, 16, 1);
    assert_non_null(b);
    address_leave(&as, a);
    address_leave(&as, b);
    addresses_fini(&as);
}

static void addresses_are_written_as_people_write_them(void **state)
{
    uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, v4[4] = { 192, 0, 2, 1 };
    char text[64];

    (void)state;
    address_text(v4, 4, 5222, text);
    assert_string_equal(text, "192.0.2.1:5222");
    address_text(v6, 16, 1, text);
    assert_string_equal(text, "[2001:db8::1]:1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_may_have_so_many_and_no_more),
        cmocka_unit_test(a_household_of_ipv6_counts_as_one),
        cmocka_unit_test(addresses_are_written_as_people_write_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
