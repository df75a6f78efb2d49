/* Metrics of this process to its routers (LINK.md §4), so that monitoring inside need not reach
 * into the DMZ; and the end of the link certificate, as a metric of every process. */
#include "proto/link_private.h"

#include "common/audit.h"
#include "common/metric.h"
#include "proto/control.h"

static struct metric expiry = METRIC("sallyport_link_certificate_expiry_seconds", METRIC_GAUGE,
                                     "When the certificate for links ends; 0 where there is none.");

void link_creds_seen(const struct links *ls)
{
    metric_register(&expiry);
    metric_set(&expiry, (uint64_t)links_cert_expiry(ls));
    audit_certificate("link", links_cert_expiry(ls));
}

int64_t links_cert_expiry(const struct links *ls)
{
    return ls->creds ? tls_creds_expiry(ls->creds) : 0;
}

/* Whole lines only. */
static struct str bounded(struct str text)
{
    size_t n = text.n;

    if (n <= CONTROL_MAX_METRICS)
        return text;
    for (n = CONTROL_MAX_METRICS; n > 0 && text.p[n - 1] != '\n';)
        n--;
    return str_of(text.p, n);
}

static void write_payload(struct buf *out)
{
    struct buf text = { 0 };

    metric_write(&text);
    control_write_metrics(out, bounded(buf_str(&text)));
    buf_fini(&text);
}

static void send_to(struct link *l, struct str payload)
{
    struct frame f = { .to = link_name(l),
                       .from = str_from(l->ls->conf->name),
                       .payload = payload };

    link_send(l, &f);
}

void link_report(struct link *l)
{
    struct buf payload = { 0 };

    if (!l->ls->is_reporting)
        return;
    write_payload(&payload);
    send_to(l, buf_str(&payload));
    buf_fini(&payload);
}

static void on_report(struct timer *t)
{
    struct links *ls = CONTAINER_OF(t, struct links, report);
    struct buf payload = { 0 };
    struct link *l;

    write_payload(&payload);
    for (size_t at = 0; (l = links_next(ls, &at));)
        send_to(l, buf_str(&payload));
    buf_fini(&payload);
    timer_set(ls->timers, t, LINK_REPORT_MS);
}

void links_report_metrics(struct links *ls)
{
    ASSERT(ls->role != LINK_ROLE_ROUTER);
    ls->is_reporting = true;
    timer_init(&ls->report, on_report);
    timer_set(ls->timers, &ls->report, LINK_REPORT_MS);
}
