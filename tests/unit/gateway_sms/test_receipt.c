/* receipt: delivery receipts as providers write them. */
#include "gateway_sms/receipt.h"

#include "octets.h"

static bool
reads(const char *text, struct receipt *out)
{
	struct pdu p = { .command = DELIVER_SM, .esm_class = ESM_RECEIPT, .short_message = (const uint8_t *)text, .sm_length = (uint8_t)strlen(text) };

	assert_true(receipt_is(&p));
	return receipt_read(&p, out);
}

static void
the_text_form_is_read(void **state)
{
	struct receipt r;

	(void)state;
	assert_true(reads("id:0123456789 sub:001 dlvrd:001 submit date:2611222350 done date:2611222351 stat:DELIVRD err:000 Text:hello id:7", &r));
	assert_string_equal(r.id, "0123456789");
	assert_int_equal(r.state, RECEIPT_DELIVERED);
	assert_string_equal(r.error, "000");
	assert_true(reads("ID:ab-c-d STAT:undeliv ERR:1b", &r));
	assert_string_equal(r.id, "ab-c-d");
	assert_int_equal(r.state, RECEIPT_UNDELIVERABLE);
	assert_true(receipt_is_failure(r.state));
	assert_true(reads("id:7 stat:SOMETHING", &r));
	assert_int_equal(r.state, RECEIPT_UNREADABLE);
	assert_false(reads("", &r));
	assert_false(reads("id: stat:DELIVRD", &r));
	assert_false(reads("xid:7 stat:DELIVRD", &r));
	assert_false(receipt_is_failure(RECEIPT_ENROUTE));
	assert_string_equal(receipt_state_text(RECEIPT_EXPIRED), "not delivered in time");
}

static void
parameters_come_first(void **state)
{
	static const char text[] = "id:1 stat:DELIVRD";
	struct pdu p = { .esm_class = ESM_RECEIPT, .short_message = (const uint8_t *)text, .sm_length = sizeof(text) - 1 };
	struct receipt r;

	(void)state;
	pdu_set_tlv(&p, TLV_RECEIPTED_MESSAGE_ID, "abc\0", 4);
	pdu_set_tlv(&p, TLV_MESSAGE_STATE, "\5", 1);
	assert_true(receipt_read(&p, &r));
	assert_string_equal(r.id, "abc");
	assert_int_equal(r.state, RECEIPT_UNDELIVERABLE);
	/* Without its NUL, and at its longest. */
	pdu_set_tlv(&p, TLV_RECEIPTED_MESSAGE_ID, "0123456789012345678901234567890123456789012345678901234567890123", 64);
	assert_true(receipt_read(&p, &r));
	assert_int_equal(strlen(r.id), 64);
	pdu_set_tlv(&p, TLV_RECEIPTED_MESSAGE_ID, "01234567890123456789012345678901234567890123456789012345678901234", 65);
	assert_false(receipt_read(&p, &r));
	pdu_set_tlv(&p, TLV_RECEIPTED_MESSAGE_ID, "a\nb", 4);
	assert_false(receipt_read(&p, &r));
	pdu_set_tlv(&p, TLV_RECEIPTED_MESSAGE_ID, "\0", 1);
	assert_false(receipt_read(&p, &r));
	pdu_set_tlv(&p, TLV_RECEIPTED_MESSAGE_ID, "a", 1);
	pdu_set_tlv(&p, TLV_MESSAGE_STATE, "\xff", 1);
	assert_true(receipt_read(&p, &r));
	assert_int_equal(r.state, RECEIPT_DELIVERED);
}

static void
ids_have_one_spelling(void **state)
{
	char a[RECEIPT_ID], b[RECEIPT_ID];

	(void)state;
	receipt_id_canonical("00ff", true, a);
	receipt_id_canonical("0000000255", false, b);
	assert_string_equal(a, b);
	receipt_id_canonical("ABC-1", true, a);
	assert_string_equal(a, "abc-1");
	receipt_id_canonical("123456789012345678901234567890", false, a);
	assert_string_equal(a, "123456789012345678901234567890");
	receipt_id_canonical("", false, a);
	assert_string_equal(a, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_form_is_read),
		cmocka_unit_test(parameters_come_first),
		cmocka_unit_test(ids_have_one_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
