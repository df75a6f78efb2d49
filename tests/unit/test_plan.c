/* The plan: who dials whom by the place of the router, what is refused, and what units and firewall
 * make of the flows. */
#include "tests/unit/plan_bench.h"

static const struct plan_link *link_of(const struct plan *p, const char *router, const char *leaf)
{
    for (size_t i = 0; i < p->link_count; i++)
        if (str_is(p->links[i].router->name, router) && str_is(p->links[i].leaf->name, leaf))
            return &p->links[i];
    fail_msg("no link of %s with %s", router, leaf);
    return NULL;
}

static void who_dials_follows_from_the_zones(void **state)
{
    static const struct {
        const char *router_host, *leaf_line, *leaf, *dialler;
        bool is_unix;
    } rows[] = {
        { "core-b", "c2s \"x\" { host = gate }", "x", "r", false },
        { "core-b", "c2s \"x\" { host = core }", "x", "x", false },
        { "core-b", "sm \"x\" { host = core }", "x", "x", false },
        { "core-b", "sm \"x\" { host = core-b }", "x", "x", true },
        { "gate-b", "c2s \"x\" { host = gate }", "x", "x", false },
        { "gate-b", "c2s \"x\" { host = gate-b link_port = 5299 }", "x", "x", true },
        { "gate-b", "c2s \"x\" { host = core }", "x", "x", false },
        { "gate-b", "sm \"x\" { host = core }", "x", "x", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = { 0 };
        struct plan *p;
        const struct plan_link *l;

        /* Only what the row lacks is added, so that there is one sm. */
        buf_printf(&text, HOSTS "router \"r\" { host = %s }\n%s\n", rows[i].router_host,
                   rows[i].leaf_line);
        buf_add(&text, rows[i].leaf_line[0] == 's' ? STR("c2s \"other\" { host = gate }\n")
                                                   : STR("sm \"other\" { host = core }\n"));
        buf_add_char(&text, '\0');
        p = plan_of(text.p);
        l = link_of(p, "r", rows[i].leaf);
        assert_true(str_is(l->dialler->name, rows[i].dialler));
        assert_true(l->listener == plan_other(l, l->dialler));
        assert_int_equal(l->is_unix, rows[i].is_unix);
        plan_free(p);
        buf_fini(&text);
    }
}

static void no_flow_between_processes_leads_from_a_dmz_to_the_inside(void **state)
{
    static const char *const hosts[] = { "gate", "gate-b", "core", "core-b" };

    (void)state;
    for (size_t r = 0; r < 4; r++) {
        for (size_t c = 0; c < 4; c++) {
            struct buf text = { 0 };
            struct plan *p;

            buf_printf(
                &text,
                HOSTS
                "router \"r\" { host = %s }\nc2s \"c\" { host = %s }\nsm \"s\" { host = core }\n%c",
                hosts[r], hosts[c], '\0');
            p = plan_of(text.p);
            for (size_t i = 0; i < p->flow_count; i++) {
                const struct plan_flow *f = &p->flows[i];

                assert_false(str_is(f->from.zone, "dmz") && str_is(f->to.zone, "office"));
                assert_true(f->why.n > 0 && f->identity.n > 0 && f->carries.n > 0);
            }
            plan_free(p);
            buf_fini(&text);
        }
    }
}

static void what_cannot_be_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        { HOSTS LEAVES, "router: expected at least one section" },
        { HOSTS LEAVES "router \"c2s-1\" { host = core }", "another process has this name" },
        { HOSTS LEAVES "router \"R 1\" { host = core }", "lower-case letters" },
        { HOSTS LEAVES
          "router \"r\" { host = core link_port = 5347 }\nrouter \"q\" { host = core }",
          "is also that of" },
        { HOSTS LEAVES "router \"r\" { host = elsewhere }", "there is no section host" },
        { HOSTS LEAVES "router \"r\" { host = core user = root }", "other than root" },
        { HOSTS LEAVES "router \"r\" { host = core log_level = loud }",
          "expected error, warn, info or debug" },
        { HOSTS
          "c2s \"c2s-1\" { host = gate }\nsm \"s\" { host = gate }\nrouter \"r\" { host = core }",
          "belong in a private zone" },
        { HOSTS LEAVES "sm \"sm-2\" { host = core-b }\nrouter \"r\" { host = gate }",
          "needs a router in a private zone" },
        { HOSTS LEAVES
          "router \"r\" { host = core }\nc2s \"d\" { host = gate-b clients = { \"10.0.0.0/33\" } }",
          "expected networks" },
        { HOSTS LEAVES "router \"r\" { host = core }\nservice \"n\" { kind = ntp zone = office "
                       "address = { \"10.0.0.1\" } hosts = { gate } }",
          "from a dmz to the inside" },
        { HOSTS LEAVES "router \"r\" { host = core }\nservice \"n\" { kind = monitoring zone = dmz "
                       "address = { \"192.0.2.9\" } hosts = { core } }",
          "from a dmz to the inside" },
        { HOSTS LEAVES "router \"r\" { host = core }\nservice \"n\" { kind = ntp zone = moon "
                       "address = { \"10.0.0.1\" } }",
          "there is no section zone" },
        { HOSTS LEAVES "router \"r\" { host = core }\ncomponent \"c.example\" { zone = dmz address "
                       "= { \"192.0.2.9\" } }",
          "inwards" },
        { HOSTS LEAVES "router \"r\" { host = core }\ns2s \"s\" { host = core }",
          "it belongs in a dmz" },
        { HOSTS LEAVES "router \"r\" { host = core }\ns2s \"s\" { host = gate-b }",
          "a service of kind dns is needed that host gate-b may ask" },
        { HOSTS LEAVES "router \"r\" { host = core }\ns2s \"s\" { host = gate-b starttls_port = 0 "
                       "tls_port = 0 }",
          "no port where strangers" },
        { HOSTS LEAVES
          "router \"r\" { host = core }\ndomain \"b.example\" { mechanisms = { PLAIN } }",
          "nobody could log in through c2s-1" },
        { HOSTS LEAVES "router \"r\" { host = core }\ndomain \"b.example\" { mechanisms_dmz = { "
                       "SCRAM-SHA-1-PLUS } }",
          "without -PLUS" },
        { HOSTS LEAVES "router \"r\" { host = core }\nconfig_dir = \"/etc/a b\"", "absolute path" },
        { HOSTS LEAVES "router \"r\" { host = core }\nconfig_dir = \"/etc/x%i\"", "absolute path" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct plan *p = NULL;
        struct buf why = { 0 };

        assert_int_equal(open_text(rows[i].text, &p, &why), ERR_MALFORMED);
        if (!holds(&why, rows[i].sentence))
            fail_msg("row %zu: %.*s", i, (int)why.n, why.p);
        buf_fini(&why);
    }
}

