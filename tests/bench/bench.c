/*
 * bench: gives a server one kind of load and prints what it cost, as lines of NAME VALUE.
 *
 * tests/bench/run starts the server, calls this program once for each measurement and makes the table;
 * README.md there says what the numbers mean. One thread with epoll. A login that fails, a message that
 * is lost, comes twice or out of order ends the program with exit code 1.
 */
#include <getopt.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "client.h"

struct options opt = {.window = 8, .size = 200, .rounds = 10, .senders = 10, .rate = 500, .warmup = 3, .seconds = 10};
bool measuring;
unsigned run_id;
char *filler;

static bool paced, talking, storming;
static uint64_t logins, sent, delivered;
static int next_index;

/* ---- messages -------------------------------------------------------------------------------- */

/* From the even session to the odd one after it. The body: run, number, time, filler up to --size. */
static void
send_message(struct session *from, uint64_t at)
{
	char head[96];
	int n = snprintf(head, sizeof(head), "%x %" PRIu64 " %" PRIu64 " ", run_id, from->next_out,
			 at);
	int rest = opt.size > n ? opt.size - n : 0;

	say(from,
	    "<message to='%s%d@%s' type='chat' id='%x-%" PRIu64 "'><body>%s%.*s</body></message>",
	    load.prefix, from->index + 1, domain_of(from + 1), run_id, from->next_out, head, rest, filler);
	from->next_out++;
	sent++;
}

static void
on_message(struct session *s, struct item it)
{
	char type[16], *end;
	const char *body = memmem(it.p, it.n, "<body>", 6);
	uint64_t number, at, now = now_ns();

	if (!strcmp(item_attribute(it, "type", type, sizeof(type)), "error"))
		die("%s: a message came back: %.*s", s->jid, it.n > 500 ? 500 : (int)it.n, it.p);
	/* Of an earlier run that ended before it had everything: none of ours. */
	if (!body || strtoul(body + 6, &end, 16) != run_id)
		return;
	number = strtoull(end, &end, 10);
	at = strtoull(end, &end, 10);
	if (number != s->next_in)
		die("%s: message %" PRIu64 " came where %" PRIu64 " was due", s->jid, number,
		    s->next_in);
	s->next_in++;
	delivered++;
	if (measuring)
		sample_add(now - at);
	if (talking && !paced)
		send_message(s - 1, now);
}

/* ---- the measurements ------------------------------------------------------------------------ */

static bool
all_up(void)
{
	return load.up == load.sessions;
}

static bool
all_gone(void)
{
	return load.up + load.busy == 0;
}

static bool
all_delivered(void)
{
	return delivered == sent;
}

static void
open_next(uint64_t now)
{
	(void)now;
	for (; next_index < load.sessions && load.busy < load.concurrency; next_index++)
		session_open(&load.session[next_index]);
}

void
bring_up(void)
{
	next_index = 0;
	load.on_turn = open_next;
	open_next(0);
	if (!pump(PATIENCE + load.sessions / 50.0, all_up))
		die("only %d of %d sessions came up", load.up, load.sessions);
	load.on_turn = NULL;
}

void
end_all(void)
{
	for (int i = 0; i < load.sessions; i++)
		if (load.session[i].step == UP)
			session_end(&load.session[i]);
	if (!pump(PATIENCE, all_gone))
		die("%d sessions do not end", load.up + load.busy);
}

/* Open loop: each message has its moment, and is late from there on whoever is to blame. */
static void
send_due(uint64_t now)
{
	static int next;

	for (; load.wake <= now; load.wake += (uint64_t)(SECOND / opt.rate)) {
		send_message(&load.session[next], load.wake);
		next = (next + 2) % load.sessions;
	}
}

static void
start_talking(void)
{
	talking = true;
	if (paced) {
		load.wake = now_ns();
		load.on_turn = send_due;
		return;
	}
	for (int w = 0; w < opt.window; w++)
		for (int i = 0; i < load.sessions; i += 2)
			send_message(&load.session[i], now_ns());
}

