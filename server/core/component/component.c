/*
 * component: whose domains they are, and the home of each; what waits there is component_way's.
 */
#include "core/component/component.h"

#include <pthread.h>
#include <string.h>

#include "base/crypt.h"
#include "base/list.h"
#include "core/component/component_doors.h"
#include "core/component/component_priv.h"
#include "core/component/component_rules.h"
#include "core/component/component_way.h"
#include "core/home.h"
#include "core/route/packet.h"
#include "net/reactor.h"

static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER; /* one at a time: none may put older rules over newer ones */

/* Who they are */

/* Nothing on the way is encrypted there. */
static int
check_addresses(const struct config *c, struct err *e)
{
	for (size_t i = 0; i < c->listen.components.n; i++) {
		const char *a = c->listen.components.item[i];

		if (strncmp(a, "127.", 4) && strncmp(a, "[::1]:", 6) && strncmp(a, "unix:", 5))
			return err_set(e, 0, "listen.components: %s is neither a loopback address nor a local socket; others connect to "
				"listen.components_tls", a);
	}
	return 0;
}

int
component_load(const struct config *c, struct err *e)
{
	return check_addresses(c, e) ? -1 : component_rules_read_settings(c, e);
}

static void
follow_here(void *arg)
{
	(void)arg;
	component_home_reload();
}

int
component_changed(struct err *e)
{
	struct config *c = config_get();
	int rc;

	pthread_mutex_lock(&changing);
	rc = component_rules_read_stored(c->database.conninfo, e);
	if (!rc) {
		home_call_each(follow_here, NULL);
		rc = component_doors_open(c, e);
		component_doors_run();
	}
	pthread_mutex_unlock(&changing);
	config_unref(c);
	return rc;
}

void
component_stop(void)
{
	component_rules_forget();
}

bool
component_is(const struct jid *j)
{
	struct component_rules *r = component_rules_get(jid_domain(j));

	component_rules_unref(r);
	return r != NULL;
}

bool
component_keeps(const struct jid *j)
{
	struct component_rules *r = component_rules_get(jid_domain(j));
	bool keeps = r && r->keep;

	component_rules_unref(r);
	return keeps;
}

void
component_each(void (*fn)(void *arg, const char *domain), void *arg)
{
	component_way_each(fn, arg);
}

/* The way there */

struct reactor *
component_home(const char *domain)
{
	return reactor_at((unsigned)(crypt_hash(domain, strlen(domain)) % reactor_count()));
}

static void
arrive(struct mail *m)
{
	component_way_send(LIST_ENTRY(m, struct packet, mail));
}

void
component_deliver(struct packet *p)
{
	p->mail.run = arrive;
	reactor_post(component_home(jid_domain(p->to)), &p->mail);
}
