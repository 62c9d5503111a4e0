/*
 * modules: order and verdicts of a stage, and what becomes of a module's answer to an IQ.
 */
#include "lib/ask.h"

/* Three modules that listen to the same stage and write down their names. The table names them b, a, c. */

static char trace[64];
static enum hook_verdict verdict_of_a;

static enum hook_verdict
a_hears(struct hook *h)
{
	assert_non_null(h->arena);
	assert_non_null(h->module);
	strcat(trace, "a");
	if (verdict_of_a == HOOK_REJECT)
		return hook_reject(h, XERROR_POLICY_VIOLATION, "not here");
	return verdict_of_a;
}

static enum hook_verdict
b_hears(struct hook *h)
{
	(void)h;
	strcat(trace, "b");
	return HOOK_NEXT;
}

static enum hook_verdict
c_hears(struct hook *h)
{
	(void)h;
	strcat(trace, "c");
	return HOOK_NEXT;
}

static int
a_attach(struct module *m)
{
	return module_on(m, HOOK_SEND_CHECK, a_hears);
}

static int
b_attach(struct module *m)
{
	return module_on(m, HOOK_SEND_CHECK, b_hears);
}

/* c answers IQs: by its payload's `do`. */

static enum hook_verdict
c_answers(struct hook *h)
{
	const char *what = elem_get(h->payload, "do");

	if (!strcmp(what, "result"))
		hook_reply(h, hook_result(h));
	if (!strcmp(what, "result") || !strcmp(what, "nothing"))
		return HOOK_HANDLED;
	if (!strcmp(what, "refuse"))
		return hook_reject(h, XERROR_NOT_ALLOWED, NULL);
	if (!strcmp(what, "say why"))
		return hook_reject(h, XERROR_NOT_ALLOWED, arena_printf(h->arena, "because of %s", "that"));
	if (!strcmp(what, "change mind")) {
		hook_reply(h, hook_result(h));
		hook_reply(h, hook_result(h));
		return hook_reject(h, XERROR_NOT_ALLOWED, NULL);
	}
	return HOOK_NEXT;
}

static int
c_attach(struct module *m)
{
	module_offers(m, "urn:c", MODULE_SERVER);
	module_offers(m, NS_DISCO_INFO, MODULE_SERVER); /* as the core does: said once */
	module_offers(m, "urn:c:account", MODULE_ACCOUNT);
	if (module_on_iq(m, MODULE_IQ_GET, "urn:c", "query", MODULE_SERVER, c_answers))
		return -1;
	return module_on(m, HOOK_SEND_CHECK, c_hears);
}

/* d wants some stanzas only, and in front of it e makes of a receipt a correction. */

static enum hook_verdict
d_hears_message(struct hook *h)
{
	(void)h;
	strcat(trace, "m");
	return HOOK_NEXT;
}

static enum hook_verdict
d_hears_receipt(struct hook *h)
{
	assert_non_null(elem_child(h->stanza->root, NS_RECEIPTS, NULL));
	strcat(trace, "r");
	return HOOK_NEXT;
}

static enum hook_verdict
d_hears_correction(struct hook *h)
{
	assert_non_null(elem_child(h->stanza->root, NS_CORRECT, NULL));
	strcat(trace, "c");
	return HOOK_NEXT;
}

static enum hook_verdict
d_hears_all(struct hook *h)
{
	(void)h;
	strcat(trace, ".");
	return HOOK_NEXT;
}

static enum hook_verdict
e_hears_receipt(struct hook *h)
{
	struct stanza *st = stanza_copy(h->stanza);
	struct elem *e = elem_child(st->root, NS_RECEIPTS, "alter");

	strcat(trace, "e");
	if (e) {
		elem_remove(e);
		elem_add(st, st->root, NS_CORRECT, "replace");
		hook_replace(h, st);
	} else {
		stanza_unref(st);
	}
	return HOOK_NEXT;
}

static int
e_attach(struct module *m)
{
	return module_on_stanza(m, HOOK_SEND_CHECK, MODULE_STANZA, NS_RECEIPTS, e_hears_receipt);
}

