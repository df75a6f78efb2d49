/* cluster.conf: the one description from which every host's configuration is made. Values as they
 * are written; what they mean together is plan_check.c's and plan.c's. */
#ifndef DEPLOY_CTL_PLAN_CONF_H
#define DEPLOY_CTL_PLAN_CONF_H

#include "common/conf.h"

enum plan_zone_kind { PLAN_ZONE_DMZ, PLAN_ZONE_PRIVATE };

struct plan_zone_conf {
    char *name;
    int kind; /* enum plan_zone_kind */
};

struct plan_host_conf {
    char *name;
    char *zone;
    struct conf_list
        addresses; /* numeric; the first is also that of links, unless link_address is given */
    char *link_address;
};

/* A process of any role; keys that its role does not have are zero. */
struct plan_process_conf {
    char *name; /* "c2s-1": of units, files and, with internal_domain behind it, of its component */
    char *host;
    char *user; /* NULL: sallyport-ROLE */
    char *log_level;
    int64_t link_port;               /* where peers dial it, if any does */
    int64_t starttls_port, tls_port; /* c2s, s2s: where strangers come in; 0: none */
    struct conf_list clients;        /* c2s: networks that clients come from; empty: any */
    struct conf_list proxies;        /* c2s: only these may connect, and speak PROXY v2 */
    int64_t component_port;          /* router */
    struct conf_list settings;       /* further lines of its file */
};

struct plan_domain_conf {
    char *name;
    char *cert_file, *key_file; /* on the hosts of c2s; NULL: in config_dir/tls */
    struct conf_list admins, mechanisms;
    struct conf_list mechanisms_dmz; /* empty: without PLAIN, EXTERNAL and DIGEST-MD5 */
    bool may_register, may_change_password;
    struct conf_list settings; /* further lines of its section for session managers */
};

struct plan_component_conf {
    char *domain;
    char *zone;
    struct conf_list addresses;
};

enum plan_service_kind {
    PLAN_DNS,
    PLAN_NTP,
    PLAN_SYSLOG,
    PLAN_LDAP,
    PLAN_KDC,
    PLAN_DATABASE,
    PLAN_MONITORING
};

struct plan_service_conf {
    char *name;
    int kind; /* enum plan_service_kind */
    char *zone;
    struct conf_list addresses;
    int64_t port;           /* 0: that of its kind */
    struct conf_list hosts; /* empty: by its kind, those that need it */
};

struct plan_conf {
    char *name;
    char *internal_domain;
    char *config_dir, *state_dir, *run_dir, *log_dir, *programs; /* on the hosts */
    char *read_group, *admin_group;
    char *company_ca, *company_crl,
        *company_certs; /* the company's own PKI; NULL: a CA of this plan */
    int64_t cert_ms;
    struct conf_items zones, hosts, c2s, routers, sms, s2s, domains, components, services;
};

extern const struct conf_spec plan_conf_spec;
extern const char *const plan_service_kinds[];

#endif
