/*
 * fetch: who asks, what waits, and where an address leads. Its thread ("fetch") runs all of this but fetch_submit, start, quiet and stop.
 *
 *     home ── fetch_submit: mail ──▶ waiting ──▶ going: names (net/dns) ──▶ fetch_get ──▶ another address, or where it leads on: names …
 *     home ◀──────────────── mail ◀───────────────────── its end ◀────────────┘
 *
 * A question to net/dns cannot be taken back: who has ended stays until its answers are in.
 */
#include "core/file/fetch.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/config/config.h"
#include "core/file/fetch_get.h"
#include "core/file/file_policy.h"
#include "net/address.h"
#include "net/dns.h"
#include "net/dns_data.h"

#define ADDRESSES 16 /* of a name that are tried */
#define STOPPING "the server is being stopped"
#define UNREACHABLE "its server cannot be reached from here"
#define BAD_ADDRESS "its address is not one that files are fetched from: https:// and a server's name, without a user name and on the usual port"

struct fetching;

struct question {
	struct dns_question q;
	struct fetching *owner;
};

struct fetching {
	struct list link;           /* of waiting or going; none when it has ended */
	struct fetch *f;            /* NULL: it has ended */
	struct config *config;
	struct arena *arena;
	struct timer deadline;
	bool is_going;
	unsigned redirects;
	struct fetch_url url;
	struct question a, aaaa;
	unsigned pending;           /* of these */
	struct sockaddr_storage address[ADDRESSES];
	unsigned naddresses, next;  /* the one to be tried next */
	struct fetch_get get;
	bool getting;
	bool inward;                /* it would have led where nobody may go */
};

struct fetcher {
	struct reactor *side;
	struct fetch_engine *engine;
	struct list waiting, going;
	unsigned nwaiting, ngoing;
	struct deferred look;       /* at who waits: somebody has ended */
	bool closed;
};

static struct fetcher *fetcher;
/* Who submits holds it while he posts, so that nothing is posted behind fetch_quiet. */
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static bool is_open;

/* The end */

static void
answer(struct fetch *f, enum fetch_outcome outcome, const char *why)
{
	f->outcome = outcome;
	f->why = arena_strdup(f->arena, why);
	metric_add(outcome == FETCH_DONE ? METRIC_FETCHES : METRIC_FETCHES_FAILED, 1);
	f->mail.run = f->run;
	reactor_post(f->home, &f->mail);
}

static void
release(void *p)
{
	struct fetching *g = p;

	config_unref(g->config);
	arena_free(g->a.q.arena);
	arena_free(g->aaaa.q.arena);
	arena_free(g->arena);
	free(g);
}

static void
end_get(struct fetching *g)
{
	if (!g->getting)
		return;
	g->getting = false;
	fetch_get_clear(fetcher->engine, &g->get);
	spool_free(g->get.spool);
	g->get.spool = NULL;
}

/* It leaves: from here on `f` belongs to its home. */
static void
end(struct fetching *g, enum fetch_outcome outcome, const char *why)
{
	struct fetch *f = g->f;

	end_get(g);
	timer_clear(&g->deadline);
	list_remove(&g->link);
	if (g->is_going)
		fetcher->ngoing--;
	else
		fetcher->nwaiting--;
	g->f = NULL;
	metric_add(METRIC_FETCHES_OPEN, -1);
	answer(f, outcome, why);
	if (!g->pending)
		reactor_free_later(fetcher->side, release, g);
	reactor_defer(fetcher->side, &fetcher->look);
}

