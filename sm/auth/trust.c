/* CA and revocation lists (trust.h). GnuTLS verifies; which lists count is decided here, because
 * GnuTLS takes a list that is stale, or that its issuer did not sign, as any other. */
#include "sm/auth/trust.h"

#include "common/mem.h"

#include <fcntl.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CHAIN = 8, MAX_CAS = 256, MAX_CA_BYTES = 1 << 20, MAX_CRL_BYTES = 64 << 20 };

struct stamp {
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct source {
    char *file;
    struct stamp stamp;
};

struct crl {
    gnutls_x509_crl_t crl;
    const char *file;
    time_t next_update; /* -1: it does not say */
    bool is_signed;     /* by a certificate of ca_file; else by one of the chain, or it is nobody's */
};

struct trust {
    uint32_t refs;
    bool is_stale_ok;
    struct source ca;
    struct source crls[TRUST_MAX_CRLS];
    size_t crl_count;
    gnutls_x509_crt_t *cas; /* the trust list's */
    unsigned ca_count;
    gnutls_x509_trust_list_t anchors;
    struct crl *lists;
    size_t list_count;
};

/* --- files ------------------------------------------------------------------------------------ */

static struct stamp stamp_of(const struct stat *st)
{
    return (struct stamp){ st->st_ino, st->st_size, st->st_ctim };
}

static enum err fail(struct buf *why, const char *file, const char *reason)
{
    buf_printf(why, "%s: %s", file, reason);
    return ERR_MALFORMED;
}

static enum err read_file(struct source *s, size_t max, struct buf *out, struct buf *why)
{
    int fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n = -1;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size <= max) {
        s->stamp = stamp_of(&st);
        do {
            buf_reserve(out, 65536);
            n = read(fd, out->p + out->n, out->cap - out->n);
            out->n += n > 0 ? (size_t)n : 0;
        } while (n > 0 && out->n <= max);
    }
    if (fd >= 0)
        close(fd);
    return n == 0 ? ERR_OK : fail(why, s->file, "it cannot be read, is no file, or too large");
}

static gnutls_datum_t datum_of(const struct buf *b)
{
    return (gnutls_datum_t){ (unsigned char *)b->p, (unsigned)b->n };
}

static enum err load_cas(struct trust *t, struct buf *why)
{
    struct buf text = { 0 };
    enum err e = read_file(&t->ca, MAX_CA_BYTES, &text, why);
    gnutls_datum_t pem = datum_of(&text);

    if (e == ERR_OK && (gnutls_x509_crt_list_import2(&t->cas, &t->ca_count, &pem,
                                                     GNUTLS_X509_FMT_PEM, 0) < 0 ||
                        t->ca_count == 0 || t->ca_count > MAX_CAS))
        e = fail(why, t->ca.file, "certificates of authorities (PEM) are expected");
    if (e == ERR_OK) {
        ASSERT(gnutls_x509_trust_list_init(&t->anchors, 0) == 0);
        gnutls_x509_trust_list_add_cas(t->anchors, t->cas, t->ca_count, 0);
    }
    buf_fini(&text);
    return e;
}

/* GnuTLS calls a list invalid that is stale or of the future, whatever it was told of time checks;
 * is_stale is for that. */
static bool is_good_but_for_time(unsigned status)
{
    unsigned rest = status & ~(unsigned)(GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED |
                                         GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE);

    return rest == 0 || (rest == GNUTLS_CERT_INVALID && rest != status);
}

static bool is_signed_by(gnutls_x509_crl_t crl, const gnutls_x509_crt_t *cas, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned status = 0;

        if (gnutls_x509_crl_check_issuer(crl, cas[i]) &&
            gnutls_x509_crl_verify(crl, &cas[i], 1, 0, &status) >= 0 &&
            is_good_but_for_time(status))
            return true;
    }
    return false;
}

static void add_lists(struct trust *t, const char *file, const gnutls_x509_crl_t *crls,
                      unsigned count)
{
    t->lists = mem_realloc(t->lists, (t->list_count + count) * sizeof *t->lists);
    for (unsigned i = 0; i < count; i++)
        t->lists[t->list_count++] =
            (struct crl){ .crl = crls[i],
                           .file = file,
                           .next_update = gnutls_x509_crl_get_next_update(crls[i]),
                           .is_signed = is_signed_by(crls[i], t->cas, t->ca_count) };
}

