/* Tests of xmpp/xerror: RFC 6120 §8.3 and §4.9. */
#include "xmpp/xerror.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/metric.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

static struct stanza *
parse(const char *xml)
{
	struct stanza *st = parser_one(xml, strlen(xml), NS_CLIENT, NULL);

	assert_non_null(st);
	return st;
}

static void
assert_reply(const char *in, enum xerror e, const char *type, const char *text,
	     const char *expected)
{
	struct stanza *st = parse(in), *reply = xerror_reply(st, e, type, text);
	struct buf b = {0};

	stanza_unref(st);
	if (expected == NULL) {
		assert_null(reply);
		return;
	}
	assert_non_null(reply);
	assert_int_equal(xerror_of(reply->root), e);
	serialize_stanza(&b, reply, NS_CLIENT, NULL);
	assert_string_equal(buf_str(&b), expected);
	buf_fini(&b);
	stanza_unref(reply);
}

static void
replies(void **state)
{
	int64_t before = metric_get(METRIC_STANZA_ERRORS);

	(void)state;
	assert_reply(
		"<iq id='1' type='get' from='a@b/c' to='d'><query xmlns='x'/></iq>",
		XERROR_SERVICE_UNAVAILABLE, NULL, NULL,
		"<iq type='error' id='1' to='a@b/c' from='d'><error type='cancel'><service-unavailable "
		"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
	assert_reply(
		"<message to='d'/>", XERROR_RESOURCE_CONSTRAINT, NULL, "Archive <down>",
		"<message type='error' from='d'><error type='wait'><resource-constraint "
		"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' "
		"xml:lang='en'>Archive &lt;down></text></error></message>");
	assert_reply("<presence/>", XERROR_POLICY_VIOLATION, "wait", NULL,
		     "<presence type='error'><error type='wait'><policy-violation "
		     "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>");
	assert_int_equal(metric_get(METRIC_STANZA_ERRORS), before + 3);
}

static void
what_is_not_answered(void **state)
{
	(void)state;
	assert_reply("<iq type='result' id='1'/>", XERROR_BAD_REQUEST, NULL, NULL, NULL);
	assert_reply("<iq type='error' id='1'/>", XERROR_BAD_REQUEST, NULL, NULL, NULL);
	assert_reply("<message type='error'/>", XERROR_BAD_REQUEST, NULL, NULL, NULL);
	assert_reply("<presence type='error'/>", XERROR_BAD_REQUEST, NULL, NULL, NULL);
}

static void
reading(void **state)
{
	struct stanza *none = parse("<message type='error'><body/></message>");
	struct stanza *odd = parse(
		"<message type='error'><error type='cancel'><x xmlns='y'/></error></message>");
	struct stanza *gone = parse(
		"<message type='error'><error><x xmlns='y'/><text xmlns='urn:ietf:params:xml:ns:"
		"xmpp-stanzas'/><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:a@b</gone></error></message>");

	(void)state;
	assert_int_equal(xerror_of(none->root), XERROR_NONE);
	assert_int_equal(xerror_of(odd->root), XERROR_UNDEFINED_CONDITION);
	assert_int_equal(xerror_of(gone->root), XERROR_GONE);
	stanza_unref(none);
	stanza_unref(odd);
	stanza_unref(gone);
}

static void
stream_errors(void **state)
{
	struct buf b = {0};
	int64_t before = metric_get(METRIC_STREAM_ERRORS);

	(void)state;
	xstream_error_write(&b, XSTREAM_HOST_UNKNOWN, NULL);
	assert_string_equal(buf_str(&b),
			    "<stream:error><host-unknown "
			    "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
	buf_clear(&b);
	xstream_error_write(&b, XSTREAM_POLICY_VIOLATION, "a & b");
	assert_string_equal(
		buf_str(&b),
		"<stream:error><policy-violation "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' "
		"xml:lang='en'>a &amp; b</text></stream:error>");
	assert_int_equal(metric_get(METRIC_STREAM_ERRORS), before + 2);
	buf_fini(&b);
}

static void
names(void **state)
{
	(void)state;
	assert_string_equal(xerror_name(XERROR_BAD_REQUEST), "bad-request");
	assert_string_equal(xerror_type(XERROR_UNEXPECTED_REQUEST), "wait");
	assert_string_equal(xstream_error_name(XSTREAM_UNSUPPORTED_VERSION), "unsupported-version");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies), cmocka_unit_test(what_is_not_answered),
		cmocka_unit_test(reading), cmocka_unit_test(stream_errors),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
