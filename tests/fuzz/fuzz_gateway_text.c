/*
 * Fuzzes gateway/text and gateway/address: whatever bytes come from a network, what is written to the stream is one well-formed element with the cleaned text in it,
 * and a localpart that is made of them is prepared and comes back.
 */
#include "gateway/text.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway/address.h"
#include "xmpp/jid.h"
#include "xmpp/parser.h"
#include "xmpp/stanza.h"

static void
check_text(const char *s, size_t n, size_t max)
{
	struct buf b = { 0 }, plain = { 0 };
	struct stanza *st;
	char *again;

	buf_adds(&b, "<body a='");
	gateway_text_add(&b, s, n, max);
	buf_adds(&b, "'>");
	gateway_text_add(&b, s, n, max);
	buf_adds(&b, "</body>");
	st = parser_one(buf_str(&b), buf_len(&b), NULL, NULL);
	assert(st);
	buf_adds(&plain, elem_text(st->root, st->arena));
	assert(text_is_utf8(buf_data(&plain), buf_len(&plain)));
	/* Clean is clean. */
	again = gateway_text_clean(buf_str(&plain), SIZE_MAX, false);
	assert(!strcmp(again, buf_str(&plain)));
	free(again);
	stanza_unref(st);
	buf_fini(&b);
	buf_fini(&plain);
}

static void
check_address(const char *s)
{
	char local[ADDRESS_LOCAL_MAX], back[NETWORK_ADDRESS_MAX], *clean = gateway_text_clean(s, NETWORK_ADDRESS_MAX - 1, true);
	struct jid *jid;

	if (!gateway_address_to_local(clean, local)) {
		jid = jid_new(local, "gw.example", NULL);
		assert(jid && !strcmp(jid_local(jid), local));
		jid_unref(jid);
		assert(!gateway_address_from_local(local, back));
		assert(!strcmp(back, clean) || text_equal_nocase(back, clean));
	}
	free(clean);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1), *line;

	assert(s);
	if (size)
		memcpy(s, data, size);
	s[size] = '\0';
	check_text(s, size, SIZE_MAX);
	check_text(s, size, size / 2);
	line = gateway_text_clean(s, SIZE_MAX, true);
	assert(!strpbrk(line, "\r\n\t\x01\x1b"));
	free(line);
	check_address(s);
	free(s);
	return 0;
}
