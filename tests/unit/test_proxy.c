/* The PROXY protocol v2: specification of HAProxy, section 2.2. */
#include "c2s/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SIGNATURE "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
#define IPV4 "\xc0\x00\x02\x01" "\xc6\x33\x64\x01" "\xc3\x50" "\x14\x66"
#define IPV6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02" "\xc3\x50" "\x14\x66"

static const struct {
    const char *what;
    struct str bytes;
    enum err expected;
    size_t used;
    size_t ip_bytes; /* 0: the socket's address stays */
    uint16_t port;
} cases[] = {
    { "TCP over IPv4", STR(SIGNATURE "\x21\x11\x00\x0c" IPV4), ERR_OK, 28, 4, 50000 },
    { "what is behind the header is left", STR(SIGNATURE "\x21\x11\x00\x0c" IPV4 "<?xml"), ERR_OK, 28, 4, 50000 },
    { "TCP over IPv6", STR(SIGNATURE "\x21\x21\x00\x24" IPV6), ERR_OK, 52, 16, 50000 },
    { "TLVs are skipped", STR(SIGNATURE "\x21\x11\x00\x10" IPV4 "\x04\x00\x01x"), ERR_OK, 32, 4, 50000 },
    { "LOCAL", STR(SIGNATURE "\x20\x00\x00\x00"), ERR_OK, 16, 0, 0 },
    { "LOCAL with an address is still local", STR(SIGNATURE "\x20\x11\x00\x0c" IPV4), ERR_OK, 28, 0, 0 },
    { "AF_UNSPEC", STR(SIGNATURE "\x21\x00\x00\x00"), ERR_OK, 16, 0, 0 },
    { "nothing yet", STR(""), ERR_AGAIN, 0, 0, 0 },
    { "half a signature", STR("\x0d\x0a\x0d"), ERR_AGAIN, 0, 0, 0 },
    { "half an address", STR(SIGNATURE "\x21\x11\x00\x0c\xc0"), ERR_AGAIN, 0, 0, 0 },
    { "version 1", STR("PROXY TCP4 192.0.2.1"), ERR_MALFORMED, 0, 0, 0 },
    { "a client without a proxy", STR("<?xml version='1.0'?>"), ERR_MALFORMED, 0, 0, 0 },
    { "version 3", STR(SIGNATURE "\x31\x11\x00\x0c" IPV4), ERR_MALFORMED, 0, 0, 0 },
    { "an unknown command", STR(SIGNATURE "\x22\x11\x00\x0c" IPV4), ERR_MALFORMED, 0, 0, 0 },
    { "an unknown family", STR(SIGNATURE "\x21\x41\x00\x0c" IPV4), ERR_MALFORMED, 0, 0, 0 },
    { "an address that is too short", STR(SIGNATURE "\x21\x21\x00\x0c" IPV4), ERR_MALFORMED, 0, 0, 0 },
    { "a length that is too much", STR(SIGNATURE "\x21\x11\xff\xff" IPV4), ERR_LIMIT, 0, 0, 0 },
};

static void a_header_tells_who_is_behind_the_proxy(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proxy_source source = { 0 };
        size_t used = 0;

        print_message("  %s\n", cases[i].what);
        assert_int_equal(proxy_read(cases[i].bytes, &source, &used), cases[i].expected);
        assert_int_equal(used, cases[i].used);
        assert_int_equal(source.is_known ? source.ip_bytes : 0, cases[i].ip_bytes);
        assert_int_equal(source.port, cases[i].port);
    }
}

static void it_may_come_byte_by_byte(void **state)
{
    struct str whole = STR(SIGNATURE "\x21\x21\x00\x24" IPV6);
    struct proxy_source source;
    size_t used;

    (void)state;
    for (size_t n = 0; n < whole.n; n++)
        assert_int_equal(proxy_read(str_of(whole.p, n), &source, &used), ERR_AGAIN);
    assert_int_equal(proxy_read(whole, &source, &used), ERR_OK);
    assert_memory_equal(source.ip, whole.p + 16, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_tells_who_is_behind_the_proxy),
        cmocka_unit_test(it_may_come_byte_by_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
