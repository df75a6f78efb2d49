/* What the answers of a directory mean for a login: the codes of RFC 4511, the password policy's
 * control (draft-behera-ldap-password-policy-10 §6.2) and the sub-codes in Active Directory's
 * diagnostics. Pure. */
#ifndef SM_DIRECTORY_VERDICT_H
#define SM_DIRECTORY_VERDICT_H

#include "common/str.h"

enum directory_verdict {
    DIRECTORY_OK,
    DIRECTORY_WRONG,       /* password */
    DIRECTORY_UNKNOWN,     /* no entry */
    DIRECTORY_EMPTY,       /* password: not even asked (RFC 4513 §5.1.2) */
    DIRECTORY_AMBIGUOUS,   /* more than one entry */
    DIRECTORY_EXPIRED,     /* the password */
    DIRECTORY_MUST_CHANGE, /* the password, before anything else */
    DIRECTORY_LOCKED,      /* after too many guesses */
    DIRECTORY_DISABLED,    /* the account, or it has expired */
    DIRECTORY_NOT_NOW,     /* not at this time, or not from here */
    DIRECTORY_HELD,        /* not bound: who asked does not want it now */
    DIRECTORY_NO_KEY,      /* the entry does not show its key: rights, or the wrong attribute */
    DIRECTORY_BUSY,        /* too many wait, here or there */
    DIRECTORY_UNAVAILABLE, /* no server answers (in time) */
    DIRECTORY_FAILED,      /* it answered what it should not: base, filter or rights are wrong */
    DIRECTORY_VERDICT_COUNT
};
const char *directory_verdict_name(enum directory_verdict v); /* "wrong password" */
/* Nothing about the person: it may be tried again. */
bool directory_is_temporary(enum directory_verdict v);

struct directory_entry;

struct directory_found {
    enum directory_verdict verdict;
    const char *uri;     /* of the server that said so; NULL: none */
    const char *filter;  /* as sent; NULL: not sent */
    const char *dn;      /* of DIRECTORY_OK, and of refusals by the bind */
    struct str key;      /* of DIRECTORY_OK: text as it is, anything else in hexadecimal */
    const char *answer;  /* the server's own words, when it had any; NULL */
    uint32_t entries;
    /* of DIRECTORY_OK, and of refusals by the bind (state.h): */
    enum directory_verdict state; /* what the entry itself says of the account */
    struct str mark;              /* changes when the password does; absent: the entry shows none */
    const struct directory_entry *entry;
};

/* What a bind's control said. */
struct directory_policy {
    bool is_there;
    int error; /* LDAPPasswordPolicyError; 65535: none */
};
/* code: of the bind's answer; diagnostic: its text, may be NULL. */
enum directory_verdict directory_bind_verdict(int code, const char *diagnostic,
                                              const struct directory_policy *policy);
/* Of a search of any number of entries, which need not be there. */
enum directory_verdict directory_query_verdict(int code);
/* Of a search of one entry that is over. */
enum directory_verdict directory_search_verdict(int code, uint32_t entries);

#endif