/* What people are told need not be what administrators read. An address may let in whoever knows it: of it only the server is logged. */
static void __attribute__((format(printf, 4, 5)))
fail(struct fetching *g, enum fetch_outcome outcome, const char *why, const char *format, ...)
{
	char reason[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(reason, sizeof(reason), format, ap);
	va_end(ap);
	log_info(NULL, "fetch-failed", "from=%s host=%s why=%s", g->f->sender, g->url.host ? g->url.host : "", reason);
	end(g, outcome, why);
}

/* One request */

static void go_to(struct fetching *g, const char *base, const char *url);
static void try_next(struct fetching *g);

static const char *
type_of(const struct fetching *g, struct arena *a)
{
	const char *type = g->get.type;

	/* The usual word for "no idea" is no promise that a content could break. */
	if (!type || !text_is_media_type(type) || !strncasecmp(type, "application/octet-stream", 24) || !strncasecmp(type, "binary/octet-stream", 19))
		return NULL;
	return arena_strdup(a, type);
}

static void
take(struct fetching *g)
{
	struct fetch *f = g->f;

	f->spool = g->get.spool;
	g->get.spool = NULL;
	f->type = type_of(g, f->arena);
	log_info(NULL, "fetched", "from=%s host=%s bytes=%" PRIu64, f->sender, g->url.host, spool_size(f->spool));
	end(g, FETCH_DONE, "");
}

static void
lead_on(struct fetching *g)
{
	const char *to = arena_strdup(g->arena, g->get.location);

	end_get(g);
	if (g->redirects++ == g->config->limits.fetch_redirects)
		fail(g, FETCH_FAILED, "its address leads to another again and again", "more than limits.fetch_redirects");
	else
		go_to(g, g->url.url, to);
}

static void
fail_by_status(struct fetching *g)
{
	long status = g->get.status;
	bool later = status == 429 || status >= 500;
	const char *why = "its server does not give it";

	if (status == 404 || status == 410)
		why = "there is no such file";
	else if (status == 401 || status == 403)
		why = "its server does not give it to everybody";
	else if (later)
		why = "its server has trouble";
	fail(g, later ? FETCH_LATER : FETCH_FAILED, why, "status %ld", status);
}

static void
fail_too_large(struct fetching *g)
{
	uint64_t limit = g->config->limits.file_bytes;

	g->f->too_large = true;
	fail(g, FETCH_REFUSED, arena_printf(g->arena, g->get.max < limit ? "together with what is before it, it has more than %s" :
		"it has more than %s", file_size_shown(g->arena, limit)), "larger than limits.file_bytes");
}

static void
got(struct fetch_get *t)
{
	struct fetching *g = LIST_ENTRY(t, struct fetching, get);

	switch (t->end) {
	case GET_DONE:
		take(g);
		break;
	case GET_LED_ON:
		lead_on(g);
		break;
	case GET_UNREACHED:
		try_next(g);
		break;
	case GET_CERTIFICATE:
		fail(g, FETCH_FAILED, "its server has no valid certificate", "%s", t->why);
		break;
	case GET_STATUS:
		fail_by_status(g);
		break;
	case GET_EMPTY:
		fail(g, FETCH_FAILED, "it is empty", "empty");
		break;
	case GET_LARGE:
		fail_too_large(g);
		break;
	case GET_ENCODED:
		fail(g, FETCH_FAILED, "its server gives it in another form than it is", "Content-Encoding");
		break;
	case GET_NO_ROOM:
		fail(g, FETCH_LATER, "there is no room for it now", "%s", t->why);
		break;
	case GET_BROKEN:
		fail(g, FETCH_FAILED, "its server did not give all of it", "%s", t->why);
		break;
	}
}

static uint64_t
most_of(const struct fetching *g)
{
	uint64_t limit = g->config->limits.file_bytes;

	return g->f->most && g->f->most < limit ? g->f->most : limit;
}

static void
try_next(struct fetching *g)
{
	const char *why = g->getting ? arena_strdup(g->arena, g->get.why) : "no such name, or no address that may be asked";

	end_get(g);
	if (g->next == g->naddresses) {
		fail(g, FETCH_FAILED, UNREACHABLE, "%s", why);
		return;
	}
	g->get = (struct fetch_get){ .url = &g->url, .to = g->address[g->next++], .ca_file = g->config->files.fetch_ca_file,
		.max = most_of(g), .done = got };
	g->getting = true;
	fetch_get_begin(fetcher->engine, &g->get);
}

/* Names */

static void
add_address(struct fetching *g, const struct sockaddr_storage *ss)
{
	char text[ADDRESS_TEXT];

	if (fetch_may_reach((const struct sockaddr *)ss)) {
		if (g->naddresses < ADDRESSES)
			g->address[g->naddresses++] = *ss;
		return;
	}
	if (g->inward)
		return;
	g->inward = true; /* said once */
	address_text((const struct sockaddr *)ss, text);
	metric_add(METRIC_FETCHES_INWARD, 1);
	log_warning(NULL, "fetch-inward", "from=%s host=%s address=%s", g->f->sender, g->url.host, text);
}

static void
add_answers(struct fetching *g, const struct dns_question *q, unsigned most)
{
	struct sockaddr_storage ss;

	for (size_t i = 0; q->status == DNS_FOUND && i < q->n && g->naddresses < most; i++)
		if (dns_read_address(q->record[i].data, q->record[i].len, g->url.port, &ss))
			add_address(g, &ss);
}

/* IPv6 first; half of the room for each. */
static void
answered(struct dns_question *q)
{
	struct fetching *g = ((struct question *)q)->owner;

	if (--g->pending)
		return;
	if (g->f) {
		add_answers(g, &g->aaaa.q, ADDRESSES / 2);
		add_answers(g, &g->a.q, ADDRESSES);
		try_next(g);
	} else {
		release(g);
	}
}

static void
ask(struct fetching *g, struct question *q, enum dns_type type)
{
	arena_free(q->q.arena);
	*q = (struct question){ .owner = g, .q = { .name = g->url.host, .type = type, .done = answered, .arena = arena_new(0) } };
	g->pending++;
	dns_ask(&q->q);
}

static bool
is_port_allowed(const struct config *c, uint16_t port)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", port);
	for (size_t i = 0; i < c->files.fetch_ports.n; i++)
		if (!strcmp(c->files.fetch_ports.item[i], text))
			return true;
	return false;
}

