/* Certificates of clients, DER, as strangers make them: their names, and the accounts that they
 * mean. The first byte chooses what is read. What is found must keep certificate.h's promises:
 * addresses of the host alone, each a bare JID that stays as it is, each once. */
#include "proto/jid.h"
#include "sm/auth/certificate.h"

#include <gnutls/x509.h>

#define HOST STR("example.com")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(struct str address)
{
    struct arena arena = { 0 };
    struct jid jid;

    ASSERT(jid_parse(address, &arena, &jid) == ERR_OK && jid_is_bare(&jid));
    ASSERT(str_is_set(jid.local) && str_eq(jid.domain, HOST) && str_eq(jid.bare, address));
    arena_fini(&arena);
}

static void read_certificate(const uint8_t *data, size_t size)
{
    static const enum certificate_rule rules[] = { CERTIFICATE_XMPP_ADDR, CERTIFICATE_MAIL,
                                                   CERTIFICATE_UID, CERTIFICATE_COMMON_NAME };
    struct str found[CERTIFICATE_MAX_ADDRESSES];
    gnutls_datum_t der = { (unsigned char *)data, (unsigned)size };
    struct certificate_names names;
    struct arena arena = { 0 };
    gnutls_x509_crt_t crt;

    ASSERT(gnutls_x509_crt_init(&crt) == 0);
    if (gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER) == 0) {
        certificate_read(crt, &arena, &names);
        for (size_t from = 0; from < ARRAY_LEN(rules); from++) {
            size_t n = certificate_addresses(&names, rules + from, ARRAY_LEN(rules) - from, HOST,
                                             &arena, found);

            for (size_t i = 0; i < n && n <= CERTIFICATE_MAX_ADDRESSES; i++) {
                check_address(found[i]);
                for (size_t k = 0; k < i; k++)
                    ASSERT(!str_eq(found[i], found[k]));
            }
        }
    }
    gnutls_x509_crt_deinit(crt);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text;

    if (size == 0)
        return 0;
    if (data[0] == 'c') {
        read_certificate(data + 1, size - 1);
    } else {
        text = certificate_utf8(str_of(data + 1, size - 1));
        ASSERT(!str_is_set(text) || (text.n > 0 && text.n + 2 <= size - 1 &&
                                     str_find(text, '\0') == text.n));
    }
    return 0;
}
