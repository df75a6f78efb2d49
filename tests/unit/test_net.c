/* Byte streams over loopback, in clear and under TLS, driven through a real loop. */
#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"
#include "tests/unit/certs.h"

#include <setjmp.h>
#include <unistd.h>
#include <stdio.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* One end of a connection and what it heard. */
struct end {
    struct conn *c;
    struct buf got;
    unsigned connected, secured, sent, ended;
    enum err why;
    bool echoes;
    bool secured_before_data;
    void (*on_event)(struct end *e, char event); /* 'd'ata 's'ecure se'n't 'e'nd */
};

struct bench {
    uv_loop_t loop;
    struct net *net;
    struct listener *listener;
    struct net_address address;
    struct end server, client;
    struct tls_creds *server_creds, *client_creds;
    uv_timer_t deadline;
    bool is_late;
};

static struct certs certs, other;

static void on_data(void *owner, struct conn *c, struct str bytes)
{
    struct end *e = owner;

    if (e->got.n == 0)
        e->secured_before_data = e->secured > 0;
    buf_add(&e->got, bytes);
    if (e->echoes)
        conn_write(c, bytes);
    if (e->on_event)
        e->on_event(e, 'd');
}

static void on_secure(void *owner, struct conn *c)
{
    struct end *e = owner;

    (void)c;
    e->secured++;
    if (e->on_event)
        e->on_event(e, 's');
}

static void on_connected(void *owner, struct conn *c)
{
    (void)c;
    ((struct end *)owner)->connected++;
}

static void on_sent(void *owner, struct conn *c)
{
    struct end *e = owner;

    (void)c;
    e->sent++;
    if (e->on_event)
        e->on_event(e, 'n');
}

static void on_end(void *owner, struct conn *c, enum err why)
{
    struct end *e = owner;

    (void)c;
    e->ended++;
    e->why = why;
    if (e->on_event)
        e->on_event(e, 'e');
}

static const struct conn_events events = { on_data, on_secure, on_connected, on_sent, on_end };

static void on_accept(void *owner, struct conn *c)
{
    struct bench *b = owner;

    b->server.c = c;
    conn_set_owner(c, &events, &b->server);
    if (b->server_creds)
        conn_start_tls(c, b->server_creds, true, NULL, STR_NONE);
}

static void on_deadline(uv_timer_t *t)
{
    ((struct bench *)t->data)->is_late = true;
}

static void bench_open(struct bench *b, const char *listen)
{
    struct listener_options o = { .inherited_fd = -1, .unix_mode = 0600 };
    struct buf why = { 0 };

    memset(b, 0, sizeof *b);
    uv_loop_init(&b->loop);
    b->net = net_new(&b->loop);
    assert_int_equal(net_address_parse(str_from(listen), &o.address), ERR_OK);
    assert_int_equal(listener_open(b->net, &o, on_accept, b, &b->listener, &why), ERR_OK);
    buf_fini(&why);
    b->address = o.address;
    if (!o.address.is_unix)
        b->address.port = listener_port(b->listener);
    uv_timer_init(&b->loop, &b->deadline);
    b->deadline.data = b;
    uv_timer_start(&b->deadline, on_deadline, 60000, 0);
}

static void bench_dial(struct bench *b)
{
    b->client.c = conn_dial(b->net, &b->address, 2000, &events, &b->client);
}

#define RUN_UNTIL(b, condition)                                                                    \
    do {                                                                                           \
        while (!(condition) && !(b)->is_late)                                                      \
            uv_run(&(b)->loop, UV_RUN_ONCE);                                                       \
        assert_true(condition);                                                                    \
    } while (0)

