/* pdu: SMPP 3.4 as octets, those of the specification's examples and those that are wrong. */
#include "gateway_sms/pdu.h"

#include "octets.h"

/* "SMPP3TEST", "secret08", "SUBMIT1": §4.1.1 has this bind_transmitter. */
#define BIND_EXAMPLE "534d50503354455354 00 7365637265743038 00 5355424d495431 00 34 01 01 00"

/* From +33612345678 to 38123: "Hi", in the default alphabet. */
#define MESSAGE_HEAD "00 01 01 3333363132333435363738 00 00 01 3338313233 00 00 00 00 00 00 00 00 00 00"
#define HI MESSAGE_HEAD "02 4869"

static struct buf kept;

static uint32_t
read_pdu(uint32_t command, uint32_t status, const char *body, struct pdu *out)
{
	buf_fini(&kept);
	kept = pdu_octets(command, status, 7, body);
	return pdu_read((const uint8_t *)buf_data(&kept), buf_len(&kept), out);
}

static int
forget(void **state)
{
	(void)state;
	buf_fini(&kept);
	return 0;
}

static void
a_bind_is_as_in_the_specification(void **state)
{
	struct pdu p = { .command = BIND_TRANSMITTER, .sequence = 1, .system_id = "SMPP3TEST", .password = "secret08",
		.system_type = "SUBMIT1", .interface_version = SMPP_VERSION, .addr_ton = 1, .addr_npi = 1 };
	struct buf out = { 0 };

	(void)state;
	pdu_write(&p, &out);
	assert_octets(&out, "0000002f 00000002 00000000 00000001" BIND_EXAMPLE);
	buf_fini(&out);
}

static void
a_deliver_sm_is_read(void **state)
{
	struct pdu p;

	(void)state;
	assert_int_equal(read_pdu(DELIVER_SM, 0, HI, &p), ESME_ROK);
	assert_int_equal(p.sequence, 7);
	assert_int_equal(p.source.ton, TON_INTERNATIONAL);
	assert_string_equal(p.source.digits, "33612345678");
	assert_string_equal(p.destination.digits, "38123");
	assert_int_equal(p.sm_length, 2);
	assert_memory_equal(p.short_message, "Hi", 2);
}

static void
what_is_written_is_read_again(void **state)
{
	struct pdu p = { .command = SUBMIT_SM, .sequence = 9, .service_type = "CMT", .source = { 5, 0, "ACME" }, .destination = { 1, 1, "4915112345678" },
		.esm_class = 0x43, .protocol_id = 1, .priority_flag = 2, .schedule_delivery_time = "000000010000000R", .validity_period = "000001000000000R",
		.registered_delivery = 1, .replace_if_present = 1, .data_coding = 8, .sm_default_msg_id = 3 }, q;
	struct buf out = { 0 }, again = { 0 };

	(void)state;
	p.short_message = (const uint8_t *)"\0A";
	p.sm_length = 2;
	pdu_set_tlv(&p, TLV_SAR_MSG_REF_NUM, "\x12\x34", 2);
	pdu_set_tlv(&p, TLV_SAR_TOTAL_SEGMENTS, "\2", 1);
	pdu_set_tlv(&p, TLV_SAR_SEGMENT_SEQNUM, "\1", 1);
	pdu_write(&p, &out);
	assert_int_equal(pdu_length((const uint8_t *)buf_data(&out)), buf_len(&out));
	assert_int_equal(pdu_read((const uint8_t *)buf_data(&out), buf_len(&out), &q), ESME_ROK);
	assert_int_equal(pdu_tlv_number(&q.tlv[TLV_SAR_MSG_REF_NUM]), 0x1234);
	assert_string_equal(q.validity_period, p.validity_period);
	assert_int_equal(q.data_coding, 8);
	pdu_write(&q, &again);
	assert_int_equal(buf_len(&out), buf_len(&again));
	assert_memory_equal(buf_data(&out), buf_data(&again), buf_len(&out));
	buf_fini(&out);
	buf_fini(&again);
}

