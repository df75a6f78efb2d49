/* The codec of frames and of collected acknowledgements. LINK.md §4. Strict: one form of each thing
 * is accepted, the one that is written here, so that two readers cannot understand two things. */
#include "proto/frame.h"

#include "proto/ns.h"

static const struct str head = { "<route xmlns='" NS_LINK "' to='",
                                 sizeof "<route xmlns='" NS_LINK "' to='" - 1 };
static const struct str tail = { "</route>", sizeof "</route>" - 1 };
static const struct str acks_head = { "<acks xmlns='" NS_LINK "'>",
                                      sizeof "<acks xmlns='" NS_LINK "'>" - 1 };
static const struct str acks_tail = { "</acks>", sizeof "</acks>" - 1 };

/* What may stand in an attribute without being escaped. */
static bool is_clean(struct str s)
{
    static const uint8_t is_forbidden[256] = { [0 ... 0x1f] = 1, ['"'] = 1, ['&'] = 1,  ['\''] = 1,
                                               ['<'] = 1,        ['>'] = 1, [0x7f] = 1 };
    uint8_t found = s.n == 0;

    for (size_t i = 0; i < s.n; i++)
        found |= is_forbidden[(unsigned char)s.p[i]];
    return !found;
}

static bool is_hex(struct str s, size_t n)
{
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

/* Decimal without leading zeros. */
static bool read_number(struct str s, uint64_t *out_n)
{
    if (s.n == 0 || (s.p[0] == '0' && s.n > 1))
        return false;
    return str_to_u64(s, out_n) == ERR_OK;
}

static struct str skip(struct str s, size_t n)
{
    return str_of(s.p + n, s.n - n);
}

/* --- identifiers and addresses ---------------------------------------------------------------- */

bool frame_id_eq(const struct frame_id *a, const struct frame_id *b)
{
    return a->count == b->count && a->part == b->part &&
           memcmp(a->session, b->session, sizeof a->session) == 0;
}

void frame_id_write(struct buf *out, const struct frame_id *id)
{
    buf_add_hex(out, str_of(id->session, sizeof id->session));
    buf_add_char(out, '.');
    buf_add_u64(out, id->count);
    buf_add_char(out, '.');
    buf_add_u64(out, id->part);
}

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

enum err frame_id_read(struct str text, struct frame_id *out_id)
{
    struct frame_id id = { 0 };
    struct str session = str_cut(&text, '.'), count = str_cut(&text, '.');
    uint64_t part;

    if (!is_hex(session, FRAME_SESSION_TEXT) || !read_number(count, &id.count))
        return ERR_MALFORMED;
    if (!read_number(text, &part) || part > UINT32_MAX)
        return ERR_MALFORMED;
    for (size_t i = 0; i < FRAME_SESSION_BYTES; i++)
        id.session[i] =
            (uint8_t)(hex_digit(session.p[2 * i]) << 4 | hex_digit(session.p[2 * i + 1]));
    id.part = (uint32_t)part;
    *out_id = id;
    return ERR_OK;
}

struct str frame_address_name(struct str address)
{
    return str_of(address.p, str_find(address, '/'));
}

struct str frame_address_rest(struct str address)
{
    str_cut(&address, '/');
    return address;
}

struct str frame_address_of(struct str address)
{
    return is_clean(address) ? address : frame_address_name(address);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_number(struct buf *out, struct str name, uint64_t n)
{
    if (n == 0)
        return;
    buf_add(out, name);
    buf_add_u64(out, n);
    buf_add_char(out, '\'');
}

void frame_write(struct buf *out, const struct frame *f)
{
    struct str to = frame_address_of(f->to), from = frame_address_of(f->from);

    ASSERT(is_clean(to) && is_clean(from));
    ASSERT(!str_is_set(f->s) || is_hex(f->s, FRAME_SESSION_TEXT));
    buf_reserve(out, head.n + to.n + from.n + f->payload.n + 256);
    buf_add(out, head);
    buf_add(out, to);
    buf_add(out, STR("' from='"));
    buf_add(out, from);
    buf_add_char(out, '\'');
    if (str_is_set(f->s)) {
        buf_add(out, STR(" s='"));
        buf_add(out, f->s);
        buf_add_char(out, '\'');
    }
    write_number(out, STR(" e='"), f->e);
    write_number(out, STR(" n='"), f->n);
    write_number(out, STR(" h='"), f->h);
    write_number(out, STR(" f='"), f->f);
    if (f->has_id) {
        buf_add(out, STR(" id='"));
        frame_id_write(out, &f->id);
        buf_add_char(out, '\'');
    }
    buf_add(out, STR(" len='"));
    buf_add_u64(out, f->payload.n);
    buf_add(out, STR("'>"));
    buf_add(out, f->payload);
    buf_add(out, tail);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The value of the attribute if it is the next one; *rest then begins behind it. */
static bool take_attr(struct str *rest, struct str name, struct str *out_value)
{
    struct str value;
    size_t end;

    if (!str_starts_with(*rest, name))
        return false;
    value = skip(*rest, name.n);
    end = str_find(value, '\'');
    if (end == value.n)
        return false;
    *rest = skip(value, end + 1);
    *out_value = str_of(value.p, end);
    return true;
}

/* An attribute that may be left out; one that is there must be a number above 0. */
static bool take_number(struct str *rest, struct str name, uint64_t *out_n)
{
    struct str value;

    *out_n = 0;
    if (!take_attr(rest, name, &value))
        return true;
    return read_number(value, out_n) && *out_n > 0;
}

/* rest begins at the value of to and ends in front of '>'. */
static bool read_header(struct str rest, struct frame *f, uint64_t *out_len)
{
    struct str value;

    if (!take_attr(&rest, STR(""), &f->to) || !take_attr(&rest, STR(" from='"), &f->from))
        return false;
    if (!is_clean(f->to) || !is_clean(f->from))
        return false;
    if (take_attr(&rest, STR(" s='"), &f->s) && !is_hex(f->s, FRAME_SESSION_TEXT))
        return false;
    if (!take_number(&rest, STR(" e='"), &f->e) || !take_number(&rest, STR(" n='"), &f->n) ||
        !take_number(&rest, STR(" h='"), &f->h) || !take_number(&rest, STR(" f='"), &f->f))
        return false;
    f->has_id = take_attr(&rest, STR(" id='"), &value);
    if (f->has_id && frame_id_read(value, &f->id) != ERR_OK)
        return false;
    return take_attr(&rest, STR(" len='"), &value) && read_number(value, out_len) && rest.n == 0;
}

static size_t count_space(struct str s)
{
    size_t n = 0;

    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\n' || s.p[n] == '\r' || s.p[n] == '\t'))
        n++;
    return n;
}

/* Whether s is the beginning of what begins with start. */
static bool may_start_with(struct str s, struct str start)
{
    return memcmp(s.p, start.p, s.n < start.n ? s.n : start.n) == 0;
}

enum err frame_read(struct str bytes, size_t max_payload, struct frame *out_frame, size_t *out_used)
{
    size_t space = count_space(bytes), header, total;
    struct str rest = skip(bytes, space);
    struct frame f = { 0 };
    uint64_t len;

    *out_used = 0;
    if (rest.n == 0)
        return ERR_AGAIN;
    if (!may_start_with(rest, head))
        return ERR_MALFORMED;
    header = str_find(str_of(rest.p, rest.n < FRAME_MAX_HEADER ? rest.n : FRAME_MAX_HEADER), '>');
    if (header >= rest.n || header >= FRAME_MAX_HEADER)
        return header >= FRAME_MAX_HEADER ? ERR_MALFORMED : ERR_AGAIN;
    if (header < head.n || !read_header(str_of(rest.p + head.n, header - head.n), &f, &len))
        return ERR_MALFORMED;
    if (len > max_payload)
        return ERR_LIMIT;
    total = header + 1 + (size_t)len + tail.n;
    *out_used = space + total;
    if (rest.n < total)
        return ERR_AGAIN;
    f.payload = str_of(rest.p + header + 1, (size_t)len);
    if (memcmp(f.payload.p + len, tail.p, tail.n) != 0)
        return ERR_MALFORMED;
    *out_frame = f;
    return ERR_OK;
}

/* --- acknowledgements ------------------------------------------------------------------------- */

void frame_acks_begin(struct buf *out)
{
    buf_add(out, acks_head);
}

void frame_acks_add(struct buf *out, const struct frame_ack *ack)
{
    const uint64_t numbers[] = { ack->e, ack->h, ack->f };

    ASSERT(is_hex(ack->s, FRAME_SESSION_TEXT));
    buf_add(out, ack->s);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        buf_add_char(out, ':');
        buf_add_u64(out, numbers[i]);
    }
    buf_add_char(out, ' ');
}

void frame_acks_end(struct buf *out)
{
    buf_add(out, acks_tail);
}

bool frame_is_acks(struct str payload)
{
    return str_starts_with(payload, acks_head);
}

enum err frame_acks_next(struct str *rest, struct frame_ack *out_ack)
{
    struct frame_ack ack;
    struct str one;

    if (frame_is_acks(*rest))
        *rest = skip(*rest, acks_head.n);
    if (str_eq(*rest, acks_tail))
        return ERR_CLOSED;
    one = str_cut(rest, ' ');
    if (!str_is_set(*rest))
        return ERR_MALFORMED;
    ack.s = str_cut(&one, ':');
    if (!is_hex(ack.s, FRAME_SESSION_TEXT) || !read_number(str_cut(&one, ':'), &ack.e) ||
        !read_number(str_cut(&one, ':'), &ack.h) || !read_number(one, &ack.f))
        return ERR_MALFORMED;
    *out_ack = ack;
    return ERR_OK;
}