static enum err load_lists(struct trust *t, struct source *s, struct buf *why)
{
    struct buf text = { 0 };
    enum err e = read_file(s, MAX_CRL_BYTES, &text, why);
    gnutls_datum_t pem = datum_of(&text);
    gnutls_x509_crl_t *crls = NULL;
    unsigned count = 0;

    if (e == ERR_OK &&
        (gnutls_x509_crl_list_import2(&crls, &count, &pem, GNUTLS_X509_FMT_PEM, 0) < 0 ||
         count == 0))
        e = fail(why, s->file, "revocation lists (PEM) are expected");
    if (e == ERR_OK)
        add_lists(t, s->file, crls, count);
    gnutls_free(crls);
    buf_fini(&text);
    return e;
}

/* --- making ----------------------------------------------------------------------------------- */

static void trust_free(struct trust *t)
{
    if (t->anchors)
        gnutls_x509_trust_list_deinit(t->anchors, 1);
    else
        for (unsigned i = 0; i < t->ca_count; i++)
            gnutls_x509_crt_deinit(t->cas[i]);
    gnutls_free(t->cas);
    for (size_t i = 0; i < t->list_count; i++)
        gnutls_x509_crl_deinit(t->lists[i].crl);
    mem_free(t->lists);
    mem_free(t->ca.file);
    for (size_t i = 0; i < t->crl_count; i++)
        mem_free(t->crls[i].file);
    mem_free(t);
}

enum err trust_new(const struct trust_options *options, struct trust **out_trust, struct buf *why)
{
    struct trust *t = mem_new(struct trust);
    enum err e;

    ASSERT(options->crl_count <= TRUST_MAX_CRLS);
    t->refs = 1;
    t->is_stale_ok = options->is_stale_ok;
    t->ca.file = mem_strdup(options->ca_file);
    for (; t->crl_count < options->crl_count; t->crl_count++)
        t->crls[t->crl_count].file = mem_strdup(options->crl_files[t->crl_count]);
    e = load_cas(t, why);
    for (size_t i = 0; i < t->crl_count && e == ERR_OK; i++)
        e = load_lists(t, &t->crls[i], why);
    if (e == ERR_OK)
        *out_trust = t;
    else
        trust_free(t);
    return e;
}

enum err trust_again(const struct trust *old, struct trust **out_trust, struct buf *why)
{
    const char *files[TRUST_MAX_CRLS];
    struct trust_options options = { .ca_file = old->ca.file,
                                     .crl_files = files,
                                     .crl_count = old->crl_count,
                                     .is_stale_ok = old->is_stale_ok };

    for (size_t i = 0; i < old->crl_count; i++)
        files[i] = old->crls[i].file;
    return trust_new(&options, out_trust, why);
}

struct trust *trust_ref(struct trust *t)
{
    t->refs++;
    return t;
}

void trust_unref(struct trust *t)
{
    if (t && --t->refs == 0)
        trust_free(t);
}

static bool is_other(const struct source *s)
{
    struct stamp now;
    struct stat st;

    if (stat(s->file, &st) != 0)
        return true;
    now = stamp_of(&st);
    return now.inode != s->stamp.inode || now.size != s->stamp.size ||
           now.changed.tv_sec != s->stamp.changed.tv_sec ||
           now.changed.tv_nsec != s->stamp.changed.tv_nsec;
}

bool trust_is_changed(const struct trust *t)
{
    bool is_changed = is_other(&t->ca);

    for (size_t i = 0; i < t->crl_count; i++)
        is_changed |= is_other(&t->crls[i]);
    return is_changed;
}

static bool is_stale(const struct crl *l, time_t now)
{
    return l->next_update != (time_t)-1 && l->next_update < now;
}

const char *trust_stale_file(const struct trust *t, time_t now)
{
    for (size_t i = 0; i < t->list_count; i++)
        if (is_stale(&t->lists[i], now))
            return t->lists[i].file;
    return NULL;
}

/* --- checking --------------------------------------------------------------------------------- */

