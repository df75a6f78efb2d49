/* See sync.h. The bytes are BER; liblber reads them. */
#include "sm/directory/sync.h"

#include <lber.h>
#include <ldap.h>
#include <string.h>

static void keep_cookie(struct buf *cookie, const struct berval *value)
{
    if (value->bv_len > SYNC_MAX_COOKIE_BYTES)
        return;
    buf_clear(cookie);
    buf_add(cookie, str_of(value->bv_val, value->bv_len));
}

/* One that may be there. false: it is there, and broken. */
static bool read_cookie(BerElement *ber, struct buf *cookie)
{
    struct berval value = { 0 };
    ber_len_t n;

    if (ber_peek_tag(ber, &n) != LDAP_TAG_SYNC_COOKIE)
        return true;
    if (ber_scanf(ber, "m", &value) == LBER_ERROR)
        return false;
    keep_cookie(cookie, &value);
    return true;
}

static BerElement *open_value(struct str value)
{
    struct berval bytes = { .bv_len = value.n, .bv_val = (char *)(uintptr_t)value.p };

    return value.n > 0 ? ber_init(&bytes) : NULL; /* liblber reads what is not there */
}

enum err sync_state_read(struct str value, enum sync_state *out_state,
                         uint8_t out_uuid[SYNC_UUID_BYTES], struct buf *cookie)
{
    BerElement *ber = open_value(value);
    struct berval uuid = { 0 };
    ber_int_t state = -1;
    bool is_good = ber && ber_scanf(ber, "{em", &state, &uuid) != LBER_ERROR &&
                   state >= SYNC_PRESENT && state <= SYNC_DELETE && uuid.bv_len == SYNC_UUID_BYTES;

    if (is_good) {
        *out_state = (enum sync_state)state;
        memcpy(out_uuid, uuid.bv_val, SYNC_UUID_BYTES);
        is_good = read_cookie(ber, cookie);
    }
    if (ber)
        ber_free(ber, 1);
    return is_good ? ERR_OK : ERR_MALFORMED;
}

/* refreshDelete and refreshPresent: { cookie OPTIONAL, refreshDone DEFAULT TRUE }. */
static bool read_phase(BerElement *ber, struct sync_info *out, struct buf *cookie)
{
    ber_int_t is_done = 1;
    ber_len_t n;

    if (ber_scanf(ber, "{") == LBER_ERROR || !read_cookie(ber, cookie))
        return false;
    if (ber_peek_tag(ber, &n) == LDAP_TAG_REFRESHDONE &&
        ber_scanf(ber, "b", &is_done) == LBER_ERROR)
        return false;
    out->is_refreshed = is_done != 0;
    return true;
}

enum err sync_info_read(struct str value, struct sync_info *out, struct buf *cookie)
{
    BerElement *ber = open_value(value);
    struct berval only = { 0 };
    ber_len_t n;
    bool is_good = false;

    *out = (struct sync_info){ 0 };
    if (!ber)
        return ERR_MALFORMED;
    switch (ber_peek_tag(ber, &n)) {
    case LDAP_TAG_SYNC_NEW_COOKIE:
        is_good = ber_scanf(ber, "m", &only) != LBER_ERROR;
        if (is_good)
            keep_cookie(cookie, &only);
        break;
    case LDAP_TAG_SYNC_REFRESH_DELETE:
    case LDAP_TAG_SYNC_REFRESH_PRESENT:
        is_good = read_phase(ber, out, cookie);
        break;
    case LDAP_TAG_SYNC_ID_SET:
        is_good = out->has_ids = ber_scanf(ber, "{") != LBER_ERROR && read_cookie(ber, cookie);
        break;
    default:
        break;
    }
    ber_free(ber, 1);
    return is_good ? ERR_OK : ERR_MALFORMED;
}

void sync_request_write(struct buf *out, struct str cookie)
{
    struct berval given = { .bv_len = cookie.n, .bv_val = (char *)(uintptr_t)cookie.p };
    struct berval value = { 0 };
    BerElement *ber = ber_alloc_t(LBER_USE_DER);

    ASSERT(ber);
    if (cookie.n > 0)
        ber_printf(ber, "{eO}", LDAP_SYNC_REFRESH_AND_PERSIST, &given);
    else
        ber_printf(ber, "{e}", LDAP_SYNC_REFRESH_AND_PERSIST);
    ASSERT(ber_flatten2(ber, &value, 0) == 0);
    buf_add(out, str_of(value.bv_val, value.bv_len));
    ber_free(ber, 1);
}
