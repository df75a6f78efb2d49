/* Budgets of wrong passwords: what counts, for whom, for how long, and what stays of them. */
#include "sm/auth/guesses.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MINUTE = 60000, PERIOD = 30 * MINUTE, DAY = 24 * 60 * MINUTE };

static const struct guesses_limits usual = { .account = 4,
                                             .known = 3,
                                             .address = 50,
                                             .c2s = 1000,
                                             .period_ms = PERIOD,
                                             .known_ms = 14ull * DAY };

struct told {
    int count;
    enum guesses_kind kind;
    char what[300];
};

static struct told told;
static int woken;

static void on_used_up(void *owner, const struct guesses_state *s, const struct guesses_who *who)
{
    struct told *t = owner;

    assert_true(who->account.n > 0);
    t->count++;
    t->kind = s->kind;
    snprintf(t->what, sizeof t->what, "%.*s", STR_ARG(s->what));
}

static void on_wake(struct guess *guess)
{
    assert_non_null(guess);
    woken++;
}

static struct guesses *with(const struct guesses_limits *limits)
{
    struct guesses_options options = { .used_up = on_used_up, .owner = &told };
    struct guesses *g = guesses_new(&options);

    told = (struct told){ 0 };
    woken = 0;
    guesses_set_limits(g, limits);
    return g;
}

static struct guesses_who who(const char *account, const char *address, const char *c2s)
{
    return (struct guesses_who){ .account = str_from(account),
                                 .address = str_from(address),
                                 .c2s = str_from(c2s) };
}

static enum guesses_answer try(struct guesses *g, struct guesses_who w, enum guesses_outcome o,
                               uint64_t now)
{
    struct guess guess = { .wake = on_wake };
    enum guesses_answer a = guesses_begin(g, &guess, &w, now);

    guesses_end(&guess, o, now);
    return a;
}

/* How many wrong ones are let through, of 100. */
static int wrong(struct guesses *g, struct guesses_who w, uint64_t now)
{
    int n = 0;

    for (int i = 0; i < 100; i++)
        n += try(g, w, GUESSES_WRONG, now) == GUESSES_GO;
    return n;
}

static void each_budget_ends_guessing_by_itself(void **state)
{
    struct guesses *g = with(&usual);
    int by_address = 0, by_c2s = 0;
    char account[32], address[32];

    (void)state;
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-1"), 0), 4);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.kind, GUESSES_ACCOUNT);
    assert_string_equal(told.what, "a@x");
    assert_int_equal(wrong(g, who("a@x", "192.0.2.2:1", "c2s-2"), 0), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(account, sizeof account, "u%d@x", i);
        by_address += try(g, who(account, "192.0.2.3:7", "c2s-1"), GUESSES_WRONG, 0) == GUESSES_GO;
    }
    assert_int_equal(by_address, 50);
    assert_string_equal(told.what, "192.0.2.3");
    for (int i = 0; i < 2000; i++) {
        snprintf(account, sizeof account, "v%d@x", i);
        snprintf(address, sizeof address, "10.0.%d.%d:1", i / 250, i % 250);
        by_c2s += try(g, who(account, address, "c2s-1"), GUESSES_WRONG, 0) == GUESSES_GO;
    }
    assert_int_equal(by_c2s, 1000 - 4 - 50);
    assert_int_equal(try(g, who("z@x", "10.9.9.9:1", "c2s-2"), GUESSES_WRONG, 0), GUESSES_GO);
    guesses_free(g);
}

static void no_limit_is_no_limit(void **state)
{
    struct guesses *g = with(&(struct guesses_limits){ .known = 3, .period_ms = PERIOD });

    (void)state;
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-1"), 0), 100);
    assert_int_equal(guesses_buckets(g), 0);
    guesses_free(g);
}

/* Active Directory: the count goes back only when lockoutObservationWindow has passed since the
 * last wrong password. OpenLDAP: each is forgotten pwdFailureCountInterval after it came. */
