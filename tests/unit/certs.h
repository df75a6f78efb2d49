/* Certificates for tests, made with GnuTLS in a folder that is removed again. Only for tests of one
 * file each. */
#ifndef TESTS_UNIT_CERTS_H
#define TESTS_UNIT_CERTS_H

#include "common/base.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct certs {
    char dir[64];
    gnutls_x509_privkey_t ca_key;
    gnutls_x509_crt_t ca;
    unsigned serial;
};

static inline void certs_path(const struct certs *c, const char *file, char out_path[160])
{
    snprintf(out_path, 160, "%s/%s", c->dir, file);
}

static inline void certs_put(const struct certs *c, const char *file, const gnutls_datum_t *bytes)
{
    char path[160];
    FILE *f;

    certs_path(c, file, path);
    f = fopen(path, "w");
    ASSERT(f && fwrite(bytes->data, 1, bytes->size, f) == bytes->size && fclose(f) == 0);
}

static inline gnutls_x509_privkey_t certs_key(void)
{
    gnutls_x509_privkey_t key;

    gnutls_x509_privkey_init(&key);
    ASSERT(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0);
    return key;
}

static inline gnutls_x509_crt_t certs_crt(struct certs *c, gnutls_x509_privkey_t key,
                                          const char *cn)
{
    unsigned char serial[2] = { 1, (unsigned char)++c->serial };
    gnutls_x509_crt_t crt;

    gnutls_x509_crt_init(&crt);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600);
    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 86400);
    gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, (unsigned)strlen(cn));
    gnutls_x509_crt_set_key(crt, key);
    return crt;
}

static inline void certs_export_crt(struct certs *c, gnutls_x509_crt_t crt, const char *file)
{
    gnutls_datum_t pem;

    ASSERT(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem) == 0);
    certs_put(c, file, &pem);
    gnutls_free(pem.data);
}

/* Makes the folder and ca.pem in it. */
static inline void certs_init(struct certs *c, const char *cn)
{
    memset(c, 0, sizeof *c);
    snprintf(c->dir, sizeof c->dir, "/tmp/sallyport-test-XXXXXX");
    ASSERT(mkdtemp(c->dir) != NULL);
    c->ca_key = certs_key();
    c->ca = certs_crt(c, c->ca_key, cn);
    gnutls_x509_crt_set_basic_constraints(c->ca, 1, -1);
    gnutls_x509_crt_set_key_usage(c->ca, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    ASSERT(gnutls_x509_crt_sign2(c->ca, c->ca, c->ca_key, GNUTLS_DIG_SHA256, 0) == 0);
    certs_export_crt(c, c->ca, "ca.pem");
}

/* Makes NAME.pem and NAME.key for one DNS name. */
static inline void certs_make(struct certs *c, const char *name)
{
    gnutls_x509_privkey_t key = certs_key();
    gnutls_x509_crt_t crt = certs_crt(c, key, name);
    gnutls_datum_t pem;
    char file[96];

    gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name),
                                         GNUTLS_FSAN_SET);
    gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    ASSERT(gnutls_x509_crt_sign2(crt, c->ca, c->ca_key, GNUTLS_DIG_SHA256, 0) == 0);
    snprintf(file, sizeof file, "%s.pem", name);
    certs_export_crt(c, crt, file);
    snprintf(file, sizeof file, "%s.key", name);
    ASSERT(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem) == 0);
    certs_put(c, file, &pem);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

/* Writes crl.pem, which revokes NAME.pem, or nothing when name is NULL. */
static inline void certs_revoke(struct certs *c, const char *name)
{
    gnutls_x509_crl_t crl;
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;
    char file[96], path[160];

    gnutls_x509_crl_init(&crl);
    gnutls_x509_crl_set_version(crl, 2);
    gnutls_x509_crl_set_this_update(crl, time(NULL) - 60);
    gnutls_x509_crl_set_next_update(crl, time(NULL) + 86400);
    if (name) {
        snprintf(file, sizeof file, "%s.pem", name);
        certs_path(c, file, path);
        ASSERT(gnutls_load_file(path, &pem) == 0);
        gnutls_x509_crt_init(&crt);
        ASSERT(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) == 0);
        gnutls_free(pem.data);
        gnutls_x509_crl_set_crt(crl, crt, time(NULL) - 60);
        gnutls_x509_crt_deinit(crt);
    }
    ASSERT(gnutls_x509_crl_sign2(crl, c->ca, c->ca_key, GNUTLS_DIG_SHA256, 0) == 0);
    ASSERT(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem) == 0);
    certs_put(c, "crl.pem", &pem);
    gnutls_free(pem.data);
    gnutls_x509_crl_deinit(crl);
}

static inline void certs_fini(struct certs *c)
{
    char command[96];

    gnutls_x509_crt_deinit(c->ca);
    gnutls_x509_privkey_deinit(c->ca_key);
    snprintf(command, sizeof command, "rm -rf '%s'", c->dir);
    ASSERT(system(command) == 0);
}

#endif
