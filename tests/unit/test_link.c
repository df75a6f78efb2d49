/* Links: two sets of links in one loop, over Unix sockets and TLS, dialled from either side. */
#include "common/log.h"
#include "common/mem.h"
#include "proto/link.h"
#include "tests/unit/certs.h"

#include <setjmp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct certs certs, foreign;

/* One process. */
struct side {
    struct bench *bench;
    struct links *links;
    struct link_conf conf;
    struct link_peer_conf peers[2];
    struct link *link; /* the last that came up */
    unsigned ups, downs, frames, batches;
    size_t bytes;
    uint64_t next_n;
    bool is_ordered;
    struct buf last;
};

struct bench {
    uv_loop_t loop;
    struct net *net;
    struct timers *timers;
    struct side router, c2s;
    uv_timer_t deadline;
    bool is_late;
    char paths[12][160];
    unsigned path_count;
};

static void on_up(void *owner, struct link *l)
{
    struct side *s = owner;

    s->ups++;
    s->link = l;
}

static void on_frame(void *owner, struct link *l, const struct frame *f, struct str raw)
{
    struct side *s = owner;
    struct frame again;
    size_t used;

    (void)l;
    assert_int_equal(frame_read(raw, 64 << 20, &again, &used), ERR_OK);
    assert_int_equal(used, raw.n);
    s->is_ordered = s->is_ordered && (f->n == 0 || f->n == s->next_n + 1);
    s->next_n = f->n;
    s->frames++;
    s->bytes += f->payload.n;
    buf_clear(&s->last);
    buf_add(&s->last, f->payload);
}

static void on_batch(void *owner, struct link *l)
{
    (void)l;
    ((struct side *)owner)->batches++;
}

static void on_down(void *owner, struct link *l)
{
    struct side *s = owner;

    s->downs++;
    if (s->link == l)
        s->link = NULL;
}

static const struct link_events events = { on_up, on_frame, on_batch, on_down };

static char *path_of(struct bench *b, const char *file)
{
    char *path = b->paths[b->path_count++ % ARRAY_LEN(b->paths)];

    certs_path(&certs, file, path);
    return path;
}

static void on_deadline(uv_timer_t *t)
{
    ((struct bench *)t->data)->is_late = true;
}

static void set_side(struct bench *b, struct side *s, const char *name, const char *peer,
                     enum link_role peer_role)
{
    s->bench = b;
    s->is_ordered = true;
    s->conf =
        (struct link_conf){ .name = (char *)name, .max_payload = 4 << 20, .queue_limit = 64 << 20 };
    s->conf.peers = (struct conf_items){ s->peers, 1 };
    s->peers[0] = (struct link_peer_conf){
        .name = (char *)peer, .role = (int)peer_role, .secret_file = path_of(b, "secret"), .uid = -1
    };
}

/* Nothing is opened yet: tests change what they want wrong. */
static void bench_init(struct bench *b)
{
    memset(b, 0, sizeof *b);
    uv_loop_init(&b->loop);
    b->net = net_new(&b->loop);
    b->timers = timers_new(&b->loop);
    set_side(b, &b->router, "router-1.internal", "c2s-1.internal", LINK_ROLE_C2S);
    set_side(b, &b->c2s, "c2s-1.internal", "router-1.internal", LINK_ROLE_ROUTER);
    uv_timer_init(&b->loop, &b->deadline);
    b->deadline.data = b;
    uv_timer_start(&b->deadline, on_deadline, 60000, 0);
}

static void use_tls(struct bench *b, struct side *s, const char *cert)
{
    char file[96];

    snprintf(file, sizeof file, "%s.pem", cert);
    s->conf.cert_file = path_of(b, file);
    snprintf(file, sizeof file, "%s.key", cert);
    s->conf.key_file = path_of(b, file);
    s->conf.ca_file = path_of(b, "ca.pem");
}

enum transport { OVER_UNIX, OVER_TLS };
/* Of this process alone: another run may be under way. */
static char listen_address[32], unix_address[64];

