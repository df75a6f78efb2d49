/* What ext.h lets extensions ask of the people of directories. */
#include "common/mem.h"
#include "sm/iq.h"
#include "sm/people.h"
#include "sm/vcard.h"

enum { AROUND = 2048 }; /* bytes of a stanza around its vCard */

struct wait {
    struct iq *iq;
    void (*found)(struct iq *iq, enum err e, struct xml *vcard);
};

/* The answer comes when a directory gives it: what the client sends next must not wait for that. */
static void let_go(struct iq *iq)
{
    if (iq->stanza->type == TYPE_GET)
        iq_let_go(iq);
    iq->session = NULL; /* may be gone when the answer comes */
}

static void on_vcard(void *owner, enum err e, struct str vcard)
{
    struct wait *w = owner;

    w->found(w->iq, e, e == ERR_OK && str_is_set(vcard) ? ext_parse(w->iq, vcard) : NULL);
    mem_free(w);
}

void ext_directory_vcard(struct iq *iq, void (*found)(struct iq *iq, enum err e, struct xml *vcard))
{
    const struct sm_directory_conf *d = people_directory(iq->sm, sm_host(iq->sm, iq->host));
    bool is_outside = !sm_is_hosted(iq->sm, iq->stanza->from.domain);
    struct wait *w;

    if (!d || d->vcard.count == 0 || (is_outside && !d->is_vcard_outside)) {
        found(iq, ERR_OK, NULL);
        return;
    }
    w = mem_new(struct wait);
    w->iq = iq;
    w->found = found;
    let_go(iq);
    people_vcard(iq->sm, iq_account(iq).bare, on_vcard, w);
}

struct xml *ext_vcard_merge(struct iq *iq, const struct xml *first, const struct xml *second)
{
    const struct sm_host_conf *host = sm_host(iq->sm, iq->host);

    return vcard_merge(first, second, host ? (size_t)host->max_stanza - AROUND : 0, iq_arena(iq));
}

bool ext_vcard_strip(struct iq *iq, struct xml *own, const struct xml *directory)
{
    return vcard_strip(own, directory, iq_arena(iq));
}
