/* The exchange of RFC 4752 §3: the client's request and our answer to it, an empty message and our
 * offer of security layers, which is none, and the client's choice of it, with the authzid. See the
 * header.
 *
 * One request of the client is under way at a time, so the thread that runs it has the exchange for
 * itself; what it found is looked at when it is back on the loop. */
#include "sm/auth/gssapi.h"

#include "common/log.h"
#include "common/mem.h"
#include "sm/auth/admission.h"
#include "sm/auth/kerberos.h"
#include "sm/auth/sasl.h"

enum {
    MAX_LATER_BYTES = 8192,          /* a wrapped choice with an authzid */
    MAX_UNDER_WAY = 32 * 1024 * 1024 /* of all exchanges of the process, waiting for a thread */
};

enum awaited { REQUEST, NOTHING, CHOICE, END };

struct gssapi {
    uv_work_t work;
    struct auth *auth;
    const struct auth_facts *facts;
    struct arena *arena;
    struct claim *claim;
    struct auth_sasl *sasl;
    enum awaited awaited; /* what the client's next message is */
    struct buf message, data, detail;
    struct str principal; /* absent: not known yet */
    enum auth_sasl_step step; /* what libsasl2 said of it */
    bool has_pipe; /* … which was not asked: the keytab is no file */
    gssapi_done_fn *done;
    void *owner;
};

static struct auth_sasl *sasl_new(const char *hostname)
{
    struct auth_sasl_answers answers = { .host = hostname, .is_gssapi = true };

    return auth_sasl_new(&answers);
}

enum err gssapi_try(const char *hostname, struct buf *why)
{
    struct auth_sasl *s = sasl_new(hostname);
    struct str data;
    bool is_served = false;

    /* Refused as no token at all, when the keys were found before. */
    if (s && auth_sasl_start(s, "GSSAPI", STR("\x60\x00"), &data) == AUTH_SASL_REFUSED)
        is_served = !auth_sasl_has_failed(s);
    if (!is_served)
        buf_add(why, s ? auth_sasl_reason(s) : STR("libsasl2 has no memory for it"));
    auth_sasl_free(s);
    return is_served ? ERR_OK : ERR_NOT_FOUND;
}

struct gssapi *gssapi_new(struct auth *a, const struct auth_facts *facts, struct arena *arena,
                          struct claim *out_claim)
{
    struct gssapi *g = mem_new(struct gssapi);

    g->work.data = g;
    g->auth = a;
    auth_ref(a);
    g->facts = facts;
    g->arena = arena;
    g->claim = out_claim;
    g->sasl = sasl_new(facts->gssapi->hostname);
    return g;
}

void gssapi_free(struct gssapi *g)
{
    if (!g)
        return;
    auth_sasl_free(g->sasl);
    buf_fini(&g->message);
    buf_fini(&g->data);
    buf_fini(&g->detail);
    auth_unref(g->auth);
    mem_free(g);
}

/* --- answers ------------------------------------------------------------------------------------ */

static void fail(struct gssapi *g, enum auth_failure failure, const char *detail)
{
    struct gssapi_answer answer = { .step = AUTH_FAILED,
                                    .failure = failure,
                                    .detail = detail,
                                    .principal = g->principal };

    g->awaited = END;
    g->done(g->owner, &answer);
}

/* The reason is the library's, in English: the ticket's age, a clock, a name, a key; no part of a
 * ticket is in it. */
static void refuse(struct gssapi *g)
{
    buf_clear(&g->detail);
    buf_add(&g->detail, auth_sasl_reason(g->sasl));
    buf_add_char(&g->detail, '\0');
    if (g->awaited == REQUEST && auth_sasl_has_failed(g->sasl)) {
        log_error("the keytab does not serve this host", kv_text("hostname", g->facts->gssapi->hostname),
                  kv_text("reason", g->detail.p));
        fail(g, AUTH_TEMPORARY_AUTH_FAILURE, g->detail.p);
    } else {
        fail(g, AUTH_NOT_AUTHORIZED, g->detail.p);
    }
}

static void go_on(struct gssapi *g)
{
    struct gssapi_answer answer = { .step = AUTH_CHALLENGE, .data = buf_str(&g->data) };

    if (g->awaited == REQUEST && !kerberos_is_answer(answer.data)) {
        fail(g, AUTH_NOT_AUTHORIZED, "the client does not ask for mutual authentication");
    } else if (g->awaited == CHOICE) {
        fail(g, AUTH_TEMPORARY_AUTH_FAILURE, "more steps than the mechanism has");
    } else {
        g->awaited++;
        g->done(g->owner, &answer);
    }
}

/* RFC 6120 §6.3.8 wants a bare JID. Clients that take the mechanism from elsewhere send the user's
 * name alone, which in GSSAPI can mean nobody else. */
