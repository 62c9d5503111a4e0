/*
 * attempt: a stream that we want, from the domain's name to the stream that is ready, or to the reason why there is none.
 *
 * Finds the targets of a domain, dials, and makes a stream to the one that answers (s2s_out): TLS, their certificate, our
 * authentication, up to READY. When that fails somewhere, the next target has its turn, until none is left or the time is over;
 * then the route is told why, by what went furthest: a refusal or a certificate rather than a connection that was not to be had.
 */
#include "core/federation/attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/federation/route.h"
#include "core/home.h"

static void next_target(struct attempt *a);

/* Its life, and what is known */

static void
attempt_free(struct attempt *a)
{
	if (a->find)
		find_cancel(a->find);
	if (a->dial)
		dial_cancel(a->dial);
	timer_clear(&a->timer);
	arena_free(a->arena);
	jid_unref(a->local);
	jid_unref(a->remote);
	reactor_free_later(reactor_current(), free, a);
}

void
attempt_done(struct attempt *a)
{
	if (a->stream)
		a->stream->attempt = NULL;
	attempt_free(a);
}

void
attempt_cancel(struct attempt *a)
{
	struct s2s *s = a->stream;

	attempt_done(a);
	if (s)
		s2s_end(s, XSTREAM_NONE, "it is not needed any more");
}

void
attempt_note(struct attempt *a, enum failure f, const char *why)
{
	if (!why || f < a->failure)
		return;
	a->failure = f;
	snprintf(a->words, sizeof(a->words), "%s", why);
}

static void
finish(struct attempt *a)
{
	if (a->asks)
		dialback_not_asked(a->asks, a->no_such);
	else
		route_failed(a->route, a->no_such, a->failure == FINAL, a->error, *a->words ? a->words : "there is no answer");
	attempt_free(a);
}

static int64_t
time_left(const struct attempt *a)
{
	return a->deadline_ms - reactor_now_ms(reactor_current());
}

/* What was found is ours to keep. */
static void
keep_found(struct attempt *a, const struct found *f)
{
	size_t i, bytes;

	a->found = *f;
	a->found.host = arena_alloc(a->arena, (f->nhosts + 1) * sizeof(*f->host));
	a->found.target = arena_alloc(a->arena, (f->ntargets + 1) * sizeof(*f->target));
	memcpy(a->found.target, f->target, f->ntargets * sizeof(*f->target));
	for (i = 0; i < f->nhosts; i++) {
		struct find_host *h = &a->found.host[i];

		*h = f->host[i];
		h->name = arena_strdup(a->arena, h->name);
		h->tlsa = arena_alloc(a->arena, (h->ntlsa + 1) * sizeof(*h->tlsa));
		for (size_t j = 0; j < h->ntlsa; j++) {
			h->tlsa[j] = f->host[i].tlsa[j];
			bytes = h->tlsa[j].len;
			h->tlsa[j].data = memcpy(arena_alloc(a->arena, bytes + 1), f->host[i].tlsa[j].data, bytes);
		}
	}
}

static bool
is_same_target(const struct dial_target *a, const struct dial_target *b)
{
	return a->host == b->host && a->direct_tls == b->direct_tls && !memcmp(&a->address, &b->address, sizeof(a->address));
}

/* It is not tried again; there is one less in any case. */
static void
forget_target(struct attempt *a, const struct dial_target *t)
{
	size_t i = 0;

	while (i + 1 < a->found.ntargets && !is_same_target(&a->found.target[i], t))
		i++;
	a->found.ntargets--;
	memmove(&a->found.target[i], &a->found.target[i + 1], (a->found.ntargets - i) * sizeof(*t));
}

static void
time_over(struct timer *t)
{
	struct attempt *a = LIST_ENTRY(t, struct attempt, timer);

	if (a->stream)
		s2s_end(a->stream, XSTREAM_CONNECTION_TIMEOUT, "its server was too slow");
	else
		finish(a);
}

/* A target that answers and then says nothing leaves the others half of what time there is. */
static void
set_time(struct attempt *a)
{
	int64_t left = time_left(a);

	if (a->stream && a->found.ntargets)
		left /= 2;
	timer_set(&a->timer, left > 0 ? left : 0, time_over);
}

