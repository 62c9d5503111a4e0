/* What the record and histories make of a message: its kind, what it refers to, whether it is kept for reading again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/route/content.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define TEN "ten bytes "
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
	const char *inside;
	enum record_kind kind;
	bool shown;
	const char *body, *refers_to;
} cases[] = {
	{ "<body>Hi</body>", RECORD_MESSAGE, true, "Hi", NULL },
	{ "<subject>Verona</subject>", RECORD_MESSAGE, true, NULL, NULL },
	{ "<active xmlns='http://jabber.org/protocol/chatstates'/>", RECORD_TYPING, false, NULL, NULL },
	{ "<composing xmlns='http://jabber.org/protocol/chatstates'>words</composing>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<meet-me-at-five xmlns='http://jabber.org/protocol/chatstates'/>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<composing xmlns='http://jabber.org/protocol/chatstates' words='words'/>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<active xmlns='http://jabber.org/protocol/chatstates'/><origin-id xmlns='urn:xmpp:sid:0' id='o'/><thread parent='p'>t</thread>"
	  "<delay xmlns='urn:xmpp:delay' from='a@example.org' stamp='2026-01-01T00:00:00Z'/>", RECORD_TYPING, false, NULL, NULL },
	{ "<words xmlns='urn:xmpp:sid:0' id='o'/>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<origin-id xmlns='urn:xmpp:sid:0' id='o' words='words'/>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<origin-id xmlns='urn:xmpp:sid:0' id='" LONG "'/>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<thread words='words'>t</thread>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<origin-id xmlns='urn:xmpp:sid:0' id='meet me at five'/>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<active xmlns='http://jabber.org/protocol/chatstates'/><thread>meet me at five</thread>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<words xmlns='urn:xmpp:delay'/>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<x xmlns='urn:example:unknown'/>", RECORD_MESSAGE, false, NULL, NULL },
	{ "<x xmlns='urn:example:unknown'/><store xmlns='urn:xmpp:hints'/>", RECORD_MESSAGE, true, NULL, NULL },
	{ "<active xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>", RECORD_MESSAGE, true, NULL, NULL },
	{ "<body>Hi</body><no-store xmlns='urn:xmpp:hints'/>", RECORD_MESSAGE, false, "Hi", NULL },
	{ "<body>Hi</body><no-permanent-store xmlns='urn:xmpp:hints'/>", RECORD_MESSAGE, false, "Hi", NULL },
	{ "<body>Ho</body><replace xmlns='urn:xmpp:message-correct:0' id='a'/>", RECORD_CORRECTION, true, "Ho", "a" },
	{ "<body>gone</body><retract xmlns='urn:xmpp:message-retract:1' id='b'/>", RECORD_RETRACTION, true, "gone", "b" },
	{ "<reactions xmlns='urn:xmpp:reactions:0' id='c'><reaction>+</reaction></reactions>", RECORD_REACTION, true, NULL, "c" },
	{ "<received xmlns='urn:xmpp:receipts' id='d'/>", RECORD_RECEIPT, true, NULL, "d" },
	{ "<body>Hi</body><received xmlns='urn:xmpp:receipts' id='d'/>", RECORD_MESSAGE, true, "Hi", NULL },
};

static struct stanza *
message(const char *inside)
{
	struct parser_limits l = { .stanza_bytes = 65536, .token_bytes = 65536, .memory_bytes = 1 << 20, .depth = 64,
		.attributes = 64, .namespaces = 64 };
	struct buf xml = { 0 };
	struct stanza *st;

	buf_addf(&xml, "<message id='m1' type='groupchat'>%s</message>", inside);
	st = parser_one(buf_str(&xml), buf_len(&xml), NS_CLIENT, &l);
	assert_non_null(st);
	buf_fini(&xml);
	return st;
}

static void
assert_text(const char *is, const char *want)
{
	assert_int_equal(is != NULL, want != NULL);
	if (want)
		assert_string_equal(is, want);
}

static void
described(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stanza *st = message(cases[i].inside);
		struct record_entry e = { 0 };

		content_describe(st, TYPE_GROUPCHAT, st->arena, &e);
		assert_int_equal(e.kind, cases[i].kind);
		assert_int_equal(e.shown, cases[i].shown);
		assert_text(e.body, cases[i].body);
		assert_text(e.refers_to, cases[i].refers_to);
		assert_text(e.type, "groupchat");
		assert_text(e.client_id, "m1");
		stanza_unref(st);
	}
}

/* Nor do words travel past the record as attributes of the message itself. */
static void
attributes_of_the_message(void **state)
{
	static const struct {
		const char *attributes;
		bool any;
	} rows[] = {
		{ "to='a@example.org' from='b@example.org' id='i' type='chat' xml:lang='en'", false },
		{ "words='words'", true },
		{ "id='meet me at five'", true },
		{ "type='headline'", false },
		{ "type='meet-me-at-five'", true },
		{ "type=''", true },
		{ "to='a@example.org/some words' id='i'", false },
		{ "xmlns:w='urn:example:w' w:id='words'", true },
		{ "id='" LONG "'", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf xml = { 0 };
		struct stanza *st;

		buf_addf(&xml, "<message %s><active xmlns='http://jabber.org/protocol/chatstates' xml:lang='en'/></message>", rows[i].attributes);
		st = parser_one(buf_str(&xml), buf_len(&xml), NS_CLIENT, NULL);
		assert_non_null(st);
		assert_int_equal(content_is_any(st), rows[i].any);
		stanza_unref(st);
		buf_fini(&xml);
	}
}

/* What a peer calls a type of its own is in no record as one of ours ("audit"). */
static void
types(void **state)
{
	(void)state;
	assert_string_equal(packet_type_name(PACKET_MESSAGE, "audit"), "normal");
	assert_string_equal(packet_type_name(PACKET_MESSAGE, NULL), "normal");
	assert_string_equal(packet_type_name(PACKET_MESSAGE, "chat"), "chat");
	assert_string_equal(packet_type_name(PACKET_PRESENCE, "subscribe"), "subscribe");
	assert_null(packet_type_name(PACKET_PRESENCE, NULL));
}

static struct packet
presence(const char *type, const char *inside, struct jid *to)
{
	struct packet p = { .kind = PACKET_PRESENCE, .type = packet_type_parse(PACKET_PRESENCE, type), .to = to };
	struct buf xml = { 0 };

	buf_addf(&xml, "<presence id='p1' type='%s'>%s</presence>", type, inside);
	p.st = parser_one(buf_str(&xml), buf_len(&xml), NS_CLIENT, NULL);
	assert_non_null(p.st);
	buf_fini(&xml);
	return p;
}

/* Words that travel with a subscription, and no other presence. */
static void
subscriptions(void **state)
{
	static const struct {
		const char *type, *inside;
		bool recorded;
		const char *body;
	} rows[] = {
		{ "subscribe", "<status>May I?</status>", true, "May I?" },
		{ "subscribed", "<status>Yes</status>", true, "Yes" },
		{ "unsubscribe", "<x xmlns='urn:example:x'>farewell</x>", true, NULL },
		{ "unsubscribed", "words", true, NULL },
		{ "subscribe", "", false, NULL },
		{ NULL, "<status>Here</status>", false, NULL },
		{ "unavailable", "<status>Gone</status>", false, NULL },
		{ "probe", "<status>Where?</status>", false, NULL },
	};
	struct jid *to = jid_parse_z("juliet@capulet.lit");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet p = presence(rows[i].type, rows[i].inside, to);
		struct record_entry e = { 0 };

		assert_int_equal(content_is_recorded(&p, true), rows[i].recorded);
		if (rows[i].recorded) {
			content_describe(p.st, p.type, p.st->arena, &e);
			assert_int_equal(e.kind, RECORD_SUBSCRIPTION);
			assert_false(e.shown);
			assert_text(e.type, rows[i].type);
			assert_text(e.body, rows[i].body);
			assert_text(e.client_id, "p1");
		}
		stanza_unref(p.st);
	}
	jid_unref(to);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(described),
		cmocka_unit_test(attributes_of_the_message),
		cmocka_unit_test(types),
		cmocka_unit_test(subscriptions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
