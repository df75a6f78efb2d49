/* The keys of cluster.conf: one row each (common/conf.h). */
#include "deploy/ctl/plan_conf.h"

#define AT(field) offsetof(struct plan_conf, field)
#define ZONE(field) offsetof(struct plan_zone_conf, field)
#define HOST(field) offsetof(struct plan_host_conf, field)
#define PROCESS(field) offsetof(struct plan_process_conf, field)
#define DOMAIN(field) offsetof(struct plan_domain_conf, field)
#define COMPONENT(field) offsetof(struct plan_component_conf, field)
#define SERVICE(field) offsetof(struct plan_service_conf, field)
#define NOW CONF_AT_RELOAD

enum { MAX_PORT = 65535, MAX_ADDRESSES = 16 };
#define DAY (24LL * 60 * 60 * 1000)

static const char *const zone_kinds[] = { "dmz", "private", NULL };
const char *const plan_service_kinds[] = { "dns", "ntp",      "syslog",     "ldap",
                                           "kdc", "database", "monitoring", NULL };

static const struct conf_key keys[] = {
    { "name", CONF_TEXT, AT(name), "cluster", 0, 0, NULL, NOW,
      "What the cluster is called; the link CA has this name." },
    { "internal_domain", CONF_TEXT, AT(internal_domain), NULL, 0, 0, NULL, NOW,
      "Put behind the names of processes: c2s-1 becomes c2s-1.INTERNAL_DOMAIN, the name in its "
      "link certificate. It need not be in the DNS." },
    { "config_dir", CONF_TEXT, AT(config_dir), "/etc/sallyport", 0, 0, NULL, NOW,
      "Where configuration is on the hosts." },
    { "state_dir", CONF_TEXT, AT(state_dir), "/var/lib/sallyport", 0, 0, NULL, NOW,
      "Where session managers keep their store; a folder NAME for each is in it." },
    { "run_dir", CONF_TEXT, AT(run_dir), "/run/sallyport", 0, 0, NULL, NOW,
      "Where sockets are; a folder NAME for each process is in it." },
    { "log_dir", CONF_TEXT, AT(log_dir), "/var/log/sallyport", 0, 0, NULL, NOW,
      "Where audit logs are; a folder NAME for each process is in it." },
    { "programs", CONF_TEXT, AT(programs), "/usr/sbin", 0, 0, NULL, NOW,
      "Where the executables are on the hosts." },
    { "read_group", CONF_TEXT, AT(read_group), "sallyport-read", 0, 0, NULL, NOW,
      "Group that may ask processes through sallyportctl." },
    { "admin_group", CONF_TEXT, AT(admin_group), "sallyport-admin", 0, 0, NULL, NOW,
      "Group that may administer them." },
    { "link_cert_lifetime", CONF_DURATION, AT(cert_ms), "90d", DAY, 398 * DAY, NULL, NOW,
      "How long link certificates are valid." },
    { "company_ca", CONF_PATH, AT(company_ca), "", 0, 0, NULL, NOW,
      "Certificate of the company's own CA (PEM). With it the plan has no CA: it writes a request "
      "for each process." },
    { "company_crl", CONF_PATH, AT(company_crl), "", 0, 0, NULL, NOW,
      "Revocation list of company_ca, PEM." },
    { "company_certs", CONF_PATH, AT(company_certs), "", 0, 0, NULL, NOW,
      "Folder where the company's CA puts NAME.pem for each request." },
    { 0 },
};

static const struct conf_key zone_keys[] = {
    { "kind", CONF_CHOICE, ZONE(kind), NULL, 0, 0, zone_kinds, NOW,
      "dmz: the world can reach it. private: nothing in a dmz may open a connection to it." },
    { 0 },
};