static void choose_addresses(void)
{
    snprintf(listen_address, sizeof listen_address, "127.0.0.1:%d", 10000 + (int)(getpid() % 9000));
    snprintf(unix_address, sizeof unix_address, "unix:/tmp/sallyport-test-link-%d.sock",
             (int)getpid());
}

static void connect_sides(struct bench *b, enum transport t, struct side *dialler,
                          struct side *acceptor)
{
    if (t == OVER_UNIX) {
        dialler->peers[0].dial = acceptor->peers[0].accept = unix_address;
        return;
    }
    dialler->peers[0].dial = acceptor->conf.listen = listen_address;
    use_tls(b, dialler, dialler->conf.name);
    use_tls(b, acceptor, acceptor->conf.name);
}

static void open_side(struct side *s, enum link_role role)
{
    struct buf why = { 0 };

    if (links_open(s->bench->net, s->bench->timers, role, &s->conf, &events, s, &s->links, &why) !=
        ERR_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
}

static void open_both(struct bench *b)
{
    open_side(&b->router, LINK_ROLE_ROUTER);
    open_side(&b->c2s, LINK_ROLE_C2S);
}

#define RUN_UNTIL(b, condition)                                                                    \
    do {                                                                                           \
        while (!(condition) && !(b)->is_late)                                                      \
            uv_run(&(b)->loop, UV_RUN_ONCE);                                                       \
        assert_true(condition);                                                                    \
    } while (0)

static void bench_close(struct bench *b)
{
    links_close(b->router.links);
    links_close(b->c2s.links);
    timers_close(b->timers);
    net_close(b->net);
    uv_close((uv_handle_t *)&b->deadline, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    assert_int_equal(b->router.ups, b->router.downs);
    assert_int_equal(b->c2s.ups, b->c2s.downs);
    buf_fini(&b->router.last);
    buf_fini(&b->c2s.last);
}

static const char *last_error(struct side *s)
{
    struct link_status st;
    size_t at = 0;

    return links_status_next(s->links, &at, &st) ? st.last_error : "";
}

static void send_text(struct link *l, uint64_t n, struct str payload)
{
    struct frame f = { .to = STR("to"), .from = STR("from"), .n = n, .payload = payload };

    link_send(l, &f);
}

/* --- it works --------------------------------------------------------------------------------- */

static const struct {
    enum transport transport;
    bool router_dials;
} ways[] = { { OVER_UNIX, false }, { OVER_UNIX, true }, { OVER_TLS, false }, { OVER_TLS, true } };

static void bring_up(struct bench *b, size_t way)
{
    bench_init(b);
    connect_sides(b, ways[way].transport, ways[way].router_dials ? &b->router : &b->c2s,
                  ways[way].router_dials ? &b->c2s : &b->router);
    open_both(b);
    RUN_UNTIL(b, b->router.link && b->c2s.link);
}

static void frames_cross_in_both_directions_by_every_way(void **state)
{
    struct bench b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        bring_up(&b, i);
        assert_true(str_is(link_name(b.router.link), "c2s-1.internal"));
        assert_int_equal(link_role(b.router.link), LINK_ROLE_C2S);
        assert_true(str_eq(link_instance(b.router.link), links_own_instance(b.c2s.links)));
        assert_ptr_equal(links_find(b.c2s.links, STR("router-1.internal")), b.c2s.link);
        send_text(b.router.link, 0, STR("<down/>"));
        send_text(b.c2s.link, 0, STR("<up/>"));
        RUN_UNTIL(&b, b.router.frames == 1 && b.c2s.frames == 1);
        assert_true(str_is(buf_str(&b.c2s.last), "<down/>"));
        assert_true(str_is(buf_str(&b.router.last), "<up/>"));
        bench_close(&b);
    }
}

static void a_large_frame_arrives_whole(void **state)
{
    struct bench b;
    struct buf large = { 0 };

    (void)state;
    while (large.n < 3 << 20)
        buf_add_u64(&large, large.n);
    for (size_t i = 0; i < ARRAY_LEN(ways); i += 2) {
        bring_up(&b, i);
        send_text(b.c2s.link, 1, buf_str(&large));
        send_text(b.c2s.link, 2, STR("<after/>"));
        RUN_UNTIL(&b, b.router.frames == 2);
        assert_int_equal(b.router.bytes, large.n + 8);
        assert_true(b.router.is_ordered);
        bench_close(&b);
    }
    buf_fini(&large);
}

static void many_frames_arrive_in_order_and_in_batches(void **state)
{
    enum { COUNT = 100000 };
    struct bench b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways); i += 2) {
        bring_up(&b, i);
        for (uint64_t n = 1; n <= COUNT; n++)
            send_text(b.c2s.link, n, str_of("<m>abcdefghijklmnopqrstuvwxyz</m>", n % 33));
        RUN_UNTIL(&b, b.router.frames == COUNT);
        assert_true(b.router.is_ordered);
        assert_true(b.router.batches < COUNT / 50);
        bench_close(&b);
    }
}

