/*
 * bosh_body: the <body/> of a request (XEP-0124, XEP-0206) read, and that of an answer written. Pure.
 */
#ifndef CORE_BOSH_BODY_H
#define CORE_BOSH_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "xmpp/parser.h"

#define BOSH_RID_MAX UINT64_C(9007199254740991) /* XEP-0124 §7.1 */

/* What a request says. Texts belong to `st`; NULL when absent. */
struct bosh_post {
	struct stanza *st;
	const char *sid, *to, *from, *lang, *key, *newkey, *version, *ver;
	uint64_t rid, wait, hold, pause;
	bool has_rid, has_wait, has_hold, has_pause;
	bool terminate, restart;
	unsigned payloads;
};

/* 0, or -1: not a body, or with numbers that are none. bosh_post_fini afterwards in either case. */
int bosh_post_read(struct bosh_post *p, const char *text, size_t n, const struct parser_limits *limits);
void bosh_post_fini(struct bosh_post *p);
/* The n-th payload, complete by itself. What is in BOSH's own namespace is taken for jabber:client's (XEP-0206 §2). */
void bosh_post_payload(struct bosh_post *p, struct elem *e, struct buf *out);
struct elem *bosh_post_first(struct bosh_post *p);
struct elem *bosh_post_next(struct elem *e);

struct bosh_answer {
	const char *type;      /* terminate, error; NULL */
	const char *condition; /* NULL */
	const char *attributes; /* of the first answer of a session, as they are written; NULL */
	const char *payload;
	size_t len;
};
void bosh_answer_write(struct buf *out, const struct bosh_answer *a);

#endif
