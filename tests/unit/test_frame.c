/* The codec of frames: what is written is read again, and nothing else is. */
#include "common/mem.h"
#include "proto/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define SID "0123456789abcdef0123456789abcdef"
#define HEAD "<route xmlns='urn:sallyport:link:1' to='a' from='b'"

static const struct frame samples[] = {
    { .to = { "sm-1.x", 6 }, .from = { "c2s-1.x/7f-12", 13 }, .payload = { "<open/>", 7 } },
    { .to = { "a", 1 }, .from = { "b", 1 }, .payload = { "", 0 } },
    { .to = { "c2s-1.x/7f-1", 12 },
      .from = { "sm-1.x", 6 },
      .s = { SID, 32 },
      .e = 1,
      .n = 2,
      .h = 3,
      .f = 4,
      .has_id = true,
      .id = { .session = { 1, 2, 0xff }, .count = UINT64_MAX, .part = UINT32_MAX },
      .payload = { "<m>&lt;</route></m>", 19 } },
    { .to = { "c", 1 },
      .from = { "j\xc3\xbcrgen@x/\xe2\x82\xac", 13 },
      .n = UINT64_MAX,
      .payload = { "\0\0'>", 4 } },
};

static void assert_same(const struct frame *a, const struct frame *b)
{
    assert_true(str_eq(a->to, b->to) && str_eq(a->from, b->from) && str_eq(a->s, b->s) &&
                str_eq(a->payload, b->payload));
    assert_true(a->e == b->e && a->n == b->n && a->h == b->h && a->f == b->f &&
                a->has_id == b->has_id);
    assert_true(frame_id_eq(&a->id, &b->id));
}

/* A heap block of exactly this size: the sanitizer sees every byte read beyond it. */
static enum err read_exact(struct str bytes, size_t max, struct frame *f, size_t *used,
                           char **out_block)
{
    char *block = mem_alloc(bytes.n ? bytes.n : 1);

    memcpy(block, bytes.p, bytes.n);
    *out_block = block;
    return frame_read(str_of(block, bytes.n), max, f, used);
}

static void a_frame_is_read_as_it_was_written(void **state)
{
    struct buf b = { 0 };
    struct frame f;
    size_t used;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        buf_clear(&b);
        buf_add(&b, STR(" \n \t\r"));
        frame_write(&b, &samples[i]);
        buf_add(&b, STR(" <route"));
        assert_int_equal(frame_read(buf_str(&b), 100, &f, &used), ERR_OK);
        assert_int_equal(used, b.n - 7);
        assert_same(&f, &samples[i]);
    }
    buf_fini(&b);
}

static void every_truncation_asks_for_more(void **state)
{
    struct buf b = { 0 };
    struct frame f;
    size_t used, header;
    char *block;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        buf_clear(&b);
        frame_write(&b, &samples[i]);
        header = str_find(buf_str(&b), '>') + 1;
        for (size_t n = 0; n < b.n; n++) {
            assert_int_equal(read_exact(str_of(b.p, n), 100, &f, &used, &block), ERR_AGAIN);
            assert_int_equal(used, n < header ? 0 : b.n);
            mem_free(block);
        }
    }
    buf_fini(&b);
}

static void what_is_not_a_frame_is_refused(void **state)
{
    static const struct {
        const char *text;
        enum err e;
    } rows[] = {
        { HEAD " len='0'></route>", ERR_OK },
        { "<Route", ERR_MALFORMED },
        { "x", ERR_MALFORMED },
        { "<route>", ERR_MALFORMED },
        { "<route xmlns=\"urn:sallyport:link:1\" ", ERR_MALFORMED },
        { "<route xmlns='urn:sallyport:link:2' ", ERR_MALFORMED },
        { HEAD "></route>", ERR_MALFORMED },
        { HEAD " len=''></route>", ERR_MALFORMED },
        { HEAD " len='00'></route>", ERR_MALFORMED },
        { HEAD " len='-1'></route>", ERR_MALFORMED },
        { HEAD " len='+1'>x</route>", ERR_MALFORMED },
        { HEAD " len='18446744073709551616'></route>", ERR_MALFORMED },
        { HEAD " len='18446744073709551615'></route>", ERR_LIMIT },
        { HEAD " len='101'>", ERR_LIMIT },
        { HEAD " len='1'></route>x", ERR_MALFORMED },
        { HEAD " len='0'>x/route>", ERR_MALFORMED },
        { HEAD " len='0' ></route>", ERR_MALFORMED },
        { HEAD " len='0'/></route>", ERR_MALFORMED },
        { HEAD " len='0' x='1'></route>", ERR_MALFORMED },
        { HEAD "  len='0'></route>", ERR_MALFORMED },
        { HEAD " n='0' len='0'></route>", ERR_MALFORMED },
        { HEAD " n='1' e='1' len='0'></route>", ERR_MALFORMED },
        { HEAD " n='1' n='1' len='0'></route>", ERR_MALFORMED },
        { HEAD " s='0123' len='0'></route>", ERR_MALFORMED },
        { HEAD " s='0123456789ABCDEF0123456789ABCDEF' len='0'></route>", ERR_MALFORMED },
        { HEAD " s='" SID "' n='1' len='0'></route>", ERR_OK },
        { HEAD " id='" SID ".1.4294967296' len='0'></route>", ERR_MALFORMED },
        { HEAD " id='" SID ".1' len='0'></route>", ERR_MALFORMED },
        { HEAD " id='" SID ".1.0' len='0'></route>", ERR_OK },
        { "<route xmlns='urn:sallyport:link:1' to='' from='b' len='0'></route>", ERR_MALFORMED },
        { "<route xmlns='urn:sallyport:link:1' to='a' len='0'></route>", ERR_MALFORMED },
        { "<route xmlns='urn:sallyport:link:1' to='a\"' from='b' len='0'></route>", ERR_MALFORMED },
        { "<route xmlns='urn:sallyport:link:1' to='a\n' from='b' len='0'></route>", ERR_MALFORMED },
        { "<route xmlns='urn:sallyport:link:1' to='a&amp;' from='b' len='0'></route>",
          ERR_MALFORMED },
        { "<route xmlns='urn:sallyport:link:1' to='a<b' from='b' len='0'></route>", ERR_MALFORMED },
        { "<route xmlns='urn:sallyport:link:1' from='a' to='b' len='0'></route>", ERR_MALFORMED },
    };
    struct frame f;
    size_t used;
    char *block;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum err e = read_exact(str_from(rows[i].text), 100, &f, &used, &block);

        if (e != rows[i].e)
            fail_msg("%s: %s", rows[i].text, err_text(e));
        mem_free(block);
    }
}