static const struct conf_key host_keys[] = {
    { "zone", CONF_TEXT, HOST(zone), NULL, 0, 0, NULL, NOW, "The zone it stands in." },
    { "address", CONF_LIST, HOST(addresses), NULL, 1, MAX_ADDRESSES, NULL, NOW,
      "Its IP addresses, where clients come in." },
    { "link_address", CONF_TEXT, HOST(link_address), "", 0, 0, NULL, NOW,
      "Its IP address for links; the first of address when absent." },
    { 0 },
};

#define PROCESS_KEYS                                                                               \
    { "host", CONF_TEXT, PROCESS(host), NULL, 0, 0, NULL, NOW, "The host it runs on." },           \
        { "user",                                                                                  \
          CONF_TEXT,                                                                               \
          PROCESS(user),                                                                           \
          "",                                                                                      \
          0,                                                                                       \
          0,                                                                                       \
          NULL,                                                                                    \
          NOW,                                                                                     \
          "The user it runs as; sallyport-ROLE (sallyport-c2s) when absent." },                    \
        { "log_level", CONF_TEXT, PROCESS(log_level),           "info", 0, 0,                      \
          NULL,        NOW,       "error, warn, info or debug." },                                 \
    {                                                                                              \
        "settings", CONF_LIST, PROCESS(settings), "", 0, 0, NULL, NOW,                             \
            "Further lines of its configuration file."                                             \
    }
#define LINK_PORT(fallback)                                                                        \
    {                                                                                              \
        "link_port", CONF_INT, PROCESS(link_port), fallback, 1, MAX_PORT, NULL, NOW,               \
            "Where its peers dial it, where any does."                                             \
    }

static const struct conf_key c2s_keys[] = {
    PROCESS_KEYS,
    LINK_PORT("5275"),
    { "starttls_port", CONF_INT, PROCESS(starttls_port), "5222", 0, MAX_PORT, NULL, NOW,
      "For clients with STARTTLS; 0: none." },
    { "tls_port", CONF_INT, PROCESS(tls_port), "5223", 0, MAX_PORT, NULL, NOW,
      "For clients with TLS from the first byte; 0: none." },
    { "clients", CONF_LIST, PROCESS(clients), "", 0, 0, NULL, NOW,
      "Networks that clients come from, as 10.0.0.0/8; anywhere when absent." },
    { "proxies", CONF_LIST, PROCESS(proxies), "", 0, 0, NULL, NOW,
      "Addresses of load balancers that speak PROXY protocol v2; with them nobody else may "
      "connect." },
    { 0 },
};

static const struct conf_key router_keys[] = {
    PROCESS_KEYS,
    LINK_PORT("5276"),
    { "component_port", CONF_INT, PROCESS(component_port), "5347", 1, MAX_PORT, NULL, NOW,
      "For third-party components, where there are any." },
    { 0 },
};

static const struct conf_key s2s_keys[] = {
    PROCESS_KEYS,
    LINK_PORT("5277"),
    { "starttls_port", CONF_INT, PROCESS(starttls_port), "5269", 0, MAX_PORT, NULL, NOW,
      "For other servers with STARTTLS; 0: none." },
    { "tls_port", CONF_INT, PROCESS(tls_port), "5270", 0, MAX_PORT, NULL, NOW,
      "For other servers with TLS from the first byte; 0: none." },
    { 0 },
};

static const struct conf_key sm_keys[] = { PROCESS_KEYS, { 0 } };