/* --- who is refused --------------------------------------------------------------------------- */

static void wrong_secret(struct bench *b)
{
    b->c2s.peers[0].secret_file = path_of(b, "other-secret");
}

static void wrong_name(struct bench *b)
{
    b->c2s.conf.name = (char *)"c2s-2.internal";
    use_tls(b, &b->c2s, "c2s-2.internal");
}

static void not_configured_name_in_cert(struct bench *b)
{
    use_tls(b, &b->c2s, "both.internal");
    b->c2s.conf.name = (char *)"both.internal";
}

static void wrong_role(struct bench *b)
{
    b->router.peers[0].role = LINK_ROLE_SM;
}

static void unknown_ca(struct bench *b)
{
    use_tls(b, &b->c2s, "foreign/c2s-1.internal");
}

static void revoked(struct bench *b)
{
    certs_revoke(&certs, "c2s-1.internal");
    b->router.conf.crl_file = path_of(b, "crl.pem");
}

static void router_is_another(struct bench *b)
{
    b->c2s.peers[0].name = (char *)"router-2.internal";
}

static void name_that_we_dial(struct bench *b)
{
    b->router.peers[0].dial = (char *)"127.0.0.1:47232"; /* so nobody may come by this name */
}

static void a_peer_that_is_not_the_configured_one_is_refused(void **state)
{
    static void (*const rows[])(struct bench *) = {
        wrong_secret, wrong_name, not_configured_name_in_cert, wrong_role,
        unknown_ca,   revoked,    router_is_another,           name_that_we_dial
    };
    struct bench b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bench_init(&b);
        connect_sides(&b, OVER_TLS, &b.c2s, &b.router);
        rows[i](&b);
        open_both(&b);
        RUN_UNTIL(&b, *last_error(&b.c2s));
        assert_int_equal(b.router.ups, 0);
        assert_true(b.c2s.ups == 0 ||
                    rows[i] == wrong_role); /* its own hello may come too late for the dialler */
        bench_close(&b);
    }
}

static void a_wrong_secret_or_uid_on_a_unix_socket_is_refused(void **state)
{
    struct bench b;

    (void)state;
    for (int i = 0; i < 3; i++) {
        bench_init(&b);
        connect_sides(&b, OVER_UNIX, &b.router, &b.c2s);
        if (i == 0)
            b.router.peers[0].secret_file = path_of(&b, "other-secret");
        else if (i == 1)
            b.c2s.peers[0].uid = 12345;
        else
            b.c2s.peers[0].user = "nobody";
        open_both(&b);
        RUN_UNTIL(&b, *last_error(&b.router));
        assert_int_equal(b.router.ups + b.c2s.ups, 0);
        bench_close(&b);
    }
}

static void the_user_at_a_unix_socket_may_be_given_by_name(void **state)
{
    const struct passwd *self = getpwuid(geteuid());
    struct bench b;

    (void)state;
    if (!self)
        skip();
    bench_init(&b);
    connect_sides(&b, OVER_UNIX, &b.router, &b.c2s);
    b.c2s.peers[0].user = self->pw_name;
    open_both(&b);
    RUN_UNTIL(&b, b.router.ups == 1 && b.c2s.ups == 1);
    bench_close(&b);
}

