/* version: XEP-0092, and its two switches. */
#include "lib/ask.h"

#define VERSION "<query xmlns='jabber:iq:version'/>"

static const char *
version_with(const char *settings)
{
	ask_settings(settings);
	home_reload_all();
	return ask("romeo@montague.lit/orchard", "capulet.lit", VERSION);
}

static void
name_and_version_by_default(void **state)
{
	const char *s = version_with("");

	(void)state;
	assert_has(s, "<query xmlns='jabber:iq:version'><name>Chancery</name><version>" CHANCERY_VERSION "</version></query>");
}

static void
the_operating_system_on_demand(void **state)
{
	(void)state;
	assert_has(version_with("modules:\n  version_os: true\n"), "<os>Linux ");
}

static void
nothing_when_off(void **state)
{
	(void)state;
	assert_has(version_with("modules:\n  version: false\n  version_os: true\n"), "<service-unavailable");
}

static void
of_the_server_only(void **state)
{
	(void)state;
	(void)version_with("");
	assert_has(ask(ASK_OWNER "/chamber", ASK_OWNER, VERSION), "<service-unavailable");
}

static int
start(void **state)
{
	(void)state;
	ask_start(NULL);
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
		cmocka_unit_test(name_and_version_by_default),
		cmocka_unit_test(the_operating_system_on_demand),
		cmocka_unit_test(nothing_when_off),
		cmocka_unit_test(of_the_server_only),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