static void a_header_without_end_is_refused_at_its_limit(void **state)
{
    struct buf b = { 0 };
    struct frame f;
    size_t used;

    (void)state;
    buf_add(&b, STR("<route xmlns='urn:sallyport:link:1' to='"));
    while (b.n < FRAME_MAX_HEADER - 1)
        buf_add_char(&b, 'x');
    assert_int_equal(frame_read(buf_str(&b), 100, &f, &used), ERR_AGAIN);
    buf_add_char(&b, 'x');
    assert_int_equal(frame_read(buf_str(&b), 100, &f, &used), ERR_MALFORMED);
    buf_fini(&b);
}

static void every_changed_byte_is_read_without_harm(void **state)
{
    struct buf b = { 0 };
    struct frame f;
    size_t used;
    char *block;

    (void)state;
    frame_write(&b, &samples[2]);
    for (size_t i = 0; i < b.n; i++)
        for (int x = 1; x < 256; x <<= 1) {
            b.p[i] ^= (char)x;
            (void)!read_exact(buf_str(&b), 1000000, &f, &used, &block);
            mem_free(block);
            b.p[i] ^= (char)x;
        }
    buf_fini(&b);
}

static void acknowledgements_come_back_one_by_one(void **state)
{
    static const struct frame_ack acks[] = { { { SID, 32 }, 1, 2, 0 },
                                             { { SID, 32 }, 3, 0, UINT64_MAX } };
    struct buf b = { 0 };
    struct frame_ack a;
    struct str rest;

    (void)state;
    frame_acks_begin(&b);
    for (size_t i = 0; i < ARRAY_LEN(acks); i++)
        frame_acks_add(&b, &acks[i]);
    frame_acks_end(&b);
    rest = buf_str(&b);
    assert_true(frame_is_acks(rest));
    for (size_t i = 0; i < ARRAY_LEN(acks); i++) {
        assert_int_equal(frame_acks_next(&rest, &a), ERR_OK);
        assert_true(str_eq(a.s, acks[i].s) && a.e == acks[i].e && a.h == acks[i].h &&
                    a.f == acks[i].f);
    }
    assert_int_equal(frame_acks_next(&rest, &a), ERR_CLOSED);
    buf_fini(&b);
}

static void broken_acknowledgements_are_refused(void **state)
{
#define ACKS "<acks xmlns='urn:sallyport:link:1'>"
    static const char *const rows[] = { ACKS,
                                        ACKS SID ":1:2:3</acks>",
                                        ACKS SID ":1:2 </acks>",
                                        ACKS SID ":1:2:3:4 </acks>",
                                        ACKS "x:1:2:3 </acks>",
                                        ACKS " </acks>",
                                        ACKS SID ":1:2:3 ",
                                        ACKS SID ":01:2:3 </acks>" };
    struct frame_ack a;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str rest = str_from(rows[i]);
        enum err e;

        while ((e = frame_acks_next(&rest, &a)) == ERR_OK)
            ;
        assert_int_equal(e, ERR_MALFORMED);
    }
}

static void addresses_are_split_at_the_first_slash(void **state)
{
    (void)state;
    assert_true(str_is(frame_address_name(STR("c2s-1.x/7f-12/3")), "c2s-1.x"));
    assert_true(str_is(frame_address_rest(STR("c2s-1.x/7f-12/3")), "7f-12/3"));
    assert_true(str_is(frame_address_name(STR("c2s-1.x")), "c2s-1.x"));
    assert_false(str_is_set(frame_address_rest(STR("c2s-1.x"))));
}

static void a_resource_that_needs_escaping_is_left_out_of_a_frame(void **state)
{
    struct frame f = { .to = STR("room@x/it's <me>"), .from = STR("a@b/c d") }, got;
    struct buf b = { 0 };
    size_t used;

    (void)state;
    frame_write(&b, &f);
    assert_int_equal(frame_read(buf_str(&b), 100, &got, &used), ERR_OK);
    assert_true(str_is(got.to, "room@x"));
    assert_true(str_is(got.from, "a@b/c d"));
    assert_true(str_eq(frame_address_of(f.to), got.to));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_read_as_it_was_written),
        cmocka_unit_test(every_truncation_asks_for_more),
        cmocka_unit_test(what_is_not_a_frame_is_refused),
        cmocka_unit_test(a_header_without_end_is_refused_at_its_limit),
        cmocka_unit_test(every_changed_byte_is_read_without_harm),
        cmocka_unit_test(acknowledgements_come_back_one_by_one),
        cmocka_unit_test(broken_acknowledgements_are_refused),
        cmocka_unit_test(addresses_are_split_at_the_first_slash),
        cmocka_unit_test(a_resource_that_needs_escaping_is_left_out_of_a_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
