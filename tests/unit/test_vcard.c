/* What an entry of a directory becomes in a vCard, and how two vCards become one (sm/vcard.h). */
#include "sm/vcard.h"

#include "proto/ns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static enum err read_map(struct vcard_map *map, char *item)
{
    struct conf_list list = { .items = &item, .count = 1 };
    struct buf why = { 0 };
    enum err e = vcard_map_read(&list, map, &why);

    assert_int_equal(why.n > 0, e != ERR_OK);
    buf_fini(&why);
    return e;
}

static void a_row_names_a_field_and_one_attribute(void **state)
{
    static const struct {
        const char *item;
        bool is_good;
    } rows[] = {
        { "FN=cn", true },
        { "TEL/CELL=mobile", true },
        { "PHOTO/BINVAL=jpegPhoto", true },
        { "NOTE=1.3.6.1.4", true },
        { "standard", true },
        { "FN", false },
        { "FN=", false },
        { "=cn", false },
        { "fn=cn", false },
        { "N=cn", false },
        { "PHOTO/TYPE=x", false },
        { "FN=c n", false },
        { "FN=cn)(uid=*", false },
        { "FN=*", false },
        { "FN=cn;binary", false },
        { "", false },
    };
    struct vcard_map map;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(read_map(&map, (char *)(uintptr_t)rows[i].item) == ERR_OK, rows[i].is_good);
}

static void more_rows_than_there_is_room_for_are_refused(void **state)
{
    char *items[VCARD_MAX_ROWS + 1];
    struct conf_list list = { .items = items, .count = ARRAY_LEN(items) };
    struct vcard_map map;
    struct buf why = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        items[i] = (char *)(uintptr_t)"FN=cn";
    assert_int_equal(vcard_map_read(&list, &map, &why), ERR_MALFORMED);
    list.count--;
    assert_int_equal(vcard_map_read(&list, &map, &why), ERR_OK);
    buf_fini(&why);
}

static void an_attribute_is_asked_for_once(void **state)
{
    char *items[] = { (char *)(uintptr_t)"FN=cn", (char *)(uintptr_t)"NICKNAME=CN",
                      (char *)(uintptr_t)"N/FAMILY=sn" };
    struct conf_list list = { .items = items, .count = 3 };
    struct vcard_map map;
    struct buf why = { 0 };
    const char *const *names;

    (void)state;
    assert_int_equal(vcard_map_read(&list, &map, &why), ERR_OK);
    names = vcard_map_attributes(&map, &arena);
    assert_string_equal(names[0], "cn");
    assert_string_equal(names[1], "sn");
    assert_null(names[2]);
}

