/* outbox: messages through a session, an SMSC that is too busy, and sessions that end. */
#include "gateway_sms/outbox.h"

#include "octets.h"

#define WINDOW 3
#define PAUSE_MS 1000
#define PAUSE_MOST_MS 3000

static struct smpp *s;
static struct outbox *o;
static int64_t now;
static uint32_t first; /* sequence of the next submit_sm */
static struct {
	unsigned count;
	void *message;
	struct outbox_end end;
	char id[66];
} end;

static void
on_bound(void *owner, const char *smsc)
{
	(void)owner;
	(void)smsc;
}

static void
on_answered(void *owner, uint64_t tag, uint32_t status, const char *message_id)
{
	(void)owner;
	outbox_answered(o, tag, status, message_id, now);
}

static void
on_delivered(void *owner, const struct pdu *p)
{
	(void)owner;
	(void)p;
}

static void
on_ended(void *owner, void *message, const struct outbox_end *e)
{
	(void)owner;
	end.count++;
	end.message = message;
	end.end = *e;
	if (!e->status)
		strcpy(end.id, e->ids[e->parts - 1]);
}

static const struct smpp_calls calls = { on_bound, on_answered, on_delivered };
static const struct outbox_calls outbox_calls = { on_ended };
static struct outbox_settings settings;

static void
hear(uint32_t command, uint32_t status, uint32_t sequence, const char *body)
{
	struct buf p = pdu_octets(command, status, sequence, body);

	assert_int_equal(smpp_take(s, buf_data(&p), buf_len(&p), now), 0);
	buf_fini(&p);
}

static void
connect_again(void)
{
	static const struct smpp_settings session = { .bind = BIND_TRANSCEIVER, .system_id = "me", .password = "", .system_type = "", .address_range = "",
		.window = WINDOW, .incoming = 1, .pdu_bytes = 70000, .output_bytes = 100000, .answer_ms = 60000, .enquire_ms = 60000 };

	if (s)
		smpp_closed(s);
	smpp_free(s);
	s = smpp_new(&session, &calls, NULL);
	smpp_connected(s, now);
	hear(BIND_TRANSCEIVER | PDU_RESPONSE, 0, 1, "00");
	buf_clear(smpp_output(s));
	first = 2;
}

static int
begin(void **state)
{
	(void)state;
	now = 1000000;
	memset(&end, 0, sizeof(end));
	settings = (struct outbox_settings){ .messages = 5, .pause_ms = PAUSE_MS, .pause_most_ms = PAUSE_MOST_MS };
	o = outbox_new(&settings, &outbox_calls, NULL);
	connect_again();
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	smpp_free(s);
	s = NULL;
	outbox_free(o);
	return 0;
}

/* A message of `n` times this letter. */
static struct outbox_message *
add(char letter, size_t n)
{
	static const struct coding_way way = { CODING_GSM7, false, LONG_UDH8, 10 };
	static char names[26];
	struct pdu like = { .destination = { 1, 1, "33612345678" } };
	struct coding_text t;
	struct err e;
	char *text = malloc(n);
	struct outbox_message *m;

	memset(text, letter, n);
	assert_int_equal(coding_split(&t, &way, text, n, 1, &e), 0);
	free(text);
	m = outbox_add(o, &names[letter - 'a'], &like, &t);
	return m;
}

/* What has been submitted since the last call: the last letter of each, in its order. */
static const char *
went(void)
{
	static char letters[64];
	unsigned n = 0;

	outbox_pump(o, s, now);
	while (buf_len(smpp_output(s))) {
		const uint8_t *p = (const uint8_t *)buf_data(smpp_output(s));
		struct pdu q;

		assert_int_equal(pdu_read(p, pdu_length(p), &q), ESME_ROK);
		letters[n++] = (char)q.short_message[q.sm_length - 1];
		buf_consume(smpp_output(s), pdu_length(p));
	}
	letters[n] = 0;
	return letters;
}

static void
taken(uint32_t sequence)
{
	hear(SUBMIT_SM | PDU_RESPONSE, 0, sequence, "3700");
}

static void
refused(uint32_t sequence, uint32_t status)
{
	hear(SUBMIT_SM | PDU_RESPONSE, status, sequence, "");
}

