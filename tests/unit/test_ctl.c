/* Control requests: dispatch, rights, text and JSON, later answers; the sockets, asked by a plain client. */
#include "common/ctl_server.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct ctl_request *waiting;
static unsigned echoes;

static void run_people(void *app, struct ctl_request *r)
{
    static const char *const columns[] = { "name", "note", NULL };

    (void)app;
    ctl_columns(r, columns);
    ctl_row(r, (const struct str[]){ STR("anna"), STR("x\x1b[0m \"q\"") });
    ctl_row(r, (const struct str[]){ STR("\xc3\xa4"), STR_NONE });
    ctl_finish(r, CTL_OK);
}

static void run_nobody(void *app, struct ctl_request *r)
{
    (void)app;
    ctl_columns(r, (const char *const[]){ "name", NULL });
    ctl_finish(r, CTL_OK);
}

static void run_facts(void *app, struct ctl_request *r)
{
    ctl_field(r, "app", str_from(app));
    ctl_field_u64(r, "count", UINT64_MAX);
    ctl_field(r, "none", STR_NONE);
    ctl_field(r, "bad", STR("a\xff\nb"));
    ctl_columns(r, (const char *const[]){ "x", NULL });
    ctl_row(r, (const struct str[]){ STR("1") });
    ctl_say(r, "first %d", 1);
    ctl_say(r, "second");
    ctl_finish(r, CTL_WARNING);
}

static void run_echo(void *app, struct ctl_request *r)
{
    (void)app;
    echoes++;
    ctl_say(r, "%zu %.*s|%.*s|%d", ctl_arg_count(r), STR_ARG(ctl_arg(r, 0)), STR_ARG(ctl_arg(r, 1)), str_is_set(ctl_arg(r, 2)));
    ctl_finish(r, CTL_OK);
}

static void run_later(void *app, struct ctl_request *r)
{
    (void)app;
    waiting = r;
}

static const struct ctl_command first[] = {
    { "people", CTL_READ, 0, 0, "people", "Lists.", run_people },
    { "nobody", CTL_READ, 0, 0, "nobody", "Lists none.", run_nobody },
    { "facts", CTL_READ, 0, 0, "facts", "Tells.", run_facts },
    { 0 },
};
static const struct ctl_command second[] = {
    { "echo", CTL_ADMIN, 1, 2, "echo A [B]", "Says it again.", run_echo },
    { "later", CTL_READ, 0, 0, "later", "Takes its time.", run_later },
    { 0 },
};
static const struct ctl_table tables[] = { { first, "one" }, { second, "two" }, { 0 } };

static void keep_answer(void *owner, struct str answer)
{
    buf_add(owner, answer);
    buf_add_char(owner, '\0');
}

static void assert_answer(const char *line, enum ctl_right right, const char *expected)
{
    struct buf answer = { 0 };

    ctl_request_run(ctl_request_new(str_from(line), keep_answer, &answer), tables, &(struct ctl_caller){ .right = right });
    assert_non_null(answer.p);
    assert_string_equal(answer.p, expected);
    buf_fini(&answer);
}

