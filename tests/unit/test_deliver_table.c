/* RFC 6121 §8.5: the summary of §8.5.4 and the rules for presence and IQ, row by row. */
#include "sm/deliver_table.h"

#include "common/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { S = DELIVER_IGNORE, E = DELIVER_ERROR, O = DELIVER_OFFLINE, D = DELIVER_RESOURCE, M = DELIVER_BEST, A = DELIVER_ALL };
enum { BARE = DELIVER_TO_BARE, MATCH = DELIVER_TO_MATCH, OTHER = DELIVER_TO_NO_MATCH };
enum { NOBODY = DELIVER_NO_ACCOUNT, NONE = DELIVER_NO_RESOURCES, NEGATIVE = DELIVER_NEGATIVE, SOME = DELIVER_NON_NEGATIVE };

static void check(enum stanza_kind kind, enum stanza_type type, int target, int resources, int expected)
{
    struct deliver_case c = { kind, type, (enum deliver_target)target, (enum deliver_resources)resources };
    int got = (int)deliver_decide(&c);

    if (got != expected)
        fail_msg("kind %d type %d target %d resources %d: %d, not %d", (int)kind, (int)type, target, resources, got, expected);
}

/* Table 1, in its order; the columns are normal, chat, groupchat, headline, and error, which the text adds. */
static void messages_go_where_table_1_says(void **state)
{
    static const struct {
        int resources, target;
        int normal, chat, groupchat, headline, error;
    } rows[] = {
        { NOBODY, BARE, E, E, E, E, S },   { NOBODY, OTHER, E, E, E, E, S },
        { NONE, BARE, O, O, E, S, S },     { NONE, OTHER, E, O, E, S, S },
        { NEGATIVE, BARE, O, O, E, S, S }, { NEGATIVE, MATCH, D, D, D, D, D }, { NEGATIVE, OTHER, E, O, E, S, S },
        { SOME, BARE, M, M, E, A, S },     { SOME, MATCH, D, D, D, D, D },     { SOME, OTHER, E, M, E, S, S },
        { NONE, MATCH, D, D, D, D, D }, /* connected, but without presence */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check(STANZA_MESSAGE, TYPE_NORMAL, rows[i].target, rows[i].resources, rows[i].normal);
        check(STANZA_MESSAGE, TYPE_CHAT, rows[i].target, rows[i].resources, rows[i].chat);
        check(STANZA_MESSAGE, TYPE_GROUPCHAT, rows[i].target, rows[i].resources, rows[i].groupchat);
        check(STANZA_MESSAGE, TYPE_HEADLINE, rows[i].target, rows[i].resources, rows[i].headline);
        check(STANZA_MESSAGE, TYPE_ERROR, rows[i].target, rows[i].resources, rows[i].error);
    }
}

static void iqs_are_answered_or_delivered_but_never_to_another_resource(void **state)
{
    static const struct {
        enum stanza_type type;
        int target, resources, expected;
    } rows[] = {
        { TYPE_GET, BARE, NOBODY, E },                  { TYPE_SET, OTHER, NOBODY, E },
        { TYPE_RESULT, BARE, NOBODY, S },               { TYPE_ERROR, OTHER, NOBODY, S },
        { TYPE_GET, BARE, SOME, DELIVER_ANSWER },       { TYPE_SET, BARE, NONE, DELIVER_ANSWER },
        { TYPE_GET, MATCH, SOME, DELIVER_IF_SHARED },   { TYPE_SET, MATCH, NEGATIVE, DELIVER_IF_SHARED },
        { TYPE_RESULT, MATCH, NEGATIVE, D },            { TYPE_ERROR, MATCH, SOME, D },
        { TYPE_GET, OTHER, SOME, E },                   { TYPE_SET, OTHER, NONE, E },
        { TYPE_RESULT, OTHER, SOME, S },                { TYPE_RESULT, BARE, SOME, S },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(STANZA_IQ, rows[i].type, rows[i].target, rows[i].resources, rows[i].expected);
}

static void presence_goes_to_those_who_keep_it(void **state)
{
    static const struct {
        enum stanza_type type;
        int target, resources, expected;
    } rows[] = {
        { TYPE_NONE, BARE, NOBODY, S },                        { TYPE_SUBSCRIBE, BARE, NOBODY, S },
        { TYPE_PROBE, BARE, NOBODY, DELIVER_UNSUBSCRIBED },    { TYPE_NONE, BARE, SOME, DELIVER_PRESENCE },
        { TYPE_UNAVAILABLE, BARE, NONE, DELIVER_PRESENCE },    { TYPE_PROBE, BARE, NONE, DELIVER_PRESENCE },
        { TYPE_PROBE, MATCH, SOME, DELIVER_PRESENCE },         { TYPE_PROBE, OTHER, SOME, DELIVER_PRESENCE },
        { TYPE_NONE, MATCH, NEGATIVE, D },                     { TYPE_UNAVAILABLE, MATCH, SOME, D },
        { TYPE_NONE, OTHER, SOME, S },                         { TYPE_UNAVAILABLE, OTHER, SOME, S },
        { TYPE_SUBSCRIBE, BARE, NONE, DELIVER_SUBSCRIPTION },  { TYPE_SUBSCRIBED, BARE, SOME, DELIVER_SUBSCRIPTION },
        { TYPE_SUBSCRIBE, OTHER, SOME, DELIVER_SUBSCRIPTION }, { TYPE_SUBSCRIBED, OTHER, SOME, S },
        { TYPE_UNSUBSCRIBE, OTHER, SOME, S },                  { TYPE_UNSUBSCRIBED, OTHER, NONE, S },
        { TYPE_UNSUBSCRIBE, MATCH, SOME, DELIVER_SUBSCRIPTION },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(STANZA_PRESENCE, rows[i].type, rows[i].target, rows[i].resources, rows[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_go_where_table_1_says),
        cmocka_unit_test(iqs_are_answered_or_delivered_but_never_to_another_resource),
        cmocka_unit_test(presence_goes_to_those_who_keep_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