static void configuration_that_contradicts_itself_is_refused(void **state)
{
    struct bench b;
    struct buf why = { 0 };
    struct links *ls;

    (void)state;
    for (int i = 0; i < 6; i++) {
        bench_init(&b);
        connect_sides(&b, OVER_UNIX, &b.c2s, &b.router);
        if (i == 0)
            b.router.peers[0].dial = unix_address;
        else if (i == 1)
            b.router.peers[0].role = LINK_ROLE_ROUTER;
        else if (i == 2)
            b.router.peers[0].accept = NULL;
        else if (i == 3)
            b.router.conf.listen = listen_address; /* without a certificate */
        else if (i == 4)
            b.router.peers[0].user = "nobody-of-this-system";
        else
            b.router.peers[0].secret_file = path_of(&b, "none");
        buf_clear(&why);
        assert_int_not_equal(links_open(b.net, b.timers, LINK_ROLE_ROUTER, &b.router.conf, &events,
                                        &b.router, &ls, &why),
                             ERR_OK);
        assert_true(why.n > 0);
        bench_close(&b);
    }
    buf_fini(&why);
}

/* --- death, replacement, reload --------------------------------------------------------------- */

static void a_lost_link_comes_back(void **state)
{
    struct bench b;

    (void)state;
    bring_up(&b, 2);
    link_refuse(b.router.link, "for the test");
    assert_non_null(b.router.link); /* not from inside the call */
    assert_null(links_find(b.router.links, STR("c2s-1.internal")));
    RUN_UNTIL(&b, b.router.ups == 2 && b.c2s.ups == 2);
    assert_int_equal(b.router.downs, 1);
    bench_close(&b);
}

/* A peer that says everything right and then nothing: a socket of our own in the place of the c2s.
 */
static void silent_data(void *owner, struct conn *c, struct str bytes)
{
    static const char id[] = " id='";
    char proof[41];
    const char *at = memmem(bytes.p, bytes.n, id, sizeof id - 1);
    struct buf out = { 0 };

    if (!at)
        return;
    link_handshake(str_of(at + sizeof id - 1, 32), STR("first secret"), proof);
    buf_printf(&out,
               "<handshake>%s</handshake><hello xmlns='urn:sallyport:link:1' version='1' "
               "name='c2s-1.internal' "
               "role='c2s' instance='0123456789abcdef' features='new-thing'/>%s",
               proof, (const char *)owner);
    conn_write(c, buf_str(&out));
    buf_fini(&out);
}

static void silent_end(void *owner, struct conn *c, enum err why)
{
    (void)owner;
    (void)why;
    conn_close(c, 0);
}

static struct conn *dial_by_hand(struct bench *b, const char *behind)
{
    static const struct conn_events by_hand = { .on_data = silent_data, .on_end = silent_end };
    struct net_address a;
    struct conn *c;

    assert_int_equal(net_address_parse(str_from(unix_address), &a), ERR_OK);
    c = conn_dial(b->net, &a, 1000, &by_hand, (void *)behind);
    conn_write(c, STR("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
                      "xmlns:stream='http://etherx.jabber.org/streams' to='c2s-1.internal'>"));
    return c;
}

static void router_alone(struct bench *b)
{
    bench_init(b);
    b->router.peers[0].accept = unix_address;
    open_side(&b->router, LINK_ROLE_ROUTER);
}

static void a_silent_peer_is_dead_after_three_keepalives(void **state)
{
    struct bench b;
    uint64_t up;

    (void)state;
    router_alone(&b);
    dial_by_hand(&b, "");
    RUN_UNTIL(&b, b.router.ups == 1);
    up = uv_now(&b.loop);
    RUN_UNTIL(&b, b.router.downs == 1);
    assert_true(uv_now(&b.loop) - up >= 5900 && uv_now(&b.loop) - up < 9000);
    bench_close(&b);
}

