/*
 * backlog: what modules ask about messages that wait for the account (module.h). The marks are core/route/delivery's.
 */
#include "core/route/delivery.h"
#include "core/session.h"
#include "core/user.h"
#include "module.h"
#include "store/record.h"

void
module_backlog(const struct hook *h, struct module_backlog *out)
{
	const struct delivery *d = &h->user->delivery;
	uint64_t *given = arena_alloc(h->arena, (d->n + 1) * sizeof(*given));

	for (uint32_t i = 0; i < d->n; i++)
		given[i] = d->item[d->first + i].id;
	/* Without a backlog all above the mark has been given to somebody. */
	*out = (struct module_backlog){ .after = d->mark, .upto = d->backlog ? record_settled_id() : d->mark, .given = given, .n = d->n };
	if (out->upto < out->after)
		out->upto = out->after;
}

void
module_backlog_withhold(struct session *s)
{
	if (s->fetches || s->closing)
		return;
	s->fetches = true;
	delivery_withhold(s->user);
}

void
module_backlog_skip(struct hook *h, uint64_t upto)
{
	if (h->user && h->user->state == USER_READY)
		delivery_skip(h->user, upto);
}
