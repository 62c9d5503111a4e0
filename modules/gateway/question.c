#include "gateway/question.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "gateway/priv.h"

struct question {
	UT_hash_handle hh;
	struct list link;
	uint64_t number, until_ms;
	question_fn *fn;
	void *arg;
	void (*release)(void *arg);
	uint64_t nth; /* among all that the link was given */
	char *xml;
	size_t len;
	char to[];   /* whom it was asked */
};

static void
question_free(struct question *q)
{
	if (q->release)
		q->release(q->arg);
	crypt_wipe(q->xml, q->len);
	free(q->xml);
	free(q);
}

void
questions_init(struct questions *q)
{
	*q = (struct questions){ 0 };
	list_init(&q->order);
}

void
question_ask(struct gateway *g, const char *type, const char *to, const char *payload, question_fn *fn, void *arg, void (*release)(void *arg))
{
	struct questions *qs = &g->questions;
	struct question *q;
	char id[32];
	struct buf *b;

	to = to ? to : g->start.host;
	if (qs->n >= g->limits->questions) {
		fn(g, arg, NULL);
		if (release)
			release(arg);
		return;
	}
	q = mem_zalloc(sizeof(*q) + strlen(to) + 1);
	strcpy(q->to, to);
	q->number = ++qs->last;
	q->until_ms = g->now_ms + g->limits->question_seconds * 1000;
	q->fn = fn;
	q->arg = arg;
	q->release = release;
	HASH_ADD(hh, qs->table, number, sizeof(q->number), q);
	list_append(&qs->order, &q->link);
	qs->n++;
	snprintf(id, sizeof(id), "q%" PRIu64, q->number);
	b = write_start(g, "iq", NULL, NULL, to, type, id);
	buf_adds(b, payload);
	write_send(g, "iq", NULL, NULL);
	q->nth = g->link.given;
	q->len = buf_len(b);
	q->xml = mem_alloc(q->len);
	memcpy(q->xml, buf_data(b), q->len);
}

/* Answers are not kept for a stream that is gone: what has been acknowledged and not answered is asked again. The rest is sent again by the link. */
void
questions_again(struct gateway *g)
{
	LIST_EACH(pos, &g->questions.order) {
		struct question *q = LIST_ENTRY(pos, struct question, link);

		if (q->nth > g->link.confirmed)
			continue;
		link_send(g, q->xml, q->len, NULL, NULL);
		q->nth = g->link.given;
	}
}

static void
answer(struct gateway *g, struct question *q, const struct stanza *st)
{
	HASH_DEL(g->questions.table, q);
	list_remove(&q->link);
	g->questions.n--;
	q->fn(g, q->arg, st);
	question_free(q);
}

bool
question_came(struct gateway *g, const struct stanza *st, const struct jid *from)
{
	const char *id = elem_get(st->root, "id");
	struct question *q;
	uint64_t n;

	if (!id || *id != 'q' || !text_u64(id + 1, strlen(id + 1), 1, UINT64_MAX, &n))
		return false;
	HASH_FIND(hh, g->questions.table, &n, sizeof(n), q);
	/* What anybody else says is no answer, nor is what a client of the account says: that has its resource. */
	if (!q || strcmp(jid_full(from), q->to) != 0)
		return false;
	answer(g, q, st);
	return true;
}

/* The limit may have changed meanwhile: the order is nearly, not quite, that of the ends. */
void
questions_tick(struct gateway *g)
{
	LIST_EACH(pos, &g->questions.order) {
		struct question *q = LIST_ENTRY(pos, struct question, link);

		if (q->until_ms > g->now_ms)
			return;
		answer(g, q, NULL);
	}
}

void
questions_free(struct gateway *g)
{
	struct question *q, *next;

	HASH_ITER(hh, g->questions.table, q, next) {
		HASH_DEL(g->questions.table, q);
		question_free(q);
	}
	questions_init(&g->questions);
}

bool
question_may_again(const struct stanza *st)
{
	const struct elem *error;
	const char *type;

	if (!st)
		return true;
	error = elem_child(st->root, st->root->ns, "error");
	type = error ? elem_get(error, "type") : NULL;
	return type && !strcmp(type, "wait");
}
