/* The link CA's folder. See plan_ca.h. Files: ca-N.pem, ca-N.key (encrypted), signer (a number),
 * issued, revoked, crl.pem. */
#include "deploy/ctl/plan_ca.h"

#include "common/mem.h"
#include "deploy/ctl/plan_file.h"
#include "deploy/ctl/plan_x509.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { MAX_NUMBER = 99 };

/* --- files ------------------------------------------------------------------------------------ */

static void path_of(const struct plan_ca *ca, const char *file, int number, struct buf *out)
{
    buf_clear(out);
    if (number)
        buf_printf(out, "%s/ca-%d.%s", ca->folder, number, file);
    else
        buf_printf(out, "%s/%s", ca->folder, file);
    buf_add_char(out, '\0');
}

static enum err put(const struct plan_ca *ca, const char *file, int number, struct str bytes,
                    struct buf *why)
{
    struct buf path = { 0 };
    enum err e;

    path_of(ca, file, number, &path);
    e = plan_file_write(path.p, 0600, bytes, why);
    buf_fini(&path);
    return e;
}

/* What is not there is empty. */
static enum err get(const struct plan_ca *ca, const char *file, int number, struct buf *out,
                    struct buf *why)
{
    struct buf path = { 0 };
    enum err e;

    path_of(ca, file, number, &path);
    e = plan_file_read(path.p, out, why);
    buf_fini(&path);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static struct plan_ca_one *find(struct plan_ca *ca, int number)
{
    for (size_t i = 0; i < ca->count; i++)
        if (ca->all[i].number == number)
            return &ca->all[i];
    return NULL;
}

static enum err set_signer(struct plan_ca *ca, int number, struct buf *why)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%d\n", number);

    ca->signer = number;
    return put(ca, "signer", 0, str_of(text, (size_t)n), why);
}

/* --- open ------------------------------------------------------------------------------------- */

static enum err load(struct plan_ca *ca, struct buf *why)
{
    struct buf signer = { 0 };
    uint64_t number = 0;
    enum err e = ERR_OK;

    for (int i = 1; i <= MAX_NUMBER && e == ERR_OK; i++) {
        struct buf cert = { 0 };

        e = get(ca, "pem", i, &cert, why);
        if (e == ERR_OK && cert.n > 0 && ca->count < PLAN_CA_MAX)
            ca->all[ca->count++] = (struct plan_ca_one){ .number = i, .cert = cert };
        else
            buf_fini(&cert);
    }
    if (e == ERR_OK)
        e = get(ca, "signer", 0, &signer, why);
    if (e == ERR_OK)
        e = get(ca, "issued", 0, &ca->issued, why);
    if (e == ERR_OK)
        e = get(ca, "revoked", 0, &ca->revoked, why);
    if (e == ERR_OK && str_to_u64(str_trim(buf_str(&signer)), &number) == ERR_OK)
        ca->signer = (int)number;
    buf_fini(&signer);
    if (e == ERR_OK && ca->count > 0 && !find(ca, ca->signer)) {
        buf_printf(why, "%s/signer: expected the number of a CA", ca->folder);
        e = ERR_MALFORMED;
    }
    return e;
}

static enum err make_one(struct plan_ca *ca, int number, struct buf *why)
{
    struct plan_ca_one one = { .number = number };
    struct buf title = { 0 }, sealed = { 0 };
    enum err e = plan_passphrase_get(ca->passphrase, ca->count == 0, why);

    buf_printf(&title, "%s link CA %d%c", ca->name, number, '\0');
    if (e == ERR_OK)
        e = plan_x509_new_key(&one.key, why);
    if (e == ERR_OK)
        e = plan_x509_make_ca(buf_str(&one.key), title.p, time(NULL), &one.cert, why);
    if (e == ERR_OK)
        e = plan_x509_encrypt_key(buf_str(&one.key), ca->passphrase->text.p, &sealed, why);
    if (e == ERR_OK)
        e = put(ca, "key", number, buf_str(&sealed), why);
    if (e == ERR_OK)
        e = put(ca, "pem", number, buf_str(&one.cert), why);
    ca->all[ca->count++] = one;
    buf_fini(&title);
    buf_fini(&sealed);
    return e;
}

enum err plan_ca_open(struct plan_ca *ca, struct buf *why)
{
    enum err e = load(ca, why);

