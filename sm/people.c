/* See people.h. vCards of the directory: asked for a few at a time, so that logins do not wait
 * behind them, and kept by bytes and age. */
#include "sm/people.h"

#include "common/mem.h"
#include "proto/xml.h"
#include "sm/directory/directory.h"
#include "sm/vcard.h"

#include <string.h>

enum {
    MAX_ASKED = 4,     /* questions under way */
    MAX_QUEUED = 256,  /* that wait to be asked */
    MAX_WAITING = 2048, /* of those who wait for answers */
    AROUND = 2048,     /* bytes of a stanza around its vCard */
};

enum card_state { CARD_KEPT, CARD_QUEUED, CARD_ASKED };

struct card {
    struct people *people;
    struct list at; /* in people.kept, or people.queue */
    char *account;
    enum card_state state;
    bool is_known;     /* xml is an answer of the directory, at known_ms */
    bool is_forgotten; /* the configuration changed while it was asked for */
    bool is_telling;
    uint64_t known_ms;
    struct buf xml;
    struct list waiters;
};

struct waiter {
    struct list at;
    people_vcard_fn *done;
    void *owner;
};

struct people {
    struct sm *sm;
    struct table cards;
    struct list kept; /* the one that was wanted last at the end */
    struct list queue;
    size_t bytes;     /* of those kept */
    uint32_t asked, queued, waiting;
    bool is_going;
    struct timer timer; /* to ask on when this is not the moment */
};

const struct sm_directory_conf *people_directory(const struct sm *sm,
                                                 const struct sm_host_conf *host)
{
    return host && sm_conf_is_directory(host) ? sm_conf_directory(sm->conf, host->directory) : NULL;
}

/* --- what is kept ------------------------------------------------------------------------------ */

static struct str key_of(const void *item)
{
    return str_from(((const struct card *)item)->account);
}

static size_t bytes_of(const struct card *c)
{
    return sizeof *c + strlen(c->account) + c->xml.n;
}

static void free_card(struct people *p, struct card *c)
{
    if (c->state == CARD_KEPT)
        p->bytes -= bytes_of(c);
    list_remove(&c->at);
    table_remove(&p->cards, str_from(c->account));
    buf_fini(&c->xml);
    mem_free(c->account);
    mem_free(c);
}

static void trim(struct people *p, size_t most)
{
    LIST_FOR_EACH_SAFE (at, following, &p->kept) {
        struct card *c = CONTAINER_OF(at, struct card, at);

        if (p->bytes <= most)
            break;
        if (!c->is_telling)
            free_card(p, c);
    }
}

static void keep(struct people *p, struct card *c)
{
    c->state = CARD_KEPT;
    list_push_back(&p->kept, &c->at);
    p->bytes += bytes_of(c);
}

static void take_out(struct people *p, struct card *c)
{
    p->bytes -= bytes_of(c);
    list_remove(&c->at);
}

static struct card *card_new(struct people *p, struct str account)
{
    struct card *c = mem_new(struct card);

    c->people = p;
    c->account = str_dup(account);
    list_init(&c->waiters);
    list_init(&c->at);
    table_put(&p->cards, c);
    keep(p, c);
    return c;
}

/* --- answers ----------------------------------------------------------------------------------- */

static void tell(struct people *p, struct card *c, enum err e)
{
    c->is_telling = true;
    while (!list_is_empty(&c->waiters)) {
        struct waiter *w = CONTAINER_OF(list_first(&c->waiters), struct waiter, at);

        list_remove(&w->at);
        p->waiting--;
        w->done(w->owner, e, e == ERR_OK && c->xml.n > 0 ? buf_str(&c->xml) : STR_NONE);
        mem_free(w);
    }
    c->is_telling = false;
}

static void read_entry(struct people *p, struct card *c, const struct directory_entry *entry)
{
    struct jid jid;
    const struct sm_host_conf *host;
    const struct sm_directory_conf *d;
    struct vcard_map map = { 0 };
    struct arena arena = { 0 };
    struct buf why = { 0 };
    struct xml *card;

    buf_clear(&c->xml);
    jid_split(str_from(c->account), &jid);
    host = sm_host(p->sm, jid.domain);
    d = people_directory(p->sm, host);
    if (d && entry && vcard_map_read(&d->vcard, &map, &why) == ERR_OK &&
        (card = vcard_of_entry(&map, entry, (size_t)d->vcard_photo, &arena))) {
        card = vcard_merge(card, NULL, (size_t)host->max_stanza - AROUND, &arena);
        xml_write(&c->xml, card, STR_NONE);
    }
    buf_fini(&why);
    arena_fini(&arena);
}

/* --- questions --------------------------------------------------------------------------------- */

static void go_on(struct people *p);

static bool is_answer(enum directory_verdict v)
{
    return v == DIRECTORY_OK || v == DIRECTORY_UNKNOWN || v == DIRECTORY_AMBIGUOUS;
}

