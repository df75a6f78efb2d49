/* The verdict on each kind of socket and process, row by row: what a flow declares, what is expected, what is a finding. */
#include "common/mem.h"
#include "deploy/ctl/boundary_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define FLOW(from, from_host, from_user, from_address, to, to_host, to_user, to_address, protocol, port, path)                                 \
    "{\"from\":\"" from "\",\"from_host\":\"" from_host "\",\"from_user\":\"" from_user "\",\"from_address\":\"" from_address                  \
    "\",\"to\":\"" to "\",\"to_host\":\"" to_host "\",\"to_user\":\"" to_user "\",\"to_program\":\"/usr/sbin/sallyport-x\",\"to_address\":\""  \
    to_address "\",\"protocol\":\"" protocol "\",\"port\":\"" port "\",\"path\":\"" path "\"}"

/* Of host gate: c2s-1, which clients and the router of core dial, and which dials relay-1 on the same host; relay-1 asks a name server. */
static const char plan_text[] = "["
    FLOW("readers", "gate", "", "", "c2s-1", "gate", "u-c2s", "", "unix", "", "/run/c2s-1.sock") ","
    FLOW("readers", "gate", "", "", "relay-1", "gate", "u-relay", "", "unix", "", "/run/relay-1.sock") ","
    FLOW("clients", "", "", "any", "c2s-1", "gate", "u-c2s", "192.0.2.10 2001:db8::10", "tcp", "5222", "") ","
    FLOW("proxies", "", "", "198.51.100.0/24", "c2s-1", "gate", "u-c2s", "192.0.2.10", "tcp", "443", "") ","
    FLOW("router-1", "core", "u-router", "10.2.0.5", "c2s-1", "gate", "u-c2s", "192.0.2.10", "tcp", "5275", "") ","
    FLOW("c2s-1", "gate", "u-c2s", "", "relay-1", "gate", "u-relay", "", "unix", "", "/run/relay-1/c2s-1.link") ","
    FLOW("relay-1", "gate", "u-relay", "192.0.2.10", "dns", "", "", "192.0.2.53", "udp", "53", "") ","
    FLOW("relay-1", "gate", "u-relay", "192.0.2.10", "sm-1", "core", "u-sm", "10.2.0.6", "tcp", "5276", "")
"]";

enum { C2S = 100, RELAY = 200, OTHER = 300, UID_C2S = 1001, UID_RELAY = 1002 };

struct world {
    struct boundary_plan plan;
    struct boundary_look look;
    struct boundary_judgement j;
    struct boundary_process processes[8];
    struct boundary_holding holdings[64];
    struct boundary_socket sockets[64];
    uint64_t next_inode;
};

static struct boundary_process process_of(pid_t pid, uint32_t uid, const char *program)
{
    return (struct boundary_process){ .pid = pid,
                                      .program = str_from(program),
                                      .user = STR("user"),
                                      .uids = { uid, uid, uid, uid },
                                      .core_limit = STR("0") };
}

/* Sockets get growing inodes, so that they are sorted as a look has them. pid 0: nobody holds it. */
static uint64_t add(struct world *w, pid_t pid, struct boundary_socket s)
{
    s.inode = ++w->next_inode;
    if (s.space == 0 && s.what.n == 0)
        s.space = 1;
    w->sockets[w->look.socket_count++] = s;
    if (pid)
        w->holdings[w->look.holding_count++] = (struct boundary_holding){ s.inode, pid, 3 };
    return s.inode;
}

static struct boundary_address at(const char *text)
{
    struct boundary_address a;

    assert_int_equal(boundary_address_parse(str_from(text), &a), ERR_OK);
    return a;
}

static uint64_t add_ip(struct world *w, pid_t pid, enum boundary_kind kind, enum boundary_state state, const char *local, const char *remote)
{
    return add(w, pid, (struct boundary_socket){ .kind = kind, .state = state, .local = at(local), .remote = at(remote) });
}

static uint64_t add_unix(struct world *w, pid_t pid, enum boundary_state state, const char *path, uint64_t peer)
{
    return add(w, pid, (struct boundary_socket){ .kind = BOUNDARY_UNIX, .state = state, .path = str_from(path), .peer = peer });
}

