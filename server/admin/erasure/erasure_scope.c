/*
 * erasure_scope: what a request to erase is about, and the records that this is (erasures.h).
 */
#include <inttypes.h>
#include <string.h>

#include "admin/erasure/erasures.h"
#include "archive/query.h"
#include "base/buf.h"
#include "base/mem.h"
#include "store/erasure.h"

#define WALK_SECONDS 86400

/* Who erases reads no content, and finds out nothing about it by asking for words. And nobody forgets by mistake what a scope is. */
static int
check_query(const json_t *query, struct err *e)
{
	static const char *const may[] = {"person", "room", "between", "domain", "foreign", "partner", "federated", "kind", "since", "until"};
	const char *key;
	json_t *v;

	if (json_object_size(query) == 0)
		return err_set(e, 0, "whose records? Expected a person, a room, a conversation, a domain or a time");
	json_object_foreach((json_t *)(uintptr_t)query, key, v) {
		bool known = false;

		for (size_t i = 0; i < sizeof may / sizeof *may && !known; i++)
			known = strcmp(may[i], key) == 0;
		if (!known)
			return err_set(e, 0, "records are erased by person, room, conversation, domain, foreign address, kind and time, not by %.40s", key);
	}
	return 0;
}

static int
read_records(const json_t *list, struct arena *a, struct erasure_scope *s, struct err *e)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > ERASURE_RECORDS_MAX)
		return err_set(e, 0, "records: expected a list of 1 to %d numbers", ERASURE_RECORDS_MAX);
	s->n = json_array_size(list);
	s->record = arena_alloc(a, s->n * sizeof *s->record);
	json_array_foreach(list, i, item) {
		if (!json_is_integer(item) || json_integer_value(item) <= 0)
			return err_set(e, 0, "records: expected numbers of records");
		s->record[i] = (uint64_t)json_integer_value(item);
	}
	return 0;
}

int
erasure_scope_read(const json_t *query, const json_t *records, struct arena *a, struct erasure_scope *s, struct err *e)
{
	*s = (struct erasure_scope){0};
	if ((query == NULL) == (records == NULL))
		return err_set(e, 0, "expected a query or records, one of them");
	if (records != NULL)
		return read_records(records, a, s, e);
	return query_read(query, a, &s->query, e) != 0 ? -1 : check_query(query, e);
}

char *
erasure_scope_text(const json_t *query, const json_t *records)
{
	struct buf b = {0};
	char *out;

	if (query != NULL)
		query_describe(query, &b);
	else
		buf_addf(&b, "%zu single records", json_array_size(records));
	out = mem_strdup(buf_str(&b));
	buf_fini(&b);
	return out;
}

static int
walk_records(const struct erasure_scope *s, erasure_batch_fn batch, void *arg, struct err *e)
{
	for (size_t at = 0; at < s->n; at += ERASURE_BATCH)
		if (batch(arg, s->record + at, s->n - at < ERASURE_BATCH ? s->n - at : ERASURE_BATCH, e) != 0)
			return -1;
	return 0;
}

int
erasure_scope_walk(struct sql *find, const struct erasure_scope *s, bool (*gone)(void *), erasure_batch_fn batch, void *arg, struct err *e)
{
	struct search_limits limits = {.seconds = WALK_SECONDS, .gone = gone, .gone_arg = arg};
	uint64_t *id, index;
	struct search *found;
	size_t n = 0;
	int rc;

	if (s->record != NULL)
		return walk_records(s, batch, arg, e);
	found = search_open(find, &s->query, &limits, e);
	if (found == NULL)
		return -1;
	id = mem_alloc(ERASURE_BATCH * sizeof *id);
	while ((rc = search_next_id(found, &id[n], &index, e)) > 0) {
		if (++n < ERASURE_BATCH)
			continue;
		if (batch(arg, id, n, e) != 0) {
			rc = -1;
			break;
		}
		n = 0;
	}
	if (rc == 0 && n > 0)
		rc = batch(arg, id, n, e);
	search_close(found);
	free(id);
	return rc;
}
