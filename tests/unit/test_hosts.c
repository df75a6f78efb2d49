/* The table of hosts at c2s: versions and floors. */
#include "c2s/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct c2s_floors floors = {
    .is_tls_required = false,
    .max_stanza = 1000,
    .max_stanza_before = 500,
    .max_depth = 30,
    .max_attributes = 20,
    .bytes_per_second = 0,
    .stanzas_per_second = 10,
    .auth_timeout_ms = 30000,
    .idle_timeout_ms = 0,
};

static struct control_host announced(const char *name)
{
    return (struct control_host){
        .name = str_from(name),
        .is_tls_required = true,
        .max_stanza_bytes = 2000,
        .max_stanza_bytes_before = 400,
        .max_depth = 40,
        .max_attributes = 10,
        .bytes_per_second = 7,
        .stanzas_per_second = 0,
        .auth_timeout_ms = 60000,
        .idle_timeout_ms = 5000,
    };
}

static bool take(struct hosts *hs, uint64_t version, size_t count, struct control_host *items)
{
    struct control_hosts table = { .version = version, .hosts = items, .count = count };

    return hosts_take(hs, &table, &floors);
}

static void an_announcement_only_tightens(void **state)
{
    struct control_host items[] = { announced("a.example") };
    struct hosts hs;
    struct host *h;

    (void)state;
    hosts_init(&hs);
    assert_true(take(&hs, 1, 1, items));
    h = hosts_find(&hs, STR("a.example"));
    assert_non_null(h);
    assert_true(h->now.is_tls_required);
    assert_int_equal(h->now.max_stanza_bytes, 1000);
    assert_int_equal(h->now.max_stanza_bytes_before, 400);
    assert_int_equal(h->now.max_depth, 30);
    assert_int_equal(h->now.max_attributes, 10);
    assert_int_equal(h->now.bytes_per_second, 7);
    assert_int_equal(h->now.stanzas_per_second, 10);
    assert_int_equal(h->now.auth_timeout_ms, 30000);
    assert_int_equal(h->now.idle_timeout_ms, 5000);
    hosts_fini(&hs);
}

static void tls_required_by_the_file_cannot_be_announced_away(void **state)
{
    struct control_host items[] = { announced("a.example") };
    struct c2s_floors strict = floors;
    struct hosts hs;

    (void)state;
    items[0].is_tls_required = false;
    hosts_init(&hs);
    assert_true(take(&hs, 1, 1, items));
    assert_false(hosts_find(&hs, STR("a.example"))->now.is_tls_required);
    strict.is_tls_required = true;
    hosts_apply_floors(&hs, &strict);
    assert_true(hosts_find(&hs, STR("a.example"))->now.is_tls_required);
    hosts_fini(&hs);
}

static void only_a_higher_version_is_taken(void **state)
{
    struct control_host one[] = { announced("a.example") }, two[] = { announced("b.example") };
    struct hosts hs;

    (void)state;
    hosts_init(&hs);
    assert_true(take(&hs, 5, 1, one));
    assert_false(take(&hs, 5, 1, two));
    assert_false(take(&hs, 4, 1, two));
    assert_false(take(&hs, 6, 0, NULL));
    assert_null(hosts_find(&hs, STR("b.example")));
    assert_true(take(&hs, 6, 1, two));
    assert_non_null(hosts_find(&hs, STR("b.example")));
    hosts_fini(&hs);
}

static void a_host_that_is_gone_is_not_found_and_may_come_back(void **state)
{
    struct control_host both[] = { announced("a.example"), announced("b.example") };
    struct hosts hs;
    struct host *a;

    (void)state;
    hosts_init(&hs);
    assert_true(take(&hs, 1, 2, both));
    a = hosts_find(&hs, STR("a.example"));
    assert_ptr_equal(hs.first, a);
    assert_true(take(&hs, 2, 1, both + 1));
    assert_null(hosts_find(&hs, STR("a.example")));
    assert_true(a->is_gone); /* clients still point to it */
    assert_int_equal(hs.count, 1);
    assert_ptr_equal(hs.first, hosts_find(&hs, STR("b.example")));
    assert_true(take(&hs, 3, 2, both));
    assert_ptr_equal(hosts_find(&hs, STR("a.example")), a);
    hosts_fini(&hs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announcement_only_tightens),
        cmocka_unit_test(tls_required_by_the_file_cannot_be_announced_away),
        cmocka_unit_test(only_a_higher_version_is_taken),
        cmocka_unit_test(a_host_that_is_gone_is_not_found_and_may_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
