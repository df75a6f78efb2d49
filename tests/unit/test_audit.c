/* Audit events as JSON, as journald's native protocol and for syslog; numbers, rates, what is lost; daemons that are slow or away. */
#include "common/audit.h"
#include "common/audit_forward.h"
#include "common/audit_line.h"
#include "common/buf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char folder[] = "/tmp/sallyport-audit-XXXXXX", path[64], moved[64], daemon_path[64];
static char text[1 << 20];

/* Its last part, if it is long. */
static const char *content(const char *file)
{
    int fd = open(file, O_RDONLY);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    off_t start = size < (off_t)sizeof text ? 0 : size - (off_t)sizeof text + 1;
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, start) : 0;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static size_t count_of(const char *needle)
{
    size_t count = 0;

    for (const char *at = content(path); (at = strstr(at, needle)); at++)
        count++;
    return count;
}

static int before_all(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/audit", folder);
    snprintf(moved, sizeof moved, "%s/moved", folder);
    snprintf(daemon_path, sizeof daemon_path, "%s/daemon", folder);
    return 0;
}

static int after_each(void **state)
{
    (void)state;
    audit_close();
    unlink(path);
    unlink(moved);
    unlink(daemon_path);
    return 0;
}

static int after_all(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void open_file(uint64_t rate)
{
    assert_int_equal(audit_open(&(struct audit_options){ .process = "sm-1", .role = "sm", .file = path, .rate = rate }), ERR_OK);
}

/* --- texts ------------------------------------------------------------------------------------------------------- */

static const struct audit_head head = { "sm-1", "sm", "login", AUDIT_INFO, 77, 5, { 1700000000, 42000000 } };

static void an_event_is_one_object_with_a_head_and_its_own_fields(void **state)
{
    struct buf out = { 0 };

    (void)state;
    audit_line_json(&out, &head,
                    LOG_PAIRS(kv_text("account", "a@b"), kv_u64("n", UINT64_MAX), kv_i64("m", -1), kv_text(NULL, "x"), kv_text("gone", NULL),
                              kv_err(ERR_LIMIT)));
    buf_add_char(&out, '\0');
    assert_string_equal(out.p, "{\"time\":\"2023-11-14T22:13:20.042Z\",\"event\":\"login\",\"process\":\"sm-1\",\"role\":\"sm\",\"pid\":77,\"seq\":5,"
                               "\"account\":\"a@b\",\"n\":18446744073709551615,\"m\":-1,\"error\":\"over a limit\"}");
    buf_fini(&out);
}

static void values_of_strangers_cannot_leave_their_string(void **state)
{
    static const struct {
        struct str value;
        const char *shown;
    } rows[] = {
        { STR(""), "\"v\":\"\"}" },
        { STR("a\"b\\c"), "\"v\":\"a\\\"b\\\\c\"}" },
        { STR("\",\"event\":\"login"), "\"v\":\"\\\",\\\"event\\\":\\\"login\"}" },
        { STR("a\nb\r\x1b[0m\x7f"), "\"v\":\"a\\u000ab\\u000d\\u001b[0m\\u007f\"}" },
        { STR("a\0b"), "\"v\":\"a\\u0000b\"}" },
        { STR("\xc3\xa4\xf0\x9f\x98\x80"), "\"v\":\"\xc3\xa4\xf0\x9f\x98\x80\"}" },
        { STR("\xffx\xc3"), "\"v\":\"\xef\xbf\xbdx\xef\xbf\xbd\"}" },
        { STR("\xed\xa0\x80"), "\"v\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}" }, /* a surrogate */
        { STR("\xc2\x85\xe2\x80\xae"), "\"v\":\"\\u0085\\u202e\"}" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = { 0 };

        audit_line_json(&out, &head, LOG_PAIRS(kv_str("v", rows[i].value)));
        buf_add_char(&out, '\0');
        assert_non_null(strstr(out.p, rows[i].shown));
        buf_fini(&out);
    }
}

static void values_and_lines_have_a_length_that_strangers_cannot_exceed(void **state)
{
    static char plain[5000], control[5000];
    struct buf out = { 0 };

    (void)state;
    memset(plain, 'x', sizeof plain);
    memset(control, '\x01', sizeof control);
    audit_line_json(&out, &head, LOG_PAIRS(kv_str("v", str_of(plain, sizeof plain))));
    assert_true(out.n < AUDIT_VALUE_MAX_BYTES + 200 && str_ends_with(buf_str(&out), STR("xxx\xe2\x80\xa6\"}")));
    buf_clear(&out);
    audit_line_json(&out, &head,
                    LOG_PAIRS(kv_str("a", str_of(control, 5000)), kv_str("b", str_of(plain, 5000)), kv_str("c", str_of(control, 5000)),
                              kv_str("d", str_of(plain, 5000)), kv_str("e", str_of(plain, 5000)), kv_str("f", str_of(plain, 5000)),
                              kv_str("g", str_of(plain, 5000)), kv_str("h", str_of(plain, 5000)), kv_u64("last", 1)));
    assert_true(out.n <= AUDIT_LINE_MAX_BYTES);
    assert_true(str_ends_with(buf_str(&out), STR(",\"h\":\"\xe2\x80\xa6\",\"last\":1}")));
    buf_fini(&out);
}

static void the_journal_gets_a_field_for_each_attribute(void **state)
{
    struct buf out = { 0 };

    (void)state;
    audit_line_journal(&out, &head,
                       LOG_PAIRS(kv_text("account", "a@b"), kv_str("bad", STR("x\nPRIORITY=0\xff")), kv_u64("caller_pid", 3)), STR("{}"));
    assert_true(str_eq(buf_str(&out), STR("MESSAGE={}\nPRIORITY=6\nSYSLOG_FACILITY=10\nSYSLOG_IDENTIFIER=sallyport-sm-1\nSYSLOG_PID=77\n"
                                          "SALLYPORT_EVENT=login\nSALLYPORT_SEQ=5\nSALLYPORT_PROCESS=sm-1\nSALLYPORT_ROLE=sm\nSALLYPORT_ACCOUNT=a@b\n"
                                          "SALLYPORT_BAD\n\x0f\0\0\0\0\0\0\0x\nPRIORITY=0\xef\xbf\xbd\nSALLYPORT_CALLER_PID=3\n")));
    buf_fini(&out);
}

static void syslog_gets_what_its_daemons_read(void **state)
{
    struct buf out = { 0 };

    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    audit_line_syslog(&out, &head, STR("{}"));
    buf_add_char(&out, '\0');
    assert_string_equal(out.p, "<86>Nov 14 22:13:20 sallyport-sm-1[77]: {}");
    buf_fini(&out);
}

/* --- numbers, rates, files --------------------------------------------------------------------------------------- */

static void events_are_numbered_from_one_and_the_file_is_not_everybodys(void **state)
{
    struct stat st;

    (void)state;
    open_file(0);
    for (int i = 0; i < 3; i++)
        audit("test-event");
    assert_int_equal(count_of("\"seq\":1}") + count_of("\"seq\":2}") + count_of("\"seq\":3}"), 3);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777 & ~0640, 0);
}

static void a_flood_of_one_event_is_bounded_told_and_hides_no_other(void **state)
{
    (void)state;
    open_file(2);
    for (int i = 0; i < 1000; i++)
        audit("flood", kv_i64("i", i));
    audit_warning("calm");
    assert_int_equal(count_of("\"event\":\"flood\""), 10);
    assert_int_equal(count_of("\"event\":\"calm\""), 1);
    assert_int_equal(count_of("audit-suppressed"), 0);
    audit_tick();
    audit_tick();
    assert_int_equal(count_of("\"event\":\"audit-suppressed\""), 1);
    assert_int_equal(count_of("\"suppressed\":\"flood\",\"count\":990}"), 1);
    /* What was not written took no number: a gap means a loss. */
    assert_int_equal(count_of("\"seq\":12,\"suppressed\""), 1);
    audit_set_rate(0);
    audit("flood");
    assert_int_equal(count_of("\"seq\":13}"), 1);
}

static void what_was_suppressed_is_told_before_the_next_of_its_kind_and_at_the_end(void **state)
{
    (void)state;
    open_file(1);
    for (int i = 0; i < 8; i++)
        audit("flood");
    audit_set_rate(0);
    audit("flood");
    assert_int_equal(count_of("\"seq\":6,\"suppressed\":\"flood\",\"count\":3}"), 1);
    audit_set_rate(1);
    for (int i = 0; i < 4; i++)
        audit("flood");
    audit_close();
    assert_int_equal(count_of("\"event\":\"audit-suppressed\""), 2);
}

static void after_rotation_events_go_to_the_new_file_and_are_numbered_on(void **state)
{
    (void)state;
    open_file(0);
    audit("old");
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(audit_reopen(), ERR_OK);
    audit("new");
    assert_int_equal(count_of("\"event\":\"new\""), 1);
    assert_int_equal(count_of("\"seq\":2}"), 1);
    assert_null(strstr(content(moved), "\"event\":\"new\""));
}

static void a_file_that_takes_no_more_is_told_when_it_does_again(void **state)
{
    (void)state;
    assert_int_equal(symlink("/dev/full", path), 0);
    open_file(0);
    audit("one");
    audit("two");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(audit_reopen(), ERR_OK);
    audit("three");
    audit_tick();
    assert_int_equal(count_of("\"event\":\"three\",\"process\":\"sm-1\",\"role\":\"sm\""), 1);
    assert_int_equal(count_of("\"seq\":4,\"target\":\"file\",\"count\":2}"), 1);
}

static void a_file_that_cannot_be_opened_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(audit_open(&(struct audit_options){ .process = "t", .role = "t", .file = "/nonexistent/audit" }), ERR_IO);
}

