/* See srv.h. The C library asks and reads names; what is in a record is checked here. */
#include "sm/directory/srv.h"

#include "common/mem.h"
#include "sm/directory/dial.h"

#include <arpa/nameser.h>
#include <math.h>
#include <netdb.h>
#include <resolv.h>

enum { MAX_MESSAGE_BYTES = 65535, MAX_TTL_S = 86400 };

static bool is_host(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    return name[0] != '\0' && name[strspn(name, letters)] == '\0';
}

/* Priority, weight, port, target: RFC 2782, "The format of the SRV RR". */
static bool read_record(ns_msg *message, const ns_rr *rr, struct dir_srv *out)
{
    enum { FIXED = 6 };
    const unsigned char *data = ns_rr_rdata(*rr);
    size_t n;

    if (ns_rr_rdlen(*rr) <= FIXED)
        return false;
    if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + FIXED, out->target,
                           sizeof out->target) < 0)
        return false;
    n = strlen(out->target);
    if (n > 1 && out->target[n - 1] == '.')
        out->target[n - 1] = '\0';
    out->priority = (uint16_t)ns_get16(data);
    out->weight = (uint16_t)ns_get16(data + 2);
    out->port = (uint16_t)ns_get16(data + 4);
    return true;
}

/* ns_name_uncompress writes the root as "" or ".". */
static bool is_root(const struct dir_srv *r)
{
    return r->target[0] == '\0' || strcmp(r->target, ".") == 0;
}

static void take(struct dir_srv_answer *out, const struct dir_srv *r, uint32_t ttl_s)
{
    if (is_root(r)) {
        out->is_none = true;
    } else if (out->count == DIR_SRV_MAX || r->port == 0 || !is_host(r->target)) {
        out->left_out++;
        return;
    } else {
        out->records[out->count++] = *r;
    }
    out->ttl_s = ttl_s < out->ttl_s ? ttl_s : out->ttl_s;
}

enum err dir_srv_read(struct str message, struct dir_srv_answer *out)
{
    ns_msg m;
    ns_rr rr;

    *out = (struct dir_srv_answer){ .ttl_s = MAX_TTL_S };
    if (message.n > MAX_MESSAGE_BYTES ||
        ns_initparse((const unsigned char *)message.p, (int)message.n, &m) != 0)
        return ERR_MALFORMED;
    for (int i = 0; i < ns_msg_count(m, ns_s_an); i++) {
        struct dir_srv r = { .port = 0 };

        if (ns_parserr(&m, ns_s_an, i, &rr) != 0)
            return ERR_MALFORMED;
        if (ns_rr_type(rr) != ns_t_srv || ns_rr_class(rr) != ns_c_in)
            continue;
        if (read_record(&m, &rr, &r))
            take(out, &r, (uint32_t)ns_rr_ttl(rr));
        else
            out->left_out++;
    }
    if (out->count > 0)
        out->is_none = false;
    return ERR_OK;
}

double dir_srv_place(uint16_t weight, double luck)
{
    enum { BEHIND_ALL = 1000000 };
    double exponential = -log(luck);

    return weight > 0 ? exponential / weight : BEHIND_ALL + exponential;
}

/* --- asking ------------------------------------------------------------------------------------ */

enum asked { ASKED_FOUND, ASKED_ABSENT, ASKED_FAILED };

static enum asked ask(const char *service, const char *domain, struct dir_srv_answer *out,
                      struct buf *why)
{
    struct buf name = { 0 };
    unsigned char *bytes = mem_alloc(MAX_MESSAGE_BYTES);
    enum asked result = ASKED_FOUND;
    int n;

    buf_printf(&name, "%s._tcp.%s.", service, domain);
    buf_add_char(&name, '\0');
    n = res_query(name.p, ns_c_in, ns_t_srv, bytes, MAX_MESSAGE_BYTES);
    if (n < 0)
        result = h_errno == HOST_NOT_FOUND || h_errno == NO_DATA ? ASKED_ABSENT : ASKED_FAILED;
    else if (n > MAX_MESSAGE_BYTES ||
             dir_srv_read(str_of((const char *)bytes, (size_t)n), out) != ERR_OK)
        result = ASKED_FAILED;
    else if (out->count == 0 && !out->is_none)
        result = ASKED_ABSENT;
    if (result != ASKED_FOUND)
        buf_printf(why, "%s%s %s", why->n > 0 ? "; " : "", name.p,
                   result == ASKED_ABSENT ? "has no SRV record" : "could not be looked up");
    buf_fini(&name);
    mem_free(bytes);
    return result;
}

/* The second name is asked only when it is certain that the first has nothing: no record, or the
 * word that there is no such service. */
bool dir_srv_look_up(const char *domain, int64_t timeout_ms, struct dir_srv_found *out,
                     struct buf *why)
{
    struct dir_srv_answer other;
    enum asked first, second;

    dir_dial_limit_resolver(timeout_ms);
    out->is_ldaps = true;
    first = ask("_ldaps", domain, &out->answer, why);
    if (first == ASKED_FAILED || (first == ASKED_FOUND && !out->answer.is_none))
        return first == ASKED_FOUND;
    second = ask("_ldap", domain, &other, why);
    if (second == ASKED_FOUND) {
        out->is_ldaps = false;
        out->answer = other;
    }
    return second == ASKED_FOUND || (second == ASKED_ABSENT && first == ASKED_FOUND);
}
