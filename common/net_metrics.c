/* The metrics of net. */
#include "common/net_private.h"

struct metric net_metric_connections =
    METRIC("sallyport_net_connections", METRIC_GAUGE, "Sockets open, of every kind.");
struct metric net_metric_accepted =
    METRIC("sallyport_net_accepted_total", METRIC_COUNTER, "Connections accepted.");
struct metric net_metric_received =
    METRIC("sallyport_net_received_bytes_total", METRIC_COUNTER, "Bytes read from sockets.");
struct metric net_metric_sent =
    METRIC("sallyport_net_sent_bytes_total", METRIC_COUNTER, "Bytes written to sockets.");
struct metric net_metric_overflows =
    METRIC("sallyport_net_queue_overflows_total", METRIC_COUNTER,
           "Connections ended because too much waited to be written.");

/* Registered by the first net of the process. */
void net_metrics_register(void)
{
    static bool is_done;

    if (is_done)
        return;
    is_done = true;
    metric_register(&net_metric_connections);
    metric_register(&net_metric_accepted);
    metric_register(&net_metric_received);
    metric_register(&net_metric_sent);
    metric_register(&net_metric_overflows);
}
