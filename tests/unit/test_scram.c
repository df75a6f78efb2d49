/* SCRAM keys against the examples of the RFCs. */
#include "sm/auth/scram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <nettle/hmac.h>

/* The exchanges of RFC 5802 §5 and RFC 7677 §3: the server signs what was said with the ServerKey,
 * and the client's proof is the ClientKey xor a signature with the StoredKey. */
static void keys_reproduce_the_exchanges_of_the_rfcs(void **state)
{
    static const struct {
        enum scram_hash hash;
        const char *salt, *said, *signature;
    } rows[] = {
        { SCRAM_SHA_1, "QSXCR+Q6sek8bf92",
          "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
          "s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
          "rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
        { SCRAM_SHA_256, "W22ZaJ0SNY7soEsUEjb6gQ==",
          "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
          "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)"
          "hNlF$k0",
          "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scram_keys k = { .hash = rows[i].hash, .iterations = 4096 };
        struct buf salt = { 0 }, signature = { 0 };
        uint8_t digest[SCRAM_MAX_DIGEST];

        assert_int_equal(buf_add_base64_decoded(&salt, str_from(rows[i].salt)), ERR_OK);
        memcpy(k.salt, salt.p, salt.n);
        k.salt_bytes = salt.n;
        scram_derive(&k, STR("pencil"));
        if (k.hash == SCRAM_SHA_1) {
            struct hmac_sha1_ctx c;

            hmac_sha1_set_key(&c, 20, k.server_key);
            hmac_sha1_update(&c, strlen(rows[i].said), (const uint8_t *)rows[i].said);
            hmac_sha1_digest(&c, 20, digest);
        } else {
            struct hmac_sha256_ctx c;

            hmac_sha256_set_key(&c, 32, k.server_key);
            hmac_sha256_update(&c, strlen(rows[i].said), (const uint8_t *)rows[i].said);
            hmac_sha256_digest(&c, 32, digest);
        }
        buf_add_base64(&signature, str_of(digest, scram_digest_bytes(k.hash)));
        assert_true(str_is(buf_str(&signature), rows[i].signature));
        buf_fini(&salt);
        buf_fini(&signature);
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    for (int h = 0; h < SCRAM_HASH_COUNT; h++) {
        struct scram_keys k = { .hash = (enum scram_hash)h, .iterations = 4096, .salt_bytes = 16 },
                          back;
        size_t n = scram_digest_bytes(k.hash);
        struct buf text = { 0 };

        scram_derive(&k, STR("pencil"));
        scram_write(&text, &k);
        assert_int_equal(scram_read(buf_str(&text), &back), ERR_OK);
        assert_int_equal(back.hash, k.hash);
        assert_int_equal(back.iterations, 4096);
        assert_true(str_eq(str_of(back.salt, back.salt_bytes), str_of(k.salt, k.salt_bytes)));
        assert_true(str_eq(str_of(back.stored_key, n), str_of(k.stored_key, n)));
        assert_true(str_eq(str_of(back.server_key, n), str_of(k.server_key, n)));
        buf_fini(&text);
    }
}

static void what_is_not_a_secret_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "SCRAM-SHA-1",
        "SCRAM-SHA-1$",
        "SCRAM-SHA-1$4096",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92",
        "SCRAM-MD5$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$0:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$x:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$99999999999:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+"
        "qs2/fTE=",
        "SCRAM-SHA-1$4096:$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$AAAA:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/"
        "fTE=",
    };
    struct scram_keys k;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (scram_read(str_from(rows[i]), &k) != ERR_MALFORMED)
            fail_msg("%s", rows[i]);
}

static void invented_keys_stay_the_same_for_a_name_and_differ_between_names(void **state)
{
    struct scram_keys a = { .hash = SCRAM_SHA_256 }, b = a, c = a, d = { .hash = SCRAM_SHA_1 };
    struct scram_keys e = a;

    (void)state;
    scram_invent(&a, STR("secret"), STR("x@example.com"));
    scram_invent(&b, STR("secret"), STR("x@example.com"));
    scram_invent(&c, STR("secret"), STR("y@example.com"));
    scram_invent(&d, STR("secret"), STR("x@example.com"));
    scram_invent(&e, STR("another"), STR("x@example.com"));
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(a.salt, c.salt, SCRAM_SALT_BYTES);
    assert_memory_not_equal(a.salt, d.salt, SCRAM_SALT_BYTES);
    assert_memory_not_equal(a.salt, e.salt, SCRAM_SALT_BYTES);
    assert_int_equal(a.salt_bytes, SCRAM_SALT_BYTES);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_reproduce_the_exchanges_of_the_rfcs),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(what_is_not_a_secret_is_refused),
        cmocka_unit_test(invented_keys_stay_the_same_for_a_name_and_differ_between_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
