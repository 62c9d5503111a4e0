/* watch: see watch.h. One short list for the process. */
#include "core/component/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "core/roster/presence.h"
#include "core/session.h"
#include "core/user.h"
#include "net/reactor.h"

struct watcher {
	struct list link;
	struct jid *domain;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list watchers = { &watchers, &watchers }; /* under lock */
static atomic_uint n; /* of them: mostly none */

static void
show_user(struct user *u, void *arg)
{
	if (u->roster)
		presence_send_current(u, arg);
}

static void
show_all_here(void *arg)
{
	user_each(show_user, arg);
	jid_unref(arg);
}

void
watch_begin(struct jid *domain)
{
	struct watcher *w = NEW(struct watcher);

	w->domain = jid_ref(domain);
	pthread_mutex_lock(&lock);
	list_append(&watchers, &w->link);
	atomic_fetch_add(&n, 1);
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; i < reactor_count(); i++)
		reactor_call(reactor_at(i), show_all_here, jid_ref(domain));
}

static struct watcher *
find(const struct jid *domain)
{
	LIST_EACH(l, &watchers) {
		struct watcher *w = LIST_ENTRY(l, struct watcher, link);

		if (jid_equal(w->domain, domain))
			return w;
	}
	return NULL;
}

void
watch_end(const struct jid *domain)
{
	struct watcher *w;

	pthread_mutex_lock(&lock);
	w = find(domain);
	if (w) {
		list_remove(&w->link);
		atomic_fetch_sub(&n, 1);
	}
	pthread_mutex_unlock(&lock);
	if (!w)
		return;
	jid_unref(w->domain);
	free(w);
}

/* A copy, as what is sent must not meet the lock. NULL: nobody. */
static struct jid **
all(unsigned *count)
{
	struct jid **list;
	unsigned k = 0;

	pthread_mutex_lock(&lock);
	list = mem_zalloc((atomic_load(&n) + 1) * sizeof(struct jid *));
	LIST_EACH(l, &watchers)
		list[k++] = jid_ref(LIST_ENTRY(l, struct watcher, link)->domain);
	pthread_mutex_unlock(&lock);
	*count = k;
	return list;
}

void
watch_tell(struct user *u, const struct packet *p)
{
	struct jid **list;
	unsigned count;

	if (!atomic_load_explicit(&n, memory_order_relaxed))
		return;
	list = all(&count);
	for (unsigned i = 0; i < count; i++) {
		presence_send_to(u, p, list[i]);
		jid_unref(list[i]);
	}
	free(list);
}
