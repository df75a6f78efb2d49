/* Control elements of logging in: what c2s knows of a connection, and what the sm that
 * authenticated a client hands to the owner of its account. LINK.md §5, ARCHITECTURE §4. */
#include "proto/control.h"

#include "common/mem.h"
#include "proto/control_part.h"
#include "proto/ns.h"

#include <gnutls/crypto.h>

enum { MAC_BYTES = 32 };

/* --- open ------------------------------------------------------------------------------------- */

static const struct control_attr open_attrs[] = {
    { "host", offsetof(struct control_open, host), true },
    { "addr", offsetof(struct control_open, addr), true },
    { "lang", offsetof(struct control_open, lang), false },
    { "from", offsetof(struct control_open, from), false },
    { "tls", offsetof(struct control_open, tls), false },
    { "cipher", offsetof(struct control_open, cipher), false },
    { "sni", offsetof(struct control_open, sni), false },
    { "alpn", offsetof(struct control_open, alpn), false },
};

/* The types of channel binding: RFC 5929, RFC 9266. */
static const struct control_attr open_bindings[] = {
    { "tls-exporter", offsetof(struct control_open, cb_exporter), false },
    { "tls-server-end-point", offsetof(struct control_open, cb_end_point), false },
    { "tls-unique", offsetof(struct control_open, cb_unique), false },
};

void control_write_open(struct buf *out, const struct control_open *o)
{
    buf_add(out, STR("<open xmlns='" NS_LINK "'"));
    control_put_texts(out, open_attrs, ARRAY_LEN(open_attrs), o);
    if (o->is_lost)
        control_put_u64(out, "lost", 1);
    buf_add_char(out, '>');
    for (size_t i = 0; i < ARRAY_LEN(open_bindings); i++) {
        struct str bytes;

        memcpy(&bytes, (const char *)o + open_bindings[i].at, sizeof bytes);
        if (!str_is_set(bytes))
            continue;
        buf_add(out, STR("<cb"));
        control_put(out, "type", str_from(open_bindings[i].name));
        buf_add_char(out, '>');
        buf_add_base64(out, bytes);
        buf_add(out, STR("</cb>"));
    }
    if (str_is_set(o->chain)) {
        buf_add(out, STR("<chain>"));
        xml_escape(out, o->chain);
        buf_add(out, STR("</chain>"));
    }
    buf_add(out, STR("</open>"));
}

/* A type that we do not know is ignored, an empty one or one told twice is not honest. */
static enum err read_binding(const struct xml *x, struct arena *arena, struct control_open *out)
{
    for (size_t i = 0; i < ARRAY_LEN(open_bindings); i++) {
        struct str bytes;

        if (!str_is(xml_attr(x, "type"), open_bindings[i].name))
            continue;
        memcpy(&bytes, (char *)out + open_bindings[i].at, sizeof bytes);
        if (str_is_set(bytes) || control_base64(xml_text(x, arena), arena, &bytes) != ERR_OK ||
            bytes.n == 0)
            return ERR_MALFORMED;
        memcpy((char *)out + open_bindings[i].at, &bytes, sizeof bytes);
    }
    return ERR_OK;
}

enum err control_read_open(const struct xml *x, struct arena *arena, struct control_open *out)
{
    struct control_open o = { 0 };
    const struct xml *chain;

    if (!xml_is(x, NS_LINK, "open") ||
        control_get_texts(x, open_attrs, ARRAY_LEN(open_attrs), &o) != ERR_OK ||
        control_get_flag(x, "lost", &o.is_lost) != ERR_OK)
        return ERR_MALFORMED;
    for (const struct xml *c = xml_child(x, NS_LINK, "cb"); c; c = xml_next(c, NS_LINK, "cb"))
        if (read_binding(c, arena, &o) != ERR_OK)
            return ERR_MALFORMED;
    chain = xml_child(x, NS_LINK, "chain");
    if (chain)
        o.chain = xml_text(chain, arena);
    if (o.chain.n > CONTROL_MAX_CHAIN)
        return ERR_LIMIT;
    *out = o;
    return ERR_OK;
}