static void whatever_the_rhythm_no_directory_counts_more_than_the_budget(void **state)
{
    static const uint64_t rhythms[] = { 1000,   MINUTE,     7 * MINUTE, 10 * MINUTE,   PERIOD - 1,
                                        PERIOD, PERIOD + 1, PERIOD / 4, PERIOD / 4 + 1 };

    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(rhythms); r++) {
        struct guesses *g = with(&usual);
        uint64_t last = 0, times[10000];
        uint32_t ad = 0, most_ad = 0, most_openldap = 0;
        size_t n = 0;

        for (uint64_t now = 1; now < 10ull * DAY && n < 10000; now += rhythms[r]) {
            uint32_t recent = 0;

            if (try(g, who("a@x", "192.0.2.1:1", "c2s-1"), GUESSES_WRONG, now) != GUESSES_GO)
                continue;
            ad = ad > 0 && now - last <= PERIOD ? ad + 1 : 1;
            last = now;
            times[n++] = now;
            for (size_t i = n; i > 0 && now - times[i - 1] <= PERIOD; i--)
                recent++;
            most_ad = ad > most_ad ? ad : most_ad;
            most_openldap = recent > most_openldap ? recent : most_openldap;
        }
        assert_in_range(most_ad, 1, 4);
        assert_in_range(most_openldap, 1, 4);
        assert_true(n > 100); /* and nobody is shut out for ever */
        guesses_free(g);
    }
}

static void an_address_gets_its_guesses_back_one_by_one(void **state)
{
    struct guesses_limits l = usual;
    struct guesses *g;

    (void)state;
    l.account = 0;
    g = with(&l);
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-1"), 0), 50);
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-1"), PERIOD / 50 - 1), 0);
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-1"), PERIOD / 50), 1);
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-1"), PERIOD / 10), 4);
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-1"), 9ull * PERIOD), 50);
    guesses_free(g);
}

static void who_logged_in_there_has_a_budget_of_their_own(void **state)
{
    struct guesses *g = with(&usual);
    struct guesses_who home = who("a@x", "192.0.2.1:1", "c2s-1");

    (void)state;
    assert_int_equal(try(g, home, GUESSES_RIGHT, 0), GUESSES_GO);
    assert_int_equal(wrong(g, who("a@x", "198.51.100.1:1", "c2s-1"), 1), 4);
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-2"), 1),
                     0); /* by another c2s: its word */
    assert_int_equal(try(g, home, GUESSES_RIGHT, 2), GUESSES_GO);
    assert_int_equal(try(g, home, GUESSES_WRONG, 3), GUESSES_GO);
    assert_int_equal(try(g, home, GUESSES_WRONG, 3), GUESSES_GO);
    assert_int_equal(try(g, home, GUESSES_RIGHT, 4), GUESSES_GO); /* the directory forgets, too */
    assert_int_equal(wrong(g, home, 5), 3);
    assert_int_equal(try(g, home, GUESSES_RIGHT, 6), GUESSES_USED_UP);
    assert_int_equal(try(g, home, GUESSES_RIGHT, 6 + PERIOD), GUESSES_GO);
    /* strangers' were not given back by that */
    assert_int_equal(wrong(g, who("a@x", "198.51.100.1:1", "c2s-1"), 1 + PERIOD), 0);
    assert_int_equal(wrong(g, who("a@x", "198.51.100.1:1", "c2s-1"), 2 + PERIOD), 4);
    guesses_free(g);
}

static void people_at_known_addresses_stay_in_when_strangers_use_up_address_and_c2s(void **state)
{
    struct guesses_limits l = usual;
    struct guesses_who home = who("a@x", "192.0.2.1:1", "c2s-1");
    struct guesses *g;

    (void)state;
    l.address = l.c2s = 2;
    g = with(&l);
    assert_int_equal(try(g, home, GUESSES_RIGHT, 0), GUESSES_GO);
    assert_int_equal(wrong(g, who("b@x", "192.0.2.1:9", "c2s-1"), 1), 2);
    assert_int_equal(wrong(g, who("c@x", "198.51.100.7:9", "c2s-1"), 1), 0);
    assert_int_equal(try(g, home, GUESSES_RIGHT, 2), GUESSES_GO);
    guesses_free(g);
}

static void a_place_is_forgotten_in_time_and_only_the_last_eight_are_kept(void **state)
{
    struct guesses *g = with(&usual);
    char address[32];

    (void)state;
    for (int i = 0; i < 9; i++) {
        snprintf(address, sizeof address, "192.0.2.%d:1", i);
        assert_int_equal(try(g, who("a@x", address, "c"), GUESSES_RIGHT, (uint64_t)i), GUESSES_GO);
    }
    assert_int_equal(wrong(g, who("a@x", "192.0.2.0:1", "c"), 10), 4);
    assert_int_equal(try(g, who("a@x", "192.0.2.1:2", "c"), GUESSES_NOTHING, 10), GUESSES_GO);
    assert_int_equal(wrong(g, who("a@x", "192.0.2.8:1", "c"), 8 + 14ull * DAY), 3);
    assert_int_equal(wrong(g, who("a@x", "192.0.2.7:1", "c"), 8 + 14ull * DAY), 4);
    guesses_free(g);
}

