/* What a process may do once it serves. Its program describes that from its configuration, in one
 * place; the kernel enforces it from then on: files, TCP ports and signals by landlock(7), system
 * calls by seccomp(2). Nothing of it can be taken back.
 *
 * The order at start is service.c's: describe, confine_files (before the first other thread, which
 * landlock would not reach), open everything, drop privileges, confine_calls (all threads), READY.
 * So what is only done while starting needs rights on files, but no system calls. */
#ifndef COMMON_CONFINE_H
#define COMMON_CONFINE_H

#include "common/base.h"
#include "common/buf.h"

struct confine;

/* What may be done with the files of a folder, and of the folders in it. */
enum confine_right {
    CONFINE_READ,    /* read */
    CONFINE_APPEND,  /* made, and appended to: logs */
    CONFINE_SOCKETS, /* Unix sockets are made and removed */
    CONFINE_KEEP,    /* all that a store does: files made, read, written, cut, removed */
};

/* Whether a reload may ask for it again. What takes effect at the next start only is not compared
 * by confine_check_reload, and gives no right to make sockets later. */
enum confine_when { CONFINE_AT_START, CONFINE_ALWAYS };

/* System calls beyond those that every process needs: one bit each. */
enum confine_may {
    CONFINE_THREADS = 1 << 0,       /* start threads (libuv's pool starts with its first work) */
    CONFINE_DIAL_ANY_PORT = 1 << 1, /* a reload brings peers whose ports nobody knows yet */
    CONFINE_FORWARD = 1 << 2,       /* connect to a log daemon again after its restart */
    CONFINE_LDAP = 1 << 3,          /* what libldap does to a socket: keepalive, O_NONBLOCK */
    CONFINE_DATABASE = 1 << 4,      /* what a client library of a database does to its sockets */
    CONFINE_KERBEROS = 1 << 5,      /* what the Kerberos library does to keytabs: locks */
};

struct confine *confine_new(void);
void confine_free(struct confine *c); /* NULL is fine */

void confine_allow(struct confine *c, enum confine_may may);
/* The folder of this file, so that the file can be replaced; for a link, that of its target too.
 * NULL: nothing. The root folder is never allowed: a file in it is, alone. */
void confine_allow_file(struct confine *c, enum confine_right right, const char *path,
                        enum confine_when when);
void confine_allow_folder(struct confine *c, enum confine_right right, const char *path,
                          enum confine_when when);
/* Addresses as net_address_parse reads them; NULL or malformed: nothing. A listener whose socket
 * the service manager hands over may be described all the same. */
void confine_allow_listen(struct confine *c, const char *address, enum confine_when when);
void confine_allow_dial(struct confine *c, const char *address);

/* What libraries read, whatever the program; after all else, because it depends on it. */
void confine_allow_system(struct confine *c);

/* Whether all that a new description needs is in the one that was applied. why: a sentence a line
 * for what is not, each saying that a restart is needed. */
NODISCARD enum err confine_check_reload(const struct confine *applied, const struct confine *wanted,
                                        struct buf *why);

/* --- applying ----------------------------------------------------------------------------------
 */

/* What was asked of the kernel; what is active the kernel itself says (/proc/self/status). */
struct confine_report {
    int landlock_abi;                      /* 0: the kernel has none */
    bool has_tcp, has_devices, has_scopes; /* what that version restricts besides files */
    unsigned path_rules, port_rules;
    unsigned call_rules; /* of seccomp; 0: the kernel has none */
};

/* Both: ERR_UNSUPPORTED when the kernel cannot (the report says so too, the process can go on),
 * another error when it could but refused; why: one sentence. Need no_new_privs or CAP_SYS_ADMIN.
 * confine_files must be called while the process has one thread. */
NODISCARD enum err confine_files(const struct confine *c, struct confine_report *r,
                                 struct buf *why);
NODISCARD enum err confine_calls(const struct confine *c, struct confine_report *r,
                                 struct buf *why);

#endif
