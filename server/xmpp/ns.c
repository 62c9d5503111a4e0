/*
 * ns: the namespaces of ns.h as arrays, and the look-up of namespaces and names that are known.
 *
 * The parser looks up each name it meets, so this is on every stanza's way: a hash of a few bytes
 * into a table of one-byte indices that is filled once, before main, and never changes.
 */
#include "xmpp/ns.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define NS_DEFINE(id, uri) const char id[] = uri;
NS_TABLE(NS_DEFINE)
#undef NS_DEFINE

#define SLOTS 1024 /* well over twice the words of the longer table */

struct word {
	const char *s;
	size_t n;
};

struct words {
	const struct word *list;
	size_t count;
	uint16_t *slots; /* index + 1; 0 is free */
};

static const char none[] = "";

static const struct word namespaces[] = {
#define NS_WORD(id, uri) {id, sizeof(uri) - 1},
	NS_TABLE(NS_WORD)
#undef NS_WORD
};

/* clang-format off */
#define W(s) { s, sizeof(s) - 1 }
static const struct word names[] = {
	/* stanzas and their attributes */
	W("message"), W("presence"), W("iq"), W("to"), W("from"), W("id"), W("type"), W("lang"),
	W("body"), W("subject"), W("thread"), W("parent"), W("error"), W("text"), W("by"), W("code"),
	W("show"), W("status"), W("priority"),
	/* streams, TLS, SASL, binding */
	W("stream"), W("features"), W("version"), W("starttls"), W("proceed"), W("failure"),
	W("required"), W("optional"), W("mechanisms"), W("mechanism"), W("auth"), W("challenge"),
	W("response"), W("success"), W("abort"), W("sasl-channel-binding"), W("channel-binding"),
	W("bind"), W("resource"), W("jid"), W("session"), W("sub"), W("ver"),
	/* stream management */
	W("sm"), W("enable"), W("enabled"), W("resume"), W("resumed"), W("failed"), W("r"), W("a"),
	W("h"), W("max"), W("location"), W("previd"),
	/* roster */
	W("query"), W("item"), W("group"), W("name"), W("subscription"), W("ask"), W("approved"),
	/* discovery, capabilities, forms, paging */
	W("identity"), W("feature"), W("var"), W("category"), W("node"), W("c"), W("hash"), W("ext"),
	W("x"), W("field"), W("value"), W("option"), W("label"), W("title"), W("instructions"),
	W("reported"), W("desc"), W("set"), W("first"), W("last"), W("after"), W("before"),
	W("index"), W("count"),
	/* what comes with messages */
	W("active"), W("inactive"), W("composing"), W("paused"), W("gone"), W("delay"), W("stamp"),
	W("request"), W("received"), W("markable"), W("displayed"), W("acknowledged"),
	W("stanza-id"), W("origin-id"), W("occupant-id"), W("store"), W("no-store"), W("no-copy"),
	W("no-permanent-store"), W("replace"), W("retract"), W("retracted"), W("reactions"),
	W("reaction"), W("apply-to"), W("reply"), W("fallback"), W("start"), W("end"), W("url"),
	W("nick"), W("html"), W("p"), W("span"), W("addresses"), W("address"), W("forwarded"),
	W("sent"), W("private"), W("result"), W("fin"), W("complete"), W("queryid"),
	W("reference"), W("uri"), W("begin"), W("attention"), W("invite"), W("reason"),
	W("encrypted"), W("encryption"), W("namespace"), W("header"), W("key"), W("iv"),
	W("payload"), W("rid"), W("sid"), W("prekey"), W("kex"), W("keys"),
	/* small services */
	W("ping"), W("time"), W("tzo"), W("utc"), W("os"), W("seconds"), W("vCard"), W("photo"),
	W("PHOTO"), W("TYPE"), W("BINVAL"), W("FN"), W("N"), W("NICKNAME"), W("pubsub"),
	W("items"), W("publish"), W("event"), W("subscribe"), W("create"), W("configure"),
	W("publish-options"), W("data"), W("metadata"), W("bytes"), W("width"), W("height"),
	W("affiliation"), W("role"), W("actor"), W("history"), W("password"), W("block"),
	W("unblock"), W("blocklist"), W("enable-session"), W("slot"), W("put"), W("get"),
	W("filename"), W("size"), W("content-type"), W("command"), W("action"), W("actions"),
	/* conditions of stanza errors (RFC 6120 §8.3.3) */
	W("bad-request"), W("conflict"), W("feature-not-implemented"), W("forbidden"),
	W("internal-server-error"), W("item-not-found"), W("jid-malformed"), W("not-acceptable"),
	W("not-allowed"), W("not-authorized"), W("policy-violation"), W("recipient-unavailable"),
	W("redirect"), W("registration-required"), W("remote-server-not-found"),
	W("remote-server-timeout"), W("resource-constraint"), W("service-unavailable"),
	W("subscription-required"), W("undefined-condition"), W("unexpected-request"),
};
#undef W
/* clang-format on */

static uint16_t namespace_slots[SLOTS], name_slots[SLOTS];

static const struct words known_namespaces = {namespaces, sizeof(namespaces) / sizeof(*namespaces),
					      namespace_slots};
static const struct words known_names = {names, sizeof(names) / sizeof(*names), name_slots};

/* The ends and the middle tell the words apart; both tables are ours, so no peer can choose what
 * is in them, and a long run of misses costs one comparison of lengths each. */
static unsigned
word_hash(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned h = (unsigned)n * 73U + u[0] * 7U + u[n - 1] * 131U + u[n / 2] * 31U +
		     u[n - 1 - n / 4] * 509U;

	return (h ^ (h >> 9)) % SLOTS;
}

static const char *
words_find(const struct words *w, const char *s, size_t n)
{
	if (n == 0)
		return NULL;
	for (unsigned h = word_hash(s, n); w->slots[h] != 0; h = (h + 1) % SLOTS) {
		const struct word *x = &w->list[w->slots[h] - 1];

		if (x->n == n && memcmp(x->s, s, n) == 0)
			return x->s;
	}
	return NULL;
}

static void
words_fill(const struct words *w)
{
	static_assert(sizeof(names) / sizeof(*names) < SLOTS / 2, "SLOTS is too small");
	static_assert(sizeof(namespaces) / sizeof(*namespaces) < SLOTS / 2, "SLOTS is too small");
	for (size_t i = 0; i < w->count; i++) {
		unsigned h = word_hash(w->list[i].s, w->list[i].n);

		while (w->slots[h] != 0)
			h = (h + 1) % SLOTS;
		w->slots[h] = (uint16_t)(i + 1);
	}
}

/* Before main, so that no look-up has to ask whether the tables are there. */
__attribute__((constructor)) static void
ns_fill(void)
{
	words_fill(&known_namespaces);
	words_fill(&known_names);
}

const char *
ns_intern_n(const char *uri, size_t n)
{
	return n == 0 ? none : words_find(&known_namespaces, uri, n);
}

const char *
ns_intern(const char *uri)
{
	return ns_intern_n(uri, strlen(uri));
}

const char *
ns_intern_name_n(const char *name, size_t n)
{
	return words_find(&known_names, name, n);
}

const char *
ns_intern_name(const char *name)
{
	return ns_intern_name_n(name, strlen(name));
}
