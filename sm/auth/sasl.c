/* The glue to libsasl2. It is told everything through callbacks: no configuration files, no sasldb,
 * no syslog, of its plugins only the two that we need. Its own ideas of user names and realms are
 * switched off: who the client is, was decided before (exchange.c), and an auxprop plugin of ours
 * answers from the memory of the exchange that asks. */
#include "sm/auth/sasl.h"

#include "common/log.h"
#include "common/mem.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

enum { CALLBACK_OURS = 0x5350 }; /* finds the exchange from inside the plugin */

struct auth_sasl {
    sasl_conn_t *conn;
    struct auth_sasl_answers answers;
    sasl_channel_binding_t binding;
    sasl_callback_t callbacks[5];
};

typedef int callback_fn(void); /* what libsasl2 stores; called as what the id says */

/* --- process-wide ----------------------------------------------------------------------------- */

static const struct {
    const char *name, *value;
} options[] = {
    { "auxprop_plugin", "sallyport" },
    { "pwcheck_method", "auxprop" }, /* asked after our no, and finds no password */
    { "mech_list", "EXTERNAL SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN" },
    { "log_level", "1" },
};

static int on_getopt(void *context, const char *plugin, const char *option, const char **result,
                     unsigned *length)
{
    (void)context, (void)plugin;
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (strcmp(option, options[i].name) == 0) {
            *result = options[i].value;
            if (length)
                *length = (unsigned)strlen(options[i].value);
            return SASL_OK;
        }
    return SASL_FAIL;
}

/* Everything that matters is told by the caller of auth.h; what is left is for people who look for
 * a reason. */
static int on_log(void *context, int level, const char *message)
{
    (void)context;
    if (level == SASL_LOG_ERR || level == SASL_LOG_WARN)
        log_debug("libsasl2 says", kv_text("message", message));
    return SASL_OK;
}

static int on_getconfpath(void *context, char **path)
{
    static char nowhere[] = "/nonexistent"; /* stays ours */

    (void)context;
    *path = nowhere;
    return SASL_OK;
}

/* Asked for each file in the plugins' folder before it is loaded. */
static int on_verify_file(void *context, const char *file, sasl_verify_type_t type)
{
    (void)context;
    if (type != SASL_VRFY_PLUGIN)
        return SASL_CONTINUE;
    return strstr(file, "/libscram.") || strstr(file, "/libplain.") ? SASL_OK : SASL_CONTINUE;
}

static const sasl_callback_t global_callbacks[] = {
    { SASL_CB_GETOPT, (callback_fn *)(void *)on_getopt, NULL },
    { SASL_CB_LOG, (callback_fn *)(void *)on_log, NULL },
    { SASL_CB_GETCONFPATH, (callback_fn *)(void *)on_getconfpath, NULL },
    { SASL_CB_VERIFYFILE, (callback_fn *)(void *)on_verify_file, NULL },
    { SASL_CB_LIST_END, NULL, NULL },
};

/* --- the auxprop plugin ----------------------------------------------------------------------- */

static int on_ours(void)
{
    return SASL_OK;
}

/* Never a userPassword: it would win over the keys (and would have to exist). */
static int on_lookup(void *glob_context, sasl_server_params_t *params, unsigned flags,
                     const char *user, unsigned user_length)
{
    callback_fn *proc;
    void *context;
    struct auth_sasl *s;

    (void)glob_context, (void)user, (void)user_length;
    if (flags & SASL_AUXPROP_AUTHZID)
        return SASL_OK;
    if (params->utils->getcallback(params->utils->conn, CALLBACK_OURS, &proc, &context) != SASL_OK)
        return SASL_FAIL;
    s = context;
    if (!s->answers.secret)
        return SASL_NOUSER;
    return params->utils->prop_set(params->propctx, "*authPassword", s->answers.secret, -1);
}

static int on_auxprop_init(const sasl_utils_t *utils, int max_version, int *out_version,
                           sasl_auxprop_plug_t **out_plugin, const char *name)
{
    static char plugin_name[] = "sallyport";
    static sasl_auxprop_plug_t plugin = { .auxprop_lookup = on_lookup, .name = plugin_name };

    (void)utils, (void)name;
    if (max_version < SASL_AUXPROP_PLUG_VERSION)
        return SASL_BADVERS;
    *out_version = SASL_AUXPROP_PLUG_VERSION;
    *out_plugin = &plugin;
    return SASL_OK;
}

/* --- start and end ---------------------------------------------------------------------------- */

static bool has_mechanism(const char **list, const char *name)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static enum err check_mechanisms(const char *const *names, struct buf *why)
{
    const char **list = sasl_global_listmech();

    for (; *names; names++)
        if (!has_mechanism(list, *names)) {
            buf_printf(
                why, "libsasl2 has no mechanism %s: are its modules installed (libsasl2-modules)?",
                *names);
            return ERR_UNSUPPORTED;
        }
    return ERR_OK;
}

enum err auth_sasl_init(const char *const *names, struct buf *why)
{
    int rc = sasl_server_init(global_callbacks, "sallyport");

    if (rc == SASL_OK)
        rc = sasl_auxprop_add_plugin("sallyport", on_auxprop_init);
    if (rc == SASL_OK && check_mechanisms(names, why) == ERR_OK)
        return ERR_OK;
    if (rc != SASL_OK)
        buf_printf(why, "libsasl2 does not start: %s", sasl_errstring(rc, NULL, NULL));
    sasl_server_done();
    return ERR_UNSUPPORTED;
}

