/* See kerberos.h. */
#include "tests/bench/kerberos.h"

#include "common/mem.h"

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <stdio.h>
#include <string.h>

struct kerberos {
    gss_cred_id_t tickets;
    gss_name_t service;
    gss_ctx_id_t context;
    bool is_complete;
};

void kerberos_free(struct kerberos *k)
{
    OM_uint32 minor;

    if (!k)
        return;
    gss_delete_sec_context(&minor, &k->context, GSS_C_NO_BUFFER);
    gss_release_cred(&minor, &k->tickets);
    gss_release_name(&minor, &k->service);
    mem_free(k);
}

struct kerberos *kerberos_new(const char *tickets, const char *host)
{
    gss_key_value_element_desc from = { "ccache", tickets };
    gss_key_value_set_desc store = { 1, &from };
    struct kerberos *k = mem_new(struct kerberos);
    char service[300];
    gss_buffer_desc name = { (size_t)snprintf(service, sizeof service, "xmpp@%s", host), service };
    OM_uint32 minor;

    if (gss_import_name(&minor, &name, GSS_C_NT_HOSTBASED_SERVICE, &k->service) == GSS_S_COMPLETE &&
        gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, GSS_C_NO_OID_SET,
                              GSS_C_INITIATE, &store, &k->tickets, NULL, NULL) == GSS_S_COMPLETE)
        return k;
    kerberos_free(k);
    return NULL;
}

static void take(struct buf *answer, gss_buffer_t token)
{
    OM_uint32 minor;

    buf_add(answer, str_of(token->value, token->length));
    gss_release_buffer(&minor, token);
}

static enum err negotiate(struct kerberos *k, gss_buffer_t in, struct buf *answer)
{
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor;
    OM_uint32 major = gss_init_sec_context(
        &minor, k->tickets, &k->context, k->service, (gss_OID)gss_mech_krb5,
        GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_SEQUENCE_FLAG, 0, GSS_C_NO_CHANNEL_BINDINGS,
        in->length > 0 ? in : GSS_C_NO_BUFFER, NULL, &out, NULL, NULL);

    take(answer, &out);
    k->is_complete = major == GSS_S_COMPLETE;
    return GSS_ERROR(major) ? ERR_DENIED : ERR_OK;
}

/* The server offers layers; we take none (its first bit), and name nobody. */
static enum err agree(struct kerberos *k, gss_buffer_t in, struct buf *answer)
{
    static char none[] = { 1, 0, 0, 0 };
    gss_buffer_desc offer = GSS_C_EMPTY_BUFFER, choice = { sizeof none, none };
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor;
    bool is_good =
        gss_unwrap(&minor, k->context, in, &offer, NULL, NULL) == GSS_S_COMPLETE &&
        offer.length == 4 && (((const char *)offer.value)[0] & 1) &&
        gss_wrap(&minor, k->context, 0, GSS_C_QOP_DEFAULT, &choice, NULL, &out) == GSS_S_COMPLETE;

    gss_release_buffer(&minor, &offer);
    take(answer, &out);
    return is_good ? ERR_OK : ERR_DENIED;
}

enum err kerberos_step(struct kerberos *k, struct str challenge, struct buf *answer)
{
    gss_buffer_desc in = { challenge.n, (char *)(uintptr_t)challenge.p };

    return k->is_complete ? agree(k, &in, answer) : negotiate(k, &in, answer);
}
