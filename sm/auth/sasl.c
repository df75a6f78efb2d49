/* The glue to libsasl2. It is told everything through callbacks: no configuration files, no sasldb,
 * no syslog, of its plugins only those that we need. Its own ideas of user names and realms are
 * switched off: who the client is, was decided before (exchange.c), and an auxprop plugin of ours
 * answers from the memory of the exchange that asks. GSSAPI alone learns names from the mechanism;
 * it runs in libuv's threads (gssapi.c), and its exchange keeps what it says for itself. */
#include "sm/auth/sasl.h"

#include "common/log.h"
#include "common/mem.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <sys/stat.h>
#include <uv.h>

enum {
    CALLBACK_OURS = 0x5350, /* finds the exchange from inside the plugin */
    MAX_SAID = 512
};

struct auth_sasl {
    sasl_conn_t *conn;
    struct auth_sasl_answers answers;
    const char *password; /* of DIGEST-MD5, for one step; NULL otherwise */
    sasl_channel_binding_t binding;
    sasl_callback_t callbacks[6];
    int code; /* of the last call */
    struct buf said, authcid, authzid;
    bool has_authzid;
};

typedef int callback_fn(void); /* what libsasl2 stores; called as what the id says */

/* --- process-wide ----------------------------------------------------------------------------- */

/* libsasl2 is one a process: so is what it asks for outside of exchanges. */
static struct {
    char *keytab; /* NULL: GSSAPI's plugin is not loaded */
    uv_thread_t home; /* the loop's thread, which alone may log */
} process;

static const struct {
    const char *name, *value;
} options[] = {
    { "auxprop_plugin", "sallyport" },
    { "pwcheck_method", "auxprop" }, /* asked after our no, and finds no password */
    { "mech_list", "EXTERNAL SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN GSSAPI DIGEST-MD5" },
    { "log_level", "1" },
};

static int on_getopt(void *context, const char *plugin, const char *option, const char **result,
                     unsigned *length)
{
    const char *value = NULL;

    (void)context;
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (strcmp(option, options[i].name) == 0)
            value = options[i].value;
    if (plugin && strcmp(plugin, "GSSAPI") == 0 && strcmp(option, "keytab") == 0)
        value = process.keytab;
    if (!value)
        return SASL_FAIL;
    *result = value;
    if (length)
        *length = (unsigned)strlen(value);
    return SASL_OK;
}

/* Everything that matters is told by the caller of auth.h; what is left is for people who look for
 * a reason. */
static int on_log(void *context, int level, const char *message)
{
    uv_thread_t here = uv_thread_self();

    (void)context;
    if ((level == SASL_LOG_ERR || level == SASL_LOG_WARN) && uv_thread_equal(&here, &process.home))
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
    if (strstr(file, "/libgssapiv2."))
        return process.keytab ? SASL_OK : SASL_CONTINUE;
    return strstr(file, "/libscram.") || strstr(file, "/libplain.") || strstr(file, "/libdigestmd5.")
               ? SASL_OK
               : SASL_CONTINUE;
}

static const sasl_callback_t global_callbacks[] = {
    { SASL_CB_GETOPT, (callback_fn *)(void *)on_getopt, NULL },
    { SASL_CB_LOG, (callback_fn *)(void *)on_log, NULL },
    { SASL_CB_GETCONFPATH, (callback_fn *)(void *)on_getconfpath, NULL },
    { SASL_CB_VERIFYFILE, (callback_fn *)(void *)on_verify_file, NULL },
    { SASL_CB_LIST_END, NULL, NULL },
};

/* What exchanges share in libsasl2 is read in several threads. */
static void *on_mutex_alloc(void)
{
    uv_mutex_t *m = mem_new(uv_mutex_t);

    ASSERT(uv_mutex_init(m) == 0);
    return m;
}

static int on_mutex_lock(void *mutex)
{
    uv_mutex_lock(mutex);
    return SASL_OK;
}

static int on_mutex_unlock(void *mutex)
{
    uv_mutex_unlock(mutex);
    return SASL_OK;
}

static void on_mutex_free(void *mutex)
{
    uv_mutex_destroy(mutex);
    mem_free(mutex);
}

/* --- the auxprop plugin ----------------------------------------------------------------------- */

static int on_ours(void)
{
    return SASL_OK;
}

/* A userPassword for DIGEST-MD5 alone: it would win over the keys (and would have to exist). */
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
    if (s->answers.is_digest && s->password)
        return params->utils->prop_set(params->propctx, "*userPassword", s->password, -1);
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
    if (!process.keytab || has_mechanism(list, "GSSAPI"))
        return ERR_OK;
    buf_printf(why, "libsasl2 has no mechanism GSSAPI: is its module installed "
                    "(libsasl2-modules-gssapi-mit), and can the keytab be read?");
    return ERR_UNSUPPORTED;
}

enum err auth_sasl_init(const char *const *names, const char *keytab, struct buf *why)
{
    int rc;

