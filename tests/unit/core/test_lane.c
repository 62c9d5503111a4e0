/*
 * lane: the order in which stanzas are checked, recorded and sent when a module lets one wait at SEND_CHECK. The router and the archive
 * writer are stand-ins that write down what they are given.
 */
#include "lib/ask.h"

#include "lib/testcert.h"
#include "core/host.h"
#include "core/module/chain.h"
#include "core/route/lane.h"
#include "module_service.h"
#include "store/record.h"

/* The archive writer: has what it is given until `commit`. */

static struct record_entry *recorded[16];
static unsigned nrecorded;

void
record_submit(struct record_entry *e)
{
	buf_addf(&ask_sent, "[record %s]", e->client_id);
	recorded[nrecorded++] = e;
}

uint64_t
record_settled_id(void)
{
	return 0;
}

uint64_t
record_last_id(void)
{
	return 0;
}

unsigned
record_patience_ms(void)
{
	return 1000;
}

bool
record_is_up(void)
{
	return true;
}

/* Two modules: one lets what has <slow/> in it wait, one behind it notes what it is asked about. */

static struct {
	void *parked;
	enum hook_verdict verdict;
	bool alter, again;
	const struct jid *account;
	bool bound;
} slow[4];
static unsigned nslow;

static enum hook_verdict
goes_on(struct hook *h, void *data, bool ok)
{
	unsigned i = *(unsigned *)data;

	(void)ok;
	slow[i].account = h->account;
	slow[i].bound = h->bound != NULL;
	if (slow[i].alter) {
		struct stanza *st = stanza_copy(h->stanza);

		slow[i].alter = false;
		elem_set(st, elem_add(st, st->root, "urn:altered", "altered"), "by", "slow");
		hook_replace(h, st);
	}
	if (slow[i].again) {
		slow[i].again = false;
		return hook_park(h, &slow[i].parked, data, goes_on);
	}
	if (slow[i].verdict == HOOK_REJECT)
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "not that");
	if (slow[i].verdict == HOOK_HANDLED && elem_is(h->stanza->root, NS_CLIENT, "iq"))
		return hook_done(h);
	return slow[i].verdict;
}

static enum hook_verdict
wait_for_it(struct hook *h, void *data, bool ok)
{
	unsigned *i = arena_zalloc(hook_memory(h), sizeof(*i));

	(void)data, (void)ok;
	*i = nslow++;
	if (elem_child(h->stanza->root, NULL, "asleep"))
		return hook_after(h, 3600000, i, goes_on);
	return hook_park(h, &slow[*i].parked, i, goes_on);
}

static enum hook_verdict
slow_check(struct hook *h)
{
	buf_addf(&ask_sent, "[check %s%s]", elem_get(h->stanza->root, "id"), h->account ? "" : " of nobody");
	if (elem_child(h->stanza->root, NULL, "aside"))
		hook_aside(h, wait_for_it, NULL);
	if (!elem_child(h->stanza->root, NULL, "slow") && !elem_child(h->stanza->root, NULL, "asleep"))
		return HOOK_NEXT;
	return wait_for_it(h, NULL, true);
}

/* Of the same module. */
static enum hook_verdict
second_check(struct hook *h)
{
	if (elem_child(h->stanza->root, NULL, "twice"))
		buf_addf(&ask_sent, "[second %s]", elem_get(h->stanza->root, "id"));
	return HOOK_NEXT;
}

static enum hook_verdict
behind_check(struct hook *h)
{
	buf_addf(&ask_sent, "[behind %s%s]", elem_get(h->stanza->root, "id"),
		elem_child(h->stanza->root, "urn:altered", "altered") ? " altered" : "");
	if (elem_child(h->stanza->root, NULL, "bad"))
		return hook_reject(h, XERROR_POLICY_VIOLATION, NULL);
	return HOOK_NEXT;
}

static int
slow_attach(struct module *m)
{
	module_on(m, HOOK_SEND_CHECK, slow_check);
	return module_on(m, HOOK_SEND_CHECK, second_check);
}

static int
behind_attach(struct module *m)
{
	return module_on(m, HOOK_SEND_CHECK, behind_check);
}