static void bench_close(struct bench *b)
{
    net_close(b->net);
    uv_close((uv_handle_t *)&b->deadline, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    buf_fini(&b->server.got);
    buf_fini(&b->client.got);
    tls_creds_unref(b->server_creds);
    tls_creds_unref(b->client_creds);
}

/* names: of server certificates, "" ends. */
static struct tls_creds *make_creds(const char *const *names, struct tls_options o)
{
    struct tls_cert list[4];
    char paths[8][160], file[96];
    struct tls_creds *c = NULL;
    struct buf why = { 0 };
    size_t n = 0;

    for (; names && names[n]; n++) {
        snprintf(file, sizeof file, "%s.pem", names[n]);
        certs_path(&certs, file, paths[2 * n]);
        snprintf(file, sizeof file, "%s.key", names[n]);
        certs_path(&certs, file, paths[2 * n + 1]);
        list[n] = (struct tls_cert){ .cert_file = paths[2 * n], .key_file = paths[2 * n + 1] };
    }
    o.certs = list;
    o.cert_count = n;
    if (tls_creds_new(&o, &c, &why) != ERR_OK)
        fail_msg("%.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
    return c;
}

static const char *const a_names[] = { "a.example", NULL };
static const char *const ab_names[] = { "a.example", "b.example", NULL };

static void echo_over(const char *listen)
{
    struct bench b;

    bench_open(&b, listen);
    bench_dial(&b);
    conn_write(b.client.c, STR("hello "));
    conn_write(b.client.c, STR("world"));
    b.server.echoes = true;
    RUN_UNTIL(&b, b.client.got.n == 11);
    assert_true(str_is(buf_str(&b.client.got), "hello world"));
    assert_int_equal(b.client.connected, 1);
    assert_int_equal(conn_sent(b.client.c), 11);
    assert_int_equal(conn_queued(b.client.c), 11);
    assert_int_equal(b.client.sent, 1); /* both writes left in one */
    conn_close(b.client.c, 1000);
    RUN_UNTIL(&b, b.server.ended);
    assert_int_equal(b.server.why, ERR_CLOSED);
    conn_close(b.server.c, 1000);
    bench_close(&b);
}

static void bytes_come_back_over_every_kind_of_socket(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof path, "unix:/tmp/sallyport-test-net-%d.sock", (int)getpid());
    echo_over("127.0.0.1:0");
    echo_over(path);
}

static void ipv6_and_ipv4_reach_a_wildcard_listener(void **state)
{
    static const char *const hosts[] = { "127.0.0.1:0", "[::1]:0" };
    struct bench b;
    uint8_t ip[16];
    uint16_t port;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        bench_open(&b, "*:0");
        port = b.address.port;
        assert_int_equal(net_address_parse(str_from(hosts[i]), &b.address), ERR_OK);
        b.address.port = port;
        bench_dial(&b);
        RUN_UNTIL(&b, b.server.c || b.client.ended);
        if (b.server.c) /* a kernel without IPv6 cannot show the second row */
            assert_int_equal(conn_peer_ip(b.server.c, ip), i == 0 ? 4 : 16);
        else
            assert_int_equal(i, 1);
        bench_close(&b);
    }
}

static void addresses_are_read_as_documented(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned port;
        bool is_unix;
        enum err e;
    } rows[] = {
        { "127.0.0.1:5222", "127.0.0.1", 5222, false, ERR_OK },
        { "[::1]:5222", "[::1]", 5222, false, ERR_OK },
        { "*:0", "*", 0, false, ERR_OK },
        { "host.example:65535", "host.example", 65535, false, ERR_OK },
        { "unix:/run/x.sock", "/run/x.sock", 0, true, ERR_OK },
        { "host:65536", "", 0, false, ERR_MALFORMED },
        { "host", "", 0, false, ERR_MALFORMED },
        { ":5222", "", 0, false, ERR_MALFORMED },
        { "[::1]", "", 0, false, ERR_MALFORMED },
        { "[nonsense]:1", "", 0, false, ERR_MALFORMED },
        { "unix:", "", 0, false, ERR_MALFORMED },
        { "", "", 0, false, ERR_MALFORMED },
    };
    struct net_address a;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(net_address_parse(str_from(rows[i].text), &a), rows[i].e);
        if (rows[i].e != ERR_OK)
            continue;
        assert_string_equal(a.host, rows[i].host);
        assert_int_equal(a.port, rows[i].port);
        assert_int_equal(a.is_unix, rows[i].is_unix);
    }
}

