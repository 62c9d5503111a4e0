/* smpp: a session with an SMSC that is played by hand, octet by octet. */
#include "gateway_sms/smpp.h"

#include "octets.h"

#define WINDOW 2
#define INCOMING 2
#define ANSWER_MS 1000
#define ENQUIRE_MS 5000

static struct smpp *s;
static int64_t now;
static unsigned bound, delivered;
static struct {
	unsigned count;
	uint64_t tag;
	uint32_t status;
	char message_id[66];
} answer;

static void
on_bound(void *owner, const char *smsc)
{
	(void)owner;
	assert_string_equal(smsc, "SMSC");
	bound++;
}

static void
on_answered(void *owner, uint64_t tag, uint32_t status, const char *message_id)
{
	(void)owner;
	answer.count++;
	answer.tag = tag;
	answer.status = status;
	strcpy(answer.message_id, message_id);
}

static void
on_delivered(void *owner, const struct pdu *p)
{
	(void)owner;
	assert_int_equal(p->command, DELIVER_SM);
	delivered++;
}

static const struct smpp_calls calls = { on_bound, on_answered, on_delivered };

static int
hear(uint32_t command, uint32_t status, uint32_t sequence, const char *body)
{
	struct buf p = pdu_octets(command, status, sequence, body);
	int rc = 0;

	/* In pieces, as TCP may have it. */
	for (size_t i = 0; i < buf_len(&p) && !rc; i++)
		rc = smpp_take(s, buf_data(&p) + i, 1, now);
	buf_fini(&p);
	return rc;
}

static void
said(const char *hex)
{
	assert_octets(smpp_output(s), hex);
	buf_clear(smpp_output(s));
}

static int
begin(void **state)
{
	static const struct smpp_settings settings = { .bind = BIND_TRANSCEIVER, .system_id = "me", .password = "pw", .system_type = "", .address_range = "",
		.window = WINDOW, .incoming = INCOMING, .pdu_bytes = 70000, .output_bytes = 1000, .answer_ms = ANSWER_MS, .enquire_ms = ENQUIRE_MS };

	(void)state;
	now = 1000;
	bound = delivered = 0;
	memset(&answer, 0, sizeof(answer));
	s = smpp_new(&settings, &calls, NULL);
	smpp_connected(s, now);
	said("0000001b 00000009 00000000 00000001 6d6500 707700 00 34 00 00 00");
	return 0;
}

static int
begin_bound(void **state)
{
	begin(state);
	return hear(BIND_TRANSCEIVER | PDU_RESPONSE, 0, 1, "534d5343 00");
}

static int
finish(void **state)
{
	(void)state;
	smpp_free(s);
	return 0;
}

static void
submit(uint64_t tag)
{
	struct pdu p = { .destination = { 1, 1, "33612345678" }, .short_message = (const uint8_t *)"Hi", .sm_length = 2 };

	smpp_submit(s, &p, tag, now);
}

static void
bind_is_answered(void **state)
{
	(void)state;
	assert_int_equal(smpp_state(s), SMPP_BINDING);
	assert_int_equal(smpp_room(s), 0);
	assert_int_equal(hear(BIND_TRANSCEIVER | PDU_RESPONSE, 0, 2, "534d5343 00"), 0); /* not ours */
	assert_int_equal(bound, 0);
	assert_int_equal(hear(BIND_TRANSCEIVER | PDU_RESPONSE, 0, 1, "534d5343 00 0210 0001 34"), 0);
	assert_int_equal(bound, 1);
	assert_int_equal(smpp_state(s), SMPP_BOUND);
	assert_int_equal(smpp_room(s), WINDOW);
	/* Once only. */
	assert_int_equal(hear(BIND_TRANSCEIVER | PDU_RESPONSE, 0, 1, "534d5343 00"), 0);
	assert_int_equal(bound, 1);
	assert_int_equal(smpp_counts(s)->stray, 2);
}