static bool is_own_name(struct str authzid, struct str name)
{
    return str_is_set(authzid) && str_eq(authzid, name);
}

static enum auth_failure make_claim(struct gssapi *g, const char **out_detail)
{
    const struct auth_gssapi *conf = g->facts->gssapi;
    struct str name, authzid = auth_sasl_authzid(g->sasl);
    enum auth_failure failure;

    *out_detail = kerberos_read_person(g->principal, conf->default_realm, conf->realms, &name);
    if (*out_detail)
        return AUTH_NOT_AUTHORIZED;
    if (is_own_name(authzid, name))
        authzid = STR_NONE;
    failure = claim_make(g->facts, name, authzid, g->arena, g->claim);
    if (failure != AUTH_OK || g->claim->is_account)
        return failure;
    *out_detail = "a principal whose name no account can have";
    return AUTH_NOT_AUTHORIZED;
}

static void on_admitted(void *owner, enum auth_failure failure, const char *detail)
{
    struct gssapi *g = owner;
    struct gssapi_answer answer = { .step = AUTH_SUCCESS, .principal = g->principal };

    if (failure == AUTH_OK)
        g->done(g->owner, &answer);
    else
        fail(g, failure, detail);
}

/* Of an account that is not there, nobody but its principal's owner learns that. */
static void succeed(struct gssapi *g)
{
    bool is_over = g->awaited == CHOICE;
    enum auth_failure failure;
    const char *detail;

    g->awaited = END;
    if (!is_over) {
        fail(g, AUTH_TEMPORARY_AUTH_FAILURE, "fewer steps than the mechanism has");
        return;
    }
    g->principal = auth_sasl_authcid(g->sasl);
    if ((failure = make_claim(g, &detail)) != AUTH_OK)
        fail(g, failure, detail);
    else if (g->auth->is_closed || store_is_busy(g->auth->store))
        fail(g, AUTH_TEMPORARY_AUTH_FAILURE, "the store is busy");
    else
        admission_ask(g->auth, g->facts, g->claim, on_admitted, g);
}

static void answer_step(struct gssapi *g)
{
    switch (g->step) {
    case AUTH_SASL_CHALLENGE:
        go_on(g);
        break;
    case AUTH_SASL_SUCCESS:
        succeed(g);
        break;
    case AUTH_SASL_REFUSED:
        refuse(g);
        break;
    case AUTH_SASL_BROKEN:
        fail(g, AUTH_TEMPORARY_AUTH_FAILURE, "libsasl2 failed");
        break;
    }
}

/* --- steps -------------------------------------------------------------------------------------- */

static size_t weight(const struct gssapi *g)
{
    return g->message.n + sizeof *g;
}

/* In a thread of the pool. */
static void run(uv_work_t *work)
{
    struct gssapi *g = work->data;
    struct str data = STR_NONE, message = buf_str(&g->message);

    g->has_pipe = g->awaited == REQUEST && !auth_sasl_may_read_keytab();
    if (g->has_pipe)
        return;
    g->step = g->awaited == REQUEST ? auth_sasl_start(g->sasl, "GSSAPI", message, &data)
                                    : auth_sasl_step(g->sasl, message, &data);
    buf_clear(&g->data);
    buf_add(&g->data, data);
}

static void on_run(uv_work_t *work, int status)
{
    struct gssapi *g = work->data;

    ASSERT(status == 0); /* we cancel nothing */
    g->auth->gssapi_under_way -= weight(g);
    if (g->has_pipe) {
        log_error("the keytab is no regular file",
                  kv_text("hostname", g->facts->gssapi->hostname));
        fail(g, AUTH_TEMPORARY_AUTH_FAILURE, "the keytab is no regular file");
    } else {
        answer_step(g);
    }
}

static bool is_expected(const struct gssapi *g, struct str message)
{
    switch (g->awaited) {
    case REQUEST:
        return kerberos_is_request(message);
    case NOTHING:
        return message.n == 0;
    case CHOICE:
        return message.n > 0 && message.n <= MAX_LATER_BYTES;
    case END:
        break;
    }
    return false;
}

void gssapi_step(struct gssapi *g, struct str message, gssapi_done_fn *done, void *owner)
{
    g->done = done;
    g->owner = owner;
    if (!is_expected(g, message)) {
        fail(g, AUTH_MALFORMED_REQUEST,
             g->awaited == REQUEST ? "not a token of Kerberos 5" : "out of order");
    } else if (!g->sasl || g->auth->gssapi_under_way > MAX_UNDER_WAY) {
        fail(g, AUTH_TEMPORARY_AUTH_FAILURE, "too many logins under way");
    } else {
        buf_clear(&g->message);
        buf_add(&g->message, message);
        g->auth->gssapi_under_way += weight(g);
        ASSERT(uv_queue_work(g->auth->loop, &g->work, run, on_run) == 0);
    }
}
