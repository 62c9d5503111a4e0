/*
 * "id/TIME COUNT" in hexadecimal, so that they come in their order, and [WAY, USER, FOREIGN, HERE, THERE, CLIENT, RECEIPT].
 */
#include "gateway/recall.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/priv.h"
#include "gateway/store.h"

#define PREFIX "id/"
#define TIME_CHARS 12
#define COUNT_CHARS 4
#define KEY_CHARS (sizeof(PREFIX) - 1 + TIME_CHARS + COUNT_CHARS)
#define DAY_MS (24 * 3600 * INT64_C(1000))

static int64_t
now_ms(void)
{
	return clock_wall_us() / 1000;
}

static bool
is_late(const struct gateway *g)
{
	return (g->net->features & NETWORK_LATE) && g->limits->ids_kept;
}

static int64_t
oldest(const struct gateway *g)
{
	return now_ms() - (int64_t)g->limits->ids_days * DAY_MS;
}

/* Nobody asks for it any more. */
static void
dropped(void *arg, const char *key)
{
	gateway_data_set(arg, key, NULL);
}

void
recall_init(struct gateway *g)
{
	ids_init(&g->ids, dropped, g);
}

void
recall_keep(struct gateway *g, struct id_pair *p)
{
	static unsigned count;
	char key[KEY_CHARS + 1];
	json_t *all;
	char *text;

	/* Where much waits to be kept, that is more than a mark on a message that was sent all the same. */
	if (!is_late(g) || p->key || g->stopping || !store_has_room(g))
		return;
	all = json_pack("[i, s, s, s, s, s, b]", (int)p->way, p->user, p->foreign, p->here, p->there, p->client ? p->client : "", (int)p->wants_receipt);
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	if (text) {
		snprintf(key, sizeof(key), PREFIX "%0*" PRIx64 "%0*x", TIME_CHARS, (uint64_t)p->at_ms & UINT64_C(0xffffffffffff), COUNT_CHARS, ++count & 0xffff);
		ids_keep(&g->ids, p, key, (unsigned)g->limits->ids_kept);
		gateway_data_set_of(g, p->user, key, text);
	}
	free(text);
	json_decref(all);
}

void
recall_tick(struct gateway *g)
{
	if (!g->stopping)
		ids_forget_before(&g->ids, oldest(g));
}

/* Reading */

static int64_t
time_of(const char *key)
{
	char digits[TIME_CHARS + 1], *end;
	uint64_t ms;

	if (strlen(key) != KEY_CHARS)
		return -1;
	memcpy(digits, key + sizeof(PREFIX) - 1, TIME_CHARS);
	digits[TIME_CHARS] = '\0';
	ms = strtoull(digits, &end, 16);
	return *end ? -1 : (int64_t)ms;
}

static bool
take(struct gateway *g, const char *key, const char *value)
{
	json_t *all = json_loads(value, JSON_REJECT_DUPLICATES, NULL);
	struct id_pair p = { .at_ms = time_of(key) };
	int way, receipt;
	bool good;

	good = all && p.at_ms > oldest(g) && !json_unpack(all, "[i, s, s, s, s, s, b]", &way, &p.user, &p.foreign, &p.here, &p.there, &p.client, &receipt) &&
	       (way == ID_OUT || way == ID_IN);
	if (good) {
		p.way = (enum id_way)way;
		p.client = *p.client ? p.client : NULL;
		p.stored = p.way == ID_IN;
		p.wants_receipt = receipt != 0;
		ids_keep(&g->ids, ids_add(&g->ids, &p, (unsigned)g->limits->ids), key, (unsigned)g->limits->ids_kept);
	}
	json_decref(all);
	return good;
}

static void
on_value(void *arg, const char *key, const char *value)
{
	struct gateway *g = arg;

	if (!key) {
		log_info(NULL, "ids-read", "ids=%u", g->ids.n);
		g->recalled(g);
	} else if (!take(g, key, value)) {
		gateway_data_set(g, key, NULL);
	}
}

void
recall_read(struct gateway *g, void (*done)(struct gateway *g))
{
	g->recalled = done;
	if (is_late(g))
		gateway_data_each(g, PREFIX, on_value, g);
	else
		done(g);
}
