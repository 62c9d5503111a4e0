/*
 * history_result: the messages of a page (XEP-0313 §4.2), written as text: what was recorded is put between our tags as
 * it is, and is parsed only where a tombstone takes its place (XEP-0424 §4).
 */
#include "base/clock.h"
#include "base/buf.h"
#include "history.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

/* The message without its contents: that it was, and what took it back. */
static void
write_tombstone(struct buf *out, const struct history_row *row)
{
	struct stanza *st = parser_one(row->stanza, row->len, NS_CLIENT, NULL);
	struct elem *e;
	char stamp[32];

	if (!st)
		return;
	while (st->root->first)
		elem_remove(st->root->first);
	e = elem_add(st, st->root, NS_RETRACT, "retracted");
	if (row->retracted_id)
		elem_set(st, e, "id", row->retracted_id);
	elem_set(st, e, "stamp", clock_format((int64_t)row->retracted_by, stamp));
	serialize_elem(out, st->root, NS_FORWARD);
	stanza_unref(st);
}

static void
write_result(struct buf *out, const struct hook *h, const struct session *s, const struct history_ask *ask,
	const struct history_row *row)
{
	mam_begin(out, &(struct mam_result){ .from = jid_bare(h->account), .to = jid_full(module_session_jid(s)),
		.queryid = ask->m.queryid, .id = row->id });
	if (row->retracted)
		write_tombstone(out, row);
	else
		mam_write_recorded(out, row->stanza, row->len);
	mam_end(out);
}

void
history_give(struct hook *h, struct session *s, const struct history_ask *ask)
{
	const struct history_query *q = &ask->q;
	struct stanza *head = stanza_new(NS_CLIENT, "message");
	struct buf b = { 0 };

	elem_add(head, head->root, NS_MAM, "result");
	stanza_seal(head);
	for (size_t i = 0; i < q->n && !module_session_is_over(s); i++) {
		const struct history_row *row = q->row[ask->m.flip ? q->n - 1 - i : i];

		buf_clear(&b);
		write_result(&b, h, s, ask, row);
		module_session_give_text(s, stanza_ref(head), buf_data(&b), buf_len(&b), row->mine_to_get ? row->id : 0);
	}
	buf_fini(&b);
	stanza_unref(head);
}
