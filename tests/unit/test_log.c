/* Lines of the log, in files and on standard error. */
#include "common/buf.h"
#include "common/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char folder[] = "/tmp/sallyport-log-XXXXXX", log_path[64], moved_path[64];

static const char *content(const char *path)
{
    static char text[16384];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static int before_all(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(moved_path, sizeof moved_path, "%s/moved", folder);
    return 0;
}

static int after_each(void **state)
{
    (void)state;
    log_close();
    unlink(log_path);
    unlink(moved_path);
    return 0;
}

static int after_all(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void a_line_has_time_name_level_sentence_and_pairs(void **state)
{
    const char *text;

    (void)state;
    assert_int_equal(log_open("c2s-1", log_path, LOG_INFO), ERR_OK);
    log_info("link up", kv_text("peer", "router-1"), kv_u64("n", 7), kv_i64("m", -7), kv_text(NULL, "left out"), kv_err(ERR_LIMIT));
    text = content(log_path);
    assert_true(text[4] == '-' && text[10] == 'T' && text[23] == 'Z');
    assert_non_null(strstr(text, " c2s-1["));
    assert_non_null(strstr(text, "] info: link up peer=router-1 n=7 m=-7 error=\"over a limit\"\n"));
}

static void values_of_strangers_cannot_forge_lines_or_pairs(void **state)
{
    static const struct {
        struct str value;
        const char *shown;
    } rows[] = {
        { STR("a b"), "v=\"a b\"\n" },
        { STR(""), "v=\"\"\n" },
        { STR("x=y"), "v=\"x=y\"\n" },
        { STR("a\"b\\c"), "v=\"a\\\"b\\\\c\"\n" },
        { STR("a\nb\r\x1b[0m"), "v=\"a\\x0ab\\x0d\\x1b[0m\"\n" },
        { STR("a\0b"), "v=\"a\\x00b\"\n" },
        { STR("\xc3\xa4"), "v=\"\xc3\xa4\"\n" },
        { STR("\xff\xc3"), "v=\"\\xff\\xc3\"\n" },
        { STR("\xc2\x85\xe2\x80\xae"), "v=\"\\xc2\\x85\\xe2\\x80\\xae\"\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(log_open("t", log_path, LOG_INFO), ERR_OK);
        log_info("s", kv_str("v", rows[i].value));
        assert_non_null(strstr(content(log_path), rows[i].shown));
        unlink(log_path);
    }
}

static void a_long_value_is_cut(void **state)
{
    static char value[5000];

    (void)state;
    memset(value, 'x', sizeof value);
    assert_int_equal(log_open("t", log_path, LOG_INFO), ERR_OK);
    log_info("s", kv_str("v", str_of(value, sizeof value)));
    assert_non_null(strstr(content(log_path), "xxx...\n"));
    assert_true(strlen(content(log_path)) < 1200);
}

static void lesser_events_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(log_open("t", log_path, LOG_WARN), ERR_OK);
    log_info("not this");
    log_debug("nor this");
    log_warn("this");
    log_set_level(LOG_DEBUG);
    log_debug("that");
    assert_null(strstr(content(log_path), "not this"));
    assert_null(strstr(content(log_path), "nor this"));
    assert_non_null(strstr(content(log_path), "warn: this\n"));
    assert_non_null(strstr(content(log_path), "debug: that\n"));
}

static void a_flood_of_one_sentence_is_bounded_told_and_hides_no_other(void **state)
{
    size_t count = 0;

    (void)state;
    assert_int_equal(log_open("t", log_path, LOG_INFO), ERR_OK);
    log_set_rate(2);
    for (int i = 0; i < 100; i++)
        log_info("flood", kv_i64("i", i));
    log_info("calm");
    for (const char *at = content(log_path); (at = strstr(at, "flood")); at++)
        count++;
    assert_int_equal(count, 10);
    assert_non_null(strstr(content(log_path), "calm\n"));
    log_tick();
    log_tick();
    count = 0;
    for (const char *at = content(log_path); (at = strstr(at, "info: lines were suppressed sentence=flood count=90\n")); at++)
        count++;
    assert_int_equal(count, 1);
    log_set_rate(0);
}

static void lines_of_debugging_have_no_bound(void **state)
{
    size_t count = 0;

    (void)state;
    assert_int_equal(log_open("t", log_path, LOG_DEBUG), ERR_OK);
    log_set_rate(1);
    for (int i = 0; i < 50; i++)
        log_debug("detail");
    for (const char *at = content(log_path); (at = strstr(at, "detail")); at++)
        count++;
    assert_int_equal(count, 50);
    log_set_rate(0);
}

static void after_rotation_lines_go_to_the_new_file(void **state)
{
    (void)state;
    assert_int_equal(log_open("t", log_path, LOG_INFO), ERR_OK);
    log_info("old");
    assert_int_equal(rename(log_path, moved_path), 0);
    assert_int_equal(log_reopen(), ERR_OK);
    log_info("new");
    assert_null(strstr(content(log_path), "old"));
    assert_non_null(strstr(content(log_path), "new"));
    assert_null(strstr(content(moved_path), "new"));
}

static void a_log_that_cannot_be_opened_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(log_open("t", "/nonexistent/log", LOG_INFO), ERR_IO);
}

static void standard_error_gets_priorities_for_journald(void **state)
{
    int kept = dup(STDERR_FILENO), fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char stream[64];
    struct stat st;

    (void)state;
    assert_int_equal(fstat(fd, &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    dup2(fd, STDERR_FILENO);
    assert_int_equal(log_open("t", NULL, LOG_INFO), ERR_OK);
    log_error("bad");
    log_info("good");
    log_put_raw(5, STR("{}"));
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(fd);
    assert_string_equal(content(log_path), "<3>bad\n<6>good\n<5>{}\n");
    unsetenv("JOURNAL_STREAM");
}

static void standard_error_that_nobody_stamps_has_the_time(void **state)
{
    int kept = dup(STDERR_FILENO), fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    (void)state;
    dup2(fd, STDERR_FILENO);
    assert_int_equal(log_open("t", NULL, LOG_INFO), ERR_OK);
    log_info("good");
    log_put_raw(5, STR("{}"));
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(fd);
    assert_true(str_starts_with(str_from(content(log_path)), STR("2")));
    assert_non_null(strstr(content(log_path), "] info: good\n"));
    assert_non_null(strstr(content(log_path), "\n{}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_line_has_time_name_level_sentence_and_pairs, after_each),
        cmocka_unit_test_teardown(values_of_strangers_cannot_forge_lines_or_pairs, after_each),
        cmocka_unit_test_teardown(a_long_value_is_cut, after_each),
        cmocka_unit_test_teardown(lesser_events_are_left_out, after_each),
        cmocka_unit_test_teardown(a_flood_of_one_sentence_is_bounded_told_and_hides_no_other, after_each),
        cmocka_unit_test_teardown(lines_of_debugging_have_no_bound, after_each),
        cmocka_unit_test_teardown(after_rotation_lines_go_to_the_new_file, after_each),
        cmocka_unit_test_teardown(a_log_that_cannot_be_opened_is_an_error, after_each),
        cmocka_unit_test_teardown(standard_error_gets_priorities_for_journald, after_each),
        cmocka_unit_test_teardown(standard_error_that_nobody_stamps_has_the_time, after_each),
    };

    return cmocka_run_group_tests(tests, before_all, after_all);
}