static void
the_window_is_kept(void **state)
{
	(void)state;
	add('a', 1);
	add('b', 200);
	add('c', 1);
	assert_string_equal(went(), "abb");
	taken(3);
	assert_int_equal(end.count, 0);
	assert_string_equal(went(), "c");
	taken(4);
	assert_int_equal(end.count, 1);
	assert_int_equal(end.end.parts, 2);
	assert_int_equal(end.end.status, ESME_ROK);
	assert_string_equal(end.id, "7");
	taken(2);
	taken(5);
	assert_int_equal(end.count, 3);
	assert_int_equal(outbox_count(o), 0);
}

static void
there_is_a_bound(void **state)
{
	(void)state;
	for (char l = 'a'; l <= 'e'; l++)
		assert_non_null(add(l, 1));
	assert_null(add('f', 1));
}

static void
a_busy_other_side_is_given_time(void **state)
{
	(void)state;
	add('a', 1);
	add('b', 1);
	add('c', 1);
	add('d', 1);
	assert_string_equal(went(), "abc");
	refused(2, ESME_RTHROTTLED);
	refused(3, ESME_RTHROTTLED);
	taken(4);
	assert_string_equal(went(), "");
	assert_int_equal(outbox_due(o, now), now + PAUSE_MS);
	now += PAUSE_MS;
	/* One tries, and it is the first. */
	assert_string_equal(went(), "a");
	assert_true(outbox_due(o, now) == INT64_MAX);
	refused(5, ESME_RMSGQFUL);
	assert_int_equal(outbox_due(o, now), now + 2 * PAUSE_MS);
	now += 2 * PAUSE_MS;
	assert_string_equal(went(), "a");
	refused(6, ESME_RTHROTTLED);
	assert_int_equal(outbox_due(o, now), now + PAUSE_MOST_MS);
	now += PAUSE_MOST_MS;
	assert_string_equal(went(), "a");
	taken(7);
	assert_string_equal(went(), "bd");
	assert_int_equal(end.count, 2);
}

static void
the_try_may_be_lost(void **state)
{
	(void)state;
	add('a', 1);
	assert_string_equal(went(), "a");
	refused(2, ESME_RTHROTTLED);
	now += PAUSE_MS;
	assert_string_equal(went(), "a");
	connect_again();
	assert_string_equal(went(), "a");
	taken(first);
	assert_int_equal(end.count, 1);
}

static void
a_refusal_ends_the_message(void **state)
{
	(void)state;
	add('a', 500);
	add('b', 1);
	assert_string_equal(went(), "aaa");
	taken(2);
	refused(3, ESME_RINVDSTADR);
	assert_int_equal(end.count, 1);
	assert_int_equal(end.end.status, ESME_RINVDSTADR);
	assert_int_equal(end.end.taken, 1);
	assert_int_equal(end.end.parts, 4);
	/* The fourth part does not go; what comes late is nobody's. */
	taken(4);
	assert_string_equal(went(), "b");
	assert_int_equal(end.count, 1);
}

static void
what_is_open_goes_again(void **state)
{
	(void)state;
	add('a', 200);
	add('b', 1);
	add('c', 1);
	assert_string_equal(went(), "aab");
	taken(3);
	connect_again();
	/* The first part and b; the second part is taken. */
	assert_string_equal(went(), "abc");
	for (uint32_t i = 0; i < 3; i++)
		taken(first + i);
	assert_int_equal(end.count, 3);
}

static void
what_is_forgotten_does_not_go(void **state)
{
	struct outbox_message *a, *b;

	(void)state;
	a = add('a', 200);
	b = add('b', 1);
	add('c', 1);
	outbox_forget(o, b);
	assert_string_equal(went(), "aac");
	outbox_forget(o, a);
	taken(2);
	taken(3);
	assert_int_equal(end.count, 0);
	assert_int_equal(outbox_count(o), 1);
}

static void
a_rate_is_kept(void **state)
{
	(void)state;
	outbox_free(o);
	settings.rate = 2;
	o = outbox_new(&settings, &outbox_calls, NULL);
	add('a', 1);
	add('b', 1);
	add('c', 1);
	now = 1000500;
	assert_string_equal(went(), "ab");
	assert_int_equal(outbox_due(o, now), 1001000);
	now = 1001000;
	assert_string_equal(went(), "c");
	assert_true(outbox_due(o, now) == INT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_window_is_kept),
		TEST(there_is_a_bound),
		TEST(a_busy_other_side_is_given_time),
		TEST(the_try_may_be_lost),
		TEST(a_refusal_ends_the_message),
		TEST(what_is_open_goes_again),
		TEST(what_is_forgotten_does_not_go),
		TEST(a_rate_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
