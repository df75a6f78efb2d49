/* The store through its interface, as in test_store.c, on PostgreSQL. */
#define STORE_BENCH_POSTGRES
#include "tests/unit/test_store.c"