static const struct module_def slow_module = { .name = "slow", .about = "test", .attach = slow_attach };
static const struct module_def behind_module = { .name = "behind", .about = "test", .attach = behind_attach };
static const struct module_def *const defs[] = { &slow_module, &behind_module, NULL };

/* Steps, each a turn of the reactor; what happened in it */

static struct lane *lane;
static unsigned left;

static void
note_left(void *owner)
{
	(void)owner;
	left++;
}

static bool full;

static void
note_full(void *owner)
{
	(void)owner;
	full = lane_is_full(lane);
}

struct turn {
	void (*fn)(void *arg);
	void *arg;
	sem_t done;
};

static void
take_turn(void *arg)
{
	struct turn *t = arg;

	t->fn(t->arg);
	sem_post(&t->done);
}

static const char *
turn(void (*fn)(void *arg), void *arg)
{
	struct turn t = { .fn = fn, .arg = arg };

	buf_clear(&ask_sent);
	sem_init(&t.done, 0, 0);
	reactor_call(reactor_at(0), take_turn, &t);
	sem_wait(&t.done);
	sem_destroy(&t.done);
	return buf_str(&ask_sent);
}

static void
push_here(void *arg)
{
	struct parser_limits l = { .stanza_bytes = 65536, .token_bytes = 65536, .memory_bytes = 1 << 20, .depth = 64,
		.attributes = 64, .namespaces = 64 };
	struct stanza *st = parser_one(arg, strlen(arg), NS_CLIENT, &l);
	const char *to = elem_get(st->root, "to");
	struct jid *t = to ? jid_parse_z(to) : NULL;

	elem_set(st, st->root, "from", ASK_OWNER "/balcony");
	lane_push(lane, packet_new(st, ask_session.jid, t));
	jid_unref(t);
}

#define MESSAGE(id, more) "<message to='romeo@capulet.lit' type='chat' id='" id "'><body>" id "</body>" more "</message>"

static const char *
push(const char *xml)
{
	return turn(push_here, (void *)xml);
}

static void
commit_here(void *arg)
{
	struct record_entry *e = recorded[0];

	(void)arg;
	memmove(recorded, recorded + 1, --nrecorded * sizeof(recorded[0]));
	e->outcome = RECORD_COMMITTED;
	e->id = 7;
	e->mail.run(&e->mail);
}

static void
refuse_here(void *arg)
{
	struct record_entry *e = recorded[0];

	(void)arg;
	memmove(recorded, recorded + 1, --nrecorded * sizeof(recorded[0]));
	e->outcome = RECORD_REFUSED;
	e->why = "away";
	e->mail.run(&e->mail);
}

static const char *
commit(void)
{
	assert_int_not_equal(nrecorded, 0);
	return turn(commit_here, NULL);
}

static void
wake_here(void *arg)
{
	hook_unpark(arg);
}

static const char *
wake(unsigned i, enum hook_verdict v)
{
	slow[i].verdict = v;
	return turn(wake_here, slow[i].parked);
}

static void
open_foreign(void *arg)
{
	(void)arg;
	lane = lane_new_for(&(struct lane_owner){ .changed = note_full, .left = note_left, .stanzas = 4 }, NULL);
}

static void
open_own(void *arg)
{
	(void)arg;
	ask_user_arrives();
	resume_init(&ask_session.sm);
	lane = ask_session.lane = lane_new(&ask_session);
}

static void
orphan(void *arg)
{
	(void)arg;
	lane_orphan(lane);
	ask_session.lane = NULL;
}

static void
leave(void *arg)
{
	(void)arg;
	ask_user_leaves();
}

static void
close_own(void *arg)
{
	orphan(arg);
	leave(arg);
}

static void
begin(void (*how)(void *arg))
{
	memset(slow, 0, sizeof(slow));
	nslow = nrecorded = left = 0;
	turn(how, NULL);
}

/* Tests */

