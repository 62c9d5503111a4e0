/*
 * ws: see ws.h. A frame's head is gathered first, checked as a whole, then its payload is unmasked into the message.
 */
#include "net/ws.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define FIN 0x80
#define RESERVED 0x70
#define MASKED 0x80

void
ws_init(struct ws *w, bool masked, size_t max)
{
	memset(w, 0, sizeof(*w));
	w->masked = masked;
	w->max = max;
}

void
ws_fini(struct ws *w)
{
	buf_fini(&w->message);
}

void
ws_next(struct ws *w)
{
	/* An idle connection holds no memory for a message. */
	buf_fini(&w->message);
}

size_t
ws_head(enum ws_opcode op, size_t payload, unsigned char out[WS_HEAD_MAX])
{
	out[0] = (unsigned char)(FIN | op);
	if (payload < 126) {
		out[1] = (unsigned char)payload;
		return 2;
	}
	if (payload <= UINT16_MAX) {
		out[1] = 126;
		out[2] = (unsigned char)(payload >> 8);
		out[3] = (unsigned char)payload;
		return 4;
	}
	out[1] = 127;
	for (int i = 0; i < 8; i++)
		out[2 + i] = (unsigned char)((uint64_t)payload >> (56 - 8 * i));
	return 10;
}

bool
ws_code_is_right(unsigned code)
{
	/* 1004 to 1006 and 1015 never stand in a frame; the registered ones end at 1014; 3000 on is for everybody. */
	return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999);
}

void
ws_accept(const char *key, char out[29])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char text[64 + sizeof(guid)], hash[EVP_MAX_MD_SIZE];
	size_t n = strnlen(key, 64);

	memcpy(text, key, n);
	memcpy(text + n, guid, sizeof(guid) - 1);
	/* SHA-1 proves here only that somebody has understood the question. */
	if (EVP_Digest(text, n + sizeof(guid) - 1, hash, NULL, EVP_sha1(), NULL) != 1)
		mem_exhausted(0);
	text_base64_encode(hash, 20, out);
}

static enum ws_event
fail(struct ws *w, enum ws_code code)
{
	w->code = (uint16_t)code;
	ws_next(w);
	return WS_ERROR;
}

/* How long the head is, as far as its first two bytes tell. */
static size_t
head_size(const struct ws *w)
{
	size_t n = 2;

	if (w->have < 2)
		return 2;
	if ((w->head[1] & 0x7f) == 126)
		n += 2;
	else if ((w->head[1] & 0x7f) == 127)
		n += 8;
	return n + (w->head[1] & MASKED ? 4 : 0);
}

/* §5.2: the shortest form it must be, and the highest bit 0. */
static bool
read_length(struct ws *w, size_t *at)
{
	unsigned given = w->head[1] & 0x7f, bytes = given == 126 ? 2 : given == 127 ? 8 : 0;

	w->left = bytes ? 0 : given;
	for (unsigned i = 0; i < bytes; i++)
		w->left = w->left << 8 | w->head[2 + i];
	*at = 2 + bytes;
	if (bytes == 2)
		return w->left >= 126;
	return bytes == 0 || (w->left > UINT16_MAX && !(w->left >> 63));
}

static bool
is_control(unsigned opcode)
{
	return opcode & 8;
}

/* The first two bytes say most; refusing then does not wait for more. 0 or what to close with. */
static unsigned
check_start(struct ws *w)
{
	unsigned opcode = w->head[0] & 0x0f, given = w->head[1] & 0x7f;
	bool final = w->head[0] & FIN;

	if (w->head[0] & RESERVED || !(w->head[1] & MASKED) == w->masked)
		return WS_PROTOCOL_ERROR;
	if (is_control(opcode))
		return opcode > WS_OP_PONG || !final || given > WS_CONTROL_MAX ? WS_PROTOCOL_ERROR : 0;
	if (opcode > WS_OP_BINARY || (opcode == WS_OP_CONTINUATION) != w->started)
		return WS_PROTOCOL_ERROR;
	return opcode == WS_OP_BINARY ? WS_UNSUPPORTED : 0;
}

static unsigned
begin_frame(struct ws *w)
{
	size_t at;

	if (!read_length(w, &at))
		return WS_PROTOCOL_ERROR;
	if (w->masked)
		memcpy(w->mask, w->head + at, 4);
	w->opcode = w->head[0] & 0x0f;
	w->final = w->head[0] & FIN;
	w->at = 0;
	w->in_payload = true;
	if (is_control(w->opcode)) {
		w->control_len = 0;
		return 0;
	}
	w->started = true;
	return w->left > w->max || buf_len(&w->message) > w->max - w->left ? WS_TOO_BIG : 0;
}

static void
unmask(struct ws *w, char *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(p[i] ^ w->mask[(w->at + i) & 3]);
	w->at += n;
}

/* §5.5.1: nothing, or a code and behind it a reason, which is text. */
static enum ws_event
end_close(struct ws *w)
{
	if (w->control_len == 1)
		return fail(w, WS_PROTOCOL_ERROR);
	if (w->control_len > 2 && !text_is_utf8((const char *)w->control + 2, w->control_len - 2))
		return fail(w, WS_NOT_UTF8);
	return WS_CLOSE;
}

static enum ws_event
end_frame(struct ws *w)
{
	w->in_payload = false;
	w->have = 0;
	if (w->opcode == WS_OP_PING)
		return WS_PING;
	if (w->opcode == WS_OP_PONG)
		return WS_PONG;
	if (w->opcode == WS_OP_CLOSE)
		return end_close(w);
	if (!w->final)
		return WS_MORE;
	w->started = false;
	return text_is_utf8(buf_data(&w->message), buf_len(&w->message)) ? WS_MESSAGE : fail(w, WS_NOT_UTF8);
}

static size_t
take_payload(struct ws *w, const char *p, size_t n)
{
	if (n > w->left)
		n = (size_t)w->left;
	if (is_control(w->opcode)) {
		unmask(w, (char *)w->control + w->control_len, p, n);
		w->control_len = (uint8_t)(w->control_len + n);
	} else if (n) {
		unmask(w, buf_reserve(&w->message, n), p, n);
		buf_added(&w->message, n);
	}
	w->left -= n;
	return n;
}

/* Returns what to close with, or 0; w->in_payload when the head is complete. */
static unsigned
take_head(struct ws *w, const char *p, size_t n, size_t *used)
{
	unsigned code = 0;

	while (*used < n && w->have < head_size(w)) {
		w->head[w->have++] = (uint8_t)p[(*used)++];
		if (w->have == 2)
			code = check_start(w);
		if (code)
			return code;
	}
	return w->have >= 2 && w->have == head_size(w) ? begin_frame(w) : 0;
}

enum ws_event
ws_feed(struct ws *w, const char *p, size_t n, size_t *used)
{
	enum ws_event e = WS_MORE;
	unsigned code;

	*used = 0;
	while (e == WS_MORE && *used < n) {
		if (!w->in_payload) {
			code = take_head(w, p, n, used);
			if (code)
				return fail(w, (enum ws_code)code);
		}
		if (w->in_payload)
			*used += take_payload(w, p + *used, n - *used);
		if (w->in_payload && !w->left)
			e = end_frame(w);
	}
	return e;
}