static void several_session_managers_are_explained_when_a_router_is_inside(void **state)
{
    struct plan *p = plan_of(HOSTS LEAVES "sm \"sm-2\" { host = core-b }\nrouter \"r\" { host = "
                                          "gate }\nrouter \"q\" { host = core }");
    struct buf why = { 0 }, warnings = { 0 };

    (void)state;
    assert_int_equal(p->link_count, 6);
    assert_int_equal(plan_check_version(p, &why), ERR_UNSUPPORTED);
    assert_true(holds(&why, "sm \"sm-2\": ") && holds(&why, "embedded database") &&
                holds(&why, "Leave one section sm"));
    plan_warn(p, &warnings);
    assert_true(holds(&warnings, "WARNING: explained, but not installed: sm \"sm-2\""));
    buf_fini(&why);
    buf_fini(&warnings);
    plan_free(p);
}

static void nft_of(const char *text, const char *host, struct buf *out)
{
    struct plan *p = plan_of(text);

    plan_write_nft(p, plan_host(p->conf, host), out);
    plan_free(p);
}

static void the_firewall_lets_through_what_is_declared_and_nothing_of_ours_besides(void **state)
{
    static const char text[] =
        HOSTS LEAVES "router \"r\" { host = core }\n"
                     "service \"ldap\" { kind = ldap zone = office address = { \"10.2.0.9\" } }\n"
                     "service \"ntp\" { kind = ntp zone = office address = { \"10.2.0.1\" } }\n";
    static const struct {
        const char *host, *line;
        bool is_there;
    } rows[] = {
        { "gate", "table inet sallyport\ndelete table inet sallyport\n", true },
        { "gate", "ip saddr { 10.2.0.5 } ip daddr { 10.1.0.10 } tcp dport 5275 accept", true },
        { "gate", "ip6 daddr { 2001:db8::10 } tcp dport 5222 accept", true },
        { "gate", "tcp dport { 5222, 5223, 5275 } counter drop", true },
        { "gate", "meta skuid { \"sallyport-c2s\" } jump ours", true },
        { "gate", "meta skuid \"sallyport-c2s\" ip", false }, /* it dials nobody */
        { "gate", "tcp sport { 5222, 5223, 5275 } tcp flags & (syn | ack) != syn accept", true },
        { "gate", "dport 22", false },
        { "core", "meta skuid \"sallyport-router\" ip daddr { 10.1.0.10 } tcp dport 5275 accept",
          true },
        { "core", "meta skuid \"sallyport-sm\" ip daddr { 10.2.0.9 } tcp dport 636 accept", true },
        { "core", "dport 123", false }, /* the host's own, not ours */
        { "core", "sport", false },     /* nobody dials it */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = { 0 };

        nft_of(text, rows[i].host, &out);
        if (holds(&out, rows[i].line) != rows[i].is_there)
            fail_msg("row %zu: %.*s", i, (int)out.n, out.p);
        buf_fini(&out);
    }
}

