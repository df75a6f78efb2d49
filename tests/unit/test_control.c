/* Control elements: what a writer wrote, its reader reads, and nobody else can have written it (adopt). */
#include "tests/unit/control_parts.h"

static void assert_str(struct str got, const char *expected)
{
    if (!expected) {
        assert_false(str_is_set(got));
        return;
    }
    assert_true(str_is_set(got));
    assert_int_equal(got.n, strlen(expected));
    assert_memory_equal(got.p, expected, got.n);
}

/* --- round trips ------------------------------------------------------------------------------------------------- */

static void peers_are_read_as_written(void **state)
{
    struct fixture *f = *state;
    struct control_peer rows[] = {
        { STR("c2s-1.example"), STR("0123456789abcdef"), STR("c2s"), true },
        { STR("games.example"), STR_NONE, STR("component"), false },
    };
    struct control_peers in = { true, rows, 2 }, out;

    control_write_peers(&f->out, &in);
    assert_int_equal(control_read_peers(written(f), &f->arena, &out), ERR_OK);
    assert_true(out.is_all);
    assert_int_equal(out.count, 2);
    assert_str(out.peers[0].name, "c2s-1.example");
    assert_str(out.peers[0].instance, "0123456789abcdef");
    assert_str(out.peers[0].role, "c2s");
    assert_true(out.peers[0].is_up);
    assert_str(out.peers[1].role, "component");
    assert_str(out.peers[1].instance, NULL);
    assert_false(out.peers[1].is_up);
}

static void slots_are_read_as_written(void **state)
{
    static const uint16_t owned[] = { 0, 1, 2, 500, 1022, 1023 };
    struct fixture *f = *state;
    struct str hosts[] = { STR("example.com"), STR("b\xc3\xbc" "cher.example") };
    struct control_slots in = { .key = { 1, 2, 255 }, .epoch = UINT64_MAX, .hosts = hosts, .host_count = 2 }, out;

    for (size_t i = 0; i < ARRAY_LEN(owned); i++)
        in.owned[owned[i] / 8] |= (uint8_t)(1u << (owned[i] % 8));
    control_write_slots(&f->out, &in);
    assert_int_equal(control_read_slots(written(f), &f->arena, &out), ERR_OK);
    assert_memory_equal(out.key, in.key, sizeof in.key);
    assert_memory_equal(out.owned, in.owned, sizeof in.owned);
    assert_true(out.epoch == UINT64_MAX);
    assert_int_equal(out.host_count, 2);
    assert_str(out.hosts[1], "b\xc3\xbc" "cher.example");
}

static void slot_of_an_address_depends_on_the_key_and_stays_below_the_count(void **state)
{
    uint8_t key[16] = { 7 }, other[16] = { 8 };
    unsigned differ = 0;

    (void)state;
    for (char c = 'a'; c <= 'z'; c++) {
        struct str bare = str_of(&c, 1);

        assert_true(control_slot_of(key, bare) < SLOT_COUNT);
        assert_int_equal(control_slot_of(key, bare), control_slot_of(key, bare));
        differ += control_slot_of(key, bare) != control_slot_of(other, bare);
    }
    assert_true(differ > 20);
}

static void hosts_are_read_as_written(void **state)
{
    struct fixture *f = *state;
    struct control_host host = { STR("example.com"), true, true, 1, 2, 3, 4, 5, 6, 7, 8 };
    struct control_hosts in = { 12, &host, 1 }, out;

    control_write_hosts(&f->out, &in);
    assert_int_equal(control_read_hosts(written(f), &f->arena, &out), ERR_OK);
    assert_int_equal(out.version, 12);
    assert_int_equal(out.count, 1);
    assert_str(out.hosts[0].name, "example.com");
    assert_true(out.hosts[0].is_tls_required && out.hosts[0].is_registration_open);
    assert_int_equal(out.hosts[0].max_stanza_bytes, 1);
    assert_int_equal(out.hosts[0].max_stanza_bytes_before, 2);
    assert_int_equal(out.hosts[0].max_depth, 3);
    assert_int_equal(out.hosts[0].max_attributes, 4);
    assert_int_equal(out.hosts[0].bytes_per_second, 5);
    assert_int_equal(out.hosts[0].stanzas_per_second, 6);
    assert_int_equal(out.hosts[0].auth_timeout_ms, 7);
    assert_int_equal(out.hosts[0].idle_timeout_ms, 8);
}

static void open_is_read_as_written(void **state)
{
    struct fixture *f = *state;
    struct control_open in = {
        .host = STR("example.com"), .addr = STR("[::1]:5222"), .from = STR("o'neill&\"<\xc3\xa4>"), .is_lost = true,
        .tls = STR("TLS1.3"), .cb_exporter = STR("\0\1\2\xff"), .cb_end_point = STR("x"), .chain = STR("-----BEGIN\nA==\n"),
    };
    struct control_open out;

    control_write_open(&f->out, &in);
    assert_int_equal(control_read_open(written(f), &f->arena, &out), ERR_OK);
    assert_str(out.host, "example.com");
    assert_str(out.addr, "[::1]:5222");
    assert_str(out.from, "o'neill&\"<\xc3\xa4>");
    assert_str(out.lang, NULL);
    assert_true(out.is_lost);
    assert_str(out.tls, "TLS1.3");
    assert_str(out.sni, NULL);
    assert_int_equal(out.cb_exporter.n, 4);
    assert_memory_equal(out.cb_exporter.p, "\0\1\2\xff", 4);
    assert_str(out.cb_end_point, "x");
    assert_str(out.cb_unique, NULL);
    assert_str(out.chain, "-----BEGIN\nA==\n");
}

