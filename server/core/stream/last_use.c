/*
 * last_use: a growing array of what is to be written, handed to one job when it is a second old or full. What is lost in a
 * crash is a second of "last seen".
 */
#include "core/stream/last_use.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/reactor.h"
#include "store/device.h"
#include "store/pool.h"

#define FLUSH_MS 1000
#define MOST 512
#define ADDRESS_MAX 48

struct use {
	int64_t device, at_us;
	char address[ADDRESS_MAX]; /* "": unchanged */
};

struct uses {
	struct use *list;
	size_t n;
	struct timer timer;
};

static _Thread_local struct uses *here;

struct write {
	size_t n;
	int64_t ids[MOST], at_us[MOST];
	const char *addresses[MOST];
};

static enum sql_status
write_work(struct job *j, struct sql *db)
{
	const struct write *w = j->data;

	return device_touch(db, w->ids, w->at_us, w->addresses, w->n, &j->err);
}

void
last_use_flush(void)
{
	struct job *j;
	struct write *w;

	timer_clear(&here->timer);
	if (!here->n)
		return;
	j = job_new(sizeof(*w));
	w = j->data;
	w->n = here->n;
	for (size_t i = 0; i < w->n; i++) {
		const struct use *u = &here->list[i];

		w->ids[i] = u->device;
		w->at_us[i] = u->at_us;
		w->addresses[i] = *u->address ? arena_strdup(j->arena, u->address) : NULL;
	}
	free(here->list);
	here->list = NULL;
	here->n = 0;
	j->work = write_work;
	pool_submit(j, 0);
}

static void
on_timer(struct timer *t)
{
	(void)t;
	last_use_flush();
}

void
last_use_note(int64_t device, int64_t at_us, const char *address)
{
	struct use *u;

	if (!device)
		return;
	if (!here->list)
		here->list = mem_alloc(MOST * sizeof(*here->list));
	u = &here->list[here->n++];
	u->device = device;
	u->at_us = at_us;
	snprintf(u->address, sizeof(u->address), "%s", address ? address : "");
	if (here->n == MOST)
		last_use_flush();
	else if (!timer_is_set(&here->timer))
		timer_set(&here->timer, FLUSH_MS, on_timer);
}

void
last_use_home_start(void)
{
	here = NEW(struct uses);
}

void
last_use_home_stop(void)
{
	timer_clear(&here->timer);
	free(here->list);
	free(here);
	here = NULL;
}
