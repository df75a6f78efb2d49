/* The whole router in one loop with a c2s, an sm and a third-party component, over Unix sockets. */
#include "common/log.h"
#include "common/mem.h"
#include "common/metric.h"
#include "common/service_private.h"
#include "proto/control.h"
#include "proto/ns.h"
#include "router/router.h"
#include "tests/unit/certs.h"

#include <setjmp.h>
#include <unistd.h>
#include <stdio.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct certs certs; /* only its folder is used */
static char component_address[64]; /* of this process alone: another run may be under way */

/* A process linked to the router: what it received, "FROM>TO payload\n". */
struct side {
    struct links *links;
    struct link_conf conf;
    struct link_peer_conf router;
    struct link *link;
    struct buf got;
    unsigned downs;
};

struct bench {
    uv_loop_t loop;
    struct process process;
    struct router_conf conf;
    struct link_peer_conf peers[3];
    struct router_component_conf components[1];
    struct router *router;
    struct side c2s, sm;
    uv_timer_t deadline;
    bool is_late;
    char paths[8][160];
    unsigned path_count;
};

/* A component by hand. */
struct component_side {
    struct conn *c;
    struct buf got;
    bool is_up, is_over;
};

static void on_up(void *owner, struct link *l)
{
    ((struct side *)owner)->link = l;
}

static void on_frame(void *owner, struct link *l, const struct frame *f, struct str raw)
{
    struct side *s = owner;

    (void)l;
    (void)raw;
    buf_printf(&s->got, "%.*s>%.*s %.*s\n", STR_ARG(f->from), STR_ARG(f->to), STR_ARG(f->payload));
}

static void on_down(void *owner, struct link *l)
{
    struct side *s = owner;

    (void)l;
    s->link = NULL;
    s->downs++;
}

static const struct link_events events = { .on_up = on_up,
                                           .on_frame = on_frame,
                                           .on_down = on_down };

static char *path_of(struct bench *b, const char *format, const char *name)
{
    char *path = b->paths[b->path_count++ % ARRAY_LEN(b->paths)], file[96];

    snprintf(file, sizeof file, format, name);
    certs_path(&certs, file, path);
    return path;
}

static void on_deadline(uv_timer_t *t)
{
    ((struct bench *)t->data)->is_late = true;
}

#define RUN_UNTIL(b, condition)                                                                    \
    do {                                                                                           \
        while (!(condition) && !(b)->is_late)                                                      \
            uv_run(&(b)->loop, UV_RUN_ONCE);                                                       \
        assert_true(condition);                                                                    \
    } while (0)

static bool has(const struct buf *b, const char *text)
{
    return b->n > 0 && memmem(b->p, b->n, text, strlen(text)) != NULL;
}

static void set_peer(struct bench *b, size_t i, const char *name, enum link_role role)
{
    b->peers[i] = (struct link_peer_conf){ .name = (char *)name, .role = (int)role, .uid = -1 };
    b->peers[i].secret_file = path_of(b, "%s", "secret");
    b->peers[i].accept = mem_alloc(200);
    snprintf(b->peers[i].accept, 200, "unix:%s/%s.sock", certs.dir, name);
}

