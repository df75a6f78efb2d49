/* The owner's end of proto/channel.h, rule by rule. A new owner is test_channel_sync.c, the gate test_channel_gate.c, every order of all
 * together test_channel_orders.c. */
#include "tests/unit/channel_parts.h"

/* --- the owner: up ----------------------------------------------------------------------------------------------- */

static void owner_takes_only_the_next_frame_of_its_epoch_when_synced(void **state)
{
    struct channel_owner o;
    struct channel_up *up = NULL;
    struct channel_synced answer = { 0 };

    (void)state;
    channel_owner_init(&o, 5, false, on_taken);
    assert_int_equal(channel_owner_up(&o, 5, 1, &up), CHANNEL_DROP);
    assert_int_equal(channel_owner_synced(&o, 0, &answer), ERR_OK);
    assert_int_equal(channel_owner_up(&o, 4, 1, &up), CHANNEL_DROP);
    assert_int_equal(channel_owner_up(&o, 6, 1, &up), CHANNEL_DROP);
    assert_int_equal(channel_owner_up(&o, 5, 2, &up), CHANNEL_DROP);
    assert_int_equal(channel_owner_up(&o, 5, 0, &up), CHANNEL_DROP);
    assert_int_equal(channel_owner_up(&o, 5, 1, &up), CHANNEL_TAKE);
    channel_up_release(up);
    assert_int_equal(channel_owner_up(&o, 5, 1, &up), CHANNEL_DROP);
    channel_owner_fini(&o);
}

static void taken_over_is_cumulative_whatever_the_order_of_releases(void **state)
{
    static const struct {
        int order[4];
        uint64_t taken[4];
        int calls;
    } rows[] = {
        { { 1, 2, 3, 4 }, { 1, 2, 3, 4 }, 4 }, { { 4, 3, 2, 1 }, { 0, 0, 0, 4 }, 1 },
        { { 2, 1, 4, 3 }, { 0, 2, 2, 4 }, 2 }, { { 1, 3, 2, 4 }, { 1, 1, 3, 4 }, 3 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct channel_owner o;
        struct channel_up *ups[5];

        owner_open(&o, 1);
        for (uint64_t n = 1; n <= 4; n++)
            ups[n] = take(&o, n);
        for (int k = 0; k < 4; k++) {
            channel_up_release(ups[rows[i].order[k]]);
            assert_int_equal(o.up_taken, rows[i].taken[k]);
        }
        assert_int_equal(taken_calls, rows[i].calls);
        channel_owner_fini(&o);
    }
}

static void up_frame_waits_for_every_hold(void **state)
{
    struct channel_owner o;
    struct channel_up *up;

    (void)state;
    owner_open(&o, 1);
    up = take(&o, 1);
    assert_ptr_equal(channel_up_hold(up), up);
    channel_up_release(up);
    assert_int_equal(o.up_taken, 0);
    assert_false(channel_owner_is_idle(&o));
    channel_up_release(up);
    assert_int_equal(o.up_taken, 1);
    assert_true(channel_owner_is_idle(&o));
    assert_null(channel_up_hold(NULL));
    channel_up_release(NULL);
    channel_owner_fini(&o);
}

static void f_from_the_gate_counts_only_for_what_was_taken_over(void **state)
{
    struct channel_owner o;
    struct channel_up *first, *second;

    (void)state;
    owner_open(&o, 1);
    first = take(&o, 1);
    second = take(&o, 2);
    channel_up_release(first);
    channel_owner_confirm(&o, 1, 0, 2);
    assert_false(channel_owner_has_final(&o, 1));
    channel_owner_confirm(&o, 2, 0, 1);
    assert_false(channel_owner_has_final(&o, 1));
    channel_owner_confirm(&o, 1, 0, 1);
    assert_true(channel_owner_has_final(&o, 1));
    assert_false(channel_owner_has_final(&o, 2));
    channel_owner_stored(&o, 2); /* not taken over: the store's counter cannot cover it */
    assert_false(channel_owner_has_final(&o, 2));
    channel_up_release(second);
    channel_owner_stored(&o, 2);
    assert_true(channel_owner_has_final(&o, 2));
    assert_true(list_is_empty(&o.ups));
    channel_owner_fini(&o);
}

/* --- the owner: down --------------------------------------------------------------------------------------------- */

static void down_frame_is_final_when_written_unpinned_and_its_origin_forgotten(void **state)
{
    /* in every order of the four things that have to happen */
    enum { WRITTEN, UNPINNED, FORGOTTEN, THINGS };

    (void)state;
    for (int order = 0; order < 6; order++) {
        static const int orders[6][THINGS] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
        struct channel_owner sender, o;
        struct frame_id id = id_of(1, 1);
        struct channel_up *up;
        struct channel_down *d;

        owner_open(&sender, 1);
        owner_open(&o, 1);
        up = take(&sender, 1);
        d = send_down(&o, &id, up);
        channel_up_release(up);
        channel_down_pin(d);
        channel_down_stored(d); /* so that its origin may be forgotten first */
        assert_int_equal(sender.up_taken, 1);
        for (int k = 0; k < THINGS; k++) {
            assert_false(channel_owner_finish(&o));
            if (orders[order][k] == WRITTEN)
                assert_true(channel_owner_confirm(&o, 1, 1, 0));
            else if (orders[order][k] == UNPINNED)
                channel_down_unpin(&o, d);
            else
                channel_owner_confirm(&sender, 1, 0, 1);
        }
        assert_true(channel_owner_finish(&o));
        assert_int_equal(o.down_final, 1);
        assert_true(list_is_empty(&o.downs));
        channel_owner_fini(&o);
        channel_owner_fini(&sender);
    }
}

static void origin_is_taken_over_when_its_last_down_frame_is_written_or_stored(void **state)
{
    struct channel_owner sender, a, b;
    struct frame_id id = id_of(1, 1);
    struct channel_up *up;
    struct channel_down *to_b;

    (void)state;
    owner_open(&sender, 1);
    owner_open(&a, 1);
    owner_open(&b, 1);
    up = take(&sender, 1);
    send_down(&a, &id, up);
    to_b = send_down(&b, &id, up);
    channel_up_release(up);
    assert_int_equal(sender.up_taken, 0);
    channel_owner_confirm(&a, 1, 1, 0);
    assert_int_equal(sender.up_taken, 0);
    channel_down_stored(to_b);
    assert_int_equal(sender.up_taken, 1);
    channel_owner_confirm(&b, 1, 1, 0);
    channel_owner_fini(&sender);
    channel_owner_fini(&a);
    channel_owner_fini(&b);
}

static void sessions_end_in_any_order(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct channel_owner sender, o;
        struct frame_id id = id_of(1, 1);
        struct channel_up *up;

        owner_open(&sender, 1);
        owner_open(&o, 1);
        up = take(&sender, 1);
        send_down(&o, &id, up);
        send_down(&sender, &id, up); /* to itself as well */
        channel_up_release(up);
        if (order == 0) {
            channel_owner_fini(&sender);
            assert_true(channel_owner_confirm(&o, 1, 1, 0));
            assert_true(channel_owner_finish(&o)); /* its origin is an orphan: nobody repeats it */
            channel_owner_fini(&o);
        } else {
            channel_owner_fini(&o);
            channel_owner_fini(&sender);
        }
    }
}

