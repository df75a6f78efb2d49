/* What c2s counts; the names that monitoring sees are in metrics.c. */
#ifndef C2S_METRICS_H
#define C2S_METRICS_H

#include "common/metric.h"

extern struct metric c2s_metric_accepted;
extern struct metric c2s_metric_refused;
extern struct metric c2s_metric_strangers;
extern struct metric c2s_metric_clients;
extern struct metric c2s_metric_sessions;
extern struct metric c2s_metric_unauthenticated;
extern struct metric c2s_metric_handshakes;
extern struct metric c2s_metric_certificates_refused;
extern struct metric c2s_metric_handshakes_failed;
extern struct metric c2s_metric_logins;
extern struct metric c2s_metric_stream_errors;
extern struct metric c2s_metric_elements_up;
extern struct metric c2s_metric_elements_down;
extern struct metric c2s_metric_bytes_up;
extern struct metric c2s_metric_bytes_down;
extern struct metric c2s_metric_repeated;
extern struct metric c2s_metric_slowed;
extern struct metric c2s_metric_dropped;
extern struct metric c2s_metric_violations;
extern struct metric c2s_metric_parked;
extern struct metric c2s_metric_hosts_version;

struct c2s;
void c2s_metrics_register(struct c2s *c2s);

#endif