static void
what_is_behind_waits_unchecked(void **state)
{
	(void)state;
	begin(open_foreign);
	assert_string_equal(push(MESSAGE("1", "")), "[check 1 of nobody][behind 1][record 1]");
	assert_string_equal(push(MESSAGE("2", "<slow/>")), "[check 2 of nobody]");
	assert_string_equal(push(MESSAGE("3", "")), "");
	assert_string_equal(push("<presence to='romeo@capulet.lit' id='4'/>"), "");
	assert_has(commit(), "id='1'");
	assert_int_equal(left, 1);
	assert_string_equal(wake(0, HOOK_NEXT), "[behind 2][record 2][check 3 of nobody][behind 3][record 3][check 4 of nobody][behind 4]");
	assert_int_equal(lane_total(), 3);
	assert_has(commit(), "id='2'");
	assert_has(commit(), "id='4'");
	assert_int_equal(left, 4);
	assert_int_equal(lane_total(), 0);
	turn(orphan, NULL);
}

static void
a_refused_one_is_not_recorded_and_counts_in_its_turn(void **state)
{
	const char *said;

	(void)state;
	begin(open_foreign);
	push(MESSAGE("1", ""));
	push(MESSAGE("2", "<slow/>"));
	push(MESSAGE("3", "<slow/>"));
	said = wake(0, HOOK_REJECT);
	assert_has(said, "<not-acceptable");
	assert_has(said, "[check 3 of nobody]");
	assert_lacks(said, "[behind 2]");
	assert_lacks(said, "[record");
	assert_int_equal(left, 0);
	assert_has(commit(), "id='1'");
	assert_int_equal(left, 2);
	assert_string_equal(wake(1, HOOK_HANDLED), "");
	assert_int_equal(left, 3);
	turn(orphan, NULL);
}

static void
modules_behind_are_asked_after_it_and_may_refuse(void **state)
{
	const char *said;

	(void)state;
	begin(open_foreign);
	push(MESSAGE("1", "<slow/><bad/>"));
	said = wake(0, HOOK_NEXT);
	assert_has(said, "[behind 1]");
	assert_has(said, "<policy-violation");
	assert_int_equal(left, 1);
	turn(orphan, NULL);
}

static void
it_may_be_altered_and_wait_again(void **state)
{
	(void)state;
	begin(open_foreign);
	push(MESSAGE("1", "<slow/>"));
	slow[0].alter = slow[0].again = true;
	assert_string_equal(wake(0, HOOK_NEXT), "");
	assert_string_equal(wake(0, HOOK_NEXT), "[behind 1 altered][record 1]");
	assert_has(commit(), "by='slow'");
	turn(orphan, NULL);
}

static void
a_request_taken_over_has_its_answer(void **state)
{
	(void)state;
	begin(open_foreign);
	push("<iq to='romeo@capulet.lit' type='set' id='1'><slow/></iq>");
	assert_has(wake(0, HOOK_HANDLED), "<iq type='result' id='1'");
	turn(orphan, NULL);
}

static void
questions_to_us_pass_but_change_nothing_for_what_is_before_them(void **state)
{
	const char *said;

	(void)state;
	begin(open_own);
	assert_string_equal(push(MESSAGE("1", "<slow/>")), "[check 1]");
	/* Everything before it has been checked. */
	assert_has(push("<iq type='set' id='2'><block/></iq>"), "[check 2][behind 2]<iq");
	assert_string_equal(push(MESSAGE("3", "")), "");
	assert_string_equal(push("<iq type='set' id='4'><block/></iq>"), "");
	/* Behind another request nothing passes. */
	assert_string_equal(push("<iq type='get' id='5'><ping/></iq>"), "");
	said = wake(0, HOOK_NEXT);
	assert_has(said, "[record 1][check 3]");
	assert_has(said, "[check 4]");
	commit();
	assert_has(commit(), "id='5'");

	assert_string_equal(push(MESSAGE("6", "<slow/>")), "[check 6]");
	assert_string_equal(push(MESSAGE("7", "")), "");
	assert_has(push("<iq type='get' id='8'><ping/></iq>"), "[check 8][behind 8]<iq");
	wake(1, HOOK_REJECT);
	commit();
	assert_int_equal(lane_total(), 0);
	turn(close_own, NULL);
}

