/* Addresses of LDAP servers as configuration has them (RFC 4516 without anything behind the
 * authority): ldap://host[:389], ldaps://host[:636], ldapi://%2Frun%2Fslapd%2Fldapi. Pure. */
#ifndef SM_DIRECTORY_URI_H
#define SM_DIRECTORY_URI_H

#include "common/buf.h"

enum directory_scheme { DIRECTORY_LDAP, DIRECTORY_LDAPS, DIRECTORY_LDAPI };

struct directory_uri {
    enum directory_scheme scheme;
    struct str host; /* "[::1]" with its brackets; of ldapi the path, still escaped; borrowed */
    uint16_t port;   /* 0 for ldapi */
    bool is_loopback; /* 127.0.0.0/8 and ::1 as numbers, and localhost */
};
NODISCARD enum err directory_uri_read(const char *text, struct directory_uri *out);

/* As net.h has addresses: "host:636", "unix:…". */
void directory_uri_add_address(struct buf *out, const struct directory_uri *u);

#endif
