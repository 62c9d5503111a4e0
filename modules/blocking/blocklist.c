/* blocklist: a hash table by the full text of the address; uthash keeps the order of insertion. */
#include "blocklist.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

struct entry {
	UT_hash_handle hh;
	struct jid *jid;
};

struct blocklist {
	struct entry *table;
	size_t bytes;
};

struct blocklist *
blocklist_new(void)
{
	return NEW(struct blocklist);
}

static void
drop(struct blocklist *l, struct entry *e)
{
	l->bytes -= jid_full_len(e->jid);
	HASH_DELETE(hh, l->table, e);
	jid_unref(e->jid);
	free(e);
}

void
blocklist_free(struct blocklist *l)
{
	struct entry *e, *tmp;

	if (!l)
		return;
	HASH_ITER(hh, l->table, e, tmp)
		drop(l, e);
	free(l);
}

static struct entry *
find(const struct blocklist *l, const char *text, size_t n)
{
	struct entry *e;

	HASH_FIND(hh, l->table, text, n, e);
	return e;
}

bool
blocklist_has(const struct blocklist *l, const struct jid *j)
{
	return find(l, jid_full(j), jid_full_len(j)) != NULL;
}

bool
blocklist_add(struct blocklist *l, struct jid *j)
{
	struct entry *e;

	if (blocklist_has(l, j))
		return false;
	e = NEW(struct entry);
	e->jid = jid_ref(j);
	l->bytes += jid_full_len(j);
	HASH_ADD_KEYPTR(hh, l->table, jid_full(e->jid), jid_full_len(e->jid), e);
	return true;
}

bool
blocklist_remove(struct blocklist *l, const struct jid *j)
{
	struct entry *e = find(l, jid_full(j), jid_full_len(j));

	if (e)
		drop(l, e);
	return e != NULL;
}

bool
blocklist_covers(const struct blocklist *l, const struct jid *j)
{
	const char *domain = jid_domain(j);

	return find(l, jid_full(j), jid_full_len(j)) || (!jid_is_bare(j) && find(l, jid_bare(j), jid_bare_len(j))) ||
		find(l, domain, strlen(domain));
}

size_t
blocklist_count(const struct blocklist *l)
{
	return HASH_COUNT(l->table);
}

size_t
blocklist_bytes(const struct blocklist *l)
{
	return l->bytes;
}

void
blocklist_each(const struct blocklist *l, void (*fn)(void *arg, struct jid *j), void *arg)
{
	for (struct entry *e = l->table; e; e = e->hh.next)
		fn(arg, e->jid);
}
