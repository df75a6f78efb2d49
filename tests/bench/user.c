#include "tests/bench/user.h"

#include "tests/bench/load.h"

#include <stdio.h>
#include <string.h>

static const struct scan_limits limits = { 1 << 20, 64, 64 };

struct str user_attribute(struct str element, const char *name)
{
    const char *tag_end = memchr(element.p, '>', element.n);
    struct str tag = str_of(element.p, tag_end ? (size_t)(tag_end - element.p) : 0);
    char start[32];
    size_t n = (size_t)snprintf(start, sizeof start, " %s=", name);
    const char *found = memmem(tag.p, tag.n, start, n);
    const char *value = found ? found + n + 1 : NULL;
    const char *end =
        value && value < tag_end ? memchr(value, value[-1], (size_t)(tag_end - value)) : NULL;

    return end ? str_of(value, (size_t)(end - value)) : STR_NONE;
}

static void failed(struct user *u, const char *why)
{
    struct load *l = u->load;

    if (u->phase == USER_CLOSED)
        return;
    user_stop(u);
    l->failures++;
    if (l->events.on_failed)
        l->events.on_failed(u, why);
}

static void send_text(struct user *u, const char *text)
{
    conn_write(u->conn, str_from(text));
}

static void open_stream(struct user *u)
{
    char text[300];

    u->has_stream = false;
    u->scan = (struct scan){ 0 };
    buf_clear(&u->partial);
    snprintf(text, sizeof text,
             "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
             "xmlns:stream='http://etherx.jabber.org/streams' "
             "to='%s' version='1.0'>",
             u->load->domain);
    send_text(u, text);
}

static void begin_plain(struct user *u, const char *name)
{
    struct buf message = { 0 }, out = { 0 };

    buf_add_char(&message, '\0');
    buf_add(&message, str_from(name));
    buf_add_char(&message, '\0');
    buf_add(&message, str_from(u->load->password));
    buf_add(&out, STR("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"));
    buf_add_base64(&out, buf_str(&message));
    buf_add(&out, STR("</auth>"));
    conn_write(u->conn, buf_str(&out));
    buf_fini(&message);
    buf_fini(&out);
    u->phase = USER_SASL;
}

static void send_base64(struct user *u, const char *start, const char *end, struct str bytes)
{
    struct buf out = { 0 };

    buf_add(&out, str_from(start));
    buf_add_base64(&out, bytes);
    buf_add(&out, str_from(end));
    conn_write(u->conn, buf_str(&out));
    buf_fini(&out);
}

static void end_sasl(struct user *u)
{
    scram_fini(&u->scram);
    kerberos_free(u->kerberos);
    u->kerberos = NULL;
}

static void begin_gssapi(struct user *u, const char *name)
{
    struct buf first = { 0 };
    char path[1024];

    snprintf(path, sizeof path, "FILE:%s/%s", u->load->tickets, name);
    kerberos_free(u->kerberos);
    u->kerberos = kerberos_new(path, u->load->domain);
    if (!u->kerberos || kerberos_step(u->kerberos, STR_NONE, &first) != ERR_OK)
        failed(u, "no ticket");
    else
        send_base64(u, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='GSSAPI'>", "</auth>",
                    buf_str(&first));
    buf_fini(&first);
    u->phase = USER_SASL;
}

static enum err answer_challenge(struct user *u, struct str challenge, struct buf *answer)
{
    if (u->kerberos)
        return kerberos_step(u->kerberos, challenge, answer);
    return scram_final(&u->scram, challenge, u->load->password, answer);
}

static void begin_sasl(struct user *u)
{
    struct buf first = { 0 }, out = { 0 };
    char name[64];

    snprintf(name, sizeof name, "%s%d", u->load->prefix, u->number);
    if (u->load->is_plain || u->load->tickets) {
        if (u->load->tickets)
            begin_gssapi(u, name);
        else
            begin_plain(u, name);
        return;
    }
    scram_first(&u->scram, name, u->load->is_sha256, &first);
    buf_printf(&out, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>",
               u->load->is_sha256 ? "SCRAM-SHA-256" : "SCRAM-SHA-1");
    buf_add_base64(&out, buf_str(&first));
    buf_add(&out, STR("</auth>"));
    conn_write(u->conn, buf_str(&out));
    buf_fini(&first);
    buf_fini(&out);
    u->phase = USER_SASL;
}

static struct str text_of(struct str element)
{
    const char *start = memchr(element.p, '>', element.n);
    const char *end = memrchr(element.p, '<', element.n);

    return start && end > start ? str_of(start + 1, (size_t)(end - start - 1)) : STR_NONE;
}