static void every_request_has_its_answer(void **state)
{
    static const struct {
        const char *line;
        enum ctl_right right;
        const char *answer;
    } rows[] = {
        { "text\x1fpeople", CTL_READ, "0\nname  note\nanna  x\\x1b[0m \"q\"\n\xc3\xa4     -\n" },
        { "json\x1fpeople", CTL_READ,
          "0\n[{\"name\":\"anna\",\"note\":\"x\\u001b[0m \\\"q\\\"\"},{\"name\":\"\xc3\xa4\",\"note\":null}]\n" },
        { "text\x1fnobody", CTL_READ, "0\nname\n" },
        { "json\x1fnobody", CTL_READ, "0\n[]\n" },
        { "text\x1f" "facts", CTL_READ,
          "1\napp: one\ncount: 18446744073709551615\nnone: -\nbad: a\\xff\\x0ab\nx\n1\nfirst 1\nsecond\n" },
        { "json\x1f" "facts", CTL_READ,
          "1\n{\"app\":\"one\",\"count\":18446744073709551615,\"none\":null,\"bad\":\"a\xef\xbf\xbd\\nb\",\"rows\":[{\"x\":\"1\"}],"
          "\"message\":\"first 1\\nsecond\"}\n" },
        { "text\x1f" "echo\x1f" "a", CTL_ADMIN, "0\n1 a||0\n" },
        { "json\x1f" "echo\x1f" "a\x1f", CTL_ADMIN, "0\n{\"message\":\"2 a||0\"}\n" },
        { "text\x1f" "echo\x1f" "a b\x1f" "c", CTL_ADMIN, "0\n2 a b|c|0\n" },
        { "text\x1f" "echo\x1f" "a", CTL_READ, "77\nthis command needs the administrators' socket: echo\n" },
        { "text\x1f" "echo", CTL_ADMIN, "64\nusage: echo A [B]\n" },
        { "text\x1f" "echo\x1f" "a\x1f" "b\x1f" "c", CTL_ADMIN, "64\nusage: echo A [B]\n" },
        { "text\x1fno\x1b", CTL_READ, "64\nthere is no command no\\x1b; ask commands for a list\n" },
        { "text", CTL_READ, "64\nthe request is malformed\n" },
        { "", CTL_READ, "64\nthe request is malformed\n" },
        { "xml\x1fpeople", CTL_READ, "64\nthe request is malformed\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_answer(rows[i].line, rows[i].right, rows[i].answer);
}

static void too_many_arguments_are_refused(void **state)
{
    struct buf line = { 0 };

    (void)state;
    buf_add(&line, STR("text\x1f" "echo"));
    for (int i = 0; i < CTL_MAX_ARGS + 1; i++)
        buf_add_char(&line, CTL_SEPARATOR);
    buf_add_char(&line, '\0');
    assert_answer(line.p, CTL_ADMIN, "64\nthe request is malformed\n");
    buf_fini(&line);
}

static void an_abandoned_request_is_finished_in_silence(void **state)
{
    struct buf answer = { 0 };
    struct ctl_request *r = ctl_request_new(STR("text\x1flater"), keep_answer, &answer);

    (void)state;
    ctl_request_run(r, tables, &(struct ctl_caller){ .right = CTL_READ });
    assert_ptr_equal(waiting, r);
    ctl_request_abandon(r);
    ctl_finish(waiting, CTL_OK);
    assert_int_equal(answer.n, 0);
}

/* --- sockets ----------------------------------------------------------------------------------------------------- */

struct world {
    uv_loop_t loop;
    struct net *net;
    struct timers *timers;
    struct ctl_server *server;
    char folder[64];
    uv_pipe_t client;
    uv_connect_t connect;
    uv_write_t write;
    struct buf received;
    struct str to_send;
    bool is_over;
};

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    static char space[4096];

    (void)handle;
    (void)size;
    *out = uv_buf_init(space, sizeof space);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct world *w = handle->data;

    w->is_over = true;
}

static void on_client_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *space)
{
    struct world *w = stream->data;

    if (n > 0) {
        buf_add(&w->received, str_of(space->base, (size_t)n));
    } else if (n < 0) {
        uv_close((uv_handle_t *)stream, on_client_closed);
    }
}

static void on_client_connected(uv_connect_t *request, int status)
{
    struct world *w = request->data;
    uv_buf_t bytes = uv_buf_init((char *)(uintptr_t)w->to_send.p, (unsigned)w->to_send.n);

    assert_int_equal(status, 0);
    uv_read_start((uv_stream_t *)&w->client, on_alloc, on_client_read);
    assert_int_equal(uv_write(&w->write, (uv_stream_t *)&w->client, &bytes, 1, NULL), 0);
}

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct buf why = { 0 };

    snprintf(w->folder, sizeof w->folder, "/tmp/sallyport-ctl-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->net = net_new(&w->loop);
    w->timers = timers_new(&w->loop);
    assert_int_equal(ctl_server_open(&(struct ctl_server_options){ .net = w->net, .timers = w->timers, .folder = w->folder,
                                                                   .name = "x-1", .tables = tables },
                                     &w->server, &why),
                     ERR_OK);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;

    ctl_server_close(w->server);
    net_close(w->net);
    timers_close(w->timers);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    buf_fini(&w->received);
    assert_int_equal(rmdir(w->folder), 0); /* the sockets are gone */
    free(w);
    return 0;
}

static void begin_ask(struct world *w, const char *socket, struct str bytes)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", w->folder, socket);
    buf_clear(&w->received);
    w->is_over = false;
    w->to_send = bytes;
    uv_pipe_init(&w->loop, &w->client, 0);
    w->client.data = w->connect.data = w;
    uv_pipe_connect(&w->connect, &w->client, path, on_client_connected);
}

static void ask(struct world *w, const char *socket, struct str bytes)
{
    begin_ask(w, socket, bytes);
    while (!w->is_over)
        uv_run(&w->loop, UV_RUN_ONCE);
}

