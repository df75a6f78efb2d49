/* Keys of link certificates, and what the files of plan_x509 share. See plan_x509.h. RFC 5480, RFC
 * 5958. */
#include "deploy/ctl/plan_x509_parts.h"

#include "common/mem.h"

gnutls_datum_t plan_x509_datum(struct str s)
{
    return (gnutls_datum_t){ (unsigned char *)(s.p ? s.p : ""), (unsigned)s.n };
}

enum err plan_x509_fail(struct buf *why, const char *what, int r)
{
    buf_printf(why, "%s: %s", what, gnutls_strerror(r));
    return ERR_IO;
}

void plan_x509_take(struct buf *out, gnutls_datum_t *d)
{
    buf_reserve(out, d->size);
    buf_add(out, str_of(d->data, d->size));
    mem_wipe(d->data, d->size);
    gnutls_free(d->data);
}

enum err plan_x509_import_key(struct str pem, gnutls_x509_privkey_t *out_key, struct buf *why)
{
    gnutls_datum_t d = plan_x509_datum(pem);
    int r = gnutls_x509_privkey_init(out_key);

    if (r == 0 &&
        (r = gnutls_x509_privkey_import2(*out_key, &d, GNUTLS_X509_FMT_PEM, NULL, 0)) != 0) {
        gnutls_x509_privkey_deinit(*out_key);
        *out_key = NULL;
    }
    if (r == 0)
        return ERR_OK;
    (void)plan_x509_fail(why, "the key cannot be read", r);
    return ERR_MALFORMED;
}

static enum err export_key(gnutls_x509_privkey_t key, const char *passphrase, struct buf *out,
                           struct buf *why)
{
    gnutls_datum_t pem;
    int r = gnutls_x509_privkey_export2_pkcs8(
        key, GNUTLS_X509_FMT_PEM, passphrase,
        passphrase ? GNUTLS_PKCS_PBES2_AES_256 : GNUTLS_PKCS_PLAIN, &pem);

    if (r != 0)
        return plan_x509_fail(why, "the key cannot be written", r);
    plan_x509_take(out, &pem);
    return ERR_OK;
}

enum err plan_x509_new_key(struct buf *out, struct buf *why)
{
    gnutls_x509_privkey_t key;
    enum err e;
    int r = gnutls_x509_privkey_init(&key);

    if (r == 0)
        r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    e = r == 0 ? export_key(key, NULL, out, why) : plan_x509_fail(why, "no key can be made", r);
    gnutls_x509_privkey_deinit(key);
    return e;
}

enum err plan_x509_encrypt_key(struct str pem, const char *passphrase, struct buf *out,
                               struct buf *why)
{
    gnutls_x509_privkey_t key = NULL;
    enum err e = plan_x509_import_key(pem, &key, why);

    if (e == ERR_OK)
        e = export_key(key, passphrase, out, why);
    gnutls_x509_privkey_deinit(key);
    return e;
}

enum err plan_x509_decrypt_key(struct str pem, const char *passphrase, struct buf *out,
                               struct buf *why)
{
    gnutls_x509_privkey_t key;
    gnutls_datum_t d = plan_x509_datum(pem);
    enum err e;
    int r = gnutls_x509_privkey_init(&key);

    if (r == 0)
        r = gnutls_x509_privkey_import_pkcs8(key, &d, GNUTLS_X509_FMT_PEM, passphrase, 0);
    if (r == 0) {
        e = export_key(key, NULL, out, why);
    } else {
        buf_printf(why, "the key of the CA cannot be opened: %s",
                   r == GNUTLS_E_DECRYPTION_FAILED ? "the passphrase is wrong"
                                                   : gnutls_strerror(r));
        e = ERR_DENIED;
    }
    gnutls_x509_privkey_deinit(key);
    return e;
}
