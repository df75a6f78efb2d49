/* Namespaces, each once. The document that defines it stands behind it. */
#ifndef PROTO_NS_H
#define PROTO_NS_H

#define NS_STREAM "http://etherx.jabber.org/streams"         /* RFC 6120 §4.8.1 */
#define NS_CLIENT "jabber:client"                            /* RFC 6120 §4.8.2 */
#define NS_SERVER "jabber:server"                            /* RFC 6120 §4.8.2 */
#define NS_DIALBACK "jabber:server:dialback"                  /* XEP-0220 */
#define NS_COMPONENT_ACCEPT "jabber:component:accept"        /* XEP-0114 */
#define NS_COMPONENT_CONNECT "jabber:component:connect"      /* XEP-0114 */
#define NS_STREAM_ERRORS "urn:ietf:params:xml:ns:xmpp-streams" /* RFC 6120 §4.9 */
#define NS_STANZA_ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas" /* RFC 6120 §8.3 */
#define NS_TLS "urn:ietf:params:xml:ns:xmpp-tls"             /* RFC 6120 §5 */
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"           /* RFC 6120 §6 */
#define NS_SASL_CB "urn:xmpp:sasl-cb:0"                      /* XEP-0440 */
#define NS_DOMAIN_BASED_NAME "urn:xmpp:domain-based-name:1"  /* XEP-0233 */
#define NS_BIND "urn:ietf:params:xml:ns:xmpp-bind"           /* RFC 6120 §7 */
#define NS_SESSION "urn:ietf:params:xml:ns:xmpp-session" /* RFC 3921 §3, optional for old clients \
                                                          */
#define NS_ROSTER "jabber:iq:roster"                         /* RFC 6121 §2 */
#define NS_ROSTER_VER "urn:xmpp:features:rosterver"          /* RFC 6121 §2.6 */
#define NS_PRE_APPROVAL "urn:xmpp:features:pre-approval"     /* RFC 6121 §3.4 */
#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info" /* XEP-0030 */
#define NS_DISCO_ITEMS "http://jabber.org/protocol/disco#items" /* XEP-0030 */
#define NS_PING "urn:xmpp:ping"                              /* XEP-0199 */
#define NS_VERSION "jabber:iq:version"                       /* XEP-0092 */
#define NS_TIME "urn:xmpp:time"                              /* XEP-0202 */
#define NS_LAST "jabber:iq:last"                             /* XEP-0012 */
#define NS_PRIVATE "jabber:iq:private"                       /* XEP-0049 */
#define NS_VCARD "vcard-temp"                                /* XEP-0054 */
#define NS_REGISTER "jabber:iq:register"                     /* XEP-0077 */
#define NS_REGISTER_FEATURE "http://jabber.org/features/iq-register" /* XEP-0077 */
#define NS_DELAY "urn:xmpp:delay"                            /* XEP-0203 */
#define NS_OFFLINE_FEATURE "msgoffline"                      /* XEP-0160 §4 */
#define NS_BLOCKING "urn:xmpp:blocking"                      /* XEP-0191 */
#define NS_BLOCKING_ERRORS "urn:xmpp:blocking:errors"        /* XEP-0191 §3.3 */
#define NS_CARBONS "urn:xmpp:carbons:2"                      /* XEP-0280 */
#define NS_CSI "urn:xmpp:csi:0"                              /* XEP-0352 */
#define NS_FORWARD "urn:xmpp:forward:0"                      /* XEP-0297 */
#define NS_HINTS "urn:xmpp:hints"                            /* XEP-0334 */
#define NS_CHAT_STATES "http://jabber.org/protocol/chatstates" /* XEP-0085 */
#define NS_RECEIPTS "urn:xmpp:receipts"                      /* XEP-0184 */
#define NS_MARKERS "urn:xmpp:chat-markers:0"                 /* XEP-0333 */
#define NS_MUC_USER "http://jabber.org/protocol/muc#user"    /* XEP-0045 */
#define NS_CONFERENCE "jabber:x:conference"                  /* XEP-0249 */
#define NS_SEARCH "jabber:iq:search"                          /* XEP-0055 */
#define NS_DATA_FORMS "jabber:x:data"                        /* XEP-0004 */
#define NS_VALIDATE "http://jabber.org/protocol/xdata-validate" /* XEP-0122 */
#define NS_RSM "http://jabber.org/protocol/rsm"              /* XEP-0059 */
#define NS_MAM "urn:xmpp:mam:2"                              /* XEP-0313 */
#define NS_MAM_EXTENDED "urn:xmpp:mam:2#extended"            /* XEP-0313 §7 */
#define NS_MAM_GROUPCHAT_FIELD "urn:xmpp:mam:2#groupchat-field" /* XEP-0313 §7 */
#define NS_SID "urn:xmpp:sid:0"                              /* XEP-0359 */
#define NS_XML "http://www.w3.org/XML/1998/namespace"
#define NS_LINK "urn:sallyport:link:1"                       /* LINK.md */

#endif
