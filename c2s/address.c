/* Connections counted by client address (address.h). */
#include "c2s/address.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <stdio.h>

static struct str key_of(const void *item)
{
    const struct address *a = item;

    return str_of(a->key, a->key_bytes);
}

void addresses_init(struct addresses *as)
{
    table_init(&as->table, key_of);
}

void addresses_fini(struct addresses *as)
{
    table_fini(&as->table);
}

struct address *address_enter(struct addresses *as, const uint8_t *ip, size_t ip_bytes,
                              uint32_t max)
{
    size_t key_bytes = ip_bytes == 16 ? 8 : 4;
    struct address *a = table_get(&as->table, str_of(ip, key_bytes));

    if (a && a->count >= max)
        return NULL;
    if (!a) {
        a = mem_new(struct address);
        memcpy(a->key, ip, key_bytes);
        a->key_bytes = (uint8_t)key_bytes;
        table_put(&as->table, a);
    }
    a->count++;
    return a;
}

void address_leave(struct addresses *as, struct address *a)
{
    if (!a || --a->count > 0)
        return;
    table_remove(&as->table, key_of(a));
    mem_free(a);
}

void address_text(const uint8_t *ip, size_t ip_bytes, uint16_t port, char out_text[64])
{
    char host[INET6_ADDRSTRLEN] = "";

    inet_ntop(ip_bytes == 16 ? AF_INET6 : AF_INET, ip, host, sizeof(host));
    snprintf(out_text, 64, ip_bytes == 16 ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
}
