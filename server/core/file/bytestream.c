/*
 * bytestream: see bytestream.h. All of it but the first and the last few functions runs on the proxy's thread.
 *
 * An end is a connection: at first it says for which bytestream it is (socks.h), then it belongs to that one, and when that is over it lingers
 * until its peer has closed, too. A bytestream is in the table as long as it has an end; what nobody has activated goes after
 * limits.file_offer_seconds, as offers do, or, when there are too many, the oldest first, of those of the same source when there are any.
 */
#include "core/file/bytestream.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/config/config.h"
#include "net/conn.h"
#include "net/reactor.h"

#define PIECE 65536
#define OUTPUT (4 * PIECE)
#define EARLY_BYTES 65536       /* before the activation: dropped, and more of them are no mistake */
#define FIRST_ROOM (1u << 20)   /* a spool begins with this, and doubles: what was only announced takes no room from others */
#define LINGER_MS 5000
#define LOOK_MS 1000            /* whether anything moves */
#define ARRIVAL_MS 20           /* whether all has arrived, at first */

struct end {
	struct list link;         /* in `waiting` until its bytestream is activated, then in `others` */
	struct conn *conn;
	struct socks socks;
	struct timer timer;       /* the handshake's deadline, then how long it waits for an activation */
	struct bytestream *of;    /* NULL: not yet, or no more */
	size_t early;
	bool counted, authenticated, eof, leaving;
};

enum state { WAITING, ACTIVE, COLLECTING, COLLECTED, GIVING, ARRIVING };

struct bytestream {
	UT_hash_handle hh;
	char address[SOCKS_ADDRESS + 1];
	uint64_t number;
	enum state state;
	struct end *end[2];       /* in the order in which they came */
	int sender;               /* which of them; -1: nobody has sent anything */
	struct bytestream_order *order; /* under way; NULL: none */
	unsigned idle_ms;
	uint64_t max_bytes, room;
	bool announced;
	struct spool *spool;
	uint64_t given, mark;     /* what was queued for the recipient, and where its connection's output is then */
	uint64_t arrived;
	int64_t moved_ms;         /* when something did */
	int64_t paced_ms;         /* since when `paced` bytes, which are less than pace_bytes, have moved */
	uint64_t paced, pace_bytes;
	unsigned look_ms;
	struct timer timer;       /* once it is active */
	struct deferred activation;
};

static struct reactor *thread;
/* Who gives an order holds it while he posts, so that nothing is posted behind bytestream_stop. */
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static bool is_open;

static struct list waiting, others;
static unsigned nwaiting;
static struct bytestream *table;
static uint64_t numbers;
static bool quiet;

/* Ends */

static struct limits
limits_now(void)
{
	struct config *c = config_get();
	struct limits l = c->limits;

	config_unref(c);
	return l;
}

static void
end_unlink(struct end *e)
{
	list_remove(&e->link);
	if (!e->of || e->of->state == WAITING)
		nwaiting -= e->leaving ? 0 : 1;
}

static void
forget(struct end *e, void (*close)(struct conn *c))
{
	end_unlink(e);
	timer_clear(&e->timer);
	if (e->counted)
		source_left(conn_source(e->conn), e->authenticated);
	metric_add(METRIC_PROXY_CONNECTIONS, -1);
	close(e->conn);
	free(e);
}

static void
end_free(struct end *e)
{
	forget(e, conn_close);
}

/* It is told that there is no more, and has a while to close. */
static void
end_leave(struct end *e)
{
	if (e->eof) {
		end_free(e);
		return;
	}
	end_unlink(e);
	e->of = NULL;
	e->leaving = true;
	list_append(&others, &e->link);
	timer_clear(&e->timer);
	conn_shutdown(e->conn, LINGER_MS, true);
}

/* Bytestreams */

static struct end *
recipient_of(const struct bytestream *b)
{
	return b->end[!b->sender];
}

static void
begin_waiting(struct bytestream *b)
{
	b->moved_ms = b->paced_ms = reactor_now_ms(thread);
	b->paced = 0;
}

