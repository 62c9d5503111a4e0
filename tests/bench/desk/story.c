/*
 * story: see story.h.
 */
#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "chance.h"
#include "store/record_kind.h"
#include "words.h"

#define CONTACTS 50
#define ROOMS_EACH 8
#define ACTIVITY_SHIFT 40.0 /* the one who says most says some fifty times as much as the one who says least */
#define ADDRESS_ROOM 96
#define ID_ROOM 40
#define ELSEWHERE 64        /* people at other servers */

/* What somebody, or a room, has heard or said last: it can be corrected, answered or confirmed. */
struct said {
	bool there;
	uint32_t by, to;
	uint64_t id, index;
};

struct person {
	char bare[ADDRESS_ROOM];
	uint32_t room[ROOMS_EACH];
	bool inside[ROOMS_EACH];
	struct said heard, spoke;
};

struct room {
	char bare[ADDRESS_ROOM];
	struct said last;
};

struct story {
	struct chance c;
	struct chance_table active;
	struct words *words;
	uint32_t npeople, nrooms;
	struct person *person;
	struct room *room;
	char elsewhere[ELSEWHERE][ADDRESS_ROOM];
	/* Of the record that is told. */
	struct buf body, stanza;
	char client_id[ID_ROOM], refers_to[ID_ROOM], at_room[ADDRESS_ROOM + 16];
};

/* Everybody's rooms are of all sizes, the first ones the fullest. */
static void
make_people(struct story *s, const char *domain)
{
	for (uint32_t i = 0; i < s->npeople; i++) {
		struct person *p = &s->person[i];

		snprintf(p->bare, sizeof(p->bare), "p%u@%s", i, domain);
		for (uint32_t k = 0; k < ROOMS_EACH; k++) {
			uint32_t far = chance_below(&s->c, s->nrooms);

			p->room[k] = (uint32_t)((uint64_t)far * far / s->nrooms);
		}
	}
	for (uint32_t i = 0; i < s->nrooms; i++)
		snprintf(s->room[i].bare, sizeof(s->room[i].bare), "room%u@conference.%s", i, domain);
	for (uint32_t i = 0; i < ELSEWHERE; i++)
		snprintf(s->elsewhere[i], sizeof(s->elsewhere[i]), "x%u@partner%u.example.org", i, i % 8);
}

struct story *
story_new(const char *domain, uint32_t people, uint32_t rooms)
{
	struct story *s = NEW(struct story);

	s->npeople = people;
	s->nrooms = rooms;
	s->person = mem_zalloc(people * sizeof(*s->person));
	s->room = mem_zalloc(rooms * sizeof(*s->room));
	s->words = words_new();
	chance_zipf(&s->active, people, ACTIVITY_SHIFT);
	make_people(s, domain);
	return s;
}

void
story_free(struct story *s)
{
	words_free(s->words);
	chance_fini(&s->active);
	free(s->person);
	free(s->room);
	buf_fini(&s->body);
	buf_fini(&s->stanza);
	free(s);
}

/* What a client calls its message. */
static void
id_of(uint64_t index, char out[ID_ROOM])
{
	uint64_t a = chance_mix(index), b = chance_mix(~index);

	snprintf(out, ID_ROOM, "%08x-%04x-4%03x-%04x-%012" PRIx64, (uint32_t)a, (unsigned)(a >> 32 & 0xffff), (unsigned)(a >> 48 & 0xfff),
		(unsigned)((b & 0x3fff) | 0x8000), b >> 16);
}

static void
ends(struct leaf_record *r, const char *from, const char *resource, const char *to, const char *type)
{
	r->is.text[CANONICAL_FROM_BARE] = from;
	r->is.text[CANONICAL_FROM_RESOURCE] = resource;
	r->is.text[CANONICAL_TO_BARE] = to;
	r->is.text[CANONICAL_TYPE] = type;
}

/* The stanza, with what is in it besides the body. */
static void
put_stanza(struct story *s, struct leaf_record *r, const char *from, const char *inner)
{
	buf_addf(&s->stanza, "<message xml:lang='en' to='%s' from='%s' type='%s' id='%s'><active xmlns='http://jabber.org/protocol/chatstates'/>"
		"<origin-id xmlns='urn:xmpp:sid:0' id='%s'/>%s", r->is.text[CANONICAL_TO_BARE], from, r->is.text[CANONICAL_TYPE], s->client_id, s->client_id,
		inner);
	if (buf_len(&s->body)) {
		buf_addf(&s->stanza, "<body>%s</body>", buf_str(&s->body));
		r->is.text[CANONICAL_BODY] = buf_str(&s->body);
	}
	buf_adds(&s->stanza, "</message>");
	r->is.text[CANONICAL_CLIENT_ID] = s->client_id;
}

