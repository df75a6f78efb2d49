/* What our own executables say to each other besides stanzas: small elements of NS_LINK, as payload
 * of a frame (LINK.md §5). Each has a writer and a reader; readers take what a hostile peer sends:
 * ERR_MALFORMED, and nothing is half-filled. */
#ifndef PROTO_CONTROL_H
#define PROTO_CONTROL_H

#include "proto/channel.h"
#include "proto/link.h"
#include "proto/stream.h"
#include "proto/xml.h"

/* Readers refuse more entries of one kind in one element. Writers of lists that may be longer
 * (sync, synced) begin another frame when CONTROL_SPLIT_BYTES are reached. Texts that readers give
 * are borrowed from x, unless they were decoded: those are in the arena. */
enum { CONTROL_MAX_ENTRIES = 100000, CONTROL_SPLIT_BYTES = 32768 };
/* For xml_parse of a payload that is a control element. */
extern const struct xml_limits control_xml_limits;

/* <peers><peer name= role= instance= up='1|0'/>…</peers>  router → all: who is linked to it.
 * all='1': the complete list, sent when a link comes up; otherwise only changes. A component has
 * role "component" and no instance. */
struct control_peer {
    struct str name, instance, role;
    bool is_up;
};
struct control_peers {
    bool is_all;
    struct control_peer *peers;
    size_t count;
};
void control_write_peers(struct buf *out, const struct control_peers *p);
NODISCARD enum err control_read_peers(const struct xml *x, struct arena *arena,
                                      struct control_peers *out);

/* <slots key='HEX' e='7'><host name='example.com'/>…<own from='0' to='1023'/></slots>  sm →
 * routers: the slots it owns, the hosts of this cluster, and the key of the hash. Routers pass it
 * on to every link but c2s'. */
enum { SLOT_COUNT = 1024 };
struct control_slots {
    uint8_t key[16];
    uint64_t epoch;
    uint8_t owned[SLOT_COUNT / 8];
    struct str *hosts;
    size_t host_count;
};
void control_write_slots(struct buf *out, const struct control_slots *s);
NODISCARD enum err control_read_slots(const struct xml *x, struct arena *arena,
                                      struct control_slots *out);
/* The slot of a bare JID (or of a domain alone): SipHash-2-4 under the cluster's key, modulo
 * SLOT_COUNT. */
unsigned control_slot_of(const uint8_t key[16], struct str bare);

/* <hosts v='12'><host name= tls='required|optional' registration='1|0' …limits…/>…</hosts>  sm →
 * c2s: the versioned table (ARCHITECTURE §4). */
struct control_host {
    struct str name;
    bool is_tls_required;
    bool is_registration_open;   /* XEP-0077 before login */
    uint64_t max_stanza_bytes;   /* after authentication */
    uint64_t max_stanza_bytes_before; /* before it */
    uint64_t max_depth, max_attributes;
    uint64_t bytes_per_second, stanzas_per_second; /* of one connection; 0: no limit */
    uint64_t auth_timeout_ms;    /* from accept to success */
    uint64_t idle_timeout_ms;    /* without a byte from the client; 0: none */
};
struct control_hosts {
    uint64_t version;
    struct control_host *hosts;
    size_t count;
};
void control_write_hosts(struct buf *out, const struct control_hosts *h);
NODISCARD enum err control_read_hosts(const struct xml *x, struct arena *arena,
                                      struct control_hosts *out);

/* <open host= addr= tls= cipher= sni= alpn= lang= lost='1' …><cb
 * type='tls-exporter'>BASE64</cb>…<chain>PEM</chain></open> c2s → any sm: a client has a stream
 * under TLS (or without, where the host allows that). Frame: from='C2S/INSTANCE-CONN', no s, no n.
 * Everything of one connection before its session is opened travels in such frames, in order, over
 * one link; they are never repeated: when the link is lost c2s opens again with lost='1'. A later
 * <open/> of the same connection, before success, begins a new stream. */
struct control_open {
    struct str host;   /* normalised, one of the table */
    struct str addr;   /* the client's address and port as text */
    struct str lang;   /* of the stream header; may be absent */
    struct str from;   /* of the stream header, as written; may be absent */
    bool is_lost; /* an sm was lost during authentication: answer temporary-auth-failure to what
                     comes next */
    struct str tls, cipher, sni, alpn;             /* absent without TLS */
    struct str cb_exporter, cb_end_point, cb_unique; /* raw bytes; absent where there is none */
    struct str chain;  /* PEM, leaf first, of a client chain that c2s verified; absent. Above
                          CONTROL_MAX_CHAIN: ERR_LIMIT */
};
enum { CONTROL_MAX_CHAIN = 24 * 1024 };
void control_write_open(struct buf *out, const struct control_open *o);
NODISCARD enum err control_read_open(const struct xml *x, struct arena *arena,
                                     struct control_open *out);

