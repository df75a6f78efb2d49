/* The numbered files of migrations/, inside the executable. Which of them a database still needs is the driver's business. */
#ifndef SM_STORE_MIGRATIONS_H
#define SM_STORE_MIGRATIONS_H

#include "common/str.h"

/* How many there are: also the number of the newest schema. They are numbered from 1. */
extern const int64_t store_migration_count;

/* The text of one, as in the file; several statements. */
struct str store_migration_text(int64_t number);

#endif
