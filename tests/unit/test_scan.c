/* The boundary scanner: proto/scan.h. */
#include "common/buf.h"
#include "proto/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct scan_limits wide = { .max_bytes = 100000,
                                         .max_depth = 64,
                                         .max_attributes = 64 };

static const char found_letters[] = {
    [SCAN_MORE] = '.',        [SCAN_SPACE] = 's',      [SCAN_DECLARATION] = 'D',
    [SCAN_STREAM_OPEN] = 'O', [SCAN_ELEMENT] = 'E',    [SCAN_STREAM_CLOSE] = 'C',
    [SCAN_TOO_LARGE] = 'L',   [SCAN_RESTRICTED] = 'R', [SCAN_BAD] = 'B',
};

static bool is_end(enum scan_found found)
{
    return found == SCAN_TOO_LARGE || found == SCAN_RESTRICTED || found == SCAN_BAD;
}

/* Reads text in the pieces that cuts (ascending, then text.n) tells, as a connection would. Writes
 * for each finding its letter and its bytes, "E<a/>"; white space is left out, because where it is
 * cut is nobody's business. */
static void scan_pieces(struct str text, const size_t *cuts, size_t count,
                        const struct scan_limits *limits, struct buf *out)
{
    struct scan scan = { 0 };
    struct buf kept = { 0 };
    bool in_stream = false;
    size_t at = 0;
    enum scan_found found = SCAN_MORE;

    for (size_t i = 0; i <= count && !is_end(found); i++) {
        size_t end = i < count ? cuts[i] : text.n;

        while (at < end && !is_end(found)) {
            size_t used;

            found = scan_next(&scan, str_of(text.p + at, end - at), in_stream, limits, &used);
            assert_true(used <= end - at && (used > 0 || is_end(found)));
            buf_add(&kept, str_of(text.p + at, used));
            at += used;
            if (found == SCAN_MORE) {
                assert_int_equal(at, end);
                assert_int_equal(scan.size, kept.n);
                continue;
            }
            if (found == SCAN_STREAM_OPEN)
                in_stream = true;
            if (found != SCAN_SPACE)
                buf_add_char(out, found_letters[found]);
            if (found != SCAN_SPACE && !is_end(found))
                buf_add(out, buf_str(&kept));
            buf_clear(&kept);
        }
    }
    if (!is_end(found) && kept.n > 0)
        buf_add_char(out, '.');
    buf_fini(&kept);
}

#define OPEN "<s:s to='a'>"

static const struct row {
    const char *text, *found;
} rows[] = {
    { "<?xml version='1.0'?>" OPEN "<a/>", "D<?xml version='1.0'?>O" OPEN "E<a/>" },
    { OPEN "<a>b</a> \n<c/></s:s>", "O" OPEN "E<a>b</a>E<c/>C</s:s>" },
    { OPEN "<a><b><c/></b>x</a>", "O" OPEN "E<a><b><c/></b>x</a>" },
    { OPEN "<a b='>' c=\"/>\"/>", "O" OPEN "E<a b='>' c=\"/>\"/>" },
    { OPEN "<a b='\"' c=\"'\">'\"</a>", "O" OPEN "E<a b='\"' c=\"'\">'\"</a>" },
    { OPEN "<a><![CDATA[</a>]]x]>]]]></a>", "O" OPEN "E<a><![CDATA[</a>]]x]>]]]></a>" },
    { OPEN "<a><![CDATA[]]></a>", "O" OPEN "E<a><![CDATA[]]></a>" },
    { OPEN "<a\n>\xc3\xbc</a\t>", "O" OPEN "E<a\n>\xc3\xbc</a\t>" },
    { OPEN "<\xc3\xbc/>", "O" OPEN "E<\xc3\xbc/>" },
    { OPEN "<a/", "O" OPEN "." },
    { OPEN "<a>", "O" OPEN "." },
    { " \t\r\n", "" },
    { "<s/>", "E<s/>" }, /* a stream that is over at once is for the caller to refuse */
    /* Restricted: RFC 6120 §11.1 */
    { "<!DOCTYPE x>", "R" },
    { "<?xml-stylesheet href='x'?>", "R" },
    { "<?php x?>", "R" },
    { "<!-- x -->", "R" },
    { "<![CDATA[x]]>", "R" },
    { OPEN "<!-- x -->", "O" OPEN "R" },
    { OPEN "<![CDATA[x]]>", "O" OPEN "R" },
    { OPEN "<a><!-- x --></a>", "O" OPEN "R" },
    { OPEN "<a><?x y?></a>", "O" OPEN "R" },
    { OPEN "<a><!DOCTYPE x></a>", "O" OPEN "R" },
    { OPEN "<a><!ENTITY x 'y'></a>", "O" OPEN "R" },
    { OPEN "<a><![CDATX[]]></a>", "O" OPEN "R" },
    /* Not well-formed */
    { "x", "B" },
    { "\xef\xbb\xbf<s>", "B" }, /* a byte order mark is a character like others: RFC 6120 §11.6 */
    { "</s:s>", "B" },
    { OPEN "x", "O" OPEN "B" },
    { OPEN "<a/>x", "O" OPEN "E<a/>B" },
    { OPEN "<>", "O" OPEN "B" },
    { OPEN "< a/>", "O" OPEN "B" },
    { OPEN "<1/>", "O" OPEN "B" },
    { OPEN "<a <b/>", "O" OPEN "B" },
    { OPEN "<a></a <", "O" OPEN "B" },
    { OPEN "<a/ >", "O" OPEN "B" },
    { OPEN "<a/b>", "O" OPEN "B" },
    { "<?xml version='1.0'?x", "B" },
    { "<?xml <s>", "B" },
};

