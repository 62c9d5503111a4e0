/*
 * attempt: one try to make a stream to another server: what attempt.c, which finds, dials and goes from one target to the next, shares with
 * s2s_out.c, which negotiates on the stream to one of them. Others know it by s2s_priv.h. Lives at the home that made it, until READY or the end.
 */
#ifndef CORE_ATTEMPT_H
#define CORE_ATTEMPT_H

#include "core/federation/find.h"
#include "core/federation/s2s_priv.h"

/* How it failed, by how far it went. */
enum failure {
	NOT_YET,
	NOT_FOUND_NOW, /* name servers */
	NOT_REACHED,   /* no connection */
	BROKEN,        /* a stream that ended, as it may the next time or not */
	FINAL,         /* the same would happen again: certificate, TLS, they do not let us in */
};

struct attempt {
	struct route *route;      /* NULL: it is to ask about a dialback key */
	struct dialback *asks;
	struct jid *local, *remote;
	struct find *find;
	struct dial *dial;
	struct s2s *stream;
	struct arena *arena;      /* of `found` */
	struct found found;       /* the targets that have not been tried */
	unsigned host;            /* of the target that the stream goes to */
	struct timer timer;       /* the deadline; or the share of a stream that others wait behind */
	int64_t deadline_ms;
	enum failure failure;     /* what is known so far, with words */
	bool no_such;
	enum xerror error;        /* what senders get */
	bool authzid_tried;       /* we have named ourselves to their SASL EXTERNAL */
	bool challenged;
	unsigned elements;
	char words[400];
};

/* What is known of why: words of what went less far than what is known already are dropped, as is NULL. */
void attempt_note(struct attempt *a, enum failure f, const char *why);
/* The partner's entry as it is now, for what the stream is wanted for; NULL: not allowed any more. */
const struct partner *attempt_entry(const struct attempt *a);

#endif