static void a_quiet_link_stays_up(void **state)
{
    struct bench b;
    uint64_t up;

    (void)state;
    bring_up(&b, 0);
    up = uv_now(&b.loop);
    RUN_UNTIL(&b, uv_now(&b.loop) - up > 8000);
    assert_int_equal(b.router.downs + b.c2s.downs, 0);
    bench_close(&b);
}

static void a_new_link_of_a_name_replaces_the_old_until_they_fight(void **state)
{
    struct bench b;

    (void)state;
    router_alone(&b);
    for (unsigned i = 1; i <= 6; i++) {
        dial_by_hand(&b, "");
        RUN_UNTIL(&b, b.router.ups == i);
        assert_int_equal(b.router.downs, i - 1);
    }
    dial_by_hand(&b, "");
    RUN_UNTIL(&b, *last_error(&b.router) == 't'); /* too many … */
    assert_int_equal(b.router.ups, 6);
    assert_int_equal(b.router.downs, 5);
    bench_close(&b);
}

static void frames_behind_hello_in_the_same_read_are_taken(void **state)
{
    struct bench b;

    (void)state;
    router_alone(&b);
    dial_by_hand(&b, " <route xmlns='urn:sallyport:link:1' to='a' from='b' len='4'><x/></route>"
                     "<route xmlns='urn:sallyport:link:1' to='a' from='b' len='4'><y/>");
    RUN_UNTIL(&b, b.router.frames == 1);
    assert_true(str_is(buf_str(&b.router.last), "<x/>"));
    bench_close(&b);
}

static void what_is_no_frame_ends_the_link(void **state)
{
    static const char *const rows[] = {
        "<route xmlns='urn:sallyport:link:1' to='a' from='b' len='1'></route>x",
        "<message/>",
        "</stream:stream>",
        "<stream:error><conflict "
        "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
        "<route xmlns='urn:sallyport:link:1' to='a' from='b' len='99999999'>",
        "\x01",
    };
    struct bench b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        router_alone(&b);
        dial_by_hand(&b, rows[i]);
        RUN_UNTIL(&b, b.router.downs == 1);
        assert_int_equal(b.router.frames, 0);
        bench_close(&b);
    }
}

static void a_stream_that_begins_wrong_is_refused(void **state)
{
    static const char *const rows[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
        "to='c2s-1.internal'>",
        "<stream:stream xmlns='jabber:component:connect' "
        "xmlns:stream='http://etherx.jabber.org/streams' to='c2s-1.internal'>",
        "<stream:stream xmlns='jabber:component:accept' "
        "xmlns:stream='http://etherx.jabber.org/streams' to='sm-1.internal'>",
        "<stream:stream xmlns='jabber:component:accept' "
        "xmlns:stream='http://etherx.jabber.org/streams' to='c2s-1.internal'>"
        "<hello xmlns='urn:sallyport:link:1' version='1' name='c2s-1.internal' role='c2s' "
        "instance='0123456789abcdef'/>",
        "<!DOCTYPE x>",
    };
    static const struct conn_events by_hand = { .on_data = silent_data, .on_end = silent_end };
    struct net_address a;
    struct bench b;

    (void)state;
    assert_int_equal(net_address_parse(str_from(unix_address), &a), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        router_alone(&b);
        conn_write(conn_dial(b.net, &a, 1000, &by_hand, (void *)""), str_from(rows[i]));
        RUN_UNTIL(&b, *last_error(&b.router));
        assert_int_equal(b.router.ups, 0);
        bench_close(&b);
    }
}

static void reload_ends_what_is_revoked_or_gone_and_keeps_the_rest(void **state)
{
    struct bench b;
    struct link_conf again;
    struct link_peer_conf peers[1];
    struct buf why = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        bring_up(&b, 2);
        again = b.router.conf;
        peers[0] = b.router.peers[0];
        again.peers.items = peers;
        certs_revoke(&certs, i == 1 ? "c2s-1.internal" : NULL);
        again.crl_file = path_of(&b, "crl.pem");
        if (i == 2)
            again.peers.count = 0;
        assert_int_equal(links_reload(b.router.links, &again, &why), ERR_OK);
        send_text(b.c2s.link, 0, STR("<still/>"));
        RUN_UNTIL(&b, i == 0 ? b.router.frames == 1 : b.router.downs == 1);
        again.ca_file = (char *)"/nonexistent";
        assert_int_not_equal(links_reload(b.router.links, &again, &why), ERR_OK);
        bench_close(&b);
    }
    buf_fini(&why);
}