/* A message, or with something to refer to a correction or a reaction. The kind, and what is inside. */
static const char *
choose_kind(struct story *s, struct leaf_record *r, const struct said *last, uint32_t by, bool in_room)
{
	static char inner[200];
	uint32_t dice = chance_below(&s->c, 1000);

	r->is.kind = RECORD_MESSAGE;
	if (!last->there || dice >= 90)
		return words_say(s->words, &s->c, &s->body), "";
	id_of(last->index, s->refers_to);
	if (last->by == by && dice < 60) {
		r->is.kind = RECORD_CORRECTION;
		words_say(s->words, &s->c, &s->body);
		snprintf(inner, sizeof(inner), "<replace xmlns='urn:xmpp:message-correct:0' id='%s'/>", s->refers_to);
	} else if (last->by != by && dice < 50) {
		r->is.kind = RECORD_REACTION;
		if (in_room)
			snprintf(s->refers_to, sizeof(s->refers_to), "%" PRIu64, last->id);
		snprintf(inner, sizeof(inner), "<reactions xmlns='urn:xmpp:reactions:0' id='%s'><reaction>\xf0\x9f\x91\x8d</reaction></reactions>", s->refers_to);
	} else if (!in_room && last->by != by) {
		r->is.kind = RECORD_RECEIPT;
		snprintf(inner, sizeof(inner), "<received xmlns='urn:xmpp:receipts' id='%s'/>", s->refers_to);
	} else {
		return words_say(s->words, &s->c, &s->body), "";
	}
	r->is.text[CANONICAL_REFERS_TO] = s->refers_to;
	return inner;
}

/* Comes into a room, or leaves it. */
static void
cross(struct story *s, struct leaf_record *r, uint32_t who, uint32_t k)
{
	struct person *p = &s->person[who];
	const struct room *room = &s->room[p->room[k]];

	p->inside[k] = !p->inside[k];
	r->is.kind = p->inside[k] ? RECORD_ROOM_ENTER : RECORD_ROOM_LEAVE;
	ends(r, p->bare, "phone", room->bare, NULL);
	buf_addf(&s->stanza, "<presence from='%s/nick%u' to='%s/phone'%s><x xmlns='http://jabber.org/protocol/muc#user'/></presence>", room->bare, who,
		p->bare, p->inside[k] ? "" : " type='unavailable'");
}

static void
tell_room(struct story *s, uint64_t id, uint64_t index, struct leaf_record *r, uint32_t who)
{
	struct person *p = &s->person[who];
	uint32_t k = chance_below(&s->c, ROOMS_EACH);
	struct room *room = &s->room[p->room[k]];
	const char *inner;

	/* Who is not there has to come first; and now and then somebody goes. */
	if (!p->inside[k] || !chance_below(&s->c, 12)) {
		cross(s, r, who, k);
		return;
	}
	ends(r, p->bare, "phone", room->bare, "groupchat");
	inner = choose_kind(s, r, &room->last, who, true);
	snprintf(s->at_room, sizeof(s->at_room), "%s/nick%u", room->bare, who);
	put_stanza(s, r, s->at_room, inner);
	r->shown = r->recipient_only = true;
	if (r->is.kind == RECORD_MESSAGE)
		room->last = (struct said){ .there = true, .by = who, .id = id, .index = index };
}

static void
tell_elsewhere(struct story *s, struct leaf_record *r, uint32_t who)
{
	const char *other = s->elsewhere[chance_below(&s->c, ELSEWHERE)], *here = s->person[who].bare;
	bool in = chance_below(&s->c, 2);

	r->is.kind = RECORD_MESSAGE;
	r->is.direction = in ? 1 : 2;
	ends(r, in ? other : here, in ? "desk" : "phone", in ? here : other, "chat");
	words_say(s->words, &s->c, &s->body);
	put_stanza(s, r, r->is.text[CANONICAL_FROM_BARE], "");
	r->shown = true;
}

static void
tell_person(struct story *s, uint64_t id, uint64_t index, struct leaf_record *r, uint32_t who)
{
	struct person *p = &s->person[who], *other;
	uint32_t far = chance_below(&s->c, CONTACTS * CONTACTS), to = (who + 1 + far * far / (CONTACTS * CONTACTS * CONTACTS)) % s->npeople;
	const struct said *last = &(struct said){ 0 };

	/* Half of what people say is to who spoke to them last, and some of it was meant otherwise. */
	if (p->heard.there && chance_below(&s->c, 2)) {
		last = &p->heard;
		to = last->by;
	} else if (p->spoke.there && !chance_below(&s->c, 5)) {
		last = &p->spoke;
		to = last->to;
	}
	other = &s->person[to];
	ends(r, p->bare, "phone", other->bare, "chat");
	put_stanza(s, r, p->bare, choose_kind(s, r, last, who, false));
	r->is.deliverable = r->shown = true;
	if (r->is.kind == RECORD_MESSAGE)
		other->heard = p->spoke = (struct said){ .there = true, .by = who, .to = to, .id = id, .index = index };
}

void
story_tell(struct story *s, uint64_t id, uint64_t index, struct leaf_record *r)
{
	uint32_t who = chance_draw(&s->c, &s->active), dice = chance_below(&s->c, 100);

	buf_clear(&s->body);
	buf_clear(&s->stanza);
	id_of(index, s->client_id);
	*r = (struct leaf_record){ .is = { .id = id, .log_index = index, .at_us = (int64_t)id } };
	if (dice < 30)
		tell_room(s, id, index, r, who);
	else if (dice < 35)
		tell_elsewhere(s, r, who);
	else
		tell_person(s, id, index, r, who);
	r->is.text[CANONICAL_STANZA] = buf_str(&s->stanza);
	r->stanza_len = buf_len(&s->stanza);
}