static void nobody_is_known_any_more_through_a_c2s_that_is_forgotten(void **state)
{
    struct guesses *g = with(&usual);
    static const char *const c2s[] = { "c2s-1", "c2s-2" };

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(try(g, who("a@x", "192.0.2.1:1", c2s[i]), GUESSES_RIGHT, 0), GUESSES_GO);
        assert_int_equal(try(g, who("b@x", "192.0.2.2:1", c2s[i]), GUESSES_RIGHT, 0), GUESSES_GO);
    }
    assert_int_equal(guesses_forget_c2s(g, STR("c2s-1")), 2);
    assert_int_equal(guesses_forget_c2s(g, STR("c2s-1")), 0);
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-1"), 1), 4); /* as a stranger */
    assert_int_equal(wrong(g, who("a@x", "192.0.2.1:1", "c2s-2"), 1), 3); /* of its own */
    guesses_free(g);
}

static void attempts_under_way_count_and_the_rest_waits_its_turn(void **state)
{
    struct guesses *g = with(&usual);
    struct guess all[100];
    struct guesses_who w = who("a@x", "192.0.2.1:1", "c2s-1");
    int going = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        all[i] = (struct guess){ .wake = on_wake };
        going += guesses_begin(g, &all[i], &w, 0) == GUESSES_GO;
    }
    assert_int_equal(going, 4);
    guesses_end(&all[0], GUESSES_NOTHING, 1); /* gives its place to the next */
    assert_int_equal(woken, 1);
    assert_int_equal(guesses_begin(g, &all[4], &w, 1), GUESSES_GO);
    guesses_end(&all[1], GUESSES_RIGHT, 2);
    assert_int_equal(woken, 2);
    guesses_end(&all[5], GUESSES_NOTHING, 2); /* which goes away: the one behind it is woken */
    assert_int_equal(woken, 3);
    for (int i = 2; i < 5; i++)
        guesses_end(&all[i], GUESSES_WRONG, 3);
    assert_int_equal(woken, 3); /* three were wrong, and one is about to try */
    w = who("a@x", "198.51.100.1:1", "c2s-1");
    assert_int_equal(guesses_begin(g, &all[6], &w, 4), GUESSES_GO);
    guesses_end(&all[6], GUESSES_WRONG, 4);
    assert_int_equal(woken, 3 + 93); /* nothing is left: all are refused */
    for (int i = 7; i < 100; i++) {
        assert_int_equal(guesses_begin(g, &all[i], &w, 4), GUESSES_USED_UP);
        guesses_end(&all[i], GUESSES_NOTHING, 4);
    }
    assert_int_equal(guesses_counters(g)->wrong, 4);
    guesses_free(g);
}

static void nobody_waits_longer_than_a_second_for_others(void **state)
{
    struct guesses *g = with(&usual);
    struct guess all[6];
    struct guesses_who w = who("a@x", "192.0.2.1:1", "c2s-1");

    (void)state;
    for (int i = 0; i < 6; i++) {
        all[i] = (struct guess){ .wake = on_wake };
        assert_int_equal(guesses_begin(g, &all[i], &w, 0), i < 4 ? GUESSES_GO : GUESSES_WAIT);
    }
    guesses_end(&all[0], GUESSES_NOTHING, GUESSES_WAIT_MS + 1);
    assert_int_equal(woken, 1);
    /* while somebody else took the place */
    assert_int_equal(guesses_begin(g, &all[0], &w, GUESSES_WAIT_MS + 1), GUESSES_GO);
    assert_int_equal(guesses_begin(g, &all[4], &w, GUESSES_WAIT_MS + 1), GUESSES_BUSY);
    for (int i = 0; i < 6; i++)
        guesses_end(&all[i], GUESSES_NOTHING, GUESSES_WAIT_MS + 2);
    assert_int_equal(guesses_buckets(g), 0); /* nothing stays of what was none */
    guesses_free(g);
}

