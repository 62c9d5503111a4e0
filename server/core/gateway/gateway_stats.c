/*
 * gateway_stats: a list under a mutex; there are few gateways, and they say it every ten seconds.
 */
#include "core/gateway/gateway_stats.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "core/component/component_rules.h"
#include "core/gateway/gateway_rules.h"

struct said {
	struct list link;
	char gateway[COMPONENT_NAME_MAX + 1];
	int64_t at_us;
	unsigned n;
	struct gateway_stat stat[GATEWAY_STATS_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list all = { &all, &all }; /* under lock */

bool
gateway_stat_is_name(const char *name)
{
	size_t n = strlen(name);

	return n && n < GATEWAY_STAT_NAME && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == n;
}

/* Under the lock. */
static struct said *
find(const char *gateway)
{
	LIST_EACH(l, &all) {
		struct said *s = LIST_ENTRY(l, struct said, link);

		if (!strcmp(s->gateway, gateway))
			return s;
	}
	return NULL;
}

void
gateway_stats_set(const char *gateway, const struct gateway_stat *list, unsigned n)
{
	struct said *s;

	pthread_mutex_lock(&lock);
	s = find(gateway);
	if (!s) {
		s = NEW(struct said);
		snprintf(s->gateway, sizeof(s->gateway), "%s", gateway);
		list_append(&all, &s->link);
	}
	s->at_us = clock_wall_us();
	s->n = n;
	memcpy(s->stat, list, n * sizeof(*list));
	pthread_mutex_unlock(&lock);
}

unsigned
gateway_stats_get(const char *gateway, struct gateway_stat out[GATEWAY_STATS_MAX], int64_t *at_us)
{
	const struct said *s;
	unsigned n = 0;

	*at_us = 0;
	pthread_mutex_lock(&lock);
	s = find(gateway);
	if (s) {
		*at_us = s->at_us;
		n = s->n;
		memcpy(out, s->stat, n * sizeof(*out));
	}
	pthread_mutex_unlock(&lock);
	return n;
}

static bool
was_printed(const char *name, const struct list *until)
{
	for (const struct list *l = all.next; l != until; l = l->next) {
		const struct said *s = LIST_ENTRY(l, struct said, link);

		for (unsigned i = 0; i < s->n; i++)
			if (!strcmp(s->stat[i].name, name))
				return true;
	}
	return false;
}

/* The lines of one name stand together. */
static void
print(struct buf *out, const struct gateway_stat *what, const struct list *from)
{
	const char *end = what->counter ? "_total" : "";

	buf_addf(out, "# HELP chancery_gateway_%s%s As gateways say of themselves\n# TYPE chancery_gateway_%s%s %s\n", what->name, end, what->name, end,
		what->counter ? "counter" : "gauge");
	for (const struct list *l = from; l != &all; l = l->next) {
		const struct said *s = LIST_ENTRY(l, struct said, link);

		for (unsigned i = 0; i < s->n; i++)
			if (!strcmp(s->stat[i].name, what->name) && s->stat[i].counter == what->counter)
				buf_addf(out, "chancery_gateway_%s%s{network=\"%s\"} %lld\n", what->name, end, s->gateway, (long long)s->stat[i].value);
	}
}

void
gateway_stats_print(struct buf *out)
{
	pthread_mutex_lock(&lock);
	for (struct list *l = all.next; l != &all; l = l->next) {
		struct said *s = LIST_ENTRY(l, struct said, link);

		for (unsigned i = 0; i < s->n; i++)
			if (!was_printed(s->stat[i].name, l))
				print(out, &s->stat[i], l);
	}
	pthread_mutex_unlock(&lock);
}

struct known {
	const char *name;
	bool is;
};

static void
look(void *arg, struct gateway *g)
{
	struct known *k = arg;

	k->is |= !strcmp(g->name, k->name);
}

void
gateway_stats_review(void)
{
	pthread_mutex_lock(&lock);
	LIST_EACH(l, &all) {
		struct said *s = LIST_ENTRY(l, struct said, link);
		struct known k = { .name = s->gateway };

		gateway_each(look, &k);
		if (!k.is) {
			list_remove(&s->link);
			free(s);
		}
	}
	pthread_mutex_unlock(&lock);
}

void
gateway_stats_forget(void)
{
	pthread_mutex_lock(&lock);
	LIST_EACH(l, &all) {
		struct said *s = LIST_ENTRY(l, struct said, link);

		list_remove(&s->link);
		free(s);
	}
	pthread_mutex_unlock(&lock);
}