static void on_sasl(struct user *u, struct str element)
{
    struct buf challenge = { 0 }, answer = { 0 };

    if (str_starts_with(element, STR("<success"))) {
        u->phase = USER_RESTARTED;
        open_stream(u);
        return;
    }
    if (!str_starts_with(element, STR("<challenge")) ||
        buf_add_base64_decoded(&challenge, text_of(element)) != ERR_OK ||
        answer_challenge(u, buf_str(&challenge), &answer) != ERR_OK) {
        buf_fini(&challenge);
        buf_fini(&answer);
        failed(u, "authentication");
        return;
    }
    send_base64(u, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>", "</response>", buf_str(&answer));
    buf_fini(&challenge);
    buf_fini(&answer);
}

static void enter_if_complete(struct user *u)
{
    struct load *l = u->load;

    if (u->awaited > 0)
        return;
    u->phase = USER_READY;
    l->ready++;
    if (l->events.on_ready)
        l->events.on_ready(u);
}

static void on_bound(struct user *u)
{
    struct load *l = u->load;

    u->phase = USER_ENTERING;
    u->awaited = l->gets_roster + l->sends_presence;
    end_sasl(u);
    if (l->gets_roster)
        send_text(u, "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
    if (l->sends_presence)
        send_text(u, "<presence/>");
    enter_if_complete(u);
}

static bool is_own(struct user *u, struct str address)
{
    char own[300];

    snprintf(own, sizeof own, "%s%d@%s/", u->load->prefix, u->number, u->load->domain);
    return str_starts_with(address, str_from(own));
}

static void on_entering(struct user *u, struct str element)
{
    if (str_starts_with(element, STR("<iq")) && str_is(user_attribute(element, "id"), "roster"))
        u->awaited--;
    else if (str_starts_with(element, STR("<presence")) &&
             is_own(u, user_attribute(element, "from")))
        u->awaited--;
    enter_if_complete(u);
}

static void on_stanza(struct user *u, struct str element)
{
    struct user_events *events = &u->load->events;

    if (events->on_message && str_starts_with(element, STR("<message")))
        events->on_message(u, element);
    else if (events->on_presence && str_starts_with(element, STR("<presence")))
        events->on_presence(u, element);
}

static void on_element(struct user *u, struct str element)
{
    switch (u->phase) {
    case USER_HEADER:
        begin_sasl(u);
        break;
    case USER_SASL:
        on_sasl(u, element);
        break;
    case USER_RESTARTED:
        send_text(
            u, "<iq type='set' id='b'><bind "
               "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>");
        u->phase = USER_BINDING;
        break;
    case USER_BINDING:
        if (str_is(user_attribute(element, "type"), "result"))
            on_bound(u);
        else
            failed(u, "bind");
        break;
    case USER_ENTERING:
        on_entering(u, element);
        break;
    case USER_READY:
        on_stanza(u, element);
        break;
    default:
        break;
    }
}

/* One finding of the scanner; whole is the element with what had been kept of it. Returns false
 * when there is no more to do. */
static bool on_found(struct user *u, enum scan_found found, struct str whole)
{
    if (found == SCAN_STREAM_OPEN)
        u->has_stream = true;
    else if (found == SCAN_ELEMENT)
        on_element(u, whole);
    else if (found != SCAN_SPACE && found != SCAN_DECLARATION)
        failed(u, "the server ended the stream");
    return u->phase != USER_CLOSED;
}

static void on_data(void *owner, struct conn *c, struct str bytes)
{
    struct user *u = owner;

    (void)c;
    while (bytes.n > 0) {
        size_t used;
        enum scan_found found = scan_next(&u->scan, bytes, u->has_stream, &limits, &used);
        struct str piece = str_of(bytes.p, used);

        bytes = str_of(bytes.p + used, bytes.n - used);
        if (found == SCAN_MORE || u->partial.n > 0)
            buf_add(&u->partial, piece);
        if (found == SCAN_MORE)
            return;
        if (u->partial.n == 0) {
            if (!on_found(u, found, piece))
                return;
            continue;
        }
        struct buf whole = u->partial;

        u->partial = (struct buf){ 0 };
        bool goes_on = on_found(u, found, buf_str(&whole));

        buf_fini(&whole);
        if (!goes_on)
            return;
    }
}

static void on_connected(void *owner, struct conn *c)
{
    struct user *u = owner;

    conn_start_tls(c, u->load->creds, false, u->load->domain, STR_NONE);
}

static void on_secure(void *owner, struct conn *c)
{
    struct user *u = owner;

    (void)c;
    u->phase = USER_HEADER;
    open_stream(u);
}

static void on_end(void *owner, struct conn *c, enum err why)
{
    (void)c;
    failed(owner, err_text(why));
}

void user_start(struct user *u, struct load *load, int number)
{
    static const struct conn_events events = {
        .on_data = on_data, .on_secure = on_secure, .on_connected = on_connected, .on_end = on_end
    };

    u->load = load;
    u->number = number;
    u->phase = USER_CONNECTING;
    u->has_stream = false;
    u->scan = (struct scan){ 0 };
    u->contacts = 0;
    u->started_ns = load_now_ns();
    u->conn =
        conn_dial(load->net, &load->addresses[number % load->address_count], 30000, &events, u);
}

void user_send(struct user *u, struct str bytes)
{
    if (u->phase == USER_READY)
        conn_write(u->conn, bytes);
}

void user_stop(struct user *u)
{
    if (u->phase == USER_CLOSED)
        return;
    if (u->phase > USER_HEADER)
        send_text(u, "</stream:stream>");
    u->phase = USER_CLOSED;
    conn_close(u->conn, 5000);
    u->conn = NULL;
    buf_fini(&u->partial);
    end_sasl(u);
}