void auth_sasl_fini(void)
{
    sasl_server_done();
}

/* --- one exchange ----------------------------------------------------------------------------- */

/* A constant: its limit of 1 KB for a name is not ours, and it must not join names and realms in
 * its own way. */
static int on_canon_user(sasl_conn_t *conn, void *context, const char *in, unsigned in_length,
                         unsigned flags, const char *realm, char *out, unsigned out_max,
                         unsigned *out_length)
{
    (void)conn, (void)context, (void)in, (void)in_length, (void)flags, (void)realm;
    if (out_max < 2)
        return SASL_BUFOVER;
    memcpy(out, "u", 2);
    *out_length = 1;
    return SASL_OK;
}

/* An authzid other than the client's own was refused before. */
static int on_proxy_policy(sasl_conn_t *conn, void *context, const char *requested,
                           unsigned requested_length, const char *identity,
                           unsigned identity_length, const char *realm, unsigned realm_length,
                           struct propctx *properties)
{
    (void)conn, (void)context, (void)requested, (void)requested_length, (void)identity,
        (void)identity_length;
    (void)realm, (void)realm_length, (void)properties;
    return SASL_OK;
}

static int on_check_password(sasl_conn_t *conn, void *context, const char *user,
                             const char *password, unsigned password_length,
                             struct propctx *properties)
{
    struct auth_sasl *s = context;

    (void)conn, (void)user, (void)password, (void)password_length, (void)properties;
    return s->answers.is_password_right ? SASL_OK : SASL_BADAUTH;
}

static void fill_callbacks(struct auth_sasl *s)
{
    s->callbacks[0] = (sasl_callback_t){ CALLBACK_OURS, on_ours, s };
    s->callbacks[1] =
        (sasl_callback_t){ SASL_CB_CANON_USER, (callback_fn *)(void *)on_canon_user, s };
    s->callbacks[2] =
        (sasl_callback_t){ SASL_CB_PROXY_POLICY, (callback_fn *)(void *)on_proxy_policy, s };
    s->callbacks[3] = (sasl_callback_t){ SASL_CB_SERVER_USERDB_CHECKPASS,
                                         (callback_fn *)(void *)on_check_password, s };
    s->callbacks[4] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
}

/* It must be set before the mechanism is chosen: that decides whether -PLUS exists. */
static int set_binding(struct auth_sasl *s)
{
    if (!s->answers.binding_name)
        return SASL_OK;
    s->binding = (sasl_channel_binding_t){ .name = s->answers.binding_name,
                                           .len = s->answers.binding.n,
                                           .data = (const unsigned char *)s->answers.binding.p };
    return sasl_setprop(s->conn, SASL_CHANNEL_BINDING, &s->binding);
}

/* Without it libsasl2 has no such mechanism. */
static int set_external(struct auth_sasl *s)
{
    if (!s->answers.external)
        return SASL_OK;
    return sasl_setprop(s->conn, SASL_AUTH_EXTERNAL, s->answers.external);
}

struct auth_sasl *auth_sasl_new(const struct auth_sasl_answers *answers)
{
    struct auth_sasl *s = mem_new(struct auth_sasl);

    s->answers = *answers;
    fill_callbacks(s);
    if (sasl_server_new("xmpp", answers->host, NULL, NULL, NULL, s->callbacks, SASL_SUCCESS_DATA,
                        &s->conn) == SASL_OK &&
        set_binding(s) == SASL_OK && set_external(s) == SASL_OK)
        return s;
    auth_sasl_free(s);
    return NULL;
}

void auth_sasl_free(struct auth_sasl *s)
{
    if (!s)
        return;
    if (s->conn)
        sasl_dispose(&s->conn);
    mem_free(s);
}

/* These are ours; everything else that libsasl2 returns is about what the client sent. */
static const int broken[] = { SASL_NOMEM,   SASL_BUFOVER,  SASL_NOMECH,
                              SASL_NOTINIT, SASL_BADPARAM, SASL_CONFIGERR };

static enum auth_sasl_step step_of(int rc, struct str data, struct str *out_data)
{
    *out_data = rc == SASL_OK || rc == SASL_CONTINUE ? data : STR_NONE;
    if (rc == SASL_OK)
        return AUTH_SASL_SUCCESS;
    if (rc == SASL_CONTINUE)
        return AUTH_SASL_CHALLENGE;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        if (rc == broken[i])
            return AUTH_SASL_BROKEN;
    return AUTH_SASL_REFUSED;
}

enum auth_sasl_step auth_sasl_start(struct auth_sasl *s, const char *mechanism, struct str message,
                                    struct str *out_data)
{
    const char *out = NULL;
    unsigned n = 0;
    const char *p = message.p ? message.p : ""; /* NULL: the client sent none yet */
    int rc = sasl_server_start(s->conn, mechanism, p, (unsigned)message.n, &out, &n);

    return step_of(rc, str_of(out, n), out_data);
}

enum auth_sasl_step auth_sasl_step(struct auth_sasl *s, struct str message, struct str *out_data)
{
    const char *out = NULL;
    unsigned n = 0;
    int rc = sasl_server_step(s->conn, message.p, (unsigned)message.n, &out, &n);

    return step_of(rc, str_of(out, n), out_data);
}
