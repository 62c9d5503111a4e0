/*
 * incoming: what people at the network say to people here. Written, kept until chanceryd has it, and known again when the network says it twice. What chanceryd cannot take
 * for now, and a network cannot say again (no `stored`), is offered again (again.h).
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/address.h"
#include "gateway/file.h"
#include "gateway/incoming.h"
#include "gateway/parcel.h"
#include "gateway/priv.h"
#include "gateway/recall.h"
#include "gateway/text.h"
#include "xmpp/ns.h"

#define LATE_US 10000000 /* what is older is said to be late */

/* On its way to chanceryd. */
struct incoming {
	struct offer offer; /* first; where there is no `stored` */
	struct list link;   /* under way, or held */
	struct gateway *g;
	const char *user, *from, *there; /* in text; there: NULL when the network has no id */
	char id[40];
	void (*stored)(void *arg, enum xerror e, const char *text);
	void *arg;
	bool refused;
	bool final;      /* its account is asked before `stored` is told */
	bool again;      /* for now only: it is held as soon as its stanza has been acknowledged */
	bool late;       /* it says when it was said */
	char *xml;       /* without its end; NULL: the network says it again */
	int64_t said_us;
	char text[];
};

static struct list under_way = { &under_way, &under_way }, held = { &held, &held };

static void
incoming_free(struct incoming *i)
{
	list_remove(&i->link);
	again_forget(i->g, &i->offer);
	i->g->ncoming--;
	free(i->xml);
	free(i);
}

bool
incoming_is_for_now(enum xerror e)
{
	return e == XERROR_RESOURCE_CONSTRAINT || e == XERROR_INTERNAL_SERVER_ERROR || e == XERROR_REMOTE_SERVER_TIMEOUT;
}

static void
hold(struct incoming *i)
{
	list_remove(&i->link);
	list_append(&held, &i->link);
	i->again = i->refused = false;
	again_hold(i->g, &i->offer);
}

/* chanceryd has it, or has said no before: then it is not told twice, and is not known as had. */
static void
taken(struct incoming *i, enum xerror e, const char *text)
{
	struct id_pair *p = i->there ? ids_there(&i->g->ids, i->user, i->from, i->there, ID_IN) : NULL;

	if (p && !i->refused) {
		p->stored = true;
		/* Not before: what the next program finds there, it takes for had. */
		if (p->wants_receipt)
			recall_keep(i->g, p);
	}
	/* At the end what waits for it at the network is gone. */
	if (i->stored && !i->g->stopping)
		i->stored(i->arg, e, text);
	incoming_free(i);
}

static void
account_answered(struct gateway *g, void *arg, const struct stanza *answer)
{
	(void)g;
	/* Whatever was answered: what came before it has been told. Without an answer it is in the record, and nobody knows whether there is such an account. */
	if (answer)
		taken(arg, XERROR_NONE, NULL);
	else
		taken(arg, XERROR_REMOTE_SERVER_TIMEOUT, "its account does not answer");
}

/*
 * In the record. That there is no such account is said behind that, by the account's home, which keeps the order of what it gets (RFC 6120 §10.1): a question to the account is
 * answered behind it.
 */
static void
on_stored(void *arg)
{
	struct incoming *i = arg;

	if (i->again && !i->g->stopping)
		hold(i);
	else if (i->final && !i->refused && !i->g->stopping)
		question_ask(i->g, "get", i->user, "<ping xmlns='urn:xmpp:ping'/>", account_answered, i, NULL);
	else
		taken(i, XERROR_NONE, NULL);
}

/* Nobody has it: the network may say it once more, and then it is new. */
static void
give_up(struct incoming *i, enum xerror e)
{
	struct id_pair *p = i->there ? ids_there(&i->g->ids, i->user, i->from, i->there, ID_IN) : NULL;

	stats_count(&i->g->stats, "refused", 1);
	if (i->xml)
		log_warning(NULL, "incoming-refused", "from=%s to=%s why=%s", i->from, i->user, xerror_name(e));
	i->refused = true;
	if (p)
		ids_forget(&i->g->ids, p);
}

static void
late(struct offer *o)
{
	struct incoming *i = (struct incoming *)o;

	give_up(i, XERROR_REMOTE_SERVER_TIMEOUT);
	incoming_free(i);
}