/* --- adopt ------------------------------------------------------------------------------------ */

static const struct control_attr adopt_attrs[] = {
    { "account", offsetof(struct control_adopt, account), true },
    { "c2s", offsetof(struct control_adopt, c2s), true },
    { "conn", offsetof(struct control_adopt, conn), true },
    { "mechanism", offsetof(struct control_adopt, mechanism), true },
    { "addr", offsetof(struct control_adopt, addr), false },
    { "tls", offsetof(struct control_adopt, tls), false },
    { "cipher", offsetof(struct control_adopt, cipher), false },
    { "lang", offsetof(struct control_adopt, lang), false },
    { "outside", offsetof(struct control_adopt, outside), false },
};

static void sign_u64(struct buf *out, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        buf_add_char(out, (char)(value >> shift & 0xff));
}

/* Its length stands before each field and absent is not empty: no two contents are signed alike. */
static void sign_text(struct buf *out, struct str text)
{
    buf_add_char(out, str_is_set(text) ? 1 : 0);
    sign_u64(out, text.n);
    buf_add(out, text);
}

static void sign(const struct control_adopt *a, struct str key, uint8_t out_mac[MAC_BYTES])
{
    struct buf all = { 0 };

    sign_text(&all, STR(NS_LINK " adopt"));
    for (size_t i = 0; i < ARRAY_LEN(adopt_attrs); i++) {
        struct str text;

        memcpy(&text, (const char *)a + adopt_attrs[i].at, sizeof text);
        sign_text(&all, text);
    }
    sign_text(&all, a->success_data);
    sign_u64(&all, a->slot_epoch);
    sign_text(&all, str_of(a->nonce, sizeof a->nonce));
    sign_u64(&all, (uint64_t)a->expires);
    ASSERT(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.p, key.n, all.p, all.n, out_mac) == 0);
    mem_wipe(all.p, all.n);
    buf_fini(&all);
}

void control_write_adopt(struct buf *out, const struct control_adopt *a, struct str key)
{
    uint8_t mac[MAC_BYTES];

    sign(a, key, mac);
    buf_add(out, STR("<adopt xmlns='" NS_LINK "'"));
    control_put_texts(out, adopt_attrs, ARRAY_LEN(adopt_attrs), a);
    control_put_base64(out, "data", a->success_data);
    control_put_u64(out, "e", a->slot_epoch);
    control_put_hex(out, "nonce", str_of(a->nonce, sizeof a->nonce));
    control_put_u64(out, "expires", (uint64_t)a->expires);
    control_put_hex(out, "mac", str_of(mac, sizeof mac));
    buf_add(out, STR("/>"));
}

static enum err read_adopt(const struct xml *x, struct arena *arena, struct control_adopt *out)
{
    struct str data = xml_attr(x, "data");

    if (!xml_is(x, NS_LINK, "adopt") ||
        control_get_texts(x, adopt_attrs, ARRAY_LEN(adopt_attrs), out) != ERR_OK ||
        !control_is_conn(out->conn) || control_get_u64(x, "e", &out->slot_epoch) != ERR_OK ||
        control_get_hex(x, "nonce", out->nonce, sizeof out->nonce) != ERR_OK ||
        str_to_i64(xml_attr(x, "expires"), &out->expires) != ERR_OK || out->expires < 0)
        return ERR_MALFORMED;
    if (str_is_set(data))
        return control_base64(data, arena, &out->success_data);
    return ERR_OK;
}

enum err control_read_adopt(const struct xml *x, struct str key, struct arena *arena,
                            struct control_adopt *out)
{
    struct control_adopt a = { 0 };
    uint8_t told[MAC_BYTES], right[MAC_BYTES];

    if (read_adopt(x, arena, &a) != ERR_OK ||
        control_get_hex(x, "mac", told, sizeof told) != ERR_OK)
        return ERR_MALFORMED;
    sign(&a, key, right);
    if (!str_eq_const_time(str_of(told, sizeof told), str_of(right, sizeof right)))
        return ERR_DENIED;
    *out = a;
    return ERR_OK;
}
