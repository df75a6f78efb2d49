#include "tests/bench/scram.h"

#include <gnutls/crypto.h>
#include <stdio.h>

void scram_first(struct scram *s, const char *user, bool is_sha256, struct buf *out)
{
    uint8_t random[16];
    struct buf hex = { 0 };

    s->is_sha256 = is_sha256;
    ASSERT(gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof random) == 0);
    buf_add_hex(&hex, str_of(random, sizeof random));
    snprintf(s->nonce, sizeof s->nonce, "%.*s", STR_ARG(buf_str(&hex)));
    buf_fini(&hex);
    buf_clear(&s->first_bare);
    buf_printf(&s->first_bare, "n=%s,r=%s", user, s->nonce);
    buf_add(out, STR("n,,"));
    buf_add(out, buf_str(&s->first_bare));
}

static struct str field(struct str message, char name)
{
    while (str_is_set(message)) {
        struct str part = str_cut(&message, ',');

        if (part.n >= 2 && part.p[0] == name && part.p[1] == '=')
            return str_of(part.p + 2, part.n - 2);
    }
    return STR_NONE;
}

static void hmac(const struct scram *s, const uint8_t *key, struct str text, uint8_t *out)
{
    size_t n = s->is_sha256 ? 32 : 20;

    ASSERT(gnutls_hmac_fast(s->is_sha256 ? GNUTLS_MAC_SHA256 : GNUTLS_MAC_SHA1, key, n, text.p,
                            text.n, out) == 0);
}

static void add_proof(struct scram *s, const uint8_t *salted, struct str auth_message,
                      struct buf *out)
{
    size_t n = s->is_sha256 ? 32 : 20;
    uint8_t client_key[32], stored_key[32], signature[32];

    hmac(s, salted, STR("Client Key"), client_key);
    ASSERT(gnutls_hash_fast(s->is_sha256 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA1, client_key, n,
                            stored_key) == 0);
    hmac(s, stored_key, auth_message, signature);
    for (size_t i = 0; i < n; i++)
        signature[i] ^= client_key[i];
    buf_add(out, STR(",p="));
    buf_add_base64(out, str_of(signature, n));
}

enum err scram_final(struct scram *s, struct str server_first, const char *password,
                     struct buf *out)
{
    struct str nonce = field(server_first, 'r'), salt64 = field(server_first, 's');
    struct buf salt = { 0 }, message = { 0 };
    gnutls_datum_t key = { (void *)(uintptr_t)password, (unsigned)strlen(password) }, salt_datum;
    uint64_t iterations;
    uint8_t salted[32];

    if (str_to_u64(field(server_first, 'i'), &iterations) != ERR_OK ||
        !str_starts_with(nonce, str_from(s->nonce)) ||
        buf_add_base64_decoded(&salt, salt64) != ERR_OK) {
        buf_fini(&salt);
        return ERR_MALFORMED;
    }
    salt_datum = (gnutls_datum_t){ (void *)salt.p, (unsigned)salt.n };
    ASSERT(gnutls_pbkdf2(s->is_sha256 ? GNUTLS_MAC_SHA256 : GNUTLS_MAC_SHA1, &key, &salt_datum,
                         (unsigned)iterations, salted, s->is_sha256 ? 32 : 20) == 0);
    buf_printf(&message, "%.*s,%.*s,", STR_ARG(buf_str(&s->first_bare)), STR_ARG(server_first));
    buf_printf(&message, "c=biws,r=%.*s", STR_ARG(nonce));
    buf_printf(out, "c=biws,r=%.*s", STR_ARG(nonce));
    add_proof(s, salted, buf_str(&message), out);
    buf_fini(&salt);
    buf_fini(&message);
    return ERR_OK;
}

void scram_fini(struct scram *s)
{
    buf_fini(&s->first_bare);
}