static void
moved(struct bytestream *b, uint64_t bytes)
{
	if (!bytes)
		return;
	b->moved_ms = reactor_now_ms(thread);
	b->paced += bytes;
	if (b->paced < b->pace_bytes)
		return;
	b->paced = 0;
	b->paced_ms = b->moved_ms;
}

static void
come_home(struct mail *m)
{
	struct bytestream_order *o = (struct bytestream_order *)((char *)m - offsetof(struct bytestream_order, mail));

	o->done(o);
}

static void
answer(struct bytestream_order *o, enum bytestream_outcome outcome)
{
	o->outcome = outcome;
	o->mail.run = come_home;
	reactor_post(o->home, &o->mail);
}

static void
order_done(struct bytestream *b, enum bytestream_outcome outcome)
{
	struct bytestream_order *o = b->order;

	b->order = NULL;
	reactor_undefer(thread, &b->activation);
	if (o)
		answer(o, outcome);
}

static const char *const words[] = { [BYTESTREAM_DONE] = "done", [BYTESTREAM_BROKEN] = "broken", [BYTESTREAM_IDLE] = "idle",
	[BYTESTREAM_TOO_LARGE] = "too-large", [BYTESTREAM_BOTH_SEND] = "both-send", [BYTESTREAM_NO_ROOM] = "no-room", [BYTESTREAM_ENDED] = "ended" };

/* Whoever is no sender of it would take what it has got, were it nothing, for a file. */
static void
dismiss(struct bytestream *b, int i, enum bytestream_outcome outcome)
{
	if (b->state > WAITING && outcome != BYTESTREAM_DONE && i != b->sender)
		forget(b->end[i], conn_reset);
	else
		end_leave(b->end[i]);
}

/* It is over: both ends are told to go. Nothing of it is left behind but them. */
static void
over(struct bytestream *b, enum bytestream_outcome outcome)
{
	HASH_DEL(table, b);
	timer_clear(&b->timer);
	spool_free(b->spool);
	b->spool = NULL;
	if (b->number)
		log_info(NULL, "bytestream-over", "number=%llu outcome=%s", (unsigned long long)b->number, words[outcome]);
	order_done(b, outcome);
	for (int i = 0; i < 2; i++)
		if (b->end[i])
			dismiss(b, i, outcome);
	free(b);
}

/* Waits for the activation. */

static void
nobody_came(struct timer *t)
{
	struct end *e = (struct end *)((char *)t - offsetof(struct end, timer));

	log_info(conn_log(e->conn), "proxy-refused", "why=%s", e->of ? "not-activated" : "too-slow");
	metric_add(METRIC_PROXY_REFUSED, 1);
	if (e->of)
		over(e->of, BYTESTREAM_IDLE);
	else
		end_leave(e);
}

/* An end that has gone before the activation; the other one may wait for another. */
static void
part(struct end *e)
{
	struct bytestream *b = e->of;

	if (b) {
		if (b->end[0] == e)
			b->end[0] = b->end[1];
		b->end[1] = NULL;
		order_done(b, BYTESTREAM_ONE_END);
		if (!b->end[0]) {
			HASH_DEL(table, b);
			end_free(e);
			free(b);
			return;
		}
	}
	end_free(e);
}

static enum socks_reply
join(struct end *e)
{
	struct bytestream *b;

	HASH_FIND(hh, table, e->socks.address, SOCKS_ADDRESS, b);
	/* §9.1: one target only; and nobody joins what is under way, or a server that stops. */
	if (quiet || (b && (b->end[1] || b->state != WAITING)))
		return SOCKS_NOT_ALLOWED;
	if (!b) {
		b = NEW(struct bytestream);
		memcpy(b->address, e->socks.address, sizeof(b->address));
		b->sender = -1;
		HASH_ADD(hh, table, address, SOCKS_ADDRESS, b);
	}
	b->end[b->end[0] != NULL] = e;
	e->of = b;
	timer_set(&e->timer, (int64_t)limits_now().file_offer_seconds * 1000, nobody_came);
	return SOCKS_SUCCEEDED;
}

