/* The description of what a process may do, and what a reload may ask for of it. */
#include "common/confine_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void nothing(struct confine *c)
{
    (void)c;
}
static void same_folder(struct confine *c)
{
    confine_allow_file(c, CONFINE_READ, "/srv/sallyport/tls/new.pem", CONFINE_ALWAYS);
}
static void folder_below(struct confine *c)
{
    confine_allow_file(c, CONFINE_READ, "/srv/sallyport/tls/new/new.pem", CONFINE_ALWAYS);
}
static void folder_like_it(struct confine *c)
{
    confine_allow_file(c, CONFINE_READ, "/srv/sallyport/tls-new/new.pem", CONFINE_ALWAYS);
}
static void folder_above(struct confine *c)
{
    confine_allow_file(c, CONFINE_READ, "/srv/sallyport/new.pem", CONFINE_ALWAYS);
}
static void write_what_is_read(struct confine *c)
{
    confine_allow_file(c, CONFINE_APPEND, "/srv/sallyport/tls/log", CONFINE_ALWAYS);
}
static void at_next_start(struct confine *c)
{
    confine_allow_file(c, CONFINE_APPEND, "/srv/elsewhere/log", CONFINE_AT_START);
}
static void read_the_store(struct confine *c)
{
    confine_allow_file(c, CONFINE_READ, "/srv/sallyport/data/backup", CONFINE_ALWAYS);
}
static void same_port(struct confine *c)
{
    confine_allow_dial(c, "192.0.2.7:5271");
}
static void other_port(struct confine *c)
{
    confine_allow_dial(c, "192.0.2.7:5272");
}
static void a_name(struct confine *c)
{
    confine_allow_dial(c, "router.example:5271");
}
static void a_unix_peer(struct confine *c)
{
    confine_allow_dial(c, "unix:/srv/sallyport/run/peer");
}
static void a_unix_listener(struct confine *c)
{
    confine_allow_listen(c, "unix:/srv/sallyport/tls/peer", CONFINE_ALWAYS);
}

static void a_reload_is_told_what_needs_a_restart(void **state)
{
    static const struct {
        void (*add)(struct confine *c);
        const char *why; /* in the sentence; NULL: it can be taken over */
    } cases[] = {
        { nothing, NULL },
        { same_folder, NULL },
        { folder_below, NULL },
        { folder_like_it, "may not read files in /srv/sallyport/tls-new " },
        { folder_above, "may not read files in /srv/sallyport " },
        { write_what_is_read, "may not write logs in /srv/sallyport/tls " },
        { at_next_start, NULL },
        { read_the_store, NULL },
        { same_port, NULL },
        { other_port, "may not dial port 5272 " },
        { a_name, "may not dial hosts by name " },
        { a_unix_peer, "may not dial Unix sockets " },
        { a_unix_listener, "may not listen on new Unix sockets " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct confine *applied = confine_new(), *wanted = confine_new();
        struct buf why = { 0 };
        enum err e;

        confine_allow_file(applied, CONFINE_READ, "/srv/sallyport/tls/cert.pem", CONFINE_ALWAYS);
        confine_allow_file(applied, CONFINE_KEEP, "/srv/sallyport/data/store.db", CONFINE_AT_START);
        confine_allow_dial(applied, "192.0.2.1:5271");
        cases[i].add(wanted);
        e = confine_check_reload(applied, wanted, &why);
        buf_add_char(&why, '\0');
        assert_int_equal(e == ERR_OK, cases[i].why == NULL);
        if (cases[i].why) {
            assert_non_null(strstr(why.p, cases[i].why));
            assert_non_null(strstr(why.p, "a restart is needed\n"));
        }
        buf_fini(&why);
        confine_free(applied);
        confine_free(wanted);
    }
}

static void a_router_that_dials_takes_peers_on_any_port(void **state)
{
    struct confine *applied = confine_new(), *wanted = confine_new();
    struct buf why = { 0 };

    (void)state;
    confine_allow_dial(applied, "192.0.2.1:5271");
    confine_allow(applied, CONFINE_DIAL_ANY_PORT);
    other_port(wanted);
    assert_int_equal(confine_check_reload(applied, wanted, &why), ERR_OK);
    confine_free(applied);
    confine_free(wanted);
}

static void a_file_in_the_root_folder_does_not_open_all_there_is(void **state)
{
    struct confine *c = confine_new();

    (void)state;
    confine_allow_file(c, CONFINE_READ, "/cert.pem", CONFINE_ALWAYS);
    confine_allow_folder(c, CONFINE_KEEP, "/", CONFINE_ALWAYS);
    confine_allow_file(c, CONFINE_READ, NULL, CONFINE_ALWAYS);
    assert_int_equal(c->path_count, 1);
    assert_true(c->paths[0].is_file);
    assert_string_equal(c->paths[0].path, "/cert.pem");
    confine_free(c);
}

static void a_link_is_followed_to_the_folder_of_its_target(void **state)
{
    char top[] = "/tmp/sallyport-confine-XXXXXX", folder[80], target[128], link[128];
    struct confine *c = confine_new();

    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(folder, sizeof folder, "%s/archive", top);
    snprintf(target, sizeof target, "%s/cert1.pem", folder);
    snprintf(link, sizeof link, "%s/live.pem", top);
    assert_int_equal(mkdir(folder, 0700), 0);
    close(open(target, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(symlink(target, link), 0);
    confine_allow_file(c, CONFINE_READ, link, CONFINE_ALWAYS);
    assert_int_equal(c->path_count, 2);
    assert_string_equal(c->paths[0].path, top);
    assert_string_equal(c->paths[1].path, folder);
    confine_free(c);
    unlink(link);
    unlink(target);
    rmdir(folder);
    rmdir(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reload_is_told_what_needs_a_restart),
        cmocka_unit_test(a_router_that_dials_takes_peers_on_any_port),
        cmocka_unit_test(a_file_in_the_root_folder_does_not_open_all_there_is),
        cmocka_unit_test(a_link_is_followed_to_the_folder_of_its_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