static void dialling_nobody_ends_with_a_reason(void **state)
{
    static const char *const texts[] = { "127.0.0.1:1", "unix:/tmp/sallyport-test-none.sock",
                                         "no-such-host.invalid:1" };
    struct bench b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        bench_open(&b, "127.0.0.1:0");
        assert_int_equal(net_address_parse(str_from(texts[i]), &b.address), ERR_OK);
        bench_dial(&b);
        RUN_UNTIL(&b, b.client.ended);
        assert_true(b.client.why == ERR_NOT_FOUND || b.client.why == ERR_TIMEOUT);
        conn_close(b.client.c, 0);
        bench_close(&b);
    }
}

static void closing_while_dialling_frees_everything(void **state)
{
    static const char *const texts[] = { "127.0.0.1:1", "no-such-host.invalid:1", "localhost:1" };
    struct bench b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        bench_open(&b, "127.0.0.1:0");
        assert_int_equal(net_address_parse(str_from(texts[i]), &b.address), ERR_OK);
        bench_dial(&b);
        conn_close(b.client.c, 1000);
        bench_close(&b);
        assert_int_equal(b.client.ended, 0);
    }
}

static void tls_pair(struct bench *b, struct tls_creds *server, struct tls_creds *client)
{
    bench_open(b, "127.0.0.1:0");
    b->server_creds = server;
    b->client_creds = client;
    bench_dial(b);
    RUN_UNTIL(b, b->client.connected);
}

static void bytes_come_back_under_tls(void **state)
{
    char ca[160];
    struct bench b;
    struct buf large = { 0 };

    (void)state;
    certs_path(&certs, "ca.pem", ca);
    tls_pair(&b, make_creds(a_names, (struct tls_options){ 0 }),
             make_creds(NULL, (struct tls_options){ .ca_file = ca }));
    b.server.echoes = true;
    for (int i = 0; i < 100000; i++)
        buf_printf(&large, "%09d\n", i);
    conn_start_tls(b.client.c, b.client_creds, false, "a.example", STR_NONE);
    conn_write(b.client.c, buf_str(&large)); /* waits for the handshake */
    RUN_UNTIL(&b, b.client.got.n == large.n || b.client.ended);
    assert_true(str_eq(buf_str(&b.client.got), buf_str(&large)));
    assert_true(b.server.secured_before_data);
    assert_int_equal(conn_sent(b.client.c), large.n);
    conn_close(b.client.c, 1000);
    RUN_UNTIL(&b, b.server.ended);
    assert_int_equal(b.server.why, ERR_CLOSED);
    conn_close(b.server.c, 1000);
    bench_close(&b);
    buf_fini(&large);
}

static void switch_to_tls(struct end *e, char event)
{
    struct bench *b = CONTAINER_OF(e, struct bench, server);

    if (event != 'd' || conn_is_secure(e->c) || e->secured)
        return;
    conn_write(e->c, STR("proceed"));
    conn_start_tls(e->c, b->client_creds, true, NULL, STR_NONE);
    e->got.n = 0;
}

static void starttls_answers_in_clear_and_goes_on_encrypted(void **state)
{
    struct bench b;
    struct tls_creds *client = make_creds(NULL, (struct tls_options){ 0 });

    (void)state;
    bench_open(&b, "127.0.0.1:0");
    b.client_creds =
        make_creds(a_names, (struct tls_options){ 0 }); /* the server's, begun by switch_to_tls */
    b.server.on_event = switch_to_tls;
    bench_dial(&b);
    conn_write(b.client.c, STR("starttls"));
    RUN_UNTIL(&b, b.client.got.n == 7);
    conn_start_tls(b.client.c, client, false, NULL, STR_NONE);
    conn_write(b.client.c, STR("secret"));
    RUN_UNTIL(&b, b.server.got.n == 6);
    assert_true(str_is(buf_str(&b.server.got), "secret"));
    bench_close(&b);
    tls_creds_unref(client);
}

/* Runs one handshake to its end at both sides; facts are the server's. */
static bool shake(struct tls_creds *server, struct tls_creds *client, const char *sni,
                  struct arena *arena, struct tls_facts out[2])
{
    struct bench b;
    bool is_ok;

