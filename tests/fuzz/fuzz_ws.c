/*
 * ws: WebSocket frames, masked and not, all at once and byte by byte: the same events, and never more than a message's
 * limit in memory.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "net/ws.h"

#define MESSAGE_MAX 4096
#define EVENTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	enum ws_event event[EVENTS_MAX];
	size_t len[EVENTS_MAX];
	unsigned n;
	uint16_t code;
};

static void
run(const char *p, size_t n, size_t step, bool masked, struct seen *out)
{
	enum ws_event e = WS_MORE;
	struct ws w;
	size_t at = 0, used;

	memset(out, 0, sizeof(*out));
	ws_init(&w, masked, MESSAGE_MAX);
	while (at < n && e != WS_ERROR && out->n < EVENTS_MAX) {
		e = ws_feed(&w, p + at, n - at < step ? n - at : step, &used);
		assert(used <= n - at && (used > 0 || e != WS_MORE));
		assert(buf_len(&w.message) <= MESSAGE_MAX);
		at += used;
		if (e == WS_MORE)
			continue;
		out->event[out->n] = e;
		out->len[out->n++] = e == WS_MESSAGE ? buf_len(&w.message) : w.control_len;
		if (e == WS_MESSAGE)
			ws_next(&w);
	}
	out->code = w.code;
	ws_fini(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen whole, pieces;

	for (int masked = 0; masked < 2; masked++) {
		run((const char *)data, size, SIZE_MAX, masked, &whole);
		run((const char *)data, size, 1, masked, &pieces);
		assert(whole.n == pieces.n && whole.code == pieces.code);
		for (unsigned i = 0; i < whole.n; i++)
			assert(whole.event[i] == pieces.event[i] &&
			       (whole.event[i] == WS_ERROR || whole.len[i] == pieces.len[i]));
	}
	return 0;
}
