/* libldap is started here, once, and told to mind its own business: no files, no environment, no
 * plugins, and no memory that still holds what was in it. */
#include "sm/directory/directory.h"

#include "common/mem.h"

#include <lber.h>
#include <ldap.h>
#include <malloc.h>
#include <resolv.h>
#include <sasl/sasl.h>
#include <stdlib.h>
#include <string.h>

/* libldap starts the client's side of libsasl2 with its first call, and that would load every
 * plugin of the machine into this process, and fix the list for the server's side (sm/auth/sasl.c),
 * which takes two. We bind without SASL: the client's side stays off. The linker lets libldap
 * find this one first. */
int sasl_client_init(const sasl_callback_t *callbacks)
{
    (void)callbacks;
    return SASL_OK;
}

/* Passwords pass through libldap's buffers. */
static void wipe_free(void *p, void *context)
{
    (void)context;
    if (p)
        mem_wipe(p, malloc_usable_size(p));
    free(p);
}

static void *get(ber_len_t n, void *context)
{
    (void)context;
    return malloc(n);
}

static void *get_zeroed(ber_len_t n, ber_len_t size, void *context)
{
    (void)context;
    return calloc(n, size);
}

static void *get_larger(void *p, ber_len_t n, void *context)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    void *new = malloc(n);

    if (!new)
        return NULL;
    if (p)
        memcpy(new, p, old < n ? old : n);
    wipe_free(p, context);
    return new;
}

/* libldap's first call looks up the machine's own name (it stands for "localhost" in certificates).
 * What /etc/hosts says will do: no name server is asked, which may be down, or none of ours. The
 * resolver's state is this thread's. */
static int start_without_dns(void)
{
    int version = LDAP_VERSION3, servers = 0, rc;
    bool is_open = res_init() == 0;

    if (is_open) {
        servers = _res.nscount;
        _res.nscount = 0;
    }
    rc = ldap_set_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version);
    if (is_open)
        _res.nscount = servers;
    return rc;
}

static bool is_ready;

bool directory_library_is_ready(void)
{
    return is_ready;
}

void directory_library_init(void)
{
    static BerMemoryFunctions functions = { get, get_zeroed, get_larger, wipe_free };

    ASSERT(ber_set_option(NULL, LBER_OPT_MEMORY_FNS, &functions) == LBER_OPT_SUCCESS);
    setenv("LDAPNOINIT", "1", 1);
    ASSERT(start_without_dns() == LDAP_OPT_SUCCESS);
    ldap_set_option(NULL, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    is_ready = true;
}
