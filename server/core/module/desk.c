/*
 * desk: one pointer, set by server/admin when it starts and cleared before it stops.
 */
#include "core/module/desk.h"

#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool (*taker)(struct desk_order *o);

void
desk_set(bool (*take)(struct desk_order *o))
{
	pthread_mutex_lock(&lock);
	taker = take;
	pthread_mutex_unlock(&lock);
}

/* Under the lock: whoever is about to stop waits until the order is in its queue, where it is found. */
bool
desk_submit(struct desk_order *o)
{
	bool taken;

	pthread_mutex_lock(&lock);
	taken = taker && taker(o);
	pthread_mutex_unlock(&lock);
	return taken;
}

const char *
hook_admin_value(const struct hook_admin_row *row, const char *name)
{
	for (unsigned i = 0; i < row->n; i++)
		if (!strcmp(row->name[i], name))
			return row->value[i];
	return "";
}
