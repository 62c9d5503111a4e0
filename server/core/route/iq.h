/*
 * iq: handlers by type, namespace and element; our own requests and their answers.
 */
#ifndef CORE_IQ_H
#define CORE_IQ_H

#include <stdbool.h>

#include "core/route/packet.h"

struct session;
struct user;

/* Whose question it is. */
struct iq_call {
	struct packet *p;          /* borrowed */
	struct session *session;   /* the sender's, when it is a session on this home; NULL otherwise */
	struct user *user;         /* the account asked (IQ to a bare JID of ours or to nobody); NULL: the server was asked */
	const struct elem *payload;
	void *arg;                 /* as given to iq_handle */
};

/* Answers with router_reply, now or later. Returns XERROR_NONE when it has answered or will. */
typedef enum xerror (*iq_fn)(const struct iq_call *c);

enum iq_target { IQ_TO_SERVER = 1, IQ_TO_ACCOUNT = 2 };

/* At start only. `ns` and `name` are static; one handler per (type, ns, name, target). */
void iq_handle(enum packet_type type, const char *ns, const char *name, unsigned targets, iq_fn fn,
	void *arg);
void iq_forget_all(void);
/* Runs the handler or answers with the error the standard names (RFC 6120 §8.2.3, §8.4). Borrows p. */
void iq_dispatch(struct packet *p, struct session *s, struct user *u);

#endif
