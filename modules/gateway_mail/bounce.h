/*
 * bounce: what a report on a delivery says (RFC 3464). Pure.
 */
#ifndef GATEWAY_MAIL_BOUNCE_H
#define GATEWAY_MAIL_BOUNCE_H

#include <stddef.h>

#include "base/arena.h"

enum bounce_action {
	BOUNCE_FAILED,
	BOUNCE_DELAYED,
	BOUNCE_DELIVERED,
	BOUNCE_PASSED_ON, /* to where no reports come from, or to several: nothing more will be known */
};

struct bounce {
	enum bounce_action action;
	const char *recipient; /* as the mail that is reported on was written to, where it says so, else as it was delivered to; never NULL */
	const char *status;    /* "5.1.1"; never NULL */
	const char *why;       /* what the other mail system said; "" when it is not told */
	const char *id;        /* of the mail that is reported on, without brackets; NULL: not told */
};

/* `status`: the part of type message/delivery-status; `head`: that of the mail that came back, or "". Of several recipients the first that failed, or
 * the first. -1: it says nothing of a recipient. */
int bounce_read(struct arena *a, const char *status, size_t n, const char *head, size_t head_n, struct bounce *out);

/* The value of the first field of that name in a head, unfolded, on one line; NULL: none. */
const char *bounce_field(struct arena *a, const char *head, size_t n, const char *name);

#endif
