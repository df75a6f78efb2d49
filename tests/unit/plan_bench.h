/* For tests of the plan: descriptions from texts, and looking into what is made of them. */
#ifndef TESTS_UNIT_PLAN_BENCH_H
#define TESTS_UNIT_PLAN_BENCH_H

#include "common/mem.h"
#include "deploy/ctl/plan.h"
#include "deploy/ctl/plan_explain.h"
#include "deploy/ctl/plan_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HOSTS                                                                                      \
    "internal_domain = \"internal\"\n"                                                             \
    "zone \"dmz\" { kind = dmz }\nzone \"office\" { kind = private }\n"                            \
    "host \"gate\" { zone = dmz address = { \"192.0.2.10\", \"2001:db8::10\" } link_address = "    \
    "\"10.1.0.10\" }\n"                                                                            \
    "host \"gate-b\" { zone = dmz address = { \"192.0.2.11\" } }\n"                                \
    "host \"core\" { zone = office address = { \"10.2.0.5\" } }\n"                                 \
    "host \"core-b\" { zone = office address = { \"10.2.0.6\" } }\n"                               \
    "domain \"example.com\" { }\n"
#define LEAVES "c2s \"c2s-1\" { host = gate }\nsm \"sm-1\" { host = core }\n"

static inline enum err open_text(const char *text, struct plan **out, struct buf *why)
{
    char path[] = "/tmp/sallyport-plan-XXXXXX";
    int fd = mkstemp(path);
    enum err e;

    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    e = plan_open(path, out, why);
    unlink(path);
    return e;
}

static inline struct plan *plan_of(const char *text)
{
    struct plan *p = NULL;
    struct buf why = { 0 };

    if (open_text(text, &p, &why) != ERR_OK)
        fail_msg("%.*s", (int)why.n, why.p);
    buf_fini(&why);
    return p;
}

static inline bool holds(const struct buf *b, const char *text)
{
    return b->n > 0 && memmem(b->p, b->n, text, strlen(text)) != NULL;
}

#endif