static void
what_clients_tell_each_other_is_recorded(void **state)
{
	const char *said;

	(void)state;
	begin(open_own);
	assert_string_equal(push("<iq to='romeo@capulet.lit/o' type='set' id='1'><x xmlns='urn:x'>words</x></iq>"), "[check 1][behind 1][record 1]");
	assert_string_equal(push("<iq to='romeo@capulet.lit/o' type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>"), "[check 2][behind 2]");
	/* It is as a message to others. */
	assert_has(push("<iq type='set' id='3'><block/></iq>"), "[check 3][behind 3]<iq");
	said = commit();
	assert_has(said, "id='1'");
	assert_has(said, "id='2'");
	/* Of an answer that is not recorded nobody reads a word, and who waits for it is told. */
	push("<iq to='romeo@capulet.lit/o' type='result' id='4'><x xmlns='urn:x'>words</x></iq>");
	said = turn(refuse_here, NULL);
	assert_has(said, "type='error' id='4'");
	assert_has(said, "<resource-constraint");
	assert_has(said, "to='romeo@capulet.lit/o'");
	assert_lacks(said, "words");
	push("<iq to='romeo@capulet.lit/o' type='get' id='5'><x xmlns='urn:x'>words</x></iq>");
	assert_has(turn(refuse_here, NULL), "from='romeo@capulet.lit/o'");
	/* The account answers, no client. */
	assert_lacks(push("<iq to='romeo@capulet.lit' type='get' id='6'><x xmlns='urn:x'>words</x></iq>"), "[record");
	assert_int_equal(lane_total(), 0);
	turn(close_own, NULL);
}

#define SHOWS(id, words) "<presence to='romeo@capulet.lit' id='" id "'><status>" words "</status></presence>"

static void
words_of_presence_are_recorded_once(void **state)
{
	const char *said;

	(void)state;
	begin(open_foreign);
	assert_string_equal(push(SHOWS("1", "at five")), "[check 1 of nobody][behind 1][record 1]");
	/* Not in the record yet: they are no known words. */
	assert_string_equal(push(SHOWS("2", "at five")), "[check 2 of nobody][behind 2][record 2]");
	assert_has(commit(), "at five");
	assert_has(commit(), "id='2'");
	assert_lacks(push(SHOWS("3", "at five")), "[record");
	assert_has(push(SHOWS("4", "at six")), "[record 4]");
	/* Behind others that are, the former ones are new. */
	assert_has(push(SHOWS("5", "at five")), "[record 5]");
	commit();
	commit();
	assert_lacks(push("<presence to='romeo@capulet.lit' id='6'><show>away</show></presence>"), "[record");
	assert_has(push(SHOWS("7", "at five")), "[record 7]");
	/* What is not recorded nobody reads. */
	said = turn(refuse_here, NULL);
	assert_has(said, "id='7'");
	assert_lacks(said, "at five");
	assert_lacks(said, "type='error'");
	for (unsigned i = 0; i < 9; i++) {
		char xml[128];

		snprintf(xml, sizeof(xml), "<presence to='romeo@capulet.lit/%u' id='a'><status>to many</status></presence>", i);
		assert_has(push(xml), "[record a]");
		commit();
	}
	for (unsigned i = 0; i < 9; i++) {
		char xml[128];

		snprintf(xml, sizeof(xml), "<presence to='romeo@capulet.lit/%u' id='b'><status>to many</status></presence>", i);
		if (strstr(push(xml), "[record b]"))
			commit(); /* forgotten, as another one was in its place */
	}
	assert_int_equal(lane_total(), 0);
	turn(orphan, NULL);
}

static void
questions_pass_words_that_wait(void **state)
{
	(void)state;
	begin(open_own);
	assert_has(push("<presence to='romeo@capulet.lit' id='1'><nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick></presence>"), "[record 1]");
	assert_has(push("<iq type='get' id='2'><ping/></iq>"), "[check 2][behind 2]<iq");
	/* A block list is not to meet what was sent before it. */
	assert_string_equal(push("<iq type='set' id='3'><block/></iq>"), "[check 3][behind 3]");
	/* What was asked of one address comes back. */
	assert_has(turn(refuse_here, NULL), "<resource-constraint");
	assert_int_equal(lane_total(), 0);
	turn(close_own, NULL);
}

