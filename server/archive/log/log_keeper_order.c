/*
 * log_keeper_order: what others ask of the keeper and wait for: a checkpoint that covers everything, the next key.
 */
#include "archive/log/log.h"

#include <errno.h>
#include <string.h>

#include "archive/log/log_keeper.h"
#include "base/clock.h"

static void
answer(struct keeper *k, struct keeper_order *o, int rc, const struct err *e)
{
	pthread_mutex_lock(&k->lock);
	o->rc = rc;
	if (rc)
		o->err = *e;
	o->done = true;
	pthread_cond_broadcast(&k->told);
	pthread_mutex_unlock(&k->lock);
}

static struct keeper_order *
next_order(struct keeper *k)
{
	struct keeper_order *o;

	pthread_mutex_lock(&k->lock);
	o = k->orders;
	if (o)
		k->orders = o->next;
	pthread_mutex_unlock(&k->lock);
	return o;
}

/* What a checkpoint that covers everything needs, done now. -1: why it cannot be had. */
int
keeper_cover_all(struct keeper *k, struct err *e)
{
	if (!k->loaded) {
		k->retry_ms = k->broken_ms = 0;
		if (!keeper_ready(k))
			return err_set(e, 0, "%s", k->trouble[KEEPER_BROKEN][0] ? k->trouble[KEEPER_BROKEN] : k->trouble[KEEPER_DATABASE]);
	}
	while (keeper_absorb(k))
		;
	if (!k->loaded)
		return err_set(e, 0, "%s", k->trouble[KEEPER_BROKEN][0] ? k->trouble[KEEPER_BROKEN] : k->trouble[KEEPER_DATABASE]);
	if (!k->signer)
		return err_set(e, 0, "%s", k->trouble[KEEPER_KEY]);
	return keeper_write_out(k, true, e);
}

void
keeper_obey(struct keeper *k)
{
	struct keeper_order *o;
	struct err e = { 0 };

	while ((o = next_order(k))) {
		int rc = o->rotate ? 0 : keeper_cover_all(k, &e);

		if (o->rotate)
			rc = keeper_rotate(k, o->lost, o->vkey, o->vkey_size, &e);
		keeper_publish(k);
		answer(k, o, rc, &e);
	}
}

/* -1 and `e` when it is not done, or not in time: then the keeper may still be at it, and has forgotten us. */
static int
order(struct keeper_order *o, unsigned wait_ms, struct err *e)
{
	struct keeper *k = &log_keeper;
	struct timespec until;
	int64_t ms = clock_mono_ms() + wait_ms;

	until = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	pthread_mutex_lock(&k->lock);
	if (!k->running) {
		pthread_mutex_unlock(&k->lock);
		return err_set(e, 0, "the log is not kept");
	}
	o->next = k->orders;
	k->orders = o;
	k->called = true;
	pthread_cond_signal(&k->wake);
	while (!o->done && k->running)
		if (pthread_cond_timedwait(&k->told, &k->lock, &until) == ETIMEDOUT && !o->done) {
			struct keeper_order **p = &k->orders;

			while (*p && *p != o)
				p = &(*p)->next;
			if (*p) {
				*p = o->next;
				break;
			}
			/* It is at work on it: its end is bounded by the deadlines of the database. */
			until.tv_sec += KEEPER_DEADLINE_MS / 1000;
		}
	if (!o->done)
		err_set(&o->err, 0, "the keeper of the log has no time");
	*e = o->err;
	pthread_mutex_unlock(&k->lock);
	return o->done ? o->rc : -1;
}

int
log_cover(uint64_t size, unsigned wait_ms, struct err *e)
{
	struct keeper_order o = { 0 };
	struct log_state st;

	log_state(&st);
	if (st.size >= size && size)
		return 0;
	return order(&o, wait_ms, e);
}

int
log_rotate(bool lost, char *vkey, size_t size, struct err *e)
{
	struct keeper_order o = { .rotate = true, .lost = lost, .vkey = vkey, .vkey_size = size };

	return order(&o, KEEPER_DEADLINE_MS, e);
}
