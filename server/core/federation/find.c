/*
 * find: where the server of a domain is. Asked by attempt.c before it dials, and by trust.c for the TLSA records of whoever came in.
 *
 *     _xmpps-server, _xmpp-server side by side ──▶ the choice ──▶ A, AAAA and TLSA of all targets side by side ──▶ told
 *
 * Two rounds, so that it takes twice as long as the slowest answer at most. Addresses of one family that come late are not waited for once
 * those of the other are there (RFC 8305 §3). A question cannot be taken back, and its memory is here: so a find that has told, or was
 * cancelled, stays until all answers are in.
 *
 * What is found out by DNS decides nothing alone: a lie leads to a server that has no certificate for the domain.
 */
#include "core/federation/find.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/federation/find_order.h"
#include "net/dns.h"
#include "xmpp/domain.h"

#define HOSTS 16        /* that are looked at */
#define HOST_TARGETS 8  /* addresses of one */
#define TARGETS 32      /* addresses in all */
#define DEFAULT_PORT 5269
#define LATE_MS 100     /* how long the addresses of the other family are waited for */
#define NAME_ROOM (DNS_NAME_MAX + 32) /* with "_xmpps-server._tcp." before it */

enum service { XMPPS, XMPP, SERVICES };

static const char *const services[SERVICES] = {"_xmpps-server._tcp", "_xmpp-server._tcp"};

struct ask {
	struct dns_question q;
	struct find *find;
	bool asked, answered; /* what is in `q` is looked at when both */
	char name[NAME_ROOM];
};

/* Hosts often share a name: one for direct TLS, one for STARTTLS. */
struct name {
	const char *name;
	struct ask a, aaaa;
};

struct find {
	struct arena *arena; /* of the result */
	find_fn fn;          /* NULL: cancelled */
	void *owner;
	struct deferred tell;
	struct timer late;
	unsigned pending;
	bool tlsa, addresses; /* TLSA is wanted; the second round has begun */
	char domain[DNS_NAME_MAX];
	struct ask srv[SERVICES];
	size_t nnames, nhosts;
	struct name name[HOSTS];
	struct ask tlsa_of[HOSTS];
	unsigned name_of[HOSTS]; /* host → name */
	struct found found;
};

static void go_on(struct find *f);

/* The end */

static void
free_ask(struct ask *a)
{
	if (a->asked)
		arena_free(a->q.arena);
}

static void
release(void *p)
{
	struct find *f = p;

	for (size_t i = 0; i < SERVICES; i++)
		free_ask(&f->srv[i]);
	for (size_t i = 0; i < HOSTS; i++) {
		free_ask(&f->name[i].a);
		free_ask(&f->name[i].aaaa);
		free_ask(&f->tlsa_of[i]);
	}
	arena_free(f->arena);
	free(f);
}

/* Nobody waits for it any more. */
static void
let_go(struct find *f)
{
	f->fn = NULL;
	timer_clear(&f->late);
	if (!f->pending)
		reactor_free_later(reactor_current(), release, f);
}

static void
tell(struct find *f)
{
	find_fn fn = f->fn;

	let_go(f);
	fn(f->owner, &f->found);
}

static void
on_tell(struct deferred *d)
{
	tell(LIST_ENTRY(d, struct find, tell));
}

void
find_cancel(struct find *f)
{
	if (!f || !f->fn)
		return;
	reactor_undefer(reactor_current(), &f->tell);
	let_go(f);
}

static void __attribute__((format(printf, 3, 4)))
fail(struct find *f, bool no_such, const char *format, ...)
{
	va_list ap;

	f->found.ok = false;
	f->found.no_such = no_such;
	va_start(ap, format);
	vsnprintf(f->found.why, sizeof(f->found.why), format, ap);
	va_end(ap);
	tell(f);
}

/* Questions */

static void
on_answer(struct dns_question *q)
{
	struct ask *a = (struct ask *)q;
	struct find *f = a->find;

	a->answered = true;
	f->pending--;
	if (f->fn)
		go_on(f);
	else if (!f->pending)
		release(f);
}

