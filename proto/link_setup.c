/* How a link comes up: who is there (certificate or uid), stream header, XEP-0114 handshake, hello.
 * LINK.md §1 to §3. Everything here comes from a peer that is not trusted yet: small, bounded, and
 * refused at the first deviation. */
#include "proto/link_private.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"

#include <gnutls/crypto.h>
#include <unistd.h>

#define LINK_VERSION "1"

/* The namespace says who dialled (XEP-0114): with accept the component, with connect the router. */
static const char *stream_ns(const struct link *l)
{
    bool component_dials = l->is_dialled == (l->ls->role != LINK_ROLE_ROUTER);

    return component_dials ? NS_COMPONENT_ACCEPT : NS_COMPONENT_CONNECT;
}

/* In both directions the stream is addressed to the component. */
static struct str component_of(const struct link *l)
{
    return l->ls->role == LINK_ROLE_ROUTER ? str_from(l->name) : str_from(l->ls->conf->name);
}

static void set_peer(struct link *l, struct link_peer *p)
{
    l->peer = p;
    l->role = (enum link_role)p->conf->role;
    mem_free(l->name);
    l->name = str_dup(p->name);
}

/* --- identity --------------------------------------------------------------------------------- */

static bool check_uid(struct link *l)
{
    uid_t uid, expected = l->peer->uid < 0 ? geteuid() : (uid_t)l->peer->uid;

    if (conn_peer_uid(l->conn, &uid) == ERR_OK && uid == expected)
        return true;
    link_fail(l, STREAM_NOT_AUTHORIZED, "another user is at the other end of the Unix socket");
    return false;
}

static bool is_in_cert(const struct link *l, struct str name)
{
    for (size_t i = 0; i < l->facts.peer_dns_count; i++)
        if (str_eq_nocase(l->facts.peer_dns_names[i], name))
            return true;
    return false;
}

static void keep_chain(struct link *l)
{
    l->cert = mem_new(struct arena);
    conn_tls_facts(l->conn, l->cert, &l->facts);
    l->chain = str_dup(l->facts.peer_chain);
    l->cert_expiry = l->facts.peer_expiry;
}

static void drop_cert(struct link *l)
{
    if (!l->cert)
        return;
    arena_fini(l->cert);
    mem_free(l->cert);
    l->cert = NULL;
    l->facts = (struct tls_facts){ 0 };
}

bool link_identify(struct link *l)
{
    if (l->is_unix) {
        link_set_phase(l, PHASE_SECURING); /* the socket is there: who is refused now is audited */
        return check_uid(l);
    }
    keep_chain(l);
    if (!l->facts.is_peer_verified) {
        link_fail_certificate(l, STREAM_NOT_AUTHORIZED,
                              "its certificate is not of the link CA, has ended or is revoked");
        return false;
    }
    if (l->peer && !is_in_cert(l, l->peer->name)) {
        link_fail_certificate(l, STREAM_NOT_AUTHORIZED, "its certificate has another name");
        return false;
    }
    return true;
}

/* The peer of an accepted TLS link: the one that the stream is addressed to at a router (to is the
 * component's name); elsewhere the router whom the certificate names. Only peers that are
 * configured to come this way. */
static struct link_peer *find_guest(const struct link *l, struct str to)
{
    const struct links *ls = l->ls;

    for (size_t i = 0; i < ls->peer_count; i++) {
        struct link_peer *p = ls->peers[i];

        if (p->is_dialled || p->is_unix || !is_in_cert(l, p->name))
            continue;
        if (ls->role != LINK_ROLE_ROUTER || str_eq(p->name, to))
            return p;
    }
    return NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_buf(struct link *l, struct buf *take_b)
{
    conn_write(l->conn, buf_str(take_b));
    buf_fini(take_b);
}

void link_setup_start(struct link *l)
{
    struct stream_header header = { .to = component_of(l) };
    struct buf b = { 0 };

    if (!l->is_dialled)
        return;
    stream_write_header(&b, stream_ns(l), &header);
    write_buf(l, &b);
}

void link_setup_answer(struct link *l)
{
    struct stream_header header = { .from = component_of(l), .id = STR_NONE };
    uint8_t id[16];
    struct buf b = { 0 };

    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, id, sizeof id) == 0);
    buf_add_hex(&b, str_of(id, sizeof id));
    memcpy(l->stream_id, b.p, sizeof l->stream_id - 1);
    buf_clear(&b);
    header.id = str_from(l->stream_id);
    if (header.from.n == 0)
        header.from = STR_NONE;
    stream_write_header(&b, stream_ns(l), &header);
    write_buf(l, &b);
}