    if (e != ERR_OK || ca->count > 0)
        return e;
    if ((e = make_one(ca, 1, why)) == ERR_OK && (e = set_signer(ca, 1, why)) == ERR_OK)
        buf_printf(ca->report,
                   "new      %s/ca-1.pem, the link CA; its key beside it is encrypted\n",
                   ca->folder);
    return e;
}

void plan_ca_fini(struct plan_ca *ca)
{
    for (size_t i = 0; i < ca->count; i++) {
        if (ca->all[i].key.p)
            mem_wipe(ca->all[i].key.p, ca->all[i].key.cap);
        buf_fini(&ca->all[i].key);
        buf_fini(&ca->all[i].cert);
    }
    buf_fini(&ca->issued);
    buf_fini(&ca->revoked);
    *ca = (struct plan_ca){ 0 };
}

struct str plan_ca_signer(const struct plan_ca *ca)
{
    for (size_t i = 0; i < ca->count; i++)
        if (ca->all[i].number == ca->signer)
            return buf_str(&ca->all[i].cert);
    return STR_NONE;
}

void plan_ca_trusted(const struct plan_ca *ca, struct buf *out)
{
    for (size_t i = 0; i < ca->count; i++)
        buf_add(out, buf_str(&ca->all[i].cert));
}

/* --- issuing ---------------------------------------------------------------------------------- */

static enum err unlock(struct plan_ca *ca, struct plan_ca_one *one, struct buf *why)
{
    struct buf sealed = { 0 };
    enum err e = ERR_OK;

    if (one->key.n > 0)
        return ERR_OK;
    if ((e = plan_passphrase_get(ca->passphrase, false, why)) == ERR_OK &&
        (e = get(ca, "key", one->number, &sealed, why)) == ERR_OK)
        e = plan_x509_decrypt_key(buf_str(&sealed), ca->passphrase->text.p, &one->key, why);
    buf_fini(&sealed);
    return e;
}

enum err plan_ca_unlock(struct plan_ca *ca, struct buf *why)
{
    return unlock(ca, find(ca, ca->signer), why);
}

static void add_line(struct buf *out, int number, const struct plan_x509_facts *facts,
                     const char *name)
{
    buf_printf(out, "%d %s %s %lld\n", number, facts->serial, name, (long long)facts->not_after);
}

enum err plan_ca_issue(struct plan_ca *ca, const struct plan_x509_wish *wish, struct buf *out,
                       struct buf *why)
{
    struct plan_ca_one *one = find(ca, ca->signer);
    struct plan_x509_issuer issuer;
    struct plan_x509_facts facts;
    enum err e = unlock(ca, one, why);

    issuer = (struct plan_x509_issuer){ buf_str(&one->cert), buf_str(&one->key) };
    if (e == ERR_OK)
        e = plan_x509_issue(&issuer, wish, out, why);
    if (e == ERR_OK)
        e = plan_x509_read(buf_str(out), &facts, why);
    if (e != ERR_OK)
        return e;
    /* Written down before anybody has it: what is not in this list cannot be revoked. */
    add_line(&ca->issued, one->number, &facts, wish->dns_name);
    return put(ca, "issued", 0, buf_str(&ca->issued), why);
}

/* --- revoking --------------------------------------------------------------------------------- */

struct line {
    struct str whole, number, serial, name;
};

static bool next_line(struct str *rest, struct line *out)
{
    struct str fields;

    if (rest->n == 0)
        return false;
    fields = out->whole = str_cut(rest, '\n');
    out->number = str_cut(&fields, ' ');
    out->serial = str_cut(&fields, ' ');
    out->name = str_cut(&fields, ' ');
    return true;
}

bool plan_ca_is_revoked(const struct plan_ca *ca, const char *serial)
{
    struct str rest = buf_str(&ca->revoked);
    struct line l;

    while (next_line(&rest, &l))
        if (str_is(l.serial, serial))
            return true;
    return false;
}

static enum err make_crl(struct plan_ca *ca, struct plan_ca_one *one, struct buf *out,
                         struct buf *why)
{
    struct str rest = buf_str(&ca->revoked);
    struct buf serials = { 0 };
    struct plan_x509_issuer issuer;
    struct line l;
    uint64_t number;
    enum err e = unlock(ca, one, why);

