/*
 * question: IQs that we ask, and their answers. An account's questions come from its bare JID and are kept on its home;
 * the server's come from its domain and are kept where they were asked: their id says where.
 *
 * An answer counts only when it comes from whom was asked (RFC 6120 §8.1.2.1: an IQ without `from` is from the sender's
 * own account).
 */
#ifndef CORE_QUESTION_H
#define CORE_QUESTION_H

#include <stdbool.h>

#include "core/route/packet.h"

struct question;
struct user;

/* Sends the IQ (unsealed; taken; `from`, `to` and `id` are set) in the name of the user or, when NULL, of the first host. Then
 * either `answered` is called once, in a later turn: with the answer, or with NULL after timeout_ms (0: 30 s) or when too
 * many questions wait; or, when the server stops, `abandoned`. */
struct question *question_ask(struct user *u, struct jid *to, struct stanza *iq, unsigned timeout_ms,
	void (*answered)(void *arg, const struct stanza *answer), void (*abandoned)(void *arg), void *arg);
/* The same for 30 s, of what somebody else asks in the name of an account: as what its client sends, it passes policy first (SEND_CHECK), whose
 * refusal is the answer. */
void question_ask_as(struct user *u, struct jid *to, struct stanza *iq, void (*answered)(void *arg, const struct stanza *answer),
	void (*abandoned)(void *arg), void *arg);
/* A result or error for an address without a session: for the server (takes the reference), or for an account on its
 * home (borrows). */
void question_answer(struct packet *p);
void question_answer_here(const struct packet *p);
void question_home_start(void);
void question_home_stop(void);

#endif