static void
shake_hands(struct end *e, const char *p, size_t n)
{
	struct buf *out = conn_out(e->conn);
	size_t used = socks_take(&e->socks, p, n, out);

	if (e->socks.state == SOCKS_ASKED) {
		enum socks_reply reply = join(e);

		socks_answer(&e->socks, reply, out);
		if (reply != SOCKS_SUCCEEDED) {
			e->socks.state = SOCKS_REFUSED;
			e->socks.why = "both-are-there";
		}
	}
	conn_wrote(e->conn);
	e->early += n - used;
	if (e->socks.state != SOCKS_REFUSED)
		return;
	log_info(conn_log(e->conn), "proxy-refused", "why=%s", e->socks.why);
	metric_add(METRIC_PROXY_REFUSED, 1);
	end_leave(e);
}

/* Collecting */

static void
collected(struct bytestream *b)
{
	struct bytestream_order *o = b->order;

	b->state = COLLECTED;
	o->spool = b->spool;
	o->first_sent = b->sender == 0;
	b->spool = NULL;
	order_done(b, BYTESTREAM_DONE);
}

static bool
make_room(struct bytestream *b, size_t n, struct err *e)
{
	uint64_t need = (b->spool ? spool_size(b->spool) : 0) + n, room = b->room ? b->room * 2 : FIRST_ROOM;

	if (b->spool && need <= b->room)
		return true;
	if (room > b->max_bytes)
		room = b->max_bytes;
	if (!b->spool)
		b->spool = spool_new(room, e);
	else if (spool_extend(b->spool, room, e))
		return false;
	b->room = room;
	return b->spool != NULL;
}

static void
collect(struct bytestream *b, const char *p, size_t n)
{
	struct err e = { 0 };

	if (n > b->max_bytes - (b->spool ? spool_size(b->spool) : 0)) {
		over(b, BYTESTREAM_TOO_LARGE);
		return;
	}
	if (!make_room(b, n, &e) || spool_write(b->spool, p, n, &e)) {
		log_warning(NULL, "transfer-not-stored", "why=%s", e.text);
		over(b, BYTESTREAM_NO_ROOM);
		return;
	}
	metric_add(METRIC_PROXY_BYTES, (int64_t)n);
	if (b->order->sum)
		digest_sum_add(b->order->sum, p, n);
	if (b->announced && spool_size(b->spool) == b->max_bytes)
		collected(b);
}

static void
said(struct bytestream *b, struct end *e, const char *p, size_t n)
{
	int i = b->end[1] == e;

	moved(b, n);
	if (b->state == WAITING) {
		e->early += n;
		if (e->early > EARLY_BYTES) {
			log_info(conn_log(e->conn), "proxy-refused", "why=%s", "not-activated");
			metric_add(METRIC_PROXY_REFUSED, 1);
			over(b, BYTESTREAM_BROKEN);
		}
		return;
	}
	if (b->sender < 0)
		b->sender = i;
	if (b->sender != i)
		over(b, BYTESTREAM_BOTH_SEND);
	else if (b->state != COLLECTING)
		over(b, BYTESTREAM_TOO_LARGE);
	else
		collect(b, p, n);
}

/* Giving */

/* Has the recipient's system got all of it? */
static bool
has_arrived(struct bytestream *b)
{
	uint64_t given, acknowledged;

	if (conn_tcp_progress(recipient_of(b)->conn, &given, &acknowledged))
		return false;
	moved(b, acknowledged - b->arrived);
	b->arrived = acknowledged;
	return given == acknowledged;
}

/* So long may nothing move. Of who has closed its side nobody hears that it is gone. */
static unsigned
patience(const struct bytestream *b)
{
	return b->state == ARRIVING && recipient_of(b)->eof && b->idle_ms > LINGER_MS ? LINGER_MS : b->idle_ms;
}

static bool
is_too_slow(const struct bytestream *b)
{
	int64_t now = reactor_now_ms(thread);

	return now - b->moved_ms > patience(b) || now - b->paced_ms > b->idle_ms;
}