static const struct conf_key domain_keys[] = {
    { "cert", CONF_TEXT, DOMAIN(cert_file), "", 0, 0, NULL, NOW,
      "Its certificate on the hosts of c2s; CONFIG_DIR/tls/DOMAIN.pem when absent." },
    { "key", CONF_TEXT, DOMAIN(key_file), "", 0, 0, NULL, NOW,
      "The key; CONFIG_DIR/tls/DOMAIN.key when absent." },
    { "admins", CONF_LIST, DOMAIN(admins), "", 0, 0, NULL, NOW,
      "Bare JIDs of those who can be asked about it." },
    { "mechanisms", CONF_LIST, DOMAIN(mechanisms), "{SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1}", 1,
      16, NULL, NOW,
      "SASL mechanisms, without -PLUS, for clients that come in through a c2s which stands inside: "
      "in a private zone, and all routers too." },
    { "mechanisms_dmz", CONF_LIST, DOMAIN(mechanisms_dmz), "", 0, 16, NULL, NOW,
      "Those for clients that come in through any other c2s; when absent mechanisms without PLAIN, "
      "EXTERNAL and DIGEST-MD5: a c2s that is taken over reads what PLAIN sends, is believed in "
      "what EXTERNAL shows, and can try passwords at home against what DIGEST-MD5 sends." },
    { "register", CONF_BOOL, DOMAIN(may_register), "no", 0, 0, NULL, NOW,
      "Strangers may make accounts." },
    { "change_password", CONF_BOOL, DOMAIN(may_change_password), "yes", 0, 0, NULL, NOW,
      "Users may change their password." },
    { "settings", CONF_LIST, DOMAIN(settings), "", 0, 0, NULL, NOW,
      "Further lines of its section in the session managers' files, as auth and directory; not of "
      "mechanisms, which plan must know." },
    { 0 },
};

static const struct conf_key component_keys[] = {
    { "zone", CONF_TEXT, COMPONENT(zone), "", 0, 0, NULL, NOW,
      "The zone it stands in; not needed without address." },
    { "address", CONF_LIST, COMPONENT(addresses), "", 0, MAX_ADDRESSES, NULL, NOW,
      "Where it dials the routers from; on a router's own host when absent." },
    { 0 },
};

static const struct conf_key service_keys[] = {
    { "kind", CONF_CHOICE, SERVICE(kind), NULL, 0, 0, plan_service_kinds, NOW,
      "What it serves; monitoring is the one that dials the hosts." },
    { "zone", CONF_TEXT, SERVICE(zone), NULL, 0, 0, NULL, NOW, "The zone it stands in." },
    { "address", CONF_LIST, SERVICE(addresses), NULL, 1, MAX_ADDRESSES, NULL, NOW,
      "Its IP addresses." },
    { "port", CONF_INT, SERVICE(port), "0", 0, MAX_PORT, NULL, NOW,
      "Its port; 0: 53, 123, 6514, 636, 88, 5432; for monitoring that of the hosts, 9100." },
    { "hosts", CONF_LIST, SERVICE(hosts), "", 0, 0, NULL, NOW,
      "The hosts that use it; when absent those with a session manager (ldap, kdc, database) or "
      "those of its zone." },
    { 0 },
};

#define TITLED(section_name, table, field, type, text)                                             \
    {                                                                                              \
        .name = section_name, .keys = table, .is_titled = true, .offset = AT(field),               \
        .item_bytes = sizeof(struct type), .doc = text                                             \
    }

static const struct conf_section sections[] = {
    { .keys = keys, .doc = "Top level." },
    TITLED("zone", zone_keys, zones, plan_zone_conf, "A network."),
    TITLED("host", host_keys, hosts, plan_host_conf, "A machine."),
    TITLED("c2s", c2s_keys, c2s, plan_process_conf, "A connection manager."),
    TITLED("router", router_keys, routers, plan_process_conf,
           "A router. In a private zone it dials the c2s of a dmz; in a dmz everybody dials it."),
    TITLED("sm", sm_keys, sms, plan_process_conf, "A session manager."),
    TITLED("s2s", s2s_keys, s2s, plan_process_conf,
           "A server connection manager, in a dmz. Its program is not part of this version: it is "
           "explained, and no bundle is written."),
    TITLED("domain", domain_keys, domains, plan_domain_conf, "A domain that is served."),
    TITLED("component", component_keys, components, plan_component_conf,
           "A third-party component (XEP-0114), by its domain."),
    TITLED("service", service_keys, services, plan_service_conf,
           "What the hosts or processes need from others."),
    { .is_end = true },
};

const struct conf_spec plan_conf_spec = { .bytes = sizeof(struct plan_conf), .sections = sections };