static void bench_open(struct bench *b)
{
    struct service *s = &b->process.service;
    struct buf why = { 0 };
    void *app;

    memset(b, 0, sizeof *b);
    uv_loop_init(&b->loop);
    b->process.state = SERVICE_READY;
    s->loop = &b->loop;
    s->net = net_new(&b->loop);
    s->timers = timers_new(&b->loop);
    s->conf = &b->conf;
    b->conf.link = (struct link_conf){ .name = (char *)"router-1.in",
                                       .max_payload = 1 << 20,
                                       .queue_limit = 1 << 24 };
    set_peer(b, 0, "c2s-1.in", LINK_ROLE_C2S);
    set_peer(b, 1, "sm-1.in", LINK_ROLE_SM);
    set_peer(b, 2, "sm-2.in", LINK_ROLE_SM);
    b->conf.link.peers = (struct conf_items){ b->peers, 3 };
    b->conf.component_listen = component_address;
    b->conf.component_max_stanza = 20000;
    b->conf.component_queue = 1 << 20;
    b->conf.component_auth_ms = 1000;
    b->components[0] =
        (struct router_component_conf){ (char *)"Plays.Example", path_of(b, "%s", "secret") };
    b->conf.components = (struct conf_items){ b->components, 1 };
    if (router_start(s, &app, &why) != ERR_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
    s->app = b->router = app;
    uv_timer_init(&b->loop, &b->deadline);
    b->deadline.data = b;
    uv_timer_start(&b->deadline, on_deadline, 5000, 0);
}

static void join(struct bench *b, struct side *s, const char *name, enum link_role role)
{
    struct buf why = { 0 };

    s->conf =
        (struct link_conf){ .name = (char *)name, .max_payload = 1 << 20, .queue_limit = 1 << 24 };
    s->conf.peers = (struct conf_items){ &s->router, 1 };
    s->router = (struct link_peer_conf){ .name = (char *)"router-1.in",
                                         .role = LINK_ROLE_ROUTER,
                                         .uid = -1 };
    s->router.secret_file = path_of(b, "%s", "secret");
    s->router.dial = mem_alloc(200);
    snprintf(s->router.dial, 200, "unix:%s/%s.sock", certs.dir, name);
    assert_int_equal(links_open(b->process.service.net, b->process.service.timers, role, &s->conf,
                                &events, s, &s->links, &why),
                     ERR_OK);
    RUN_UNTIL(b, s->link && has(&s->got, "all='1'"));
}

static void bench_close(struct bench *b)
{
    links_close(b->c2s.links);
    links_close(b->sm.links);
    router_stop(&b->process.service);
    timers_close(b->process.service.timers);
    net_close(b->process.service.net);
    uv_close((uv_handle_t *)&b->deadline, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    buf_fini(&b->c2s.got);
    buf_fini(&b->sm.got);
    mem_free(b->c2s.router.dial);
    mem_free(b->sm.router.dial);
    for (size_t i = 0; i < 3; i++)
        mem_free(b->peers[i].accept);
}

static void say(struct side *s, const char *from, const char *to, const char *payload)
{
    struct frame f = { .from = str_from(from), .to = str_from(to), .payload = str_from(payload) };

    link_send(s->link, &f);
}

static void own_all(struct bench *b)
{
    struct control_slots slots = { .epoch = 1,
                                   .hosts = (struct str[]){ STR("example.com") },
                                   .host_count = 1 };
    struct buf out = { 0 };
    struct frame f = { .from = STR("sm-1.in"), .to = STR("router-1.in") };

    memset(slots.owned, 0xff, sizeof slots.owned);
    control_write_slots(&out, &slots);
    f.payload = buf_str(&out);
    link_send(b->sm.link, &f);
    buf_fini(&out);
    RUN_UNTIL(b, str_is_set(slots_owner(&b->router->slots, STR("x"))));
}

static void bench_full(struct bench *b)
{
    bench_open(b);
    join(b, &b->c2s, "c2s-1.in", LINK_ROLE_C2S);
    join(b, &b->sm, "sm-1.in", LINK_ROLE_SM);
    own_all(b);
}

/* --- frames between processes ----------------------------------------------------------------- */

static void each_side_hears_who_is_there(void **state)
{
    struct bench b;

    (void)state;
    bench_full(&b);
    assert_true(has(&b.sm.got, "name='c2s-1.in'"));
    RUN_UNTIL(&b, has(&b.c2s.got, "name='sm-1.in'"));
    assert_false(has(&b.c2s.got, "<slots"));
    links_close(b.c2s.links);
    b.c2s.links = NULL;
    RUN_UNTIL(&b, has(&b.sm.got, "up='0'"));
    bench_close(&b);
}

static void frames_go_by_name_and_by_slot(void **state)
{
    struct bench b;
    char from[64];

    (void)state;
    bench_full(&b);
    snprintf(from, sizeof from, "c2s-1.in/%s-7", links_own_instance(b.c2s.links).p);
    say(&b.c2s, from, "sm-1.in", "<open/>");
    RUN_UNTIL(&b, has(&b.sm.got, ">sm-1.in <open/>"));
    assert_true(has(&b.sm.got, from));
    say(&b.sm, "sm-1.in", from, "<features/>");
    RUN_UNTIL(&b, has(&b.c2s.got, "<features/>"));
    say(&b.sm, "a@example.com", "b@example.com", "<message/>"); /* it owns b itself */
    RUN_UNTIL(&b, has(&b.sm.got, "a@example.com>b@example.com <message/>"));
    bench_close(&b);
}

static void what_nobody_can_take_comes_back(void **state)
{
    static const char *const rows[] = { "sm-2.in", "nobody.in/x", "x@elsewhere.org" };
    struct bench b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bench_full(&b);
        say(&b.sm, "sm-1.in", rows[i], "<x/>");
        RUN_UNTIL(&b, has(&b.sm.got, "router-1.in>sm-1.in <bounce"));
        bench_close(&b);
    }
}

static void what_the_policy_forbids_goes_nowhere(void **state)
{
    static const char *const rows[][2] = {
        { "c2s-1.in/0000000000000000-7", "sm-1.in" }, /* an older instance's */
        { "c2s-2.in/0123456789abcdef-7", "sm-1.in" },
        { "sm-1.in", "sm-1.in" },
        { "alice@example.com/x", "sm-1.in" },
        { "c2s-1.in", "bob@example.com" },
        { "c2s-1.in", "router-1.in" },
        { "c2s-1.in", "c2s-1.in" },
    };
    struct bench b;

    (void)state;
    bench_full(&b);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        say(&b.c2s, rows[i][0], rows[i][1], "<forbidden/>");
    say(&b.c2s, "c2s-1.in", "sm-1.in", "<allowed/>");
    RUN_UNTIL(&b, has(&b.sm.got, "<allowed/>"));
    assert_false(has(&b.sm.got, "<forbidden/>"));
    for (int i = 0; i < 100; i++)
        say(&b.c2s, "sm-1.in", "sm-1.in", "<forbidden/>");
    RUN_UNTIL(&b, b.c2s.downs == 1);
    bench_close(&b);
}

static void metrics_are_shown_as_the_claim_of_who_sent_them(void **state)
{
    struct bench b;
    struct buf out = { 0 };

    (void)state;
    bench_full(&b);
    say(&b.c2s, "c2s-1.in", "router-1.in",
        "<metrics xmlns='urn:sallyport:link:1'>sallyport_c2s_clients 7\nprocess_open_fds 5\n"
        "sallyport_x{peer=\"sm-1.in\"} 1\n</metrics>");
    RUN_UNTIL(&b, table_get(&b.router->claims.by_peer, STR("c2s-1.in")));
    metric_write(&out);
    assert_true(has(&out, "\nsallyport_c2s_clients{peer=\"c2s-1.in\",claim=\"1\"} 7\n"));
    assert_true(has(&out, "\nprocess_open_fds{peer=\"c2s-1.in\",claim=\"1\"} 5\n"));
    assert_false(has(&out, "sm-1.in"));
    links_close(b.c2s.links);
    b.c2s.links = NULL;
    RUN_UNTIL(&b, !table_get(&b.router->claims.by_peer, STR("c2s-1.in")));
    buf_fini(&out);
    bench_close(&b);
}

static void a_gate_announces_no_slots(void **state)
{
    struct control_slots slots = { .epoch = 9, .hosts = (struct str[]){ STR("evil.example") }, .host_count = 1 };
    struct bench b;
    struct buf out = { 0 };

    (void)state;
    bench_full(&b);
    control_write_slots(&out, &slots);
    buf_add_char(&out, '\0');
    say(&b.c2s, "c2s-1.in", "router-1.in", out.p);
    say(&b.c2s, "c2s-1.in", "sm-1.in", "<later/>");
    RUN_UNTIL(&b, has(&b.sm.got, "<later/>"));
    assert_false(slots_is_hosted(&b.router->slots, STR("evil.example")));
    assert_int_equal(b.router->slots.sm_count, 1);
    buf_fini(&out);
    bench_close(&b);
}

/* --- components ------------------------------------------------------------------------------- */

static void component_data(void *owner, struct conn *c, struct str bytes)
{
    static const char id[] = " id='";
    struct component_side *s = owner;
    const char *at = memmem(bytes.p, bytes.n, id, sizeof id - 1);
    char proof[41];
    struct buf out = { 0 };

    buf_add(&s->got, bytes);
    s->is_up = s->is_up || has(&s->got, "<handshake/>");
    if (!at || s->is_up)
        return;
    link_handshake(str_of(at + sizeof id - 1, 32), STR("the secret"), proof);
    buf_printf(&out, "<handshake>%s</handshake>", proof);
    conn_write(c, buf_str(&out));
    buf_fini(&out);
}

static void component_end(void *owner, struct conn *c, enum err why)
{
    struct component_side *s = owner;

    (void)why;
    s->is_over = true;
    s->c = NULL;
    conn_close(c, 0);
}

static const struct conn_events component_events_here = { .on_data = component_data,
                                                          .on_end = component_end };

static void component_dial(struct bench *b, struct component_side *s, const char *header)
{
    struct net_address a;

    memset(s, 0, sizeof *s);
    assert_int_equal(net_address_parse(str_from(component_address), &a), ERR_OK);
    s->c = conn_dial(b->process.service.net, &a, 1000, &component_events_here, s);
    conn_write(s->c, str_from(header));
}

#define HEADER(to)                                                                                 \
    "<?xml version='1.0'?>\n<stream:stream xmlns='jabber:component:accept' "                       \
    "xmlns:stream='http://etherx.jabber.org/streams' to='" to "'>"

static void component_fini(struct component_side *s)
{
    if (s->c)
        conn_close(s->c, 0);
    buf_fini(&s->got);
}

static void attach(struct bench *b, struct component_side *s)
{
    component_dial(b, s, HEADER("plays.example"));
    RUN_UNTIL(b, s->is_up || s->is_over);
    assert_true(s->is_up);
}

static void a_component_sends_and_receives_stanzas(void **state)
{
    struct bench b;
    struct component_side s;

    (void)state;
    bench_full(&b);
    attach(&b, &s);
    RUN_UNTIL(&b, has(&b.sm.got, "name='plays.example'"));
    conn_write(s.c, STR("<message from='romeo@plays.example/it&apos;s' "
                        "to='Alice@Example.com'><body xml:lang='en'>hi</body>"
                        "<x xmlns='urn:x'/></message> "));
    RUN_UNTIL(&b, has(&b.sm.got, "<body"));
    assert_true(
        has(&b.sm.got, "romeo@plays.example>alice@example.com <message xmlns='jabber:client'"));
    assert_true(has(&b.sm.got, "to='alice@example.com'"));
    assert_false(has(&b.sm.got, "jabber:component"));
    say(&b.sm, "alice@example.com/r", "romeo@plays.example",
        "<message xmlns='jabber:client' from='alice@example.com/r' "
        "to='romeo@plays.example'><body>ho</body></message>");
    RUN_UNTIL(&b, has(&s.got, "<body>ho</body></message>"));
    assert_false(has(&s.got, "jabber:client"));
    conn_write(s.c, STR("</stream:stream>"));
    RUN_UNTIL(&b, s.is_over && has(&b.sm.got, "role='component' up='0'"));
    assert_true(has(&s.got, "</stream:stream>"));
    component_fini(&s);
    bench_close(&b);
}

static void a_stanza_that_lies_about_its_frame_does_not_reach_a_component(void **state)
{
    static const char *const rows[] = {
        "<message xmlns='jabber:client' from='eve@example.com/r' to='romeo@plays.example'/>",
        "<message xmlns='jabber:client' from='alice@example.com/r' to='juliet@plays.example'/>",
        "<message xmlns='jabber:client' from='alice@example.com/r' "
        "to='romeo@plays.example'/><message/>",
        "</stream:stream>",
    };
    struct bench b;
    struct component_side s;

    (void)state;
    bench_full(&b);
    attach(&b, &s);
    s.got.n = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        say(&b.sm, "alice@example.com/r", "romeo@plays.example", rows[i]);
    say(&b.sm, "alice@example.com/r", "plays.example",
        "<presence xmlns='jabber:client' from='alice@example.com/r' to='plays.example'/>");
    RUN_UNTIL(&b, s.got.n > 0);
    assert_true(str_starts_with(buf_str(&s.got), STR("<presence")));
    component_fini(&s);
    bench_close(&b);
}

static void each_fault_of_a_component_gets_its_stream_error(void **state)
{
    static const struct {
        const char *header, *stanza, *error;
    } rows[] = {
        { HEADER("other.example"), NULL, "host-unknown" },
        { "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
          "to='plays.example'>",
          NULL, "invalid-namespace" },
        { HEADER("plays.example") "<handshake>0000</handshake>", NULL, "not-authorized" },
        { HEADER("plays.example") "<message from='plays.example' to='a@example.com'/>", NULL,
          "not-authorized" },
        { "<!DOCTYPE x []>", NULL, "restricted-xml" },
        { "nonsense", NULL, "not-well-formed" },
        { HEADER("plays.example"), "<message from='alice@example.com' to='a@example.com'/>",
          "invalid-from" },
        { HEADER("plays.example"), "<message from='x@plays.example.com' to='a@example.com'/>",
          "invalid-from" },
        { HEADER("plays.example"), "<message to='a@example.com'/>", "improper-addressing" },
        { HEADER("plays.example"), "<message from='plays.example'/>", "improper-addressing" },
        { HEADER("plays.example"), "<note from='plays.example' to='a@example.com'/>",
          "unsupported-stanza-type" },
        { HEADER("plays.example"),
          "<message from='plays.example' to='a@example.com'><a></b></message>", "not-well-formed" },
        { HEADER("plays.example"), "<!-- no -->", "restricted-xml" },
        { HEADER("plays.example"), "<x>&undefined;</x>", "" },
    };
    struct bench b;
    struct component_side s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bench_full(&b);
        component_dial(&b, &s, rows[i].header);
        if (rows[i].stanza) {
            RUN_UNTIL(&b, s.is_up);
            conn_write(s.c, str_from(rows[i].stanza));
        }
        RUN_UNTIL(&b, s.is_over);
        assert_true(has(&s.got, "<stream:error>"));
        if (!has(&s.got, rows[i].error))
            fail_msg("%s: %.*s", rows[i].error, STR_ARG(buf_str(&s.got)));
        assert_false(has(&b.sm.got, "<message"));
        component_fini(&s);
        bench_close(&b);
    }
}

