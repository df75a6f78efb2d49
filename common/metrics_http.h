/* GET /metrics for Prometheus over HTTP/1.0, on loopback or a Unix socket only. For service.c. */
#ifndef COMMON_METRICS_HTTP_H
#define COMMON_METRICS_HTTP_H

#include "common/net.h"
#include "common/timer.h"

struct metrics_http;

/* address: as in the configuration. why: one sentence on failure; ERR_DENIED when others than this
 * host could reach it. */
NODISCARD enum err metrics_http_open(struct net *net, struct timers *timers, const char *address,
                                     struct metrics_http **out_http, struct buf *why);
void metrics_http_close(struct metrics_http *h); /* NULL is fine */

/* The answer to one request's head (all up to its empty line). */
void metrics_http_answer(struct str head, struct buf *out);

#endif