static void a_bind_without_an_answer_counts_for_strangers_alone(void **state)
{
    struct guesses *g = with(&usual);
    struct guesses_who home = who("a@x", "192.0.2.1:1", "c"), away = who("a@x", "192.0.2.2:1", "c");

    (void)state;
    assert_int_equal(try(g, home, GUESSES_RIGHT, 0), GUESSES_GO);
    for (int i = 0; i < 20; i++)
        assert_int_equal(try(g, home, GUESSES_UNANSWERED, 1), GUESSES_GO);
    for (int i = 0; i < 5; i++)
        assert_int_equal(try(g, away, GUESSES_UNANSWERED, 1), i < 4 ? GUESSES_GO : GUESSES_USED_UP);
    guesses_free(g);
}

static void all_names_of_one_entry_share_its_budget(void **state)
{
    struct guesses *g = with(&usual);
    struct guess guess;
    int binds = 0;

    (void)state;
    for (int i = 0; i < 40; i++) {
        char account[32];
        struct guesses_who w;

        snprintf(account, sizeof account, "alias%d@x", i);
        w = who(account, "192.0.2.1:1", "c");
        guess = (struct guess){ .wake = on_wake };
        assert_int_equal(guesses_begin(g, &guess, &w, 0), GUESSES_GO);
        binds += guesses_take_entry(&guess, STR("1111"), 0);
        guesses_end(&guess, GUESSES_WRONG, 0);
    }
    assert_int_equal(binds, 4);
    assert_false(guesses_take_entry(&guess, STR("2222"), 0)); /* it is over */
    assert_int_equal(guesses_forgive(g, STR("alias3@x"), 0), 2);   /* itself, and the entry */
    guesses_free(g);
}

static void an_administrator_forgives_accounts_addresses_and_connection_managers(void **state)
{
    struct guesses_limits l = usual;
    struct guesses_who w = who("a@x", "[2001:db8::1]:99", "c2s-1");
    struct guesses *g;

    (void)state;
    l.address = l.c2s = 4;
    g = with(&l);
    assert_int_equal(wrong(g, w, 0), 4);
    assert_int_equal(guesses_forgive(g, STR("b@x"), 0), 0);
    assert_int_equal(guesses_forgive(g, STR("a@x"), 0), 1);
    assert_int_equal(guesses_forgive(g, STR("2001:db8::77"), 0), 1);
    assert_int_equal(wrong(g, w, 0), 0);
    assert_int_equal(guesses_forgive(g, STR("c2s-1"), 0), 1);
    assert_int_equal(guesses_buckets(g), 0);
    assert_int_equal(wrong(g, w, 0), 4);
    guesses_free(g);
}

static void a_budget_is_told_once_in_a_period(void **state)
{
    struct guesses_limits l = usual;
    struct guesses *g;

    (void)state;
    l.account = 0;
    l.c2s = 2;
    g = with(&l);
    for (uint64_t now = 0; now < PERIOD; now += PERIOD / 20)
        wrong(g, who("a@x", "192.0.2.1:1", "c"), now);
    assert_int_equal(told.count, 1);
    wrong(g, who("a@x", "192.0.2.1:1", "c"), 2 * PERIOD);
    assert_int_equal(told.count, 2);
    guesses_free(g);
}

static void other_limits_hold_at_once(void **state)
{
    struct guesses *g = with(&usual);
    struct guesses_limits l = usual;
    struct guesses_who w = who("a@x", "192.0.2.1:1", "c");

    (void)state;
    assert_int_equal(wrong(g, w, 0), 4);
    l.account = 6;
    guesses_set_limits(g, &l);
    assert_int_equal(wrong(g, w, 0), 2);
    l.account = 2;
    guesses_set_limits(g, &l);
    assert_int_equal(wrong(g, w, 0), 0);
    l.account = 0;
    guesses_set_limits(g, &l);
    assert_int_equal(wrong(g, w, 0), 46 - 2); /* the address's */
    guesses_free(g);
}

static void a_full_table_refuses_strangers_of_other_accounts_and_nobody_else(void **state)
{
    struct guesses_limits l = { .account = 1, .known = 3, .period_ms = PERIOD, .known_ms = DAY };
    struct guesses *g = with(&l);
    char account[32];

    (void)state;
    try(g, who("home@x", "192.0.2.1:1", "c"), GUESSES_RIGHT, 0);
    for (int i = 0; i < GUESSES_MAX_ACCOUNTS; i++) {
        snprintf(account, sizeof account, "u%d@x", i);
        assert_int_equal(try(g, who(account, "", "c"), GUESSES_WRONG, 0), GUESSES_GO);
    }
    assert_int_equal(guesses_buckets(g), GUESSES_MAX_ACCOUNTS);
    assert_int_equal(try(g, who("one-more@x", "", "c"), GUESSES_RIGHT, 1), GUESSES_USED_UP);
    assert_int_equal(try(g, who("home@x", "192.0.2.1:1", "c"), GUESSES_RIGHT, 1), GUESSES_GO);
    assert_int_equal(try(g, who("u0@x", "", "c"), GUESSES_WRONG, 1), GUESSES_USED_UP);
    assert_int_equal(try(g, who("one-more@x", "", "c"), GUESSES_RIGHT, PERIOD + 1), GUESSES_GO);
    guesses_free(g);
}