static void hold_outlives_the_session_of_its_frame(void **state)
{
    struct channel_owner sender;
    struct channel_up *up;

    (void)state;
    owner_open(&sender, 1);
    up = channel_up_hold(take(&sender, 1));
    channel_owner_fini(&sender);
    channel_up_release(up);
    channel_up_release(up);
    assert_int_equal(taken_calls, 0);
}

static void owner_window_counts_what_is_not_written_and_what_is_not_final(void **state)
{
    struct channel_owner sender, o;
    const struct channel_window narrow = { 2, 1000 }, few_bytes = { 100, 10 }, wide = { 100000, 100000000 };
    struct channel_up *up;

    (void)state;
    owner_open(&sender, 1);
    owner_open(&o, 1);
    up = take(&sender, 1);
    assert_true(channel_owner_is_open(&o, &few_bytes));
    for (uint64_t n = 1; n <= CHANNEL_MAX_UNFINAL; n++) {
        struct frame_id id = id_of(1, n);

        assert_int_equal(channel_owner_is_open(&o, &narrow), n <= 2);
        assert_int_equal(channel_owner_is_open(&o, &few_bytes), n == 1);
        assert_true(channel_owner_is_open(&o, &wide));
        send_down(&o, &id, up);
    }
    assert_false(channel_owner_is_open(&o, &wide));
    assert_true(channel_owner_confirm(&o, 1, CHANNEL_MAX_UNFINAL, 0));
    assert_int_equal(o.flight_frames, 0);
    assert_int_equal(o.flight_bytes, 0);
    assert_false(channel_owner_is_open(&o, &wide)); /* all written, nothing final */
    channel_up_release(up);
    channel_owner_confirm(&sender, 1, 0, 1);
    assert_true(channel_owner_finish(&o));
    assert_true(channel_owner_is_open(&o, &narrow));
    channel_owner_fini(&o);
    channel_owner_fini(&sender);
}

static void h_of_another_epoch_or_beyond_what_was_made_is_ignored(void **state)
{
    struct channel_owner o;

    (void)state;
    owner_open(&o, 3);
    send_down(&o, NULL, NULL);
    assert_false(channel_owner_confirm(&o, 2, 1, 0));
    assert_false(channel_owner_confirm(&o, 4, 1, 0));
    assert_false(channel_owner_confirm(&o, 3, 2, 0));
    assert_true(channel_owner_confirm(&o, 3, 1, 0));
    assert_false(channel_owner_confirm(&o, 3, 1, 0));
    channel_owner_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owner_takes_only_the_next_frame_of_its_epoch_when_synced),
        cmocka_unit_test(taken_over_is_cumulative_whatever_the_order_of_releases),
        cmocka_unit_test(up_frame_waits_for_every_hold),
        cmocka_unit_test(f_from_the_gate_counts_only_for_what_was_taken_over),
        cmocka_unit_test(down_frame_is_final_when_written_unpinned_and_its_origin_forgotten),
        cmocka_unit_test(origin_is_taken_over_when_its_last_down_frame_is_written_or_stored),
        cmocka_unit_test(sessions_end_in_any_order),
        cmocka_unit_test(hold_outlives_the_session_of_its_frame),
        cmocka_unit_test(owner_window_counts_what_is_not_written_and_what_is_not_final),
        cmocka_unit_test(h_of_another_epoch_or_beyond_what_was_made_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