static bool is_of_issuer(const struct crl *l, gnutls_x509_crt_t crt)
{
    gnutls_datum_t issuer = { 0 }, own = { 0 };
    bool is_it = gnutls_x509_crt_get_raw_issuer_dn(crt, &issuer) == 0 &&
                 gnutls_x509_crl_get_raw_issuer_dn(l->crl, &own) == 0 &&
                 str_eq(str_of(issuer.data, issuer.size), str_of(own.data, own.size));

    gnutls_free(issuer.data);
    gnutls_free(own.data);
    return is_it;
}

/* Of one certificate of a chain that verifies. A list that nobody signed is none. */
static const char *check_revoked(const struct trust *t, gnutls_x509_crt_t crt,
                                 const gnutls_x509_crt_t *chain, unsigned count, bool is_leaf,
                                 time_t now)
{
    bool has_list = false;

    for (size_t i = 0; i < t->list_count; i++) {
        const struct crl *l = &t->lists[i];

        if (!is_of_issuer(l, crt) || !(l->is_signed || is_signed_by(l->crl, chain, count)))
            continue;
        if (gnutls_x509_crt_check_revocation(crt, &l->crl, 1) != 0)
            return "the certificate is revoked";
        if (is_stale(l, now) && !t->is_stale_ok)
            return TRUST_STALE;
        has_list = true;
    }
    return has_list || !is_leaf || t->crl_count == 0
               ? NULL
               : "there is no revocation list of the certificate's issuer";
}

/* RFC 6120 §13.7.1.1, as far as the chain's verification does not say it. */
static const char *check_leaf(gnutls_x509_crt_t leaf)
{
    unsigned is_ca = 0, usage = 0;
    gnutls_datum_t subject = { 0 };
    bool has_subject = gnutls_x509_crt_get_dn2(leaf, &subject) == 0 && subject.size > 0;

    gnutls_free(subject.data);
    if (!has_subject)
        return "the certificate has no subject";
    if (gnutls_x509_crt_get_basic_constraints(leaf, NULL, &is_ca, NULL) >= 0 && is_ca)
        return "the certificate is an authority's";
    if (gnutls_x509_crt_get_key_usage(leaf, &usage, NULL) >= 0 &&
        !(usage & GNUTLS_KEY_DIGITAL_SIGNATURE))
        return "the certificate is not for signatures";
    return NULL;
}

static const char *refusal_of(unsigned status)
{
    static const struct {
        unsigned flag;
        const char *text;
    } rows[] = {
        { GNUTLS_CERT_REVOKED, "the certificate is revoked" },
        { GNUTLS_CERT_SIGNER_NOT_FOUND, "the certificate's issuer is not known" },
        { GNUTLS_CERT_EXPIRED, "the certificate has expired" },
        { GNUTLS_CERT_NOT_ACTIVATED, "the certificate is not valid yet" },
        { GNUTLS_CERT_PURPOSE_MISMATCH, "the certificate is for another purpose" },
        { GNUTLS_CERT_INSECURE_ALGORITHM, "the certificate's algorithm is too weak" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (status & rows[i].flag)
            return rows[i].text;
    return "the certificate does not verify";
}

/* Keys of 112 bits' strength (RSA of 2048) and better (RFC 9325 §4.5). */
static const char *verify(const struct trust *t, gnutls_x509_crt_t *chain, unsigned count)
{
    gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
                                      .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
    unsigned status = 0;

    if (gnutls_x509_trust_list_verify_crt2(t->anchors, chain, count, &purpose, 1,
                                           GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM),
                                           &status, NULL) < 0)
        return refusal_of(0);
    return status == 0 ? NULL : refusal_of(status);
}

const char *trust_check(const struct trust *t, struct str chain, time_t now, struct arena *arena,
                        struct certificate_names *out_names)
{
    gnutls_x509_crt_t crts[MAX_CHAIN];
    gnutls_datum_t pem = { (unsigned char *)chain.p, (unsigned)chain.n };
    unsigned count = MAX_CHAIN;
    const char *refusal;

    if (gnutls_x509_crt_list_import(crts, &count, &pem, GNUTLS_X509_FMT_PEM,
                                    GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED) < 0 ||
        count == 0)
        return "the chain cannot be read";
    refusal = verify(t, crts, count);
    if (!refusal)
        refusal = check_leaf(crts[0]);
    for (unsigned i = 0; i < count && !refusal; i++)
        refusal = check_revoked(t, crts[i], crts, count, i == 0, now);
    if (!refusal)
        certificate_read(crts[0], arena, out_names);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(crts[i]);
    return refusal;
}