void link_handshake(struct str stream_id, struct str secret, char out_hex[41])
{
    gnutls_hash_hd_t hash;
    uint8_t digest[20];
    struct buf b = { 0 };

    ASSERT(gnutls_hash_init(&hash, GNUTLS_DIG_SHA1) == 0);
    gnutls_hash(hash, stream_id.p, stream_id.n);
    gnutls_hash(hash, secret.p, secret.n);
    gnutls_hash_deinit(hash, digest);
    buf_add_hex(&b, str_of(digest, sizeof digest));
    memcpy(out_hex, b.p, 40);
    out_hex[40] = '\0';
    mem_wipe(b.p, b.n);
    buf_fini(&b);
}

static void write_hello(struct link *l)
{
    struct buf b = { 0 };

    buf_printf(&b,
               "<hello xmlns='" NS_LINK "' version='" LINK_VERSION
               "' name='%s' role='%s' instance='%s' features=''/>",
               l->ls->conf->name, link_role_names[l->ls->role], l->ls->instance);
    write_buf(l, &b);
}

/* --- header ----------------------------------------------------------------------------------- */

static bool check_responder_header(struct link *l, const struct stream_header *h)
{
    char proof[41];
    struct buf b = { 0 };

    if (!str_eq(h->from, component_of(l)) || h->id.n == 0 || h->id.n > 256) {
        link_fail(l, STREAM_HOST_UNKNOWN, "its stream is of another component");
        return false;
    }
    link_handshake(h->id, buf_str(&l->peer->secret), proof);
    buf_printf(&b, "<handshake>%s</handshake>", proof);
    write_buf(l, &b);
    return true;
}

static bool check_initiator_header(struct link *l, const struct stream_header *h)
{
    if (!l->peer) {
        struct link_peer *p = find_guest(l, h->to);

        if (!p) {
            link_fail_certificate(l, STREAM_HOST_UNKNOWN,
                                  "its certificate names no peer that is configured to dial us");
            return false;
        }
        set_peer(l, p);
    }
    drop_cert(l);
    if (!str_eq(h->to, component_of(l))) {
        link_fail(l, STREAM_HOST_UNKNOWN, "its stream is for another component");
        return false;
    }
    link_setup_answer(l);
    return true;
}

static void take_header(struct link *l, struct str bytes, struct arena *arena)
{
    struct stream_header h;
    struct xml *root;
    enum xml_error xe = xml_parse_header(l->ls->parser, bytes, arena, &root);
    enum stream_error e =
        xe == XML_OK ? stream_read_header(root, stream_ns(l), &h) : stream_error_from_xml(xe);

    if (e != STREAM_OK) {
        link_fail(l, e, "its stream header is not that of a link in this direction");
        return;
    }
    if (l->is_dialled ? !check_responder_header(l, &h) : !check_initiator_header(l, &h))
        return;
    drop_cert(l);
    link_set_phase(l, PHASE_HANDSHAKE);
}

/* --- handshake and hello ---------------------------------------------------------------------- */

static void take_handshake(struct link *l, const struct xml *x, struct arena *arena)
{
    char proof[41];

    if (!xml_is(x, NS_COMPONENT_ACCEPT,
                "handshake")) { /* what the parser gives to a prefixless name, in both directions */
        link_fail(l, STREAM_NOT_AUTHORIZED, "it sent no handshake");
        return;
    }
    if (!l->is_dialled) {
        link_handshake(str_from(l->stream_id), buf_str(&l->peer->secret), proof);
        if (!str_eq_const_time(str_from(proof), xml_text(x, arena))) {
            link_fail(l, STREAM_NOT_AUTHORIZED, "its handshake is wrong (secret_file differs)");
            return;
        }
        conn_write(l->conn, STR("<handshake/>"));
    }
    write_hello(l);
    link_set_phase(l, PHASE_HELLO);
}