static void
go_to(struct fetching *g, const char *base, const char *url)
{
	g->naddresses = g->next = 0;
	if (!fetch_url_read(g->arena, base, url, &g->url)) {
		fail(g, FETCH_REFUSED, BAD_ADDRESS, "not an address that files are fetched from");
		return;
	}
	if (!is_port_allowed(g->config, g->url.port)) {
		fail(g, FETCH_REFUSED, BAD_ADDRESS, "port %u is not in files.fetch_ports", g->url.port);
		return;
	}
	if (!g->redirects && g->url.name)
		g->f->name = arena_strdup(g->f->arena, g->url.name);
	if (g->url.literal) {
		add_address(g, &g->url.address);
		try_next(g);
		return;
	}
	ask(g, &g->aaaa, DNS_AAAA);
	ask(g, &g->a, DNS_A);
}

/* Waiting */

static unsigned
going_of(const char *sender)
{
	unsigned n = 0;

	LIST_EACH(l, &fetcher->going)
		n += !strcmp(LIST_ENTRY(l, struct fetching, link)->f->sender, sender);
	return n;
}

static struct fetching *
next_waiting(void)
{
	LIST_EACH(l, &fetcher->waiting) {
		struct fetching *g = LIST_ENTRY(l, struct fetching, link);

		if (fetcher->ngoing < g->config->limits.fetches && going_of(g->f->sender) < g->config->limits.fetches_per_sender)
			return g;
	}
	return NULL;
}

static void
look_at_waiting(struct deferred *d)
{
	struct fetching *g;

	(void)d;
	while (!fetcher->closed && (g = next_waiting())) {
		list_remove(&g->link);
		list_append(&fetcher->going, &g->link);
		g->is_going = true;
		fetcher->nwaiting--;
		fetcher->ngoing++;
		go_to(g, NULL, g->f->url);
	}
}

