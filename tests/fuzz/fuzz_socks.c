/*
 * socks: what a client says to the proxy of bytestreams, all at once, byte by byte, and in pieces: the same answers, the same address; and what is behind the
 * handshake stays where it is.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/file/socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct socks s;
	struct buf out;
	size_t used;
};

static void
check(const struct socks *s)
{
	assert(s->have <= sizeof(s->bytes));
	assert((s->state == SOCKS_REFUSED) == (s->why != NULL));
	if (s->state == SOCKS_ASKED)
		assert(strspn(s->address, "0123456789abcdef") == SOCKS_ADDRESS && !s->address[SOCKS_ADDRESS]);
}

static void
run(const uint8_t *p, size_t n, size_t step, struct seen *out)
{
	size_t at = 0, used;

	memset(out, 0, sizeof(*out));
	while (at < n && out->s.state < SOCKS_ASKED) {
		size_t piece = n - at < step ? n - at : step;

		used = socks_take(&out->s, p + at, piece, &out->out);
		/* All of it, unless it is over. */
		assert(used == piece || (used < piece && out->s.state >= SOCKS_ASKED));
		at += used;
		check(&out->s);
	}
	out->used = at;
	if (out->s.state == SOCKS_ASKED)
		socks_answer(&out->s, SOCKS_SUCCEEDED, &out->out);
	assert(buf_len(&out->out) <= 2 + sizeof(out->s.bytes));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 2, 7, 47 };
	struct seen whole, pieces;

	run(data, size, SIZE_MAX, &whole);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		run(data, size, steps[i], &pieces);
		assert(whole.s.state == pieces.s.state && whole.used == pieces.used && !strcmp(whole.s.address, pieces.s.address));
		assert(buf_len(&whole.out) == buf_len(&pieces.out) && !memcmp(buf_str(&whole.out), buf_str(&pieces.out), buf_len(&whole.out)));
		buf_fini(&pieces.out);
	}
	buf_fini(&whole.out);
	return 0;
}
