/*
 * component: which domains belong to components, which of them are connected, and the way of a packet there.
 *
 * The table of domains is replaced by a reload, under a mutex; only addresses that are not ours are looked up in it. Which
 * stream speaks for a domain is known to the domain's home alone; others see whether there is one.
 */
#include "core/component/component.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/list.h"
#include "base/mem.h"
#include "core/component/component_priv.h"
#include "core/config/config_table.h"
#include "core/host.h"
#include "core/route/packet.h"
#include "core/route/router.h"
#include "net/reactor.h"

#define SECRET_MIN 16 /* bytes */
#define SECRET_MAX 255

struct allowed {
	char domain[1024];
	char secret[SECRET_MAX + 1];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct allowed *table; /* under lock */
static size_t ntable;

/* A stream that speaks for a domain. */
struct joined {
	struct list here;  /* of this home: without the lock */
	struct list all;   /* under lock */
	struct component *c;
	char domain[];
};

static struct list all = { &all, &all };
static _Thread_local struct list joined_here;

/* The settings */

static int
read_secret(const char *file, char out[SECRET_MAX + 1], struct err *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, out, SECRET_MAX + 1);
	int code = errno;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return err_set(e, code, "components.domains: %s: %s", file, strerror(code));
	while (n > 0 && strchr(" \t\r\n", out[n - 1]))
		n--;
	if (n < SECRET_MIN || n > SECRET_MAX)
		return err_set(e, 0, "components.domains: %s: a secret has %d to %d bytes", file, SECRET_MIN, SECRET_MAX);
	out[n] = '\0';
	if (strlen(out) != (size_t)n)
		return err_set(e, 0, "components.domains: %s: the secret is not text", file);
	return 0;
}

static int
read_item(const struct config *c, const char *item, struct allowed *a, struct err *e)
{
	const char *eq = strchr(item, '=');
	struct jid *j;

	if (!eq || jid_prepare_domain(item, (size_t)(eq - item), a->domain))
		return err_set(e, 0, "components.domains: %s: expected DOMAIN=FILE", item);
	j = jid_new(NULL, a->domain, NULL);
	if (!j || host_is_local(j)) {
		jid_unref(j);
		return err_set(e, 0, "components.domains: %s is one of hosts", a->domain);
	}
	jid_unref(j);
	return read_secret(config_resolve_file((struct config *)c, eq + 1), a->secret, e);
}

static void
forget(struct allowed *t, size_t n)
{
	if (t)
		crypt_wipe(t, n * sizeof(*t));
	free(t);
}

/* Nothing on the way is encrypted. */
static int
check_addresses(const struct config *c, struct err *e)
{
	for (size_t i = 0; i < c->listen.components.n; i++) {
		const char *a = c->listen.components.item[i];

		if (strncmp(a, "127.", 4) && strncmp(a, "[::1]:", 6))
			return err_set(e, 0, "listen.components: %s is not a loopback address", a);
	}
	return 0;
}

int
component_load(const struct config *c, struct err *e)
{
	size_t n = c->components.domains.n, i;
	struct allowed *t, *old;
	size_t old_n;

	if (check_addresses(c, e))
		return -1;
	t = mem_zalloc((n + 1) * sizeof(*t));
	for (i = 0; i < n; i++) {
		if (read_item(c, c->components.domains.item[i], &t[i], e)) {
			forget(t, n);
			return -1;
		}
	}
	pthread_mutex_lock(&lock);
	old = table;
	old_n = ntable;
	table = t;
	ntable = n;
	pthread_mutex_unlock(&lock);
	forget(old, old_n);
	return 0;
}

void
component_stop(void)
{
	forget(table, ntable);
	table = NULL;
	ntable = 0;
}

/* With the lock held. */
static const struct allowed *
find_allowed(const char *domain)
{
	for (size_t i = 0; i < ntable; i++)
		if (!strcmp(table[i].domain, domain))
			return &table[i];
	return NULL;
}

bool
component_is(const struct jid *j)
{
	bool is;

	pthread_mutex_lock(&lock);
	is = find_allowed(jid_domain(j)) != NULL;
	pthread_mutex_unlock(&lock);
	return is;
}

int
component_secret(const char *domain, char out[256])
{
	const struct allowed *a;

	pthread_mutex_lock(&lock);
	a = find_allowed(domain);
	if (a)
		strcpy(out, a->secret); /* both hold SECRET_MAX */
	pthread_mutex_unlock(&lock);
	return a ? 0 : -1;
}

/* Who is connected */

struct reactor *
component_home(const char *domain)
{
	return reactor_at((unsigned)(crypt_hash(domain, strlen(domain)) % reactor_count()));
}

static struct joined *
find_here(const char *domain)
{
	LIST_EACH(l, &joined_here) {
		struct joined *j = LIST_ENTRY(l, struct joined, here);

		if (!strcmp(j->domain, domain))
			return j;
	}
	return NULL;
}

bool
component_join(struct component *c, const char *domain)
{
	struct joined *j;

	if (find_here(domain))
		return false;
	j = mem_zalloc(sizeof(*j) + strlen(domain) + 1);
	j->c = c;
	strcpy(j->domain, domain);
	list_append(&joined_here, &j->here);
	pthread_mutex_lock(&lock);
	list_append(&all, &j->all);
	pthread_mutex_unlock(&lock);
	return true;
}

void
component_leave(struct component *c, const char *domain)
{
	struct joined *j = find_here(domain);

	if (!j || j->c != c)
		return;
	list_remove(&j->here);
	pthread_mutex_lock(&lock);
	list_remove(&j->all);
	pthread_mutex_unlock(&lock);
	free(j);
}

void
component_each(void (*fn)(void *arg, const char *domain), void *arg)
{
	pthread_mutex_lock(&lock);
	LIST_EACH(l, &all)
		fn(arg, LIST_ENTRY(l, struct joined, all)->domain);
	pthread_mutex_unlock(&lock);
}

void
component_home_joined_init(void)
{
	list_init(&joined_here);
}

/* The way there */

void
component_refuse(const struct packet *p, enum xerror e, const char *text)
{
	if (p->kind == PACKET_PRESENCE)
		return; /* nobody waits for an answer */
	router_refuse(p, e, "wait", text);
}

static void
arrive(struct mail *m)
{
	struct packet *p = LIST_ENTRY(m, struct packet, mail);
	struct joined *j = find_here(jid_domain(p->to));

	if (j)
		component_stream_send(j->c, p);
	else
		component_refuse(p, XERROR_SERVICE_UNAVAILABLE, "the component is not connected");
	packet_unref(p);
}

void
component_deliver(struct packet *p)
{
	p->mail.run = arrive;
	reactor_post(component_home(jid_domain(p->to)), &p->mail);
}
