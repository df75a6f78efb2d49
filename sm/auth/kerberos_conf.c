/* The Kerberos library's settings; see the header. They lie in memory: there is no file to lose, and
 * none to be written by others. */
#include "sm/auth/kerberos_conf.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SITE_CONF "/etc/krb5.conf"
#define OURS "/proc/self/fd/"

/* The acceptor's name is what the configuration says: no DNS, which could hang or lie. Only keys for
 * which the server's answer brings a fresh one (RFC 4121 §2): with those of RC4 and DES a whole
 * login that was recorded could be played again, by a c2s that was taken over, too. A KDC, which
 * only the service account of a directory asks for a ticket, is asked by TCP first. */
static const char settings[] = "[libdefaults]\n"
                               "default_realm = %s\n"
                               "dns_lookup_realm = false\n"
                               "dns_canonicalize_hostname = false\n"
                               "rdns = false\n"
                               "qualify_shortname = \"\"\n"
                               "ignore_acceptor_hostname = false\n"
                               "permitted_enctypes = aes camellia\n"
                               "udp_preference_limit = 1\n";

static enum err write_settings(const char *default_realm, int *out_fd)
{
    struct buf text = { 0 };
    int fd = memfd_create("krb5.conf", MFD_CLOEXEC);
    bool is_written;

    buf_printf(&text, settings, default_realm);
    is_written = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;
    buf_fini(&text);
    *out_fd = fd;
    return is_written ? ERR_OK : ERR_IO;
}

/* Without a replay cache: it would know the logins of this machine alone. What was recorded cannot
 * be played again anyway, for the client's last message is under the key of our answer to the first
 * (gssapi.c demands that there is one). */
enum err kerberos_conf_prepare(const char *default_realm, struct buf *why)
{
    const char *site = getenv("KRB5_CONFIG");
    struct buf path = { 0 };
    int fd;

    if (write_settings(default_realm, &fd) != ERR_OK) {
        buf_printf(why, "the settings for Kerberos cannot be written: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    buf_printf(&path, OURS "%d:%s", fd, site ? site : SITE_CONF);
    buf_add_char(&path, '\0');
    setenv("KRB5_CONFIG", path.p, 1);
    setenv("KRB5RCACHENAME", "none:", 1);
    unsetenv("KRB5_KTNAME"); /* the keytab is named by our configuration */
    unsetenv("KRB5_TRACE");  /* it would be written to by a process that may write no such file */
    buf_fini(&path);
    return ERR_OK;
}

/* --- what is read ------------------------------------------------------------------------------- */

struct walk {
    void (*each)(void *owner, const char *path, bool is_folder);
    void *owner;
};

static void tell(const struct walk *w, struct str path, bool is_folder)
{
    char *text = str_dup(path);

    w->each(w->owner, text, is_folder);
    mem_free(text);
}

static bool cut_word(struct str line, struct str word, struct str *out_rest)
{
    if (!str_starts_with(line, word) || line.n == word.n)
        return false;
    if (line.p[word.n] != ' ' && line.p[word.n] != '\t')
        return false;
    *out_rest = str_trim(str_of(line.p + word.n, line.n - word.n));
    return str_starts_with(*out_rest, STR("/"));
}

/* krb5.conf(5): at the beginning of a line. What included files include is found, too, when they are
 * files; those of a folder are not looked into. */
static void walk_file(const struct walk *w, const char *path, int depth)
{
    enum { MAX_DEPTH = 4 };
    char line[4096];
    FILE *f = depth < MAX_DEPTH ? fopen(path, "re") : NULL;
    struct str rest;

    w->each(w->owner, path, false);
    while (f && fgets(line, sizeof line, f)) {
        if (cut_word(str_from(line), STR("includedir"), &rest)) {
            tell(w, rest, true);
        } else if (cut_word(str_from(line), STR("include"), &rest)) {
            char *included = str_dup(rest);

            walk_file(w, included, depth + 1);
            mem_free(included);
        }
    }
    if (f)
        fclose(f);
}

void kerberos_conf_each(void (*each)(void *owner, const char *path, bool is_folder), void *owner)
{
    const char *site = getenv("KRB5_CONFIG");
    struct str rest = str_from(site ? site : SITE_CONF);
    struct walk w = { each, owner };

    while (str_is_set(rest)) {
        char *path = str_dup(str_cut(&rest, ':'));

        if (path[0] == '/' && !str_starts_with(str_from(path), STR(OURS)))
            walk_file(&w, path, 0);
        mem_free(path);
    }
}
