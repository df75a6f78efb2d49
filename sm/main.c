/* sallyport-sm: the session manager. It knows accounts, sessions, rosters, presence, messages and extensions, and holds what is durable; it meets no
 * stranger's socket. */
#include "sm/commands.h"
#include "sm/conf.h"
#include "sm/process.h"

/* What names log lines and control sockets. */
static const char *instance_name(const void *conf)
{
    return ((const struct sm_conf *)conf)->link.name;
}

int main(int argc, char **argv)
{
    static const struct service_spec spec = {
        .name = "sm",
        .summary = "keeps accounts and sessions, and routes what they say",
        .conf = &sm_conf_spec,
        .instance_name = instance_name,
        .check = sm_conf_check,
        .confine = sm_confine,
        .start = sm_start,
        .reload = sm_reload,
        .drain = sm_drain,
        .stop = sm_stop,
        .commands = commands_table,
        .status = sm_status,
    };

    return service_run(&spec, argc, argv);
}