/* --- certificates ------------------------------------------------------------------------------------------------ */

static void our_own_certificates_that_end_are_told_once_a_day(void **state)
{
    int64_t now = (int64_t)time(NULL), day = 86400;

    (void)state;
    open_file(0);
    audit_certificate("far", now + 15 * day + 60);
    audit_certificate("none", 0);
    assert_int_equal(count_of("certificate"), 0);
    audit_certificate("near", now + 3 * day + 60);
    assert_int_equal(count_of("\"event\":\"certificate-expiring\""), 1);
    assert_int_equal(count_of("\"certificate\":\"near\",\"days\":3,"), 1);
    audit_certificates_tick(now + day - 1);
    assert_int_equal(count_of("certificate-expiring"), 1);
    audit_certificates_tick(now + day + 1); /* and the other one comes near */
    assert_int_equal(count_of("\"certificate\":\"near\",\"days\":2,"), 1);
    assert_int_equal(count_of("\"certificate\":\"far\",\"days\":14,"), 0);
    audit_certificates_tick(now + day + 120);
    assert_int_equal(count_of("\"certificate\":\"far\",\"days\":13,"), 1);
    audit_certificates_tick(now + 3 * day + 60); /* the end is told at once */
    audit_certificates_tick(now + 3 * day + 61);
    assert_int_equal(count_of("\"event\":\"certificate-expired\""), 1);
    audit_certificate("near", now + 90 * day); /* renewed */
    audit_certificate("far", 0);
    audit_certificates_tick(now + 30 * day);
    assert_int_equal(count_of("\"event\":\"certificate-expired\""), 1);
}

