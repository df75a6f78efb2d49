/* sallyport-c2s: the gate through which clients come in. It knows TCP, TLS and XML streams (RFC
 * 6120 §4, §5, §11), and leaves everything else, beginning with stream features, to the session
 * managers behind the routers. */
#include "c2s/c2s.h"
#include "c2s/commands.h"
#include "c2s/conf.h"
#include "common/mem.h"

/* What names log lines and control sockets. */
static const char *instance_name(const void *conf)
{
    return ((const struct c2s_conf *)conf)->link.name;
}

int main(int argc, char **argv)
{
    static const struct service_spec spec = {
        .name = "c2s",
        .summary = "accepts XMPP clients and carries their stanzas to the session managers",
        .conf = &c2s_conf_spec,
        .instance_name = instance_name,
        .check = c2s_conf_check,
        .confine = c2s_confine,
        .start = c2s_start,
        .reload = c2s_reload,
        .drain = c2s_drain,
        .stop = c2s_stop,
        .commands = c2s_commands,
        .status = c2s_status,
    };

    mem_keep_nothing(); /* what passes through is not for whoever takes it over later */
    return service_run(&spec, argc, argv);
}
