/*
 * room_write: what clients are shown of a room (XEP-0045 §7).
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/incoming.h"
#include "gateway/parcel.h"
#include "gateway/room.h"
#include "gateway/text.h"
#include "xmpp/ns.h"

#define NS_MUC_USER_TEXT "http://jabber.org/protocol/muc#user"

const char *
room_role(const struct occupant *o)
{
	return o->op ? "moderator" : "participant";
}

const char *
room_affiliation(const struct occupant *o)
{
	return o->owner ? "owner" : o->admin || o->op ? "admin" : o->voice ? "member" : "none";
}

static void
write_presence(struct gateway *g, const char *local, const char *client, const struct occupant *o, const struct room_news *news, bool self, bool renamed)
{
	struct buf *b = write_start(g, "presence", local, o->nick, client, news->gone ? "unavailable" : NULL, NULL);

	if (!news->gone && o->away)
		write_text(b, "show", NULL, "away");
	if (news->gone ? news->why != NULL : o->status != NULL)
		write_text(b, "status", NULL, news->gone ? news->why : o->status);
	buf_addf(b, "<x xmlns='" NS_MUC_USER_TEXT "'><item affiliation='%s' role='%s'", room_affiliation(o), news->gone && !news->new_nick ? "none" : room_role(o));
	write_attr(b, "nick", news->new_nick);
	buf_addc(b, '>');
	if (news->actor) {
		buf_adds(b, "<actor");
		write_attr(b, "nick", news->actor);
		buf_adds(b, "/>");
	}
	if (news->actor || news->codes[0])
		write_text(b, "reason", NULL, news->why);
	buf_adds(b, "</item>");
	for (unsigned i = 0; i < 6 && news->codes[i]; i++)
		if (strcmp(news->codes[i], "110"))
			buf_addf(b, "<status code='%s'/>", news->codes[i]);
	if (self)
		buf_adds(b, "<status code='110'/>");
	if (self && renamed)
		buf_adds(b, "<status code='210'/>");
	buf_adds(b, "</x>");
	write_send(g, "presence", NULL, NULL);
}

void
room_show_to(struct gateway_seat *s, const struct occupant *o, const struct room_news *news, const char *client)
{
	struct gateway *g = s->user->gateway;
	const char *local = ROOM_KEPT(s->room)->local;

	if (client) {
		write_presence(g, local, client, o, news, o->seat == s, false);
		return;
	}
	for (struct room_client *c = SEAT_KEPT(s)->clients; c; c = c->hh.next)
		write_presence(g, local, c->jid, o, news, o->seat == s, false);
}

void
room_show(struct gateway_room *r, const struct occupant *o, const struct room_news *news)
{
	LIST_EACH(pos, &ROOM_KEPT(r)->seats) {
		struct gateway_seat_kept *k = LIST_ENTRY(pos, struct gateway_seat_kept, in_room);

		if (k->s.in)
			room_show_to(&k->s, o, news, NULL);
	}
}

void
room_show_all(struct gateway_seat *s, const char *client, bool renamed)
{
	struct gateway_room_kept *r = ROOM_KEPT(s->room);
	struct room_news none = { .gone = false };
	struct occupant *own = NULL;

	for (struct occupant *o = r->occupants; o; o = o->hh.next) {
		if (o->seat == s)
			own = o;
		else
			write_presence(s->user->gateway, r->local, client, o, &none, false, false);
	}
	if (own)
		write_presence(s->user->gateway, r->local, client, own, &none, true, renamed);
	room_show_topic(s->room, client);
}

void
room_show_topic(struct gateway_room *room, const char *client)
{
	struct gateway_room_kept *r = ROOM_KEPT(room);
	struct gateway *g = room->gateway;
	struct buf b = { 0 };
	char stamp[32], id[33];

	write_text(&b, "subject", NULL, r->topic ? r->topic : "");
	if (r->topic_us) {
		buf_addf(&b, "<delay xmlns='%s'", NS_DELAY);
		write_attr(&b, "stamp", clock_format(r->topic_us, stamp));
		buf_adds(&b, "/>");
	}
	buf_addf(&b, "<foreign xmlns='" NS_GATEWAY_TEXT "' kind='%s'", g->net->kind);
	write_attr(&b, "network", g->start.name);
	write_attr(&b, "address", r->topic_by ? r->topic_by : r->address);
	buf_adds(&b, "/>");
	random_id(id);
	room_say(room, &(struct room_words){ .nick = r->topic_by, .id = id, .inner = &b, .dated = r->topic_us != 0 }, client);
	buf_fini(&b);
}

void
room_refuse(struct gateway_seat *s, enum xerror e, const char *text)
{
	struct gateway *g = s->user->gateway;
	char *words = gateway_text_clean(text, 1000, true);

	for (struct room_client *c = SEAT_KEPT(s)->clients; c; c = c->hh.next) {
		struct buf *b = write_start(g, "presence", ROOM_KEPT(s->room)->local, s->nick, c->jid, "error", NULL);

		buf_addf(b, "<x xmlns='%s'/><error type='%s'><%s xmlns='%s'/>", NS_MUC, xerror_type(e), xerror_name(e), NS_STANZA_ERRORS);
		write_text(b, "text", NS_STANZA_ERRORS, words);
		buf_adds(b, "</error>");
		write_send(g, "presence", NULL, NULL);
	}
	free(words);
}

const char *
room_listener(struct gateway *g, const char *address, unsigned nth)
{
	struct gateway_room *r = gateway_room_find(g, address);

	if (!r)
		return NULL;
	LIST_EACH(pos, &ROOM_KEPT(r)->seats) {
		struct gateway_seat *s = &LIST_ENTRY(pos, struct gateway_seat_kept, in_room)->s;

		if (s->in && !nth--)
			return jid_bare(s->user->jid);
	}
	return NULL;
}

void
room_hear(struct gateway *g, const struct incoming_head *h, const struct gateway_incoming *in, const char *url, const char *name)
{
	struct gateway_room *r = gateway_room_find(g, h->from);
	struct buf inner = { 0 };

	/* Nobody is in it any more. */
	if (!r) {
		if (in->stored)
			in->stored(in->arg, XERROR_NONE, NULL);
		return;
	}
	incoming_write_text(g, &inner, in, url);
	write_foreign(g, &inner, in, in->id);
	room_say(r, &(struct room_words){ .nick = h->nick, .id = h->id, .inner = &inner, .dated = incoming_is_late(in->at_us), .file = url ? name ? name : "without a name" : NULL,
		.stored = in->stored, .arg = in->arg }, NULL);
	buf_fini(&inner);
}

