/* /proc as text, and a tree that looks like it: who is one of ours, what is held, and what is refused. */
#include "common/mem.h"
#include "deploy/ctl/boundary_proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define STATUS                                                                                                                                 \
    "Name:\tsallyport-c2s\nUmask:\t0077\nState:\tS (sleeping)\nPid:\t70\nUid:\t%s\nGid:\t1\t1\t1\t1\nCapPrm:\t0000000000000000\n"              \
    "CapEff:\t%s\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n"

static struct buf status_of(const char *uids, const char *cap)
{
    struct buf b = { 0 };

    buf_printf(&b, STATUS, uids, cap);
    return b;
}

static void status_is_read(void **state)
{
    struct buf text = status_of("997\t998\t999\t1000", "0000000000000400");
    struct boundary_process p = { 0 };

    (void)state;
    assert_int_equal(boundary_proc_status(buf_str(&text), &p), ERR_OK);
    assert_int_equal(p.uids[0], 997);
    assert_int_equal(p.uids[1], 998);
    assert_int_equal(p.uids[2], 999);
    assert_int_equal(p.uids[3], 1000);
    assert_int_equal(p.cap_effective, 0x400);
    assert_true(p.cap_bounding == 0x1ffffffffff);
    assert_true(p.no_new_privs);
    assert_int_equal(p.seccomp, 2);
    buf_fini(&text);
}

