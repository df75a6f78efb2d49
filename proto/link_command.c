/* `sallyportctl links`, the same in every process: one row for each configured peer. */
#include "proto/link_private.h"

#include "common/ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

struct cell {
    char text[24];
};

static struct str cell_u64(struct cell *cell, uint64_t value)
{
    snprintf(cell->text, sizeof cell->text, "%" PRIu64, value);
    return str_from(cell->text);
}

static struct str cell_days(struct cell *cell, int64_t expiry)
{
    snprintf(cell->text, sizeof cell->text, "%" PRId64, (expiry - (int64_t)time(NULL)) / 86400);
    return str_from(cell->text);
}

static void add_row(struct ctl_request *r, const struct link_status *st, uint64_t now_ms)
{
    struct cell c[7];

    ctl_row(r, (struct str[]){
                   st->name,
                   str_from(link_role_names[st->role]),
                   st->is_up ? STR("up") : STR("down"),
                   st->is_up ? st->instance : STR(""),
                   st->is_dialled ? STR("dialled") : STR("accepted"),
                   st->is_unix ? STR("unix") : STR("tls"),
                   st->is_up ? cell_u64(&c[0], (now_ms - st->since_ms) / 1000) : STR(""),
                   cell_u64(&c[1], st->frames_in),
                   cell_u64(&c[2], st->frames_out),
                   cell_u64(&c[3], st->bytes_in),
                   cell_u64(&c[4], st->bytes_out),
                   cell_u64(&c[5], st->queued),
                   st->peer_cert_expiry ? cell_days(&c[6], st->peer_cert_expiry) : STR(""),
                   str_from(st->is_up ? "" : st->last_error),
               });
}

void links_answer(const struct links *ls, struct ctl_request *r)
{
    static const char *const columns[] = {
        "peer",      "role",       "state",    "instance",  "by",     "transport",        "seconds",
        "frames_in", "frames_out", "bytes_in", "bytes_out", "queued", "certificate_days", "error",
        NULL
    };
    struct link_status st;

    ctl_columns(r, columns);
    for (size_t at = 0; links_status_next(ls, &at, &st);)
        add_row(r, &st, uv_now(net_loop(ls->net)));
    ctl_finish(r, CTL_OK);
}
