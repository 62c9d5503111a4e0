#include "gateway/stats.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/priv.h"

#define EVERY_MS 10000

static struct stats_row *
row(struct stats *s, const char *name)
{
	/* Mostly by who has counted it before; the same word in another file may be another string. */
	for (unsigned i = 0; i < s->n; i++)
		if (s->rows[i].name == name)
			return &s->rows[i];
	for (unsigned i = 0; i < s->n; i++)
		if (!strcmp(s->rows[i].name, name))
			return &s->rows[i];
	if (s->n == STATS_MAX)
		return NULL;
	s->rows[s->n].name = name;
	return &s->rows[s->n++];
}

void
stats_count(struct stats *s, const char *name, int64_t add)
{
	struct stats_row *r = row(s, name);

	if (r)
		r->value += add;
}

static void
stats_level(struct stats *s, const char *name, int64_t value)
{
	struct stats_row *r = row(s, name);

	if (r) {
		r->level = true;
		r->value = value;
	}
}

static void
told(struct gateway *g, void *arg, const struct stanza *answer)
{
	(void)arg;
	(void)answer;
	g->stats.telling = false;
}

static void
count_up(struct gateway_user *u, void *arg)
{
	*(int64_t *)arg += u->up;
}

void
stats_tick(struct gateway *g)
{
	struct stats *s = &g->stats;
	struct buf b = { 0 };
	int64_t up = 0;

	if (s->telling || g->link.state != LINK_OPEN || g->now_ms - s->told_ms < EVERY_MS)
		return;
	s->told_ms = g->now_ms;
	gateway_user_each(g, count_up, &up);
	stats_level(s, "users", g->nusers);
	stats_level(s, "users_up", up);
	stats_level(s, "rooms", g->nrooms);
	stats_level(s, "waiting_out", g->nmessages);
	stats_level(s, "waiting_in", (int64_t)g->link.waiting);
	stats_level(s, "waiting_again", g->again.n);
	buf_addf(&b, "<stats xmlns='%s'>", NS_GATEWAY_TEXT);
	for (unsigned i = 0; i < s->n; i++)
		buf_addf(&b, "<%s name='%s' value='%" PRId64 "'/>", s->rows[i].level ? "level" : "counter", s->rows[i].name, s->rows[i].value);
	buf_adds(&b, "</stats>");
	s->telling = true;
	question_ask(g, "set", NULL, buf_str(&b), told, NULL, NULL);
	buf_fini(&b);
}

void
gateway_count(struct gateway *g, const char *name, int64_t add)
{
	stats_count(&g->stats, name, add);
}

void
gateway_level(struct gateway *g, const char *name, int64_t value)
{
	stats_level(&g->stats, name, value);
}
