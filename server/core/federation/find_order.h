/*
 * find_order: which of several servers is tried first (RFC 2782). Pure but for chance; used by find.c.
 */
#ifndef CORE_FIND_ORDER_H
#define CORE_FIND_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "net/dns_data.h"

struct find_choice {
	struct dns_srv srv;
	bool direct_tls, secure;
};

/* By priority; within one, by chance in proportion to weight. Records of both services count as one set (XEP-0368 §3). */
void find_order(struct find_choice *c, size_t n);

#endif