static void __attribute__((format(printf, 4, 5)))
ask(struct find *f, struct ask *a, enum dns_type type, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(a->name, sizeof(a->name), format, ap);
	va_end(ap);
	a->find = f;
	a->asked = true;
	a->q.name = a->name;
	a->q.type = type;
	a->q.done = on_answer;
	a->q.arena = arena_new(0);
	f->pending++;
	dns_ask(&a->q);
}

/* Addresses. RFC 6761 §6.3: nobody is asked where localhost is. */

static bool
is_localhost(const char *name)
{
	return text_equal_nocase(name, "localhost");
}

static void
add_target(struct find *f, unsigned host, const unsigned char *address, size_t len)
{
	struct dial_target *t = &f->found.target[f->found.ntargets];
	const struct find_host *h = &f->found.host[host];

	if (f->found.ntargets == TARGETS || !dns_read_address(address, len, h->port, &t->address))
		return;
	t->direct_tls = h->direct_tls;
	t->host = host;
	f->found.ntargets++;
}

/* IPv6 first (RFC 8305 §4); half of the room for each family, or all of it. */
static void
add_targets(struct find *f, unsigned host)
{
	static const unsigned char loopback4[4] = {127, 0, 0, 1}, loopback6[16] = {[15] = 1};
	const struct name *n = &f->name[f->name_of[host]];
	size_t six = n->aaaa.answered ? n->aaaa.q.n : 0, four = n->a.answered ? n->a.q.n : 0;

	if (is_localhost(n->name)) {
		add_target(f, host, loopback6, sizeof(loopback6));
		add_target(f, host, loopback4, sizeof(loopback4));
		return;
	}
	if (six + four > HOST_TARGETS && six > HOST_TARGETS / 2)
		six = four < HOST_TARGETS / 2 ? HOST_TARGETS - four : HOST_TARGETS / 2;
	if (six + four > HOST_TARGETS)
		four = HOST_TARGETS - six;
	for (size_t i = 0; i < six; i++)
		add_target(f, host, n->aaaa.q.record[i].data, n->aaaa.q.record[i].len);
	for (size_t i = 0; i < four; i++)
		add_target(f, host, n->a.q.record[i].data, n->a.q.record[i].len);
}

static bool
is_found(const struct ask *a)
{
	return a->answered && a->q.status == DNS_FOUND;
}

/* Or there is nothing that would have to be. */
static bool
is_secure(const struct ask *a)
{
	return !is_found(a) || a->q.secure;
}

static void
take_tlsa(struct find *f, struct find_host *h, const struct ask *a)
{
	struct dns_tlsa t;

	h->tlsa = arena_alloc(f->arena, (a->q.n + 1) * sizeof(*h->tlsa));
	for (size_t i = 0; i < a->q.n; i++)
		if (dns_read_tlsa(a->q.record[i].data, a->q.record[i].len, &t))
			h->tlsa[h->ntlsa++] = (struct cert_tlsa){t.usage, t.selector, t.matching, t.data, t.len};
}

/* RFC 7673 §3: TLSA records are for a target whose SRV and address records are secure. Where it cannot be learnt whether there are some,
 * that target is not connected to (§3.3). */
static bool
is_usable(struct find *f, unsigned host)
{
	const struct name *n = &f->name[f->name_of[host]];
	const struct ask *tlsa = &f->tlsa_of[host];
	struct find_host *h = &f->found.host[host];

	h->secure = h->secure && !is_localhost(n->name) && is_secure(&n->a) && is_secure(&n->aaaa);
	if (!tlsa->asked || !h->secure)
		return true;
	if (tlsa->q.status == DNS_BOGUS || tlsa->q.status == DNS_FAILED)
		return false;
	if (tlsa->q.status == DNS_FOUND && tlsa->q.secure)
		take_tlsa(f, h, tlsa);
	return true;
}

