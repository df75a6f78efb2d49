/* The statements of archives, as in test_archive_store.c, on PostgreSQL: with partitions. */
#define STORE_BENCH_POSTGRES
#include "tests/unit/test_archive_store.c"
