/*
 * room: one room of --sessions occupants (XEP-0045). What is sent comes to every occupant once, in its sender's order, or the
 * program ends with 1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "client.h"

static char room[128];
static uint64_t entered, sent, copies;
static int inside;          /* of the sessions */
static uint64_t *due;       /* [session][sender]: the number that comes next */
static unsigned *arrived;   /* [sender][slot]: occupants that have that message */
static bool talking, rounds;
static uint64_t began;

static void
enter(struct session *s)
{
	say(s, "<presence to='%s/n%d'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>", room, s->index);
}

static void
leave(struct session *s)
{
	say(s, "<presence to='%s/n%d' type='unavailable'/>", room, s->index);
}

static void
send_message(struct session *from)
{
	char head[96];
	int n = snprintf(head, sizeof(head), "%x %d %" PRIu64 " %" PRIu64 " ", run_id, from->index, from->next_out, now_ns());
	int rest = opt.size > n ? opt.size - n : 0;

	say(from, "<message to='%s' type='groupchat' id='%x-%" PRIu64 "'><body>%s%.*s</body></message>", room, run_id,
	    from->next_out, head, rest, filler);
	from->next_out++;
	sent++;
}

/* A sender's place is free again when every occupant has the message. */
static void
on_copy(struct session *s, struct item it)
{
	const char *body = memmem(it.p, it.n, "<body>", 6);
	char *end;
	uint64_t number, at, now = now_ns();
	unsigned *slot;
	long sender;

	if (!body || strtoul(body + 6, &end, 16) != run_id)
		return;
	sender = strtol(end, &end, 10);
	number = strtoull(end, &end, 10);
	at = strtoull(end, &end, 10);
	if (sender < 0 || sender >= opt.senders || number != due[s->index * opt.senders + sender])
		die("%s: message %" PRIu64 " of n%ld came where another was due", s->jid, number, sender);
	due[s->index * opt.senders + sender]++;
	copies++;
	if (measuring)
		sample_add(now - at);
	slot = &arrived[sender * opt.window + (long)(number % (unsigned)opt.window)];
	if (++*slot < (unsigned)load.sessions)
		return;
	*slot = 0;
	if (talking)
		send_message(&load.session[sender]);
}

/* The subject is what comes last on entering (§7.2.15). */
static void
on_message(struct session *s, struct item it)
{
	char type[16];

	if (!strcmp(item_attribute(it, "type", type, sizeof(type)), "error"))
		die("%s: a message came back: %.*s", s->jid, it.n > 500 ? 500 : (int)it.n, it.p);
	if (!item_has(it, "<subject") || item_has(it, "<body>")) {
		on_copy(s, it);
		return;
	}
	if (!rounds) {
		inside++;
		return;
	}
	if (measuring)
		sample_add(now_ns() - began);
	entered++;
	leave(s);
	began = now_ns();
	enter(s);
}

static int wanted;

static bool
all_inside(void)
{
	return inside == wanted;
}

static bool
all_there(void)
{
	return copies == sent * (uint64_t)load.sessions;
}

/* One after the other: who enters sees those before. */
static void
fill(int n)
{
	for (int i = 0; i < n; i++) {
		enter(&load.session[i]);
		wanted = i + 1;
		if ((i % 20 == 0 || wanted == n) && !pump(PATIENCE, all_inside))
			die("%d of %d are in the room", inside, n);
		if (!i) { /* §10.1.2: open to others from now on */
			say(&load.session[0], "<iq type='set' id='open' to='%s'><query xmlns='http://jabber.org/protocol/muc#owner'>"
			    "<x xmlns='jabber:x:data' type='submit'/></query></iq>", room);
			pump(0.5, NULL);
		}
	}
}

static void
prepare(void)
{
	snprintf(room, sizeof(room), "bench%x@conference.%s", run_id, load.domain);
	due = calloc((size_t)load.sessions * (size_t)opt.senders, sizeof(*due));
	arrived = calloc((size_t)opt.senders * (size_t)opt.window, sizeof(*arrived));
	if (!due || !arrived)
		die("no memory");
	load.on_message = on_message;
	bring_up();
}

static void
empty(void)
{
	for (int i = 0; i < load.sessions; i++)
		leave(&load.session[i]);
	pump(1, NULL);
	end_all();
	free(due);
	free(arrived);
}

void
measure_room(void)
{
	struct usage a, b;

	prepare();
	fill(load.sessions);
	talking = true;
	for (int w = 0; w < opt.window; w++)
		for (int i = 0; i < opt.senders; i++)
			send_message(&load.session[i]);
	measure(&copies, &a, &b);
	talking = false;
	if (!pump(PATIENCE, all_there))
		die("%" PRIu64 " copies of %" PRIu64 " did not arrive", sent * (uint64_t)load.sessions - copies, sent);
	usage_print(&a, &b, "copy");
	printf("sent %" PRIu64 "\ncopies %" PRIu64 "\n", sent, copies);
	empty();
}

void
measure_enter(void)
{
	struct usage a, b;

	prepare();
	fill(load.sessions - 1);
	rounds = true;
	began = now_ns();
	enter(&load.session[load.sessions - 1]);
	measure(&entered, &a, &b);
	rounds = false;
	pump(1, NULL);
	usage_print(&a, &b, "entering");
	empty();
}
