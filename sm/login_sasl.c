/* The SASL negotiation of a connection: RFC 6120 §6. The mechanisms are sm/auth's; here is the framing, and how often one may try. */
#include "sm/login_parts.h"

#include "common/audit.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/ns.h"
#include "sm/adopt.h"
#include "sm/metrics.h"
#include "sm/peers.h"
#include "sm/single_sign_on.h"

enum { FAILURES_A_GUESS = 4 }; /* what is no guess is limited as well, more widely */

/* The name is the one that the router stamped. */
static bool is_inside(const struct login *l)
{
    return sm_is_inside(l->sm, str_from(l->c2s->name));
}

/* NULL: it names none, which means all. */
static const char *const *names_of(const struct conf_list *list, struct arena *arena)
{
    return list->count > 0 ? sm_conf_names(list, arena) : NULL;
}

static void add_directory(struct auth_facts *facts, const struct sm_conf *c, const struct sm_host_conf *h)
{
    const struct sm_directory_conf *d = sm_conf_is_directory(h) ? sm_conf_directory_of(c, h) : NULL;

    if (!d)
        return;
    facts->directory = d->name;
    facts->order = sm_conf_auth_order(h);
    for (size_t i = 0; i < d->scram.count && i < AUTH_SOURCES; i++)
        facts->sources[i] = auth_source_find(d->scram.items[i]);
}

/* Asked for what is offered and again for what is accepted, so that these are the same. */
static struct auth_facts facts_of(const struct login *l, struct arena *arena)
{
    const struct sm_host_conf *h = l->host;
    bool is_within = is_inside(l), has_own_list = !is_within && h->mechanisms_dmz.count > 0;
    struct auth_facts facts = { .host = str_from(l->host->name),
                                .is_tls = str_is_set(l->open.tls),
                                .cb_exporter = l->open.cb_exporter,
                                .cb_end_point = l->open.cb_end_point,
                                .cb_unique = l->open.cb_unique,
                                .mechanisms = names_of(has_own_list ? &h->mechanisms_dmz : &h->mechanisms, arena),
                                .address = l->open.addr,
                                .c2s = str_from(l->c2s->name),
                                .access = sm_conf_access(h, arena),
                                .is_inside = is_within,
                                .gssapi = single_sign_on_facts(l->sm, h, arena),
                                .refused = is_within || has_own_list ? NULL : sm_conf_exposed,
                                .chain = l->open.chain,
                                .is_chain_good = l->is_certified };

    add_directory(&facts, l->sm->conf, h);
    return facts;
}

/* c2s offers nothing but STARTTLS then; this is for a c2s that does not. */
static bool lacks_tls(const struct login *l)
{
    return l->host->is_tls_required && !str_is_set(l->open.tls);
}

/* XEP-0440 §3. */
static void add_bindings(const struct login *l, struct xml *features, struct arena *arena)
{
    const struct {
        const char *type;
        bool is_there;
    } types[] = { { "tls-exporter", str_is_set(l->open.cb_exporter) },
                  { "tls-server-end-point", str_is_set(l->open.cb_end_point) },
                  { "tls-unique", str_is_set(l->open.cb_unique) } };
    struct xml *list = NULL;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!types[i].is_there)
            continue;
        if (!list)
            list = xml_add(features, arena, NS_SASL_CB, "sasl-channel-binding");
        xml_set(xml_add(list, arena, NULL, "channel-binding"), arena, "type", str_from(types[i].type));
    }
}

