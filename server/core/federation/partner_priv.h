/*
 * partner_priv: what partner.c (the snapshot), partner_clock.c (what time changes) and partner_refusal.c (who was refused) share.
 */
#ifndef CORE_PARTNER_PRIV_H
#define CORE_PARTNER_PRIV_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/map.h"
#include "core/federation/partner.h"
#include "core/federation/partner_hours.h"
#include "store/sql.h"

struct partner_row {
	struct partner p;
	const char *ca_pem;
	int64_t changed_us;
	uint64_t since; /* the serial number of the snapshot in which it first was as it is */
	UT_hash_handle hh; /* by p.domain, in the one table or the other */
};

/* Immutable but for its count. */
struct partners {
	atomic_uint refs;
	struct arena *arena;
	struct partner_row *exact, *below;
	size_t n;
	uint64_t serial;
};

/* From rows of partner_store_all. `old` (may be NULL): the snapshot before, whose CAs are used again where they are the same. Entries that
 * cannot be used (a CA that is none) are left out, and logged. */
struct partners *partners_new(const PGresult *rows, const struct partners *old);
struct partners *partners_ref(struct partners *s);
void partners_unref(struct partners *s);
const struct partner_row *partners_find(const struct partners *s, const char *domain);
/* NULL: it is in force at that time, the hour of which is given; else why not. */
const char *partner_row_rests(const struct partner_row *r, int64_t now_us, unsigned hour);

/* Every home looks at its streams, soon. From a home. */
void partner_follow(void);
/* The current home's. */
const struct partners *partner_snapshot(void);

/* On the first home: the clock goes on, or looks at once as the snapshot is new. */
void partner_clock_look(void);
void partner_clock_stop(void);

void partner_refusals_start(void);
void partner_refusals_flush(void);
void partner_refusals_stop(void);

#endif