bool
incoming_refused(struct gateway *g, struct jid *from, struct jid *to, const char *id, enum xerror e, const char *text)
{
	char plain[NETWORK_ADDRESS_MAX];
	struct gateway_user *u = user_find(g, jid_bare(from));
	struct id_pair *p;

	LIST_EACH(pos, &under_way) {
		struct incoming *i = LIST_ENTRY(pos, struct incoming, link);

		if (i->refused || strcmp(i->id, id) || strcmp(i->user, jid_bare(from)))
			continue;
		if (i->xml && incoming_is_for_now(e) && g->now_ms < i->offer.until_ms) {
			stats_count(&g->stats, "offered_again", 1);
			i->again = i->refused = true;
			return true;
		}
		give_up(i, e);
		if (i->stored)
			i->stored(i->arg, e, text);
		i->stored = NULL;
		return true;
	}
	if (!jid_local(to) || gateway_address_from_local(jid_local(to), plain) || !(p = ids_here(&g->ids, jid_bare(from), plain, id)) || p->way != ID_IN)
		return false;
	stats_count(&g->stats, "refused", 1);
	if (u && g->net->returned)
		g->net->returned(u, plain, p->there, e, text);
	if ((p = ids_here(&g->ids, jid_bare(from), plain, id)))
		ids_forget(&g->ids, p);
	return true;
}

void
incoming_end(struct gateway *g)
{
	(void)g;
	while (!list_is_empty(&under_way))
		incoming_free(LIST_ENTRY(under_way.next, struct incoming, link));
	while (!list_is_empty(&held))
		incoming_free(LIST_ENTRY(held.next, struct incoming, link));
}

bool
gateway_takes(struct gateway *g)
{
	bool full = g->ncoming >= g->limits->in_stanzas || g->link.waiting_bytes >= g->limits->in_bytes;

	g->held_back = full;
	return !full;
}

bool
incoming_is_over(struct gateway *g)
{
	return g->ncoming >= 2 * g->limits->in_stanzas || g->link.waiting_bytes >= 2 * g->limits->in_bytes;
}

/* 1: it is known, and `stored` has been told. */
static int
is_known(struct gateway *g, struct gateway_user *u, const char *from, const struct gateway_incoming *in)
{
	struct id_pair *p = in->id ? ids_there(&g->ids, jid_bare(u->jid), from, in->id, ID_IN) : NULL;

	if (!p)
		return 0;
	stats_count(&g->stats, "known", 1);
	if (in->stored && p->stored)
		in->stored(in->arg, XERROR_NONE, NULL);
	else if (in->stored)
		in->stored(in->arg, XERROR_REMOTE_SERVER_TIMEOUT, "it is on its way");
	return 1;
}

bool
incoming_is_late(int64_t at_us)
{
	return at_us && clock_wall_us() - at_us > LATE_US;
}

void
incoming_write_delay(struct gateway *g, struct buf *b, int64_t at_us)
{
	char stamp[32];

	if (!incoming_is_late(at_us))
		return;
	buf_addf(b, "<delay xmlns='%s'", NS_DELAY);
	write_attr(b, "from", g->start.domain);
	write_attr(b, "stamp", clock_format(at_us, stamp));
	buf_adds(b, "/>");
}

void
incoming_write_text(struct gateway *g, struct buf *b, const struct gateway_incoming *in, const char *url)
{
	const char *body = in->body ? in->body : url ? url : in->subject ? in->subject : "";

	if (in->body && url && !strstr(in->body, url))
		body = url;
	buf_adds(b, "<body>");
	if (gateway_text_add(b, body, strlen(body), g->limits->text_bytes))
		buf_adds(b, "\n[…]");
	files_write(g, b, in);
	buf_adds(b, "</body>");
	if (in->subject) {
		buf_adds(b, "<subject>");
		gateway_text_add(b, in->subject, strlen(in->subject), 1024);
		buf_adds(b, "</subject>");
	}
	if (in->thread) {
		buf_adds(b, "<thread>");
		gateway_text_add(b, in->thread, strlen(in->thread), 1024);
		buf_adds(b, "</thread>");
	}
	if (url) {
		buf_addf(b, "<x xmlns='%s'>", NS_OOB);
		write_text(b, "url", NULL, url);
		buf_adds(b, "</x>");
	}
	incoming_write_delay(g, b, in->at_us);
}

/* Gives it to the stream, as it was written or as it was kept. */
static void
give(struct offer *o)
{
	struct incoming *i = (struct incoming *)o;
	struct gateway *g = i->g;
	struct buf b = { 0 };

	buf_adds(&b, i->xml);
	if (!i->late)
		incoming_write_delay(g, &b, i->said_us);
	buf_adds(&b, "</message>");
	list_remove(&i->link);
	list_append(&under_way, &i->link);
	link_send(g, buf_data(&b), buf_len(&b), on_stored, i);
	buf_fini(&b);
}

