/* The gate's end of proto/channel.h, rule by rule; the owner's is test_channel.c, every order of all together test_channel_orders.c. */
#include "proto/channel.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct frame_id id_of(uint8_t session, uint64_t count)
{
    struct frame_id id = { .count = count, .part = 1 };

    memset(id.session, session, sizeof id.session);
    return id;
}

static struct bytes *text(const char *s)
{
    return bytes_new(str_from(s));
}

static void gate_takes_only_the_next_frame_of_the_epoch_it_follows(void **state)
{
    static const struct {
        uint64_t e, n;
        enum channel_verdict verdict;
    } rows[] = {
        { 5, 0, CHANNEL_DROP }, { 5, 2, CHANNEL_DROP }, { 4, 1, CHANNEL_DROP }, { 6, 1, CHANNEL_DROP },
        { 5, 1, CHANNEL_TAKE }, { 5, 1, CHANNEL_DROP }, { 5, 3, CHANNEL_DROP }, { 5, 2, CHANNEL_TAKE },
        { 5, UINT64_MAX, CHANNEL_DROP },
    };
    struct channel_gate g;

    (void)state;
    channel_gate_init(&g, 5);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(channel_gate_down(&g, rows[i].e, rows[i].n, NULL), rows[i].verdict);
    assert_int_equal(g.down_last, 2);
    assert_int_equal(g.copy_count, 0);
    channel_gate_fini(&g);
}

static void gate_keeps_frames_until_they_are_taken_over(void **state)
{
    static const struct {
        uint64_t e, h;
        bool is_news;
        uint32_t kept_bytes;
    } rows[] = {
        { 4, 2, false, 9 }, { 5, 0, false, 9 }, { 5, 4, false, 9 }, { 5, 1, true, 6 },
        { 5, 1, false, 6 }, { 5, 3, true, 0 },  { 5, 2, false, 0 },
    };
    struct channel_gate g;
    struct bytes *b = text("abc");

    (void)state;
    channel_gate_init(&g, 5);
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(channel_gate_push(&g, b), n);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(channel_gate_confirm(&g, rows[i].e, rows[i].h, 0), rows[i].is_news);
        assert_int_equal(g.kept_bytes, rows[i].kept_bytes);
    }
    assert_true(list_is_empty(&g.kept));
    assert_int_equal(b->refs, 1);
    bytes_unref(b);
    channel_gate_fini(&g);
}

static void gate_window_counts_frames_and_bytes_and_always_admits_one(void **state)
{
    static const struct {
        struct channel_window w;
        int frames;
        bool is_open;
    } rows[] = {
        { { 2, 100 }, 0, true }, { { 2, 100 }, 1, true }, { { 2, 100 }, 2, false },
        { { 9, 3 }, 1, false },  { { 9, 4 }, 1, true },   { { 0, 0 }, 0, true },
    };
    struct bytes *b = text("abc");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct channel_gate g;

        channel_gate_init(&g, 1);
        for (int k = 0; k < rows[i].frames; k++)
            channel_gate_push(&g, b);
        assert_int_equal(channel_gate_is_open(&g, &rows[i].w), rows[i].is_open);
        channel_gate_fini(&g);
    }
    bytes_unref(b);
}

static void gate_remembers_ids_until_they_are_final(void **state)
{
    struct channel_gate g;

    (void)state;
    channel_gate_init(&g, 1);
    for (uint64_t n = 1; n <= 100; n++) {
        struct frame_id id = id_of(1, n);

        assert_int_equal(channel_gate_down(&g, 1, n, n % 2 ? &id : NULL), CHANNEL_TAKE);
    }
    assert_int_equal(g.copy_count, 50);
    channel_gate_confirm(&g, 1, 0, 60); /* nothing is written: it cannot be final */
    assert_int_equal(g.copy_count, 50);
    channel_gate_written(&g, 80);
    channel_gate_written(&g, 70);
    assert_int_equal(g.down_written, 80);
    channel_gate_confirm(&g, 2, 0, 60); /* of another epoch */
    assert_int_equal(g.copy_count, 50);
    channel_gate_confirm(&g, 1, 0, 60);
    assert_int_equal(g.copy_count, 20);
    assert_int_equal(channel_gate_copies(&g)[0].n, 61);
    assert_int_equal(channel_gate_copies(&g)[0].id.count, 61);
    channel_gate_fini(&g);
}

static void gate_follows_no_owner_beyond_the_limit_of_copies(void **state)
{
    struct channel_gate g;
    struct frame_id id = id_of(1, 1);

    (void)state;
    channel_gate_init(&g, 1);
    for (uint64_t n = 1; n <= CHANNEL_MAX_UNFINAL; n++)
        assert_int_equal(channel_gate_down(&g, 1, n, &id), CHANNEL_TAKE);
    assert_int_equal(channel_gate_down(&g, 1, CHANNEL_MAX_UNFINAL + 1, &id), CHANNEL_DROP);
    assert_int_equal(channel_gate_down(&g, 1, CHANNEL_MAX_UNFINAL + 1, NULL), CHANNEL_TAKE);
    channel_gate_written(&g, 1);
    channel_gate_confirm(&g, 1, 0, 1);
    assert_int_equal(channel_gate_down(&g, 1, CHANNEL_MAX_UNFINAL + 2, &id), CHANNEL_TAKE);
    channel_gate_fini(&g);
}

static void gate_follows_only_a_higher_epoch_or_the_same_again(void **state)
{
    static const struct {
        uint64_t e;
        bool is_followed;
    } rows[] = { { 4, false }, { 5, true }, { 7, true }, { 6, false }, { 7, true } };
    struct channel_gate g;

    (void)state;
    channel_gate_init(&g, 5);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(channel_gate_sync(&g, rows[i].e), rows[i].is_followed);
    assert_int_equal(g.epoch, 7);
    channel_gate_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_takes_only_the_next_frame_of_the_epoch_it_follows),
        cmocka_unit_test(gate_keeps_frames_until_they_are_taken_over),
        cmocka_unit_test(gate_window_counts_frames_and_bytes_and_always_admits_one),
        cmocka_unit_test(gate_remembers_ids_until_they_are_final),
        cmocka_unit_test(gate_follows_no_owner_beyond_the_limit_of_copies),
        cmocka_unit_test(gate_follows_only_a_higher_epoch_or_the_same_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
