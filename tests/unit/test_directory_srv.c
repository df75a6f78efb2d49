/* SRV records as DNS messages have them: what is read, what is left out, in which order servers are used; the times of servers. */
#include "common/base.h"
#include "sm/directory/check.h"
#include "sm/directory/srv.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A message with one question, answers, and nothing else. */
struct message {
    struct buf bytes;
    unsigned answers;
};

static void add16(struct buf *b, unsigned n)
{
    buf_add_char(b, (char)(n >> 8));
    buf_add_char(b, (char)n);
}

static void add_name(struct buf *b, const char *name)
{
    struct str rest = str_from(name);

    while (rest.n > 0) {
        struct str label = str_cut(&rest, '.');

        buf_add_char(b, (char)label.n);
        buf_add(b, label);
    }
    buf_add_char(b, '\0');
}

static void begin(struct message *m)
{
    *m = (struct message){ .answers = 0 };
    add16(&m->bytes, 1);
    add16(&m->bytes, 0x8180);
    add16(&m->bytes, 1);
    for (int i = 0; i < 3; i++)
        add16(&m->bytes, 0);
    add_name(&m->bytes, "_ldaps._tcp.example.com");
    add16(&m->bytes, 33);
    add16(&m->bytes, 1);
}

/* type 33 is SRV. */
static void add(struct message *m, unsigned type, unsigned ttl, struct str data)
{
    add16(&m->bytes, 0xc00c); /* the question's name */
    add16(&m->bytes, type);
    add16(&m->bytes, 1);
    add16(&m->bytes, ttl >> 16);
    add16(&m->bytes, ttl & 0xffff);
    add16(&m->bytes, (unsigned)data.n);
    buf_add(&m->bytes, data);
    m->answers++;
    m->bytes.p[7] = (char)m->answers;
}

static void add_srv(struct message *m, unsigned ttl, unsigned priority, unsigned weight, unsigned port, const char *target)
{
    struct buf data = { 0 };

    add16(&data, priority);
    add16(&data, weight);
    add16(&data, port);
    add_name(&data, target);
    add(m, 33, ttl, buf_str(&data));
    buf_fini(&data);
}

static enum err read_message(struct message *m, struct dir_srv_answer *out)
{
    enum err e = dir_srv_read(buf_str(&m->bytes), out);

    buf_fini(&m->bytes);
    return e;
}

static void records_are_read(void **state)
{
    struct dir_srv_answer a;
    struct message m;

    (void)state;
    begin(&m);
    add_srv(&m, 600, 10, 60, 636, "ldap-1.example.com");
    add(&m, 1, 1, STR("\x7f\0\0\1")); /* an address: not ours */
    add_srv(&m, 300, 20, 0, 3269, "ldap-2.example.com");
    assert_int_equal(read_message(&m, &a), ERR_OK);
    assert_int_equal(a.count, 2);
    assert_string_equal(a.records[0].target, "ldap-1.example.com");
    assert_int_equal(a.records[0].priority, 10);
    assert_int_equal(a.records[0].weight, 60);
    assert_int_equal(a.records[0].port, 636);
    assert_int_equal(a.records[1].port, 3269);
    assert_int_equal(a.ttl_s, 300);
    assert_false(a.is_none);
    assert_int_equal(a.left_out, 0);
}

static void a_dot_means_none(void **state)
{
    struct dir_srv_answer a;
    struct message m;

    (void)state;
    begin(&m);
    add_srv(&m, 60, 0, 0, 0, "");
    assert_int_equal(read_message(&m, &a), ERR_OK);
    assert_int_equal(a.count, 0);
    assert_true(a.is_none);
}

static void what_cannot_be_used_is_left_out(void **state)
{
    static const struct {
        unsigned port;
        const char *target;
    } rows[] = { { 0, "a.example.com" }, { 636, "a/b.example.com" }, { 636, "a b.example.com" }, { 636, "x@y.example.com" }, { 636, "[::1]" } };
    struct dir_srv_answer a;
    struct message m;

    (void)state;
    begin(&m);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        add_srv(&m, 60, 0, 0, rows[i].port, rows[i].target);
    add(&m, 33, 60, STR("\0\0\0\0"));
    assert_int_equal(read_message(&m, &a), ERR_OK);
    assert_int_equal(a.count, 0);
    assert_int_equal(a.left_out, ARRAY_LEN(rows) + 1);
    begin(&m);
    for (int i = 0; i < 40; i++)
        add_srv(&m, 60, 0, 0, 636, "a.example.com");
    assert_int_equal(read_message(&m, &a), ERR_OK);
    assert_int_equal(a.count, DIR_SRV_MAX);
    assert_int_equal(a.left_out, 40 - DIR_SRV_MAX);
}

static void what_is_no_message_is_refused_at_any_length(void **state)
{
    struct message m;
    size_t whole;

    (void)state;
    begin(&m);
    add_srv(&m, 600, 10, 60, 636, "ldap-1.example.com");
    whole = m.bytes.n;
    for (size_t n = 0; n < whole; n++) {
        struct dir_srv_answer a;
        char *exact = malloc(n + 1); /* so that the sanitizer sees what is read behind it */
        bool is_empty_header = false;

        memcpy(exact, m.bytes.p, n);
        if (dir_srv_read(str_of(exact, n), &a) == ERR_OK)
            is_empty_header = a.count == 0;
        else
            is_empty_header = true;
        assert_true(is_empty_header);
        free(exact);
    }
    buf_fini(&m.bytes);
}

/* RFC 2782, "Usage rules": the chance of the first place is the weight's share. */
static void places_follow_weights(void **state)
{
    enum { ROUNDS = 20000 };
    unsigned first = 0;

    (void)state;
    srand48(7);
    for (int i = 0; i < ROUNDS; i++) {
        double heavy = dir_srv_place(30, drand48() + 1e-12), light = dir_srv_place(10, drand48() + 1e-12);

        first += heavy < light;
        assert_true(dir_srv_place(0, drand48() + 1e-12) > heavy);
    }
    assert_in_range(first, ROUNDS * 73 / 100, ROUNDS * 77 / 100);
    assert_true(dir_srv_place(5, 0.5) == dir_srv_place(5, 0.5));
}

/* As "20260102030405Z": RFC 4517 §3.3.13; a CSN has a number behind it. */
static void times_of_directories_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t s; /* -1: refused */
    } rows[] = { { "19700101000001Z", 1 },          { "20261123031500.0Z", 1795403700 }, { "20261123031500.123456Z#000000#000#000000", 1795403700 },
                 { "2026112303150Z", -1 },           { "20261123031500", -1 },            { "x", -1 },
                 { "", -1 },                         { "2026-11-23T03:15:00Z", -1 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t s = -1;

        assert_int_equal(directory_check_time(str_from(rows[i].text), &s), rows[i].s >= 0);
        assert_int_equal(s, rows[i].s);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(a_dot_means_none),
        cmocka_unit_test(what_cannot_be_used_is_left_out),
        cmocka_unit_test(what_is_no_message_is_refused_at_any_length),
        cmocka_unit_test(places_follow_weights),
        cmocka_unit_test(times_of_directories_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
