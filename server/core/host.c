/*
 * host: the virtual hosts and their certificates. The list is made once at start; certificates are
 * counted sets, one for each use, that a reload replaces under a mutex held for a few pointer moves.
 */
#include "core/host.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "xmpp/domain.h"

static struct host *hosts;
static size_t nhosts;

/* What certificates are used for: the protocol in ALPN, and whether the other side shows one too. */
enum use { USE_CLIENTS, USE_HTTPS, USE_SERVERS, USES };

static const struct {
	const char *alpn;
	struct tls_set *(*make)(const struct tls_identity *ids, size_t n, const char *alpn, struct err *e);
} uses[USES] = {
	[USE_CLIENTS] = { "xmpp-client", tls_set_new },
	[USE_HTTPS] = { "http/1.1", tls_set_new },
	[USE_SERVERS] = { "xmpp-server", tls_set_new_mutual },
};

static struct tls_set *tls[USES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct tls_set *
read_certificates(const struct config *c, enum use use, struct err *e)
{
	struct arena *a = arena_new(0);
	struct tls_identity *ids = arena_zalloc(a, c->nhosts * sizeof(*ids));
	struct tls_set *s;
	char ascii[1024];

	for (size_t i = 0; i < c->nhosts; i++) {
		const struct config_host *h = &c->hosts[i];

		if (domain_to_ascii(h->domain, ascii, sizeof(ascii)) < 0)
			snprintf(ascii, sizeof(ascii), "%s", h->domain); /* an IP literal */
		ids[i] = (struct tls_identity){ .domain = arena_strdup(a, ascii), .certificate = h->certificate, .key = h->key };
	}
	s = uses[use].make(ids, c->nhosts, uses[use].alpn, e);
	arena_free(a);
	return s;
}

static void
forget_certificates(struct tls_set *sets[USES])
{
	for (int i = 0; i < USES; i++)
		tls_set_unref(sets[i]);
}

/* All of them or none. */
static int
read_all_certificates(const struct config *c, struct tls_set *sets[USES], struct err *e)
{
	memset(sets, 0, USES * sizeof(sets[0]));
	for (int i = 0; i < USES; i++) {
		sets[i] = read_certificates(c, (enum use)i, e);
		if (sets[i])
			continue;
		forget_certificates(sets);
		memset(sets, 0, USES * sizeof(sets[0]));
		return -1;
	}
	return 0;
}

int
host_start(const struct config *c, struct err *e)
{
	if (read_all_certificates(c, tls, e))
		return -1;
	hosts = mem_zalloc(c->nhosts * sizeof(*hosts));
	for (nhosts = 0; nhosts < c->nhosts; nhosts++) {
		struct host *h = &hosts[nhosts];

		h->jid = jid_new(NULL, c->hosts[nhosts].domain, NULL);
		if (!h->jid)
			return err_set(e, 0, "hosts: %s is not a domain name", c->hosts[nhosts].domain);
		h->domain = jid_domain(h->jid);
	}
	return 0;
}

void
host_stop(void)
{
	for (size_t i = 0; i < nhosts; i++)
		jid_unref(hosts[i].jid);
	free(hosts);
	forget_certificates(tls);
	memset(tls, 0, sizeof(tls));
	hosts = NULL;
	nhosts = 0;
}

const struct host *
host_at(unsigned n)
{
	return n < nhosts ? &hosts[n] : NULL;
}

const struct host *
host_find(const char *domain)
{
	for (size_t i = 0; i < nhosts; i++)
		if (!strcmp(hosts[i].domain, domain))
			return &hosts[i];
	return NULL;
}

bool
host_is_local(const struct jid *j)
{
	return host_find(jid_domain(j)) != NULL;
}

static struct tls_set *
current(enum use use)
{
	struct tls_set *s;

	pthread_mutex_lock(&lock);
	s = tls_set_ref(tls[use]);
	pthread_mutex_unlock(&lock);
	return s;
}

struct tls_set *
host_tls(void)
{
	return current(USE_CLIENTS);
}

struct tls_set *
host_https(void)
{
	return current(USE_HTTPS);
}

struct tls_set *
host_s2s_tls(void)
{
	return current(USE_SERVERS);
}

int
host_reload_tls(const struct config *c, struct err *e)
{
	struct tls_set *sets[USES], *old[USES];

	if (read_all_certificates(c, sets, e))
		return -1;
	pthread_mutex_lock(&lock);
	memcpy(old, tls, sizeof(old));
	memcpy(tls, sets, sizeof(tls));
	pthread_mutex_unlock(&lock);
	forget_certificates(old);
	return 0;
}
