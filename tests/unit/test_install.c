/* The manifest of a bundle is believed only when it is well-formed; what follows from changes. */
#include "common/base.h"

#include "deploy/ctl/install_manifest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void lines_that_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "\n",
        "0644 root:root " HEX "\n",
        "644 root:root " HEX " /etc/a\n",
        "0644 root " HEX " /etc/a\n",
        "0644 root: " HEX " /etc/a\n",
        "0644 ../root:root " HEX " /etc/a\n",
        "0666 root:root " HEX " /etc/a\n",
        "4755 root:root " HEX " /etc/a\n",
        "0648 root:root " HEX " /etc/a\n",
        "0644 root:root " HEX "0 /etc/a\n",
        "0644 root:root G" HEX " /etc/a\n",
        "0644 root:root " HEX " etc/a\n",
        "0644 root:root " HEX " /etc/../a\n",
        "0644 root:root " HEX " /etc/..\n",
        "0644 root:root " HEX " /etc//a\n",
        "0644 root:root " HEX " /etc/a b\n",
        "0644 root:root " HEX " /etc/a/\n",
        "0644 root:root " HEX " /etc/a\t\n",
        "0644 root:root " HEX " /etc/a\n0644 root:root " HEX " /etc/a\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct manifest m;
        struct buf why = { 0 };

        if (manifest_read(str_from(rows[i]), &m, &why) != ERR_MALFORMED || why.n == 0)
            fail_msg("accepted: %s", rows[i]);
        manifest_fini(&m);
        buf_fini(&why);
    }
}

static void a_manifest_has_an_end(void **state)
{
    struct buf text = { 0 }, why = { 0 };
    struct manifest m;

    (void)state;
    for (int i = 0; i < MANIFEST_MAX_FILES; i++)
        buf_printf(&text, "0644 root:root " HEX " /etc/%d\n", i);
    assert_int_equal(manifest_read(buf_str(&text), &m, &why), ERR_OK);
    assert_int_equal(m.count, MANIFEST_MAX_FILES);
    manifest_fini(&m);
    buf_printf(&text, "0644 root:root " HEX " /etc/more\n");
    assert_int_equal(manifest_read(buf_str(&text), &m, &why), ERR_LIMIT);
    manifest_fini(&m);
    buf_fini(&text);
    buf_fini(&why);
}

static void a_line_has_its_parts(void **state)
{
    struct buf why = { 0 };
    struct manifest m;
    const struct manifest_file *f;

    (void)state;
    assert_int_equal(manifest_read(STR("0644 root:root " HEX " /etc/a\n"
                                       "0640 root:sallyport-c2s " HEX " /etc/secret/b\n"),
                                   &m, &why),
                     ERR_OK);
    assert_int_equal(m.count, 2);
    f = manifest_find(&m, STR("/etc/secret/b"));
    assert_non_null(f);
    assert_int_equal(f->mode, 0640);
    assert_true(str_is(f->owner, "root") && str_is(f->group, "sallyport-c2s"));
    assert_true(str_is(f->digest, HEX));
    assert_null(manifest_find(&m, STR("/etc")));
    manifest_fini(&m);
    buf_fini(&why);
}

#define U "/etc/systemd/system/"

static void what_is_run_next(void **state)
{
    static const struct {
        const char *path;
        enum manifest_change change;
        const char *steps;
    } rows[] = {
        { "/etc/sallyport/c2s-1.conf", FILE_CHANGED, "systemctl reload 'sallyport-*@*'\n" },
        { "/etc/sallyport/sm-1/link.pem", FILE_CHANGED, "systemctl reload 'sallyport-*@*'\n" },
        { "/etc/sallyport/sm-1/secret/router-2", FILE_REMOVED,
          "systemctl reload 'sallyport-*@*'\n" },
        { "/etc/sallyport/sm-1/link.key", FILE_CHANGED,
          "systemctl restart 'sallyport-*@sm-1.service'\n" },
        { "/etc/sallyport/sallyport.nft", FILE_CHANGED,
          "systemctl reload sallyport-firewall.service\n" },
        { U "sallyport-c2s@.service", FILE_CHANGED,
          "systemctl daemon-reload\nsystemctl restart 'sallyport-c2s@*'\n" },
        { U "sallyport-c2s@c2s-1.service.d/plan.conf", FILE_CHANGED,
          "systemctl daemon-reload\nsystemctl restart sallyport-c2s@c2s-1.service\n" },
        { U "sallyport-c2s@c2s-1.service.d/plan.conf", FILE_REMOVED,
          "systemctl stop sallyport-c2s@c2s-1.service\nsystemctl daemon-reload\n" },
        { U "sallyport-c2s-1-tls.socket", FILE_NEW,
          "systemctl daemon-reload\nsystemctl start sallyport.target\n" },
        { U "sallyport-c2s-1-tls.socket", FILE_CHANGED,
          "systemctl daemon-reload\nsystemctl restart sallyport.target\n" },
        { U "sallyport-c2s-1-tls.socket", FILE_REMOVED,
          "systemctl stop sallyport-c2s-1-tls.socket\nsystemctl daemon-reload\n" },
        { U "sallyport.target", FILE_CHANGED, "systemctl daemon-reload\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct manifest_steps steps = { 0 };
        struct buf out = { 0 };

        manifest_steps_add(&steps, str_from(rows[i].path), rows[i].change);
        manifest_steps_add(&steps, str_from(rows[i].path), rows[i].change); /* said once */
        manifest_steps_print(&steps, false, &out);
        if (!str_is(buf_str(&out), rows[i].steps))
            fail_msg("%s: %.*s", rows[i].path, STR_ARG(buf_str(&out)));
        manifest_steps_fini(&steps);
        buf_fini(&out);
    }
}

static void the_first_time_all_is_started(void **state)
{
    struct manifest_steps steps = { 0 };
    struct buf out = { 0 };

    (void)state;
    manifest_steps_print(&steps, false, &out);
    assert_int_equal(out.n, 0);
    manifest_steps_add(&steps, STR("/etc/sallyport/sallyport.nft"), FILE_NEW);
    manifest_steps_add(&steps, STR(U "sallyport.target"), FILE_NEW);
    manifest_steps_print(&steps, true, &out);
    assert_true(str_is(buf_str(&out), "systemctl daemon-reload\n"
                                      "systemctl enable --now sallyport.target\n"));
    manifest_steps_fini(&steps);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_are_refused),        cmocka_unit_test(a_manifest_has_an_end),
        cmocka_unit_test(a_line_has_its_parts),          cmocka_unit_test(what_is_run_next),
        cmocka_unit_test(the_first_time_all_is_started),
    };

    return cmocka_run_group_tests_name("install", tests, NULL, NULL);
}
