/*
 * receipt: see receipt.h.
 */
#include "gateway_sms/receipt.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	enum receipt_state state;
	const char *stat, *text; /* appendix B; in words */
	bool failure;
} states[] = {
	{ RECEIPT_ENROUTE, "ENROUTE", "on its way", false },
	{ RECEIPT_DELIVERED, "DELIVRD", "delivered", false },
	{ RECEIPT_EXPIRED, "EXPIRED", "not delivered in time", true },
	{ RECEIPT_DELETED, "DELETED", "deleted by the provider", true },
	{ RECEIPT_UNDELIVERABLE, "UNDELIV", "undeliverable", true },
	{ RECEIPT_ACCEPTED, "ACCEPTD", "accepted", false },
	{ RECEIPT_UNKNOWN, "UNKNOWN", "in an unknown state", false },
	{ RECEIPT_REJECTED, "REJECTD", "rejected", true },
};
#define STATES (sizeof(states) / sizeof(states[0]))

bool
receipt_is(const struct pdu *p)
{
	return (p->esm_class & ESM_TYPE) == ESM_RECEIPT;
}

/* The value behind "key:", which ends at a space; cut at its size. False: it is not there. */
static bool
field(const char *text, size_t n, const char *key, char *out, size_t size)
{
	size_t k = strlen(key), used = 0;

	for (size_t i = 0; i + k <= n; i++) {
		if ((i && text[i - 1] != ' ') || strncasecmp(text + i, key, k) != 0)
			continue;
		for (i += k; i < n && text[i] > ' ' && text[i] < 0x7f && used + 1 < size; i++)
			out[used++] = text[i];
		out[used] = 0;
		return used > 0;
	}
	return false;
}

static enum receipt_state
state_of(const char *stat)
{
	for (size_t i = 0; i < STATES; i++)
		if (!strcasecmp(states[i].stat, stat))
			return states[i].state;
	return RECEIPT_UNREADABLE;
}

bool
receipt_read(const struct pdu *p, struct receipt *out)
{
	const struct pdu_tlv *id = &p->tlv[TLV_RECEIPTED_MESSAGE_ID], *state = &p->tlv[TLV_MESSAGE_STATE];
	char stat[16] = "";
	size_t n, len;
	const char *text = (const char *)pdu_message(p, &n);

	memset(out, 0, sizeof(*out));
	field(text, n, "err:", out->error, sizeof(out->error));
	if (state->present && pdu_tlv_number(state) <= RECEIPT_REJECTED)
		out->state = (enum receipt_state)pdu_tlv_number(state);
	else if (field(text, n, "stat:", stat, sizeof(stat)))
		out->state = state_of(stat);
	if (!id->present)
		return field(text, n, "id:", out->id, sizeof(out->id));
	len = strnlen((const char *)id->value, id->length);
	for (size_t i = 0; i < len; i++)
		if (id->value[i] <= ' ' || id->value[i] >= 0x7f)
			return false;
	if (!len || len >= sizeof(out->id))
		return false;
	memcpy(out->id, id->value, len);
	return true;
}

const char *
receipt_state_text(enum receipt_state s)
{
	for (size_t i = 0; i < STATES; i++)
		if (states[i].state == s)
			return states[i].text;
	return "in a state that is not known";
}

bool
receipt_is_failure(enum receipt_state s)
{
	for (size_t i = 0; i < STATES; i++)
		if (states[i].state == s)
			return states[i].failure;
	return false;
}

void
receipt_id_canonical(const char *id, bool hex, char out[RECEIPT_ID])
{
	const char *digits = hex ? "0123456789abcdefABCDEF" : "0123456789";
	unsigned long long value;
	size_t i;

	errno = 0;
	value = strtoull(id, NULL, hex ? 16 : 10);
	if (*id && !id[strspn(id, digits)] && !errno) {
		snprintf(out, RECEIPT_ID, "%llu", value);
		return;
	}
	for (i = 0; id[i] && i + 1 < RECEIPT_ID; i++)
		out[i] = (char)tolower((uint8_t)id[i]);
	out[i] = 0;
}