static void a_second_component_of_a_domain_conflicts(void **state)
{
    struct bench b;
    struct component_side first, second;

    (void)state;
    bench_full(&b);
    attach(&b, &first);
    component_dial(&b, &second, HEADER("plays.example"));
    RUN_UNTIL(&b, second.is_over);
    assert_true(has(&second.got, "<conflict"));
    assert_false(first.is_over);
    component_fini(&first);
    component_fini(&second);
    bench_close(&b);
}

static void a_stanza_too_large_or_a_silent_component_is_ended(void **state)
{
    struct bench b;
    struct component_side s;
    struct buf large = { 0 };

    (void)state;
    buf_add(&large, STR("<message from='plays.example' to='a@example.com'><body>"));
    while (large.n < 21000)
        buf_add_char(&large, 'x');
    bench_full(&b);
    attach(&b, &s);
    conn_write(s.c, buf_str(&large));
    RUN_UNTIL(&b, s.is_over);
    assert_true(has(&s.got, "<policy-violation"));
    component_fini(&s);
    component_dial(&b, &s, "<?xml version='1.0'?>");
    RUN_UNTIL(&b, s.is_over);
    assert_true(has(&s.got, "<connection-timeout"));
    component_fini(&s);
    bench_close(&b);
    buf_fini(&large);
}

