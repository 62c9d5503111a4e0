/*
 * s2s_review: the streams of a reactor when the partners have changed (called by route_partners_changed), and now and then, as certificates
 * expire on streams that stay open.
 *
 * Who is not allowed any more, in a direction that the stream has, goes. Where the entry is another one, or the
 * revocation lists are, the certificate is judged again: a key that is not pinned any more ends the stream that was let in with it.
 */
#include <string.h>

#include "base/clock.h"
#include "core/federation/s2s_priv.h"

#define AGAIN_MS 2000

static _Thread_local struct timer again;

static void
judged(void *owner, const struct cert_answer *answer)
{
	struct s2s *s = owner;

	s->trust = NULL;
	if (answer->verdict == CERT_GOOD)
		*s->cert = *answer;
	else
		s2s_refuse(s, XSTREAM_POLICY_VIOLATION, s2s_certificate_why(answer->verdict), answer->words);
}

static void
judge_again(struct s2s *s, const struct partner *p)
{
	struct trust *t;

	s->partner_version = p->version;
	s->trust_version = trust_version();
	if (s->trust)
		trust_cancel(s->trust);
	s->trust = NULL;
	if (!p->dialback && !strcmp(s->how, "dialback")) {
		s2s_refuse(s, XSTREAM_POLICY_VIOLATION, "dialback", "dialback is not allowed any more");
		return;
	}
	t = trust_new(conn_ssl(s->conn), p, jid_domain(s->remote), NULL, 0, judged, s);
	if (t)
		s->trust = t;
}

/* Since it was judged. Where dates do not matter (DANE) it is found good again, once. */
static bool
has_expired(const struct s2s *s)
{
	return s->cert && !s->trust && s->cert->not_after >= s->cert->judged && s->cert->not_after < clock_wall_us() / 1000000;
}

static void
review(struct s2s *s)
{
	const char *domain = jid_domain(s->remote), *why = NULL;
	/* One that asks about a key of dialback is for a stream that came in. */
	bool out = s->initiator && !(s->attempt && attempt_asks(s->attempt));
	const struct partner *p = partner_find(domain, out ? PARTNER_OUT : PARTNER_IN, &why);

	if (p && s->initiator && s->receives)
		p = partner_find(domain, PARTNER_IN, &why);
	else if (p && !s->initiator && s->sends)
		p = partner_find(domain, PARTNER_OUT, &why);
	if (!p)
		s2s_end(s, XSTREAM_POLICY_VIOLATION, why ? why : "this domain is not allowed any more");
	else if (s->state == S2S_READY && (p->version != s->partner_version || trust_version() != s->trust_version || has_expired(s)))
		judge_again(s, p);
}

void
s2s_review(void)
{
	LIST_EACH(l, s2s_all()) {
		struct s2s *s = LIST_ENTRY(l, struct s2s, link);

		if (s->remote && s->state != S2S_CLOSING)
			review(s);
	}
}

static void
on_again(struct timer *t)
{
	s2s_review();
	timer_set(t, AGAIN_MS, on_again);
}

void
s2s_review_start(void)
{
	timer_set(&again, AGAIN_MS, on_again);
}

void
s2s_review_stop(void)
{
	timer_clear(&again);
}
