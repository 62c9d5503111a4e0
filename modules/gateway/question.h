/*
 * question: our own IQs to chanceryd, and their answers.
 */
#ifndef GATEWAY_QUESTION_H
#define GATEWAY_QUESTION_H

#include <stdint.h>

#include "base/list.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"

struct gateway;
struct question;

/* The IQ of type result or error; NULL: none came in time. Borrowed. */
typedef void question_fn(struct gateway *g, void *arg, const struct stanza *answer);

struct questions {
	struct question *table; /* hash by number */
	struct list order;
	uint64_t last;
	unsigned n;
};

void questions_init(struct questions *q);
/* `payload`: complete XML. `to`: a domain, or the bare address of an account, for which the server answers; NULL: the host. fn(…, NULL) at once when there are too many.
 * release(arg) behind fn, or alone when the program ends before; NULL: nothing to release. */
void question_ask(struct gateway *g, const char *type, const char *to, const char *payload, question_fn *fn, void *arg, void (*release)(void *arg));
/* The answer belongs to a question, and is of whom it was asked: it has been called. */
bool question_came(struct gateway *g, const struct stanza *st, const struct jid *from);
/* The stream is a new one. */
void questions_again(struct gateway *g);
void questions_tick(struct gateway *g);
/* Forgets all, without telling fn. */
void questions_free(struct gateway *g);
/* Is the answer an error after which the same may be asked again later? */
bool question_may_again(const struct stanza *answer);

#endif
