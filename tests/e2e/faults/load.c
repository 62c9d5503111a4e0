/*
 * load: pairs of clients that talk under stream management, and a log of what each of them saw.
 *
 *     load --port P --domain D --ca FILE --log FILE --pairs N [--window W] [--rate R] [--run NAME] [--peer-port P --peer-domain D]
 *
 * In pair i, the account s<i> sends numbered messages to the account r<i> (passwords: `pw-` and the name), which with --peer-domain is
 * at another server. A client
 * whose stream dies comes back at once: it resumes its session where it can; else the sender begins a new one and
 * sends again, in order and with the same ids, all that was not acknowledged. What was acknowledged is never sent
 * again. Which of its sessions (XEP-0198: from <enabled/> on) a sender was in is part of the body, so that the record
 * tells a client's own repetition from a server's.
 *
 * The log, one event a line: monotonic time in ms, pair, what, and
 *     s SEQ INST                 the message was given to the socket
 *     a SEQ INST                 <a/> covers it
 *     e SEQ INST TYPE CONDITION  it came back as an error
 *     d SEQ INST STANZA-ID RINST it arrived, in the receiver's session RINST
 *     n ROLE INST                a new session began          m ROLE INST     a session was resumed
 *     x ROLE WHY                 the stream ended
 *
 * Commands on standard input, a line each: pause, go, cut (all connections break), status (answered on standard
 * output), quit.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

#define RETRY_MS 100
#define TURN_MS 5
#define WINDOW_MAX 256
#define PADDING "................................................................................"

enum step { STEP_AUTH, STEP_FEATURES, STEP_RESUME, STEP_BIND, STEP_ENABLE, STEP_READY };

struct pair;

struct client {
	struct stream stream;
	struct pair *pair;
	char role; /* s or r */
	enum step step;
	char smid[64];
	unsigned inst;   /* sessions so far */
	uint32_t in;     /* heard in this session */
	uint32_t acked;  /* sender: of this session */
	bool asked;      /* sender: an <r/> is out */
	int64_t next_ms; /* not before: connecting */
};

struct pair {
	unsigned n;
	struct client sender, receiver;
	uint64_t queue[WINDOW_MAX]; /* not acknowledged, oldest first */
	unsigned nqueue;
	uint64_t next_seq;
};

static struct {
	struct stream_world world;
	const char *run, *peer_domain;
	int peer_port;
	struct pair *pair;
	unsigned npairs, window, rate;
	bool paused, quit;
	FILE *log;
	int64_t now_ms, begin_ms;
	uint64_t sent, acked, errors, delivered, allowance_base;
} load = {.world = {.host = "127.0.0.1"}, .run = "k", .npairs = 4, .window = 8};

static int64_t
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#define NOTE(pair_, ...) \
	(fprintf(load.log, "%" PRId64 " %u ", clock_ms(), (pair_)->n), fprintf(load.log, __VA_ARGS__))

/* Sending */

static void
transmit(struct pair *p, uint64_t seq)
{
	struct client *c = &p->sender;

	stream_printf(&c->stream,
		      "<message to='r%u@%s' type='chat' id='%s-%u-%" PRIu64
		      "'><body>%s %u %" PRIu64 " %u " PADDING "</body></message>",
		      p->n, load.peer_domain ? load.peer_domain : load.world.domain, load.run, p->n, seq, load.run, p->n, seq, c->inst);
	load.sent++;
	NOTE(p, "s %" PRIu64 " %u\n", seq, c->inst);
}

static void
ask(struct pair *p)
{
	if (!p->nqueue || p->sender.asked)
		return;
	stream_printf(&p->sender.stream, "<r xmlns='urn:xmpp:sm:3'/>");
	p->sender.asked = true;
}

static bool
rate_allows(void)
{
	return !load.rate || load.sent - load.allowance_base <
				     (uint64_t)(load.now_ms - load.begin_ms) * load.rate / 1000;
}

static void
fill(struct pair *p)
{
	if (p->sender.step != STEP_READY || p->sender.stream.broken)
		return;
	while (!load.paused && p->nqueue < load.window && rate_allows()) {
		p->queue[p->nqueue++] = p->next_seq;
		transmit(p, p->next_seq++);
	}
	ask(p);
}

