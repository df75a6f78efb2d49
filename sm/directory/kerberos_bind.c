/* See the header. libsasl2 has a client for this, but it would bring all its plugins into the
 * process (library.c); the exchange is short: tokens of GSS-API until both are known to each other,
 * then the server's offer of security layers, and our choice of none, as there is TLS already. */
#include "sm/directory/kerberos_bind.h"

#include "common/buf.h"
#include "common/mem.h"

#include <gssapi/gssapi_krb5.h>
#include <krb5.h>
#include <string.h>

enum {
    MAX_TOKENS = 8,   /* Kerberos needs one, or two */
    LAYER_BYTES = 4,  /* RFC 4752 §3.3: which layers, and the most bytes of one message */
    LAYER_NONE = 0x01
};

struct bind {
    LDAP *ld;
    const struct dir_kerberos *want;
    krb5_context krb5;
    krb5_ccache cache; /* in memory, of this bind alone */
    gss_cred_id_t credentials;
    gss_name_t server;
    gss_ctx_id_t context;
    bool is_established;
    int rc; /* LDAP's */
};

/* --- what failed ------------------------------------------------------------------------------ */

static bool fail(struct bind *b, int rc, struct buf *words)
{
    buf_add_char(words, '\0');
    ldap_set_option(b->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, words->p);
    buf_fini(words);
    b->rc = rc;
    return false;
}

static bool fail_with(struct bind *b, const char *sentence)
{
    struct buf words = { 0 };

    buf_add(&words, str_from(sentence));
    return fail(b, LDAP_LOCAL_ERROR, &words);
}

/* It is not a matter of who can be reached: the same would come again. */
static bool is_refusal(krb5_error_code e)
{
    return e == KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN || e == KRB5KDC_ERR_PREAUTH_FAILED ||
           e == KRB5KDC_ERR_CLIENT_REVOKED || e == KRB5KDC_ERR_NAME_EXP ||
           e == KRB5KDC_ERR_KEY_EXP || e == KRB5KDC_ERR_POLICY || e == KRB5KDC_ERR_ETYPE_NOSUPP ||
           e == KRB5KRB_AP_ERR_BAD_INTEGRITY || e == KRB5_KT_NOTFOUND;
}

static bool fail_krb5(struct bind *b, krb5_error_code e)
{
    const char *text = krb5_get_error_message(b->krb5, e);
    struct buf words = { 0 };

    buf_printf(&words, "ticket of %s: %s", b->want->principal, text);
    krb5_free_error_message(b->krb5, text);
    return fail(b, is_refusal(e) ? LDAP_INVALID_CREDENTIALS : LDAP_LOCAL_ERROR, &words);
}

static void add_status(struct buf *words, OM_uint32 status, int kind)
{
    OM_uint32 minor, more = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;

    do {
        if (GSS_ERROR(gss_display_status(&minor, status, kind, gss_mech_krb5, &more, &text)))
            return;
        buf_printf(words, ": %.*s", (int)text.length, (const char *)text.value);
        gss_release_buffer(&minor, &text);
    } while (more != 0);
}

static bool fail_gss(struct bind *b, OM_uint32 major, OM_uint32 minor)
{
    struct buf words = { 0 };

    buf_printf(&words, "%s to ldap/%s", b->want->principal, b->want->host);
    add_status(&words, major, GSS_C_GSS_CODE);
    if (minor != 0)
        add_status(&words, minor, GSS_C_MECH_CODE);
    return fail(b, LDAP_LOCAL_ERROR, &words);
}

/* --- the ticket ------------------------------------------------------------------------------- */

static krb5_error_code ask_kdc(struct bind *b, krb5_principal who, krb5_keytab keytab)
{
    krb5_creds creds = { 0 };
    krb5_error_code e =
        krb5_get_init_creds_keytab(b->krb5, &creds, who, keytab, 0, NULL, NULL);

    if (e != 0)
        return e;
    if ((e = krb5_cc_new_unique(b->krb5, "MEMORY", NULL, &b->cache)) == 0 &&
        (e = krb5_cc_initialize(b->krb5, b->cache, who)) == 0)
        e = krb5_cc_store_cred(b->krb5, b->cache, &creds);
    krb5_free_cred_contents(b->krb5, &creds);
    return e;
}

static bool get_ticket(struct bind *b)
{
    krb5_principal who = NULL;
    krb5_keytab keytab = NULL;
    struct buf file = { 0 };
    krb5_error_code e;

    if (krb5_init_context(&b->krb5) != 0) {
        b->krb5 = NULL;
        return fail_with(b, "the settings for Kerberos cannot be read");
    }
    buf_printf(&file, "FILE:%s", b->want->keytab);
    buf_add_char(&file, '\0');
    if ((e = krb5_parse_name(b->krb5, b->want->principal, &who)) == 0 &&
        (e = krb5_kt_resolve(b->krb5, file.p, &keytab)) == 0)
        e = ask_kdc(b, who, keytab);
    buf_fini(&file);
    if (keytab)
        krb5_kt_close(b->krb5, keytab);
    krb5_free_principal(b->krb5, who);
    return e == 0 || fail_krb5(b, e);
}

