/* coding: which alphabet a text goes in, where it is cut, and what comes back of it. */
#include "gateway_sms/coding.h"

#include "octets.h"

static struct coding_way way = { .alphabet = CODING_GSM7, .latin1 = false, .how = LONG_UDH8, .parts = 10 };

/* Split, each part as the other side would read it, joined again. Returns the number of parts, 0: refused. */
static unsigned
there_and_back(const char *text)
{
	struct coding_text t;
	struct buf units = { 0 }, got = { 0 };
	struct err e;
	unsigned count;

	if (coding_split(&t, &way, text, strlen(text), 0x1234, &e))
		return 0;
	for (unsigned i = 0; i < t.count; i++) {
		struct pdu p = { .command = SUBMIT_SM }, q;
		struct buf octets = { 0 };
		struct coding_piece piece;

		coding_part(&t, i, &p);
		pdu_write(&p, &octets);
		assert_int_equal(pdu_read((const uint8_t *)buf_data(&octets), buf_len(&octets), &q), ESME_ROK);
		assert_int_equal(coding_read(&q, way.alphabet, &piece), ESME_ROK);
		assert_int_equal(piece.part, t.count > 1);
		if (piece.part) {
			assert_int_equal(piece.total, t.count);
			assert_int_equal(piece.number, i + 1);
			assert_int_equal(piece.reference & 0xffff, way.how == LONG_UDH8 ? 0x34 : 0x1234);
		}
		/* What a telephone gets. */
		if (way.how != LONG_PAYLOAD) {
			size_t header = q.esm_class & ESM_UDHI ? 1u + q.short_message[0] : t.count > 1 ? 7 : 0;
			size_t rest = way.alphabet == CODING_GSM7 && q.data_coding == 0 ? (buf_len(&piece.units) * 7 + 7) / 8 : q.sm_length - (q.esm_class & ESM_UDHI ? header : 0);

			assert_true(header + rest <= CODING_MESSAGE);
		}
		buf_add(&units, buf_str(&piece.units), buf_len(&piece.units));
		buf_fini(&piece.units);
		buf_fini(&octets);
	}
	coding_text(t.coding, buf_str(&units), buf_len(&units), &got);
	assert_string_equal(buf_str(&got), text);
	count = t.count;
	coding_fini(&t);
	buf_fini(&units);
	buf_fini(&got);
	return count;
}

/* `n` times `piece`, and `end`. */
static unsigned
many(const char *piece, unsigned n, const char *end)
{
	struct buf text = { 0 };
	unsigned count;

	while (n--)
		buf_adds(&text, piece);
	buf_adds(&text, end);
	count = there_and_back(buf_str(&text));
	buf_fini(&text);
	return count;
}

static void
with(enum coding alphabet, bool latin1, enum coding_long how, unsigned parts)
{
	way = (struct coding_way){ alphabet, latin1, how, parts };
}

static void
messages_are_as_long_as_they_may_be(void **state)
{
	(void)state;
	for (enum coding c = CODING_GSM7; c <= CODING_GSM7_PACKED; c++) {
		with(c, false, LONG_UDH8, 10);
		assert_int_equal(many("a", 160, ""), 1);
		assert_int_equal(many("a", 161, ""), 2);
		assert_int_equal(many("a", 306, ""), 2);
		assert_int_equal(many("a", 307, ""), 3);
		assert_int_equal(many("a", 1530, ""), 10);
		assert_int_equal(many("a", 1531, ""), 0);
		with(c, false, LONG_UDH16, 10);
		assert_int_equal(many("a", 304, ""), 2);
		assert_int_equal(many("a", 305, ""), 3);
	}
	with(CODING_GSM7, false, LONG_UDH8, 10);
	assert_int_equal(many("ж", 70, ""), 1);
	assert_int_equal(many("ж", 71, ""), 2);
	assert_int_equal(many("ж", 134, ""), 2);
	assert_int_equal(many("ж", 135, ""), 3);
	with(CODING_GSM7, true, LONG_UDH8, 10);
	assert_int_equal(many("ê", 140, ""), 1);
	assert_int_equal(many("ê", 268, ""), 2);
	assert_int_equal(many("ê", 269, ""), 3);
	assert_int_equal(there_and_back(""), 1);
}

static void
characters_are_not_cut(void **state)
{
	(void)state;
	for (enum coding_long how = LONG_UDH8; how <= LONG_SAR; how++) {
		for (enum coding c = CODING_GSM7; c <= CODING_GSM7_PACKED; c++) {
			with(c, false, how, 10);
			for (unsigned n = 145; n < 165; n++)
				assert_int_equal(many("a", n, "€€€€€€€€€€€€€€€"), 2);
		}
		with(CODING_GSM7, false, how, 10);
		for (unsigned n = 55; n < 75; n++)
			assert_int_equal(many("ж", n, "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"), 2);
	}
}

static void
a_payload_is_in_one_piece(void **state)
{
	(void)state;
	with(CODING_GSM7, false, LONG_PAYLOAD, 10);
	assert_int_equal(many("a", 160, ""), 1);
	assert_int_equal(many("a", 161, ""), 1);
	assert_int_equal(many("a", 1600, ""), 1);
	assert_int_equal(many("a", 1601, ""), 0);
	with(CODING_GSM7_PACKED, false, LONG_PAYLOAD, 10);
	assert_int_equal(many("a", 1600, ""), 1);
}