    tls_pair(&b, server, client);
    conn_start_tls(b.client.c, client, false, sni, STR_NONE);
    RUN_UNTIL(&b, (b.client.secured && b.server.secured) || b.server.ended);
    is_ok = b.server.secured && !b.server.ended;
    if (is_ok) {
        conn_tls_facts(b.server.c, arena, &out[0]);
        conn_tls_facts(b.client.c, arena, &out[1]);
    }
    bench_close(&b);
    return is_ok;
}

static void sni_picks_the_certificate_and_bindings_agree(void **state)
{
    static const struct {
        const char *sni, *name;
    } rows[] = { { "a.example", "a.example" },
                 { "b.example", "b.example" },
                 { "c.example", "a.example" },
                 { NULL, "a.example" } };
    char ca[160];
    struct tls_facts f[2];
    struct arena arena = { 0 };

    (void)state;
    certs_path(&certs, "ca.pem", ca);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(shake(make_creds(ab_names, (struct tls_options){ .tickets = true }),
                          make_creds(NULL, (struct tls_options){ .ca_file = ca }), rows[i].sni,
                          &arena, f));
        assert_int_equal(f[1].peer_dns_count, 1);
        assert_true(str_is(f[1].peer_dns_names[0], rows[i].name));
        assert_true(f[1].is_peer_verified);
        assert_true(str_eq(f[0].sni, str_from(rows[i].sni)));
        assert_true(str_is(f[0].version, "TLS1.3"));
        assert_int_equal(f[0].cb_exporter.n, 32);
        assert_true(str_eq(f[0].cb_exporter, f[1].cb_exporter));
        assert_int_equal(f[0].cb_end_point.n, 32);
        assert_true(str_eq(f[0].cb_end_point, f[1].cb_end_point));
        assert_false(str_is_set(f[0].cb_unique));
        assert_false(f[0].has_peer_cert);
    }
    arena_fini(&arena);
}

static void alpn_is_agreed_or_the_handshake_fails(void **state)
{
    static const char *const client[] = { "xmpp-client", NULL }, *const http[] = { "h2", NULL };
    static const struct {
        const char *const *offer;
        bool is_ok;
    } rows[] = { { client, true }, { http, false }, { NULL, true } };
    struct tls_facts f[2];
    struct arena arena = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(shake(make_creds(a_names, (struct tls_options){ .alpn = client }),
                               make_creds(NULL, (struct tls_options){ .alpn = rows[i].offer }),
                               NULL, &arena, f),
                         rows[i].is_ok);
        if (rows[i].is_ok)
            assert_true(str_eq(f[0].alpn, rows[i].offer ? STR("xmpp-client") : STR_NONE));
    }
    arena_fini(&arena);
}

static void client_certificates_are_verified_as_configured(void **state)
{
    enum { GOOD, NONE, FOREIGN, REVOKED };
    static const struct {
        int client;
        enum tls_client_auth auth;
        bool is_ok, is_verified;
    } rows[] = {
        { GOOD, TLS_CLIENT_AUTH_REQUIRE, true, true },
        { NONE, TLS_CLIENT_AUTH_REQUIRE, false, false },
        { FOREIGN, TLS_CLIENT_AUTH_REQUIRE, false, false },
        { REVOKED, TLS_CLIENT_AUTH_REQUIRE, false, false },
        { GOOD, TLS_CLIENT_AUTH_ASK, true, true },
        { NONE, TLS_CLIENT_AUTH_ASK, true, false },
        { FOREIGN, TLS_CLIENT_AUTH_ASK, true, false },
        { GOOD, TLS_CLIENT_AUTH_NONE, true, false },
    };
    static const char *const names[][2] = {
        [GOOD] = { "b.example" }, [FOREIGN] = { "foreign.example" }, [REVOKED] = { "a.example" }
    };
    char ca[160], crl[160];
    struct tls_facts f[2];
    struct arena arena = { 0 };

    (void)state;
    certs_path(&certs, "ca.pem", ca);
    certs_path(&certs, "crl.pem", crl);
    certs_revoke(&certs, "a.example");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_options o = {
            .ca_file = ca, .crl_file = crl, .client_auth = rows[i].auth, .only_tls13 = true
        };
        const char *const *name = rows[i].client == NONE ? NULL : names[rows[i].client];

        assert_int_equal(shake(make_creds(ab_names, o), make_creds(name, (struct tls_options){ 0 }),
                               "b.example", &arena, f),
                         rows[i].is_ok);
        if (!rows[i].is_ok)
            continue;
        assert_int_equal(f[0].is_peer_verified, rows[i].is_verified);
        if (rows[i].is_verified)
            assert_true(str_is(f[0].peer_dns_names[0], "b.example"));
    }
    arena_fini(&arena);
}

