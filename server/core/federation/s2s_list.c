/* s2s_list: see s2s_list.h. What is seen is copied, so that the caller may take its time. */
#include "core/federation/s2s_list.h"

#include <string.h>

#include "base/arena.h"
#include "core/federation/s2s_priv.h"
#include "core/home.h"

struct seen {
	struct seen *next;
	struct s2s_seen s;
};

struct listing {
	const char *domain;
	struct arena *arena;
	struct seen *first, **last;
};

static bool
is_meant(const struct s2s *s, const char *domain)
{
	const char *remote = s->remote != NULL ? jid_domain(s->remote) : "";
	size_t n = strlen(remote), m = strlen(domain);

	if (strncmp(domain, "*.", 2) == 0)
		return n > m - 1 && strcmp(remote + n - (m - 1), domain + 1) == 0;
	return strcmp(remote, domain) == 0;
}

static const char *
state_of(const struct s2s *s)
{
	return s->state == S2S_READY ? "ready" : s->state == S2S_CLOSING ? "closing" : "negotiating";
}

static void
see(struct listing *l, const struct s2s *s)
{
	struct seen *x = arena_zalloc(l->arena, sizeof *x);
	bool secure = s->conn != NULL && conn_is_secure(s->conn);
	char tls[96] = "";

	x->s = (struct s2s_seen){.local = arena_strdup(l->arena, s->local != NULL ? jid_domain(s->local) : ""),
		.remote = arena_strdup(l->arena, jid_domain(s->remote)), .state = state_of(s), .made_here = s->initiator, .sends = s->sends,
		.receives = s->receives, .resumable = s->sm != NULL, .how = s->how != NULL ? s->how : "",
		.fingerprint = arena_strdup(l->arena, s->cert != NULL ? s->cert->fingerprint : ""),
		.address = arena_strdup(l->arena, s->conn != NULL ? conn_address(s->conn) : ""),
		.tls = arena_strdup(l->arena, secure ? tls_describe(conn_ssl(s->conn), tls) : ""), .in = s->stanzas_in, .out = s->stanzas_out};
	*l->last = x;
	l->last = &x->next;
}

static void
look(void *arg)
{
	struct listing *l = arg;

	if (s2s_all() == NULL)
		return;
	LIST_EACH(at, s2s_all()) {
		const struct s2s *s = LIST_ENTRY(at, struct s2s, link);

		if (is_meant(s, l->domain))
			see(l, s);
	}
}

void
s2s_list(const char *domain, void (*each)(void *arg, const struct s2s_seen *s), void *arg)
{
	struct listing l = {.domain = domain, .arena = arena_new(0)};

	l.last = &l.first;
	home_call_each(look, &l);
	for (const struct seen *x = l.first; x != NULL; x = x->next)
		each(arg, &x->s);
	arena_free(l.arena);
}
