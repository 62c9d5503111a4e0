/*
 * irc: a server that says anything, to a client that is in the midst of everything: all at once and in pieces the same happens, what the client says are
 * lines, what it tells is UTF-8 that XML can carry, and what it keeps is bounded.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "gateway_irc/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct irc_settings settings = {
	.version = "fuzz", .flood_burst = 100, .flood_ms = 1, .queue_lines = 200, .message_lines = 10, .ping_ms = 60000, .answer_ms = 30000,
	.login_ms = 20000, .line_bytes = 2048, .channels = 5, .members = 50, .watched = 3, .presence_ms = 1000, .charset = "CP1252",
};
static const struct irc_identity identity = {
	.nick = "romeo", .user = "romeo", .realname = "Romeo", .sasl = IRC_SASL_PLAIN, .account = "romeo", .password = "x",
};

struct seen {
	struct irc_client *client;
	struct buf events, out;
	bool says;     /* messages, when it is up */
	unsigned owed; /* of which so many have no answer */
};

static void
note_text(struct seen *s, const char *text, bool plain)
{
	if (!text)
		return;
	assert(text_is_utf8(text, strlen(text)));
	for (const char *p = text; plain && *p; p++)
		assert((unsigned char)*p >= 0x20 || *p == '\t');
	buf_adds(&s->events, text);
	buf_addc(&s->events, '|');
}

static void
note(void *arg, const struct irc_event *e)
{
	struct seen *s = arg;

	buf_addf(&s->events, "%d %u ", (int)e->kind, e->code);
	note_text(s, e->nick, false);
	note_text(s, e->other, false);
	note_text(s, e->text, e->kind == IRC_MESSAGE || e->kind == IRC_TOPIC);
	if (e->kind == IRC_ENTERED)
		e->channel->listen = true;
	if (e->kind == IRC_SENT || e->kind == IRC_FAILED) {
		assert(s->owed);
		s->owed--;
	}
	if (e->kind == IRC_UP && s->says) {
		struct err err;

		for (uint64_t ref = 1; ref <= 4; ref++)
			s->owed += !irc_client_say(s->client, ref, ref & 1 ? "#garden" : "juliet", IRC_PRIVMSG, "hello\nthere", &err);
	}
}

static void
check(struct seen *s)
{
	const struct irc_isupport *is = irc_client_isupport(s->client);
	unsigned n = 0;

	assert(is->linelen >= 512 && is->linelen <= 8192 && is->nicklen);
	assert(strlen(is->rank_modes) == strlen(is->rank_signs));
	for (const struct irc_channel *ch = irc_client_channels(s->client); ch; ch = ch->next, n++)
		assert(ch->n <= settings.members);
	assert(n <= settings.channels);
}

/* Lines, each of which ends as it must and has nothing else of that kind in it. */
static void
check_out(const struct buf *out)
{
	const char *p = buf_data(out), *end = p + buf_len(out), *lf;

	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		assert(lf && lf > p && lf[-1] == '\r');
		assert(!memchr(p, '\r', (size_t)(lf - p - 1)) && !memchr(p, '\0', (size_t)(lf - p)));
	}
}

static void
run(const uint8_t *data, size_t size, size_t step, bool says, struct seen *s)
{
	struct irc_people *people = irc_people_new();
	struct err err;
	int64_t now = 1000;
	char piece[4096];

	memset(s, 0, sizeof(*s));
	s->says = says;
	s->client = irc_client_new(&settings, &identity, people, note, s);
	assert(!irc_client_join(s->client, "#garden", NULL, NULL, &err));
	assert(!irc_client_join(s->client, "#balcony", "key", NULL, &err));
	for (const char *const *nick = (const char *const[]){ "juliet", "nurse", "tybalt", NULL }; *nick; nick++)
		assert(!irc_client_watch(s->client, *nick));
	irc_client_connected(s->client, true, now);
	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		if (n > sizeof(piece))
			n = step = sizeof(piece);
		memcpy(piece, data + at, n);
		irc_client_input(s->client, piece, n, now);
		if (says)
			irc_client_tick(s->client, now);
		check(s);
	}
	buf_add(&s->out, buf_data(irc_client_output(s->client)), buf_len(irc_client_output(s->client)));
	check_out(&s->out);
	/* Time passes: nothing is owed in the end. */
	for (int i = 0; i < 5; i++)
		irc_client_tick(s->client, now += 31000);
	irc_client_lost(s->client, "the end", now);
	assert(!s->owed);
	irc_client_free(s->client);
	assert(!irc_people_count(people));
	irc_people_free(people);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 7, 100 };
	struct seen whole, pieces;

	if (size > 65536)
		return 0;
	run(data, size, 4096, false, &whole);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		run(data, size, steps[i], false, &pieces);
		assert(buf_len(&whole.events) == buf_len(&pieces.events));
		assert(!memcmp(buf_str(&whole.events), buf_str(&pieces.events), buf_len(&whole.events)));
		buf_fini(&pieces.events);
		buf_fini(&pieces.out);
	}
	buf_fini(&whole.events);
	buf_fini(&whole.out);
	/* What a line says of our own messages depends on whether they were out by then. */
	run(data, size, 200, true, &pieces);
	buf_fini(&pieces.events);
	buf_fini(&pieces.out);
	return 0;
}