    process.home = uv_thread_self();
    mem_free(process.keytab);
    process.keytab = keytab ? mem_strdup(keytab) : NULL;
    sasl_set_mutex(on_mutex_alloc, on_mutex_lock, on_mutex_unlock, on_mutex_free);
    rc = sasl_server_init(global_callbacks, "sallyport");
    if (rc == SASL_OK)
        rc = sasl_auxprop_add_plugin("sallyport", on_auxprop_init);
    if (rc == SASL_OK && check_mechanisms(names, why) == ERR_OK)
        return ERR_OK;
    if (rc != SASL_OK)
        buf_printf(why, "libsasl2 does not start: %s", sasl_errstring(rc, NULL, NULL));
    auth_sasl_fini();
    return ERR_UNSUPPORTED;
}

void auth_sasl_fini(void)
{
    sasl_server_done();
    mem_free(process.keytab);
    process.keytab = NULL;
}

/* --- one exchange ----------------------------------------------------------------------------- */

/* In whatever thread it is: what counts is the last thing that it says, which has the reason. */
static int on_own_log(void *context, int level, const char *message)
{
    struct auth_sasl *s = context;
    struct str text = str_from(message);

    if (level != SASL_LOG_ERR && level != SASL_LOG_WARN && level != SASL_LOG_FAIL)
        return SASL_OK;
    buf_clear(&s->said);
    buf_add(&s->said, str_of(text.p, text.n < MAX_SAID ? text.n : MAX_SAID));
    return SASL_OK;
}

/* A constant: its limit of 1 KB for a name is not ours, and it must not join names and realms in
 * its own way. */
static int on_canon_user(sasl_conn_t *conn, void *context, const char *in, unsigned in_length,
                         unsigned flags, const char *realm, char *out, unsigned out_max,
                         unsigned *out_length)
{
    struct auth_sasl *s = context;
    struct str name = str_of(in, in_length);

    (void)conn, (void)realm;
    if (out_max < 2)
        return SASL_BUFOVER;
    if (s->answers.is_gssapi && (flags & SASL_CU_AUTHID)) {
        buf_clear(&s->authcid);
        buf_add(&s->authcid, name);
    } else if (s->answers.is_gssapi) {
        buf_clear(&s->authzid);
        buf_add(&s->authzid, name);
        s->has_authzid = true;
    }
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
    if (!s->answers.is_gssapi)
        return;
    s->callbacks[4] = (sasl_callback_t){ SASL_CB_LOG, (callback_fn *)(void *)on_own_log, s };
    s->callbacks[5] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
}

/* TLS is there already, and goes on: no layer is offered (RFC 4752 §3.2, RFC 2831 §2.1.1). */
static int refuse_layers(struct auth_sasl *s)
{
    sasl_security_properties_t none = { .max_ssf = 0, .maxbufsize = 0 };

    if (!s->answers.is_gssapi && !s->answers.is_digest)
        return SASL_OK;
    return sasl_setprop(s->conn, SASL_SEC_PROPS, &none);
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
        set_binding(s) == SASL_OK && set_external(s) == SASL_OK && refuse_layers(s) == SASL_OK)
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
    buf_fini(&s->said);
    buf_fini(&s->authcid);
    buf_fini(&s->authzid);
    mem_free(s);
}

/* These are ours; everything else that libsasl2 returns is about what the client sent. */
static const int broken[] = { SASL_NOMEM,   SASL_BUFOVER,  SASL_NOMECH,
                              SASL_NOTINIT, SASL_BADPARAM, SASL_CONFIGERR };

static enum auth_sasl_step step_of(struct auth_sasl *s, int rc, struct str data,
                                   struct str *out_data)
{
    s->code = rc;
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

    return step_of(s, rc, str_of(out, n), out_data);
}

enum auth_sasl_step auth_sasl_step(struct auth_sasl *s, struct str message, struct str *out_data)
{
    const char *out = NULL;
    unsigned n = 0;
    int rc = sasl_server_step(s->conn, message.p, (unsigned)message.n, &out, &n);

    return step_of(s, rc, str_of(out, n), out_data);
}

void auth_sasl_tell_password(struct auth_sasl *s, const char *password)
{
    s->password = password;
}

/* --- GSSAPI ------------------------------------------------------------------------------------- */

bool auth_sasl_may_read_keytab(void)
{
    struct stat st;

    return !process.keytab || stat(process.keytab, &st) != 0 || S_ISREG(st.st_mode);
}

bool auth_sasl_has_failed(const struct auth_sasl *s)
{
    return s->code == SASL_FAIL;
}

/* The plugin logs the words of the GSS library, and keeps for its caller that there were some. */
struct str auth_sasl_reason(const struct auth_sasl *s)
{
    const char *detail = sasl_errdetail(s->conn);

    if (s->said.n > 0)
        return buf_str(&s->said);
    return detail ? str_from(detail) : STR("");
}

struct str auth_sasl_authcid(const struct auth_sasl *s)
{
    return buf_str(&s->authcid);
}

struct str auth_sasl_authzid(const struct auth_sasl *s)
{
    return s->has_authzid ? buf_str(&s->authzid) : STR_NONE;
}