static int
d_attach(struct module *m)
{
	return module_on_stanza(m, HOOK_SEND_CHECK, MODULE_MESSAGE, NULL, d_hears_message) ||
		module_on_stanza(m, HOOK_SEND_CHECK, MODULE_MESSAGE | MODULE_PRESENCE, NS_RECEIPTS, d_hears_receipt) ||
		module_on_stanza(m, HOOK_SEND_CHECK, MODULE_MESSAGE, NS_CORRECT, d_hears_correction) ||
		module_on(m, HOOK_SEND_CHECK, d_hears_all);
}

static const struct module_def d = { .name = "d", .about = "test", .attach = d_attach };
static const struct module_def e = { .name = "e", .about = "test", .attach = e_attach };
static const struct module_def *const choosy[] = { &e, &d, NULL };

static const struct module_def a = { .name = "a", .about = "test", .attach = a_attach };
static const struct module_def b = { .name = "b", .about = "test", .attach = b_attach };
static const struct module_def c = { .name = "c", .about = "test", .attach = c_attach };
static const struct module_def *const defs[] = { &b, &a, &c, NULL };

struct stage_run {
	struct hook h;
	enum hook_verdict v;
	sem_t done;
};

static void
run_here(void *arg)
{
	struct stage_run *r = arg;

	r->v = modules_run(&r->h, NULL);
	sem_post(&r->done);
}

static struct stage_run
run_for(const struct stanza *st)
{
	struct stage_run r = { .h.stage = HOOK_SEND_CHECK, .h.stanza = st };

	trace[0] = 0;
	sem_init(&r.done, 0, 0);
	reactor_call(reactor_at(0), run_here, &r);
	sem_wait(&r.done);
	sem_destroy(&r.done);
	return r;
}

static struct stage_run
run_stage(enum hook_verdict of_a)
{
	verdict_of_a = of_a;
	return run_for(NULL);
}

/* Whom a stanza with these children is shown to. The namespaces end in NULL. */
static const char *
heard(const char *name, const char *const *ns, const char *child)
{
	struct stanza *st = stanza_new(NS_CLIENT, name);
	struct stage_run r;

	elem_add(st, st->root, NULL, "body");
	elem_add_text(st, st->root, " ", 1);
	for (; *ns; ns++)
		elem_add(st, st->root, *ns, child);
	r = run_for(stanza_seal(st));
	assert_int_equal(r.v, HOOK_NEXT);
	stanza_unref(r.h.replacement);
	stanza_unref(st);
	return trace;
}

static void
a_module_is_called_for_the_stanzas_it_wants(void **state)
{
	static const char *const none[] = { NULL }, *const receipt[] = { "urn:other", "urn:xmpp:receipts", NULL },
		*const both[] = { "urn:xmpp:message-correct:0", "urn:xmpp:receipts", NULL }, *const other[] = { "urn:other", NULL };

	(void)state;
	assert_string_equal(heard("message", none, "x"), "m.");
	assert_string_equal(heard("message", other, "x"), "m.");
	assert_string_equal(heard("presence", none, "x"), ".");
	assert_string_equal(heard("iq", none, "x"), ".");
	assert_string_equal(heard("message", receipt, "x"), "emr.");
	assert_string_equal(heard("presence", receipt, "x"), "er.");
	assert_string_equal(heard("iq", receipt, "x"), "e.");
	assert_string_equal(heard("message", both, "x"), "emrc.");
}

static void
what_a_stanza_has_become_counts(void **state)
{
	static const char *const receipt[] = { "urn:xmpp:receipts", NULL };

	(void)state;
	assert_string_equal(heard("message", receipt, "alter"), "emc.");
}

static void
a_stage_runs_in_the_order_of_the_table(void **state)
{
	(void)state;
	assert_true(modules_want(HOOK_SEND_CHECK));
	assert_false(modules_want(HOOK_RECV_CHECK));
	assert_int_equal(run_stage(HOOK_NEXT).v, HOOK_NEXT);
	assert_string_equal(trace, "bac");
}

