/* The files of migrations/ as bytes of this object: the assembler reads them, from the repository's
 * root where make runs. */
#include "sm/store/migrations.h"

/* One file between two symbols. */
/* clang-format off */
#define EMBED(symbol, file)                                \
    __asm__(".section .rodata\n"                           \
            ".global " #symbol "_begin, " #symbol "_end\n" \
            ".hidden " #symbol "_begin, " #symbol "_end\n" \
            #symbol "_begin:\n"                            \
            ".incbin \"sm/store/migrations/" file "\"\n"   \
            #symbol "_end:\n"                              \
            ".previous\n");                                \
    extern const char symbol##_begin[], symbol##_end[]
/* clang-format on */

EMBED(migration_0001, "0001_start.sql");
EMBED(migration_0002, "0002_use.sql");
EMBED(migration_0003, "0003_blocking.sql");
EMBED(migration_0004, "0004_directory.sql");
EMBED(migration_0005, "0005_outside.sql");
EMBED(migration_0006, "0006_archive.sql");
EMBED(migration_0007, "0007_derived.sql");
EMBED(migration_0008, "0008_renamed.sql");

static const struct {
    const char *begin, *end;
} migrations[] = {
    { migration_0001_begin, migration_0001_end },
    { migration_0002_begin, migration_0002_end },
    { migration_0003_begin, migration_0003_end },
    { migration_0004_begin, migration_0004_end },
    { migration_0005_begin, migration_0005_end },
    { migration_0006_begin, migration_0006_end },
    { migration_0007_begin, migration_0007_end },
    { migration_0008_begin, migration_0008_end },
};

const int64_t store_migration_count = ARRAY_LEN(migrations);

struct str store_migration_text(int64_t number)
{
    ASSERT(number >= 1 && number <= store_migration_count);
    return str_of(migrations[number - 1].begin,
                  (size_t)(migrations[number - 1].end - migrations[number - 1].begin));
}