static void
bind_may_be_refused(void **state)
{
	(void)state;
	assert_int_equal(hear(BIND_TRANSCEIVER | PDU_RESPONSE, ESME_RINVPASWD, 1, ""), -1);
	assert_string_equal(smpp_why(s), "bind refused: ESME_RINVPASWD");
	assert_int_equal(smpp_bind_status(s), ESME_RINVPASWD);
	assert_int_equal(smpp_take(s, "x", 1, now), -1);
}

static void
a_bind_that_is_nacked_is_refused(void **state)
{
	(void)state;
	assert_int_equal(hear(GENERIC_NACK, ESME_RINVCMDID, 1, ""), -1);
	assert_int_equal(smpp_bind_status(s), ESME_RINVCMDID);
}

static void
a_bind_without_an_answer_ends(void **state)
{
	(void)state;
	assert_int_equal(smpp_due(s), now + ANSWER_MS);
	assert_int_equal(smpp_tick(s, now + ANSWER_MS - 1), 0);
	assert_int_equal(smpp_tick(s, now + ANSWER_MS), -1);
	assert_string_equal(smpp_why(s), "no answer to the bind");
}

static void
nothing_is_delivered_before_it(void **state)
{
	(void)state;
	assert_int_equal(hear(OUTBIND, 0, 0, "00 00"), 0);
	assert_int_equal(hear(DELIVER_SM, 0, 5, "00 01 01 3100 01 01 3200 00 00 00 00 00 00 00 00 00 01 41"), 0);
	assert_int_equal(delivered, 0);
	said("00000011 80000005 00000004 00000005 00");
}

static void
a_message_is_submitted(void **state)
{
	(void)state;
	submit(77);
	said("0000002e 00000004 00000000 00000002 00 00 00 00 01 01 3333363132333435363738 00 00 00 00 00 00 00 00 00 00 02 4869");
}

static void
answers_find_their_messages(void **state)
{
	(void)state;
	submit(10);
	submit(11);
	assert_int_equal(smpp_room(s), 0);
	assert_int_equal(hear(SUBMIT_SM | PDU_RESPONSE, 0, 3, "6200"), 0);
	assert_int_equal(answer.tag, 11);
	assert_string_equal(answer.message_id, "b");
	assert_int_equal(smpp_room(s), 1);
	assert_int_equal(hear(SUBMIT_SM | PDU_RESPONSE, ESME_RTHROTTLED, 2, ""), 0);
	assert_int_equal(answer.tag, 10);
	assert_int_equal(answer.status, ESME_RTHROTTLED);
	/* Again, of nothing, and to something else. */
	assert_int_equal(hear(SUBMIT_SM | PDU_RESPONSE, 0, 3, "6200"), 0);
	assert_int_equal(hear(SUBMIT_SM | PDU_RESPONSE, 0, 0, "6200"), 0);
	assert_int_equal(hear(ENQUIRE_LINK | PDU_RESPONSE, 0, 9, ""), 0);
	assert_int_equal(answer.count, 2);
	assert_int_equal(smpp_counts(s)->stray, 3);
}

static void
an_answer_that_is_broken_is_no_success(void **state)
{
	(void)state;
	submit(10);
	assert_int_equal(hear(SUBMIT_SM | PDU_RESPONSE, 0, 2, "6262"), 0);
	assert_int_equal(answer.status, ESME_RINVCMDLEN);
	submit(11);
	assert_int_equal(hear(GENERIC_NACK, 0, 3, ""), 0);
	assert_int_equal(answer.tag, 11);
	assert_int_equal(answer.status, ESME_RUNKNOWNERR);
}

static void
what_is_not_answered_in_time_is_said(void **state)
{
	(void)state;
	submit(10);
	now += 500;
	submit(11);
	assert_int_equal(smpp_due(s), 1000 + ANSWER_MS);
	assert_int_equal(smpp_tick(s, 1000 + ANSWER_MS), 0);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.tag, 10);
	assert_true(answer.status == SMPP_NO_ANSWER);
	assert_int_equal(smpp_room(s), 1);
	/* Too late. */
	assert_int_equal(hear(SUBMIT_SM | PDU_RESPONSE, 0, 2, "6200"), 0);
	assert_int_equal(answer.count, 1);
}

