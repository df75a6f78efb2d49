/* What follows from zones: mechanisms, other servers, and what the perimeter serves to whom. */
#include "tests/unit/plan_bench.h"

/* --- mechanisms ------------------------------------------------------------------------------- */

static void a_c2s_is_inside_when_it_and_every_router_are(void **state)
{
    static const struct {
        const char *text, *inside; /* a line of sm's file; NULL: none */
    } rows[] = {
        { "router \"r\" { host = core }\nc2s \"c\" { host = gate }", NULL },
        { "router \"r\" { host = core }\nc2s \"c\" { host = core-b }",
          "inside = {\"c.internal\"}\n" },
        { "router \"r\" { host = core }\nc2s \"c\" { host = core-b }\nc2s \"d\" { host = gate }",
          "inside = {\"c.internal\"}\n" },
        { "router \"r\" { host = core }\nc2s \"c\" { host = core-b }\n"
          "c2s \"d\" { host = core-b link_port = 5300 starttls_port = 5301 tls_port = 0 }",
          "inside = {\"c.internal\", \"d.internal\"}\n" },
        { "router \"r\" { host = gate }\nc2s \"c\" { host = core-b }", NULL },
        { "router \"r\" { host = core }\nrouter \"q\" { host = gate }\nc2s \"c\" { host = core-b }",
          NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = { 0 }, file = { 0 };
        struct plan *p;

        buf_printf(&text, HOSTS "sm \"s\" { host = core }\n%s\n%c", rows[i].text, '\0');
        p = plan_of(text.p);
        plan_write_process(p, plan_node(p, STR("s")), &file);
        assert_int_equal(holds(&file, "inside = "), rows[i].inside != NULL);
        assert_true(!rows[i].inside || holds(&file, rows[i].inside));
        plan_free(p);
        buf_fini(&text);
        buf_fini(&file);
    }
}

static void what_is_on_through_a_dmz_is_told_loudly(void **state)
{
    static const struct {
        const char *text, *warning;
        bool is_there;
    } rows[] = {
        { "router \"r\" { host = core }\nc2s \"c\" { host = gate }\n"
          "domain \"b.example\" { mechanisms = { PLAIN, SCRAM-SHA-256 } }",
          "PLAIN", false },
        { "router \"r\" { host = core }\nc2s \"c\" { host = gate }\n"
          "domain \"b.example\" { mechanisms_dmz = { PLAIN } }",
          "WARNING: domain b.example has PLAIN on through a dmz (c): who takes one of these over "
          "reads "
          "the password of everybody",
          true },
        { "router \"r\" { host = core }\nc2s \"c\" { host = gate }\n"
          "domain \"b.example\" { mechanisms_dmz = { EXTERNAL } }",
          "has EXTERNAL on through a dmz (c): who takes one of these over can log in as anybody",
          true },
        { "router \"r\" { host = core }\nc2s \"c\" { host = core-b }\n"
          "domain \"b.example\" { mechanisms = { PLAIN } mechanisms_dmz = { PLAIN } }",
          "PLAIN", false },
        { "router \"r\" { host = gate }\nc2s \"c\" { host = core-b }\n"
          "domain \"b.example\" { mechanisms_dmz = { PLAIN } }",
          "has PLAIN on through a dmz (c)", true },
        { "router \"r\" { host = core }\nc2s \"c\" { host = gate }\n"
          "domain \"b.example\" { register = yes }",
          "WARNING: domain b.example lets strangers register through a dmz (c)", true },
        { "router \"r\" { host = core }\nc2s \"c\" { host = gate }\n"
          "domain \"b.example\" { change_password = no }",
          "b.example", false },
        { "router \"r\" { host = core }\nc2s \"c\" { host = gate }",
          "NOTE: domain example.com lets users change their password in band", true },
        { "router \"r\" { host = core }\nc2s \"c\" { host = core-b }\n"
          "domain \"b.example\" { register = yes }",
          "b.example", false },
        { "router \"r\" { host = gate }\nc2s \"c\" { host = core-b }",
          "WARNING: c stands in zone office, but what its clients send can cross a router in a dmz",
          true },
        { "router \"r\" { host = core }\nc2s \"c\" { host = core-b }", "WARNING", false },
        { "router \"r\" { host = gate-b }\nc2s \"c\" { host = gate }",
          "WARNING: r stands in zone dmz, a dmz", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = { 0 }, out = { 0 };
        struct plan *p;

        buf_printf(&text, HOSTS "sm \"s\" { host = core }\n%s\n%c", rows[i].text, '\0');
        p = plan_of(text.p);
        plan_warn(p, &out);
        if (holds(&out, rows[i].warning) != rows[i].is_there)
            fail_msg("row %zu: %.*s", i, (int)out.n, out.p ? out.p : "");
        plan_free(p);
        buf_fini(&text);
        buf_fini(&out);
    }
}

/* --- flows ------------------------------------------------------------------------------------ */

struct flow_row {
    const char *from, *from_host, *to, *to_host;
    enum plan_protocol protocol;
    uint16_t port;
};

static const struct plan_flow *find_flow(const struct plan *p, const struct flow_row *r)
{
    for (size_t i = 0; i < p->flow_count; i++) {
        const struct plan_flow *f = &p->flows[i];

        if (str_is(f->from.name, r->from) && str_is(f->from.host, r->from_host) &&
            str_is(f->to.name, r->to) && str_is(f->to.host, r->to_host) &&
            f->protocol == r->protocol && f->port == r->port)
            return f;
    }
    return NULL;
}

#define SERVICE(name, kind, zone, address)                                                         \
    "service \"" name "\" { kind = " kind " zone = " zone " address = { \"" address "\" } }\n"
#define PERIMETER                                                                                  \
    SERVICE("dns-out", "dns", "dmz", "192.0.2.1")                                                  \
    SERVICE("dns-in", "dns", "office", "10.2.0.1")                                                 \
    SERVICE("ntp-out", "ntp", "dmz", "192.0.2.1")                                                  \
    SERVICE("ntp-in", "ntp", "office", "10.2.0.1")                                                 \
    SERVICE("log-out", "syslog", "dmz", "192.0.2.2")                                               \
    SERVICE("log-in", "syslog", "office", "10.2.0.2")                                              \
    SERVICE("dir", "ldap", "office", "10.2.0.9")                                                   \
    SERVICE("kdc", "kdc", "office", "10.2.0.9")                                                    \
    SERVICE("db", "database", "office", "10.2.0.8")                                                \
    SERVICE("watch", "monitoring", "office", "10.2.0.3")

static void every_kind_of_service_has_its_flows(void **state)
{
    static const struct {
        struct flow_row row;
        bool is_there;
    } rows[] = {
        { { "host", "core", "dns-in", "", PLAN_UDP, 53 }, true },
        { { "host", "core", "dns-in", "", PLAN_TCP, 53 }, true },
        { { "host", "gate", "dns-out", "", PLAN_UDP, 53 }, true },
        { { "host", "gate", "dns-in", "", PLAN_UDP, 53 }, false }, /* inwards */
        { { "host", "core", "ntp-in", "", PLAN_UDP, 123 }, true },
        { { "host", "core", "ntp-in", "", PLAN_TCP, 123 }, false },
        { { "host", "gate", "ntp-out", "", PLAN_UDP, 123 }, true },
        { { "host", "core", "log-in", "", PLAN_TCP, 6514 }, true },
        { { "host", "gate", "log-out", "", PLAN_TCP, 6514 }, true },
        { { "sm-1", "core", "dir", "", PLAN_TCP, 636 }, true },
        { { "sm-1", "core", "kdc", "", PLAN_UDP, 88 }, true },
        { { "sm-1", "core", "kdc", "", PLAN_TCP, 88 }, true },
        { { "sm-1", "core", "db", "", PLAN_TCP, 5432 }, true },
        { { "c2s-1", "gate", "dir", "", PLAN_TCP, 636 }, false },
        { { "r", "core-b", "db", "", PLAN_TCP, 5432 }, false },
        { { "watch", "", "host", "core", PLAN_TCP, 9100 }, true },
        { { "watch", "", "host", "core-b", PLAN_TCP, 9100 }, true },
        { { "watch", "", "host", "gate", PLAN_TCP, 9100 }, false }, /* seen through the router */
        { { "c2s-1", "gate", "dns-out", "", PLAN_UDP, 53 }, false },
        { { "s2s-1", "gate-b", "dns-out", "", PLAN_UDP, 53 }, true },
        { { "s2s-1", "gate-b", "dns-out", "", PLAN_TCP, 53 }, true },
        { { "s2s-1", "gate-b", "dns-in", "", PLAN_UDP, 53 }, false },
        { { "servers", "", "s2s-1", "gate-b", PLAN_TCP, 5269 }, true },
        { { "servers", "", "s2s-1", "gate-b", PLAN_TCP, 5270 }, true },
        { { "s2s-1", "gate-b", "servers", "", PLAN_TCP, 5269 }, true },
        { { "s2s-1", "gate-b", "servers", "", PLAN_TCP, 5270 }, true },
        { { "r", "core-b", "s2s-1", "gate-b", PLAN_TCP, 5277 }, true }, /* layout a: it dials out */
        { { "s2s-1", "gate-b", "r", "core-b", PLAN_TCP, 5276 }, false },
        { { "clients", "", "c2s-1", "gate", PLAN_TCP, 5222 }, true },
        { { "clients", "", "c2s-1", "gate", PLAN_TCP, 5223 }, true },
    };
    struct plan *p = plan_of(HOSTS LEAVES "router \"r\" { host = core-b }\n"
                                          "s2s \"s2s-1\" { host = gate-b }\n" PERIMETER);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((find_flow(p, &rows[i].row) != NULL) != rows[i].is_there)
            fail_msg("row %zu", i);
    for (size_t i = 0; i < p->flow_count; i++) {
        const struct plan_flow *f = &p->flows[i];

        assert_true(f->identity.n > 0 && f->carries.n > 0 && f->why.n > 0);
        assert_false(str_is(f->from.zone, "dmz") && str_is(f->to.zone, "office"));
    }
    plan_free(p);
}

static void a_server_connection_manager_is_explained_and_not_installed(void **state)
{
    static const struct {
        const char *line;
        bool is_there;
    } rules[] = {
        { "tcp dport { 5269, 5270, 5277 } counter drop", true },
        { "ip daddr { 192.0.2.11 } tcp dport 5269 accept", true },
        { "meta skuid \"sallyport-s2s\" tcp dport 5269 accept", true },
        { "meta skuid \"sallyport-s2s\" ip daddr { 192.0.2.1 } udp dport 53 accept", true },
        { "meta skuid { \"sallyport-s2s\" } jump ours", true },
        { "123", false },
    };
    struct plan *p = plan_of(HOSTS LEAVES "router \"r\" { host = core-b }\n"
                                          "s2s \"s2s-1\" { host = gate-b }\n" PERIMETER);
    struct plan_bundle b = { 0 };
    struct buf why = { 0 }, nft = { 0 };
    bool is_free = false;

    (void)state;
    assert_int_equal(plan_check_version(p, &why), ERR_UNSUPPORTED);
    assert_true(holds(&why, "s2s \"s2s-1\": the program sallyport-s2s is not part"));
    plan_write_nft(p, plan_host(p->conf, "gate-b"), &nft);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (holds(&nft, rules[i].line) != rules[i].is_there)
            fail_msg("rule %zu: %.*s", i, (int)nft.n, nft.p);
    /* Its units are ready for the day: it may reach any address, by the ports of the firewall. */
    plan_write_units(p, plan_host(p->conf, "gate-b"), &b);
    for (size_t i = 0; i < b.count; i++)
        is_free |= holds(&b.files[i]->content, "IPAddressAllow=any any 192.0.2.1");
    assert_true(is_free);
    plan_bundle_fini(&b);
    buf_fini(&why);
    buf_fini(&nft);
    plan_free(p);
}

static void audit_events_are_forwarded_where_a_collector_is_planned(void **state)
{
    static const struct {
        const char *service, *settings;
        bool is_forwarding, is_ours;
    } rows[] = {
        { "", "", false, false },
        { SERVICE("log", "syslog", "office", "10.2.0.2"), "", true, true },
        { SERVICE("log", "syslog", "dmz", "192.0.2.2"), "", false, false }, /* not of its zone */
        { SERVICE("ntp", "ntp", "office", "10.2.0.2"), "", false, false },
        { SERVICE("log", "syslog", "office", "10.2.0.2"),
          "settings = { 'audit_forward = journal' }", true, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = { 0 }, file = { 0 };
        struct plan *p;

        buf_printf(&text,
                   HOSTS "c2s \"c\" { host = gate }\nrouter \"r\" { host = core-b }\n"
                         "sm \"s\" { host = core %s }\n%s%c",
                   rows[i].settings, rows[i].service, '\0');
        p = plan_of(text.p);
        plan_write_process(p, plan_node(p, STR("s")), &file);
        assert_int_equal(holds(&file, "audit_forward"), rows[i].is_forwarding);
        assert_int_equal(holds(&file, "audit_forward = \"syslog\"\n"), rows[i].is_ours);
        plan_free(p);
        buf_fini(&text);
        buf_fini(&file);
    }
}

static void only_a_server_connection_manager_asks_the_dns_through_our_rules(void **state)
{
    static const char *const hosts[] = { "gate", "core", "core-b" };
    struct plan *p = plan_of(HOSTS LEAVES "router \"r\" { host = core-b }\n"
                                          "s2s \"s2s-1\" { host = gate-b }\n" PERIMETER);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct buf nft = { 0 };

        plan_write_nft(p, plan_host(p->conf, hosts[i]), &nft);
        assert_false(holds(&nft, "dport 53 "));
        buf_fini(&nft);
    }
    plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_c2s_is_inside_when_it_and_every_router_are),
        cmocka_unit_test(what_is_on_through_a_dmz_is_told_loudly),
        cmocka_unit_test(every_kind_of_service_has_its_flows),
        cmocka_unit_test(a_server_connection_manager_is_explained_and_not_installed),
        cmocka_unit_test(audit_events_are_forwarded_where_a_collector_is_planned),
        cmocka_unit_test(only_a_server_connection_manager_asks_the_dns_through_our_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