static void
begin_stream(struct attempt *a, int fd, const struct dial_target *t)
{
	struct s2s *s = s2s_new(true, a->local, a->remote);

	if (!s) {
		close(fd);
		attempt_note(a, BROKEN, "there are too many streams with other servers");
		finish(a);
		return;
	}
	a->stream = s;
	a->elements = 0;
	a->challenged = a->authzid_tried = false;
	s->attempt = a;
	s->route = a->route;
	s->sends = !a->asks;
	s->direct_tls = t->direct_tls;
	if (!s2s_take(s, fd, (const struct sockaddr *)&t->address))
		return;
	set_time(a);
	if (s->direct_tls)
		s2s_start_tls(s, 0);
	else
		s2s_write_header(s);
}

static void
dialled(void *owner, int fd, const struct dial_target *t, const char *why)
{
	struct attempt *a = owner;
	char words[256];

	a->dial = NULL;
	if (fd < 0) {
		snprintf(words, sizeof(words), "no connection to its server: %s", why ? why : "no answer");
		attempt_note(a, NOT_REACHED, words);
		finish(a);
		return;
	}
	a->host = t->host;
	forget_target(a, t);
	begin_stream(a, fd, t);
}

static void
next_target(struct attempt *a)
{
	int64_t left = time_left(a);

	if (!a->found.ntargets || left <= 0) {
		finish(a);
		return;
	}
	set_time(a);
	a->dial = dial_new(a->found.target, a->found.ntargets, (unsigned)left, dialled, a);
}

static void
found(void *owner, const struct found *f)
{
	struct attempt *a = owner;

	a->find = NULL;
	if (f->ok) {
		keep_found(a, f);
		attempt_note(a, NOT_REACHED, "no connection to its server in time");
		next_target(a);
		return;
	}
	a->no_such = f->no_such;
	attempt_note(a, NOT_FOUND_NOW, f->why);
	finish(a);
}

/* To be let in by dialback a partner need not be one that anything is sent to. */
const struct partner *
attempt_entry(const struct attempt *a)
{
	return partner_find(jid_domain(a->remote), a->asks ? PARTNER_IN : PARTNER_OUT, NULL);
}

static struct attempt *
begin(struct route *r, struct dialback *asks, struct jid *local, struct jid *remote)
{
	const struct partner *p;
	struct attempt *a = NEW(struct attempt);

	a->route = r;
	a->asks = asks;
	a->error = XERROR_REMOTE_SERVER_TIMEOUT;
	a->local = jid_ref(local);
	a->remote = jid_ref(remote);
	a->arena = arena_new(0);
	a->deadline_ms = reactor_now_ms(reactor_current()) + (int64_t)home_config()->federation.connect_ms;
	attempt_note(a, NOT_FOUND_NOW, "the name servers do not answer");
	set_time(a);
	p = attempt_entry(a);
	a->find = find_new(jid_domain(remote), p && p->trust == CERT_BY_DANE, found, a);
	return a;
}

struct attempt *
attempt_new(struct route *r, struct jid *local, struct jid *remote)
{
	return begin(r, NULL, local, remote);
}

struct attempt *
attempt_to_ask(struct dialback *d, struct jid *local, struct jid *remote)
{
	return begin(NULL, d, local, remote);
}

struct dialback *
attempt_asks(const struct attempt *a)
{
	return a->asks;
}

/* The end of a stream before it was ready */

/* What they said when they ended it: will they say it again? */
static bool
is_final(const char *condition)
{
	static const char *const final[] = { "host-unknown", "host-gone", "not-authorized", "policy-violation", "invalid-from",
		"improper-addressing", "invalid-namespace", "unsupported-version", "unsupported-stanza-type", "unsupported-feature" };

	for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++)
		if (!strcmp(final[i], condition))
			return true;
	return false;
}

void
attempt_broke(struct s2s *s, const char *why)
{
	struct attempt *a = s->attempt;

	if (!a)
		return;
	s->attempt = NULL;
	a->stream = NULL;
	if (s->peer_error)
		a->no_such |= !strcmp(s->peer_error, "host-unknown") || !strcmp(s->peer_error, "host-gone");
	attempt_note(a, s->peer_error && is_final(s->peer_error) ? FINAL : BROKEN, why);
	log_info(s->conn ? conn_log(s->conn) : NULL, "s2s-target-failed", "local=%s remote=%s direct_tls=%d final=%d why=%s", jid_domain(s->local),
		jid_domain(s->remote), s->direct_tls, a->failure == FINAL, a->words);
	next_target(a);
}
