/* What comes from a directory, or on its behalf: names of entries, ranges of attributes, messages
 * of RFC 4533, answers of DNS; and DIGEST-MD5's response. The first byte chooses the reader. */
#include "sm/auth/digest_md5.h"
#include "sm/directory/entry.h"
#include "sm/directory/srv.h"
#include "sm/directory/sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct str name, bool may_be_absent)
{
    if (may_be_absent && !str_is_set(name))
        return;
    ASSERT(name.n > 0 && str_is_utf8(name) && str_find(name, '\0') == name.n);
}

static void read_digest(struct str message)
{
    struct arena arena = { 0 };
    struct digest_md5 d;

    if (digest_md5_read(message, &arena, &d) == ERR_OK) {
        check_name(d.username, false);
        check_name(d.authzid, true);
        ASSERT(d.nonce.n > 0 && str_is_set(d.digest_uri) && message.n <= DIGEST_MD5_MAX_BYTES);
        ASSERT(!str_is_set(d.realm) || str_is_utf8(d.realm));
        ASSERT(!digest_md5_is_for(&d, STR("h")) || d.digest_uri.n == sizeof "xmpp/h" - 1);
    }
    ASSERT(arena.total <= 2 * (DIGEST_MD5_MAX_BYTES + 64));
    arena_fini(&arena);
}

static void read_sync(struct str value, bool is_state)
{
    uint8_t uuid[SYNC_UUID_BYTES];
    struct sync_info info;
    enum sync_state state;
    struct buf cookie = { 0 };
    enum err e = is_state ? sync_state_read(value, &state, uuid, &cookie)
                          : sync_info_read(value, &info, &cookie);

    if (e == ERR_OK && is_state)
        ASSERT(state <= SYNC_DELETE);
    ASSERT(cookie.n <= SYNC_MAX_COOKIE_BYTES);
    buf_fini(&cookie);
}

static void read_srv(struct str message)
{
    struct dir_srv_answer answer;

    if (dir_srv_read(message, &answer) != ERR_OK)
        return;
    ASSERT(answer.count <= DIR_SRV_MAX);
    for (size_t i = 0; i < answer.count; i++) {
        size_t n = strnlen(answer.records[i].target, sizeof answer.records[i].target);

        ASSERT(n > 0 && n < sizeof answer.records[i].target);
    }
}

/* A name that is one folds into something. */
static void fold(struct str dn)
{
    struct buf once = { 0 };

    if (directory_dn_fold(dn, &once) == ERR_OK)
        ASSERT(once.n > 0 || dn.n == 0 || str_trim(dn).n == 0);
    buf_fini(&once);
}

static void read_range(struct str name)
{
    struct str base;
    uint32_t first, last;

    if (directory_range_read(name, &base, &first, &last))
        ASSERT(base.n < name.n && base.p == name.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text;

    if (size == 0)
        return 0;
    text = str_of(data + 1, size - 1);
    switch (data[0]) {
    case 'd':
        read_digest(text);
        break;
    case 's':
    case 'i':
        read_sync(text, data[0] == 's');
        break;
    case 'v':
        read_srv(text);
        break;
    case 'n':
        fold(text);
        break;
    case 'r':
        read_range(text);
        break;
    }
    return 0;
}
