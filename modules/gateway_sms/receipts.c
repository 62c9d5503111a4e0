/*
 * receipts: which message a receipt is about. In memory and bounded, the oldest are forgotten: what a receipt is missed for is a mark
 * on a message that was sent all the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "gateway_sms/receipt.h"
#include "gateway_sms/sms.h"

/* A message of which parts are on their way. */
struct expected {
	struct list order;
	int64_t until_s;
	unsigned left;  /* parts whose receipt has not come */
	unsigned parts;
	struct part *part;
	char *user, *to, *foreign_id;
};

struct part {
	UT_hash_handle hh;
	struct expected *of;
	bool known; /* in the table: two parts of one id are one */
	char id[RECEIPT_ID];
};

struct receipts {
	struct part *by_id;
	struct list order;
	unsigned count, most;
	int64_t keep_s;
};

struct receipts *
receipts_new(unsigned most, int64_t keep_s)
{
	struct receipts *r = NEW(struct receipts);

	list_init(&r->order);
	r->most = most;
	r->keep_s = keep_s;
	return r;
}

static void
leave(struct receipts *r, struct part *p)
{
	if (p->known)
		HASH_DEL(r->by_id, p);
	p->known = false;
}

static void
forget(struct receipts *r, struct expected *x)
{
	for (unsigned i = 0; i < x->parts; i++)
		leave(r, &x->part[i]);
	list_remove(&x->order);
	r->count--;
	free(x->part);
	free(x->user);
	free(x->to);
	free(x->foreign_id);
	free(x);
}

void
receipts_free(struct receipts *r)
{
	if (!r)
		return;
	LIST_EACH(l, &r->order)
		forget(r, LIST_ENTRY(l, struct expected, order));
	free(r);
}

static void
expect_part(struct receipts *r, struct expected *x, struct part *p, const char *id)
{
	struct part *other;

	p->of = x;
	receipt_id_canonical(id, sms.settings->receipt_ids == IDS_DECIMAL, p->id);
	HASH_FIND_STR(r->by_id, p->id, other);
	/* The provider uses an id again: the newer message is meant. */
	if (other)
		leave(r, other);
	HASH_ADD_STR(r->by_id, id, p);
	p->known = true;
	x->left++;
}

void
receipts_expect(struct receipts *r, const char *const *ids, unsigned n, const char *user, const char *to, const char *foreign_id)
{
	int64_t now = clock_wall_us() / 1000000;
	struct expected *x;

	while (!list_is_empty(&r->order)) {
		x = LIST_ENTRY(r->order.next, struct expected, order);
		if (r->count < r->most && x->until_s > now)
			break;
		forget(r, x);
	}
	if (!r->most)
		return;
	x = NEW(struct expected);
	x->until_s = now + r->keep_s;
	x->parts = n;
	x->part = mem_zalloc(n * sizeof(*x->part));
	x->user = mem_strdup(user);
	x->to = mem_strdup(to);
	x->foreign_id = mem_strdup(foreign_id);
	list_append(&r->order, &x->order);
	r->count++;
	for (unsigned i = 0; i < n; i++)
		expect_part(r, x, &x->part[i], ids[i]);
}

bool
receipts_came(struct receipts *r, const struct pdu *p)
{
	char id[RECEIPT_ID], why[100], words[160];
	struct receipt receipt;
	struct gateway_user *u;
	struct part *part;
	struct expected *x;

	if (!receipt_read(p, &receipt))
		return false;
	receipt_id_canonical(receipt.id, false, id);
	HASH_FIND_STR(r->by_id, id, part);
	if (!part)
		return false;
	x = part->of;
	u = gateway_user_get(sms.g, x->user);
	if (receipt_is_failure(receipt.state)) {
		snprintf(why, sizeof(why), "%s%s%s", receipt_state_text(receipt.state), *receipt.error ? ", error " : "", receipt.error);
		snprintf(words, sizeof(words), "An SMS to %s was not delivered: %s.", x->to, why);
		if (u && !gateway_bounced(u, x->to, x->foreign_id, XERROR_RECIPIENT_UNAVAILABLE, why, NULL, NULL))
			gateway_tell(u, words, NULL, NULL);
		forget(r, x);
	} else if (receipt.state == RECEIPT_DELIVERED) {
		leave(r, part);
		if (--x->left)
			return true;
		if (u)
			gateway_receipt(u, x->to, x->foreign_id);
		forget(r, x);
	}
	return true;
}