static void credentials_know_names_and_expiry(void **state)
{
    struct tls_creds *c = make_creds((const char *const[]){ "a.example", "*.wild.example", NULL },
                                     (struct tls_options){ 0 });
    struct tls_options bad = {
        .certs = (struct tls_cert[]){ { .cert_file = "/nonexistent.pem", .key_file = "/nonexistent.key" } }, .cert_count = 1
    };
    struct buf why = { 0 };
    struct tls_creds *none;

    (void)state;
    assert_true(tls_creds_covers(c, STR("A.example")));
    assert_true(tls_creds_covers(c, STR("x.wild.example")));
    assert_false(tls_creds_covers(c, STR("x.y.wild.example")));
    assert_false(tls_creds_covers(c, STR("wild.example")));
    assert_false(tls_creds_covers(c, STR("b.example")));
    assert_true(tls_creds_expiry(c) > time(NULL) && tls_creds_expiry(c) < time(NULL) + 90000);
    tls_creds_unref(c);
    assert_int_equal(tls_creds_new(&bad, &none, &why), ERR_IO);
    assert_true(memmem(why.p, why.n, "/nonexistent.pem", 16) != NULL);
    buf_fini(&why);
}

static void a_full_queue_ends_the_connection(void **state)
{
    struct bench b;
    char block[1024] = { 0 };

    (void)state;
    bench_open(&b, "127.0.0.1:0");
    bench_dial(&b);
    RUN_UNTIL(&b, b.client.connected && b.server.c);
    conn_pause(b.server.c, true);
    conn_set_queue_limit(b.client.c, 10 * sizeof block);
    for (int i = 0; i < 10; i++)
        conn_write(b.client.c, str_of(block, sizeof block));
    uv_run(&b.loop, UV_RUN_NOWAIT);
    assert_int_equal(b.client.ended, 0);
    for (int i = 0; i < 11; i++)
        conn_write(b.client.c, str_of(block, sizeof block));
    assert_int_equal(b.client.ended, 0); /* not from inside the call */
    RUN_UNTIL(&b, b.client.ended);
    assert_int_equal(b.client.why, ERR_LIMIT);
    conn_close(b.client.c, 1000);
    bench_close(&b);
}

static void a_paused_reader_slows_the_writer_and_gets_all(void **state)
{
    struct bench b;
    char block[8192];
    size_t total = 0;

    (void)state;
    memset(block, 'x', sizeof block);
    bench_open(&b, "127.0.0.1:0");
    bench_dial(&b);
    RUN_UNTIL(&b, b.client.connected && b.server.c);
    conn_pause(b.server.c, true);
    conn_set_queue_limit(b.client.c, 0);
    for (; total < 16u << 20; total += sizeof block)
        conn_write(b.client.c, str_of(block, sizeof block));
    for (int i = 0; i < 20; i++)
        uv_run(&b.loop, UV_RUN_NOWAIT);
    assert_int_equal(b.server.got.n, 0);
    assert_true(conn_sent(b.client.c) < total);
    conn_pause(b.server.c, false);
    RUN_UNTIL(&b, b.server.got.n == total);
    RUN_UNTIL(&b, conn_sent(b.client.c) == total);
    bench_close(&b);
}

static char close_at;

static void close_in_event(struct end *e, char event)
{
    struct conn *c = e->c;

    if (event != close_at || !c)
        return;
    e->c = NULL;
    conn_close(c, 0);
    e->on_event = NULL;
}