static bool is_instance(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return s.n == 16;
}

static void take_hello(struct link *l, const struct xml *x)
{
    struct str version = xml_attr(x, "version"), instance = xml_attr(x, "instance");

    if (!xml_is(x, NS_LINK, "hello") || !is_instance(instance)) {
        link_fail(l, STREAM_BAD_FORMAT, "it sent no hello");
    } else if (!str_is(version, LINK_VERSION)) {
        log_error("the peer speaks another version of the link", kv_text("peer", l->name),
                  kv_str("theirs", version), kv_text("ours", LINK_VERSION));
        link_fail(l, STREAM_UNSUPPORTED_VERSION, "it speaks another version of the link");
    } else if (!str_is(xml_attr(x, "name"), l->name)) {
        link_fail(l, STREAM_INVALID_FROM, "its hello has another name");
    } else if (!str_is(xml_attr(x, "role"), link_role_names[l->role])) {
        link_fail(l, STREAM_NOT_AUTHORIZED, "its role is not the configured one");
    } else {
        memcpy(l->instance, instance.p, 16);
        link_peer_admit(l);
    }
}

static void take_error(struct link *l, const struct xml *x)
{
    const struct xml *condition = xml_child(x, NS_STREAM_ERRORS, NULL);
    enum stream_error e = condition ? stream_error_from_name(condition->name) : STREAM_OK;
    const char *name = e == STREAM_OK ? "undefined-condition" : stream_error_name(e);

    log_warn("the peer refuses the link", kv_text("peer", l->name), kv_text("error", name));
    audit_warning("link-refused-by-peer", kv_text("peer", l->name), kv_text("condition", name));
    link_doom(l, name);
}

static void take_element(struct link *l, struct str bytes, struct arena *arena)
{
    struct xml *x;
    enum xml_error xe =
        xml_parse(l->ls->parser, XML_IN_COMPONENT_STREAM, &xml_default_limits, bytes, arena, &x);

    if (xe != XML_OK)
        link_fail(l, stream_error_from_xml(xe), "it sent broken XML");
    else if (xml_is(x, NS_STREAM, "error"))
        take_error(l, x);
    else if (l->phase == PHASE_HANDSHAKE)
        take_handshake(l, x, arena);
    else
        take_hello(l, x);
}

/* What scan_next found; its bytes are l->partial. */
static void take_found(struct link *l, enum scan_found found)
{
    bool in_stream = l->phase > PHASE_HEADER;
    struct arena arena = { 0 };

    if (found == SCAN_STREAM_OPEN && !in_stream)
        take_header(l, buf_str(&l->partial), &arena);
    else if (found == SCAN_ELEMENT && in_stream)
        take_element(l, buf_str(&l->partial), &arena);
    else if (found == SCAN_STREAM_CLOSE && in_stream)
        link_doom(l, "the peer closed it before it was up");
    else
        link_fail(l, STREAM_BAD_FORMAT, "it did not begin as a link does");
    arena_fini(&arena);
}

struct str link_setup_take(struct link *l, struct str bytes)
{
    static const struct scan_limits limits = { .max_bytes = LINK_SETUP_BYTES,
                                               .max_depth = 8,
                                               .max_attributes = 16 };
    enum scan_found found;
    size_t used;

    while (l->phase >= PHASE_HEADER && l->phase < PHASE_UP && bytes.n > 0) {
        found = scan_next(&l->scan, bytes, l->phase > PHASE_HEADER, &limits, &used);
        buf_add(&l->partial, str_of(bytes.p, used));
        bytes = str_of(bytes.p + used, bytes.n - used);
        if (found == SCAN_MORE || (found == SCAN_DECLARATION && l->phase == PHASE_HEADER))
            continue; /* the declaration is parsed with the header */
        if (found != SCAN_SPACE)
            take_found(l, found);
        if (found != SCAN_SPACE || l->phase > PHASE_HEADER)
            buf_clear(&l->partial);
        if (l->partial.n > 2 * LINK_SETUP_BYTES)
            link_fail(l, STREAM_POLICY_VIOLATION, "its stream header is too long");
    }
    if (l->phase == PHASE_UP)
        buf_fini(&l->partial);
    return bytes;
}
