/* Configuration files: read with the tables of all three processes. Errors, never a crash; every error has the form FILE:LINE: key: what; what is
 * accepted is accepted again, and differs from itself in nothing. */
#include "c2s/conf.h"
#include "common/mem.h"
#include "router/conf.h"
#include "sm/conf.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(struct str lines, const char *path)
{
    while (lines.n > 0) {
        struct str line = str_cut(&lines, '\n');

        ASSERT(line.n == 0 || str_starts_with(line, STR("/")) || str_starts_with(line, str_from(path)));
    }
}

static void check_accepted(const struct conf_spec *spec, const char *path, void *conf)
{
    struct buf why = { 0 }, differences = { 0 };
    void *again;

    ASSERT(conf_load(spec, path, &again, &why) == ERR_OK);
    conf_diff_at_start(spec, conf, again, &differences);
    ASSERT(differences.n == 0);
    conf_free(spec, again);
    buf_fini(&why);
    buf_fini(&differences);
}

static void load(const struct conf_spec *spec, const char *path, struct str as_sentences)
{
    struct buf why = { 0 }, places = { 0 };
    void *conf;

    if (conf_load(spec, path, &conf, &why) == ERR_OK) {
        check_accepted(spec, path, conf);
        conf_free(spec, conf);
    } else {
        ASSERT(why.n > 0);
        check_places(buf_str(&why), path);
    }
    conf_add_places(spec, path, as_sentences, &places);
    buf_fini(&places);
    buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct conf_spec *const specs[] = { &c2s_conf_spec, &router_conf_spec, &sm_conf_spec };
    int fd = memfd_create("conf", MFD_CLOEXEC);
    char path[64];

    ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (size_t i = 0; i < ARRAY_LEN(specs); i++)
        load(specs[i], path, str_of(data, size));
    close(fd);
    return 0;
}