static void status_that_is_odd_is_refused(void **state)
{
    static const struct {
        const char *uids, *cap;
    } rows[] = {
        { "997\t998\t999", "0" },      { "997 998 999 1000", "0" },  { "", "0" },
        { "1\t2\t3\t4\t5", "0" },      { "1\t2\t3\t4294967296", "0" }, { "1\t2\t3\t-1", "0" },
        { "1\t2\t3\t4", "" },          { "1\t2\t3\t4", "xyz" },      { "1\t2\t3\t4", "00000000000000000" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = status_of(rows[i].uids, rows[i].cap);
        struct boundary_process p;

        if (boundary_proc_status(buf_str(&text), &p) != ERR_MALFORMED)
            fail_msg("row %zu", i);
        buf_fini(&text);
    }
    assert_int_equal(boundary_proc_status(STR(""), &(struct boundary_process){ 0 }), ERR_MALFORMED);
    assert_int_equal(boundary_proc_status(STR("State:\tZ (zombie)\n"), &(struct boundary_process){ 0 }), ERR_CLOSED);
}

/* What a process calls itself may hold anything but a line feed, which the kernel writes as \n. */
static void a_name_cannot_pose_as_a_line(void **state)
{
    struct buf text = { 0 };
    struct boundary_process p;

    (void)state;
    buf_printf(&text, "Name:\tUid:\\t0\\t0\\t0\\t0\n");
    buf_printf(&text, STATUS, "1\t1\t1\t1", "0000000000000000");
    assert_int_equal(boundary_proc_status(buf_str(&text), &p), ERR_OK);
    assert_int_equal(p.uids[1], 1);
    buf_fini(&text);
}

static void links_of_sockets_and_namespaces_are_read(void **state)
{
    static const struct {
        const char *link, *kind;
        uint64_t inode; /* 0: none */
    } rows[] = {
        { "socket:[123]", "socket", 123 },
        { "socket:[18446744073709551615]", "socket", UINT64_MAX },
        { "net:[4026531840]", "net", 4026531840 },
        { "socket:[18446744073709551616]", "socket", 0 },
        { "socket:[]", "socket", 0 },
        { "socket:[12", "socket", 0 },
        { "socket:12]", "socket", 0 },
        { "socket:[-1]", "socket", 0 },
        { "pipe:[12]", "socket", 0 },
        { "xsocket:[12]", "socket", 0 },
        { "/tmp/socket:[12]", "socket", 0 },
        { "[12]", "socket", 0 },
        { "", "socket", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t inode = 0;
        bool is_good = boundary_proc_inode(str_from(rows[i].link), rows[i].kind, &inode);

        if (is_good != (rows[i].inode != 0) || (is_good && inode != rows[i].inode))
            fail_msg("%s", rows[i].link);
    }
}

static void our_programs_are_known_by_name_wherever_they_lie(void **state)
{
    (void)state;
    assert_true(boundary_proc_is_program(STR("/usr/sbin/sallyport-c2s")));
    assert_true(boundary_proc_is_program(STR("/tmp/x/sallyport-sm")));
    assert_false(boundary_proc_is_program(STR("/usr/bin/sallyportctl")));
    assert_false(boundary_proc_is_program(STR("/opt/sallyport-c2s/bash")));
    assert_false(boundary_proc_is_program(STR("")));
}

static void the_core_limit_is_the_soft_one(void **state)
{
    static const char text[] = "Limit                     Soft Limit           Hard Limit           Units     \n"
                               "Max core file size        0                    unlimited            bytes     \n";

    (void)state;
    assert_true(str_is(boundary_proc_core_limit(str_from(text)), "0"));
    assert_int_equal(boundary_proc_core_limit(STR("")).n, 0);
}

/* --- a tree ----------------------------------------------------------------------------------------------------------------------------- */

struct tree {
    char root[64];
    struct boundary_plan plan;
    struct boundary_node node;
    struct boundary_look look;
    struct buf why;
};

static void in_tree(const struct tree *t, const char *name, char path[256])
{
    assert_true(snprintf(path, 256, "%s/%s", t->root, name) < 256);
}

static void make_folder(const struct tree *t, const char *name)
{
    char path[256];

    in_tree(t, name, path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void make_file(const struct tree *t, const char *name, const char *text)
{
    char path[256];
    FILE *f;

    in_tree(t, name, path);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static void make_link(const struct tree *t, const char *name, const char *target)
{
    char path[256];

    in_tree(t, name, path);
    assert_int_equal(symlink(target, path), 0);
}

/* Process pid with one thread, whose descriptors are 3 and 4: both of one socket. */
static void make_process(const struct tree *t, const char *pid, const char *uids, const char *exe, const char *socket)
{
    static const char *const folders[] = { "", "/ns", "/fd", "/task", "/task/1", "/task/1/fd" };
    struct buf status = status_of(uids, "0000000000000000");
    char name[128];

    buf_add_char(&status, '\0');
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(name, sizeof name, "%s%s", pid, folders[i]);
        make_folder(t, name);
    }
    snprintf(name, sizeof name, "%s/status", pid);
    make_file(t, name, status.p);
    snprintf(name, sizeof name, "%s/limits", pid);
    make_file(t, name, "Max core file size        0                    0                    bytes\n");
    snprintf(name, sizeof name, "%s/exe", pid);
    make_link(t, name, exe);
    snprintf(name, sizeof name, "%s/ns/net", pid);
    make_link(t, name, "net:[77]");
    for (int fd = 3; fd <= 4; fd++) {
        snprintf(name, sizeof name, "%s/task/1/fd/%d", pid, fd);
        make_link(t, name, socket);
    }
    snprintf(name, sizeof name, "%s/task/1/fd/5", pid);
    make_link(t, name, "/dev/null");
    buf_fini(&status);
}

static void begin(struct tree *t)
{
    *t = (struct tree){ .root = "/tmp/sallyport-proc-XXXXXX", .node = { .uid = 1001 } };
    t->plan.nodes = &t->node;
    t->plan.node_count = 1;
    assert_non_null(mkdtemp(t->root));
}

static void end(struct tree *t)
{
    char command[128];

    boundary_look_fini(&t->look);
    buf_fini(&t->why);
    snprintf(command, sizeof command, "rm -rf %s", t->root);
    assert_int_equal(system(command), 0);
}

static void ours_are_found_by_program_and_by_any_of_their_users(void **state)
{
    struct tree t;

    (void)state;
    begin(&t);
    make_process(&t, "10", "1001\t1001\t1001\t1001", "/usr/sbin/sallyport-c2s", "socket:[500]");
    make_process(&t, "9", "5\t5\t1001\t5", "/bin/sh", "socket:[501]");
    make_process(&t, "11", "5\t5\t5\t5", "/tmp/sallyport-sm (deleted)", "socket:[500]");
    make_process(&t, "12", "5\t5\t5\t5", "/bin/sh", "socket:[502]");
    make_folder(&t, "13"); /* it has just ended */
    make_folder(&t, "sys");
    make_file(&t, "version", "Linux");
    assert_int_equal(boundary_proc_look(t.root, &t.plan, &t.look, &t.why), ERR_OK);
    assert_int_equal(t.look.process_count, 3);
    assert_int_equal(t.look.processes[0].pid, 9);
    assert_int_equal(t.look.processes[1].pid, 10);
    assert_true(str_is(t.look.processes[1].core_limit, "0"));
    assert_int_equal(t.look.processes[1].space, 77);
    assert_true(t.look.processes[2].is_replaced);
    assert_true(str_is(t.look.processes[2].program, "/tmp/sallyport-sm"));
    assert_int_equal(t.look.holding_count, 3); /* each socket once a process */
    assert_non_null(boundary_find_holding(&t.look, 501));
    assert_int_equal(boundary_find_holder(&t.look, 500)->pid, 10);
    assert_null(boundary_find_holding(&t.look, 502));
    end(&t);
}

static void who_else_holds_a_socket_is_found(void **state)
{
    static const uint64_t wanted[] = { 400, 502, 600 };
    struct tree t;

    (void)state;
    begin(&t);
    make_process(&t, "10", "1001\t1001\t1001\t1001", "/usr/sbin/sallyport-c2s", "socket:[500]");
    make_process(&t, "12", "5\t5\t5\t5", "/bin/sh", "socket:[502]");
    assert_int_equal(boundary_proc_find_others(t.root, wanted, ARRAY_LEN(wanted), &t.look, &t.why), ERR_OK);
    assert_int_equal(t.look.other_count, 1);
    assert_int_equal(t.look.others[0].pid, 12);
    end(&t);
}

/* A process that is there and says nothing that is understood must not be left out in silence. */
static void a_process_that_cannot_be_understood_is_no_clean_look(void **state)
{
    struct tree t;

    (void)state;
    begin(&t);
    make_folder(&t, "10");
    make_file(&t, "10/status", "Name:\tsomething else\n");
    assert_int_equal(boundary_proc_look(t.root, &t.plan, &t.look, &t.why), ERR_IO);
    assert_true(t.why.n > 0);
    end(&t);
    begin(&t);
    assert_int_equal(rmdir(t.root), 0);
    assert_int_equal(boundary_proc_look(t.root, &t.plan, &t.look, &t.why), ERR_IO);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_is_read),
        cmocka_unit_test(status_that_is_odd_is_refused),
        cmocka_unit_test(a_name_cannot_pose_as_a_line),
        cmocka_unit_test(links_of_sockets_and_namespaces_are_read),
        cmocka_unit_test(our_programs_are_known_by_name_wherever_they_lie),
        cmocka_unit_test(the_core_limit_is_the_soft_one),
        cmocka_unit_test(ours_are_found_by_program_and_by_any_of_their_users),
        cmocka_unit_test(who_else_holds_a_socket_is_found),
        cmocka_unit_test(a_process_that_cannot_be_understood_is_no_clean_look),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