static void a_component_is_told_when_its_stanza_cannot_go_on(void **state)
{
    struct bench b;
    struct component_side s;

    (void)state;
    bench_open(&b); /* no session manager at all */
    attach(&b, &s);
    conn_write(s.c, STR("<iq type='get' id='1' from='plays.example' to='example.com'><query "
                        "xmlns='jabber:iq:version'/></iq>"
                        "<message from='plays.example' to='a@@b'/>"));
    RUN_UNTIL(&b, has(&s.got, "<jid-malformed"));
    assert_true(has(&s.got, "<remote-server-timeout"));
    assert_true(has(&s.got, "id='1'"));
    component_fini(&s);
    bench_close(&b);
}

static int set_up(void **state)
{
    gnutls_datum_t d = { (unsigned char *)"the secret\n", 11 };
    char path[160];

    (void)state;
    certs_init(&certs, "unused");
    certs_put(&certs, "secret", &d);
    certs_path(&certs, "secret", path);
    return chmod(path, 0600);
}

static int tear_down(void **state)
{
    (void)state;
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_side_hears_who_is_there),
        cmocka_unit_test(frames_go_by_name_and_by_slot),
        cmocka_unit_test(what_nobody_can_take_comes_back),
        cmocka_unit_test(what_the_policy_forbids_goes_nowhere),
        cmocka_unit_test(metrics_are_shown_as_the_claim_of_who_sent_them),
        cmocka_unit_test(a_gate_announces_no_slots),
        cmocka_unit_test(a_component_sends_and_receives_stanzas),
        cmocka_unit_test(a_stanza_that_lies_about_its_frame_does_not_reach_a_component),
        cmocka_unit_test(each_fault_of_a_component_gets_its_stream_error),
        cmocka_unit_test(a_second_component_of_a_domain_conflicts),
        cmocka_unit_test(a_stanza_too_large_or_a_silent_component_is_ended),
        cmocka_unit_test(a_component_is_told_when_its_stanza_cannot_go_on),
    };

    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    snprintf(component_address, sizeof component_address, "unix:/tmp/sallyport-test-component-%d.sock",
             (int)getpid());
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
