/*
 * ns: namespaces, one table. The parser and elem_add intern them: compare with ==.
 * A module adds a line for its own.
 */
#ifndef XMPP_NS_H
#define XMPP_NS_H

#include <stddef.h>

#define NS_TABLE(X) \
	X(NS_XML, "http://www.w3.org/XML/1998/namespace") \
	X(NS_CLIENT, "jabber:client") \
	X(NS_SERVER, "jabber:server") \
	X(NS_COMPONENT, "jabber:component:accept") \
	X(NS_STREAMS, "http://etherx.jabber.org/streams") \
	X(NS_STREAM_ERRORS, "urn:ietf:params:xml:ns:xmpp-streams") \
	X(NS_STANZA_ERRORS, "urn:ietf:params:xml:ns:xmpp-stanzas") \
	X(NS_TLS, "urn:ietf:params:xml:ns:xmpp-tls") \
	X(NS_SASL, "urn:ietf:params:xml:ns:xmpp-sasl") \
	X(NS_SASL2, "urn:xmpp:sasl:2") \
	X(NS_BIND2, "urn:xmpp:bind:0") \
	X(NS_FAST, "urn:xmpp:fast:0") \
	X(NS_TOTP, "urn:chancery:totp:0") \
	X(NS_SASL_CB, "urn:xmpp:sasl-cb:0") \
	X(NS_BIND, "urn:ietf:params:xml:ns:xmpp-bind") \
	X(NS_FRAMING, "urn:ietf:params:xml:ns:xmpp-framing") \
	X(NS_BOSH, "http://jabber.org/protocol/httpbind") \
	X(NS_XBOSH, "urn:xmpp:xbosh") \
	X(NS_SESSION, "urn:ietf:params:xml:ns:xmpp-session") \
	X(NS_SM, "urn:xmpp:sm:3") \
	X(NS_ROSTER, "jabber:iq:roster") \
	X(NS_ROSTERVER, "urn:xmpp:features:rosterver") \
	X(NS_PRE_APPROVAL, "urn:xmpp:features:pre-approval") \
	X(NS_DISCO_INFO, "http://jabber.org/protocol/disco#info") \
	X(NS_DISCO_ITEMS, "http://jabber.org/protocol/disco#items") \
	X(NS_CAPS, "http://jabber.org/protocol/caps") \
	X(NS_CAPS2, "urn:xmpp:caps") \
	X(NS_HASHES, "urn:xmpp:hashes:2") \
	X(NS_PING, "urn:xmpp:ping") \
	X(NS_VERSION, "jabber:iq:version") \
	X(NS_TIME, "urn:xmpp:time") \
	X(NS_LAST, "jabber:iq:last") \
	X(NS_IDLE, "urn:xmpp:idle:1") \
	X(NS_DELAY, "urn:xmpp:delay") \
	X(NS_SID, "urn:xmpp:sid:0") \
	X(NS_RSM, "http://jabber.org/protocol/rsm") \
	X(NS_FORWARD, "urn:xmpp:forward:0") \
	X(NS_PRIVILEGE, "urn:xmpp:privilege:2") \
	X(NS_DELEGATED, "urn:chancery:component:0") \
	X(NS_GATEWAY, "urn:chancery:gateway:0") \
	X(NS_MAM, "urn:xmpp:mam:2") \
	X(NS_CHATSTATES, "http://jabber.org/protocol/chatstates") \
	X(NS_HINTS, "urn:xmpp:hints") \
	X(NS_RECEIPTS, "urn:xmpp:receipts") \
	X(NS_MARKERS, "urn:xmpp:chat-markers:0") \
	X(NS_CORRECT, "urn:xmpp:message-correct:0") \
	X(NS_RETRACT, "urn:xmpp:message-retract:1") \
	X(NS_REACTIONS, "urn:xmpp:reactions:0") \
	X(NS_OOB, "jabber:x:oob") \
	X(NS_NICK, "http://jabber.org/protocol/nick") \
	X(NS_DATA, "jabber:x:data") \
	X(NS_REGISTER, "jabber:iq:register") \
	X(NS_BLOCKING, "urn:xmpp:blocking") \
	X(NS_BLOCKING_ERRORS, "urn:xmpp:blocking:errors") \
	X(NS_REPORTING, "urn:xmpp:reporting:1") \
	X(NS_CARBONS, "urn:xmpp:carbons:2") \
	X(NS_CSI, "urn:xmpp:csi:0") \
	X(NS_PUSH, "urn:xmpp:push:0") \
	X(NS_MDS, "urn:xmpp:mds:displayed:0") \
	X(NS_MUC, "http://jabber.org/protocol/muc") \
	X(NS_MUC_ADMIN, "http://jabber.org/protocol/muc#admin") \
	X(NS_MUC_OWNER, "http://jabber.org/protocol/muc#owner") \
	X(NS_OCCUPANT_ID, "urn:xmpp:occupant-id:0") \
	X(NS_ADDRESS, "http://jabber.org/protocol/address") \
	X(NS_MUC_USER, "http://jabber.org/protocol/muc#user") \
	X(NS_CONFERENCE, "jabber:x:conference") \
	X(NS_JINGLE, "urn:xmpp:jingle:1") \
	X(NS_JINGLE_MESSAGE, "urn:xmpp:jingle-message:0") \
	X(NS_COMMANDS, "http://jabber.org/protocol/commands") \
	X(NS_VCARD, "vcard-temp") \
	X(NS_VCARD_UPDATE, "vcard-temp:x:update") \
	X(NS_PUBSUB, "http://jabber.org/protocol/pubsub") \
	X(NS_PUBSUB_EVENT, "http://jabber.org/protocol/pubsub#event") \
	X(NS_PUBSUB_OWNER, "http://jabber.org/protocol/pubsub#owner") \
	X(NS_PUBSUB_ERRORS, "http://jabber.org/protocol/pubsub#errors") \
	X(NS_VCARD4, "urn:ietf:params:xml:ns:vcard-4.0") \
	X(NS_AVATAR_DATA, "urn:xmpp:avatar:data") \
	X(NS_AVATAR_METADATA, "urn:xmpp:avatar:metadata") \
	X(NS_PHOTO, "urn:chancery:photo:0") \
	X(NS_IQ_OOB, "jabber:iq:oob") \
	X(NS_SIMS, "urn:xmpp:sims:1") \
	X(NS_SFS, "urn:xmpp:sfs:0") \
	X(NS_ESFS, "urn:xmpp:esfs:0") \
	X(NS_FILE_METADATA, "urn:xmpp:file:metadata:0") \
	X(NS_BOB, "urn:xmpp:bob") \
	X(NS_MEDIA, "urn:xmpp:media-element") \
	X(NS_UPLOAD, "urn:xmpp:http:upload:0") \
	X(NS_UPLOAD_OLD, "urn:xmpp:http:upload") \
	X(NS_JINGLEPUB, "urn:xmpp:jinglepub:1") \
	X(NS_IBB, "http://jabber.org/protocol/ibb") \
	X(NS_SI, "http://jabber.org/protocol/si") \
	X(NS_SI_FILE, "http://jabber.org/protocol/si/profile/file-transfer") \
	X(NS_SIPUB, "http://jabber.org/protocol/sipub") \
	X(NS_BYTESTREAMS, "http://jabber.org/protocol/bytestreams") \
	X(NS_URL_DATA, "http://jabber.org/protocol/url-data") \
	X(NS_XHTML, "http://www.w3.org/1999/xhtml") \
	X(NS_REFERENCE, "urn:xmpp:reference:0") \
	X(NS_THUMBS, "urn:xmpp:thumbs:1") \
	X(NS_ATOM, "http://www.w3.org/2005/Atom") \
	X(NS_IQ_AVATAR, "jabber:iq:avatar") \
	X(NS_STORAGE_AVATAR, "storage:client:avatar") \
	X(NS_LABEL, "urn:xmpp:sec-label:0") \
	X(NS_EXTERNAL, "urn:chancery:external:0") \
	X(NS_PRIVATE, "jabber:iq:private") \
	X(NS_OFFLINE, "http://jabber.org/protocol/offline") \
	X(NS_BOOKMARKS, "urn:xmpp:bookmarks:1") \
	X(NS_STORAGE, "storage:bookmarks")

#define NS_DECLARE(id, uri) extern const char id[];
NS_TABLE(NS_DECLARE)
#undef NS_DECLARE

/* The interned pointer when `uri` is in the table (or is ""), else NULL. Any thread. */
const char *ns_intern(const char *uri);
const char *ns_intern_n(const char *uri, size_t n);
/* The same for element and attribute names of the core protocol ("message", "to", …): saves a copy each. */
const char *ns_intern_name(const char *name);
const char *ns_intern_name_n(const char *name, size_t n);

#endif