/* The worst of the answers of the second round, in words. */
static void
tell_why(struct find *f)
{
	const struct ask *worst = NULL;

	for (size_t i = 0; i < f->nhosts; i++) {
		const struct name *n = &f->name[f->name_of[i]];
		const struct ask *asks[] = {&n->a, &n->aaaa, &f->tlsa_of[i]};

		for (size_t k = 0; k < 3; k++)
			if (asks[k]->answered && (asks[k]->q.status == DNS_BOGUS || asks[k]->q.status == DNS_FAILED))
				worst = worst && worst->q.status == DNS_BOGUS ? worst : asks[k];
	}
	if (worst)
		fail(f, false, worst->q.status == DNS_BOGUS ? "the answer about %s is bogus (DNSSEC): %s" : "nothing is known about %s: %s",
			worst->name, worst->q.why);
	else if (f->found.by_srv)
		fail(f, true, "the hosts that the SRV records of %s name have no addresses", f->domain);
	else
		fail(f, true, "%s has neither SRV records nor an address", f->domain);
}

static void
take_addresses(struct find *f)
{
	f->found.target = arena_zalloc(f->arena, TARGETS * sizeof(*f->found.target));
	for (unsigned i = 0; i < f->nhosts; i++)
		if (is_usable(f, i))
			add_targets(f, i);
	f->found.ok = f->found.ntargets > 0;
	if (f->found.ok)
		tell(f);
	else
		tell_why(f);
}

/* All but addresses of hosts of which some have come. */
static bool
is_enough(const struct find *f)
{
	for (size_t i = 0; i < f->nnames; i++)
		if (f->name[i].a.asked && !is_found(&f->name[i].a) && !is_found(&f->name[i].aaaa) &&
			!(f->name[i].a.answered && f->name[i].aaaa.answered))
			return false;
	for (size_t i = 0; i < f->nhosts; i++)
		if (f->tlsa_of[i].asked && !f->tlsa_of[i].answered)
			return false;
	return true;
}

static void
on_late(struct timer *t)
{
	take_addresses(LIST_ENTRY(t, struct find, late));
}

static unsigned
name_for(struct find *f, const char *name)
{
	struct name *n = &f->name[f->nnames];

	for (unsigned i = 0; i < f->nnames; i++)
		if (!strcmp(f->name[i].name, name))
			return i;
	n->name = name;
	if (!is_localhost(name)) {
		ask(f, &n->aaaa, DNS_AAAA, "%s", name);
		ask(f, &n->a, DNS_A, "%s", name);
	}
	return (unsigned)f->nnames++;
}

static void
add_host(struct find *f, const struct find_choice *c)
{
	unsigned i = (unsigned)f->nhosts++;
	struct find_host *h = &f->found.host[i];

	h->name = arena_strdup(f->arena, c->srv.target);
	h->port = c->srv.port;
	h->direct_tls = c->direct_tls;
	h->secure = c->secure;
	f->found.nhosts = f->nhosts;
	f->name_of[i] = name_for(f, h->name);
	if (f->tlsa && h->secure && !is_localhost(h->name))
		ask(f, &f->tlsa_of[i], DNS_TLSA, "_%u._tcp.%s", (unsigned)h->port, h->name);
}

/* The first round */

/* Returns how many say that there is no such service: one alone, with the target "." (RFC 2782). */
static size_t
take_choices(const struct ask *a, bool direct_tls, struct find_choice *out, size_t *n)
{
	size_t none = 0;

	for (size_t i = 0; i < a->q.n; i++) {
		struct find_choice *c = &out[*n];

		if (!dns_read_srv(a->q.record[i].data, a->q.record[i].len, &c->srv))
			continue;
		c->direct_tls = direct_tls;
		c->secure = a->q.secure;
		none += !*c->srv.target;
		*n += *c->srv.target && c->srv.port;
	}
	return none;
}

/* There are no SRV records that can be used: is it an answer? */
static bool
may_fall_back(struct find *f, bool denied)
{
	const struct ask *a = &f->srv[XMPP];

	if (denied)
		fail(f, true, "%s says that it has no XMPP server (SRV target \".\")", f->domain);
	else if (a->q.status == DNS_FOUND)
		fail(f, true, "the SRV records %s cannot be used", a->name);
	else if (a->q.status == DNS_FAILED || f->srv[XMPPS].q.status == DNS_FAILED)
		fail(f, false, "nothing is known about %s: %s", a->q.status == DNS_FAILED ? a->name : f->srv[XMPPS].name,
			a->q.status == DNS_FAILED ? a->q.why : f->srv[XMPPS].q.why);
	else
		return true;
	return false;
}

