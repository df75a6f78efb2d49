/* Where clients are, and who is known there (guesses_known.h). A place is kept as a hash under a
 * key of the process. */
#include "sm/auth/guesses_known.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/table.h"

#include <arpa/inet.h>
#include <sys/random.h>

/* --- addresses -------------------------------------------------------------------------------- */

static bool write_v6(const char *text, char out[GUESSES_ADDRESS_BYTES])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    uint8_t ip[16];

    if (inet_pton(AF_INET6, text, ip) != 1)
        return false;
    if (memcmp(ip, mapped, sizeof mapped) == 0)
        return inet_ntop(AF_INET, ip + 12, out, GUESSES_ADDRESS_BYTES) != NULL;
    memset(ip + 8, 0, 8);
    if (!inet_ntop(AF_INET6, ip, out, GUESSES_ADDRESS_BYTES))
        return false;
    memcpy(out + strlen(out), "/64", sizeof "/64"); /* 46 + 4 at most */
    return true;
}

void guesses_address(struct str text, char out_address[GUESSES_ADDRESS_BYTES])
{
    char copy[GUESSES_ADDRESS_BYTES];
    uint8_t ip[4];
    char *end;

    if (text.n > 0 && text.n < sizeof copy && !memchr(text.p, '\0', text.n)) {
        memcpy(copy, text.p, text.n);
        copy[text.n] = '\0';
        if (str_ends_with(text, STR("/64")))
            copy[text.n - 3] = '\0';
        if (copy[0] == '[' && (end = strchr(copy, ']')) != NULL) {
            *end = '\0';
            if (write_v6(copy + 1, out_address))
                return;
        } else if (write_v6(copy, out_address)) {
            return;
        }
        if ((end = strchr(copy, ':')) != NULL)
            *end = '\0';
        if (inet_pton(AF_INET, copy, ip) == 1 &&
            inet_ntop(AF_INET, ip, out_address, GUESSES_ADDRESS_BYTES))
            return;
    }
    memcpy(out_address, GUESSES_UNKNOWN_ADDRESS, sizeof GUESSES_UNKNOWN_ADDRESS);
}

/* --- places ---------------------------------------------------------------------------------- */

struct place {
    uint64_t hash, c2s, at_ms; /* hash: of c2s and address; c2s: of it alone */
    bool is_used;
};

struct person {
    struct list at; /* of by_age */
    struct place places[GUESSES_PLACES];
    size_t n;
    char account[];
};

struct guesses_known {
    uint8_t key[16];
    struct table people;
    struct list by_age; /* the longest ago first */
};

static struct str key_of(const void *item)
{
    const struct person *p = item;

    return str_of(p->account, p->n);
}

struct guesses_known *guesses_known_new(void)
{
    struct guesses_known *k = mem_new(struct guesses_known);

    ASSERT(getrandom(k->key, sizeof k->key, 0) == (ssize_t)sizeof k->key);
    table_init(&k->people, key_of);
    list_init(&k->by_age);
    return k;
}

static void forget(struct guesses_known *k, struct person *p)
{
    list_remove(&p->at);
    table_remove(&k->people, key_of(p));
    mem_free(p);
}

void guesses_known_free(struct guesses_known *k)
{
    if (!k)
        return;
    while (!list_is_empty(&k->by_age))
        forget(k, CONTAINER_OF(list_first(&k->by_age), struct person, at));
    table_fini(&k->people);
    mem_free(k);
}

static uint64_t hash_of(const struct guesses_known *k, struct str address, struct str c2s)
{
    struct buf b = { 0 };
    uint64_t hash;

    buf_add(&b, c2s);
    buf_add_char(&b, '\0');
    buf_add(&b, address);
    hash = table_siphash(k->key, buf_str(&b));
    buf_fini(&b);
    return hash;
}

static struct person *make(struct guesses_known *k, struct str account)
{
    struct person *p;

    if (k->people.count >= GUESSES_MAX_KNOWN)
        forget(k, CONTAINER_OF(list_first(&k->by_age), struct person, at));
    p = mem_alloc(sizeof *p + account.n);
    p->n = account.n;
    memcpy(p->account, account.p, account.n);
    list_init(&p->at);
    table_put(&k->people, p);
    return p;
}

/* The same place, else one that is free, else the oldest. */
static struct place *choose(struct person *p, uint64_t hash)
{
    struct place *best = &p->places[0];

    for (size_t i = 0; i < GUESSES_PLACES; i++) {
        struct place *at = &p->places[i];

        if (at->is_used && at->hash == hash)
            return at;
        if (best->is_used && (!at->is_used || at->at_ms < best->at_ms))
            best = at;
    }
    return best;
}

void guesses_known_add(struct guesses_known *k, struct str account, struct str address,
                       struct str c2s, uint64_t now_ms)
{
    uint64_t hash = hash_of(k, address, c2s);
    struct person *p = table_get(&k->people, account);

    if (!p)
        p = make(k, account);
    *choose(p, hash) = (struct place){
        .hash = hash, .c2s = table_siphash(k->key, c2s), .at_ms = now_ms, .is_used = true
    };
    list_remove(&p->at);
    list_push_back(&k->by_age, &p->at);
}

bool guesses_known_has(const struct guesses_known *k, struct str account, struct str address,
                       struct str c2s, uint64_t now_ms, uint64_t within_ms)
{
    const struct person *p = table_get(&k->people, account);
    uint64_t hash;

    if (!p)
        return false;
    hash = hash_of(k, address, c2s);
    for (size_t i = 0; i < GUESSES_PLACES; i++) {
        const struct place *at = &p->places[i];

        if (at->is_used && at->hash == hash)
            return now_ms - at->at_ms <= within_ms;
    }
    return false;
}

size_t guesses_known_forget_c2s(struct guesses_known *k, struct str c2s)
{
    uint64_t hash = table_siphash(k->key, c2s);
    size_t count = 0;
    struct person *p;

    for (size_t at = 0; (p = table_next(&k->people, &at));) {
        for (size_t i = 0; i < GUESSES_PLACES; i++) {
            if (p->places[i].is_used && p->places[i].c2s == hash) {
                p->places[i] = (struct place){ 0 };
                count++;
            }
        }
    }
    return count;
}
