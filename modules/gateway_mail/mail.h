/*
 * mail: the gateway as its own files see it, and what goes between them. One thread.
 *
 *     send (mail.c) ── outgoing: a queue for each pair ── compose ── submit ── the mail system
 *     the mail system ── door, lmtp ── arriving: read, who may ── gateway_receive ── stored: 250
 *
 * A pair is a user and somebody outside: what binds their mails to a thread, kept by chanceryd, here while something of it is under way.
 */
#ifndef GATEWAY_MAIL_MAIL_H
#define GATEWAY_MAIL_MAIL_H

#include "address.h"
#include "base/list.h"
#include "base/map.h"
#include "door.h"
#include "gateway/gateway.h"
#include "settings.h"
#include "submit.h"
#include "thread.h"

struct mail_gateway {
	struct gateway *g;
	struct mail_settings *s;
	struct submitter *submitter;
	struct door *door;
	uint8_t key[ADDRESS_KEY]; /* of tokens and ids */
	bool key_ready;           /* it has been read; before that nothing goes or comes */
	struct pair *pairs;       /* hash */
	struct list arrivals;     /* mails for one recipient each, that chanceryd has not taken yet */
	uv_timer_t *patience;     /* with threads that cannot be read */
};

struct pair {
	UT_hash_handle hh;
	struct mail_gateway *mg;
	char *key;          /* of gateway_data: of user and foreign */
	char *user, *foreign;
	struct thread thread;
	bool loaded;
	bool busy;          /* one of `out` is being handed over */
	struct list out;    /* outgoing.c */
	struct list in;     /* arriving.c: those that wait for `loaded` */
	unsigned held;
};

/* Held for the caller, who lets go of it; read from chanceryd when it is new. */
struct pair *pair_hold(struct mail_gateway *mg, const char *user, const char *foreign);
void pair_release(struct pair *p);
/* Keeps the thread. */
void pair_save(struct pair *p);
/* All of them, at the end of the program. */
void pair_free_all(struct mail_gateway *mg);

void outgoing_send(struct mail_gateway *mg, struct gateway_message *m);
void outgoing_forget(struct gateway_message *m);
void outgoing_forget_user(struct mail_gateway *mg, const struct gateway_user *u);
/* The pair's thread is there, or the one before is gone: the next. */
void outgoing_pump(struct pair *p);
void outgoing_free(struct pair *p);

const char *arriving_recipient(struct mail_gateway *mg, const char *to);
void arriving_mail(struct mail_gateway *mg, struct delivery *d, const struct lmtp_mail *m);
/* The pair's thread is there. */
void arriving_loaded(struct pair *p);
/* All of them, at the end of the program. */
void arriving_free(struct mail_gateway *mg);

/* Of what a mail system said: "550 5.1.1 no such user", or "5.1.1". */
enum xerror mail_error(const char *reply);

#endif
