/* Control elements from hostile peers, and from newer releases. */
#include "tests/unit/control_parts.h"

enum element { PEERS, SLOTS, HOSTS, OPEN, RESTART, END, SYNC, SYNCED, ADOPT };

static enum err read_any(struct fixture *f, enum element which, const struct xml *x)
{
    union {
        struct control_peers peers;
        struct control_slots slots;
        struct control_hosts hosts;
        struct control_open open;
        struct control_end end;
        struct control_sync sync;
        struct control_synced synced;
        struct control_adopt adopt;
    } out;
    struct str a, b, c;
    enum err e;

    switch (which) {
    case PEERS: return control_read_peers(x, &f->arena, &out.peers);
    case SLOTS: return control_read_slots(x, &f->arena, &out.slots);
    case HOSTS: return control_read_hosts(x, &f->arena, &out.hosts);
    case OPEN: return control_read_open(x, &f->arena, &out.open);
    case RESTART: return control_read_restart(x, &a, &b, &c);
    case END: return control_read_end(x, &out.end);
    case SYNC: return control_read_sync(x, &f->arena, &out.sync);
    case ADOPT: return control_read_adopt(x, STR("key"), &f->arena, &out.adopt);
    case SYNCED: break;
    }
    e = control_read_synced(x, &f->arena, &out.synced);
    if (e == ERR_OK)
        control_synced_fini(&out.synced);
    return e;
}