static void each_stream_is_cut_into_its_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = { 0 };

        scan_pieces(str_from(rows[i].text), NULL, 0, &wide, &out);
        if (!str_is(buf_str(&out), rows[i].found))
            fail_msg("%s gives %.*s", rows[i].text, STR_ARG(buf_str(&out)));
        buf_fini(&out);
    }
}

static void every_split_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str text = str_from(rows[i].text);

        for (size_t a = 0; a <= text.n; a++)
            for (size_t b = a; b <= text.n; b++) {
                size_t cuts[] = { a, b };
                struct buf out = { 0 };

                scan_pieces(text, cuts, 2, &wide, &out);
                if (!str_is(buf_str(&out), rows[i].found))
                    fail_msg("%s cut at %zu and %zu gives %.*s", rows[i].text, a, b,
                             STR_ARG(buf_str(&out)));
                buf_fini(&out);
            }
    }
}

static void byte_by_byte_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str text = str_from(rows[i].text);
        struct buf out = { 0 };
        size_t cuts[256];

        assert_true(text.n < ARRAY_LEN(cuts));
        for (size_t c = 0; c < text.n; c++)
            cuts[c] = c + 1;
        scan_pieces(text, cuts, text.n, &wide, &out);
        assert_true(str_is(buf_str(&out), rows[i].found));
        buf_fini(&out);
    }
}

static const struct limit_row {
    struct scan_limits limits;
    const char *text, *found;
} limit_rows[] = {
    { { 12, 9, 9 }, OPEN "<a>45678</a>", "O" OPEN "E<a>45678</a>" },
    { { 12, 9, 9 }, OPEN "<a>456789</a>", "O" OPEN "L" },
    { { 12, 9, 9 },
      OPEN "            <a/>",
      "O" OPEN "E<a/>" }, /* white space is no part of an element */
    { { 100, 2, 9 }, OPEN "<a><b/></a>", "O" OPEN "E<a><b/></a>" },
    { { 100, 2, 9 }, OPEN "<a><b><c/></b></a>", "O" OPEN "L" },
    { { 100, 9, 2 }, OPEN "<a b='=' c=''>=</a>", "O" OPEN "E<a b='=' c=''>=</a>" },
    { { 100, 9, 2 }, OPEN "<a b='' c='' d=''/>", "O" OPEN "L" },
    { { 100, 9, 2 },
      OPEN "<a b='' c=''><d e='' f=''/></a>",
      "O" OPEN "E<a b='' c=''><d e='' f=''/></a>" },
    { { 20, 9, 9 }, "<?xml                              ?>", "L" },
};

static void limits_hold_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++) {
        const struct limit_row *r = &limit_rows[i];
        struct str text = str_from(r->text);

        for (size_t cut = 0; cut <= text.n; cut++) {
            struct buf out = { 0 };

            scan_pieces(text, &cut, 1, &r->limits, &out);
            if (!str_is(buf_str(&out), r->found))
                fail_msg("%s cut at %zu gives %.*s", r->text, cut, STR_ARG(buf_str(&out)));
            buf_fini(&out);
        }
    }
}

static void an_endless_name_is_stopped_by_the_limit_of_bytes(void **state)
{
    struct scan scan = { 0 };
    struct buf b = { 0 };
    size_t used, total = 0;
    enum scan_found found;

    (void)state;
    buf_add_char(&b, '<');
    for (int i = 0; i < 999; i++)
        buf_add_char(&b, 'a');
    while ((found = scan_next(&scan, buf_str(&b), true, &wide, &used)) == SCAN_MORE) {
        b.p[0] = 'a';
        total += used;
        assert_true(total <= wide.max_bytes);
    }
    assert_int_equal(found, SCAN_TOO_LARGE);
    buf_fini(&b);
}

static void a_scanner_takes_little_memory(void **state)
{
    (void)state;
    assert_true(sizeof(struct scan) <= 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_stream_is_cut_into_its_parts),
        cmocka_unit_test(every_split_gives_the_same),
        cmocka_unit_test(byte_by_byte_gives_the_same),
        cmocka_unit_test(limits_hold_at_every_split),
        cmocka_unit_test(an_endless_name_is_stopped_by_the_limit_of_bytes),
        cmocka_unit_test(a_scanner_takes_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