static void a_photo_is_known_by_its_first_bytes(void **state)
{
    static const struct {
        struct str bytes;
        const char *type;
    } rows[] = {
        { STR("\xff\xd8\xff\xe0 JFIF"), "image/jpeg" },
        { STR("\xff\xd8\xff\xdb"), "image/jpeg" },
        { STR("\x89PNG\r\n\x1a\n...."), "image/png" },
        { STR("\x89PNG\n\x1a\n...."), NULL },
        { STR("\xff\xd8"), NULL },
        { STR("GIF89a"), NULL },
        { STR("<svg/>"), NULL },
        { STR(""), NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *type = vcard_photo_type(rows[i].bytes);

        assert_true(type == rows[i].type || strcmp(type, rows[i].type) == 0);
    }
}

static const char *text_of(const struct xml *x)
{
    struct buf out = { 0 };
    const char *text;

    xml_write(&out, x, STR(NS_VCARD));
    text = arena_str(&arena, buf_str(&out)).p;
    buf_fini(&out);
    return text;
}

static struct xml *card_of(size_t max_photo)
{
    static const struct str names[] = { STR("Anna <B>"), STR("A. B.") }, mails[] = { STR("a@x"), STR("b@x") },
                            titles[] = { STR("bad \xff"), STR("\x01"), STR("   ") },
                            photos[] = { STR("no photo"), STR("\xff\xd8\xff\xe0") };
    static const struct directory_attribute attributes[] = {
        { STR("CN"), 2, names }, { STR("mail"), 2, mails }, { STR("title"), 3, titles }, { STR("jpegPhoto"), 2, photos }, { STR("userPassword"), 2, names },
    };
    static const struct directory_entry entry = { STR("cn=a"), ARRAY_LEN(attributes), attributes };
    struct vcard_map map;

    assert_int_equal(read_map(&map, (char *)(uintptr_t)"standard"), ERR_OK);
    return vcard_of_entry(&map, &entry, max_photo, &arena);
}

static void an_entry_becomes_what_is_mapped_and_no_more(void **state)
{
    (void)state;
    assert_string_equal(text_of(card_of(100)),
                        "<vCard><FN>Anna &lt;B&gt;</FN><EMAIL><WORK/><INTERNET/><USERID>a@x</USERID></EMAIL><EMAIL><WORK/><INTERNET/><USERID>b@x"
                        "</USERID></EMAIL><PHOTO><TYPE>image/jpeg</TYPE><BINVAL>/9j/4A==</BINVAL></PHOTO></vCard>");
    assert_null(strstr(text_of(card_of(3)), "PHOTO"));
}

static void an_entry_without_anything_is_no_vcard(void **state)
{
    static const struct directory_entry entry = { STR("cn=a"), 0, NULL };
    struct vcard_map map;

    (void)state;
    assert_int_equal(read_map(&map, (char *)(uintptr_t)"standard"), ERR_OK);
    assert_null(vcard_of_entry(&map, &entry, 100, &arena));
}

static struct xml *own_card(void)
{
    struct xml *own = xml_new(&arena, NS_VCARD, "vCard");

    xml_add_text(xml_add(own, &arena, NULL, "FN"), &arena, STR("mine"));
    xml_add_text(xml_add(own, &arena, NULL, "NICKNAME"), &arena, STR("Nan"));
    xml_add_text(xml_add(own, &arena, NULL, "DESC"), &arena, STR("a long text about me"));
    return own;
}

static void the_first_wins_and_the_second_fills_the_rest(void **state)
{
    struct xml *first = xml_new(&arena, NS_VCARD, "vCard");
    struct xml *both;

    (void)state;
    xml_add_text(xml_add(first, &arena, NULL, "FN"), &arena, STR("theirs"));
    both = vcard_merge(first, own_card(), 1000, &arena);
    assert_string_equal(text_of(both), "<vCard><FN>theirs</FN><NICKNAME>Nan</NICKNAME><DESC>a long text about me</DESC></vCard>");
    both = vcard_merge(first, own_card(), 70, &arena);
    assert_string_equal(text_of(both), "<vCard><FN>theirs</FN><NICKNAME>Nan</NICKNAME></vCard>");
    assert_null(vcard_merge(NULL, NULL, 1000, &arena));
}

static void add_photo(struct xml *card, const char *base64)
{
    xml_add_text(xml_add(xml_add(card, &arena, NULL, "PHOTO"), &arena, NULL, "BINVAL"), &arena, str_from(base64));
}

static void what_the_directory_has_is_taken_out(void **state)
{
    static const struct {
        const char *photo;
        bool is_other;
    } rows[] = { { "/9j/4A==", false }, { "/9j/\n 4A==", false }, { "/9j/4Q==", true }, { "?", true }, { "", true } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct xml *own = own_card();

        add_photo(own, rows[i].photo);
        assert_int_equal(vcard_strip(own, card_of(100), &arena), rows[i].is_other);
        assert_string_equal(text_of(own), "<vCard><NICKNAME>Nan</NICKNAME><DESC>a long text about me</DESC></vCard>");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_names_a_field_and_one_attribute),
        cmocka_unit_test(more_rows_than_there_is_room_for_are_refused),
        cmocka_unit_test_teardown(an_attribute_is_asked_for_once, teardown),
        cmocka_unit_test(a_photo_is_known_by_its_first_bytes),
        cmocka_unit_test_teardown(an_entry_becomes_what_is_mapped_and_no_more, teardown),
        cmocka_unit_test_teardown(an_entry_without_anything_is_no_vcard, teardown),
        cmocka_unit_test_teardown(the_first_wins_and_the_second_fills_the_rest, teardown),
        cmocka_unit_test_teardown(what_the_directory_has_is_taken_out, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
