/* Many cheap timers on one uv_timer_t: a hashed wheel with a resolution of 100 ms (rounded up,
 * never early). For connection and session timeouts; what needs precision uses uv_timer_t itself.
 */
#ifndef COMMON_TIMER_H
#define COMMON_TIMER_H

#include "common/list.h"

#include <uv.h>

struct timers;

struct timer {
    struct list at;   /* timers'; do not touch */
    uint64_t due_ms;  /* 0 when not set */
    void (*fire)(
        struct timer *t); /* the timer is unset when called; it may be set again or freed */
};

struct timers *timers_new(uv_loop_t *loop);

/* From now on timers alone do not keep the loop running: for the end of a process. */
void timers_unref(struct timers *ts);

/* Closes; freed when the loop has run its close callback. No timer should be set: it would not
 * fire. */
void timers_close(struct timers *ts);

void timer_init(struct timer *t, void (*fire)(struct timer *t));

/* Sets or moves it. */
void timer_set(struct timers *ts, struct timer *t, uint64_t in_ms);

/* Does nothing when not set. */
void timer_stop(struct timer *t);

#endif