static void what_a_hostile_peer_writes_is_malformed(void **state)
{
    static const struct {
        enum element which;
        const char *text;
    } rows[] = {
        { PEERS, "<peers/>" },
        { PEERS, "<slots " NS "/>" },
        { PEERS, "<peers " NS " all='yes'/>" },
        { PEERS, "<peers " NS "><peer role='c2s' up='1'/></peers>" },
        { PEERS, "<peers " NS "><peer name='' role='c2s' up='1'/></peers>" },
        { PEERS, "<peers " NS "><peer name='x' role='king' up='1'/></peers>" },
        { PEERS, "<peers " NS "><peer name='x' role='c2s' up='2'/></peers>" },
        { PEERS, "<peers " NS "><peer name='x' role='c2s' up='1' instance='12'/></peers>" },
        { PEERS, "<peers " NS "><peer name='x' role='c2s' up='1' instance='0123456789ABCDEF'/></peers>" },
        { SLOTS, "<slots " NS " key='00' e='1'/>" },
        { SLOTS, "<slots " NS " key='" SID "'/>" },
        { SLOTS, "<slots " NS " key='" SID "' e='-1'/>" },
        { SLOTS, "<slots " NS " key='" SID "' e='18446744073709551616'/>" },
        { SLOTS, "<slots " NS " key='" SID "' e='1'><own from='0' to='1024'/></slots>" },
        { SLOTS, "<slots " NS " key='" SID "' e='1'><own from='2' to='1'/></slots>" },
        { SLOTS, "<slots " NS " key='" SID "' e='1'><own from='2'/></slots>" },
        { SLOTS, "<slots " NS " key='" SID "' e='1'><host/></slots>" },
        { HOSTS, "<hosts " NS "/>" },
        { HOSTS, "<hosts " NS " v='1'><host name='x' tls='maybe'/></hosts>" },
        { HOSTS, "<hosts " NS " v='1'><host name='x' tls='required'/></hosts>" },
        { OPEN, "<open " NS " host='x'/>" },
        { OPEN, "<open " NS " host='' addr='y'/>" },
        { OPEN, "<open " NS " host='x' addr='y' lost='true'/>" },
        { OPEN, "<open " NS " host='x' addr='y'><cb type='tls-exporter'>***</cb></open>" },
        { OPEN, "<open " NS " host='x' addr='y'><cb type='tls-exporter'/></open>" },
        { OPEN, "<open " NS " host='x' addr='y'><cb type='tls-unique'>eA==</cb><cb type='tls-unique'>eA==</cb></open>" },
        { RESTART, "<restart " NS "/>" },
        { END, "<end " NS "/>" },
        { END, "<end " NS " why='because'/>" },
        { SYNC, "<sync " NS "><s id='" SID "' conn='" CONN "'/></sync>" },
        { SYNC, "<sync " NS " e='1'><s id='" SID "'/></sync>" },
        { SYNC, "<sync " NS " e='1'><s id='" SID "0' conn='" CONN "'/></sync>" },
        { SYNC, "<sync " NS " e='1'><s id='" SID "' conn='0123456789abcdef-'/></sync>" },
        { SYNC, "<sync " NS " e='1'><s id='" SID "' conn='0123456789abcdef-1/x'/></sync>" },
        { SYNCED, "<synced " NS "/>" },
        { SYNCED, "<synced " NS " e='1'><gone/></synced>" },
        { SYNCED, "<synced " NS " e='1'><s id='" SID "' h='1' n='1'/></synced>" },
        { SYNCED, "<synced " NS " e='1'><s id='" SID "' h='1' n='1' w='x'/></synced>" },
        { SYNCED, "<synced " NS " e='1'><s id='" SID "' h='1' n='1' w='1'>1:" SID ".1.1 2</s></synced>" },
        { SYNCED, "<synced " NS " e='1'><s id='" SID "' h='1' n='1' w='1'>1:" SID ".1</s></synced>" },
        { SYNCED, "<synced " NS " e='1'><s id='" SID "' h='1' n='1' w='1'>1:" SID ".1.1  2:" SID ".1.1</s></synced>" },
        { SYNCED, "<synced " NS " e='1'><s id='" SID "' h='1' n='1' w='1'>:" SID ".1.1</s></synced>" },
        { ADOPT, "<adopt " NS "/>" },
        { ADOPT, "<adopt " NS " account='a' c2s='c' conn='x' mechanism='m' e='1' nonce='" SID "' expires='1' mac='" SID SID "'/>" },
        { ADOPT, "<adopt " NS " account='a' c2s='c' conn='" CONN "' mechanism='m' e='1' nonce='" SID "' expires='-1' mac='" SID SID "'/>" },
        { ADOPT, "<adopt " NS " account='a' c2s='c' conn='" CONN "' mechanism='m' e='1' nonce='" SID "' expires='1' mac='" SID "'/>" },
        { ADOPT, "<adopt " NS " account='a' c2s='c' conn='" CONN "' mechanism='m' e='1' nonce='" SID "' expires='1' data='=' mac='" SID SID "'/>" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (read_any(f, rows[i].which, parse(f, str_from(rows[i].text))) != ERR_MALFORMED)
            fail_msg("accepted: %s", rows[i].text);
}

static void what_is_not_known_is_ignored(void **state)
{
    static const struct {
        enum element which;
        const char *text;
    } rows[] = {
        { PEERS, "<peers " NS " new='1'>text<other/><peer name='x' role='s2s' up='1' new='2'/><peer xmlns='urn:x'/></peers>" },
        { SLOTS, "<slots " NS " key='" SID "' e='1'><new/></slots>" },
        { OPEN, "<open " NS " host='x' addr='y' new='z'><cb type='tls-newest'>eA==</cb><new/></open>" },
        { END, "<end " NS " why='closed'><new/></end>" },
        { SYNC, "<sync " NS " e='1'><new/></sync>" },
        { SYNCED, "<synced " NS " e='1'><new/><gone id='" SID "'/></synced>" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (read_any(f, rows[i].which, parse(f, str_from(rows[i].text))) != ERR_OK)
            fail_msg("refused: %s", rows[i].text);
}

static void more_copies_than_a_gate_may_have_are_refused(void **state)
{
    struct fixture *f = *state;
    struct control_synced out;

    buf_add(&f->out, STR("<synced " NS " e='1'><s id='" SID "' h='0' n='9999' w='9999'>"));
    for (unsigned n = 1; n <= CHANNEL_MAX_UNFINAL + 1; n++)
        buf_printf(&f->out, "%s%u:" SID ".%u.1", n > 1 ? " " : "", n, n);
    buf_add(&f->out, STR("</s></synced>"));
    assert_int_equal(control_read_synced(written(f), &f->arena, &out), ERR_MALFORMED);
}

static void more_entries_than_the_limit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct control_slots out;

    buf_add(&f->out, STR("<slots " NS " key='" SID "' e='1'>"));
    for (unsigned n = 0; n <= CONTROL_MAX_ENTRIES; n++)
        buf_add(&f->out, STR("<host name='x'/>"));
    buf_add(&f->out, STR("</slots>"));
    assert_int_equal(control_read_slots(written(f), &f->arena, &out), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(what_a_hostile_peer_writes_is_malformed),
        WITH_FIXTURE(what_is_not_known_is_ignored),
        WITH_FIXTURE(more_copies_than_a_gate_may_have_are_refused),
        WITH_FIXTURE(more_entries_than_the_limit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
