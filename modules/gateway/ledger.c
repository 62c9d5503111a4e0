#include "gateway/ledger.h"

#include <stdlib.h>

#include "base/mem.h"

/* An answer that says nothing new may wait: whoever asks asks again at once. */
#define ANSWER_MS 2000

void
ledger_init(struct ledger *l)
{
	*l = (struct ledger){ 0 };
	list_init(&l->open);
}

struct ticket *
ledger_take(struct ledger *l)
{
	struct ticket *t = NEW(struct ticket);

	list_append(&l->open, &t->link);
	return t;
}

void
ledger_own(struct ticket *t, struct ticket **owner)
{
	t->owner = owner;
	*owner = t;
}

void
ledger_done(struct ledger *l, struct ticket *t)
{
	if (!t)
		return;
	if (t->owner)
		*t->owner = NULL;
	t->owner = NULL;
	t->done = true;
	while (!list_is_empty(&l->open)) {
		t = LIST_ENTRY(l->open.next, struct ticket, link);
		if (!t->done)
			return;
		list_remove(&t->link);
		free(t);
		if (l->before)
			l->before--;
		else if (l->counting)
			l->handled++;
	}
}

void
ledger_begin(struct ledger *l)
{
	l->counting = true;
	l->handled = l->told = l->before = 0;
	LIST_EACH(pos, &l->open)
		l->before++;
	l->asked = false;
}

void
ledger_reset(struct ledger *l)
{
	struct list *pos;

	while ((pos = list_pop(&l->open))) {
		struct ticket *t = LIST_ENTRY(pos, struct ticket, link);

		if (t->owner)
			*t->owner = NULL;
		free(t);
	}
	ledger_init(l);
}

void
ledger_asked(struct ledger *l, uint64_t now_ms)
{
	if (l->asked)
		return;
	l->asked = true;
	l->asked_ms = now_ms;
}

bool
ledger_answers(struct ledger *l, uint64_t now_ms, uint32_t *h)
{
	if (!l->counting || !l->asked || l->before)
		return false;
	if (l->handled == l->told && !list_is_empty(&l->open) && now_ms - l->asked_ms < ANSWER_MS)
		return false;
	*h = l->told = l->handled;
	l->asked = false;
	return true;
}
