/*
 * history_result: the messages of a page (XEP-0313 §4.2), written as text: what was recorded is put between our tags as
 * it is, and is parsed only where a tombstone takes its place (XEP-0424 §4).
 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/buf.h"
#include "history.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

static const char message_tag[] = "<message";

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

/* As it stood in a stream of jabber:client, so the namespace has to be said here. */
static void
write_message(struct buf *out, const struct history_row *row)
{
	size_t tag = sizeof(message_tag) - 1;

	if (row->retracted) {
		write_tombstone(out, row);
	} else if (row->len > tag && !memcmp(row->stanza, message_tag, tag)) {
		buf_adds(out, "<message xmlns='jabber:client'");
		buf_add(out, row->stanza + tag, row->len - tag);
	}
}

static void
write_attribute(struct buf *out, const char *name, const char *value, size_t n)
{
	buf_addf(out, " %s='", name);
	serialize_attr(out, value, n);
	buf_addc(out, '\'');
}

static void
write_result(struct buf *out, const struct hook *h, const struct session *s, const struct history_ask *ask,
	const struct history_row *row)
{
	const struct jid *to = module_session_jid(s);
	char stamp[32];

	buf_adds(out, message_tag);
	write_attribute(out, "from", jid_bare(h->account), jid_bare_len(h->account));
	write_attribute(out, "to", jid_full(to), jid_full_len(to));
	buf_adds(out, "><result xmlns='urn:xmpp:mam:2'");
	if (ask->queryid)
		write_attribute(out, "queryid", ask->queryid, strlen(ask->queryid));
	/* The id is the time. */
	buf_addf(out, " id='%" PRIu64 "'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='%s'/>",
		row->id, clock_format((int64_t)row->id, stamp));
	write_message(out, row);
	buf_adds(out, "</forwarded></result></message>");
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
		const struct history_row *row = &q->row[ask->flip ? q->n - 1 - i : i];

		buf_clear(&b);
		write_result(&b, h, s, ask, row);
		module_session_give_text(s, stanza_ref(head), buf_data(&b), buf_len(&b), row->mine_to_get ? row->id : 0);
	}
	buf_fini(&b);
	stanza_unref(head);
}
