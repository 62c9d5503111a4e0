/*
 * mailbox: a stack that senders push to with compare-and-swap; the owner takes all of it at once
 * and turns it round, so that mails run in the order in which each sender sent them.
 *
 * Taking everything by one exchange leaves no room for the ABA problem that a pop would have.
 */
#include "net/mailbox.h"

#include <stddef.h>

bool
mailbox_push(struct mailbox *b, struct mail *m)
{
	struct mail *head = atomic_load_explicit(&b->head, memory_order_relaxed);

	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&b->head, &head, m, memory_order_release, memory_order_relaxed));
	return head == NULL;
}

struct mail *
mailbox_take(struct mailbox *b)
{
	struct mail *m, *next, *oldest = NULL;

	/* Looking first spares the owner's cache line a write when nothing is there. */
	if (!atomic_load_explicit(&b->head, memory_order_relaxed))
		return NULL;
	for (m = atomic_exchange_explicit(&b->head, NULL, memory_order_acquire); m; m = next) {
		next = m->next;
		m->next = oldest;
		oldest = m;
	}
	return oldest;
}
