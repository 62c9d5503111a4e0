/*
 * service: TYPE:HOST:PORT:TRANSPORT[:FILE], and what is not that.
 */
#include "base/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
good(void **state)
{
	struct service s;

	(void)state;
	assert_true(service_parse("stun:stun.example.org:3478:udp", &s));
	assert_string_equal(s.type, "stun");
	assert_string_equal(s.host, "stun.example.org");
	assert_string_equal(s.port, "3478");
	assert_string_equal(s.transport, "udp");
	assert_null(s.file);
	assert_true(service_parse("turns:[2001:db8::1]:5349:tcp:/etc/turn:secret", &s));
	assert_string_equal(s.host, "2001:db8::1");
	assert_string_equal(s.port, "5349");
	assert_string_equal(s.file, "/etc/turn:secret");
}

static void
bad(void **state)
{
	static const char *const texts[] = { "", "turn", "turn:", "turn:h", "turn:h:1", "turn:h:1:", ":h:1:udp", "turn::1:udp", "turn:h:0:udp",
		"turn:h:65536:udp", "turn:h:x:udp", "turn:h:1:UDP", "TURN:h:1:udp", "turn:h h:1:udp", "turn:h:1:udp:", "turn:h:1:udp:file",
		"turn:[::1:1:udp", "turn:[::1]1:udp", "turn:[]:1:udp", "turn:h/x:1:udp", "turn:a@h:1:udp" };
	char longest[SERVICE_TEXT_MAX + 32];
	struct service s;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (service_parse(texts[i], &s))
			fail_msg("taken: %s", texts[i]);
	memset(longest, 'h', sizeof(longest));
	memcpy(longest, "turn:", 5);
	strcpy(longest + sizeof(longest) - 8, ":1:udp");
	assert_false(service_parse(longest, &s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(good), cmocka_unit_test(bad) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