static void
acknowledged(struct pair *p, uint32_t h)
{
	uint32_t n = h - p->sender.acked;

	if (n > p->nqueue) {
		NOTE(p, "! the server acknowledges %u of %u\n", n, p->nqueue);
		stream_fail(&p->sender.stream, "acknowledged more than was sent");
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		NOTE(p, "a %" PRIu64 " %u\n", p->queue[i], p->sender.inst);
	memmove(p->queue, p->queue + n, (p->nqueue - n) * sizeof(*p->queue));
	p->nqueue -= n;
	p->sender.acked = h;
	load.acked += n;
}

static void
send_again(struct pair *p)
{
	p->sender.asked = false;
	for (unsigned i = 0; i < p->nqueue; i++)
		transmit(p, p->queue[i]);
	fill(p);
}

/* Hearing */

static void
heard_message(struct client *c, const struct element *e)
{
	struct pair *p = c->pair;
	char run[16];
	unsigned n, inst;
	uint64_t seq;

	if (c->role == 's' && !strcmp(e->type, "error")) {
		const char *dash = strrchr(e->id, '-');

		NOTE(p, "e %s %u %s %s\n", dash ? dash + 1 : "?", c->inst, e->error_type,
		     e->condition);
		load.errors++;
	} else if (c->role == 'r' &&
		   sscanf(e->body, "%15s %u %" SCNu64 " %u", run, &n, &seq, &inst) == 4) {
		NOTE(p, "d %" PRIu64 " %u %s %u\n", seq, inst, e->stanza_id[0] ? e->stanza_id : "-",
		     c->inst);
		load.delivered++;
	} else {
		NOTE(p, "! %c heard a strange message, type %s id %s\n", c->role, e->type, e->id);
	}
}

static void
ready(struct client *c)
{
	c->step = STEP_READY;
	if (c->role == 's')
		send_again(c->pair);
}

static void
enabled(struct client *c, const struct element *e)
{
	snprintf(c->smid, sizeof(c->smid), "%s", e->smid);
	c->in = c->acked = 0;
	c->inst++;
	NOTE(c->pair, "n %c %u\n", c->role, c->inst);
	if (c->role == 'r')
		stream_printf(&c->stream, "<presence/>");
	ready(c);
}

static void
resumed(struct client *c, const struct element *e)
{
	NOTE(c->pair, "m %c %u\n", c->role, c->inst);
	if (c->role == 's')
		acknowledged(c->pair, e->h);
	ready(c);
}

static void
bind_resource(struct client *c)
{
	c->smid[0] = '\0';
	c->step = STEP_BIND;
	stream_printf(
		&c->stream,
		"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
}

static void
authenticate(struct client *c)
{
	char plain[64], b64[128];
	int n = snprintf(plain, sizeof(plain), "%c%c%u%cpw-%c%u", 0, c->role, c->pair->n, 0,
			 c->role, c->pair->n);

	EVP_EncodeBlock((unsigned char *)b64, (unsigned char *)plain, n);
	stream_printf(&c->stream,
		      "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
		      b64);
}

static void
features(struct client *c)
{
	if (c->step == STEP_AUTH) {
		authenticate(c);
	} else if (c->smid[0]) {
		c->step = STEP_RESUME;
		stream_printf(&c->stream, "<resume xmlns='urn:xmpp:sm:3' h='%u' previd='%s'/>", c->in,
			      c->smid);
	} else {
		bind_resource(c);
	}
}

/* Answers to what we asked at login. */
static void
negotiate(struct client *c, const struct element *e)
{
	if (!strcmp(e->name, "stream:features")) {
		features(c);
	} else if (!strcmp(e->name, "success") && c->step == STEP_AUTH) {
		c->step = STEP_FEATURES;
		stream_reopen(&c->stream);
	} else if (!strcmp(e->name, "resumed") && c->step == STEP_RESUME) {
		resumed(c, e);
	} else if (!strcmp(e->name, "failed") && c->step == STEP_RESUME) {
		bind_resource(c);
	} else if (!strcmp(e->name, "iq") && c->step == STEP_BIND && !strcmp(e->type, "result")) {
		c->step = STEP_ENABLE;
		stream_printf(&c->stream, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
	} else if (!strcmp(e->name, "enabled") && c->step == STEP_ENABLE) {
		enabled(c, e);
	} else {
		stream_fail(&c->stream, e->condition[0] ? e->condition : "login failed");
	}
}

static void
on_element(struct stream *s, const struct element *e)
{
	struct client *c = s->owner;

	if (!strcmp(e->name, "stream:error")) {
		stream_fail(s, e->condition);
	} else if (c->step != STEP_READY) {
		negotiate(c, e);
	} else if (!strcmp(e->name, "r")) {
		stream_printf(s, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->in);
	} else if (!strcmp(e->name, "a") && c->role == 's') {
		c->asked = false;
		acknowledged(c->pair, e->h);
		fill(c->pair);
	} else if (!strcmp(e->name, "message") || !strcmp(e->name, "presence") ||
		   !strcmp(e->name, "iq")) {
		c->in++;
		if (e->name[0] == 'm')
			heard_message(c, e);
	}
}

static void
on_open(struct stream *s)
{
	((struct client *)s->owner)->step = STEP_AUTH;
}

static void
on_lost(struct stream *s, const char *why)
{
	struct client *c = s->owner;

	if (c->step == STEP_READY || strcmp(why, "not connected"))
		NOTE(c->pair, "x %c %s\n", c->role, why);
	c->step = STEP_AUTH;
	c->next_ms = load.now_ms + RETRY_MS;
}

static const struct stream_ops ops = {on_open, on_element, on_lost};

/* Control */

static void
status(void)
{
	unsigned ready_n = 0, waiting = 0;

	for (unsigned i = 0; i < load.npairs; i++) {
		const struct pair *p = &load.pair[i];

		ready_n += (p->sender.step == STEP_READY) + (p->receiver.step == STEP_READY);
		waiting += p->nqueue;
	}
	fflush(load.log);
	printf("sent=%" PRIu64 " acked=%" PRIu64 " errors=%" PRIu64 " delivered=%" PRIu64
	       " ready=%u waiting=%u\n",
	       load.sent, load.acked, load.errors, load.delivered, ready_n, waiting);
	fflush(stdout);
}

static void
go(bool on)
{
	load.paused = !on;
	load.begin_ms = load.now_ms;
	load.allowance_base = load.sent;
}

static void
cut(void)
{
	for (unsigned i = 0; i < load.npairs; i++) {
		stream_cut(&load.pair[i].sender.stream);
		stream_cut(&load.pair[i].receiver.stream);
	}
}

static void
command(void)
{
	char line[256];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n <= 0) {
		load.quit = true;
		return;
	}
	line[n] = '\0';
	for (char *w = strtok(line, "\n"); w; w = strtok(NULL, "\n")) {
		if (!strcmp(w, "pause"))
			go(false);
		else if (!strcmp(w, "go"))
			go(true);
		else if (!strcmp(w, "cut"))
			cut();
		else if (!strcmp(w, "status"))
			status();
		else if (!strcmp(w, "quit"))
			load.quit = true;
	}
}

static void
client_init(struct client *c, struct pair *p, char role)
{
	c->stream.fd = -1;
	c->stream.owner = c;
	c->pair = p;
	c->role = role;
	if (role == 'r') {
		c->stream.domain = load.peer_domain;
		c->stream.port = load.peer_port;
	}
}

static void
connect_when_due(struct client *c)
{
	if (c->stream.state == STREAM_IDLE && load.now_ms >= c->next_ms)
		stream_connect(&c->stream);
}

static void
turn(void)
{
	bool said = stream_turn(STDIN_FILENO, TURN_MS);

	load.now_ms = clock_ms();
	if (said)
		command();
	for (unsigned i = 0; i < load.npairs; i++) {
		struct pair *p = &load.pair[i];

		connect_when_due(&p->receiver);
		connect_when_due(&p->sender);
		fill(p);
		stream_push(&p->sender.stream);
	}
}

static int
usage(void)
{
	fputs("usage: load --port P --domain D --ca FILE --log FILE [--pairs N] [--window W] [--rate R] [--run NAME]\n"
	      "            [--peer-port P --peer-domain D]\n",
	      stderr);
	return 2;
}

static int
arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, NULL, 'p'},   {"domain", 1, NULL, 'd'}, {"ca", 1, NULL, 'c'},
		{"log", 1, NULL, 'l'},    {"pairs", 1, NULL, 'n'},  {"window", 1, NULL, 'w'},
		{"rate", 1, NULL, 'r'},   {"run", 1, NULL, 'R'},    {"peer-port", 1, NULL, 'P'},
		{"peer-domain", 1, NULL, 'D'}, {0}};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'p': load.world.port = atoi(optarg); break;
		case 'd': load.world.domain = optarg; break;
		case 'c': load.world.ca = optarg; break;
		case 'l': load.log = fopen(optarg, "w"); break;
		case 'n': load.npairs = (unsigned)atoi(optarg); break;
		case 'w': load.window = (unsigned)atoi(optarg); break;
		case 'r': load.rate = (unsigned)atoi(optarg); break;
		case 'R': load.run = optarg; break;
		case 'P': load.peer_port = atoi(optarg); break;
		case 'D': load.peer_domain = optarg; break;
		default: return -1;
		}
	}
	return load.world.port && load.world.domain && load.world.ca && load.log && load.npairs &&
			       load.npairs <= 1000 && load.window && load.window <= WINDOW_MAX &&
			       strlen(load.run) <= 12 ?
		       0 :
		       -1;
}

int
main(int argc, char **argv)
{
	if (arguments(argc, argv) != 0)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	if (stream_start(&load.world, &ops) != 0) {
		fputs("load: no TLS\n", stderr);
		return 1;
	}
	load.pair = calloc(load.npairs, sizeof(*load.pair));
	load.now_ms = load.begin_ms = clock_ms();
	for (unsigned i = 0; load.pair && i < load.npairs; i++) {
		load.pair[i].n = i;
		client_init(&load.pair[i].sender, &load.pair[i], 's');
		client_init(&load.pair[i].receiver, &load.pair[i], 'r');
	}
	while (load.pair && !load.quit)
		turn();
	for (unsigned i = 0; load.pair && i < load.npairs; i++) {
		stream_free(&load.pair[i].sender.stream);
		stream_free(&load.pair[i].receiver.stream);
	}
	free(load.pair);
	return fclose(load.log) == 0 ? 0 : 1;
}
