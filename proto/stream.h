/* Streams: headers and errors. RFC 6120 §4. */
#ifndef PROTO_STREAM_H
#define PROTO_STREAM_H

#include "proto/xml.h"

/* Conditions of RFC 6120 §4.9.3. */
enum stream_error {
    STREAM_OK,
    STREAM_BAD_FORMAT,
    STREAM_BAD_NAMESPACE_PREFIX,
    STREAM_CONFLICT,
    STREAM_CONNECTION_TIMEOUT,
    STREAM_HOST_GONE,
    STREAM_HOST_UNKNOWN,
    STREAM_IMPROPER_ADDRESSING,
    STREAM_INTERNAL_SERVER_ERROR,
    STREAM_INVALID_FROM,
    STREAM_INVALID_NAMESPACE,
    STREAM_INVALID_XML,
    STREAM_NOT_AUTHORIZED,
    STREAM_NOT_WELL_FORMED,
    STREAM_POLICY_VIOLATION,
    STREAM_REMOTE_CONNECTION_FAILED,
    STREAM_RESET,
    STREAM_RESOURCE_CONSTRAINT,
    STREAM_RESTRICTED_XML,
    STREAM_SEE_OTHER_HOST,
    STREAM_SYSTEM_SHUTDOWN,
    STREAM_UNDEFINED_CONDITION,
    STREAM_UNSUPPORTED_ENCODING,
    STREAM_UNSUPPORTED_FEATURE,
    STREAM_UNSUPPORTED_STANZA_TYPE,
    STREAM_UNSUPPORTED_VERSION,
    STREAM_ERROR_COUNT
};

const char *stream_error_name(enum stream_error e);
/* STREAM_OK when it is none of them. */
enum stream_error stream_error_from_name(struct str name);
enum stream_error stream_error_from_xml(enum xml_error e);

/* <stream:error><NAME xmlns=…/><text …/></stream:error>; text may be absent. */
void stream_write_error(struct buf *out, enum stream_error e, struct str text);

struct stream_header {
    struct str to, from, id, lang; /* as written; absent where not there */
    struct str version;            /* absent: "0.9" (§4.7.5) */
    struct str default_ns;
};

/* From the root that xml_parse_header gave. Returns STREAM_OK, STREAM_INVALID_NAMESPACE (not a
 * stream of NS_STREAM, or its default namespace is not expected_ns; §4.9.3.10),
 * STREAM_BAD_NAMESPACE_PREFIX (the prefix is not "stream": a constant prefix lets every element be
 * parsed alone), STREAM_BAD_FORMAT. */
enum stream_error stream_read_header(const struct xml *root, const char *expected_ns,
                                     struct stream_header *out_header);

/* "<?xml version='1.0'?><stream:stream …>" with version 1.0 (none for components: XEP-0114); absent
 * fields are left out. */
void stream_write_header(struct buf *out, const char *default_ns,
                         const struct stream_header *header);

/* Whether a version is at least 1.0 (§4.7.5): major number >= 1. */
bool stream_version_is_1_0(struct str version);

extern const struct str stream_close_tag; /* "</stream:stream>" */

/* Whether what scan_next gave as SCAN_STREAM_CLOSE closes a stream of ours; anything else there is
 * not-well-formed. */
bool stream_is_close_tag(struct str bytes);

#endif
