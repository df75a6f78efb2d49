/* Many accounts: every line is checked before the first is sent; then a fixed number of requests is
 * kept under way. */
#include "deploy/ctl/bulk.h"

#include "common/ctl.h"
#include "common/mem.h"
#include "deploy/ctl/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { UNDER_WAY = 32, MAX_FILE_BYTES = 256 << 20 };

struct entry {
    struct str name, password;
    unsigned line;
};

struct bulk {
    const struct bulk_options *options;
    struct buf text;
    struct entry *entries;
    size_t count, next;
    struct ask asks[UNDER_WAY];
    size_t asked[UNDER_WAY]; /* the entry of each */
    size_t added, failed;
    struct buf errors; /* JSON objects, or lines */
};

/* --- the file --------------------------------------------------------------------------------- */

static bool read_all(struct bulk *b)
{
    bool is_input = strcmp(b->options->file, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(b->options->file, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    while (fd >= 0) {
        buf_reserve(&b->text, 64 << 10);
        n = read(fd, b->text.p + b->text.n, 64 << 10);
        if (n <= 0 || b->text.n > MAX_FILE_BYTES)
            break;
        b->text.n += (size_t)n;
    }
    if (n != 0)
        fprintf(stderr, "sallyportctl: %s: %s\n", b->options->file,
                n < 0 ? strerror(errno) : "the file is too large");
    if (fd >= 0 && !is_input)
        close(fd);
    return n == 0;
}

static bool parse_line(struct bulk *b, struct str line, unsigned number)
{
    struct str name, password = str_trim(line);

    if (password.n == 0 || password.p[0] == '#')
        return true;
    name = str_cut(&password, ' ');
    password = str_trim(password);
    if (password.n == 0 || !str_is_utf8(line) || str_find(line, '\x1f') < line.n) {
        fprintf(stderr, "sallyportctl: %s:%u: expected NAME PASSWORD\n", b->options->file, number);
        return false;
    }
    if (str_find(name, '@') == name.n && !b->options->domain) {
        fprintf(stderr,
                "sallyportctl: %s:%u: expected a name as user@domain, or the option --domain\n",
                b->options->file, number);
        return false;
    }
    if ((b->count & (b->count - 1)) == 0)
        b->entries = mem_realloc(b->entries, (b->count ? b->count * 2 : 1) * sizeof *b->entries);
    b->entries[b->count++] = (struct entry){ name, password, number };
    return true;
}

static bool parse_all(struct bulk *b)
{
    struct str rest = buf_str(&b->text);
    bool is_good = true;

    for (unsigned number = 1; rest.n > 0; number++)
        is_good &= parse_line(b, str_cut(&rest, '\n'), number);
    return is_good;
}

/* --- the requests ----------------------------------------------------------------------------- */

static struct str account_of(const struct bulk *b, const struct entry *entry, struct buf *out)
{
    buf_add(out, entry->name);
    if (str_find(entry->name, '@') == entry->name.n)
        buf_printf(out, "@%s", b->options->domain);
    return buf_str(out);
}

/* body: what the process said; one line of it is enough. */
static void report(struct bulk *b, const struct entry *entry, struct str body)
{
    struct str line;

    body = str_trim(body);
    line = str_cut(&body, '\n');
    b->failed++;
    if (b->options->is_json)
        buf_printf(&b->errors, "%s{\"line\":%u,\"answer\":%.*s}", b->errors.n > 0 ? "," : "",
                   entry->line, line.n > 0 && line.p[0] == '{' ? (int)line.n : 4,
                   line.n > 0 && line.p[0] == '{' ? line.p : "null");
    else
        fprintf(stderr, "sallyportctl: %s:%u: %.*s: %.*s\n", b->options->file, entry->line,
                STR_ARG(entry->name), STR_ARG(line));
}

static void finish(struct bulk *b, size_t i, enum err e)
{
    const struct entry *entry = &b->entries[b->asked[i]];

    if (e == ERR_OK && b->asks[i].exit_code == CTL_OK)
        b->added++;
    else
        report(b, entry, e == ERR_OK ? b->asks[i].body : str_from(err_text(e)));
    ask_end(&b->asks[i]);
}

static void begin_next(struct bulk *b, size_t i)
{
    const struct entry *entry = &b->entries[b->next];
    struct buf request = { 0 }, account = { 0 };
    struct str args[] = { STR("adduser"), account_of(b, entry, &account), entry->password };
    enum err e;

    b->asked[i] = b->next++;
    buf_reserve(&request,
                64 + account.n + entry->password.n); /* it must not move: it will be wiped */
    e = ask_join(&request, b->options->is_json, args, ARRAY_LEN(args));
    if (e == ERR_OK)
        e = ask_begin(&b->asks[i], b->options->socket, buf_str(&request), b->options->timeout_ms);
    if (e != ERR_OK)
        finish(b, i, e);
    mem_wipe(request.p, request.n);
    buf_fini(&request);
    buf_fini(&account);
}

/* Fills free places; false when nothing is under way any more. */
static bool keep_busy(struct bulk *b, struct pollfd *fds, int64_t *out_deadline)
{
    bool is_busy = false;

    *out_deadline = INT64_MAX;
    for (size_t i = 0; i < UNDER_WAY; i++) {
        while (b->asks[i].fd < 0 && b->next < b->count)
            begin_next(b, i);
        fds[i] =
            (struct pollfd){ .fd = b->asks[i].fd, .events = POLLIN }; /* poll skips negative ones */
        if (b->asks[i].fd < 0)
            continue;
        is_busy = true;
        *out_deadline =
            b->asks[i].deadline_ms < *out_deadline ? b->asks[i].deadline_ms : *out_deadline;
    }
    return is_busy;
}

static void read_ready(struct bulk *b, const struct pollfd *fds)
{
    for (size_t i = 0; i < UNDER_WAY; i++) {
        enum err e = ERR_AGAIN;

        if (b->asks[i].fd < 0)
            continue;
        if (fds[i].revents != 0)
            e = ask_read(&b->asks[i]);
        if (e == ERR_AGAIN && ask_now_ms() >= b->asks[i].deadline_ms)
            e = ERR_TIMEOUT;
        if (e != ERR_AGAIN)
            finish(b, i, e);
    }
}

static void ask_all(struct bulk *b)
{
    struct pollfd fds[UNDER_WAY];
    int64_t deadline;

    for (size_t i = 0; i < UNDER_WAY; i++)
        b->asks[i].fd = -1;
    while (keep_busy(b, fds, &deadline)) {
        int64_t left = deadline - ask_now_ms();

        (void)poll(fds, UNDER_WAY, left > 0 ? (int)left : 0);
        read_ready(b, fds);
    }
}

static void print_summary(const struct bulk *b)
{
    if (b->options->is_json)
        printf("{\"added\":%zu,\"failed\":%zu,\"errors\":[%.*s]}\n", b->added, b->failed,
               (int)b->errors.n, b->errors.p ? b->errors.p : "");
    else
        printf("added %zu, failed %zu\n", b->added, b->failed);
}

int bulk_add(const struct bulk_options *options)
{
    struct bulk b = { .options = options };
    int code = CTL_USAGE;

    if (!read_all(&b)) {
        code = CTL_NO_SUCH;
    } else if (parse_all(&b)) {
        ask_all(&b);
        print_summary(&b);
        code = b.failed > 0 ? CTL_FAILED : CTL_OK;
    }
    mem_wipe(b.text.p, b.text.n);
    buf_fini(&b.text);
    buf_fini(&b.errors);
    mem_free(b.entries);
    return code;
}
