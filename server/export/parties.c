/*
 * parties: a table by address.
 */
#include "export/parties.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct parties {
	struct party *by_address;
	size_t most;
	uint64_t others;
};

struct parties *
parties_new(size_t most)
{
	struct parties *p = NEW(struct parties);

	p->most = most;
	return p;
}

void
parties_clear(struct parties *p)
{
	struct party *e, *next;

	HASH_ITER(hh, p->by_address, e, next) {
		HASH_DEL(p->by_address, e);
		free(e->address);
		free(e->name);
		free(e);
	}
	p->others = 0;
}

void
parties_free(struct parties *p)
{
	if (!p)
		return;
	parties_clear(p);
	free(p);
}

static struct party *
entry_of(struct parties *p, const char *address, const struct export_person *is)
{
	struct party *e;

	HASH_FIND_STR(p->by_address, address, e);
	if (e)
		return e;
	if (HASH_COUNT(p->by_address) >= p->most) {
		p->others++;
		return NULL;
	}
	e = NEW(struct party);
	e->address = mem_strdup(address);
	e->name = mem_strdup(is->name);
	e->ours = is->ours;
	HASH_ADD_KEYPTR(hh, p->by_address, e->address, strlen(e->address), e);
	return e;
}

static void
note(struct parties *p, const struct export_record *r, const struct export_person *is, bool wrote)
{
	bool room = is->bare && r->place == EXPORT_ROOM && !strcmp(is->bare, r->conversation);
	struct party *e;
	char *full = NULL;

	if (!is->bare || (room && !(wrote && is->resource)))
		return;
	if (room) {
		full = mem_alloc(strlen(is->bare) + strlen(is->resource) + 2);
		stpcpy(stpcpy(stpcpy(full, is->bare), "/"), is->resource);
	}
	e = entry_of(p, full ? full : is->bare, is);
	free(full);
	if (!e)
		return;
	if (wrote)
		e->wrote++;
	else
		e->got++;
}

void
parties_note(struct parties *p, const struct export_record *r)
{
	note(p, r, &r->from, true);
	note(p, r, &r->to, false);
}

size_t
parties_count(const struct parties *p)
{
	return HASH_COUNT(p->by_address);
}

uint64_t
parties_others(const struct parties *p)
{
	return p->others;
}

static int
by_words(const struct party *a, const struct party *b)
{
	return a->wrote != b->wrote ? (a->wrote < b->wrote ? 1 : -1) : strcmp(a->address, b->address);
}

const struct party *
parties_first(struct parties *p)
{
	HASH_SORT(p->by_address, by_words);
	return p->by_address;
}

const struct party *
parties_next(const struct party *e)
{
	return e->hh.next;
}