static void
what_is_open_at_the_end_is_lost(void **state)
{
	(void)state;
	submit(10);
	submit(11);
	assert_int_equal(hear(UNBIND, 0, 4, ""), -1);
	smpp_closed(s);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.tag, 11);
	assert_true(answer.status == SMPP_LOST);
	assert_int_equal(smpp_room(s), 0);
}

#define MESSAGE "00 01 01 3100 01 01 3200 00 00 00 00 00 00 00 00 00 01 41"
#define OTHER "00 01 01 3100 01 01 3200 00 00 00 00 00 00 00 00 00 01 42"

static void
messages_are_answered_when_they_are_kept(void **state)
{
	(void)state;
	assert_int_equal(hear(DELIVER_SM, 0, 1, MESSAGE), 0);
	assert_int_equal(hear(DELIVER_SM, 0, 2, MESSAGE), 0);
	said("");
	/* No room for more before that. */
	assert_int_equal(hear(DELIVER_SM, 0, 3, MESSAGE), 0);
	assert_int_equal(delivered, 2);
	said("00000011 80000005 00000014 00000003 00");
	smpp_delivered(s, 2, ESME_ROK);
	said("00000011 80000005 00000000 00000002 00");
	smpp_delivered(s, 1, ESME_RX_T_APPN);
	said("00000011 80000005 00000064 00000001 00");
	smpp_delivered(s, 1, ESME_ROK);
	said("");
	assert_int_equal(hear(DELIVER_SM, 0, 3, MESSAGE), 0);
	assert_int_equal(delivered, 3);
}

/* chanceryd takes no more: the provider keeps its messages, and all else of the session goes on, its beginning included. */
static void
while_it_is_held_messages_wait_there(void **state)
{
	(void)state;
	smpp_hold(s, true);
	assert_int_equal(hear(BIND_TRANSCEIVER | PDU_RESPONSE, 0, 1, "534d5343 00"), 0);
	assert_int_equal(bound, 1);
	submit(10);
	buf_clear(smpp_output(s));
	assert_int_equal(hear(DELIVER_SM, 0, 1, MESSAGE), 0);
	assert_int_equal(delivered, 0);
	said("00000011 80000005 00000014 00000001 00");
	assert_int_equal(hear(ENQUIRE_LINK, 0, 2, ""), 0);
	said("00000010 80000015 00000000 00000002");
	assert_int_equal(hear(SUBMIT_SM | PDU_RESPONSE, 0, 2, "6200"), 0);
	assert_int_equal(answer.tag, 10);
	smpp_hold(s, false);
	assert_int_equal(hear(DELIVER_SM, 0, 1, MESSAGE), 0);
	assert_int_equal(delivered, 1);
}

static void
a_number_that_comes_again(void **state)
{
	(void)state;
	assert_int_equal(hear(DELIVER_SM, 0, 1, MESSAGE), 0);
	/* The same words: one answer for both. */
	assert_int_equal(hear(DELIVER_SM, 0, 1, MESSAGE), 0);
	assert_int_equal(delivered, 1);
	assert_int_equal(smpp_counts(s)->repeated, 1);
	smpp_delivered(s, 1, ESME_ROK);
	said("00000011 80000005 00000000 00000001 00");
	/* Behind its answer a number is free. */
	assert_int_equal(hear(DELIVER_SM, 0, 1, OTHER), 0);
	assert_int_equal(delivered, 2);
	assert_int_equal(hear(DELIVER_SM, 0, 1, MESSAGE), -1);
	smpp_delivered(s, 1, ESME_ROK);
	said("");
}