static void addresses_by_the_thousand_forget_the_oldest(void **state)
{
    struct guesses_limits l = { .address = 1, .period_ms = PERIOD };
    struct guesses *g = with(&l);
    char address[64];

    (void)state;
    for (int i = 0; i < GUESSES_MAX_ADDRESSES + 5; i++) {
        snprintf(address, sizeof address, "[2001:db8:%x:%x::1]:5", i / 4096, i % 4096);
        assert_int_equal(try(g, who("a@x", address, "c"), GUESSES_WRONG, 0), GUESSES_GO);
    }
    assert_int_equal(guesses_buckets(g), GUESSES_MAX_ADDRESSES);
    assert_int_equal(try(g, who("a@x", address, "c"), GUESSES_WRONG, 0), GUESSES_USED_UP);
    guesses_free(g);
}

static void long_names_are_told_apart(void **state)
{
    struct guesses *g = with(&usual);
    char name[2000];

    (void)state;
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(wrong(g, who(name, "192.0.2.1:1", "c"), 0), 4);
    name[sizeof name - 2] = 'y';
    assert_int_equal(wrong(g, who(name, "192.0.2.1:1", "c"), 0), 4);
    assert_int_equal(guesses_forgive(g, str_from(name), 0), 1);
    assert_int_equal(wrong(g, who(name, "192.0.2.1:1", "c"), 0), 4);
    guesses_free(g);
}

static void addresses_are_those_of_sites(void **state)
{
    static const struct {
        const char *text, *address;
    } rows[] = {
        { "192.0.2.1:5222", "192.0.2.1" },
        { "192.0.2.1", "192.0.2.1" },
        { "[2001:db8:1:2:3:4:5:6]:5222", "2001:db8:1:2::/64" },
        { "2001:db8:1:2:ffff::", "2001:db8:1:2::/64" },
        { "2001:db8:1:2::/64", "2001:db8:1:2::/64" },
        { "[::ffff:192.0.2.7]:1", "192.0.2.7" },
        { "[::1]:5222", "::/64" },
        { "unix:/run/x", "unknown" },
        { "", "unknown" },
        { "192.0.2", "unknown" },
        { "[2001:db8::1", "unknown" },
        { "0000000000000000000000000000000000000000000000000000000000000000000000001", "unknown" },
    };
    char out[GUESSES_ADDRESS_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        guesses_address(str_from(rows[i].text), out);
        assert_string_equal(out, rows[i].address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_budget_ends_guessing_by_itself),
        cmocka_unit_test(no_limit_is_no_limit),
        cmocka_unit_test(whatever_the_rhythm_no_directory_counts_more_than_the_budget),
        cmocka_unit_test(an_address_gets_its_guesses_back_one_by_one),
        cmocka_unit_test(who_logged_in_there_has_a_budget_of_their_own),
        cmocka_unit_test(people_at_known_addresses_stay_in_when_strangers_use_up_address_and_c2s),
        cmocka_unit_test(nobody_is_known_any_more_through_a_c2s_that_is_forgotten),
        cmocka_unit_test(a_place_is_forgotten_in_time_and_only_the_last_eight_are_kept),
        cmocka_unit_test(attempts_under_way_count_and_the_rest_waits_its_turn),
        cmocka_unit_test(nobody_waits_longer_than_a_second_for_others),
        cmocka_unit_test(a_bind_without_an_answer_counts_for_strangers_alone),
        cmocka_unit_test(all_names_of_one_entry_share_its_budget),
        cmocka_unit_test(an_administrator_forgives_accounts_addresses_and_connection_managers),
        cmocka_unit_test(a_budget_is_told_once_in_a_period),
        cmocka_unit_test(other_limits_hold_at_once),
        cmocka_unit_test(a_full_table_refuses_strangers_of_other_accounts_and_nobody_else),
        cmocka_unit_test(addresses_by_the_thousand_forget_the_oldest),
        cmocka_unit_test(long_names_are_told_apart),
        cmocka_unit_test(addresses_are_those_of_sites),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