static bool get_names(struct bind *b)
{
    struct buf service = { 0 };
    gss_buffer_desc text;
    OM_uint32 major, minor;

    buf_printf(&service, "ldap@%s", b->want->host);
    text = (gss_buffer_desc){ .length = service.n, .value = service.p };
    major = gss_import_name(&minor, &text, GSS_C_NT_HOSTBASED_SERVICE, &b->server);
    buf_fini(&service);
    if (!GSS_ERROR(major))
        major = gss_krb5_import_cred(&minor, b->cache, NULL, NULL, &b->credentials);
    return !GSS_ERROR(major) || fail_gss(b, major, minor);
}

/* --- the exchange ----------------------------------------------------------------------------- */

/* out_answer: to be freed; NULL: none. False with b->rc set; in between that is "in progress". */
static bool say(struct bind *b, const gss_buffer_desc *token, struct berval **out_answer)
{
    struct berval message = { .bv_len = token->length,
                              .bv_val = token->value ? token->value : (char *)"" };

    *out_answer = NULL;
    b->rc = ldap_sasl_bind_s(b->ld, NULL, "GSSAPI", &message, NULL, NULL, out_answer);
    return b->rc == LDAP_SASL_BIND_IN_PROGRESS || b->rc == LDAP_SUCCESS;
}

/* One token of ours for what came; out_token may stay empty. */
static bool step(struct bind *b, const struct berval *came, gss_buffer_desc *out_token)
{
    gss_buffer_desc in = { .length = came ? came->bv_len : 0, .value = came ? came->bv_val : NULL };
    OM_uint32 major, minor, flags = 0;

    major = gss_init_sec_context(&minor, b->credentials, &b->context, b->server, gss_mech_krb5,
                                 GSS_C_MUTUAL_FLAG | GSS_C_SEQUENCE_FLAG, 0, NULL,
                                 came ? &in : GSS_C_NO_BUFFER, NULL, out_token, &flags, NULL);
    if (GSS_ERROR(major))
        return fail_gss(b, major, minor);
    b->is_established = major == GSS_S_COMPLETE;
    if (b->is_established && !(flags & GSS_C_MUTUAL_FLAG))
        return fail_with(b, "the directory did not prove who it is");
    return true;
}

/* Whoever says "success" before it is known has not been asked for anything. */
static bool exchange_tokens(struct bind *b, struct berval **out_offer)
{
    struct berval *answer = NULL;
    bool is_going = true;

    for (int i = 0; is_going && !b->is_established; i++) {
        gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
        OM_uint32 minor;

        is_going = i < MAX_TOKENS ? step(b, answer, &token)
                                  : fail_with(b, "the directory comes to no end");
        ber_bvfree(answer);
        answer = NULL;
        is_going = is_going && say(b, &token, &answer);
        gss_release_buffer(&minor, &token);
        if (is_going && b->rc == LDAP_SUCCESS)
            is_going = fail_with(b, "the directory ended the exchange too early");
    }
    *out_offer = answer;
    return is_going;
}

/* RFC 4752 §3.1: a mask of layers in the first byte. */
static bool is_without_layer_fine(struct bind *b, const struct berval *offer)
{
    gss_buffer_desc in = { .length = offer ? offer->bv_len : 0,
                           .value = offer ? offer->bv_val : NULL };
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, unused, major = gss_unwrap(&minor, b->context, &in, &out, NULL, NULL);
    bool is_fine;

    if (GSS_ERROR(major))
        return fail_gss(b, major, minor);
    is_fine = out.length == LAYER_BYTES && (((const uint8_t *)out.value)[0] & LAYER_NONE);
    gss_release_buffer(&unused, &out);
    return is_fine || fail_with(b, "the directory demands a security layer besides TLS");
}

/* No layer, and nobody else to be. */
static bool choose(struct bind *b)
{
    char choice[LAYER_BYTES] = { LAYER_NONE, 0, 0, 0 };
    gss_buffer_desc in = { .length = sizeof choice, .value = choice };
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    struct berval *answer = NULL;
    OM_uint32 minor, unused, major = gss_wrap(&minor, b->context, 0, 0, &in, NULL, &out);
    bool is_sent;

    if (GSS_ERROR(major))
        return fail_gss(b, major, minor);
    is_sent = say(b, &out, &answer);
    gss_release_buffer(&unused, &out);
    ber_bvfree(answer);
    if (is_sent && b->rc != LDAP_SUCCESS)
        return fail_with(b, "the directory comes to no end");
    return is_sent;
}

static void forget(struct bind *b)
{
    OM_uint32 minor;

    gss_delete_sec_context(&minor, &b->context, GSS_C_NO_BUFFER);
    gss_release_name(&minor, &b->server);
    gss_release_cred(&minor, &b->credentials);
    if (b->cache)
        krb5_cc_destroy(b->krb5, b->cache);
    if (b->krb5)
        krb5_free_context(b->krb5);
}

int dir_kerberos_bind(LDAP *ld, const struct dir_kerberos *want)
{
    struct bind b = { .ld = ld,
                      .want = want,
                      .credentials = GSS_C_NO_CREDENTIAL,
                      .server = GSS_C_NO_NAME,
                      .context = GSS_C_NO_CONTEXT,
                      .rc = LDAP_LOCAL_ERROR };
    struct berval *offer = NULL;
    bool is_done = get_ticket(&b) && get_names(&b) && exchange_tokens(&b, &offer) &&
                   is_without_layer_fine(&b, offer) && choose(&b);

    ber_bvfree(offer);
    forget(&b);
    ASSERT(is_done == (b.rc == LDAP_SUCCESS));
    return b.rc;
}