static void on_found(void *owner, const struct directory_found *found)
{
    struct card *c = owner;
    struct people *p = c->people;

    p->asked--;
    if (is_answer(found->verdict)) {
        read_entry(p, c, found->verdict == DIRECTORY_OK ? found->entry : NULL);
        c->is_known = true;
        c->known_ms = sm_now_ms(p->sm);
    }
    keep(p, c);
    tell(p, c, p->sm->is_stopping ? ERR_CLOSED : c->is_known ? ERR_OK : ERR_AGAIN);
    if (!c->is_known || c->is_forgotten)
        free_card(p, c);
    trim(p, (size_t)p->sm->conf->vcard_cache);
    if (found->verdict == DIRECTORY_UNAVAILABLE) /* the directories may be about to change */
        timer_set(p->sm->service->timers, &p->timer, 0);
    else
        go_on(p);
}

static void ask(struct people *p, struct card *c)
{
    struct arena arena = { 0 };
    struct vcard_map map = { 0 };
    struct buf why = { 0 };
    const struct sm_directory_conf *conf;
    struct directory *d = NULL;
    struct jid jid;

    c->state = CARD_ASKED;
    p->queued--;
    p->asked++;
    jid_split(str_from(c->account), &jid);
    conf = people_directory(p->sm, sm_host(p->sm, jid.domain));
    if (conf && vcard_map_read(&conf->vcard, &map, &why) == ERR_OK)
        d = directories_find(p->sm->directories, conf->name);
    if (d)
        directory_lookup(
            d, &(struct directory_name){ .user = jid.local, .host = jid.domain, .jid = jid.bare },
            vcard_map_attributes(&map, &arena), on_found, c);
    else
        on_found(c, &(struct directory_found){ .verdict = DIRECTORY_BUSY });
    buf_fini(&why);
    arena_fini(&arena);
}

static void go_on(struct people *p)
{
    if (p->is_going || p->sm->is_stopping)
        return;
    p->is_going = true;
    while (p->asked < MAX_ASKED && !list_is_empty(&p->queue)) {
        struct card *c = CONTAINER_OF(list_first(&p->queue), struct card, at);

        list_remove(&c->at);
        ask(p, c);
    }
    p->is_going = false;
}

static void on_timer(struct timer *t)
{
    go_on(CONTAINER_OF(t, struct people, timer));
}

/* --- people.h ---------------------------------------------------------------------------------- */

static bool is_fresh(const struct people *p, const struct card *c)
{
    struct jid jid;
    const struct sm_directory_conf *d;

    jid_split(str_from(c->account), &jid);
    d = people_directory(p->sm, sm_host(p->sm, jid.domain));
    return c->is_telling || !d ||
           (c->is_known && sm_now_ms(p->sm) - c->known_ms <= (uint64_t)d->vcard_age_ms);
}

/* done may ask again. */
static void tell_kept(struct people *p, struct card *c, people_vcard_fn *done, void *owner)
{
    bool was_telling = c->is_telling;

    list_remove(&c->at);
    list_push_back(&p->kept, &c->at);
    c->is_telling = true;
    if (c->is_known)
        done(owner, ERR_OK, c->xml.n > 0 ? buf_str(&c->xml) : STR_NONE);
    else
        done(owner, ERR_AGAIN, STR_NONE);
    c->is_telling = was_telling;
}

void people_vcard(struct sm *sm, struct str account, people_vcard_fn *done, void *owner)
{
    struct people *p = sm->people;
    struct card *c = table_get(&p->cards, account);
    struct waiter *w;

    if (c && c->state == CARD_KEPT && is_fresh(p, c)) {
        tell_kept(p, c, done, owner);
        return;
    }
    if (p->waiting >= MAX_WAITING || p->queued >= MAX_QUEUED || sm->is_stopping) {
        done(owner, ERR_AGAIN, STR_NONE);
        return;
    }
    w = mem_new(struct waiter);
    w->done = done;
    w->owner = owner;
    c = c ? c : card_new(p, account);
    list_push_back(&c->waiters, &w->at);
    p->waiting++;
    if (c->state != CARD_KEPT)
        return;
    take_out(p, c);
    c->state = CARD_QUEUED;
    list_push_back(&p->queue, &c->at);
    p->queued++;
    go_on(p);
}

void people_start(struct sm *sm)
{
    struct people *p = mem_new(struct people);

    p->sm = sm;
    table_init(&p->cards, key_of);
    list_init(&p->kept);
    list_init(&p->queue);
    timer_init(&p->timer, on_timer);
    sm->people = p;
}

void people_apply(struct sm *sm)
{
    struct people *p = sm->people;
    struct card *c;

    trim(p, 0);
    for (size_t at = 0; (c = table_next(&p->cards, &at));) {
        c->is_known = false;
        c->is_forgotten = c->state == CARD_ASKED;
    }
    go_on(p);
}

void people_stop(struct sm *sm)
{
    struct people *p = sm->people;

    if (!p)
        return;
    timer_stop(&p->timer);
    ASSERT(p->asked == 0); /* the directories are closed */
    while (!list_is_empty(&p->queue)) {
        struct card *c = CONTAINER_OF(list_first(&p->queue), struct card, at);

        list_remove(&c->at);
        keep(p, c);
        tell(p, c, ERR_CLOSED);
    }
    trim(p, 0);
    table_fini(&p->cards);
    mem_free(p);
    sm->people = NULL;
}
