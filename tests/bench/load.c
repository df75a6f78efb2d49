/* The load generator: `make bench` and `make soak` drive it over standard input and output, one
 * line at a time. It speaks to Sallyport, Prosody and ejabberd alike: direct TLS, SCRAM, bind. */
#include "tests/bench/load.h"

#include "common/mem.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void (*waiting_ready)(struct load *);
static void (*waiting_go)(struct load *);
static void (*scenario_on_ready)(struct user *);
static uv_pipe_t standard_input;
static char input_buffer[256];

uint64_t load_now_ns(void)
{
    return uv_hrtime();
}

void load_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

void load_await_go(struct load *l, void (*on_go)(struct load *l))
{
    (void)l;
    waiting_go = on_go;
}

void load_quit(struct load *l)
{
    (void)l;
    exit(0);
}

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *out)
{
    (void)h;
    (void)n;
    *out = uv_buf_init(input_buffer, sizeof input_buffer);
}

static void on_line(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    void (*go)(struct load *) = waiting_go;

    (void)b;
    if (n < 0)
        exit(0);
    if (n == 0 || !go)
        return;
    waiting_go = NULL;
    go(s->data);
}

static void on_user_ready(struct user *u)
{
    struct load *l = u->load;

    if (scenario_on_ready)
        scenario_on_ready(u);
    if (l->started < l->users) {
        int i = l->started++;

        user_start(&l->all[i], l, l->first + i);
    } else if (l->ready == l->users) {
        waiting_ready(l);
    }
}

static void on_user_failed(struct user *u, const char *why)
{
    load_say("failed %d %s", u->number, why);
    if (u->load->ready < u->load->users)
        exit(1);
}

void load_login_all(struct load *l, void (*when_ready)(struct load *l))
{
    waiting_ready = when_ready;
    scenario_on_ready = l->events.on_ready;
    l->events.on_ready = on_user_ready;
    l->events.on_failed = on_user_failed;
    while (l->started < l->users && l->started < l->in_flight) {
        int i = l->started++;

        user_start(&l->all[i], l, l->first + i);
    }
}

static void parse_addresses(struct load *l, char *list)
{
    for (char *one = strtok(list, ","); one; one = strtok(NULL, ",")) {
        l->addresses =
            mem_realloc(l->addresses, sizeof *l->addresses * (size_t)(l->address_count + 1));
        if (net_address_parse(str_from(one), &l->addresses[l->address_count++]) != ERR_OK) {
            fprintf(stderr, "load: bad address %s\n", one);
            exit(2);
        }
    }
}

static void parse_options(struct load *l, int argc, char **argv, const char **ca)
{
    static const struct option options[] = {
        { "connect", 1, NULL, 'c' },     { "ca", 1, NULL, 'a' },
        { "domain", 1, NULL, 'd' },      { "prefix", 1, NULL, 'p' },
        { "password", 1, NULL, 'w' },    { "users", 1, NULL, 'u' },
        { "in-flight", 1, NULL, 'f' },   { "window", 1, NULL, 'n' },
        { "seconds", 1, NULL, 's' },     { "rate", 1, NULL, 'r' },
        { "body", 1, NULL, 'b' },        { "sha1", 0, NULL, '1' },
        { "no-presence", 0, NULL, 'x' }, { "first", 1, NULL, 'o' },
        { "contacts", 1, NULL, 'k' },    { "plain", 0, NULL, 'P' },
        { "tickets", 1, NULL, 't' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            parse_addresses(l, optarg);
            break;
        case 'a':
            *ca = optarg;
            break;
        case 'd':
            l->domain = optarg;
            break;
        case 'p':
            l->prefix = optarg;
            break;
        case 'w':
            l->password = optarg;
            break;
        case 'u':
            l->users = atoi(optarg);
            break;
        case 'f':
            l->in_flight = atoi(optarg);
            break;
        case 'n':
            l->window = atoi(optarg);
            break;
        case 's':
            l->seconds = atoi(optarg);
            break;
        case 'r':
            l->rate = atoi(optarg);
            break;
        case 'b':
            l->body_bytes = atoi(optarg);
            break;
        case 'o':
            l->first = atoi(optarg);
            break;
        case 'k':
            l->contacts = atoi(optarg);
            break;
        case '1':
            l->is_sha256 = false;
            break;
        case 't':
            l->tickets = optarg;
            break;
        case 'P':
            l->is_plain = true;
            break;
        case 'x':
            l->sends_presence = false;
            break;
        default:
            exit(2);
        }
    }
    l->scenario = optind < argc ? argv[optind] : "";
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct load *);
    } scenarios[] = {
        { "login", scenario_login }, { "messages", scenario_messages }, { "rate", scenario_rate },
        { "idle", scenario_idle },   { "contacts", scenario_contacts },
        { "knock", scenario_knock },
    };
    struct load l = { .loop = uv_default_loop(),
                      .domain = "localhost",
                      .prefix = "u",
                      .password = "",
                      .is_sha256 = true,
                      .sends_presence = true,
                      .gets_roster = true,
                      .users = 2,
                      .in_flight = 32,
                      .window = 10,
                      .seconds = 10,
                      .rate = 2000,
                      .body_bytes = 64,
                      .contacts = 20 };
    const char *ca = NULL;
    struct tls_options options = { 0 };
    struct buf why = { 0 };

    static const char *const alpn[] = { "xmpp-client", NULL };

    signal(SIGPIPE, SIG_IGN);
    parse_options(&l, argc, argv, &ca);
    options = (struct tls_options){ .ca_file = ca, .alpn = alpn };
    if (l.address_count == 0 || tls_creds_new(&options, &l.creds, &why) != ERR_OK) {
        fprintf(stderr, "load: --connect HOST:PORT[,…] is needed; %.*s\n", STR_ARG(buf_str(&why)));
        return 2;
    }
    l.net = net_new(l.loop);
    l.all = mem_alloc(sizeof *l.all * (size_t)l.users);
    uv_pipe_init(l.loop, &standard_input, 0);
    uv_pipe_open(&standard_input, 0);
    standard_input.data = &l;
    uv_read_start((uv_stream_t *)&standard_input, on_alloc, on_line);
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        if (strcmp(l.scenario, scenarios[i].name) == 0) {
            scenarios[i].run(&l);
            return uv_run(l.loop, UV_RUN_DEFAULT);
        }
    fprintf(stderr, "load: which scenario? login, messages, rate, idle, contacts, knock\n");
    return 2;
}