static void
look(struct timer *t)
{
	struct bytestream *b = (struct bytestream *)((char *)t - offsetof(struct bytestream, timer));
	bool gives = b->state == GIVING || b->state == ARRIVING, arrived = gives && has_arrived(b);

	if (b->state == ARRIVING && arrived) {
		over(b, BYTESTREAM_DONE);
		return;
	}
	/* Who has closed its side is not read any more: that it is gone shows in that nothing can be written. */
	if (b->state == GIVING && conn_mark(recipient_of(b)->conn) != b->mark) {
		over(b, BYTESTREAM_BROKEN);
		return;
	}
	if ((gives || b->state == COLLECTING) && is_too_slow(b)) {
		over(b, b->state == ARRIVING ? BYTESTREAM_BROKEN : BYTESTREAM_IDLE);
		return;
	}
	b->look_ms = b->look_ms * 2 > LOOK_MS ? LOOK_MS : b->look_ms * 2;
	timer_set(&b->timer, b->look_ms, look);
}

static void
look_soon(struct bytestream *b)
{
	b->look_ms = ARRIVAL_MS;
	timer_set(&b->timer, b->look_ms, look);
}

static bool
give_piece(struct bytestream *b)
{
	struct bytestream_order *o = b->order;
	struct conn *c = recipient_of(b)->conn;
	size_t n = o->size - b->given < PIECE ? (size_t)(o->size - b->given) : PIECE, done = 0;
	struct buf *out = conn_out(c);
	char *at = buf_reserve(out, n);

	while (done < n) {
		ssize_t got = pread(o->file, at + done, n - done, (off_t)(b->given + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	buf_added(out, done);
	conn_wrote(c);
	b->given += done;
	b->mark += done;
	return done == n;
}

static void
give(struct bytestream *b)
{
	struct conn *c = recipient_of(b)->conn;

	while (b->given < b->order->size && conn_mark(c) - conn_flushed(c) <= OUTPUT - PIECE) {
		if (!give_piece(b)) {
			log_error(NULL, "transfer-not-read", "number=%llu", (unsigned long long)b->number);
			over(b, BYTESTREAM_BROKEN);
			return;
		}
		if (conn_mark(c) != b->mark) {
			over(b, BYTESTREAM_BROKEN);
			return;
		}
	}
	if (b->given < b->order->size || conn_flushed(c) < b->mark)
		return;
	b->state = ARRIVING;
	b->look_ms = ARRIVAL_MS;
	look(&b->timer);
}

/* Callbacks of connections */

static void
on_data(struct conn *c, void *owner, const char *p, size_t n)
{
	struct end *e = owner;

	(void)c;
	if (e->leaving)
		return;
	if (e->of)
		said(e->of, e, p, n);
	else
		shake_hands(e, p, n);
}

static void
on_flushed(struct conn *c, void *owner, uint64_t upto)
{
	struct end *e = owner;
	struct bytestream *b = e->of;

	(void)c, (void)upto;
	if (!b || b->state != GIVING || e != recipient_of(b))
		return;
	give(b);
}

/* Of an end whose bytestream is active. */
static void
closed_its_side(struct bytestream *b, struct end *e, bool first_expected)
{
	int i = b->end[1] == e;

	e->eof = true;
	if (b->state != COLLECTING)
		return;
	if (b->sender < 0 && i == (first_expected ? 0 : 1))
		b->sender = i;
	if (b->sender == i)
		collected(b);
	else if (b->end[!i]->eof)
		over(b, BYTESTREAM_BROKEN);
}

static void
on_ended(struct conn *c, void *owner, enum conn_end how, const char *why)
{
	struct end *e = owner;
	struct bytestream *b = e->of;

	(void)c, (void)why;
	if (!b || b->state == WAITING) {
		part(e);
		return;
	}
	if (how == CONN_EOF) {
		closed_its_side(b, e, b->order && b->order->first_sent);
		return;
	}
	e->eof = true;
	/* A sender is not needed any more once all has come. */
	if (b->state <= COLLECTING || e == recipient_of(b))
		over(b, BYTESTREAM_BROKEN);
}

static const struct conn_ops ops = { .data = on_data, .ended = on_ended, .flushed = on_flushed };

/* How many of those that wait are of one address, and the oldest of them. */
struct share {
	UT_hash_handle hh;
	unsigned n;
	struct end *oldest;
};

/* There is no room for all: the oldest goes of the address that has taken most. Whoever has few is not pushed out by who has many. */
static struct end *
oldest_of_most(void)
{
	struct arena *a = arena_new(0);
	struct share *shares = NULL, *s, *most = NULL;
	struct end *found;

	LIST_EACH(at, &waiting) {
		struct end *e = LIST_ENTRY(at, struct end, link);
		const char *source = conn_source(e->conn);

		HASH_FIND_STR(shares, source, s);
		if (!s) {
			s = arena_zalloc(a, sizeof(*s));
			s->oldest = e;
			HASH_ADD_KEYPTR(hh, shares, source, strlen(source), s);
		}
		if (++s->n > (most ? most->n : 0))
			most = s;
	}
	found = most ? most->oldest : NULL;
	HASH_CLEAR(hh, shares);
	arena_free(a);
	return found;
}

/* For who has just come. NULL: there is room. */
static struct end *
who_goes(const struct end *last, const struct limits *l)
{
	const char *source = conn_source(last->conn);
	struct end *own = NULL;
	unsigned n = 0;

	LIST_EACH(at, &waiting) {
		struct end *e = LIST_ENTRY(at, struct end, link);

		if (strcmp(conn_source(e->conn), source) != 0)
			continue;
		if (!n++)
			own = e;
	}
	if (n > l->proxy_waiting_per_address)
		return own;
	return nwaiting > l->proxy_waiting ? oldest_of_most() : NULL;
}

void
bytestream_accept(int fd, const struct sockaddr *peer, void *unused)
{
	struct limits l = limits_now();
	struct end *e = NEW(struct end), *too_many;

	(void)unused;
	e->conn = conn_new(fd, peer, &ops, e, OUTPUT);
	list_append(&waiting, &e->link);
	nwaiting++;
	metric_add(METRIC_PROXY_CONNECTIONS, 1);
	e->counted = source_joined(conn_source(e->conn));
	if (!e->counted || quiet) {
		end_free(e);
		return;
	}
	timer_set(&e->timer, (int64_t)l.login_seconds * 1000, nobody_came);
	if ((too_many = who_goes(e, &l))) {
		log_info(conn_log(too_many->conn), "proxy-refused", "why=%s", "too-many");
		metric_add(METRIC_PROXY_REFUSED, 1);
		part(too_many);
	}
}

/* Orders */

static void
activate(struct deferred *d)
{
	struct bytestream *b = (struct bytestream *)((char *)d - offsetof(struct bytestream, activation));
	struct bytestream_order *o = b->order;

	for (int i = 0; i < 2; i++) {
		struct end *e = b->end[i];

		end_unlink(e);
		list_append(&others, &e->link);
		timer_clear(&e->timer);
		source_authenticated(conn_source(e->conn));
		e->authenticated = true;
		conn_pause(e->conn);
	}
	b->state = ACTIVE;
	b->number = o->number = ++numbers;
	b->idle_ms = o->idle_ms;
	b->pace_bytes = o->pace_bytes;
	b->max_bytes = o->max_bytes;
	b->announced = o->announced;
	b->look_ms = LOOK_MS;
	timer_set(&b->timer, b->look_ms, look);
	log_info(NULL, "bytestream", "number=%llu first=%s second=%s", (unsigned long long)b->number, conn_address(b->end[0]->conn),
		conn_address(b->end[1]->conn));
	order_done(b, BYTESTREAM_DONE);
}

/* What was sent before it was asked for is read before, and dropped. */
static void
begin_activating(struct bytestream *b, struct bytestream_order *o)
{
	b->order = o;
	b->activation.run = activate;
	reactor_next_turn(thread, &b->activation);
}

static void
begin_collecting(struct bytestream *b, struct bytestream_order *o)
{
	b->order = o;
	b->state = COLLECTING;
	begin_waiting(b);
	conn_resume(b->end[0]->conn);
	conn_resume(b->end[1]->conn);
}

static void
begin_giving(struct bytestream *b, struct bytestream_order *o)
{
	b->order = o;
	b->state = GIVING;
	begin_waiting(b);
	b->given = 0;
	b->mark = conn_mark(recipient_of(b)->conn);
	look_soon(b);
	give(b);
}

static void
take_order(struct mail *m)
{
	struct bytestream_order *o = (struct bytestream_order *)((char *)m - offsetof(struct bytestream_order, mail));
	struct bytestream *b;

	if (quiet) {
		answer(o, BYTESTREAM_ENDED);
		return;
	}
	HASH_FIND(hh, table, o->address, SOCKS_ADDRESS, b);
	if (o->act == BYTESTREAM_ACTIVATE) {
		if (!b)
			answer(o, BYTESTREAM_NOBODY);
		else if (b->state != WAITING || b->order)
			answer(o, BYTESTREAM_TAKEN);
		else if (!b->end[1])
			answer(o, BYTESTREAM_ONE_END);
		else
			begin_activating(b, o);
		return;
	}
	if (!b || b->number != o->number)
		answer(o, BYTESTREAM_BROKEN);
	else if (o->act == BYTESTREAM_COLLECT)
		begin_collecting(b, o);
	else
		begin_giving(b, o);
}

struct ending {
	struct mail mail;
	char address[SOCKS_ADDRESS + 1];
	uint64_t number;
};

static void
end_here(struct mail *m)
{
	struct ending *g = LIST_ENTRY(m, struct ending, mail);
	struct bytestream *b;

	HASH_FIND(hh, table, g->address, SOCKS_ADDRESS, b);
	if (b && b->number == g->number)
		over(b, BYTESTREAM_ENDED);
	free(g);
}

/* From outside */

void
bytestream_order(struct bytestream_order *o)
{
	bool posted;

	o->mail.run = take_order;
	pthread_mutex_lock(&door);
	posted = is_open;
	if (posted)
		reactor_post(thread, &o->mail);
	pthread_mutex_unlock(&door);
	if (!posted)
		answer(o, BYTESTREAM_NOBODY);
}

void
bytestream_end(const char *address, uint64_t number)
{
	struct ending *g;

	pthread_mutex_lock(&door);
	if (is_open) {
		g = NEW(struct ending);
		memcpy(g->address, address, sizeof(g->address));
		g->number = number;
		g->mail.run = end_here;
		reactor_post(thread, &g->mail);
	}
	pthread_mutex_unlock(&door);
}

/* Start and stop */

static void
start_here(void *arg)
{
	(void)arg;
	list_init(&waiting);
	list_init(&others);
}

static void
quiet_here(void *arg)
{
	struct bytestream *b, *next;

	(void)arg;
	quiet = true;
	HASH_ITER(hh, table, b, next)
		over(b, BYTESTREAM_ENDED);
}

static void
stop_here(void *arg)
{
	quiet_here(arg);
	while (!list_is_empty(&waiting))
		end_free(LIST_ENTRY(waiting.next, struct end, link));
	while (!list_is_empty(&others))
		end_free(LIST_ENTRY(others.next, struct end, link));
}

static void
set_open(bool open)
{
	pthread_mutex_lock(&door);
	is_open = open;
	pthread_mutex_unlock(&door);
}

int
bytestream_start(void)
{
	thread = reactor_start_side("proxy65");
	if (!thread)
		return -1;
	reactor_call(thread, start_here, NULL);
	set_open(true);
	return 0;
}

void
bytestream_listen(struct listener *l)
{
	listener_run_on(l, thread);
}

void
bytestream_quiet(void)
{
	if (thread)
		reactor_call(thread, quiet_here, NULL);
}

void
bytestream_stop(void)
{
	if (!thread)
		return;
	set_open(false);
	reactor_call(thread, stop_here, NULL);
	reactor_stop_side(thread);
	thread = NULL;
}