static void
a_verdict_ends_the_stage(void **state)
{
	struct stage_run r;

	(void)state;
	assert_int_equal(run_stage(HOOK_HANDLED).v, HOOK_HANDLED);
	assert_string_equal(trace, "ba");
	r = run_stage(HOOK_REJECT);
	assert_int_equal(r.v, HOOK_REJECT);
	assert_int_equal(r.h.error, XERROR_POLICY_VIOLATION);
	assert_string_equal(r.h.error_text, "not here");
	assert_string_equal(trace, "ba");
}

static const char *
c_told_to(const char *what)
{
	char payload[96];

	snprintf(payload, sizeof(payload), "<query xmlns='urn:c' do='%s'/>", what);
	return ask("romeo@montague.lit/orchard", "capulet.lit", payload);
}

static void
every_iq_has_one_answer(void **state)
{
	(void)state;
	assert_string_equal(c_told_to("result"),
		"<iq type='result' id='1' from='capulet.lit' to='romeo@montague.lit/orchard'/>");
	assert_has(c_told_to("refuse"), "<not-allowed");
	assert_has(c_told_to("say why"), "because of that");
	assert_has(c_told_to("change mind"), "<not-allowed");
	assert_has(c_told_to("nothing"), "<internal-server-error");
	assert_has(c_told_to("pass"), "<service-unavailable");
}

static void
handlers_are_for_their_target_and_type(void **state)
{
	(void)state;
	assert_has(ask(ASK_OWNER "/balcony", NULL, "<query xmlns='urn:c' do='result'/>"), "<service-unavailable");
	assert_has(ask_with((struct ask){ .from = "romeo@montague.lit/orchard", .to = "capulet.lit", .type = "set",
			   .payload = "<query xmlns='urn:c' do='result'/>" }), "<service-unavailable");
}

static void
note_feature(void *arg, const char *var)
{
	buf_addf(arg, "%s ", var);
}

static void
features_are_told_by_target(void **state)
{
	struct buf out = { 0 };

	(void)state;
	modules_features(MODULE_ACCOUNT, note_feature, &out);
	assert_string_equal(buf_str(&out), "urn:c:account ");
	buf_fini(&out);
}

static int
one(const char *s, const char *what)
{
	const char *at = strstr(s, what);

	return at && !strstr(at + 1, what);
}

static void
a_feature_is_said_once(void **state)
{
	const char *info;

	(void)state;
	info = ask("romeo@montague.lit/orchard", "capulet.lit", "<query xmlns='http://jabber.org/protocol/disco#info'/>");
	assert_true(one(info, "<feature var='http://jabber.org/protocol/disco#info'/>"));
	assert_has(info, "<feature var='urn:c'/>");
	assert_lacks(info, "urn:c:account");
}

static int
fails(struct module *m)
{
	module_offers(m, "urn:f", MODULE_SERVER);
	(void)module_on(m, HOOK_RECV_CHECK, b_hears);
	return -1;
}

static void
a_module_that_fails_stops_the_start(void **state)
{
	static const struct module_def f = { .name = "f", .about = "test", .attach = fails };
	const struct module_def *const bad[] = { &f, NULL };

	(void)state;
	assert_int_equal(modules_start_table(bad), -1);
	modules_stop();
	assert_false(modules_want(HOOK_RECV_CHECK));
}

static int
start(void **state)
{
	(void)state;
	ask_start(defs);
	return 0;
}

static int
start_choosy(void **state)
{
	(void)state;
	ask_start(choosy);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	ask_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stage_runs_in_the_order_of_the_table),
		cmocka_unit_test(a_verdict_ends_the_stage),
		cmocka_unit_test(every_iq_has_one_answer),
		cmocka_unit_test(handlers_are_for_their_target_and_type),
		cmocka_unit_test(features_are_told_by_target),
		cmocka_unit_test(a_feature_is_said_once),
	};
	const struct CMUnitTest picking[] = {
		cmocka_unit_test(a_module_is_called_for_the_stanzas_it_wants),
		cmocka_unit_test(what_a_stanza_has_become_counts),
	};
	const struct CMUnitTest alone[] = {
		cmocka_unit_test(a_module_that_fails_stops_the_start),
	};

	return cmocka_run_group_tests(tests, start, stop) + cmocka_run_group_tests(picking, start_choosy, stop) +
		cmocka_run_group_tests(alone, NULL, NULL);
}