static void a_chain_has_a_limit(void **state)
{
    struct fixture *f = *state;
    char *text = mem_alloc(CONTROL_MAX_CHAIN + 1);
    struct control_open in = { .host = STR("example.com"), .addr = STR("[::1]:5222") }, out;

    memset(text, 'A', CONTROL_MAX_CHAIN + 1);
    in.chain = str_of(text, CONTROL_MAX_CHAIN);
    control_write_open(&f->out, &in);
    assert_int_equal(control_read_open(written(f), &f->arena, &out), ERR_OK);
    assert_int_equal(out.chain.n, CONTROL_MAX_CHAIN);
    in.chain.n++;
    buf_clear(&f->out);
    control_write_open(&f->out, &in);
    assert_int_equal(control_read_open(written(f), &f->arena, &out), ERR_LIMIT);
    mem_free(text);
}

static void restart_and_end_are_read_as_written(void **state)
{
    static const struct control_end ends[] = {
        { CONTROL_END_CLOSED, STREAM_OK, { NULL, 0 } },
        { CONTROL_END_LOST, STREAM_OK, { NULL, 0 } },
        { CONTROL_END_TIMEOUT, STREAM_CONNECTION_TIMEOUT, { NULL, 0 } },
        { CONTROL_END_ERROR, STREAM_POLICY_VIOLATION, { "too <large>", 11 } },
    };
    struct fixture *f = *state;
    struct str host, lang, from;

    control_write_restart(&f->out, STR("example.com"), STR("de"), STR_NONE);
    assert_int_equal(control_read_restart(written(f), &host, &lang, &from), ERR_OK);
    assert_str(host, "example.com");
    assert_str(lang, "de");
    assert_str(from, NULL);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct control_end out;

        buf_clear(&f->out);
        control_write_end(&f->out, &ends[i]);
        assert_int_equal(control_read_end(written(f), &out), ERR_OK);
        assert_int_equal(out.why, ends[i].why);
        assert_int_equal(out.error, ends[i].error);
        assert_str(out.text, ends[i].text.p);
    }
}

static void condition_of_a_newer_release_is_undefined(void **state)
{
    struct fixture *f = *state;
    struct control_end out;
    struct str text = STR("<end " NS " why='error'><brand-new xmlns='" NS_STREAM_ERRORS "'/><other/></end>");

    assert_int_equal(control_read_end(parse(f, text), &out), ERR_OK);
    assert_int_equal(out.error, STREAM_UNDEFINED_CONDITION);
}

static void sync_is_read_as_written(void **state)
{
    struct fixture *f = *state;
    struct control_sync_entry rows[] = { { STR(SID), STR(CONN) }, { STR(SID), STR("ffffffffffffffff-1") } };
    struct control_sync in = { 8, true, rows, 2 }, out;

    control_write_sync(&f->out, &in);
    assert_int_equal(control_read_sync(written(f), &f->arena, &out), ERR_OK);
    assert_int_equal(out.epoch, 8);
    assert_true(out.has_more);
    assert_int_equal(out.count, 2);
    assert_str(out.entries[0].session, SID);
    assert_str(out.entries[1].conn, "ffffffffffffffff-1");
}

static void synced_tells_what_the_gate_has(void **state)
{
    struct fixture *f = *state;
    struct channel_gate g;
    struct control_synced out;
    struct frame_id id = { .count = 77, .part = 4000000000u, .session = { 0xab } };
    struct bytes *b = bytes_new(STR("x"));

    channel_gate_init(&g, 7);
    channel_gate_push(&g, b);
    channel_gate_push(&g, b);
    channel_gate_confirm(&g, 7, 1, 0);
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(channel_gate_down(&g, 7, n, n == 2 ? NULL : &id), CHANNEL_TAKE);
    channel_gate_written(&g, 2);
    control_write_synced_begin(&f->out, 8);
    control_write_synced_gate(&f->out, STR(SID), &g);
    control_write_synced_gone(&f->out, STR("ffffffffffffffffffffffffffffffff"));
    control_write_synced_end(&f->out);
    assert_int_equal(control_read_synced(written(f), &f->arena, &out), ERR_OK);
    assert_int_equal(out.epoch, 8);
    assert_int_equal(out.count, 2);
    assert_str(out.entries[0].session, SID);
    assert_false(out.entries[0].is_gone);
    assert_int_equal(out.entries[0].numbers.up_taken, 1);
    assert_int_equal(out.entries[0].numbers.down_last, 3);
    assert_int_equal(out.entries[0].numbers.down_written, 2);
    assert_int_equal(out.entries[0].numbers.copy_count, 2);
    assert_int_equal(out.entries[0].numbers.copies[1].n, 3);
    assert_true(frame_id_eq(&out.entries[0].numbers.copies[1].id, &id));
    assert_true(out.entries[1].is_gone);
    control_synced_fini(&out);
    channel_gate_fini(&g);
    bytes_unref(b);
}

