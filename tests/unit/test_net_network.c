/* Addresses and networks of configuration. */
#include "common/base.h"

#include "common/net_network.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void what_is_in_a_network(void **state)
{
    static const struct {
        const char *network, *address;
        bool is_in;
    } rows[] = {
        { "192.0.2.5", "192.0.2.5", true },
        { "192.0.2.5", "192.0.2.4", false },
        { "192.0.2.5/32", "192.0.2.5", true },
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "10.1.2.3/8", "10.9.9.9", true }, /* bits behind the prefix do not count */
        { "192.0.2.128/25", "192.0.2.129", true },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.4/31", "192.0.2.5", true },
        { "192.0.2.4/31", "192.0.2.6", false },
        { "0.0.0.0/0", "203.0.113.1", true },
        { "0.0.0.0/0", "2001:db8::1", false }, /* of the other family */
        { "::/0", "2001:db8::1", true },
        { "::/0", "203.0.113.1", false },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
        { "2001:db8::1", "2001:db8::1", true },
        { "2001:db8::1", "2001:db8::2", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct net_network n;
        uint8_t ip[16];
        size_t ip_bytes = inet_pton(AF_INET, rows[i].address, ip) == 1 ? 4 : 16;

        if (ip_bytes == 16)
            assert_int_equal(inet_pton(AF_INET6, rows[i].address, ip), 1);
        assert_int_equal(net_network_parse(str_from(rows[i].network), &n), ERR_OK);
        if (net_network_has(&n, ip, ip_bytes) != rows[i].is_in)
            fail_msg("%s in %s", rows[i].address, rows[i].network);
        assert_false(net_network_has(&n, ip, 0)); /* a Unix socket's peer */
    }
}

static void what_is_no_network(void **state)
{
    static const char *const rows[] = {
        "",       "x",  "192.0.2",  "192.0.2.1/",   "1.2.3.4/33", "1.2.3.4/-1",  "1.2.3.4/8/8",
        "::/129", "/8", " 1.2.3.4", "1.2.3.4:5222", "[::1]",      "host.example"
    };
    struct net_network n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (net_network_parse(str_from(rows[i]), &n) != ERR_MALFORMED)
            fail_msg("accepted: %s", rows[i]);
    assert_int_equal(net_network_parse(STR("1.2.3.4\0"), &n), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_a_network),
        cmocka_unit_test(what_is_no_network),
    };

    return cmocka_run_group_tests_name("net_network", tests, NULL, NULL);
}
