/* Tests of base/file_rule: which texts are rules, what matches, and what is left open until more is known. */
#include "base/file_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void
rules_have_a_form(void **state)
{
	static const char *const good[] = { "allow", "deny", "deny to=remote", "allow group=Sales to=*.partner.lit type=image/ larger=10m",
		"deny group=\"Board of Directors\"", "allow encrypted", "deny from=local  encrypted to=montague.lit", "deny larger=0",
		"deny larger=8g", "deny type=application/vnd.ms-excel", "deny to=münchen.lit", "deny group=\"a=b\"" };
	static const char *const bad[] = { "", " deny", "denyto=remote", "forbid", "deny to", "deny to=", "deny =x", "deny to=a to=b", "deny encrypted=yes",
		"deny group=\"x", "deny group=\"x\"to=y", "deny group=x\"y", "deny larger=", "deny larger=1t", "deny larger=10mb", "deny larger=-1",
		"deny larger=99999999999999999999", "deny larger=9999999999999g", "deny type=image", "deny type=/x", "deny type=*/*",
		"deny type=image/*", "deny type=a/b;c=d", "deny to=*", "deny to=*.", "deny to=a@b", "deny to=a/b", "deny to=xn--mnchen-3ya.lit",
		"deny to=*.XN--p1ai", "deny to=a.lit.", "deny whom=x", "deny encrypted type=image/", "deny larger=1 encrypted", "deny\tto=a",
		"deny to=remote\n", "allow all" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!file_rule_is_valid(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (file_rule_is_valid(bad[i]))
			fail_msg("%s", bad[i]);
}

static void
values_have_a_bound(void **state)
{
	char rule[400] = "deny group=";

	(void)state;
	memset(rule + strlen(rule), 'g', 255);
	assert_true(file_rule_is_valid(rule));
	strcat(rule, "g");
	assert_false(file_rule_is_valid(rule));
}

static const struct file_facts all = { .groups = "Sales\nBoard of Directors", .from = "capulet.lit", .to = "a.partner.lit", .to_remote = true,
	.type = "image/png", .size = 10 << 20, .has_size = true };

static enum file_say
says(const char *rule, const struct file_facts *f)
{
	return file_rules_say(&rule, 1, f);
}

static void
all_conditions_hold(void **state)
{
	static const char *const match[] = { "deny", "deny group=Sales", "deny group=\"Board of Directors\"", "deny from=capulet.lit", "deny from=local",
		"deny to=remote", "deny to=*.partner.lit", "deny to=A.PARTNER.lit", "deny type=image/png", "deny type=IMAGE/", "deny larger=10485759",
		"deny group=Sales from=local to=a.partner.lit type=image/ larger=9m" };
	static const char *const no[] = { "deny group=Sale", "deny group=Board", "deny group=sales", "deny from=remote", "deny from=let.lit",
		"deny to=local", "deny to=partner.lit", "deny to=*.a.partner.lit", "deny to=*.artner.lit", "deny type=image/pn", "deny type=video/",
		"deny larger=10m", "deny encrypted", "deny group=Sales to=local" };

	(void)state;
	for (size_t i = 0; i < sizeof(match) / sizeof(match[0]); i++)
		if (says(match[i], &all) != FILE_SAY_DENY)
			fail_msg("%s", match[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (says(no[i], &all) != FILE_SAY_NOTHING)
			fail_msg("%s", no[i]);
	assert_int_equal(says("allow to=remote", &all), FILE_SAY_ALLOW);
}

static void
first_match_decides(void **state)
{
	const char *const rules[] = { "deny group=Interns", "allow to=remote type=image/", "deny to=remote" };
	struct file_facts f = all;

	(void)state;
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_ALLOW);
	f.type = "application/pdf";
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_DENY);
	f.to_remote = false;
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_NOTHING);
	f.groups = "Interns";
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_DENY);
	assert_int_equal(file_rules_say(NULL, 0, &f), FILE_SAY_NOTHING);
}

static void
encrypted_files_are_allowed_by_name_only(void **state)
{
	const char *const rules[] = { "allow group=Sales", "allow to=*.partner.lit encrypted", "deny to=remote" };
	struct file_facts f = { .groups = "Sales", .from = "capulet.lit", .to = "a.partner.lit", .to_remote = true, .encrypted = true };

	(void)state;
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_ALLOW);
	f.to = "montague.lit";
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_DENY);
	f.to_remote = false;
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_NOTHING);
	f.encrypted = false;
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_ALLOW);
	/* Nobody will ever know these. */
	assert_int_equal(says("deny type=image/", &(struct file_facts){ .groups = "", .from = "a", .to = "b" }), FILE_SAY_NOTHING);
	assert_int_equal(says("allow larger=1", &(struct file_facts){ .groups = "", .from = "a", .to = "b" }), FILE_SAY_NOTHING);
}

static void
what_is_not_known_is_left_open(void **state)
{
	const char *const rules[] = { "deny type=video/", "allow to=a.partner.lit type=image/", "deny group=Sales" };
	struct file_facts f = { .groups = "Sales", .from = "capulet.lit", .more = true };

	(void)state;
	/* An upload: for whom, and what, is known later. */
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_LATER);
	f.type = "application/pdf";
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_DENY);
	f.type = "image/png";
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_LATER);
	f.to = "montague.lit";
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_DENY);
	f.to = "a.partner.lit";
	assert_int_equal(file_rules_say(rules, 3, &f), FILE_SAY_ALLOW);
	/* A rule that may deny it leaves nothing open that another denies. */
	assert_int_equal(says("deny to=remote", &(struct file_facts){ .groups = "", .from = "a", .more = true }), FILE_SAY_NOTHING);
	assert_int_equal(says("allow group=Sales", &(struct file_facts){ .from = "a", .to = "b", .more = true }), FILE_SAY_LATER);
}

static void
a_type_that_nobody_knows_is_denied(void **state)
{
	struct file_facts f = all;

	(void)state;
	f.type = "";
	assert_int_equal(says("deny type=video/", &f), FILE_SAY_DENY);
	assert_int_equal(says("allow type=video/", &f), FILE_SAY_NOTHING);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_have_a_form),
		cmocka_unit_test(values_have_a_bound),
		cmocka_unit_test(all_conditions_hold),
		cmocka_unit_test(first_match_decides),
		cmocka_unit_test(encrypted_files_are_allowed_by_name_only),
		cmocka_unit_test(what_is_not_known_is_left_open),
		cmocka_unit_test(a_type_that_nobody_knows_is_denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