/* --- adopt ------------------------------------------------------------------------------------------------------- */

static const struct control_adopt adoption = {
    .account = { "juliet@example.com", 18 }, .c2s = { "c2s-1", 5 }, .conn = { CONN, sizeof CONN - 1 },
    .mechanism = { "SCRAM-SHA-256", 13 }, .success_data = { "v=abc", 5 }, .addr = { "192.0.2.1:1", 11 },
    .tls = { "TLS1.3", 6 }, .cipher = { "AES", 3 }, .slot_epoch = 9, .nonce = { 1, 2, 3 }, .expires = 1700000000,
};

static void adopt_is_read_as_written_by_who_has_the_key(void **state)
{
    struct fixture *f = *state;
    struct control_adopt out;

    control_write_adopt(&f->out, &adoption, STR("key"));
    assert_int_equal(control_read_adopt(written(f), STR("key"), &f->arena, &out), ERR_OK);
    assert_str(out.account, "juliet@example.com");
    assert_str(out.conn, CONN);
    assert_str(out.success_data, "v=abc");
    assert_str(out.lang, NULL);
    assert_int_equal(out.slot_epoch, 9);
    assert_int_equal(out.expires, 1700000000);
    assert_memory_equal(out.nonce, adoption.nonce, sizeof out.nonce);
    assert_int_equal(control_read_adopt(written(f), STR("kez"), &f->arena, &out), ERR_DENIED);
}

static void empty_success_data_is_not_absent(void **state)
{
    struct fixture *f = *state;
    struct control_adopt in = adoption, out;

    in.success_data = STR("");
    control_write_adopt(&f->out, &in, STR("key"));
    assert_int_equal(control_read_adopt(written(f), STR("key"), &f->arena, &out), ERR_OK);
    assert_str(out.success_data, "");
}

/* Each attribute, changed by one character, dropped or moved to another, is refused. */
static void adopt_that_was_altered_is_refused(void **state)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        { "juliet@", "romeo@@" }, { "c2s-1", "c2s-2" }, { "-42'", "-43'" }, { "SHA-256", "SHA-512" }, { "192.0.2.1", "192.0.2.2" },
        { "TLS1.3", "TLS1.2" },   { "AES", "RC4" },     { " e='9'", " e='8'" }, { "nonce='01", "nonce='02" }, { "1700000000", "1700000001" },
        { "data='dj1hYmM='", "data='dj1hYmQ='" }, { " data='dj1hYmM='", "" }, { "mac='", "lang='de' mac='" }, { " cipher='AES'", "" },
        { " addr='192.0.2.1:1' tls='TLS1.3'", " addr='192.0.2.1:1TLS1.3'" },
    };
    struct fixture *f = *state;
    struct control_adopt out;

    control_write_adopt(&f->out, &adoption, STR("key"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf altered = { 0 };
        const char *at;

        buf_add_char(&f->out, '\0');
        at = strstr(f->out.p, rows[i].from);
        assert_non_null(at);
        f->out.n--;
        buf_add(&altered, str_of(f->out.p, (size_t)(at - f->out.p)));
        buf_add(&altered, str_from(rows[i].to));
        at += strlen(rows[i].from);
        buf_add(&altered, str_of(at, f->out.n - (size_t)(at - f->out.p)));
        assert_int_equal(control_read_adopt(parse(f, buf_str(&altered)), STR("key"), &f->arena, &out), ERR_DENIED);
        buf_fini(&altered);
    }
}

static void bounce_names_its_reason(void **state)
{
    struct fixture *f = *state;
    const struct xml *x;

    control_write_bounce(&f->out, "no-peer");
    x = written(f);
    assert_true(xml_is(x, NS_LINK, "bounce"));
    assert_str(xml_attr(x, "reason"), "no-peer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(peers_are_read_as_written),
        WITH_FIXTURE(slots_are_read_as_written),
        WITH_FIXTURE(slot_of_an_address_depends_on_the_key_and_stays_below_the_count),
        WITH_FIXTURE(hosts_are_read_as_written),
        WITH_FIXTURE(open_is_read_as_written),
        WITH_FIXTURE(a_chain_has_a_limit),
        WITH_FIXTURE(restart_and_end_are_read_as_written),
        WITH_FIXTURE(condition_of_a_newer_release_is_undefined),
        WITH_FIXTURE(sync_is_read_as_written),
        WITH_FIXTURE(synced_tells_what_the_gate_has),
        WITH_FIXTURE(adopt_is_read_as_written_by_who_has_the_key),
        WITH_FIXTURE(empty_success_data_is_not_absent),
        WITH_FIXTURE(adopt_that_was_altered_is_refused),
        WITH_FIXTURE(bounce_names_its_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
