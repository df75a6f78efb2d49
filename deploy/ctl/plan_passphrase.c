/* The passphrase of the link CA's key. See plan_passphrase.h. */
#include "deploy/ctl/plan_passphrase.h"

#include "common/conf.h"
#include "common/mem.h"
#include "deploy/ctl/password.h"

enum { MIN_BYTES = 12 };

void plan_passphrase_fini(struct plan_passphrase *p)
{
    if (p->text.p)
        mem_wipe(p->text.p, p->text.cap);
    buf_fini(&p->text);
}

enum err plan_passphrase_get(struct plan_passphrase *p, bool is_new, struct buf *why)
{
    enum err e;

    if (p->text.n > 0)
        return ERR_OK;
    e = p->file ? conf_read_secret(p->file, &p->text, why)
                : password_read_passphrase(is_new ? "New passphrase for the key of the link CA"
                                                  : "Passphrase of the key of the link CA",
                                           is_new, &p->text, why);
    if (e == ERR_OK && is_new && p->text.n < MIN_BYTES) {
        buf_printf(why, "expected a passphrase of at least %d bytes", MIN_BYTES);
        e = ERR_MALFORMED;
    }
    if (e == ERR_OK)
        buf_add_char(&p->text, '\0');
    return e;
}
