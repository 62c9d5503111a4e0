/*
 * host: the virtual hosts and their certificates. The list is made once at start; certificates are a
 * counted set that a reload replaces under a mutex held for two pointer moves.
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
static struct tls_set *tls, *https;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct tls_set *
read_certificates(const struct config *c, const char *alpn, struct err *e)
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
	s = tls_set_new(ids, c->nhosts, alpn, e);
	arena_free(a);
	return s;
}

int
host_start(const struct config *c, struct err *e)
{
	tls = read_certificates(c, "xmpp-client", e);
	https = tls ? read_certificates(c, "http/1.1", e) : NULL;
	if (!https)
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
	tls_set_unref(tls);
	tls_set_unref(https);
	hosts = NULL;
	nhosts = 0;
	tls = https = NULL;
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
current(struct tls_set **which)
{
	struct tls_set *s;

	pthread_mutex_lock(&lock);
	s = tls_set_ref(*which);
	pthread_mutex_unlock(&lock);
	return s;
}

struct tls_set *
host_tls(void)
{
	return current(&tls);
}

struct tls_set *
host_https(void)
{
	return current(&https);
}

int
host_reload_tls(const struct config *c, struct err *e)
{
	struct tls_set *s = read_certificates(c, "xmpp-client", e), *h = s ? read_certificates(c, "http/1.1", e) : NULL, *old;

	if (!h) {
		tls_set_unref(s);
		return -1;
	}
	pthread_mutex_lock(&lock);
	old = tls;
	tls = s;
	s = https;
	https = h;
	pthread_mutex_unlock(&lock);
	tls_set_unref(old);
	tls_set_unref(s);
	return 0;
}