static void
too_late(struct timer *t)
{
	struct fetching *g = LIST_ENTRY(t, struct fetching, deadline);

	fail(g, FETCH_LATER, "it did not come in time", g->is_going ? "not in time" : "too many before it");
}

static void
arrived(struct mail *m)
{
	struct fetch *f = (struct fetch *)m;
	struct fetching *g = NEW(struct fetching);
	int64_t left = f->deadline_ms - clock_mono_ms();

	g->f = f;
	g->arena = arena_new(0);
	g->config = config_get();
	list_append(&fetcher->waiting, &g->link);
	fetcher->nwaiting++;
	metric_add(METRIC_FETCHES_OPEN, 1);
	timer_set(&g->deadline, left > 0 ? left : 0, too_late);
	reactor_defer(fetcher->side, &fetcher->look);
	if (fetcher->closed)
		end(g, FETCH_LATER, STOPPING);
	else if (fetcher->ngoing >= g->config->limits.fetches && fetcher->nwaiting > g->config->limits.fetches_waiting)
		fail(g, FETCH_LATER, "too many files are being fetched at the moment", "limits.fetches_waiting");
}

void
fetch_submit(struct fetch *f)
{
	bool open;

	f->home = reactor_current();
	f->spool = NULL;
	f->too_large = false;
	f->name = f->type = NULL;
	f->run = f->mail.run;
	f->mail.run = arrived;
	pthread_mutex_lock(&door);
	open = is_open;
	if (open)
		reactor_post(fetcher->side, &f->mail);
	pthread_mutex_unlock(&door);
	if (!open)
		answer(f, FETCH_LATER, STOPPING);
}

/* Start and stop */

int
fetch_check(const struct config *c, struct err *e)
{
	const char *file = c->files.fetch_ca_file;
	X509_STORE *store = X509_STORE_new();
	int rc = 0;

	if (*file && X509_STORE_load_file(store, file) != 1)
		rc = err_set(e, 0, "files.fetch_ca_file: %s holds no certificates in PEM, or cannot be read", file);
	X509_STORE_free(store);
	ERR_clear_error();
	return rc;
}

static void
open_up(void *arg)
{
	struct fetcher *x = arg;

	x->engine = fetch_engine_new();
}

int
fetch_start(void)
{
	struct fetcher *x;

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return -1;
	x = NEW(struct fetcher);
	list_init(&x->waiting);
	list_init(&x->going);
	x->look.run = look_at_waiting;
	fetcher = x;
	x->side = reactor_start_side("fetch");
	if (!x->side) {
		fetcher = NULL;
		free(x);
		return -1;
	}
	reactor_call(x->side, open_up, x);
	pthread_mutex_lock(&door);
	is_open = true;
	pthread_mutex_unlock(&door);
	return 0;
}

static void
end_all(struct list *of)
{
	LIST_EACH(l, of)
		end(LIST_ENTRY(l, struct fetching, link), FETCH_LATER, STOPPING);
}

/* Behind everything that was submitted. */
static void
close_down(void *arg)
{
	struct fetcher *x = arg;

	x->closed = true;
	end_all(&x->waiting);
	end_all(&x->going);
}

void
fetch_quiet(void)
{
	bool was_open;

	pthread_mutex_lock(&door);
	was_open = is_open;
	is_open = false;
	pthread_mutex_unlock(&door);
	if (was_open)
		reactor_call(fetcher->side, close_down, fetcher);
}

static void
take_down(void *arg)
{
	struct fetcher *x = arg;

	fetch_engine_free(x->engine);
}

void
fetch_stop(void)
{
	if (!fetcher)
		return;
	reactor_call(fetcher->side, take_down, fetcher);
	reactor_stop_side(fetcher->side);
	free(fetcher);
	fetcher = NULL;
	curl_global_cleanup();
}