/* --- daemons ----------------------------------------------------------------------------------------------------- */

static int daemon_open(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", daemon_path);
    unlink(daemon_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* How many datagrams there are, the last of them in text. */
static size_t daemon_read(int fd)
{
    size_t count = 0;
    ssize_t n;

    while ((n = recv(fd, text, sizeof text - 1, 0)) >= 0) {
        text[n] = '\0';
        count++;
    }
    return count;
}

static void open_forward(enum audit_forward_to to)
{
    assert_int_equal(audit_open(&(struct audit_options){ .process = "sm-1", .role = "sm", .file = path, .forward = to, .socket = daemon_path }),
                     ERR_OK);
}

static void each_event_is_a_datagram(void **state)
{
    int fd = daemon_open();

    (void)state;
    open_forward(AUDIT_FORWARD_JOURNAL);
    audit("one");
    audit_error("two", kv_text("x", "y"));
    assert_int_equal(daemon_read(fd), 2);
    assert_non_null(strstr(text, "PRIORITY=3\n"));
    assert_non_null(strstr(text, "SALLYPORT_X=y\n"));
    close(fd);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

/* More than the kernel's queue holds: it waits in ours, in order. Afterwards nothing keeps the loop. */
static void a_slow_daemon_gets_everything_when_it_reads(void **state)
{
    int fd = daemon_open();
    uv_loop_t loop;
    uv_idle_t idle; /* what else the process does */
    size_t got = 0;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_idle_init(&loop, &idle);
    uv_idle_start(&idle, on_idle);
    open_forward(AUDIT_FORWARD_SYSLOG);
    audit_attach(&loop);
    for (int i = 0; i < 3000; i++)
        audit("one");
    for (int turns = 0; got < 3000 && turns < 100000; turns++) {
        got += daemon_read(fd);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(got, 3000);
    assert_non_null(strstr(text, "\"seq\":3000}"));
    assert_int_equal(count_of("audit-lost"), 0);
    audit_detach();
    uv_close((uv_handle_t *)&idle, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(fd);
}

static void a_daemon_that_comes_back_gets_what_waited(void **state)
{
    int fd = daemon_open();

    (void)state;
    open_forward(AUDIT_FORWARD_JOURNAL);
    close(fd);
    unlink(daemon_path);
    audit("one");
    audit("two");
    fd = daemon_open();
    audit_tick();
    assert_int_equal(daemon_read(fd), 2);
    assert_non_null(strstr(text, "SALLYPORT_EVENT=two\n"));
    audit("three");
    assert_int_equal(daemon_read(fd), 1);
    close(fd);
    fd = daemon_open(); /* another process has the path now: the next send notices by itself */
    audit("four");
    assert_int_equal(daemon_read(fd), 1);
    close(fd);
}

static void what_the_queue_cannot_hold_is_counted_and_told_later(void **state)
{
    static char value[1000];
    size_t total;
    char *told;
    int fd;

    (void)state;
    memset(value, 'v', sizeof value);
    open_forward(AUDIT_FORWARD_SYSLOG); /* nobody is there */
    for (int i = 0; i < 5000; i++)
        audit("one", kv_str("v", str_of(value, sizeof value)));
    audit_tick();
    assert_int_equal(count_of("audit-lost"), 0);
    fd = daemon_open();
    for (size_t got = total = 0; total == 0 || got > 0; total += got) {
        audit_tick();
        got = daemon_read(fd);
    }
    content(path);
    assert_non_null(strstr(text, "\"event\":\"audit-lost\""));
    told = strstr(text, "\"target\":\"syslog\",\"count\":");
    assert_non_null(told);
    assert_true(total > 3000 && total < 5000);
    assert_int_equal(strtoul(strstr(told, "count") + 7, NULL, 10), 5001 - total); /* this line arrived as well */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_one_object_with_a_head_and_its_own_fields),
        cmocka_unit_test(values_of_strangers_cannot_leave_their_string),
        cmocka_unit_test(values_and_lines_have_a_length_that_strangers_cannot_exceed),
        cmocka_unit_test(the_journal_gets_a_field_for_each_attribute),
        cmocka_unit_test(syslog_gets_what_its_daemons_read),
        cmocka_unit_test_teardown(events_are_numbered_from_one_and_the_file_is_not_everybodys, after_each),
        cmocka_unit_test_teardown(a_flood_of_one_event_is_bounded_told_and_hides_no_other, after_each),
        cmocka_unit_test_teardown(what_was_suppressed_is_told_before_the_next_of_its_kind_and_at_the_end, after_each),
        cmocka_unit_test_teardown(after_rotation_events_go_to_the_new_file_and_are_numbered_on, after_each),
        cmocka_unit_test_teardown(a_file_that_takes_no_more_is_told_when_it_does_again, after_each),
        cmocka_unit_test_teardown(a_file_that_cannot_be_opened_is_an_error, after_each),
        cmocka_unit_test_teardown(our_own_certificates_that_end_are_told_once_a_day, after_each),
        cmocka_unit_test_teardown(each_event_is_a_datagram, after_each),
        cmocka_unit_test_teardown(a_slow_daemon_gets_everything_when_it_reads, after_each),
        cmocka_unit_test_teardown(a_daemon_that_comes_back_gets_what_waited, after_each),
        cmocka_unit_test_teardown(what_the_queue_cannot_hold_is_counted_and_told_later, after_each),
    };

    return cmocka_run_group_tests(tests, before_all, after_all);
}
