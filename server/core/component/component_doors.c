/* component_doors: see component_doors.h. */
#include "core/component/component_doors.h"

#include <pthread.h>

#include "core/component/component.h"
#include "core/component/component_rules.h"
#include "core/config/config_table.h"
#include "net/listener.h"

static bool plain = false, direct = true;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct listener *doors[2 * CONFIG_LIST_MAX]; /* under lock, as all below */
static size_t n;
static bool running;

static int
bind_all(const struct config_list *addresses, bool *tls, struct err *e)
{
	for (size_t i = 0; i < addresses->n; i++) {
		struct listener *l = listener_new(addresses->item[i], component_accept, tls, e);

		if (!l)
			return -1;
		doors[n++] = l;
	}
	return 0;
}

static void
close_all(void)
{
	while (n)
		listener_stop(doors[--n]);
	running = false;
}

int
component_doors_open(const struct config *c, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (!n && component_rules_any()) {
		rc = bind_all(&c->listen.components, &plain, e) || bind_all(&c->listen.components_tls, &direct, e) ? -1 : 0;
		if (rc)
			close_all();
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void
component_doors_run(void)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; !running && i < n; i++)
		listener_run(doors[i]);
	running = n > 0;
	pthread_mutex_unlock(&lock);
}

void
component_doors_close(void)
{
	pthread_mutex_lock(&lock);
	close_all();
	pthread_mutex_unlock(&lock);
}