static uint8_t
data_coding(const char *text)
{
	struct coding_text t;
	struct err e;
	uint8_t dc;

	assert_int_equal(coding_split(&t, &way, text, strlen(text), 1, &e), 0);
	dc = t.data_coding;
	coding_fini(&t);
	return dc;
}

static void
the_first_alphabet_that_has_it_all(void **state)
{
	(void)state;
	with(CODING_GSM7, true, LONG_UDH8, 10);
	assert_int_equal(data_coding("Grüße für 5 €"), 0);
	assert_int_equal(data_coding("forêt"), 3);
	assert_int_equal(data_coding("forêt €"), 8);
	with(CODING_GSM7, false, LONG_UDH8, 10);
	assert_int_equal(data_coding("forêt"), 8);
	with(CODING_LATIN1, false, LONG_UDH8, 10);
	assert_int_equal(data_coding("forêt"), 0);
	assert_int_equal(data_coding("\xc2\x85"), 8);
	with(CODING_ASCII, false, LONG_UDH8, 10);
	assert_int_equal(data_coding("foret@_$"), 0);
	assert_int_equal(data_coding("forêt"), 8);
}

/* What a deliver_sm of these octets says; NULL when it is refused. */
static const char *
came(uint8_t dc, uint8_t esm_class, enum coding alphabet, const char *hex)
{
	static struct buf text;
	struct buf in = octets(hex);
	struct pdu p = { .command = DELIVER_SM, .data_coding = dc, .esm_class = esm_class };
	struct coding_piece piece;
	uint32_t status;

	buf_fini(&text);
	p.short_message = (const uint8_t *)buf_str(&in);
	p.sm_length = (uint8_t)buf_len(&in);
	status = coding_read(&p, alphabet, &piece);
	coding_text(piece.coding, buf_str(&piece.units), buf_len(&piece.units), &text);
	buf_fini(&piece.units);
	buf_fini(&in);
	return status ? NULL : buf_str(&text);
}

static void
what_comes_is_read_by_its_data_coding(void **state)
{
	(void)state;
	assert_string_equal(came(0, 0, CODING_GSM7, "00 1b65 04"), "@€è");
	assert_string_equal(came(0, 0, CODING_GSM7_PACKED, "e8329bfd4697d9ec37"), "hellohello");
	assert_string_equal(came(0, 0, CODING_LATIN1, "40 e9"), "@é");
	assert_string_equal(came(1, 0, CODING_GSM7, "40 e9"), "@\xef\xbf\xbd");
	assert_string_equal(came(3, 0, CODING_GSM7, "40 e9"), "@é");
	assert_string_equal(came(8, 0, CODING_GSM7, "0416 d83d de00"), "Ж\xf0\x9f\x98\x80");
	assert_string_equal(came(8, 0, CODING_GSM7, "d83d 0041 de00 00"), "\xef\xbf\xbd" "A\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(came(8, 0, CODING_GSM7, "0000"), "\xef\xbf\xbd");
	assert_string_equal(came(0xf0, 0, CODING_GSM7, "41"), "A");
	assert_string_equal(came(0xd0, 0, CODING_GSM7, "41"), "A");
	assert_string_equal(came(0xe0, 0, CODING_GSM7, "0041"), "A");
	assert_null(came(4, 0, CODING_GSM7, "41"));
	assert_null(came(0xf5, 0, CODING_GSM7, "41"));
	assert_null(came(0xc0, 0, CODING_GSM7, "41"));
}

static void
headers_that_lie_are_refused(void **state)
{
	(void)state;
	assert_string_equal(came(0, ESM_UDHI, CODING_GSM7, "05 00 03 01 02 01 4869"), "Hi");
	/* Another element before it, and one that is empty. */
	assert_string_equal(came(0, ESM_UDHI, CODING_GSM7, "0a 70 01 01 70 00 00 03 01 02 01 4869"), "Hi");
	/* National tables: they would be other letters. */
	assert_null(came(0, ESM_UDHI, CODING_GSM7, "03 24 01 01 4869"));
	assert_null(came(0, ESM_UDHI, CODING_GSM7_PACKED, "03 25 01 01 4869"));
	assert_string_equal(came(8, ESM_UDHI, CODING_GSM7, "03 24 01 01 0041"), "A");
	/* Part 3 of 2, part 0, of 0: no concatenation that makes sense. */
	assert_string_equal(came(0, ESM_UDHI, CODING_GSM7, "05 00 03 01 02 03 4869"), "Hi");
	assert_string_equal(came(0, ESM_UDHI, CODING_GSM7, "05 00 03 01 02 00 4869"), "Hi");
	assert_string_equal(came(0, ESM_UDHI, CODING_GSM7, "05 00 03 01 00 00 4869"), "Hi");
	assert_null(came(0, ESM_UDHI, CODING_GSM7, ""));
	assert_null(came(0, ESM_UDHI, CODING_GSM7, "09 00 03 01 02 01 4869"));
	assert_null(came(0, ESM_UDHI, CODING_GSM7, "05 00 04 01 02 01 4869"));
	assert_null(came(0, ESM_UDHI, CODING_GSM7, "01 00 4869"));
	assert_string_equal(came(0, ESM_UDHI, CODING_GSM7, "00 4869"), "Hi");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_as_long_as_they_may_be),
		cmocka_unit_test(characters_are_not_cut),
		cmocka_unit_test(a_payload_is_in_one_piece),
		cmocka_unit_test(the_first_alphabet_that_has_it_all),
		cmocka_unit_test(what_comes_is_read_by_its_data_coding),
		cmocka_unit_test(headers_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
