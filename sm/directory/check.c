/* See check.h: which servers, the thread, and what is told when it is done. What is looked at is in
 * check_steps.c. */
#include "sm/directory/check.h"

#include "common/mem.h"
#include "sm/directory/check_parts.h"
#include "sm/directory/parts.h"

struct part {
    struct directory_options options;
    char *uri, *tls_name;
    struct check_report report;
};

struct check {
    uv_work_t work;
    struct directories *set;
    struct part *parts;
    size_t count;
    directory_check_line_fn *line;
    directory_check_end_fn *end;
    void *owner;
};

const char *directory_finding_name(enum directory_finding f)
{
    static const char *const names[] = { "ok", "note", "warning", "failed" };

    return names[f];
}

static void on_thread(uv_work_t *work)
{
    struct check *k = work->data;

    for (size_t i = 0; i < k->count; i++) {
        struct part *p = &k->parts[i];

        check_server(&p->options, p->uri, p->tls_name, &p->report);
    }
}

static enum directory_finding tell(struct check *k, struct part *p)
{
    enum directory_finding worst = DIRECTORY_FINE;

    for (size_t i = 0; i < p->report.count; i++) {
        struct check_row *row = &p->report.rows[i];
        struct directory_check_line line = { .directory = p->options.name,
                                             .uri = p->uri,
                                             .step = row->step,
                                             .finding = row->finding,
                                             .text = row->text,
                                             .ms = row->ms };

        k->line(k->owner, &line);
        worst = row->finding > worst ? row->finding : worst;
        mem_free(row->text);
    }
    mem_free(p->report.rows);
    return worst;
}

static void on_done(uv_work_t *work, int status)
{
    struct check *k = work->data;
    enum directory_finding worst = DIRECTORY_FINE;

    ASSERT(status == 0); /* we cancel nothing */
    for (size_t i = 0; i < k->count; i++) {
        struct part *p = &k->parts[i];
        enum directory_finding here = tell(k, p);

        worst = here > worst ? here : worst;
        dir_options_fini(&p->options);
        mem_free(p->uri);
        mem_free(p->tls_name);
    }
    k->set->is_checking = false;
    k->end(k->owner, worst);
    dir_set_unref(k->set);
    mem_free(k->parts);
    mem_free(k);
}

static void add(struct check *k, const struct directory *d)
{
    for (size_t i = 0; i < d->server_count; i++) {
        const struct dir_server *s = d->servers[i];
        struct part *p;

        k->parts = mem_realloc(k->parts, (k->count + 1) * sizeof *k->parts);
        p = &k->parts[k->count++];
        *p = (struct part){ .uri = mem_strdup(s->uri),
                            .tls_name = s->tls_name ? mem_strdup(s->tls_name) : NULL };
        dir_options_copy(&p->options, &d->options);
    }
}

bool directory_check_start(struct directories *ds, const char *name, directory_check_line_fn *line,
                           directory_check_end_fn *end, void *owner)
{
    struct check *k;

    if (ds->is_checking)
        return false;
    k = mem_new(struct check);
    k->set = ds;
    k->line = line;
    k->end = end;
    k->owner = owner;
    k->work.data = k;
    LIST_FOR_EACH(at, &ds->all) {
        const struct directory *d = CONTAINER_OF(at, struct directory, at);

        if (!name || strcmp(d->options.name, name) == 0)
            add(k, d);
    }
    if (k->count == 0) {
        mem_free(k);
        return false;
    }
    ds->refs++;
    ds->is_checking = true;
    ASSERT(uv_queue_work(ds->loop, &k->work, on_thread, on_done) == 0);
    return true;
}