/* Both processes with the sockets by which they are known: inodes 1 and 2. */
static void begin(struct world *w)
{
    struct buf why = { 0 };

    *w = (struct world){ 0 };
    if (boundary_plan_read(str_from(plan_text), &w->plan, &why) != ERR_OK)
        fail_msg("%.*s", (int)why.n, why.p);
    w->plan.nodes[0].uid = UID_C2S;
    w->plan.nodes[1].uid = UID_RELAY;
    w->processes[0] = process_of(C2S, UID_C2S, "/usr/sbin/sallyport-x");
    w->processes[1] = process_of(RELAY, UID_RELAY, "/usr/sbin/sallyport-x");
    w->look = (struct boundary_look){
        .processes = w->processes, .process_count = 2, .holdings = w->holdings, .sockets = w->sockets, .is_whole_host = true
    };
    add_unix(w, C2S, BOUNDARY_LISTENING, "/run/c2s-1.sock", 0);
    add_unix(w, RELAY, BOUNDARY_LISTENING, "/run/relay-1.sock", 0);
}

static void judge(struct world *w, const struct boundary_look *again)
{
    boundary_judge(&w->plan, &w->look, again, &w->j);
}

static void end(struct world *w)
{
    boundary_judgement_fini(&w->j);
    boundary_plan_fini(&w->plan);
}

static const struct boundary_row *row_of(const struct world *w, uint64_t inode)
{
    for (size_t i = 0; i < w->j.row_count; i++)
        if (w->j.rows[i].socket->inode == inode)
            return &w->j.rows[i];
    fail_msg("no row for a socket");
    return NULL;
}

static void processes_are_known_by_the_sockets_that_they_hold(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    judge(&w, NULL);
    assert_true(str_is(w.j.nodes[0]->name, "c2s-1") && str_is(w.j.nodes[1]->name, "relay-1"));
    assert_int_equal(w.j.findings.count, 0);
    assert_false(w.j.needs_second_look);
    end(&w);
}