    while (next_line(&rest, &l))
        if (str_to_u64(l.number, &number) == ERR_OK && (int)number == one->number)
            buf_printf(&serials, "%.*s\n", STR_ARG(l.serial));
    issuer = (struct plan_x509_issuer){ buf_str(&one->cert), buf_str(&one->key) };
    if (e == ERR_OK)
        e = plan_x509_crl(&issuer, buf_str(&serials), time(NULL), out, why);
    buf_fini(&serials);
    return e;
}

static enum err write_crl(struct plan_ca *ca, struct buf *why)
{
    struct buf crl = { 0 };
    enum err e = ERR_OK;

    for (size_t i = 0; i < ca->count && e == ERR_OK; i++)
        e = make_crl(ca, &ca->all[i], &crl, why);
    if (e == ERR_OK)
        e = put(ca, "crl.pem", 0, buf_str(&crl), why);
    buf_fini(&crl);
    return e;
}

enum err plan_ca_crl(struct plan_ca *ca, struct buf *out, struct buf *why)
{
    enum err e = get(ca, "crl.pem", 0, out, why);

    if (e == ERR_OK && out->n == 0 && (e = write_crl(ca, why)) == ERR_OK)
        e = get(ca, "crl.pem", 0, out, why);
    return e;
}

enum err plan_ca_revoke(struct plan_ca *ca, const char *dns_name, struct buf *why)
{
    struct str rest = buf_str(&ca->issued);
    struct line l;
    size_t before = ca->revoked.n;
    char serial[65];
    enum err e = ERR_OK;

    while (next_line(&rest, &l)) {
        if (!str_is(l.name, dns_name) || l.serial.n >= sizeof serial)
            continue;
        memcpy(serial, l.serial.p, l.serial.n);
        serial[l.serial.n] = '\0';
        if (!plan_ca_is_revoked(ca, serial))
            buf_printf(&ca->revoked, "%.*s\n", STR_ARG(l.whole));
    }
    if (ca->revoked.n == before) {
        buf_printf(why, "%s has no certificate that is not revoked", dns_name);
        return ERR_NOT_FOUND;
    }
    /* First the list, since the file of what is revoked is what the next one is made from. */
    if ((e = write_crl(ca, why)) == ERR_OK)
        e = put(ca, "revoked", 0, buf_str(&ca->revoked), why);
    return e;
}

/* --- replacing -------------------------------------------------------------------------------- */

static enum err out_of_turn(struct buf *why, const char *sentence)
{
    buf_add(why, str_from(sentence));
    return ERR_DENIED;
}

enum err plan_ca_add(struct plan_ca *ca, struct buf *why)
{
    enum err e;

    if (ca->count == PLAN_CA_MAX)
        return out_of_turn(
            why, "two CAs are trusted already; finish with: plan ca switch, plan ca drop");
    if ((e = plan_ca_unlock(ca, why)) != ERR_OK ||
        (e = make_one(ca, ca->all[0].number + 1, why)) != ERR_OK)
        return e;
    return write_crl(ca, why);
}

enum err plan_ca_switch(struct plan_ca *ca, struct buf *why)
{
    if (ca->count != PLAN_CA_MAX || ca->signer != ca->all[0].number)
        return out_of_turn(why, "there is no new CA that could sign; make one with: plan ca new");
    return set_signer(ca, ca->all[1].number, why);
}

enum err plan_ca_drop(struct plan_ca *ca, struct buf *why)
{
    struct buf path = { 0 };

    if (ca->count != PLAN_CA_MAX || ca->signer != ca->all[1].number)
        return out_of_turn(why,
                           "the old CA signs still; let the new one sign with: plan ca switch");
    path_of(ca, "pem", ca->all[0].number, &path);
    unlink(path.p);
    path_of(ca, "key", ca->all[0].number, &path);
    unlink(path.p);
    buf_fini(&path);
    buf_fini(&ca->all[0].cert);
    if (ca->all[0].key.p)
        mem_wipe(ca->all[0].key.p, ca->all[0].key.cap);
    buf_fini(&ca->all[0].key);
    ca->all[0] = ca->all[1];
    ca->all[1] = (struct plan_ca_one){ 0 };
    ca->count = 1;
    return write_crl(ca, why);
}
