/*
 * packet: a stanza on its way, with what has been learnt about it: prepared addresses, its kind, its
 * place in the record. The router passes packets between homes; sessions keep them unacknowledged.
 *
 * A packet belongs to one reactor at a time: it is counted without atomics, and crosses to another home only
 * when the giver holds the sole reference and gives it away. The stanza inside is sealed and may be shared.
 */
#ifndef CORE_PACKET_H
#define CORE_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/mailbox.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"
#include "xmpp/xerror.h"

enum packet_kind { PACKET_MESSAGE, PACKET_PRESENCE, PACKET_IQ };

/* The type attribute, parsed once (RFC 6121 §4.7.1, §5.2.2; RFC 6120 §8.2.3). */
enum packet_type {
	TYPE_NONE, /* no type: normal message, available presence */
	TYPE_NORMAL, TYPE_CHAT, TYPE_GROUPCHAT, TYPE_HEADLINE, TYPE_ERROR,
	TYPE_UNAVAILABLE, TYPE_SUBSCRIBE, TYPE_SUBSCRIBED, TYPE_UNSUBSCRIBE, TYPE_UNSUBSCRIBED, TYPE_PROBE,
	TYPE_GET, TYPE_SET, TYPE_RESULT,
	TYPE_UNKNOWN,
};

struct packet {
	struct mail mail; /* while it crosses */
	unsigned refs;
	enum packet_kind kind;
	enum packet_type type;
	struct stanza *st;
	struct jid *via;        /* a component: a message that it has sent in the name of `from` (XEP-0356), whose errors of ours go there; or an IQ
	                         * of its own that asks for a privilege, and has it; NULL */
	struct jid *from, *to;  /* owned; `to` may differ from the stanza's attribute (broadcasts): it is written as `to` */
	char *xml;              /* as recorded: the stanza in a jabber:client stream; NULL until made */
	size_t xml_len;
	int64_t account;        /* `from`'s, when a session of ours has sent it: never that of a later owner of the name; else 0 */
	uint64_t record_id;     /* 0: not in the record */
	int64_t at_us;          /* its time there */
	uint64_t about;         /* RECORD_PEER of the stream that it came on, or that it was to go over when it was recorded; 0: none */
	uint64_t fetched;       /* a record that whoever has this has too (a result of XEP-0313); 0: none */
	bool deliverable;       /* the recipient's delivery mark waits for it */
	bool delayed;           /* comes from the backlog: <delay/> is added (XEP-0203) */
	bool refusal;           /* an error that the server made of the recipient's own stanza: nobody judges it (RECV_CHECK) */
	bool readdressed;       /* `to` is not the stanza's */
	bool for_each;          /* has no `to`: it is written for each session that it is given to */
	bool told;              /* HOOK_RECV_GIVEN has run */
	bool may_leave;         /* for another server: the partner's entry has been asked in the sender's lane */
	void (*ended)(void *arg); /* called where the packet is freed: somebody waits for its end; NULL: nobody */
	void *ended_arg;
};

/* Takes the stanza's reference and seals it. from and to: new references are taken; either may be NULL. */
struct packet *packet_new(struct stanza *st, struct jid *from, struct jid *to);
struct packet *packet_ref(struct packet *p);
void packet_unref(struct packet *p);
/* A packet for another recipient that shares the stanza. */
struct packet *packet_readdress(const struct packet *p, struct jid *to);
/* Makes p->xml. */
void packet_make_xml(struct packet *p);
/* Bytes it takes in queues. */
size_t packet_size(const struct packet *p);
/* Writes it for a recipient: with stanza-id (XEP-0359, by the recipient's bare JID) and delay where due. `session` is who gets it
 * when it is for each. */
void packet_write(struct buf *out, struct packet *p, const struct jid *session);
/* For another server or a component: as recorded where it is, without ids of ours, which are for our own; with a delay in the name of
 * the sender's domain when it is late. In a stream of theirs elements of jabber:client stand without a namespace: they become the stream's. */
void packet_write_away(struct buf *out, struct packet *p);
/* The same for a gateway of ours, with the id of the record (XEP-0359) in the name of the sender's domain: what comes twice it knows by that. */
void packet_write_gateway(struct buf *out, struct packet *p);
const char *packet_id(const struct packet *p); /* the id attribute or NULL */
/* Who hears our errors: who sent it, in whosever name. Borrowed; NULL: nobody. */
struct jid *packet_answers_to(const struct packet *p);
/* An error reply as a packet, addressed to them; NULL when p must not be answered. */
struct packet *packet_error(const struct packet *p, enum xerror e, const char *type, const char *text);
/* An empty result for a get or set. Unsealed stanza to add to; then packet_new(st, p->to, p->from). */
struct stanza *packet_result(const struct packet *p);

/* Asking for, giving, ending or taking back a subscription (RFC 6121 §3)? */
bool packet_is_subscription(const struct packet *p);
enum packet_type packet_type_parse(enum packet_kind kind, const char *type);
/* As a record has it: a message of an unknown type, or of none, is "normal"; otherwise `type` itself. */
const char *packet_type_name(enum packet_kind kind, const char *type);

#endif
