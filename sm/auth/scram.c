/* SCRAM keys; see the header. One row a hash. */
#include "sm/auth/scram.h"

#include "common/mem.h"

#include <nettle/hmac.h>
#include <nettle/pbkdf2.h>
#include <nettle/sha.h>

/* Nettle's functions differ in their types: a struct that holds any of the contexts, and wrappers
 * that differ in a name only. */
union context {
    struct hmac_sha1_ctx sha1;
    struct hmac_sha256_ctx sha256;
    struct hmac_sha512_ctx sha512;
};

static void hmac_1(struct str key, struct str text, uint8_t *out)
{
    union context c;

    hmac_sha1_set_key(&c.sha1, key.n, (const uint8_t *)key.p);
    hmac_sha1_update(&c.sha1, text.n, (const uint8_t *)text.p);
    hmac_sha1_digest(&c.sha1, SHA1_DIGEST_SIZE, out);
    mem_wipe(&c, sizeof c);
}

static void hmac_256(struct str key, struct str text, uint8_t *out)
{
    union context c;

    hmac_sha256_set_key(&c.sha256, key.n, (const uint8_t *)key.p);
    hmac_sha256_update(&c.sha256, text.n, (const uint8_t *)text.p);
    hmac_sha256_digest(&c.sha256, SHA256_DIGEST_SIZE, out);
    mem_wipe(&c, sizeof c);
}

static void hmac_512(struct str key, struct str text, uint8_t *out)
{
    union context c;

    hmac_sha512_set_key(&c.sha512, key.n, (const uint8_t *)key.p);
    hmac_sha512_update(&c.sha512, text.n, (const uint8_t *)text.p);
    hmac_sha512_digest(&c.sha512, SHA512_DIGEST_SIZE, out);
    mem_wipe(&c, sizeof c);
}

static void hash_1(struct str text, uint8_t *out)
{
    struct sha1_ctx c;

    sha1_init(&c);
    sha1_update(&c, text.n, (const uint8_t *)text.p);
    sha1_digest(&c, SHA1_DIGEST_SIZE, out);
}

static void hash_256(struct str text, uint8_t *out)
{
    struct sha256_ctx c;

    sha256_init(&c);
    sha256_update(&c, text.n, (const uint8_t *)text.p);
    sha256_digest(&c, SHA256_DIGEST_SIZE, out);
}

static void hash_512(struct str text, uint8_t *out)
{
    struct sha512_ctx c;

    sha512_init(&c);
    sha512_update(&c, text.n, (const uint8_t *)text.p);
    sha512_digest(&c, SHA512_DIGEST_SIZE, out);
}

static const struct {
    const char *name;
    size_t bytes;
    void (*hmac)(struct str key, struct str text, uint8_t *out);
    void (*hash)(struct str text, uint8_t *out);
    void (*pbkdf2)(size_t key_length, const uint8_t *key, unsigned iterations, size_t salt_length,
                   const uint8_t *salt, size_t length, uint8_t *dst);
} hashes[SCRAM_HASH_COUNT] = {
    [SCRAM_SHA_512] = { "SCRAM-SHA-512", 64, hmac_512, hash_512, pbkdf2_hmac_sha512 },
    [SCRAM_SHA_256] = { "SCRAM-SHA-256", 32, hmac_256, hash_256, pbkdf2_hmac_sha256 },
    [SCRAM_SHA_1] = { "SCRAM-SHA-1", 20, hmac_1, hash_1, pbkdf2_hmac_sha1 },
};

const char *scram_name(enum scram_hash hash)
{
    return hashes[hash].name;
}

size_t scram_digest_bytes(enum scram_hash hash)
{
    return hashes[hash].bytes;
}

/* SaltedPassword := Hi(password, salt, i); StoredKey := H(HMAC(SaltedPassword, "Client Key")) */
void scram_derive(struct scram_keys *k, struct str password)
{
    uint8_t salted[SCRAM_MAX_DIGEST], client_key[SCRAM_MAX_DIGEST];
    size_t n = hashes[k->hash].bytes;

    ASSERT(k->iterations > 0 && k->salt_bytes > 0);
    hashes[k->hash].pbkdf2(password.n, (const uint8_t *)password.p, k->iterations, k->salt_bytes,
                           k->salt, n, salted);
    hashes[k->hash].hmac(str_of(salted, n), STR("Client Key"), client_key);
    hashes[k->hash].hash(str_of(client_key, n), k->stored_key);
    hashes[k->hash].hmac(str_of(salted, n), STR("Server Key"), k->server_key);
    mem_wipe(salted, sizeof salted);
    mem_wipe(client_key, sizeof client_key);
}

void scram_write(struct buf *out, const struct scram_keys *k)
{
    size_t n = hashes[k->hash].bytes;

    buf_printf(out, "%s$%u:", hashes[k->hash].name, k->iterations);
    buf_add_base64(out, str_of(k->salt, k->salt_bytes));
    buf_add_char(out, '$');
    buf_add_base64(out, str_of(k->stored_key, n));
    buf_add_char(out, ':');
    buf_add_base64(out, str_of(k->server_key, n));
}

/* Exactly or at most so many bytes; 0 on anything else. */
static size_t read_base64(struct str text, uint8_t *out, size_t max)
{
    struct buf b = { 0 };
    size_t n = 0;

    if (str_is_set(text) && buf_add_base64_decoded(&b, text) == ERR_OK && b.n <= max && b.n > 0) {
        n = b.n;
        memcpy(out, b.p, n);
    }
    buf_fini(&b);
    return n;
}

enum err scram_read(struct str text, struct scram_keys *out_keys)
{
    struct str rest = text, name = str_cut(&rest, '$');
    struct scram_keys k = { .hash = SCRAM_HASH_COUNT };
    uint64_t iterations;
    size_t n;

    for (size_t i = 0; i < SCRAM_HASH_COUNT; i++)
        if (str_is(name, hashes[i].name))
            k.hash = (enum scram_hash)i;
    if (k.hash == SCRAM_HASH_COUNT || !str_is_set(rest))
        return ERR_MALFORMED;
    if (str_to_u64(str_cut(&rest, ':'), &iterations) != ERR_OK || iterations == 0 ||
        iterations > UINT32_MAX)
        return ERR_MALFORMED;
    k.iterations = (uint32_t)iterations;
    n = hashes[k.hash].bytes;
    k.salt_bytes = read_base64(str_cut(&rest, '$'), k.salt, sizeof k.salt);
    if (k.salt_bytes == 0 || read_base64(str_cut(&rest, ':'), k.stored_key, n) != n ||
        read_base64(rest, k.server_key, n) != n)
        return ERR_MALFORMED;
    *out_keys = k;
    return ERR_OK;
}

void scram_invent(struct scram_keys *k, struct str secret, struct str name)
{
    uint8_t digest[SHA512_DIGEST_SIZE];
    struct buf text = { 0 };

    buf_printf(&text, "%s ", hashes[k->hash].name);
    buf_add(&text, name);
    hmac_512(secret, buf_str(&text), digest);
    buf_fini(&text);
    k->salt_bytes = SCRAM_SALT_BYTES;
    memcpy(k->salt, digest, SCRAM_SALT_BYTES);
    /* The keys need not be derived from any password, only be unknown to the outside. */
    hmac_512(secret, str_of(digest, sizeof digest), k->stored_key);
    hmac_512(secret, str_of(k->stored_key, sizeof k->stored_key), k->server_key);
}
