/* sallyport-router: carries frames between connection managers, session managers and components, by
 * name, under a policy. It keeps nothing and looks into no stanza but those of third-party
 * components. */
#include "common/mem.h"
#include "router/router.h"

/* What names log lines and control sockets. */
static const char *instance_name(const void *conf)
{
    return ((const struct router_conf *)conf)->link.name;
}

int main(int argc, char **argv)
{
    static const struct service_spec spec = {
        .name = "router",
        .summary = "carries stanzas between the processes of a cluster",
        .conf = &router_conf_spec,
        .instance_name = instance_name,
        .check = router_conf_check,
        .confine = router_confine,
        .start = router_start,
        .reload = router_reload,
        .drain = router_drain,
        .stop = router_stop,
        .commands = router_commands,
        .status = router_status,
    };

    mem_keep_nothing(); /* what passes through is not for whoever takes it over later */
    return service_run(&spec, argc, argv);
}
