#include "common/buf.h"

#include "common/mem.h"

#include <nettle/base64.h>
#include <stdio.h>

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){ 0 };
}

void buf_clear(struct buf *b)
{
    mem_drop(b->p, b->n);
    b->n = 0;
}

void buf_reserve(struct buf *b, size_t extra)
{
    size_t cap = b->cap ? b->cap : 64;

    if (b->cap - b->n >= extra)
        return;
    ASSERT(extra <= SIZE_MAX / 4 && b->n <= SIZE_MAX / 4);
    while (cap - b->n < extra)
        cap *= 2;
    b->p = mem_realloc(b->p, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, struct str s)
{
    if (s.n == 0)
        return;
    buf_reserve(b, s.n);
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

void buf_add_char(struct buf *b, char c)
{
    buf_reserve(b, 1);
    b->p[b->n++] = c;
}

void buf_add_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t i = sizeof digits;

    do {
        digits[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_add(b, str_of(digits + i, sizeof digits - i));
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    ASSERT(n >= 0);
    buf_reserve(b, (size_t)n + 1);
    vsnprintf(b->p + b->n, (size_t)n + 1, format, args);
    b->n += (size_t)n;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void buf_drop(struct buf *b, size_t n)
{
    ASSERT(n <= b->n);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
    mem_drop(b->p + b->n, n);
}

void buf_add_base64(struct buf *b, struct str bytes)
{
    if (bytes.n == 0)
        return;
    buf_reserve(b, BASE64_ENCODE_RAW_LENGTH(bytes.n));
    base64_encode_raw(b->p + b->n, bytes.n, (const uint8_t *)bytes.p);
    b->n += BASE64_ENCODE_RAW_LENGTH(bytes.n);
}

/* nettle skips white space and takes unused bits that are not zero; a canonical text encodes back
 * to itself. */
enum err buf_add_base64_decoded(struct buf *b, struct str text)
{
    struct base64_decode_ctx ctx;
    struct buf check = { 0 };
    size_t n = 0;
    bool canonical;

    if (text.n == 0)
        return ERR_OK;
    buf_reserve(b, BASE64_DECODE_LENGTH(text.n));
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &n, (uint8_t *)b->p + b->n, text.n, text.p) ||
        !base64_decode_final(&ctx))
        return ERR_MALFORMED;
    buf_add_base64(&check, str_of(b->p + b->n, n));
    canonical = str_eq(buf_str(&check), text);
    mem_wipe(check.p, check.n);
    buf_fini(&check);
    if (!canonical)
        return ERR_MALFORMED;
    b->n += n;
    return ERR_OK;
}

void buf_add_hex(struct buf *b, struct str bytes)
{
    static const char digits[] = "0123456789abcdef";

    buf_reserve(b, bytes.n * 2);
    for (size_t i = 0; i < bytes.n; i++) {
        b->p[b->n++] = digits[(unsigned char)bytes.p[i] >> 4];
        b->p[b->n++] = digits[(unsigned char)bytes.p[i] & 15];
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err buf_add_hex_decoded(struct buf *b, struct str text)
{
    size_t start = b->n;

    if (text.n % 2 != 0)
        return ERR_MALFORMED;
    buf_reserve(b, text.n / 2);
    for (size_t i = 0; i < text.n; i += 2) {
        int high = hex_value(text.p[i]), low = hex_value(text.p[i + 1]);

        if (high < 0 || low < 0) {
            b->n = start;
            return ERR_MALFORMED;
        }
        b->p[b->n++] = (char)(high << 4 | low);
    }
    return ERR_OK;
}
