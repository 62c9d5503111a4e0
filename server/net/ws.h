/*
 * ws: WebSocket messages out of bytes, and the head of a frame (RFC 6455 §5). Pure: knows no connection.
 *
 * Text messages only; fragments are put together within `max`; no extension is ever agreed on, so a frame with a
 * reserved bit is an error (§5.2), which is also what a compressed one is.
 */
#ifndef NET_WS_H
#define NET_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define WS_CONTROL_MAX 125 /* §5.5 */
#define WS_HEAD_MAX 10     /* of a frame that is not masked */

enum ws_opcode { WS_OP_CONTINUATION = 0, WS_OP_TEXT = 1, WS_OP_BINARY = 2, WS_OP_CLOSE = 8, WS_OP_PING = 9, WS_OP_PONG = 10 };

/* §7.4.1 */
enum ws_code {
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_PROTOCOL_ERROR = 1002,
	WS_UNSUPPORTED = 1003,
	WS_NOT_UTF8 = 1007,
	WS_POLICY = 1008,
	WS_TOO_BIG = 1009,
};

enum ws_event {
	WS_MORE,    /* all bytes are taken */
	WS_MESSAGE, /* a whole text in `message`, until ws_next */
	WS_PING,    /* its data in `control`, of control_len bytes; likewise the next two */
	WS_PONG,
	WS_CLOSE,
	WS_ERROR,   /* for good; `code` says what to close with */
};

struct ws {
	struct buf message;
	size_t max;       /* bytes of a message */
	unsigned char control[WS_CONTROL_MAX];
	uint8_t control_len;
	uint16_t code;
	bool masked;      /* what its frames must be: true at a server (§5.1) */
	/* the frame that is being read */
	uint8_t head[14], have, opcode;
	bool in_payload, final, started; /* started: a message waits for its continuation */
	uint64_t left, at;
	uint8_t mask[4];
};

void ws_init(struct ws *w, bool masked, size_t max);
void ws_fini(struct ws *w);
/* Takes bytes up to the next event; *used says how many. After WS_ERROR it is not called again. */
enum ws_event ws_feed(struct ws *w, const char *p, size_t n, size_t *used);
/* Forgets the message. */
void ws_next(struct ws *w);
/* The head of an unfragmented frame; returns its length. */
size_t ws_head(enum ws_opcode op, size_t payload, unsigned char out[WS_HEAD_MAX]);
/* §4.2.2: the answer to the client's key. `out` holds 29 bytes. */
void ws_accept(const char *key, char out[29]);
/* §7.4: a code that a peer may send. */
bool ws_code_is_right(unsigned code);

#endif