static void the_two_sockets_have_their_rights(void **state)
{
    struct world *w = *state;
    struct stat st;
    char path[128];

    snprintf(path, sizeof path, "%s/x-1-admin.sock", w->folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    ask(w, "x-1-admin.sock", STR("text\x1f" "echo\x1f" "a\n"));
    assert_true(str_is(buf_str(&w->received), "0\n1 a||0\n"));
    ask(w, "x-1.sock", STR("text\x1f" "echo\x1f" "a\n"));
    assert_true(str_starts_with(buf_str(&w->received), STR("77\n")));
    ask(w, "x-1.sock", STR("text\x1fnobody\nand more"));
    assert_true(str_is(buf_str(&w->received), "0\nname\n"));
}

static void a_request_without_end_is_cut_off(void **state)
{
    static char bytes[CTL_MAX_REQUEST_BYTES + 1000];
    struct world *w = *state;

    memset(bytes, 'x', sizeof bytes);
    ask(w, "x-1.sock", str_of(bytes, sizeof bytes));
    assert_int_equal(w->received.n, 0);
}

static void an_asker_that_leaves_does_no_harm(void **state)
{
    struct world *w = *state;

    waiting = NULL;
    begin_ask(w, "x-1.sock", STR("text\x1flater\n"));
    while (!waiting)
        uv_run(&w->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&w->client, on_client_closed);
    while (!w->is_over)
        uv_run(&w->loop, UV_RUN_ONCE);
    ask(w, "x-1.sock", STR("text\x1fnobody\n"));
    ctl_say(waiting, "nobody hears this");
    ctl_finish(waiting, CTL_OK);
}

static void a_later_answer_arrives(void **state)
{
    struct world *w = *state;

    waiting = NULL;
    begin_ask(w, "x-1.sock", STR("text\x1flater\n"));
    while (!waiting)
        uv_run(&w->loop, UV_RUN_ONCE);
    ctl_say(waiting, "done");
    ctl_finish(waiting, CTL_FAILED);
    while (!w->is_over)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_true(str_is(buf_str(&w->received), "70\ndone\n"));
}

/* --- while the caller's name is looked up ------------------------------------------------------------------------- */

enum { POOL_THREADS = 4 };

static uv_sem_t pool_is_free;
static unsigned at_work;

static void wait_in_pool(uv_work_t *work)
{
    (void)work;
    uv_sem_wait(&pool_is_free);
}

static void on_work_done(uv_work_t *work, int status)
{
    (void)work;
    assert_int_equal(status, 0);
    at_work--;
}

static void turns(struct world *w)
{
    for (int i = 0; i < 200; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* Nothing else is done in the pool, so that no name is found. */
static void ask_with_a_busy_pool(struct world *w, uv_work_t work[POOL_THREADS])
{
    assert_int_equal(uv_sem_init(&pool_is_free, 0), 0);
    for (at_work = 0; at_work < POOL_THREADS; at_work++)
        assert_int_equal(uv_queue_work(&w->loop, &work[at_work], wait_in_pool, on_work_done), 0);
    echoes = 0;
    begin_ask(w, "x-1-admin.sock", STR("text\x1f" "echo\x1f" "a\n"));
    turns(w);
    assert_int_equal(w->received.n, 0);
}

static void free_pool(struct world *w)
{
    for (int i = 0; i < POOL_THREADS; i++)
        uv_sem_post(&pool_is_free);
    while (at_work > 0)
        uv_run(&w->loop, UV_RUN_ONCE);
    turns(w);
    uv_sem_destroy(&pool_is_free);
}

static void a_command_that_is_audited_runs_when_its_caller_is_known(void **state)
{
    struct world *w = *state;
    uv_work_t work[POOL_THREADS];

    ask_with_a_busy_pool(w, work);
    assert_int_equal(echoes, 0);
    free_pool(w);
    while (!w->is_over)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(echoes, 1);
    assert_true(str_is(buf_str(&w->received), "0\n1 a||0\n"));
}

static void who_leaves_before_that_has_asked_for_nothing(void **state)
{
    struct world *w = *state;
    uv_work_t work[POOL_THREADS];

    ask_with_a_busy_pool(w, work);
    uv_close((uv_handle_t *)&w->client, on_client_closed);
    turns(w);
    free_pool(w);
    assert_int_equal(echoes, 0);
    ask(w, "x-1-admin.sock", STR("text\x1f" "echo\x1f" "a\n"));
    assert_int_equal(echoes, 1);
}

static void the_server_may_close_before_that(void **state)
{
    struct world *w = *state;
    uv_work_t work[POOL_THREADS];

    ask_with_a_busy_pool(w, work);
    ctl_server_close(w->server);
    w->server = NULL;
    turns(w);
    free_pool(w);
    assert_int_equal(echoes, 0);
    while (!w->is_over)
        uv_run(&w->loop, UV_RUN_ONCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_has_its_answer),
        cmocka_unit_test(too_many_arguments_are_refused),
        cmocka_unit_test(an_abandoned_request_is_finished_in_silence),
        cmocka_unit_test_setup_teardown(the_two_sockets_have_their_rights, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_request_without_end_is_cut_off, open_world, close_world),
        cmocka_unit_test_setup_teardown(an_asker_that_leaves_does_no_harm, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_later_answer_arrives, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_command_that_is_audited_runs_when_its_caller_is_known, open_world, close_world),
        cmocka_unit_test_setup_teardown(who_leaves_before_that_has_asked_for_nothing, open_world, close_world),
        cmocka_unit_test_setup_teardown(the_server_may_close_before_that, open_world, close_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
