/* Our own certificates that end soon or have ended. A list of what there is, walked by audit_tick;
 * reading the files is others' work. */
#include "common/audit.h"

#include "common/list.h"
#include "common/mem.h"

#include <time.h>

enum { SECONDS_A_DAY = 86400 };

struct certificate {
    struct list at;
    char *what;
    int64_t expiry;
    int64_t told_at; /* 0: not yet, or nothing was to be told */
};

static struct list all = { &all, &all };

static void check(struct certificate *c, int64_t now)
{
    int64_t left = c->expiry - now;

    if (left > (int64_t)AUDIT_EXPIRY_WARNING_DAYS * SECONDS_A_DAY) {
        c->told_at = 0;
        return;
    }
    /* The end itself is told at once. */
    if (c->told_at && now - c->told_at < SECONDS_A_DAY && (left > 0 || c->told_at >= c->expiry))
        return;
    c->told_at = now;
    if (left > 0)
        audit_warning("certificate-expiring", kv_text("certificate", c->what),
                      kv_i64("days", left / SECONDS_A_DAY), kv_i64("expiry", c->expiry));
    else
        audit_error("certificate-expired", kv_text("certificate", c->what),
                    kv_i64("expiry", c->expiry));
}

static void forget(struct certificate *c)
{
    list_remove(&c->at);
    mem_free(c->what);
    mem_free(c);
}

static struct certificate *find(const char *what)
{
    LIST_FOR_EACH(at, &all)
    {
        struct certificate *c = CONTAINER_OF(at, struct certificate, at);

        if (strcmp(c->what, what) == 0)
            return c;
    }
    return NULL;
}

void audit_certificate(const char *what, int64_t expiry)
{
    struct certificate *c = find(what);

    if (expiry == 0) {
        if (c)
            forget(c);
        return;
    }
    if (!c) {
        c = mem_new(struct certificate);
        c->what = mem_strdup(what);
        list_push_back(&all, &c->at);
    }
    c->expiry = expiry;
    c->told_at = 0;
    check(c, (int64_t)time(NULL));
}

void audit_certificate_refused(const char *what, struct str reason)
{
    if (audit_is_open())
        audit_error("certificate-not-loaded", kv_text("certificate", what),
                    kv_str("reason", reason));
}

void audit_certificates_tick(int64_t now)
{
    LIST_FOR_EACH(at, &all)
    {
        check(CONTAINER_OF(at, struct certificate, at), now);
    }
}

void audit_certificates_forget(void)
{
    while (!list_is_empty(&all))
        forget(CONTAINER_OF(list_first(&all), struct certificate, at));
}
