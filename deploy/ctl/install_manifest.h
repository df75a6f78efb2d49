/* The manifest of a bundle: a line "MODE OWNER:GROUP SHA-256 PATH" for each file of one host. Pure.
 * A bundle travels: what its manifest says is checked before anything is believed. */
#ifndef DEPLOY_CTL_INSTALL_MANIFEST_H
#define DEPLOY_CTL_INSTALL_MANIFEST_H

#include "common/buf.h"

enum { MANIFEST_MAX_FILES = 4096 };

struct manifest_file {
    struct str path; /* on the host, absolute, without "..", printable */
    struct str owner, group;
    struct str digest; /* 64 hexadecimal digits */
    unsigned mode;     /* at most 0755 */
};

struct manifest {
    struct manifest_file *files;
    size_t count;
};

/* Borrows text. Returns ERR_OK, ERR_MALFORMED, ERR_LIMIT; why: one sentence. To be freed with
 * manifest_fini in any case. */
NODISCARD enum err manifest_read(struct str text, struct manifest *out, struct buf *why);
void manifest_fini(struct manifest *m);

const struct manifest_file *manifest_find(const struct manifest *m, struct str path);

/* --- what is to be done after files were installed -------------------------------------------- */

enum manifest_change { FILE_NEW, FILE_CHANGED, FILE_REMOVED };

/* Collected from what became of each file. */
struct manifest_steps {
    bool has_units;       /* the service manager must read its units again */
    bool has_new_units;   /* and start what it did not have */
    bool has_new_sockets; /* a socket that is open changes: all that hold one start again */
    bool has_firewall;    /* the table of rules */
    bool has_others;      /* what a reload of the processes takes */
    struct buf restart;   /* units that only a restart changes, a space before each, once each */
    struct buf stop;      /* units that are no longer planned */
};

void manifest_steps_add(struct manifest_steps *s, struct str path, enum manifest_change change);
void manifest_steps_fini(struct manifest_steps *s);

/* The commands, a line each, for a host on which Sallyport is installed for the first time or not;
 * nothing when nothing is to be done. */
void manifest_steps_print(const struct manifest_steps *s, bool is_first, struct buf *out);

#endif
