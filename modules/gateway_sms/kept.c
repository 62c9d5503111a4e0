/*
 * kept: "part/REFERENCE/TOTAL/NUMBER/LENGTH OF FROM/FROM/TO" and "MILLISECONDS CODING HEX".
 */
#include "gateway_sms/kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void
kept_key(char out[KEPT_KEY], const struct collect_key *key, unsigned number)
{
	snprintf(out, KEPT_KEY, KEPT_PREFIX "%u/%u/%u/%zu/%s/%s", key->reference, key->total, number, strlen(key->from), key->from, key->to);
}

void
kept_text(struct buf *out, const struct coding_piece *piece, int64_t at)
{
	size_t n = buf_len(&piece->units);

	buf_addf(out, "%" PRId64 " %d ", at, (int)piece->coding);
	text_hex(buf_data(&piece->units), n, buf_reserve(out, 2 * n + 1));
	buf_added(out, 2 * n);
}

/* A number and a '/': what is behind them, NULL: there are none. */
static const char *
read_number(const char *p, uint32_t *n)
{
	size_t len = strcspn(p, "/");
	uint64_t v;

	if (p[len] != '/' || !text_u64(p, len, 0, UINT32_MAX, &v))
		return NULL;
	*n = (uint32_t)v;
	return p + len + 1;
}

static int
read_key(const char *p, struct collect_key *k, unsigned *number)
{
	uint32_t total, n, from;

	memset(k, 0, sizeof(*k));
	if (strncmp(p, KEPT_PREFIX, strlen(KEPT_PREFIX)) != 0 || !(p = read_number(p + strlen(KEPT_PREFIX), &k->reference)) || !(p = read_number(p, &total)) ||
	    !(p = read_number(p, &n)) || !(p = read_number(p, &from)))
		return -1;
	if (from >= sizeof(k->from) || strlen(p) <= from || p[from] != '/' || strlen(p + from + 1) >= sizeof(k->to))
		return -1;
	if (total < 2 || total > CODING_PARTS || !n || n > total)
		return -1;
	memcpy(k->from, p, from);
	memcpy(k->to, p + from + 1, strlen(p + from + 1));
	k->total = total;
	*number = n;
	return 0;
}

int
kept_read(const char *key, const char *text, struct collect_key *out, struct coding_piece *piece, int64_t *at)
{
	unsigned coding;
	int used = 0;
	size_t hex;

	memset(piece, 0, sizeof(*piece));
	if (read_key(key, out, &piece->number) || sscanf(text, "%" SCNd64 " %u %n", at, &coding, &used) != 2 || coding > CODING_UCS2 || !used)
		return -1;
	hex = strlen(text + used);
	piece->coding = (enum coding)coding;
	if (text_unhex(text + used, hex, (uint8_t *)buf_reserve(&piece->units, hex / 2 + 1)) < 0) {
		buf_fini(&piece->units);
		return -1;
	}
	buf_added(&piece->units, hex / 2);
	return 0;
}
