/*
 * socks: see socks.h.
 */
#include "core/file/socks.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define VERSION 5
#define NO_AUTHENTICATION 0
#define NO_METHOD 0xff
#define CONNECT 1
#define IPV4 1
#define NAME 3

/* How many bytes the message has, as far as that can be told from what has come. */
static size_t
length(const struct socks *s)
{
	if (s->state == SOCKS_GREETING)
		return s->have < 2 ? 2 : 2u + s->bytes[1];
	return s->have < 5 ? 5 : 4 + 1 + s->bytes[4] + 2u;
}

static void
refuse(struct socks *s, const char *why)
{
	s->state = SOCKS_REFUSED;
	s->why = why;
}

static void
greeted(struct socks *s, struct buf *out)
{
	bool ok = s->bytes[0] == VERSION && memchr(s->bytes + 2, NO_AUTHENTICATION, s->bytes[1]);
	const char reply[2] = { VERSION, (char)(ok ? NO_AUTHENTICATION : NO_METHOD) };

	if (s->bytes[0] != VERSION) {
		refuse(s, "no-socks5");
		return;
	}
	buf_add(out, reply, sizeof(reply));
	if (!ok) {
		refuse(s, "authentication");
		return;
	}
	s->state = SOCKS_REQUEST;
	s->have = 0;
}

static bool
read_address(struct socks *s)
{
	if (s->bytes[4] != SOCKS_ADDRESS)
		return false;
	for (size_t i = 0; i < SOCKS_ADDRESS; i++) {
		if (!isxdigit(s->bytes[5 + i]))
			return false;
		s->address[i] = (char)tolower(s->bytes[5 + i]);
	}
	return true;
}

static void
asked(struct socks *s, struct buf *out)
{
	enum socks_reply reply = SOCKS_SUCCEEDED;

	if (s->bytes[0] != VERSION)
		refuse(s, "no-socks5");
	else if (s->bytes[1] != CONNECT)
		reply = SOCKS_NO_COMMAND;
	else if (s->bytes[3] != NAME)
		reply = SOCKS_NO_ADDRESS_TYPE;
	else if (!read_address(s))
		reply = SOCKS_NOT_ALLOWED;
	else
		s->state = SOCKS_ASKED;
	if (reply == SOCKS_SUCCEEDED)
		return;
	refuse(s, reply == SOCKS_NO_COMMAND ? "command" : reply == SOCKS_NO_ADDRESS_TYPE ? "address-type" : "address");
	socks_answer(s, reply, out);
}

/* An address of another type than a name has another length: that its type is wrong is known from what comes before. */
static bool
is_whole(const struct socks *s)
{
	if (s->have && s->bytes[0] != VERSION)
		return true;
	if (s->state == SOCKS_REQUEST && s->have >= 4 && (s->bytes[1] != CONNECT || s->bytes[3] != NAME))
		return true;
	return s->have == length(s);
}

size_t
socks_take(struct socks *s, const void *p, size_t n, struct buf *out)
{
	const uint8_t *at = p;
	size_t used = 0;

	while (used < n && s->state < SOCKS_ASKED) {
		s->bytes[s->have++] = at[used++];
		if (!is_whole(s))
			continue;
		if (s->state == SOCKS_GREETING)
			greeted(s, out);
		else
			asked(s, out);
	}
	return used;
}

void
socks_answer(const struct socks *s, enum socks_reply reply, struct buf *out)
{
	const char head[4] = { VERSION, (char)reply, 0, NAME }, nowhere[10] = { VERSION, (char)reply, 0, IPV4 };

	if (s->bytes[3] != NAME || s->have < 5 || s->have != length(s)) {
		buf_add(out, nowhere, sizeof(nowhere));
		return;
	}
	buf_add(out, head, sizeof(head));
	buf_add(out, s->bytes + 4, s->have - 4);
}
