/* A libstrophe program: logs in, writes to itself, and leaves when its message has come back. Exit code 0 then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>

static int has_arrived;

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *ctx)
{
    char *body = xmpp_message_get_body(stanza);

    (void)ctx;
    has_arrived = body && strcmp(body, "hello from libstrophe") == 0;
    xmpp_free(xmpp_conn_get_context(conn), body);
    xmpp_disconnect(conn);
    return 1;
}

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error, void *ctx)
{
    xmpp_stanza_t *stanza;

    (void)error;
    (void)stream_error;
    if (event != XMPP_CONN_CONNECT) {
        xmpp_stop(ctx);
        return;
    }
    xmpp_handler_add(conn, on_message, NULL, "message", NULL, NULL);
    stanza = xmpp_presence_new(ctx);
    xmpp_send(conn, stanza);
    xmpp_stanza_release(stanza);
    stanza = xmpp_message_new(ctx, "chat", xmpp_conn_get_bound_jid(conn), "s1");
    xmpp_message_set_body(stanza, "hello from libstrophe");
    xmpp_send(conn, stanza);
    xmpp_stanza_release(stanza);
}

int main(int argc, char **argv)
{
    xmpp_ctx_t *ctx;
    xmpp_conn_t *conn;

    if (argc != 6)
        return 2; /* JID PASSWORD HOST PORT CAFILE; HOST "-": found by SRV */
    xmpp_initialize();
    ctx = xmpp_ctx_new(NULL, xmpp_get_default_logger(XMPP_LEVEL_DEBUG));
    conn = xmpp_conn_new(ctx);
    xmpp_conn_set_jid(conn, argv[1]);
    xmpp_conn_set_pass(conn, argv[2]);
    xmpp_conn_set_cafile(conn, argv[5]);
    xmpp_conn_set_flags(conn, XMPP_CONN_FLAG_MANDATORY_TLS);
    if (xmpp_connect_client(conn, strcmp(argv[3], "-") == 0 ? NULL : argv[3], (unsigned short)atoi(argv[4]), on_connection, ctx) != XMPP_EOK)
        return 1;
    xmpp_run(ctx);
    xmpp_conn_release(conn);
    xmpp_ctx_free(ctx);
    xmpp_shutdown();
    return has_arrived ? 0 : 1;
}
