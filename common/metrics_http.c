/* The scrape endpoint. Only the request line is looked at; everything is bounded: head, time,
 * connections. RFC 1945 (HTTP/1.0). */
#include "common/metrics_http.h"

#include "common/mem.h"
#include "common/metric.h"
#include "common/service.h"

enum {
    MAX_HEAD_BYTES = 8 << 10,
    MAX_SCRAPERS = 16, /* more wait in the kernel's queue */
    HEAD_TIMEOUT_MS = 5000,
    ANSWER_LINGER_MS = 5000
};

struct metrics_http {
    struct listener *listener;
    struct timers *timers;
    struct list scrapers;
    size_t count;
};

struct scraper {
    struct metrics_http *http;
    struct conn *conn;
    struct buf head;
    struct timer timer;
    struct list at;
};

static void add_answer(struct buf *out, const char *status, struct str body)
{
    buf_printf(out,
               "HTTP/1.0 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: %zu\r\n"
               "Connection: close\r\n\r\n",
               status, body.n);
    buf_add(out, body);
}

void metrics_http_answer(struct str head, struct buf *out)
{
    struct str line = str_trim(str_cut(&head, '\n')), method = str_cut(&line, ' '),
               path = str_cut(&line, ' ');
    struct buf body = { 0 };

    path = str_of(path.p, str_find(path, '?'));
    if (!str_starts_with(line, STR("HTTP/1."))) {
        add_answer(out, "400 Bad Request", STR("expected an HTTP/1.x request\n"));
    } else if (!str_is(method, "GET")) {
        add_answer(out, "405 Method Not Allowed", STR("expected GET\n"));
    } else if (!str_is(path, "/metrics")) {
        add_answer(out, "404 Not Found", STR("the metrics are at /metrics\n"));
    } else {
        metric_write(&body);
        add_answer(out, "200 OK", buf_str(&body));
    }
    buf_fini(&body);
}

static void end_scraper(struct scraper *s, uint64_t linger_ms)
{
    struct metrics_http *h = s->http;

    timer_stop(&s->timer);
    conn_close(s->conn, linger_ms);
    list_remove(&s->at);
    if (h->count-- == MAX_SCRAPERS && h->listener)
        listener_pause(h->listener, false);
    buf_fini(&s->head);
    mem_free(s);
}

static bool is_whole(struct str head)
{
    return memmem(head.p, head.n, "\r\n\r\n", 4) != NULL ||
           memmem(head.p, head.n, "\n\n", 2) != NULL;
}

static void on_data(void *owner, struct conn *c, struct str bytes)
{
    struct scraper *s = owner;
    struct buf answer = { 0 };

    if (s->head.n + bytes.n > MAX_HEAD_BYTES) {
        end_scraper(s, 0);
        return;
    }
    buf_add(&s->head, bytes);
    if (!is_whole(buf_str(&s->head)))
        return;
    metrics_http_answer(buf_str(&s->head), &answer);
    conn_write(c, buf_str(&answer));
    buf_fini(&answer);
    end_scraper(s, ANSWER_LINGER_MS);
}

static void on_end(void *owner, struct conn *c, enum err why)
{
    (void)c;
    (void)why;
    end_scraper(owner, 0);
}

static void on_timeout(struct timer *t)
{
    end_scraper(CONTAINER_OF(t, struct scraper, timer), 0);
}

static const struct conn_events scraper_events = { .on_data = on_data, .on_end = on_end };

static void on_accept(void *owner, struct conn *c)
{
    struct metrics_http *h = owner;
    struct scraper *s = mem_new(struct scraper);

    *s = (struct scraper){ .http = h, .conn = c };
    timer_init(&s->timer, on_timeout);
    timer_set(h->timers, &s->timer, HEAD_TIMEOUT_MS);
    list_push_back(&h->scrapers, &s->at);
    if (++h->count == MAX_SCRAPERS)
        listener_pause(h->listener, true);
    conn_set_queue_limit(c, 0); /* the answer's size is our own doing */
    conn_set_owner(c, &scraper_events, s);
}

static bool is_local(const struct net_address *a)
{
    return a->is_unix || strncmp(a->host, "127.", 4) == 0 || strcmp(a->host, "::1") == 0;
}

enum err metrics_http_open(struct net *net, struct timers *timers, const char *address,
                           struct metrics_http **out_http, struct buf *why)
{
    struct listener_options options = { .backlog = 16, .inherited_fd = -1, .unix_mode = 0660 };
    struct metrics_http *h;
    enum err e;

    if (net_address_parse(str_from(address), &options.address) != ERR_OK ||
        !is_local(&options.address)) {
        buf_printf(
            why,
            "metrics: expected an address as 127.0.0.1:9100, [::1]:9100 or unix:/PATH, not \"%s\"",
            address);
        return ERR_DENIED;
    }
    options.inherited_fd = service_inherited_fd("metrics");
    h = mem_new(struct metrics_http);
    h->timers = timers;
    list_init(&h->scrapers);
    e = listener_open(net, &options, on_accept, h, &h->listener, why);
    if (e != ERR_OK)
        mem_free(h);
    else
        *out_http = h;
    return e;
}

void metrics_http_close(struct metrics_http *h)
{
    if (!h)
        return;
    listener_close(h->listener);
    h->listener = NULL;
    while (!list_is_empty(&h->scrapers))
        end_scraper(CONTAINER_OF(h->scrapers.next, struct scraper, at), 0);
    mem_free(h);
}