/* One socket of a process each; code NULL: no finding. */
static void each_internet_socket_is_declared_or_a_finding(void **state)
{
    static const struct {
        pid_t pid;
        enum boundary_kind kind;
        enum boundary_state state;
        const char *local, *remote;
        const char *code;
        enum boundary_verdict verdict;
    } rows[] = {
        { C2S, BOUNDARY_TCP, BOUNDARY_LISTENING, "192.0.2.10:5222", "", NULL, BOUNDARY_DECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_LISTENING, "[2001:db8::10]:5222", "", NULL, BOUNDARY_DECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_LISTENING, "0.0.0.0:5222", "", "listener-undeclared", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_LISTENING, "192.0.2.10:5223", "", "listener-undeclared", BOUNDARY_UNDECLARED },
        { RELAY, BOUNDARY_TCP, BOUNDARY_LISTENING, "192.0.2.10:5222", "", "listener-undeclared", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:5222", "203.0.113.1:40000", NULL, BOUNDARY_DECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CLOSING, "192.0.2.10:5222", "203.0.113.1:40000", NULL, BOUNDARY_DECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:443", "198.51.100.9:40000", NULL, BOUNDARY_DECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:443", "203.0.113.1:40000", "incoming-undeclared", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:5275", "10.2.0.5:40000", NULL, BOUNDARY_DECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:5275", "10.2.0.6:40000", "incoming-undeclared", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:40000", "10.2.0.5:5275", "outgoing-undeclared", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CONNECTING, "192.0.2.10:40000", "10.2.0.6:22", "outgoing-undeclared", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:40000", "10.2.0.6:5276", "outgoing-undeclared", BOUNDARY_UNDECLARED },
        { RELAY, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:40000", "10.2.0.6:5276", NULL, BOUNDARY_DECLARED },
        { RELAY, BOUNDARY_TCP, BOUNDARY_CONNECTING, "192.0.2.10:40000", "10.2.0.6:5276", NULL, BOUNDARY_DECLARED },
        { RELAY, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.99:40000", "10.2.0.6:5276", "outgoing-undeclared", BOUNDARY_UNDECLARED },
        { RELAY, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:40000", "10.2.0.6:5277", "outgoing-undeclared", BOUNDARY_UNDECLARED },
        { RELAY, BOUNDARY_UDP, BOUNDARY_CONNECTED, "192.0.2.10:40000", "192.0.2.53:53", NULL, BOUNDARY_DECLARED },
        { RELAY, BOUNDARY_TCP, BOUNDARY_CONNECTED, "192.0.2.10:40000", "192.0.2.53:53", "outgoing-undeclared", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_UDP, BOUNDARY_CONNECTED, "192.0.2.10:40000", "192.0.2.53:53", "outgoing-undeclared", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_UDP, BOUNDARY_OPEN, "0.0.0.0:40000", "", "listener-undeclared", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_SCTP, BOUNDARY_LISTENING, "192.0.2.10:5222", "", "socket-forbidden", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_RAW, BOUNDARY_OPEN, "", "", "socket-forbidden", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_PACKET, BOUNDARY_OPEN, "", "", "socket-forbidden", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_OTHER, BOUNDARY_OPEN, "", "", "socket-forbidden", BOUNDARY_UNDECLARED },
        { C2S, BOUNDARY_TCP, BOUNDARY_CLOSED, "", "", NULL, BOUNDARY_IDLE },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        uint64_t inode;

        begin(&w);
        inode = add_ip(&w, rows[i].pid, rows[i].kind, rows[i].state, rows[i].local, rows[i].remote);
        judge(&w, NULL);
        if (row_of(&w, inode)->verdict != rows[i].verdict || w.j.findings.count != (rows[i].code ? 1 : 0))
            fail_msg("row %zu: %zu findings, %s", i, w.j.findings.count, boundary_verdict_names[row_of(&w, inode)->verdict]);
        if (rows[i].code) {
            assert_string_equal(w.j.findings.items[0].code, rows[i].code);
            assert_true(w.j.findings.items[0].pid == rows[i].pid);
        }
        end(&w);
    }
}

static void a_link_by_unix_socket_is_declared_when_its_other_end_is_the_peer(void **state)
{
    struct world w;
    uint64_t ours, theirs, stranger;

    (void)state;
    begin(&w);
    add_unix(&w, RELAY, BOUNDARY_LISTENING, "/run/relay-1/c2s-1.link", 0);
    ours = add_unix(&w, C2S, BOUNDARY_CONNECTED, "", w.next_inode + 2);
    theirs = add_unix(&w, RELAY, BOUNDARY_CONNECTED, "/run/relay-1/c2s-1.link", ours);
    w.processes[2] = process_of(OTHER, UID_RELAY, "/bin/sh");
    w.look.process_count = 3;
    judge(&w, NULL);
    assert_int_equal(row_of(&w, ours)->verdict, BOUNDARY_DECLARED);
    assert_int_equal(row_of(&w, ours)->direction, BOUNDARY_OUT);
    assert_int_equal(row_of(&w, theirs)->verdict, BOUNDARY_DECLARED);
    boundary_judgement_fini(&w.j);
    stranger = add_unix(&w, OTHER, BOUNDARY_CONNECTED, "", w.next_inode + 2);
    theirs = add_unix(&w, RELAY, BOUNDARY_CONNECTED, "/run/relay-1/c2s-1.link", stranger);
    judge(&w, NULL);
    assert_int_equal(row_of(&w, theirs)->verdict, BOUNDARY_UNDECLARED);
    assert_int_equal(w.j.findings.count, 2); /* this, and the process */
    end(&w);
}

static void unix_sockets_of_the_system_are_expected_and_others_are_not(void **state)
{
    static const struct {
        const char *path;
        enum boundary_verdict verdict;
    } rows[] = {
        { "/run/systemd/journal/stdout", BOUNDARY_EXPECTED },
        { "/dev/log", BOUNDARY_EXPECTED },
        { "/run/systemd/notify", BOUNDARY_EXPECTED },
        { "/run/systemd/userdb/io.systemd.NameServiceSwitch", BOUNDARY_EXPECTED },
        { "/run/systemd/userdb", BOUNDARY_UNDECLARED },
        { "/run/systemd/journal/stdout2", BOUNDARY_UNDECLARED },
        { "/run/relay-1.sock", BOUNDARY_UNDECLARED },
        { "/run/docker.sock", BOUNDARY_UNDECLARED },
        { "@/run/systemd/notify", BOUNDARY_UNDECLARED },
        { "", BOUNDARY_UNDECLARED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        uint64_t peer, ours;

        begin(&w);
        peer = add_unix(&w, 0, BOUNDARY_CONNECTED, rows[i].path, 0);
        ours = add_unix(&w, C2S, BOUNDARY_CONNECTED, "", peer);
        judge(&w, NULL);
        if (row_of(&w, ours)->verdict != rows[i].verdict)
            fail_msg("%s: %s", rows[i].path, boundary_verdict_names[row_of(&w, ours)->verdict]);
        assert_int_equal(w.j.findings.count, rows[i].verdict == BOUNDARY_UNDECLARED);
        end(&w);
    }
}

/* Wherever the service manager has its readiness socket; of its listeners none is meant, and nobody else's is. */
static void the_socket_of_process_1_is_expected(void **state)
{
    static const struct {
        pid_t holder;
        enum boundary_state state;
        uint64_t peer;
        enum boundary_verdict verdict;
    } rows[] = {
        { 1, BOUNDARY_OPEN, 0, BOUNDARY_EXPECTED },
        { 1, BOUNDARY_CONNECTED, 0, BOUNDARY_EXPECTED },
        { 1, BOUNDARY_LISTENING, 0, BOUNDARY_UNDECLARED },
        { 1, BOUNDARY_CONNECTED, 3, BOUNDARY_UNDECLARED },
        { 2, BOUNDARY_OPEN, 0, BOUNDARY_UNDECLARED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct boundary_holding other = { 0, rows[i].holder, 5 };
        struct world w;
        uint64_t ours;

        begin(&w);
        other.inode = add_unix(&w, 0, rows[i].state, "/run/somewhere/notify", rows[i].peer);
        ours = add_unix(&w, C2S, BOUNDARY_CONNECTED, "", other.inode);
        w.look.others = &other;
        w.look.other_count = 1;
        judge(&w, NULL);
        assert_int_equal(row_of(&w, ours)->verdict, rows[i].verdict);
        end(&w);
    }
}

static void both_ends_in_one_process_are_nobodys_business(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    add_unix(&w, C2S, BOUNDARY_CONNECTED, "", w.next_inode + 2);
    add_unix(&w, C2S, BOUNDARY_CONNECTED, "", w.next_inode);
    judge(&w, NULL);
    assert_int_equal(w.j.findings.count, 0);
    boundary_judgement_fini(&w.j);
    add_unix(&w, C2S, BOUNDARY_CONNECTED, "", w.next_inode + 2);
    add_unix(&w, RELAY, BOUNDARY_CONNECTED, "", w.next_inode);
    judge(&w, NULL); /* of two processes: each end is a finding */
    assert_int_equal(w.j.findings.count, 2);
    end(&w);
}

/* What a process has for a moment between two system calls is no finding; what stays is. */
static void what_is_momentary_counts_when_it_is_still_there(void **state)
{
    const struct boundary_socket rows[] = {
        { .kind = BOUNDARY_UNIX, .state = BOUNDARY_OPEN },
        { .kind = BOUNDARY_NETLINK, .state = BOUNDARY_OPEN },
        { .kind = BOUNDARY_UDP, .state = BOUNDARY_OPEN, .what = STR("family 2, type 2, protocol 17") },
        { .kind = BOUNDARY_OTHER, .state = BOUNDARY_OPEN, .what = STR("family 38, type 5, protocol 0") },
    };

    (void)state;
    for (size_t i = 0; i <= ARRAY_LEN(rows); i++)
        for (int is_still_there = 0; is_still_there <= 1; is_still_there++) {
            bool is_unheld = i == ARRAY_LEN(rows);
            struct world w, later;

            begin(&w);
            begin(&later);
            if (is_unheld)
                add(&w, 0,
                    (struct boundary_socket){ .kind = BOUNDARY_TCP, .state = BOUNDARY_LISTENING, .uid = UID_C2S, .local = at("192.0.2.10:9") });
            else
                add(&w, C2S, rows[i]);
            memcpy(later.sockets, w.sockets, sizeof w.sockets);
            memcpy(later.holdings, w.holdings, sizeof w.holdings);
            later.look.socket_count = w.look.socket_count - !is_still_there;
            later.look.holding_count = w.look.holding_count - (!is_still_there && !is_unheld);
            judge(&w, NULL);
            assert_true(w.j.needs_second_look);
            boundary_judgement_fini(&w.j);
            judge(&w, &later.look);
            assert_false(w.j.needs_second_look);
            assert_int_equal(w.j.findings.count, is_still_there);
            end(&w);
            end(&later);
        }
}

static void each_process_that_is_not_as_planned_is_one_finding(void **state)
{
    static const struct {
        pid_t pid; /* of an existing one: it is changed */
        uint32_t uid;
        const char *program;
        const char *code;
    } rows[] = {
        { OTHER, UID_C2S, "/bin/sh", "process-foreign" },
        { OTHER, 5000, "/tmp/sallyport-x", "process-undeclared" },
        { OTHER, UID_C2S, "/usr/sbin/sallyport-x", "process-undeclared" },
        { C2S, 0, "/usr/sbin/sallyport-x", "process-root" },
        { C2S, UID_RELAY, "/usr/sbin/sallyport-x", "process-user" },
        { C2S, UID_C2S, "/tmp/sallyport-x", "process-program" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        size_t index = rows[i].pid == C2S ? 0 : 2;

        begin(&w);
        w.processes[index] = process_of(rows[i].pid, rows[i].uid, rows[i].program);
        w.look.process_count = index == 2 ? 3 : 2;
        judge(&w, NULL);
        if (w.j.findings.count != 1 || strcmp(w.j.findings.items[0].code, rows[i].code) != 0)
            fail_msg("row %zu: %zu findings, %s", i, w.j.findings.count, w.j.findings.count ? w.j.findings.items[0].code : "-");
        end(&w);
    }
}

static void a_saved_uid_of_root_is_found_too(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    w.processes[0].uids[2] = 0;
    judge(&w, NULL);
    assert_int_equal(w.j.findings.count, 1);
    assert_string_equal(w.j.findings.items[0].code, "process-root");
    end(&w);
}

/* Its sockets are no findings of their own: the process is. */
static void a_shell_that_has_our_sockets_is_one_finding_and_all_it_holds_undeclared(void **state)
{
    struct world w;
    uint64_t listener;

    (void)state;
    begin(&w);
    w.processes[2] = process_of(OTHER, UID_C2S, "/bin/sh");
    w.look.process_count = 3;
    listener = add_ip(&w, OTHER, BOUNDARY_TCP, BOUNDARY_LISTENING, "192.0.2.10:5222", "");
    judge(&w, NULL);
    assert_int_equal(row_of(&w, listener)->verdict, BOUNDARY_UNDECLARED);
    assert_int_equal(w.j.findings.count, 1);
    assert_string_equal(w.j.findings.items[0].code, "process-foreign");
    end(&w);
}

static void a_second_process_with_a_first_ones_sockets_is_found(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    add_ip(&w, C2S, BOUNDARY_TCP, BOUNDARY_LISTENING, "192.0.2.10:5222", "");
    w.holdings[w.look.holding_count++] = (struct boundary_holding){ w.next_inode, OTHER, 3 };
    w.processes[2] = process_of(OTHER, UID_C2S, "/usr/sbin/sallyport-x");
    w.look.process_count = 3;
    judge(&w, NULL);
    assert_int_equal(w.j.findings.count, 1);
    assert_string_equal(w.j.findings.items[0].code, "process-twice");
    assert_int_equal(w.j.findings.items[0].pid, OTHER);
    end(&w);
}

static size_t count_notes(const struct world *w, const char *code)
{
    size_t n = 0;

    for (size_t i = 0; i < w->j.notes.count; i++)
        n += strcmp(w->j.notes.items[i].code, code) == 0;
    return n;
}

static void what_is_declared_and_not_there_is_a_note_each(void **state)
{
    struct world w;

    (void)state;
    begin(&w);
    judge(&w, NULL);
    /* 5222 on two addresses, 443, 5275, and relay-1's link */
    assert_int_equal(count_notes(&w, "not-listening"), 5);
    assert_int_equal(count_notes(&w, "not-connected"), 2);
    assert_int_equal(count_notes(&w, "not-running"), 0);
    boundary_judgement_fini(&w.j);
    add_ip(&w, C2S, BOUNDARY_TCP, BOUNDARY_LISTENING, "192.0.2.10:5222", "");
    judge(&w, NULL);
    assert_int_equal(count_notes(&w, "not-listening"), 4);
    boundary_judgement_fini(&w.j);
    w.look.process_count = 1;
    w.plan.nodes[1].uid = BOUNDARY_NO_UID;
    judge(&w, NULL);
    assert_int_equal(count_notes(&w, "not-running"), 1);
    assert_int_equal(count_notes(&w, "no-user"), 1);
    assert_int_equal(w.j.findings.count, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_are_known_by_the_sockets_that_they_hold),
        cmocka_unit_test(each_internet_socket_is_declared_or_a_finding),
        cmocka_unit_test(a_link_by_unix_socket_is_declared_when_its_other_end_is_the_peer),
        cmocka_unit_test(unix_sockets_of_the_system_are_expected_and_others_are_not),
        cmocka_unit_test(the_socket_of_process_1_is_expected),
        cmocka_unit_test(both_ends_in_one_process_are_nobodys_business),
        cmocka_unit_test(what_is_momentary_counts_when_it_is_still_there),
        cmocka_unit_test(each_process_that_is_not_as_planned_is_one_finding),
        cmocka_unit_test(a_saved_uid_of_root_is_found_too),
        cmocka_unit_test(a_shell_that_has_our_sockets_is_one_finding_and_all_it_holds_undeclared),
        cmocka_unit_test(a_second_process_with_a_first_ones_sockets_is_found),
        cmocka_unit_test(what_is_declared_and_not_there_is_a_note_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
