/* A new owner of proto/channel.h: the gate's answer, its copies, and what comes out of the store. */
#include "tests/unit/channel_parts.h"

static struct channel_copy copies[] = {
    { 3, { .count = 3, .part = 1, .session = { 1 } } },
    { 5, { .count = 5, .part = 1, .session = { 1 } } },
    { 7, { .count = 7, .part = 1, .session = { 1 } } },
};

/* Gate: frames to 8 taken, to 5 written; 3, 5 and 7 have ids, 6 and 8 have none. */
static void open_synced(struct channel_owner *o)
{
    struct channel_synced answer = {
        .up_taken = 4, .down_last = 8, .down_written = 5, .copies = copies, .copy_count = ARRAY_LEN(copies)
    };

    channel_owner_init(o, 2, false, on_taken);
    o->is_settled = is_settled;
    settled = false;
    taken_calls = 0;
    assert_int_equal(channel_owner_synced(o, 0, &answer), ERR_OK);
}

static void new_owner_goes_on_where_the_gate_is(void **state)
{
    struct channel_owner o;
    struct channel_synced answer = { 0 };

    (void)state;
    open_synced(&o);
    assert_int_equal(channel_owner_synced(&o, 0, &answer), ERR_EXISTS);
    assert_int_equal(o.up_last, 4);
    assert_true(channel_owner_has_final(&o, 4));
    assert_int_equal(o.flight_frames, 3);
    assert_int_equal(o.known_count, 3);
    assert_int_equal(o.down_final, 2);
    assert_int_equal(send_down(&o, NULL, NULL)->n, 9);
    channel_owner_fini(&o);
}

static void new_owner_begins_behind_the_counter_of_the_store(void **state)
{
    struct channel_owner o;
    struct channel_synced answer = { .up_taken = 4 };
    struct channel_up *up = NULL;

    (void)state;
    taken_calls = 0;
    channel_owner_init(&o, 2, false, on_taken);
    assert_int_equal(channel_owner_synced(&o, 6, &answer), ERR_OK);
    assert_int_equal(taken_calls, 1); /* the gate has to hear it */
    assert_int_equal(channel_owner_up(&o, 2, 5, &up), CHANNEL_DROP);
    assert_int_equal(channel_owner_up(&o, 2, 6, &up), CHANNEL_DROP);
    assert_int_equal(channel_owner_up(&o, 2, 7, &up), CHANNEL_TAKE);
    channel_up_release(up);
    channel_owner_fini(&o);
}

static void what_the_copies_show_is_not_sent_again_and_holds_its_origin_until_written(void **state)
{
    static const struct {
        size_t copy;
        bool is_taken_at_once, is_taken_after_h;
    } rows[] = { { 0, true, true }, { 1, true, true }, { 2, false, true } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct channel_owner sender, o;
        struct channel_up *up;

        open_synced(&o);
        owner_open(&sender, 2);
        up = take(&sender, 1);
        assert_null(send_down(&o, &copies[rows[i].copy].id, up));
        channel_up_release(up);
        assert_int_equal(sender.up_taken == 1, rows[i].is_taken_at_once);
        assert_int_equal(o.down_last, 8);
        assert_true(channel_owner_confirm(&o, 2, 7, 0));
        assert_int_equal(sender.up_taken == 1, rows[i].is_taken_after_h);
        channel_owner_fini(&o);
        channel_owner_fini(&sender);
    }
}

static void copy_that_is_not_written_may_be_stored_instead(void **state)
{
    struct channel_owner sender, o;
    struct channel_up *up;
    struct channel_down *d;

    (void)state;
    open_synced(&o);
    owner_open(&sender, 2);
    up = take(&sender, 1);
    assert_null(send_down(&o, &copies[2].id, up));
    channel_up_release(up);
    d = channel_owner_known(&o, &copies[2].id);
    assert_non_null(d);
    assert_non_null(d->payload);
    assert_int_equal(o.flight_bytes, d->payload->n);
    channel_down_stored(d);
    assert_int_equal(sender.up_taken, 1);
    channel_owner_fini(&o);
    channel_owner_fini(&sender);
}

static void copy_that_nobody_claims_is_final_when_it_is_settled(void **state)
{
    struct channel_owner o;

    (void)state;
    open_synced(&o);
    channel_owner_confirm(&o, 2, 8, 0);
    assert_false(channel_owner_finish(&o));
    settled = true;
    assert_true(channel_owner_finish(&o));
    assert_int_equal(o.down_final, 8);
    assert_int_equal(o.known_count, 0);
    channel_owner_fini(&o);
}

static void what_comes_out_of_the_store_is_known_when_its_sender_repeats_it(void **state)
{
    struct channel_owner sender, o;
    struct frame_id id = id_of(1, 1);
    struct channel_up *up;
    struct channel_down *d;

    (void)state;
    owner_open(&sender, 1);
    owner_open(&o, 1);
    d = send_down(&o, &id, NULL);
    assert_non_null(d);
    up = take(&sender, 1);
    assert_null(send_down(&o, &id, up));
    assert_ptr_equal(channel_owner_known(&o, &id), d);
    channel_up_release(up);
    assert_int_equal(sender.up_taken, 1); /* it is in the store: nobody waits */
    channel_owner_confirm(&o, 1, 1, 0);
    channel_owner_confirm(&sender, 1, 0, 1);
    assert_false(channel_owner_finish(&o));
    settled = true;
    assert_true(channel_owner_finish(&o));
    channel_owner_fini(&o);
    channel_owner_fini(&sender);
}

static void answer_whose_numbers_contradict_each_other_changes_nothing(void **state)
{
    static struct channel_copy backward[] = { { 3, { .count = 1 } }, { 2, { .count = 2 } } };
    static struct channel_copy twice[] = { { 3, { .count = 1 } }, { 3, { .count = 2 } } };
    static struct channel_copy nameless[] = { { 3, { .count = 0 } } };
    static struct channel_copy at_zero[] = { { 0, { .count = 1 } } };
    static const struct channel_synced rows[] = {
        { 0, 4, 5, NULL, 0 },
        { 0, CHANNEL_MAX_UNFINAL + 1, 0, NULL, 0 },
        { 0, UINT64_MAX, 0, NULL, 0 },
        { 0, 2, 0, copies, 1 },
        { 0, 9, 9, backward, 2 },
        { 0, 9, 9, twice, 2 },
        { 0, 9, 9, nameless, 1 },
        { 0, 9, 9, at_zero, 1 },
        { 0, 9, 9, copies, CHANNEL_MAX_UNFINAL + 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct channel_owner o;

        channel_owner_init(&o, 2, false, on_taken);
        assert_int_equal(channel_owner_synced(&o, 0, &rows[i]), ERR_MALFORMED);
        assert_false(o.is_synced);
        assert_true(list_is_empty(&o.downs));
        channel_owner_fini(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_owner_goes_on_where_the_gate_is),
        cmocka_unit_test(new_owner_begins_behind_the_counter_of_the_store),
        cmocka_unit_test(what_the_copies_show_is_not_sent_again_and_holds_its_origin_until_written),
        cmocka_unit_test(copy_that_is_not_written_may_be_stored_instead),
        cmocka_unit_test(copy_that_nobody_claims_is_final_when_it_is_settled),
        cmocka_unit_test(what_comes_out_of_the_store_is_known_when_its_sender_repeats_it),
        cmocka_unit_test(answer_whose_numbers_contradict_each_other_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
