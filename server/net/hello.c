/*
 * hello: a small state machine over the record layer (RFC 8446 §5.1) and the headers of handshake
 * messages (§4). It judges nothing but lengths: whatever else is wrong, OpenSSL finds.
 */
#include "net/hello.h"

enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22, APPLICATION_DATA = 23 };
/* Kinds of handshake messages. */
enum { CERTIFICATE = 11, CERTIFICATE_REQUEST = 13, CERTIFICATE_STATUS = 22 };

static void
start_record(struct hello *h)
{
	const uint8_t *head = h->record_head;

	h->record_have = 0;
	h->handshake = head[0] == HANDSHAKE;
	h->record_left = (uint16_t)(head[3] << 8 | head[4]);
	/* TLS 1.3 sends what is encrypted as application data. TLS 1.2 changes ciphers behind the
	 * second message; in 1.3 the same record behind the first means nothing (RFC 8446 §D.4) and a
	 * second ClientHello may follow it. */
	if (head[0] == APPLICATION_DATA || (head[0] == CHANGE_CIPHER_SPEC && h->messages > 1))
		h->off = true;
}

static uint32_t
bound_of(const struct hello *h, uint8_t kind)
{
	return h->chains && (kind == CERTIFICATE || kind == CERTIFICATE_REQUEST || kind == CERTIFICATE_STATUS) ? HELLO_CHAIN_MAX
													    : HELLO_MAX;
}

static bool
start_message(struct hello *h)
{
	const uint8_t *head = h->message_head;

	h->message_have = 0;
	h->message_left = (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
	if (h->messages < UINT8_MAX)
		h->messages++;
	return h->message_left <= bound_of(h, head[0]);
}

/* Bytes that need no looking at, of the `n` that are there. */
static size_t
skip(struct hello *h, size_t n)
{
	if (n > h->record_left)
		n = h->record_left;
	if (h->handshake && n > h->message_left)
		n = h->message_left;
	h->record_left = (uint16_t)(h->record_left - n);
	if (h->handshake)
		h->message_left -= (uint32_t)n;
	return n;
}

bool
hello_passes(struct hello *h, const unsigned char *p, size_t n)
{
	while (n > 0 && !h->off) {
		size_t k = 1;

		if (!h->record_left) {
			h->record_head[h->record_have++] = *p;
			if (h->record_have == 5)
				start_record(h);
		} else if (h->handshake && !h->message_left) {
			h->record_left--;
			h->message_head[h->message_have++] = *p;
			if (h->message_have == 4 && !start_message(h))
				return false;
		} else {
			k = skip(h, n);
		}
		p += k;
		n -= k;
	}
	return true;
}
