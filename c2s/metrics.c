/* What c2s counts. */
#include "c2s/metrics.h"

#include "c2s/client.h"
#include "common/tls.h"

#define COUNTER(variable, name, help)                                                              \
    struct metric variable = METRIC("sallyport_c2s_" name, METRIC_COUNTER, help)
#define GAUGE(variable, name, help)                                                                \
    struct metric variable = METRIC("sallyport_c2s_" name, METRIC_GAUGE, help)

COUNTER(c2s_metric_accepted, "accepted_total", "Client connections accepted.");
COUNTER(c2s_metric_refused, "refused_total",
        "Client connections refused: too many of one address.");
COUNTER(c2s_metric_strangers, "proxy_refused_total",
        "Connections to a port for proxies that came from elsewhere.");
GAUGE(c2s_metric_clients, "clients", "Client connections open.");
GAUGE(c2s_metric_sessions, "sessions",
      "Sessions, those included whose client is gone and not yet confirmed.");
GAUGE(c2s_metric_unauthenticated, "unauthenticated",
      "Client connections that are not authenticated.");
COUNTER(c2s_metric_handshakes, "tls_handshakes_total",
        "TLS handshakes with clients that were completed.");
COUNTER(c2s_metric_handshakes_failed, "tls_handshakes_failed_total",
        "TLS handshakes with clients that failed.");
COUNTER(c2s_metric_certificates_refused, "client_certificates_refused_total",
        "Certificates of clients that did not verify.");
COUNTER(c2s_metric_logins, "logins_total", "Sessions that session managers opened.");
COUNTER(c2s_metric_stream_errors, "stream_errors_total",
        "Streams that were ended with a stream error.");
COUNTER(c2s_metric_elements_up, "elements_up_total",
        "Elements of clients sent to session managers.");
COUNTER(c2s_metric_elements_down, "elements_down_total", "Elements written to clients.");
COUNTER(c2s_metric_bytes_up, "bytes_up_total", "Plain bytes read from clients.");
COUNTER(c2s_metric_bytes_down, "bytes_down_total", "Plain bytes written to clients.");
COUNTER(c2s_metric_repeated, "repeated_total",
        "Elements sent again after a path was lost or an owner was new.");
COUNTER(c2s_metric_slowed, "slowed_total", "Times that a client over its rate was left unread.");
COUNTER(c2s_metric_dropped, "frames_dropped_total", "Frames of links for nobody here.");
COUNTER(c2s_metric_violations, "violations_total", "Frames of links dropped for what was in them.");
GAUGE(c2s_metric_parked, "parked", "Sessions whose session manager is away.");
GAUGE(c2s_metric_hosts_version, "hosts_version", "Version of the table of hosts; 0: none yet.");

static struct metric certificate_expiry =
    METRIC("sallyport_c2s_certificate_expiry_seconds", METRIC_GAUGE,
           "When the first certificate for clients ends; 0 where there is none.");

static struct metric *const all[] = {
    &c2s_metric_accepted, &c2s_metric_refused, &c2s_metric_strangers,         &c2s_metric_clients,
    &c2s_metric_sessions,          &c2s_metric_unauthenticated, &c2s_metric_handshakes,
    &c2s_metric_handshakes_failed, &c2s_metric_certificates_refused,
    &c2s_metric_logins,            &c2s_metric_stream_errors,
    &c2s_metric_elements_up,       &c2s_metric_elements_down,   &c2s_metric_bytes_up,
    &c2s_metric_bytes_down,        &c2s_metric_repeated,        &c2s_metric_slowed,
    &c2s_metric_dropped,           &c2s_metric_violations,      &c2s_metric_parked,
    &c2s_metric_hosts_version,     &certificate_expiry,
};

static void collect(void *owner, struct buf *out)
{
    struct c2s *c2s = owner;
    uint64_t parked = 0;
    struct upstream *u;

    (void)out;

    for (size_t at = 0; (u = table_next(&c2s->upstreams, &at));)
        LIST_FOR_EACH(item, &u->parked)
            parked++;
    metric_set(&c2s_metric_parked, parked);
    metric_set(&c2s_metric_sessions, c2s->sessions.count);
    metric_set(&c2s_metric_unauthenticated, c2s->unauthenticated);
    metric_set(&c2s_metric_hosts_version, c2s->hosts.version);
    metric_set(&certificate_expiry,
               c2s->starttls_creds ? (uint64_t)tls_creds_expiry(c2s->starttls_creds) : 0);
}

void c2s_metrics_register(struct c2s *c2s)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        metric_register(all[i]);
    metric_on_collect(collect, c2s);
}
