/* The constants that the files of this folder define: one extension each. */
#ifndef SM_EXT_LIST_H
#define SM_EXT_LIST_H

#include "sm/ext.h"

extern const struct ext xep0012_last;
extern const struct ext xep0030_disco;
extern const struct ext xep0049_private;
extern const struct ext xep0054_vcard;
extern const struct ext xep0055_search;
extern const struct ext xep0077_register;
extern const struct ext xep0092_version;
extern const struct ext xep0157_contact;
extern const struct ext xep0199_ping;
extern const struct ext xep0191_blocking;
extern const struct ext xep0202_time;
extern const struct ext xep0280_carbons;
extern const struct ext xep0313_mam;
extern const struct ext xep0352_csi;

#endif
