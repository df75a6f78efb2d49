/* SIGHUP reloads, SIGTERM and SIGINT drain and then stop, a second one stops at once. */
#include "common/log.h"
#include "common/service_private.h"

#include <signal.h>

static const int numbers[SERVICE_SIGNAL_COUNT] = { SIGHUP, SIGTERM, SIGINT };

static void on_signal(uv_signal_t *handle, int number)
{
    struct process *p = handle->data;
    struct buf said = { 0 };

    if (number != SIGHUP)
        service_drain(p);
    else if (service_reload(p, &said) != ERR_OK)
        log_debug("the old configuration stays");
    buf_fini(&said);
}

void service_signals_open(struct process *p)
{
    for (size_t i = 0; i < SERVICE_SIGNAL_COUNT; i++) {
        p->signals[i].data = p;
        ASSERT(uv_signal_init(p->service.loop, &p->signals[i]) == 0);
        ASSERT(uv_signal_start(&p->signals[i], on_signal, numbers[i]) == 0);
    }
}

void service_signals_close(struct process *p)
{
    for (size_t i = 0; i < SERVICE_SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&p->signals[i], NULL);
}
