/*
 * keep: two tables filled by attach and read by every reactor. A module's number in them is kept with it
 * (modules.c), so that what it keeps is found without a search.
 */
#include "core/module/keep.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/module/modules.h"
#include "core/session.h"
#include "core/user.h"

#define MOST 64
#define ALIGNED(n) (((n) + 15) & ~(size_t)15)

static struct module_account accounts[MOST];
static unsigned naccounts;

static struct {
	size_t offset;
	void (*fini)(void *data);
} slots[MOST];
static unsigned nslots;
static size_t slots_size;

void
module_keep(struct module *m, const struct module_account *def)
{
	assert(naccounts < MOST && *modules_account_number(m) < 0);
	*modules_account_number(m) = (int)naccounts;
	accounts[naccounts++] = *def;
}

void
module_session_keep(struct module *m, size_t size, void (*fini)(void *data))
{
	assert(nslots < MOST && *modules_session_number(m) < 0);
	*modules_session_number(m) = (int)nslots;
	slots[nslots].offset = slots_size;
	slots[nslots++].fini = fini;
	slots_size += ALIGNED(size);
}

void
keep_stop(void)
{
	naccounts = nslots = 0;
	slots_size = 0;
}

/* Accounts */

enum sql_status
keep_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void ***rows, struct err *e)
{
	enum sql_status st = SQL_OK;

	*rows = arena_zalloc(a, (naccounts + 1) * sizeof(**rows));
	for (unsigned i = 0; i < naccounts && st == SQL_OK; i++)
		if (accounts[i].load)
			st = accounts[i].load(db, a, account, bare, &(*rows)[i], e);
	return st;
}

void
keep_make(struct user *u, void **rows)
{
	if (!naccounts)
		return;
	u->kept = mem_zalloc(naccounts * sizeof(*u->kept));
	for (unsigned i = 0; i < naccounts; i++)
		if (accounts[i].make)
			u->kept[i] = accounts[i].make(rows ? rows[i] : NULL);
}

void
keep_forget(struct user *u)
{
	for (unsigned i = 0; u->kept && i < naccounts; i++)
		if (u->kept[i] && accounts[i].free)
			accounts[i].free(u->kept[i]);
	free(u->kept);
	u->kept = NULL;
}

static void **
place(const struct hook *h)
{
	int n = *modules_account_number(h->module);

	return n >= 0 && h->user && h->user->kept ? &h->user->kept[n] : NULL;
}

void *
module_data(const struct hook *h)
{
	void **p = place(h);

	return p ? *p : NULL;
}

void
module_set_data(struct hook *h, void *data)
{
	int n = *modules_account_number(h->module);
	void **p = place(h);

	if (p && *p == data)
		return;
	if (p && *p && accounts[n].free)
		accounts[n].free(*p);
	if (p)
		*p = data;
	else if (data && n >= 0 && accounts[n].free)
		accounts[n].free(data);
}

/* Sessions */

void *
keep_session_new(void)
{
	return slots_size ? mem_zalloc(slots_size) : NULL;
}

void
keep_session_free(void *kept)
{
	for (unsigned i = 0; kept && i < nslots; i++)
		if (slots[i].fini)
			slots[i].fini((char *)kept + slots[i].offset);
	free(kept);
}

void *
module_session_data(const struct module *m, struct session *s)
{
	int n = *modules_session_number((struct module *)m);

	return n >= 0 && s->kept ? (char *)s->kept + slots[n].offset : NULL;
}