static void
an_orphan_ends_its_business_under_its_owners_policy(void **state)
{
	(void)state;
	begin(open_own);
	push(MESSAGE("1", "<slow/>"));
	push(MESSAGE("2", "<slow/>"));
	push(MESSAGE("3", ""));
	turn(orphan, NULL);
	assert_string_equal(wake(0, HOOK_NEXT), "[behind 1][record 1][check 2]");
	assert_true(slow[0].account == ask_user.jid);
	assert_string_equal(wake(1, HOOK_NEXT), "[behind 2][record 2][check 3][behind 3][record 3]");
	commit();
	commit();
	assert_has(commit(), "id='3'");
	assert_int_equal(lane_total(), 0);
	turn(leave, NULL);
}

static void
a_lane_is_full_with_what_waits(void **state)
{
	(void)state;
	begin(open_foreign);
	assert_string_equal(push(MESSAGE("1", "<slow/>")), "[check 1 of nobody]");
	push(MESSAGE("2", ""));
	push(MESSAGE("3", ""));
	assert_false(full);
	push(MESSAGE("4", ""));
	assert_true(full);
	wake(0, HOOK_REJECT);
	assert_false(full);
	commit();
	commit();
	commit();
	turn(orphan, NULL);
}

static void
only_the_listener_that_waited_is_not_asked_again(void **state)
{
	(void)state;
	begin(open_foreign);
	push(MESSAGE("1", "<slow/><twice/>"));
	assert_string_equal(wake(0, HOOK_NEXT), "[second 1][behind 1][record 1]");
	assert_string_equal(push(MESSAGE("2", "<aside/>")), "[check 2 of nobody][behind 2][record 2]");
	assert_string_equal(wake(1, HOOK_NEXT), "");
	commit();
	commit();
	assert_int_equal(lane_total(), 0);
	turn(orphan, NULL);
}

static void
stop_chains(void *arg)
{
	(void)arg;
	chain_home_stop();
}

static void
what_waits_when_the_server_stops_goes_nowhere(void **state)
{
	(void)state;
	begin(open_foreign);
	push(MESSAGE("1", "<asleep/>"));
	assert_string_equal(push(MESSAGE("2", "")), "");
	assert_string_equal(turn(stop_chains, NULL), "");
	assert_int_equal(lane_total(), 0);
	assert_int_equal(chain_total(), 0);
	turn(orphan, NULL);
}

/* capulet.lit is ours. */
static void
start_host(void)
{
	struct testca *ca = testca_new();
	struct testcert cert = testca_issue(ca, "capulet.lit", TESTCERT_EC, 365);
	struct buf text = { 0 };
	struct err e = { 0 };
	struct config *c;

	buf_addf(&text, "hosts:\n  - domain: capulet.lit\n    certificate: %s\n    key: %s\ndatabase:\n  conninfo: dbname=x\n",
		cert.certificate, cert.key);
	c = config_parse("c.yaml", buf_str(&text), buf_len(&text), &e);
	assert_non_null(c);
	assert_int_equal(host_start(c, &e), 0);
	config_unref(c);
	buf_fini(&text);
	testca_free(ca);
}

static int
start(void **state)
{
	(void)state;
	start_host();
	ask_start(defs);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	ask_stop();
	host_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_behind_waits_unchecked),
		cmocka_unit_test(a_refused_one_is_not_recorded_and_counts_in_its_turn),
		cmocka_unit_test(modules_behind_are_asked_after_it_and_may_refuse),
		cmocka_unit_test(it_may_be_altered_and_wait_again),
		cmocka_unit_test(a_request_taken_over_has_its_answer),
		cmocka_unit_test(questions_to_us_pass_but_change_nothing_for_what_is_before_them),
		cmocka_unit_test(what_clients_tell_each_other_is_recorded),
		cmocka_unit_test(words_of_presence_are_recorded_once),
		cmocka_unit_test(questions_pass_words_that_wait),
		cmocka_unit_test(an_orphan_ends_its_business_under_its_owners_policy),
		cmocka_unit_test(a_lane_is_full_with_what_waits),
		cmocka_unit_test(only_the_listener_that_waited_is_not_asked_again),
		cmocka_unit_test(what_waits_when_the_server_stops_goes_nowhere),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