int
gateway_room_receive(struct gateway_room *r, struct gateway_seat *by, const char *nick, const struct gateway_incoming *in)
{
	struct gateway *g = r->gateway;
	struct gateway_incoming full = *in;
	struct incoming_head h = { .from = r->address, .local = ROOM_KEPT(r)->local, .user = room_listener(g, r->address, 0) };
	struct occupant *o;
	char *clean, id[40];
	int result = 0;

	if (g->stopping)
		return -1;
	if (incoming_is_over(g)) {
		stats_count(&g->stats, "lines_lost", 1);
		return -1;
	}
	clean = gateway_text_clean(nick, 256, true);
	HASH_FIND_STR(ROOM_KEPT(r)->occupants, clean, o);
	if ((by && !gateway_seat_is_ear(by)) || (o && o->seat)) {
		/* Told by who is not asked, or said from here: shown already. */
		if (in->stored)
			in->stored(in->arg, XERROR_NONE, NULL);
		free(clean);
		return 0;
	}
	if (!full.foreign)
		full.foreign = o && o->foreign ? o->foreign : *clean ? clean : r->address;
	full.from = r->address;
	if (in->id)
		stable_id(id, r->address, clean, in->id);
	else
		random_id(id);
	stats_count(&g->stats, "received", 1);
	h.nick = clean;
	h.id = id;
	if (!h.user || !parcel_is_wanted(g, &h, in)) {
		room_hear(g, &h, &full, NULL, NULL);
	} else if (parcel_begin(g, &h, &full)) {
		stats_count(&g->stats, "lines_lost", 1);
		result = -1;
	}
	free(clean);
	return result;
}

void
room_reflect(struct gateway_seat *s, const struct gateway_message *m)
{
	struct buf inner = { 0 };
	bool file = m->kind == MESSAGE_FILE;

	write_text(&inner, "body", NULL, file && !m->body ? m->url : m->body);
	if (file) {
		buf_addf(&inner, "<x xmlns='%s'>", NS_OOB);
		write_text(&inner, "url", NULL, m->url);
		buf_adds(&inner, "</x>");
	}
	if (MESSAGE_KEPT(m)->origin) {
		buf_addf(&inner, "<origin-id xmlns='%s'", NS_SID);
		write_attr(&inner, "id", MESSAGE_KEPT(m)->origin);
		buf_adds(&inner, "/>");
	}
	room_say(s->room, &(struct room_words){ .nick = s->nick, .id = m->id, .inner = &inner, .file = file ? m->name : NULL }, NULL);
	buf_fini(&inner);
}