static void a_process_that_dials_nobody_gets_no_network(void **state)
{
    static const struct {
        const char *router_host, *unit, *line;
        bool is_there;
    } rows[] = {
        { "core", "sallyport-c2s@c2s-1.service.d", "PrivateNetwork=yes", true },
        { "core", "sallyport-c2s@c2s-1.service.d", "RestrictAddressFamilies=AF_UNIX\n", true },
        { "core", "sallyport-sm@sm-1.service.d", "PrivateNetwork=yes", true },
        { "core", "sallyport-router@r.service.d", "PrivateNetwork=yes", false },
        { "core", "sallyport-router@r.service.d", "IPAddressAllow=10.1.0.10\n", true },
        { "gate-b", "sallyport-c2s@c2s-1.service.d", "PrivateNetwork=yes", false },
        { "gate-b", "sallyport-c2s@c2s-1.service.d", "IPAddressAllow=192.0.2.11\n", true },
        { "gate-b", "sallyport-router@r.service.d", "PrivateNetwork=yes", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = { 0 };
        struct plan *p;
        size_t seen = 0;

        buf_printf(&text, HOSTS LEAVES "router \"r\" { host = %s }\n%c", rows[i].router_host, '\0');
        p = plan_of(text.p);
        for (size_t h = 0; h < p->conf->hosts.count; h++) {
            struct plan_bundle b = { 0 };

            plan_write_units(p, &((struct plan_host_conf *)p->conf->hosts.items)[h], &b);
            for (size_t f = 0; f < b.count; f++) {
                if (!memmem(b.files[f]->path.p, b.files[f]->path.n, rows[i].unit,
                            strlen(rows[i].unit)))
                    continue;
                seen++;
                assert_int_equal(holds(&b.files[f]->content, rows[i].line), rows[i].is_there);
            }
            plan_bundle_fini(&b);
        }
        assert_int_equal(seen, 1);
        plan_free(p);
        buf_fini(&text);
    }
}

static void a_host_is_told_its_own_flows_alone(void **state)
{
    struct plan *p = plan_of(HOSTS LEAVES "router \"r\" { host = core }\n");
    struct buf out = { 0 };

    (void)state;
    plan_explain_flows(p, "gate", PLAN_JSON, &out);
    assert_true(holds(&out, "\"c2s-1\"") && holds(&out, "\"r\""));
    assert_false(holds(&out, "sm-1"));
    buf_fini(&out);
    plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_dials_follows_from_the_zones),
        cmocka_unit_test(no_flow_between_processes_leads_from_a_dmz_to_the_inside),
        cmocka_unit_test(what_cannot_be_is_refused_with_a_sentence),
        cmocka_unit_test(several_session_managers_are_explained_when_a_router_is_inside),
        cmocka_unit_test(the_firewall_lets_through_what_is_declared_and_nothing_of_ours_besides),
        cmocka_unit_test(a_process_that_dials_nobody_gets_no_network),
        cmocka_unit_test(a_host_is_told_its_own_flows_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
