/*
 * rsm: reading and writing <set/> (XEP-0059).
 */
#include "xmpp/rsm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "xmpp/ns.h"

/* White space around a number is XML's, not the sender's mistake (xs:int). */
static bool
number(const struct elem *e, struct arena *a, uint64_t *out)
{
	const char *s = elem_text(e, a);
	size_t n;

	s += strspn(s, " \t\r\n");
	n = strcspn(s, " \t\r\n");
	return s[n + strspn(s + n, " \t\r\n")] == '\0' && text_u64(s, n, 0, INT32_MAX, out);
}

static bool
read_number(const struct elem *set, const char *name, struct arena *a, bool *has, uint64_t *out)
{
	const struct elem *e = elem_child(set, NS_RSM, name);

	*has = e != NULL;
	return !e || number(e, a, out);
}

bool
rsm_parse(const struct elem *parent, struct arena *a, struct rsm *out)
{
	const struct elem *set = elem_child(parent, NS_RSM, "set"), *after, *before;

	*out = (struct rsm){ .given = set != NULL };
	if (!set)
		return true;
	after = elem_child(set, NS_RSM, "after");
	before = elem_child(set, NS_RSM, "before");
	if (after && before)
		return false;
	/* An empty <after/> is behind nothing: the first page, as without it. */
	if (after && elem_text(after, a)[0])
		out->after = elem_text(after, a);
	if (before)
		out->before = elem_text(before, a);
	return read_number(set, "max", a, &out->has_max, &out->max) &&
		read_number(set, "index", a, &out->has_index, &out->index);
}

static struct elem *
add_text(struct stanza *st, struct elem *set, const char *name, const char *text)
{
	struct elem *e = elem_add(st, set, NS_RSM, name);

	elem_add_text(st, e, text, strlen(text));
	return e;
}

void
rsm_write(struct stanza *st, struct elem *parent, const char *first, int64_t index, const char *last, int64_t count)
{
	struct elem *set = elem_add(st, parent, NS_RSM, "set"), *e;
	char n[24];

	if (first && last) {
		e = add_text(st, set, "first", first);
		snprintf(n, sizeof(n), "%" PRId64, index);
		if (index >= 0)
			elem_set(st, e, "index", n);
		add_text(st, set, "last", last);
	}
	snprintf(n, sizeof(n), "%" PRId64, count);
	if (count >= 0)
		add_text(st, set, "count", n);
}