static void
requests_that_are_wrong_are_answered(void **state)
{
	(void)state;
	assert_int_equal(hear(ENQUIRE_LINK, 0, 1, ""), 0);
	said("00000010 80000015 00000000 00000001");
	assert_int_equal(hear(0x777, 0, 2, "4142"), 0);
	said("00000010 80000000 00000003 00000002");
	assert_int_equal(hear(DATA_SM, 0, 3, "4142"), 0);
	said("00000011 80000103 00000003 00000003 00");
	assert_int_equal(hear(DELIVER_SM, 0, 4, "4142"), 0);
	said("00000011 80000005 00000002 00000004 00");
	assert_int_equal(hear(SUBMIT_SM, 0, 5, MESSAGE), 0);
	said("00000011 80000004 00000004 00000005 00");
	assert_int_equal(hear(ALERT_NOTIFICATION, 0, 6, "00"), 0);
	assert_int_equal(hear(0x80000777, 0, 7, ""), 0);
	said("");
	assert_int_equal(smpp_counts(s)->refused, 4);
	assert_int_equal(smpp_counts(s)->stray, 1);
	assert_int_equal(smpp_state(s), SMPP_BOUND);
}

static void
a_length_that_cannot_be_ends_it(void **state)
{
	struct buf p = octets("0000000f 00000015 00000000 00000001");

	(void)state;
	assert_int_equal(smpp_take(s, buf_data(&p), 4, now), -1);
	said("00000010 80000000 00000002 00000000");
	buf_fini(&p);
	finish(state);
	begin_bound(state);
	p = octets("7fffffff");
	assert_int_equal(smpp_take(s, buf_data(&p), 4, now), -1);
	said("00000010 80000000 00000002 00000000");
	buf_fini(&p);
}

static void
silence_is_asked_about(void **state)
{
	(void)state;
	assert_int_equal(smpp_due(s), now + ENQUIRE_MS);
	now += ENQUIRE_MS;
	assert_int_equal(smpp_tick(s, now), 0);
	said("00000010 00000015 00000000 00000002");
	assert_int_equal(hear(ENQUIRE_LINK | PDU_RESPONSE, 0, 2, ""), 0);
	assert_int_equal(smpp_due(s), now + ENQUIRE_MS);
	now += ENQUIRE_MS;
	assert_int_equal(smpp_tick(s, now), 0);
	assert_int_equal(smpp_tick(s, now + ANSWER_MS), -1);
	assert_string_equal(smpp_why(s), "no answer to enquire_link");
}

static void
who_asks_and_does_not_read_is_closed(void **state)
{
	int rc = 0;

	(void)state;
	for (unsigned i = 0; i < 100 && !rc; i++)
		rc = hear(ENQUIRE_LINK, 0, i, "");
	assert_int_equal(rc, -1);
	assert_true(buf_len(smpp_output(s)) <= 1000 + 16);
}

static void
good_bye_is_said(void **state)
{
	(void)state;
	smpp_unbind(s, now);
	said("00000010 00000006 00000000 00000002");
	assert_int_equal(smpp_room(s), 0);
	assert_int_equal(hear(DELIVER_SM, 0, 9, MESSAGE), 0);
	assert_int_equal(delivered, 0);
	said("00000011 80000005 00000064 00000009 00");
	assert_int_equal(hear(UNBIND | PDU_RESPONSE, 0, 2, ""), -1);
	assert_string_equal(smpp_why(s), "unbound");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_bound, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bind_is_answered, begin, finish),
		cmocka_unit_test_setup_teardown(bind_may_be_refused, begin, finish),
		cmocka_unit_test_setup_teardown(a_bind_that_is_nacked_is_refused, begin, finish),
		cmocka_unit_test_setup_teardown(a_bind_without_an_answer_ends, begin, finish),
		cmocka_unit_test_setup_teardown(nothing_is_delivered_before_it, begin, finish),
		TEST(a_message_is_submitted),
		TEST(answers_find_their_messages),
		TEST(an_answer_that_is_broken_is_no_success),
		TEST(what_is_not_answered_in_time_is_said),
		TEST(what_is_open_at_the_end_is_lost),
		TEST(messages_are_answered_when_they_are_kept),
		cmocka_unit_test_setup_teardown(while_it_is_held_messages_wait_there, begin, finish),
		TEST(a_number_that_comes_again),
		TEST(requests_that_are_wrong_are_answered),
		TEST(a_length_that_cannot_be_ends_it),
		TEST(silence_is_asked_about),
		TEST(who_asks_and_does_not_read_is_closed),
		TEST(good_bye_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
