/* What sallyport-sm may do: dial and accept links, keep the store's files, compute keys in libuv's threads, write its log. */
#include "common/confine.h"
#include "sm/conf.h"

void sm_confine(const void *data, struct confine *c)
{
    const struct sm_conf *conf = data;

    links_confine(LINK_ROLE_SM, &conf->link, c);
    confine_allow_file(c, CONFINE_KEEP, conf->store_path, CONFINE_AT_START);
    confine_allow_folder(c, CONFINE_KEEP, conf->backup_dir, CONFINE_ALWAYS);
    confine_allow(c, CONFINE_THREADS);
}
