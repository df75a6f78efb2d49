/* The Kerberos library's configuration, as far as it is ours: what an acceptor of tickets must not
 * leave to the site's krb5.conf(5), which is read behind it. The service account of a directory gets
 * its own ticket by the same settings. */
#ifndef SM_AUTH_KERBEROS_CONF_H
#define SM_AUTH_KERBEROS_CONF_H

#include "common/buf.h"

/* Sets the environment of the library, once a process, before it has threads and before anything of
 * Kerberos is used. default_realm: that whose principals the library names without their realm.
 * ERR_IO; why: one sentence. */
NODISCARD enum err kerberos_conf_prepare(const char *default_realm, struct buf *why);

/* Calls each for what the library will read: the site's files (KRB5_CONFIG, else /etc/krb5.conf),
 * and the files and folders that these include. path is borrowed. */
void kerberos_conf_each(void (*each)(void *owner, const char *path, bool is_folder), void *owner);

#endif