static void linger_in_event(struct end *e, char event)
{
    if (event != close_at)
        return;
    conn_write(e->c, STR("bye"));
    conn_close(e->c, 500);
    e->on_event = NULL;
}

static void closing_inside_every_callback_is_safe(void **state)
{
    static const char at[] = "dsne";
    struct bench b;

    (void)state;
    for (size_t i = 0; i < 4 * 2; i++) {
        close_at = at[i / 2];
        tls_pair(&b, make_creds(a_names, (struct tls_options){ 0 }),
                 make_creds(NULL, (struct tls_options){ 0 }));
        b.server.echoes = true;
        RUN_UNTIL(&b, b.server.c);
        b.server.on_event = i % 2 ? linger_in_event : close_in_event;
        conn_start_tls(b.client.c, b.client_creds, false, NULL, STR_NONE);
        conn_write(b.client.c, STR("ping"));
        RUN_UNTIL(&b, close_at != 'e' || b.client.got.n > 0);
        if (close_at == 'e')
            conn_close(b.client.c, 0);
        RUN_UNTIL(&b, close_at == 'e' ? !b.server.on_event : b.client.ended > 0);
        if (i % 2 && close_at != 'e')
            assert_true(str_ends_with(buf_str(&b.client.got), STR("bye")));
        bench_close(&b);
    }
}

static void a_second_listener_on_a_live_path_is_refused(void **state)
{
    struct listener_options o = { .inherited_fd = -1 };
    struct listener *second;
    struct buf why = { 0 };
    struct bench b;
    char path[64];

    (void)state;
    snprintf(path, sizeof path, "unix:/tmp/sallyport-test-live-%d.sock", (int)getpid());
    bench_open(&b, path);
    o.address = b.address;
    assert_int_equal(listener_open(b.net, &o, on_accept, &b, &second, &why), ERR_EXISTS);
    assert_true(why.n > 0);
    buf_fini(&why);
    bench_close(&b);
}

static void a_paused_listener_hands_out_later(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, "127.0.0.1:0");
    listener_pause(b.listener, true);
    bench_dial(&b);
    RUN_UNTIL(&b, b.client.connected);
    for (int i = 0; i < 5; i++)
        uv_run(&b.loop, UV_RUN_NOWAIT);
    assert_null(b.server.c);
    listener_pause(b.listener, false);
    assert_null(b.server.c);
    RUN_UNTIL(&b, b.server.c);
    bench_close(&b);
}

static int set_up(void **state)
{
    static const char *const names[] = { "a.example", "b.example", "*.wild.example" };
    char from[160], to[160], command[400];

    (void)state;
    certs_init(&certs, "test CA");
    certs_init(&other, "other CA");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        certs_make(&certs, names[i]);
    certs_make(&other, "foreign.example");
    certs_path(&other, "foreign.example.*", from);
    certs_path(&certs, "", to);
    snprintf(command, sizeof command, "cp %s %s", from, to);
    return system(command);
}

static int tear_down(void **state)
{
    (void)state;
    certs_fini(&certs);
    certs_fini(&other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_over_every_kind_of_socket),
        cmocka_unit_test(ipv6_and_ipv4_reach_a_wildcard_listener),
        cmocka_unit_test(addresses_are_read_as_documented),
        cmocka_unit_test(dialling_nobody_ends_with_a_reason),
        cmocka_unit_test(closing_while_dialling_frees_everything),
        cmocka_unit_test(bytes_come_back_under_tls),
        cmocka_unit_test(starttls_answers_in_clear_and_goes_on_encrypted),
        cmocka_unit_test(sni_picks_the_certificate_and_bindings_agree),
        cmocka_unit_test(alpn_is_agreed_or_the_handshake_fails),
        cmocka_unit_test(client_certificates_are_verified_as_configured),
        cmocka_unit_test(credentials_know_names_and_expiry),
        cmocka_unit_test(a_full_queue_ends_the_connection),
        cmocka_unit_test(a_paused_reader_slows_the_writer_and_gets_all),
        cmocka_unit_test(closing_inside_every_callback_is_safe),
        cmocka_unit_test(a_second_listener_on_a_live_path_is_refused),
        cmocka_unit_test(a_paused_listener_hands_out_later),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