static void
fall_back(struct find *f)
{
	struct find_choice c = {.srv.port = DEFAULT_PORT, .secure = f->srv[XMPP].q.secure && f->srv[XMPPS].q.secure};

	memcpy(c.srv.target, f->domain, sizeof(f->domain));
	add_host(f, &c);
}

static void
take_services(struct find *f)
{
	struct find_choice *c = arena_alloc(f->arena, (f->srv[XMPPS].q.n + f->srv[XMPP].q.n + 1) * sizeof(*c));
	size_t n = 0;
	bool denied;

	f->addresses = true;
	for (int i = 0; i < SERVICES; i++)
		if (f->srv[i].q.status == DNS_BOGUS) {
			fail(f, false, "the answer about %s is bogus (DNSSEC): %s", f->srv[i].name, f->srv[i].q.why);
			return;
		}
	(void)take_choices(&f->srv[XMPPS], true, c, &n);
	denied = take_choices(&f->srv[XMPP], false, c, &n) > 0;
	if (!n && !may_fall_back(f, denied))
		return;
	f->found.host = arena_zalloc(f->arena, HOSTS * sizeof(*f->found.host));
	f->found.by_srv = n > 0;
	find_order(c, n);
	for (size_t i = 0; i < n && f->nhosts < HOSTS; i++)
		add_host(f, &c[i]);
	if (!n)
		fall_back(f);
	/* Only localhost: nobody is asked. */
	if (!f->pending)
		take_addresses(f);
}

/* An answer has come. */
static void
go_on(struct find *f)
{
	if (!f->pending && f->addresses)
		take_addresses(f);
	else if (!f->pending)
		take_services(f);
	else if (f->addresses && !timer_is_set(&f->late) && is_enough(f))
		timer_set(&f->late, LATE_MS, on_late);
}

/* "127.0.0.1", "[2001:db8::1]", "localhost" */
static bool
needs_no_dns(struct find *f, const char *domain)
{
	unsigned char address[16];
	char inner[64] = "";
	size_t len = strlen(domain);

	if (domain[0] == '[' && len > 2 && len < sizeof(inner))
		memcpy(inner, domain + 1, len - 2);
	if (inet_pton(AF_INET, domain, address) == 1)
		len = 4;
	else if (*inner && inet_pton(AF_INET6, inner, address) == 1)
		len = 16;
	else if (!is_localhost(domain))
		return false;
	f->found.host = arena_zalloc(f->arena, HOSTS * sizeof(*f->found.host));
	f->found.target = arena_zalloc(f->arena, TARGETS * sizeof(*f->found.target));
	f->found.host[0] = (struct find_host){.name = arena_strdup(f->arena, domain), .port = DEFAULT_PORT};
	f->found.nhosts = f->nhosts = 1;
	f->name[0].name = f->found.host[0].name;
	if (is_localhost(domain))
		add_targets(f, 0);
	else
		add_target(f, 0, address, len);
	f->found.ok = f->found.ntargets > 0;
	f->found.no_such = !f->found.ok;
	if (!f->found.ok)
		snprintf(f->found.why, sizeof(f->found.why), "%s is nobody's address", domain);
	return true;
}

struct find *
find_new(const char *domain, bool tlsa, find_fn fn, void *owner)
{
	struct find *f = NEW(struct find);

	f->arena = arena_new(0);
	f->fn = fn;
	f->owner = owner;
	f->tlsa = tlsa;
	f->tell.run = on_tell;
	if (needs_no_dns(f, domain)) {
		reactor_defer(reactor_current(), &f->tell);
	} else if (domain_to_ascii(domain, f->domain, sizeof(f->domain)) <= 0) {
		f->found.no_such = true;
		snprintf(f->found.why, sizeof(f->found.why), "%.300s is no name that the DNS could have", domain);
		reactor_defer(reactor_current(), &f->tell);
	} else {
		for (int i = 0; i < SERVICES; i++)
			ask(f, &f->srv[i], DNS_SRV, "%s.%s", services[i], f->domain);
	}
	return f;
}
