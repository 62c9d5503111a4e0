/*
 * mailbox: the only way between threads. A list that many push to and one empties; the eventfd
 * (an eventfd) is written only when the list was empty.
 */
#ifndef NET_MAILBOX_H
#define NET_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

/* Embedded in what is sent. Whoever posts gives the object away; `run` receives it on the other
 * thread and owns it from there. Mails of one sender to one mailbox run in the order sent. */
struct mail {
	struct mail *next;
	void (*run)(struct mail *m);
};

struct mailbox {
	_Atomic(struct mail *) head;
};

/* True when the box was empty, so that its owner has to be woken. */
bool mailbox_push(struct mailbox *b, struct mail *m);
/* All that is there, oldest first; NULL when empty. */
struct mail *mailbox_take(struct mailbox *b);

#endif