static void
write_one(struct gateway *g, const struct incoming_head *h, const struct gateway_incoming *in, struct incoming *i, const char *url)
{
	struct id_pair *before = in->replaces ? ids_there(&g->ids, h->user, h->from, in->replaces, ID_IN) : NULL;
	struct buf *b = write_start(g, "message", h->local, NULL, h->user, "chat", h->id);

	incoming_write_text(g, b, in, url);
	if (in->replaces) {
		char id[40];

		buf_addf(b, "<replace xmlns='%s'", NS_CORRECT);
		stable_id(id, h->user, h->from, in->replaces);
		write_attr(b, "id", before ? before->here : id);
		buf_adds(b, "/>");
	}
	if (in->wants_receipt && h->there)
		buf_addf(b, "<request xmlns='%s'/>", NS_RECEIPTS);
	/* Else it is the gateway's own. */
	if (h->local)
		write_foreign(g, b, in, in->id);
	if (in->stored) {
		write_send(g, "message", on_stored, i);
		return;
	}
	i->xml = mem_strdup(buf_str(b));
	list_remove(&i->link);
	list_append(&held, &i->link);
	again_offer(g, &i->offer);
}

void
incoming_send(struct gateway *g, const struct incoming_head *h, const struct gateway_incoming *in, const char *url)
{
	size_t user = strlen(h->user) + 1, from = strlen(h->from) + 1, there = h->there ? strlen(h->there) + 1 : 0;
	struct incoming *i = mem_alloc(sizeof(*i) + user + from + there);

	*i = (struct incoming){ .offer = { .until_ms = g->now_ms + g->limits->again_seconds * 1000, .give = give, .late = late }, .g = g,
		.user = i->text, .from = i->text + user, .there = there ? i->text + user + from : NULL,
		.stored = in->stored, .arg = in->arg, .final = in->final, .late = incoming_is_late(in->at_us),
		.said_us = in->at_us ? in->at_us : clock_wall_us() };
	list_init(&i->offer.link);
	memcpy(i->text, h->user, user);
	memcpy(i->text + user, h->from, from);
	if (there)
		memcpy(i->text + user + from, h->there, there);
	snprintf(i->id, sizeof(i->id), "%s", h->id);
	list_append(&under_way, &i->link);
	g->ncoming++;
	write_one(g, h, in, i, url);
}

void
incoming_forget(struct gateway *g, const struct incoming_head *h)
{
	struct id_pair *p = h->there ? ids_there(&g->ids, h->user, h->from, h->there, ID_IN) : NULL;

	if (p)
		ids_forget(&g->ids, p);
}

/* It is new. -1: there is no room for its files. */
static int
take(struct gateway *g, struct gateway_user *u, const char *from, const char *local, const struct gateway_incoming *in)
{
	struct incoming_head h = { .user = jid_bare(u->jid), .from = from, .local = local, .there = in->id };
	char id[40];

	if (in->id)
		stable_id(id, h.user, from, in->id);
	else
		random_id(id);
	h.id = id;
	if (parcel_is_wanted(g, &h, in)) {
		if (parcel_begin(g, &h, in))
			return -1;
	} else {
		incoming_send(g, &h, in, NULL);
	}
	if (in->id)
		ids_add(&g->ids, &(struct id_pair){ .user = h.user, .foreign = from, .here = id, .there = in->id, .way = ID_IN, .wants_receipt = in->wants_receipt },
			(unsigned)g->limits->ids);
	user_touch(u);
	stats_count(&g->stats, "received", 1);
	return 0;
}

int
gateway_receive(struct gateway_user *u, const struct gateway_incoming *in)
{
	struct gateway *g = u->gateway;
	char *from = gateway_text_clean(in->from, NETWORK_ADDRESS_MAX - 1, true), local[ADDRESS_LOCAL_MAX];
	int result = -1;

	if (g->stopping || gateway_address_to_local(from, local))
		log_warning(NULL, "incoming-unusable", "from=%s", from);
	else if (is_known(g, u, from, in))
		result = 0;
	else if (!incoming_is_over(g))
		result = take(g, u, from, local, in);
	free(from);
	return result;
}

void
gateway_typing(struct gateway_user *u, const char *from, bool on)
{
	struct gateway *g = u->gateway;
	char local[ADDRESS_LOCAL_MAX];
	struct buf *b;

	if (g->stopping || incoming_is_over(g) || gateway_address_to_local(from, local))
		return;
	b = write_start(g, "message", local, NULL, jid_bare(u->jid), "chat", NULL);
	buf_addf(b, "<%s xmlns='%s'/>", on ? "composing" : "paused", NS_CHATSTATES);
	write_send(g, "message", NULL, NULL);
}

void
incoming_tell(struct gateway *g, const char *user, const char *text, gateway_told_fn *told, void *arg)
{
	struct incoming_head h = { .user = user, .from = g->start.domain };
	struct gateway_incoming in = { .body = text, .stored = told, .arg = arg };
	char id[33];

	if (g->stopping)
		return;
	if (incoming_is_over(g)) {
		if (told)
			told(arg, XERROR_RESOURCE_CONSTRAINT, NULL);
		return;
	}
	random_id(id);
	h.id = id;
	incoming_send(g, &h, &in, NULL);
}

void
gateway_tell(struct gateway_user *u, const char *text, gateway_told_fn *told, void *arg)
{
	incoming_tell(u->gateway, jid_bare(u->jid), text, told, arg);
}