static bool is_offered(const char **names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

/* XEP-0233 §2: whose ticket the client needs. */
static void add_hostname(struct xml *list, const struct auth_facts *facts, struct arena *arena)
{
    xml_add_text(xml_add(list, arena, NS_DOMAIN_BASED_NAME, "hostname"), arena, str_from(facts->gssapi->hostname));
}

void login_sasl_features(struct login *l, struct xml *features, struct arena *arena)
{
    struct auth_facts facts = facts_of(l, arena);
    const char **names = auth_mechanisms(l->sm->auth, &facts, arena);
    struct xml *list;

    if (lacks_tls(l) || !names[0])
        return;
    list = xml_add(features, arena, NS_SASL, "mechanisms");
    for (size_t i = 0; names[i]; i++)
        xml_add_text(xml_add(list, arena, NULL, "mechanism"), arena, str_from(names[i]));
    if (is_offered(names, "GSSAPI"))
        add_hostname(list, &facts, arena);
    add_bindings(l, features, arena);
}

/* --- the client's certificate ------------------------------------------------------------------------------------ */

static void on_certificate(void *owner, const struct auth_certificate *c)
{
    struct login *l = owner;

    l->check = NULL;
    l->is_certified = !c->refusal;
    if (c->refusal) {
        metric_inc(&sm_metric_certificates_refused);
        audit_warning("client-certificate-refused", kv_str("address", l->open.addr), kv_text("host", l->host->name),
                      kv_text("reason", c->refusal), kv_str("c2s", frame_address_name(str_from(l->address))),
                      kv_text("connection", l->address));
    }
    if (l->open.is_lost)
        return;
    if (l->state == LOGIN_BUSY && !l->exchange) /* not where c2s did not wait for the features */
        l->state = LOGIN_OPEN;
    login_send_features(l);
}

/* Where EXTERNAL would be offered for a good one; elsewhere nobody looks at it. */
bool login_sasl_certify(struct login *l)
{
    struct arena arena = { 0 };
    struct auth_facts facts = facts_of(l, &arena);
    const char **names;

    l->is_certified = false;
    if (!str_is_set(l->open.chain) || lacks_tls(l)) {
        arena_fini(&arena);
        return false;
    }
    facts.is_chain_good = true;
    names = auth_mechanisms(l->sm->auth, &facts, &arena);
    while (*names && strcmp(*names, "EXTERNAL") != 0)
        names++;
    if (*names)
        l->check = auth_certificate_check(l->sm->auth, facts.host, l->open.chain, on_certificate, l);
    if (l->check && !l->is_lost)
        l->state = LOGIN_BUSY;
    arena_fini(&arena);
    return l->check != NULL;
}

/* --- failure ----------------------------------------------------------------------------------------------------- */

/* §6.4.5: then the stream ends. */
static void fail(struct login *l, const struct auth_result *result)
{
    int64_t limit = l->sm->conf->auth_retries;
    const char *mechanism = result->mechanism ? result->mechanism : "", *detail = result->detail ? result->detail : "";
    struct buf out = { 0 };

    if (result->failure == AUTH_INVALID_MECHANISM && result->mechanism)
        detail = is_inside(l) ? "not offered by this host" : "not offered by this host to connection managers in the dmz";

    buf_printf(&out, "<failure xmlns='" NS_SASL "'><%s/></failure>", auth_failure_name(result->failure));
    audit_warning("login-refused", kv_str("claimed", result->claimed), kv_text("host", l->host->name),
          kv_text("condition", auth_failure_name(result->failure)), kv_text("mechanism", mechanism),
          kv_text("detail", detail), kv_str("address", l->open.addr),
          kv_str("c2s", frame_address_name(str_from(l->address))), kv_text("connection", l->address));
    metric_inc(&sm_metric_login_failures);
    l->guesses += result->counts;
    auth_exchange_free(l->exchange); /* result lived in it */
    l->exchange = NULL;
    l->state = LOGIN_OPEN;
    l->failures++;
    login_send(l, buf_str(&out));
    buf_fini(&out);
    if (l->guesses > limit || l->failures > limit * FAILURES_A_GUESS)
        login_end(l, STREAM_POLICY_VIOLATION, STR("too many attempts to log in"));
}

void login_sasl_fail(struct login *l, enum auth_failure failure)
{
    fail(l, &(struct auth_result){ .failure = failure, .claimed = STR_NONE });
}

/* --- the exchange ------------------------------------------------------------------------------------------------ */

static void send_challenge(struct login *l, struct str data)
{
    struct buf out = { 0 };

    buf_add(&out, STR("<challenge xmlns='" NS_SASL "'>"));
    buf_add_base64(&out, data);
    buf_add(&out, STR("</challenge>"));
    l->state = LOGIN_CHALLENGED;
    login_send(l, buf_str(&out));
    buf_fini(&out);
}

static void on_success(struct login *l, const struct auth_result *result)
{
    struct str address = str_from(l->address);
    struct control_adopt adopt = { .account = result->account,
                                   .c2s = frame_address_name(address),
                                   .conn = frame_address_rest(address),
                                   .mechanism = str_from(result->mechanism),
                                   .success_data = result->data,
                                   .outside = result->may_outside ? STR("1") : STR("0"),
                                   .addr = l->open.addr,
                                   .tls = l->open.tls,
                                   .cipher = l->open.cipher,
                                   .lang = l->open.lang };
    struct auth_exchange *x = l->exchange;

    l->exchange = NULL;
    l->state = LOGIN_ADOPTING;
    adopt_send(l->sm, l->via, &adopt);
    auth_exchange_free(x); /* result lived in it */
}

static void on_step(void *owner, const struct auth_result *result)
{
    struct login *l = owner;

    switch (result->step) {
    case AUTH_CHALLENGE:
        send_challenge(l, result->data);
        break;
    case AUTH_SUCCESS:
        on_success(l, result);
        break;
    case AUTH_FAILED:
        fail(l, result);
        break;
    }
}

/* §6.4.2: no text is nothing, "=" is data of no length. */
static enum err decode(const struct xml *el, struct arena *arena, struct str *out_data)
{
    struct str text = xml_text(el, arena);
    struct buf bytes = { 0 };
    enum err e;

    *out_data = STR_NONE;
    if (text.n == 0)
        return ERR_OK;
    *out_data = STR("");
    if (str_is(text, "="))
        return ERR_OK;
    e = buf_add_base64_decoded(&bytes, text);
    if (e == ERR_OK)
        *out_data = arena_str(arena, buf_str(&bytes));
    buf_fini(&bytes);
    return e;
}

static void on_auth(struct login *l, const struct xml *el, struct arena *arena)
{
    struct str mechanism = xml_attr(el, "mechanism"), initial;
    struct auth_facts facts = facts_of(l, arena);

    if (!str_is_set(mechanism)) {
        login_sasl_fail(l, AUTH_INVALID_MECHANISM);
        return;
    }
    if (l->check && str_is(mechanism, "EXTERNAL")) { /* after lost='1' nothing waited for it */
        login_sasl_fail(l, AUTH_TEMPORARY_AUTH_FAILURE);
        return;
    }
    if (decode(el, arena, &initial) != ERR_OK) {
        login_sasl_fail(l, AUTH_INCORRECT_ENCODING);
        return;
    }
    auth_exchange_free(l->exchange);
    l->exchange = auth_exchange_new(l->sm->auth, &facts, on_step, l);
    l->state = LOGIN_BUSY;
    auth_start(l->exchange, mechanism, initial);
}

static void on_response(struct login *l, const struct xml *el, struct arena *arena)
{
    struct str data;

    if (decode(el, arena, &data) != ERR_OK) {
        login_sasl_fail(l, AUTH_INCORRECT_ENCODING);
        return;
    }
    l->state = LOGIN_BUSY;
    auth_respond(l->exchange, str_is_set(data) ? data : STR(""));
}

void login_sasl(struct login *l, const struct xml *el)
{
    struct arena arena = { 0 };

    if (l->state == LOGIN_ADOPTING || (l->state == LOGIN_OPEN && !l->is_lost && !str_is(el->name, "auth"))) {
        login_sasl_fail(l, AUTH_MALFORMED_REQUEST);
    } else if (l->is_lost) { /* its exchange was with a process that is gone */
        l->is_lost = false;
        login_sasl_fail(l, AUTH_TEMPORARY_AUTH_FAILURE);
    } else if (lacks_tls(l)) {
        login_sasl_fail(l, AUTH_ENCRYPTION_REQUIRED);
    } else if (str_is(el->name, "abort")) {
        login_sasl_fail(l, AUTH_ABORTED);
    } else if (str_is(el->name, "auth") && l->state == LOGIN_OPEN) {
        on_auth(l, el, &arena);
    } else if (str_is(el->name, "response") && l->state == LOGIN_CHALLENGED) {
        on_response(l, el, &arena);
    } else {
        login_sasl_fail(l, AUTH_MALFORMED_REQUEST);
    }
    arena_fini(&arena);
}
