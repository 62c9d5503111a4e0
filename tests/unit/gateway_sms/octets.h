/*
 * octets: literal PDUs for the tests of this folder, in hexadecimal with spaces where they help.
 */
#ifndef TESTS_GATEWAY_SMS_OCTETS_H
#define TESTS_GATEWAY_SMS_OCTETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/text.h"

static inline struct buf
octets(const char *hex)
{
	struct buf digits = { 0 }, out = { 0 };
	ssize_t n;

	for (; *hex; hex++)
		if (*hex != ' ')
			buf_addc(&digits, *hex);
	buf_reserve(&out, buf_len(&digits) / 2 + 1);
	n = text_unhex(buf_str(&digits), buf_len(&digits), out.data);
	assert_true(n >= 0);
	buf_added(&out, (size_t)n);
	buf_fini(&digits);
	return out;
}

static inline void
assert_octets(const struct buf *got, const char *hex)
{
	struct buf want = octets(hex);
	char *have = malloc(buf_len(got) * 2 + 1), *wanted = malloc(buf_len(&want) * 2 + 1);

	text_hex(buf_data(got), buf_len(got), have);
	text_hex(buf_data(&want), buf_len(&want), wanted);
	assert_string_equal(have, wanted);
	free(have);
	free(wanted);
	buf_fini(&want);
}

/* A PDU of a header with these three words, and a body. */
static inline struct buf
pdu_octets(uint32_t command, uint32_t status, uint32_t sequence, const char *body)
{
	struct buf rest = octets(body), out = { 0 };
	uint32_t words[4] = { (uint32_t)buf_len(&rest) + 16, command, status, sequence };

	for (unsigned i = 0; i < 16; i++)
		buf_addc(&out, (char)(words[i / 4] >> (3 - i % 4) * 8));
	buf_add(&out, buf_str(&rest), buf_len(&rest));
	buf_fini(&rest);
	return out;
}

#endif
