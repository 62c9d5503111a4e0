/*
 * sip: what the files of the SIP gateway share. There is one struct sip, from the network's start to its stop; all of it is on the loop's thread.
 *
 *     sip.c           the table of functions
 *     sip_agent       transports; what comes from whom, and what it is
 *     sip_request     one request of ours: sent, authenticated when asked, answered
 *     sip_out         what our people say: one message at a time for each pair of people
 *     sip_in          what comes: MESSAGE, answered when chanceryd has it
 *     sip_watch       presence of others: SUBSCRIBE, NOTIFY
 *     sip_publish     presence of our people: PUBLISH
 *     sip_register    registrations of our people at the proxy
 */
#ifndef GATEWAY_SIP_SIP_H
#define GATEWAY_SIP_SIP_H

#define NTA_LEG_MAGIC_T void
#define NTA_OUTGOING_MAGIC_T void
#define NTA_INCOMING_MAGIC_T void
#define NTA_AGENT_MAGIC_T void

#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_extra.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>

#include "base/list.h"
#include "gateway/gateway.h"
#include "net/address.h"
#include "sip_name.h"
#include "sip_settings.h"

struct sip_conversation;
struct sip_loop;
struct sip_publication;
struct sip_request;
struct sip_watch;

struct sip {
	struct gateway *gateway;
	struct sip_settings set;
	struct sip_loop *loop;
	nta_agent_t *agent;
	nta_leg_t *leg;  /* of all that is not in a dialog */
	char *contact;   /* header value: where we are reached */
	struct sip_conversation *conversations; /* by user and address */
	struct sip_watch *watches;              /* the same */
	struct sip_publication *publications;   /* by user */
	int64_t publish_ms;                     /* the proxy does not take presence: not before this is it tried again */
	bool watch_refused;                     /* nor lets us watch, and that has been said */
	struct list requests;                   /* of ours, without an answer yet */
	struct list incoming;                   /* MESSAGEs that chanceryd has not answered yet */
	uint64_t malformed;                     /* what the library refused by itself, as last told */
	uv_timer_t tick;
};

/*
 * sip_agent
 */

/* Begins with the settings in `s`. -1: an address cannot be bound, or a certificate not read; nothing runs then. */
int sip_agent_start(struct sip *s, struct err *e) MUST_CHECK;
void sip_agent_stop(struct sip *s);
/* Counts what was refused, and says it in the log: what came, from where, why. Returns `status`. */
int sip_refused(struct sip *s, const char *source, const sip_t *sip, int status, const char *why);
/* Does it come from a peer? Its address in any case; who is none has been counted. */
bool sip_from_peer(struct sip *s, nta_incoming_t *irq, const sip_t *sip, char source[ADDRESS_TEXT]);
/* `sip:USER@DOMAIN` of somebody of ours. */
void sip_own_uri(const struct sip *s, struct buf *out, const struct jid *j);

/*
 * sip_request
 */

struct sip_ask {
	sip_method_t method;
	const char *method_name;
	nta_leg_t *leg;        /* a dialog's, which knows from whom to whom; or NULL, and: */
	const char *from, *to; /* header values, from with a tag */
	const char *call_id;
	unsigned cseq;         /* so many have been sent with this Call-ID */
	const char *uri;       /* NULL: the leg's target */
	const char *headers;   /* lines of further headers; NULL: none */
	const char *type;      /* of the body; NULL: none */
	const void *body;
	size_t len;
};

/* The final answer; `sip` is NULL where there was none (408, 503 of our own). Behind it the request is gone. */
typedef void sip_answer_fn(void *arg, int status, const char *phrase, const sip_t *sip);
/* What is given is copied. NULL: the library refuses it; fn is not called. fn is never called from inside. */
struct sip_request *sip_request_send(struct sip *s, const struct sip_ask *a, sip_answer_fn *fn, void *arg);
/* Nobody wants to hear of it any more; what is sent is sent. NULL is fine. */
void sip_request_cancel(struct sip_request *r);

/* The gateway ends: all of them. */
void sip_request_stop(struct sip *s);

/*
 * sip_out
 */

void sip_out_send(struct sip *s, struct gateway_message *m);
/* To who sent a message of that id in a CPIM wrapper: it has arrived, or will not. */
void sip_out_report(struct sip *s, struct gateway_user *u, const char *to, const char *id, bool delivered);
/* The message of that id has arrived there. If it is still under way, that is its answer: by UDP a report can overtake it. */
void sip_out_reported(struct sip *s, const struct gateway_user *u, const char *to, const char *id);
void sip_out_forget(struct sip *s, struct gateway_message *m);
/* Everything of a user; of all with NULL. */
void sip_out_close(struct sip *s, const struct gateway_user *u);

/*
 * sip_in
 */

/* A MESSAGE from a peer. What nta_request_f returns. */
int sip_in_message(struct sip *s, nta_incoming_t *irq, const sip_t *sip, const char *source);
void sip_in_stop(struct sip *s);

/*
 * sip_watch
 */

void sip_watch_set(struct sip *s, struct gateway_user *u, const char *foreign, bool on);
void sip_watch_close(struct sip *s, const struct gateway_user *u);

/*
 * sip_publish
 */

/* What of the user is to be seen there from now on. */
void sip_publish_set(struct sip *s, struct gateway_user *u, enum network_show show, const char *status);
void sip_publish_close(struct sip *s, struct gateway_user *u);

/*
 * sip_register
 */

/* The user is opened: up at once, or when the registrar has taken it. */
void sip_register_open(struct sip *s, struct gateway_user *u);
void sip_register_close(struct sip *s, struct gateway_user *u);

#endif
