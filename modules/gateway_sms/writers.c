/*
 * writers: who wrote to a number last, and so gets what comes from it. Kept at chanceryd; what was said lately is known here, which spares it most
 * of the writing and reading.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "gateway_sms/sms.h"

#define KEPT_AGAIN_S 3600 /* the time of the same writer is written so often */

struct writer {
	UT_hash_handle hh;
	struct list order;
	int64_t at_s, kept_s;
	char *jid;
	char number[NUMBER_SIZE];
};

struct writers {
	struct writer *by_number;
	struct list order; /* by when they wrote */
	unsigned count, most;
};

struct writers *
writers_new(unsigned most)
{
	struct writers *w = NEW(struct writers);

	list_init(&w->order);
	w->most = most;
	return w;
}

static void
forget(struct writers *w, struct writer *it)
{
	HASH_DEL(w->by_number, it);
	list_remove(&it->order);
	w->count--;
	free(it->jid);
	free(it);
}

void
writers_free(struct writers *w)
{
	if (!w)
		return;
	LIST_EACH(l, &w->order)
		forget(w, LIST_ENTRY(l, struct writer, order));
	free(w);
}

static void
key_of(char out[NUMBER_SIZE + 8], const char *number)
{
	snprintf(out, NUMBER_SIZE + 8, "last/%s", number);
}

static struct writer *
writer_of(struct writers *w, const char *number)
{
	struct writer *it;

	HASH_FIND_STR(w->by_number, number, it);
	if (it) {
		list_remove(&it->order);
		list_append(&w->order, &it->order);
		return it;
	}
	if (w->count == w->most)
		forget(w, LIST_ENTRY(w->order.next, struct writer, order));
	it = NEW(struct writer);
	snprintf(it->number, sizeof(it->number), "%s", number);
	HASH_ADD_STR(w->by_number, number, it);
	list_append(&w->order, &it->order);
	w->count++;
	return it;
}

void
writers_note(struct writers *w, const char *number, const char *jid)
{
	struct writer *it = writer_of(w, number);
	bool other = !it->jid || strcmp(it->jid, jid) != 0;
	char key[NUMBER_SIZE + 8];
	struct buf value = { 0 };

	it->at_s = clock_wall_us() / 1000000;
	if (other) {
		free(it->jid);
		it->jid = mem_strdup(jid);
	}
	if (!other && it->at_s - it->kept_s < KEPT_AGAIN_S)
		return;
	it->kept_s = it->at_s;
	key_of(key, number);
	buf_addf(&value, "%" PRId64 " %s", it->at_s, jid);
	gateway_data_set_of(sms.g, jid, key, buf_str(&value));
	buf_fini(&value);
}

/* What is asked of chanceryd. */
struct asking {
	writers_fn *fn;
	void *arg;
	unsigned hours;
};

static bool
is_recent(int64_t at_s, unsigned hours)
{
	return clock_wall_us() / 1000000 - at_s < (int64_t)hours * 3600;
}

/* "SECONDS JID" */
static void
answered(void *arg, bool known, const char *value)
{
	struct asking *a = arg;
	const char *space = value ? strchr(value, ' ') : NULL;
	int64_t at;
	bool recent = space && text_i64(value, (size_t)(space - value), 0, INT64_MAX, &at) && is_recent(at, a->hours);

	a->fn(a->arg, known, recent ? space + 1 : NULL);
	free(a);
}

void
writers_find(struct writers *w, const char *number, unsigned hours, writers_fn *fn, void *arg)
{
	char key[NUMBER_SIZE + 8];
	struct writer *it;
	struct asking *a;

	HASH_FIND_STR(w->by_number, number, it);
	if (it) {
		fn(arg, true, is_recent(it->at_s, hours) ? it->jid : NULL);
		return;
	}
	a = NEW(struct asking);
	*a = (struct asking){ fn, arg, hours };
	key_of(key, number);
	gateway_data_look(sms.g, key, answered, a);
}
