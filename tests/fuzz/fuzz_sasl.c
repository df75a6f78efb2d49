/* SASL first messages, SCRAM's last, and Kerberos tokens and names, as strangers send them. The first byte chooses the
 * decoder. What was accepted must keep the decoders' promises: names that are UTF-8, not empty,
 * without NUL. */
#include "sm/auth/first_message.h"
#include "sm/auth/kerberos.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct str name, bool may_be_absent)
{
    if (may_be_absent && !str_is_set(name))
        return;
    ASSERT(name.n > 0 && str_is_utf8(name) && str_find(name, '\0') == name.n);
}

static void check_person(struct str text)
{
    static const char *const realms[] = { "R", NULL };
    struct str name;

    if (kerberos_read_person(text, "R", realms, &name) == NULL)
        ASSERT(name.n > 0 && name.p == text.p && name.n <= text.n && str_is_utf8(name) &&
               str_find(name, '/') == name.n && str_find(name, '@') == name.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct first_message m;
    struct str binding;
    struct str message;

    if (size == 0)
        return 0;
    message = str_of(data + 1, size - 1);
    switch (data[0]) {
    case 's':
        if (first_message_read_scram(message, &arena, &m) != ERR_OK)
            break;
        check_name(m.user, false);
        check_name(m.authzid, true);
        check_name(m.binding_name, m.binding_flag != 'p');
        break;
    case 'p':
        if (first_message_read_plain(message, &arena, &m) != ERR_OK)
            break;
        check_name(m.user, false);
        check_name(m.authzid, true);
        check_name(m.password, false);
        break;
    case 'f':
        if (first_message_is_scram_final(message, &binding))
            ASSERT(binding.n > 0 && binding.p == message.p + 2);
        break;
    case 'k':
        ASSERT(!kerberos_is_request(message) || !kerberos_is_answer(message));
        break;
    case 'n':
        check_person(message);
        break;
    }
    ASSERT(arena.total <= 3 * (FIRST_MESSAGE_MAX_BYTES + 64));
    arena_fini(&arena);
    return 0;
}
