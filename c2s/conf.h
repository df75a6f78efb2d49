/* The keys of c2s.conf. */
#ifndef C2S_CONF_H
#define C2S_CONF_H

#include "common/service.h"
#include "proto/link.h"

enum c2s_door_kind { C2S_DOOR_STARTTLS, C2S_DOOR_TLS };

struct c2s_listen_conf { /* section listen "NAME" */
    char *name;
    char *address;
    int kind;                 /* enum c2s_door_kind */
    struct conf_list proxies; /* addresses and networks; not empty: PROXY protocol */
    int64_t max_connections;
    int64_t backlog;
};

struct c2s_certificate_conf { /* section certificate "NAME" */
    char *name;
    char *cert_file, *key_file;
};

/* What this file says about every client. The table of hosts that session managers announce may be
 * stricter, never laxer. */
struct c2s_floors {
    bool is_tls_required;
    int64_t max_stanza, max_stanza_before;
    int64_t max_depth, max_attributes;
    int64_t bytes_per_second, stanzas_per_second; /* 0: no limit */
    int64_t auth_timeout_ms;
    int64_t idle_timeout_ms; /* 0: none */
};

struct c2s_conf {
    struct service_conf service;
    struct link_conf link;
    struct conf_items listens;      /* struct c2s_listen_conf */
    struct conf_items certificates; /* struct c2s_certificate_conf */
    char *client_ca_file, *client_crl_file;
    struct c2s_floors floors;
    int64_t connections_per_address;
    int64_t max_handshakes;
    int64_t park_timeout_ms;
    int64_t session_window, session_window_bytes;
    int64_t sm_window_bytes;
};

extern const struct conf_spec c2s_conf_spec;

/* Addresses, certificates and peers: what the table of keys cannot say. */
enum err c2s_conf_check(const void *conf, struct buf *why);

/* confine.c: what the process may do, from its configuration. */
void c2s_confine(const void *conf, struct confine *c);

struct tls_creds;
/* Certificates of the file, with ALPN xmpp-client for direct TLS (XEP-0368) or without for
 * STARTTLS. *out_creds is NULL when the file lists no certificate. */
NODISCARD enum err c2s_conf_creds(const struct c2s_conf *conf, bool is_direct,
                                  struct tls_creds **out_creds, struct buf *why);

#endif