static void
stop_talking(void)
{
	talking = false;
	load.on_turn = NULL;
	load.wake = 0;
	if (!pump(PATIENCE, all_delivered))
		die("%" PRIu64 " of %" PRIu64 " messages did not arrive", sent - delivered, sent);
}

/* Warms up, then measures `seconds` of whatever goes on; *done counts it. */
void
measure(const uint64_t *done, struct usage *a, struct usage *b)
{
	pump(opt.warmup, NULL);
	*a = usage_now(opt.pid, opt.pg_pid, *done);
	measuring = true;
	pump(opt.seconds, NULL);
	measuring = false;
	*b = usage_now(opt.pid, opt.pg_pid, *done);
}

static void
measure_messages(void)
{
	struct usage a, b;

	load.on_message = on_message;
	bring_up();
	pump(1, NULL);
	start_talking();
	measure(&delivered, &a, &b);
	stop_talking();
	end_all();
	usage_print(&a, &b, "message");
	printf("sent %" PRIu64 "\ndelivered %" PRIu64 "\n", sent, delivered);
}

static void
measure_paced(void)
{
	paced = true;
	measure_messages();
}

static void
on_login(struct session *s)
{
	logins++;
	if (measuring)
		sample_add(now_ns() - s->began);
}

/* Whoever is up goes; the next accounts take the places that are free. */
static void
storm(uint64_t now)
{
	(void)now;
	for (int i = 0; i < load.sessions; i++)
		if (load.session[i].step == UP)
			session_end(&load.session[i]);
	for (int i = 0; storming && i < load.sessions && load.busy < load.concurrency; i++) {
		struct session *s = &load.session[next_index++ % load.sessions];

		if (s->step == FREE)
			session_open(s);
	}
}

static void
measure_login(void)
{
	struct usage a, b;

	/* Once all, so that each account's keys are derived before it counts. */
	bring_up();
	end_all();
	load.on_up = on_login;
	load.on_turn = storm;
	storming = true;
	storm(0);
	measure(&logins, &a, &b);
	storming = false;
	if (!pump(PATIENCE, all_gone))
		die("%d sessions do not end", load.up + load.busy);
	load.on_turn = NULL;
	usage_print(&a, &b, "login");
}

static void
measure_idle(void)
{
	double before = memory_now(opt.pid), up;
	struct usage a, b;

	bring_up();
	pump(opt.warmup, NULL);
	a = usage_now(opt.pid, opt.pg_pid, 0);
	up = memory_now(opt.pid);
	pump(opt.seconds, NULL);
	b = usage_now(opt.pid, opt.pg_pid, 0);
	if (!all_up())
		die("only %d of %d sessions stayed", load.up, load.sessions);
	printf("bytes_per_session %.0f\n", (up - before) / load.sessions);
	printf("bytes_before %.0f\nbytes_with_sessions %.0f\n", before, up);
	printf("idle_core_percent %.2f\n",
	       100 * (b.server - a.server) / ((double)(b.at - a.at) / 1e9));
	end_all();
}

/* Half of the clients say good-bye, the others vanish. */
static double
churn_round(int round)
{
	double memory;

	bring_up();
	for (int i = 0; i < load.sessions; i += 2)
		session_close(&load.session[i]);
	end_all();
	pump(1, NULL);
	memory = memory_now(opt.pid);
	printf("bytes_after_round_%d %.0f\n", round, memory);
	return memory;
}

/* As many rounds again go before: an allocator takes a while to have what it needs, and that is no leak. */
static void
measure_churn(void)
{
	double first = 0, last = 0;

	for (int round = 1; round <= 2 * opt.rounds; round++) {
		last = churn_round(round);
		if (round == opt.rounds)
			first = last;
	}
	printf("growth_bytes_per_connection %.1f\n", (last - first) / opt.rounds / load.sessions);
}

static const struct {
	const char *name;
	void (*measure)(void);
} modes[] = {{"messages", measure_messages},
	     {"paced", measure_paced},
	     {"login", measure_login},
	     {"idle", measure_idle},
	     {"churn", measure_churn},
	     {"room", measure_room},
	     {"enter", measure_enter}};