/* <restart host= lang= from=/>  c2s → owner, a numbered frame: the client sent its new stream
 * header after <success/>. The owner answers with <stream:features/>. */
void control_write_restart(struct buf *out, struct str host, struct str lang, struct str from);
NODISCARD enum err control_read_restart(const struct xml *x, struct str *out_host,
                                        struct str *out_lang, struct str *out_from);

/* <end why='…'><CONDITION xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text/></end>
 * Up (numbered, the last frame of its session; or without s before there is one): the connection is
 * over: why is "closed" (the client said
 * </stream:stream>), "lost" (socket), "error" (c2s ended it; the condition says how), "timeout".
 * Down: write the stream error, if a condition is there, and </stream:stream>, and close; why is
 * "error" or "closed". */
enum control_end_why {
    CONTROL_END_CLOSED,
    CONTROL_END_LOST,
    CONTROL_END_ERROR,
    CONTROL_END_TIMEOUT
};
struct control_end {
    enum control_end_why why;
    enum stream_error error; /* STREAM_OK: none */
    struct str text;
};
void control_write_end(struct buf *out, const struct control_end *e);
NODISCARD enum err control_read_end(const struct xml *x, struct control_end *out);

/* <sync e='8'><s id='HEX' conn='INSTANCE-CONN'/>…</sync>  new owner → c2s: these sessions are mine
 * now. more='1': others follow in further frames; the last has no more: c2s then ends, with
 * <reset/>, its sessions owned by a lower epoch of that sm that no frame named. Sent again for what
 * is not synced whenever the way to c2s was lost. */
struct control_sync_entry {
    struct str session; /* hexadecimal */
    struct str conn;
};
struct control_sync {
    uint64_t epoch;
    bool has_more;
    struct control_sync_entry *entries;
    size_t count;
};
void control_write_sync(struct buf *out, const struct control_sync *s);
NODISCARD enum err control_read_sync(const struct xml *x, struct arena *arena,
                                     struct control_sync *out);

/* <synced e='8'><s id='HEX' h='5' n='9' w='7'>8:ID 9:ID</s><gone id='HEX'/>…</synced>  c2s → owner:
 * the answers: h heard, n of the last frame taken, w of the last written, the copies (number and
 * id, oldest first); gone: c2s has no such session. */
struct control_synced_entry {
    struct str session;
    bool is_gone;
    struct channel_synced numbers; /* copies: heap, freed by control_synced_fini */
};
struct control_synced {
    uint64_t epoch;
    struct control_synced_entry *entries;
    size_t count;
};
void control_write_synced_begin(struct buf *out, uint64_t epoch);
void control_write_synced_gate(struct buf *out, struct str session, const struct channel_gate *g);
void control_write_synced_gone(struct buf *out, struct str session);
void control_write_synced_end(struct buf *out);
NODISCARD enum err control_read_synced(const struct xml *x, struct arena *arena,
                                       struct control_synced *out);
void control_synced_fini(struct control_synced *s);

/* <adopt …/>  authenticating sm → owner (ARCHITECTURE §4): the owner opens the session.
 * HMAC-SHA-256 over all other fields under a key that only session managers have. */
struct control_adopt {
    struct str account;   /* bare JID */
    struct str c2s, conn; /* name; INSTANCE-CONN */
    struct str mechanism; /* that authenticated */
    struct str success_data; /* raw bytes for <success/>; absent: none */
    struct str addr, tls, cipher, lang;
    struct str outside; /* "0": no stanzas to or from other domains; "1", absent: it may */
    uint64_t slot_epoch;
    uint8_t nonce[16];
    int64_t expires;      /* seconds since 1970 */
};
void control_write_adopt(struct buf *out, const struct control_adopt *a, struct str key);
/* ERR_DENIED: the HMAC is wrong. Expiry and nonce are the caller's to check. */
NODISCARD enum err control_read_adopt(const struct xml *x, struct str key, struct arena *arena,
                                      struct control_adopt *out);

/* <bounce reason='no-peer|no-owner'/> with the undelivered payload's frame id, router → sender:
 * nobody is linked under that `to`. A hint; the sender keeps what it has and waits for <peers/>.
 * For frames without s the sender answers the stanza with an error. */
void control_write_bounce(struct buf *out, const char *reason);

/* <metrics>TEXT</metrics>  c2s, s2s, sm → routers: the sender's metrics, Prometheus text, when a
 * link comes up and every 15 s. */
enum { CONTROL_MAX_METRICS = 32768 }; /* escaped it still fits the smallest link_max_payload */
void control_write_metrics(struct buf *out, struct str text);
/* ERR_LIMIT: longer than CONTROL_MAX_METRICS. The text itself is not looked at. */
NODISCARD enum err control_read_metrics(const struct xml *x, struct arena *arena,
                                        struct str *out_text);

#endif
