/*
 * receipts: which message a receipt is about. Bounded, the oldest are forgotten: what a receipt is missed for is a mark on a message that was sent all the same.
 * The newest outlive the program: "receipt/TIME COUNT" in hexadecimal, so that they come in their order, and [UNTIL, USER, TO, ID of the message, ID of each part
 * without a receipt…].
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "gateway_sms/receipt.h"
#include "gateway_sms/sms.h"

#define PREFIX "receipt/"
#define KEY_CHARS (sizeof(PREFIX) - 1 + 16)

/* A message of which parts are on their way. */
struct expected {
	struct list order, kept;
	char key[KEY_CHARS + 1]; /* "": it does not outlive the program */
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
	struct list order, kept;
	unsigned count, most, nkept, most_kept;
	int64_t keep_s;
	void (*read)(void);
	bool ending; /* what is kept stays */
};

struct receipts *
receipts_new(unsigned most, unsigned most_kept, int64_t keep_s)
{
	struct receipts *r = NEW(struct receipts);

	list_init(&r->order);
	list_init(&r->kept);
	r->most = most;
	r->most_kept = most_kept;
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
unkeep(struct receipts *r, struct expected *x)
{
	if (!*x->key)
		return;
	if (!r->ending)
		gateway_data_set(sms.g, x->key, NULL);
	x->key[0] = '\0';
	list_remove(&x->kept);
	r->nkept--;
}

static void
forget(struct receipts *r, struct expected *x)
{
	unkeep(r, x);
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
	r->ending = true;
	LIST_EACH(l, &r->order)
		forget(r, LIST_ENTRY(l, struct expected, order));
	free(r);
}

/* `id`: canonical. */
static void
expect_part(struct receipts *r, struct expected *x, const char *id)
{
	struct part *other, *p = &x->part[x->parts++];

	p->of = x;
	snprintf(p->id, sizeof(p->id), "%s", id);
	HASH_FIND_STR(r->by_id, p->id, other);
	/* The provider uses an id again: the newer message is meant. */
	if (other)
		leave(r, other);
	HASH_ADD_STR(r->by_id, id, p);
	p->known = true;
	x->left++;
}

static struct expected *
expected_new(struct receipts *r, unsigned most_parts, int64_t until_s, const char *user, const char *to, const char *foreign_id)
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
		return NULL;
	x = NEW(struct expected);
	x->until_s = until_s;
	x->part = mem_zalloc(most_parts * sizeof(*x->part));
	x->user = mem_strdup(user);
	x->to = mem_strdup(to);
	x->foreign_id = mem_strdup(foreign_id);
	list_init(&x->kept);
	list_append(&r->order, &x->order);
	r->count++;
	return x;
}

/* ---- for the next program -------------------------------------------------------------------------------- */

static void
put(const struct expected *x)
{
	json_t *all = json_pack("[I, s, s, s]", (json_int_t)x->until_s, x->user, x->to, x->foreign_id);
	char *text;

	for (unsigned i = 0; all && i < x->parts; i++)
		if (x->part[i].known)
			json_array_append_new(all, json_string(x->part[i].id));
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	if (text)
		gateway_data_set_of(sms.g, x->user, x->key, text);
	free(text);
	json_decref(all);
}

static void
keep(struct receipts *r, struct expected *x, const char *key)
{
	if (!r->most_kept)
		return;
	while (r->nkept >= r->most_kept)
		unkeep(r, LIST_ENTRY(r->kept.next, struct expected, kept));
	snprintf(x->key, sizeof(x->key), "%s", key);
	list_append(&r->kept, &x->kept);
	r->nkept++;
}

static bool
take(struct receipts *r, const char *key, const json_t *all)
{
	const char *user = json_string_value(json_array_get(all, 1)), *to = json_string_value(json_array_get(all, 2)), *id = json_string_value(json_array_get(all, 3));
	int64_t until_s = json_integer_value(json_array_get(all, 0));
	size_t n = json_array_size(all);
	struct expected *x;

	if (strlen(key) != KEY_CHARS || !user || !to || !id || n < 5 || n > 4 + CODING_PARTS || until_s <= clock_wall_us() / 1000000)
		return false;
	x = expected_new(r, (unsigned)n - 4, until_s, user, to, id);
	if (!x)
		return false;
	for (size_t i = 4; i < n; i++)
		if (json_is_string(json_array_get(all, i)))
			expect_part(r, x, json_string_value(json_array_get(all, i)));
	keep(r, x, key);
	return true;
}

static void
on_value(void *arg, const char *key, const char *value)
{
	json_t *all = key ? json_loads(value, JSON_REJECT_DUPLICATES, NULL) : NULL;
	struct receipts *r = arg;

	if (!key)
		r->read();
	else if (!take(r, key, all))
		gateway_data_set(sms.g, key, NULL);
	json_decref(all);
}

void
receipts_read(struct receipts *r, void (*done)(void))
{
	r->read = done;
	gateway_data_each(sms.g, PREFIX, on_value, r);
}

/* ---- what comes ------------------------------------------------------------------------------------------ */

void
receipts_expect(struct receipts *r, const char *const *ids, unsigned n, const char *user, const char *to, const char *foreign_id)
{
	int64_t now_us = clock_wall_us();
	struct expected *x = expected_new(r, n, now_us / 1000000 + r->keep_s, user, to, foreign_id);
	char id[RECEIPT_ID], key[KEY_CHARS + 1];
	static unsigned count;

	if (!x)
		return;
	for (unsigned i = 0; i < n; i++) {
		receipt_id_canonical(ids[i], sms.settings->receipt_ids == IDS_DECIMAL, id);
		expect_part(r, x, id);
	}
	snprintf(key, sizeof(key), PREFIX "%012" PRIx64 "%04x", (uint64_t)(now_us / 1000) & UINT64_C(0xffffffffffff), ++count & 0xffff);
	keep(r, x, key);
	if (*x->key)
		put(x);
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
		if (--x->left) {
			if (*x->key)
				put(x);
			return true;
		}
		if (u)
			gateway_receipt(u, x->to, x->foreign_id);
		forget(r, x);
	}
	return true;
}