/* ---- start ----------------------------------------------------------------------------------- */

static void
usage(void)
{
	fputs("usage: bench messages|paced|login|idle|churn|room|enter --port P --ca FILE [--domain D] [--prefix NAME]\n"
	      "    [--password PW] [--sessions N] [--concurrency N] [--window N] [--size BYTES] [--rate N]\n"
	      "    [--rounds N] [--senders N] [--warmup S] [--seconds S] [--pid SERVER] [--pg-pid POSTMASTER]\n"
	      "    [--peer-domain D --peer-port P [--peer-pid SERVER] [--peer-pg-pid POSTMASTER]]\n"
	      "Sessions are those of the accounts NAME0, NAME1, ... which must exist; the odd ones at the peer when there is one.\n",
	      stderr);
	exit(2);
}

/* Options and where their values go: a text, a number, or a number that may have a fraction. */
static const struct {
	const char *name;
	const char **text;
	int *number;
	double *real;
} options[] = {
	{"port", .number = &load.port},
	{"ca", .text = &load.ca},
	{"domain", .text = &load.domain},
	{"peer-domain", .text = &load.peer_domain},
	{"peer-port", .number = &load.peer_port},
	{"peer-pid", .number = &opt.peer_pid},
	{"peer-pg-pid", .number = &opt.peer_pg_pid},
	{"prefix", .text = &load.prefix},
	{"password", .text = &load.password},
	{"sessions", .number = &load.sessions},
	{"concurrency", .number = &load.concurrency},
	{"window", .number = &opt.window},
	{"size", .number = &opt.size},
	{"rate", .real = &opt.rate},
	{"rounds", .number = &opt.rounds},
	{"senders", .number = &opt.senders},
	{"warmup", .real = &opt.warmup},
	{"seconds", .real = &opt.seconds},
	{"pid", .number = &opt.pid},
	{"pg-pid", .number = &opt.pg_pid},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static void
option(size_t i, const char *value)
{
	char *end = "";

	if (options[i].text)
		*options[i].text = value;
	else if (options[i].number)
		*options[i].number = (int)strtol(value, &end, 10);
	else
		*options[i].real = strtod(value, &end);
	if (*end || !*value)
		usage();
}

static void
arguments(int argc, char **argv)
{
	struct option o[N_OPTIONS + 1] = {{0}};

	for (size_t i = 0; i < N_OPTIONS; i++)
		o[i] = (struct option){options[i].name, required_argument, NULL, (int)i + 1};
	for (int c; (c = getopt_long(argc, argv, "", o, NULL)) != -1;) {
		if (c == '?')
			usage();
		option((size_t)c - 1, optarg);
	}
	if (optind + 1 != argc || load.port < 1 || !load.ca || load.sessions < 2 ||
	    load.concurrency < 1 || opt.window < 1 || opt.size < 0 || opt.size > 3000 ||
	    !(opt.rate > 0) || opt.rounds < 1 || opt.senders < 1)
		usage();
	opt.mode = argv[optind];
	load.sessions &= ~1;
	if (opt.senders > load.sessions)
		opt.senders = load.sessions;
	if (!load.peer_domain != !load.peer_port)
		usage();
	usage_of_peer(opt.peer_pid, opt.peer_pg_pid);
}

int
main(int argc, char **argv)
{
	size_t i, n = sizeof(modes) / sizeof(modes[0]);

	arguments(argc, argv);
	for (i = 0; i < n && strcmp(modes[i].name, opt.mode) != 0; i++)
		;
	if (i == n || ((!strcmp(opt.mode, "idle") || !strcmp(opt.mode, "churn")) && !opt.pid))
		usage();
	RAND_bytes((unsigned char *)&run_id, sizeof(run_id));
	run_id |= 1; /* 0 is what a body that is not ours reads as */
	filler = grow(NULL, (size_t)opt.size + 1);
	memset(filler, 'x', (size_t)opt.size);
	filler[opt.size] = '\0';
	client_start();
	modes[i].measure();
	client_stop();
	free(filler);
	return 0;
}