static void
answers_without_a_body_are_errors_only(void **state)
{
	struct pdu p;

	(void)state;
	assert_int_equal(read_pdu(SUBMIT_SM | PDU_RESPONSE, ESME_RTHROTTLED, "", &p), ESME_ROK);
	assert_int_equal(read_pdu(SUBMIT_SM | PDU_RESPONSE, ESME_RTHROTTLED, "00", &p), ESME_ROK);
	assert_int_equal(read_pdu(SUBMIT_SM | PDU_RESPONSE, 0, "", &p), ESME_RINVCMDLEN);
	assert_int_equal(read_pdu(SUBMIT_SM | PDU_RESPONSE, 0, "34 32 00", &p), ESME_ROK);
	assert_string_equal(p.message_id, "42");
	assert_int_equal(read_pdu(BIND_TRANSCEIVER | PDU_RESPONSE, 0, "53 00 0210 0001 34", &p), ESME_ROK);
	assert_int_equal(pdu_tlv_number(&p.tlv[TLV_SC_INTERFACE_VERSION]), 0x34);
}

static void
lengths_that_are_wrong_are_refused(void **state)
{
	static const struct {
		uint32_t command;
		const char *body;
		uint32_t status;
	} rows[] = {
		{ ENQUIRE_LINK, "00", ESME_RINVCMDLEN },                                  /* more than it has */
		{ DELIVER_SM, "", ESME_RINVCMDLEN },
		{ DELIVER_SM, "00 01 01 3333", ESME_RINVCMDLEN },                         /* ends within a string */
		{ DELIVER_SM, "41424344454600", ESME_RINVPARLEN },                        /* service_type of six and its NUL */
		{ DELIVER_SM, "00 01 01 313233343536373839303132333435363738393031323300", ESME_RINVPARLEN },
		{ DELIVER_SM, MESSAGE_HEAD, ESME_RINVCMDLEN },                            /* no sm_length */
		{ DELIVER_SM, MESSAGE_HEAD "03 4869", ESME_RINVMSGLEN },                  /* shorter than sm_length */
		{ DELIVER_SM, HI "04", ESME_RINVOPTPARSTREAM },                           /* ends within a tag */
		{ DELIVER_SM, HI "0424 0002 41", ESME_RINVOPTPARSTREAM },                 /* longer than what is there */
		{ DELIVER_SM, HI "9999 ffff", ESME_RINVOPTPARSTREAM },                    /* the same of one that we do not read */
		{ DELIVER_SM, HI "020c 0001 41", ESME_RINVPARLEN },                       /* two octets, by §5.3.2.22 */
		{ DELIVER_SM, HI "0427 0000", ESME_RINVPARLEN },
		{ DELIVER_SM, HI "0427 0001 02 0427 0001 05", ESME_RINVOPTPARSTREAM },    /* twice */
		{ DELIVER_SM, HI "0424 0001 41", ESME_RINVMSGLEN },                       /* two messages in one */
		{ DELIVER_SM, HI "9999 0002 4142", ESME_ROK },
		{ DELIVER_SM, MESSAGE_HEAD "00 0424 0003 414243", ESME_ROK },
		{ 0x00000777, "414243", ESME_RINVCMDID },
		{ DATA_SM, "41", ESME_ROK },                                              /* is not read */
	};
	struct pdu p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(read_pdu(rows[i].command, 0, rows[i].body, &p), rows[i].status);
		assert_int_equal(p.command, rows[i].command);
		assert_int_equal(p.sequence, 7);
	}
}

static void
the_message_is_where_it_is(void **state)
{
	struct pdu p;
	size_t n;

	(void)state;
	assert_int_equal(read_pdu(DELIVER_SM, 0, MESSAGE_HEAD "00 0424 0003 414243", &p), ESME_ROK);
	assert_memory_equal(pdu_message(&p, &n), "ABC", 3);
	assert_int_equal(n, 3);
	assert_int_equal(read_pdu(DELIVER_SM, 0, HI, &p), ESME_ROK);
	assert_memory_equal(pdu_message(&p, &n), "Hi", 2);
	assert_int_equal(n, 2);
}

static void
a_status_has_a_name(void **state)
{
	char hex[11];

	(void)state;
	assert_string_equal(pdu_status_name(ESME_RTHROTTLED, hex), "ESME_RTHROTTLED");
	assert_string_equal(pdu_status_name(0x412, hex), "0x00000412");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bind_is_as_in_the_specification),
		cmocka_unit_test(a_deliver_sm_is_read),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(answers_without_a_body_are_errors_only),
		cmocka_unit_test(lengths_that_are_wrong_are_refused),
		cmocka_unit_test(the_message_is_where_it_is),
		cmocka_unit_test(a_status_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, forget);
}