static void a_full_queue_ends_that_link(void **state)
{
    struct bench b;
    static char block[65536];

    (void)state;
    memset(block, 'x', sizeof block);
    bench_init(&b);
    connect_sides(&b, OVER_UNIX, &b.c2s, &b.router);
    b.router.conf.queue_limit = 1 << 20;
    open_both(&b);
    RUN_UNTIL(&b, b.router.link && b.c2s.link);
    for (int i = 0; i < 32 && b.router.link; i++)
        send_text(b.router.link, 0, str_of(block, sizeof block));
    assert_int_equal(b.router.downs, 0);
    RUN_UNTIL(&b, b.router.downs == 1 && b.c2s.downs == 1);
    RUN_UNTIL(&b, b.router.ups == 2 && b.c2s.ups == 2);
    bench_close(&b);
}

static void the_handshake_is_that_of_the_specification(void **state)
{
    char hex[41];

    (void)state;
    link_handshake(STR("3BF96D32"), STR("secret"), hex);
    assert_string_equal(hex, "b09ea9b3b7f586be8a08d0a3dd7466f110aeb136");
}

static void put_secret(const char *file, const char *text)
{
    gnutls_datum_t d = { (unsigned char *)text, (unsigned)strlen(text) };
    char path[160];

    certs_put(&certs, file, &d);
    certs_path(&certs, file, path);
    chmod(path, 0600);
}

static int set_up(void **state)
{
    static const char *const names[] = { "router-1.internal", "c2s-1.internal", "c2s-2.internal",
                                         "both.internal" };
    char command[400];

    (void)state;
    certs_init(&certs, "link CA");
    certs_init(&foreign, "link CA");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        certs_make(&certs, names[i]);
    certs_make(&foreign, "c2s-1.internal");
    put_secret("secret", "first secret\n");
    put_secret("other-secret", "second secret\n");
    snprintf(command, sizeof command, "mkdir %s/foreign && cp %s/c2s-1* %s/foreign", certs.dir,
             foreign.dir, certs.dir);
    return system(command);
}

static int tear_down(void **state)
{
    (void)state;
    certs_fini(&certs);
    certs_fini(&foreign);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_cross_in_both_directions_by_every_way),
        cmocka_unit_test(a_large_frame_arrives_whole),
        cmocka_unit_test(many_frames_arrive_in_order_and_in_batches),
        cmocka_unit_test(a_peer_that_is_not_the_configured_one_is_refused),
        cmocka_unit_test(a_wrong_secret_or_uid_on_a_unix_socket_is_refused),
        cmocka_unit_test(the_user_at_a_unix_socket_may_be_given_by_name),
        cmocka_unit_test(configuration_that_contradicts_itself_is_refused),
        cmocka_unit_test(a_lost_link_comes_back),
        cmocka_unit_test(a_silent_peer_is_dead_after_three_keepalives),
        cmocka_unit_test(a_quiet_link_stays_up),
        cmocka_unit_test(a_new_link_of_a_name_replaces_the_old_until_they_fight),
        cmocka_unit_test(frames_behind_hello_in_the_same_read_are_taken),
        cmocka_unit_test(what_is_no_frame_ends_the_link),
        cmocka_unit_test(a_stream_that_begins_wrong_is_refused),
        cmocka_unit_test(reload_ends_what_is_revoked_or_gone_and_keeps_the_rest),
        cmocka_unit_test(a_full_queue_ends_that_link),
        cmocka_unit_test(the_handshake_is_that_of_the_specification),
    };

    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    choose_addresses();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
