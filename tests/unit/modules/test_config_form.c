/*
 * config_form: what a form of a room's owner asks for (XEP-0045 §10.1.3, §10.2), and admin: who may what (§5, §8 to §10).
 */
#include "modules/muc/config_form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "modules/muc/admin.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

static const struct config_bounds bounds = { .text = 16, .users = 100, .history = 50 };

#define FIELD(var, value) "<field var='muc#roomconfig_" var "'><value>" value "</value></field>"

/* What becomes of `now` by these fields; NULL, or why not. `now` is taken over. */
static const char *
apply(struct room_config *now, const char *fields)
{
	struct arena *a = arena_new(0);
	struct buf b = { 0 };
	struct stanza *st;
	struct config_wish w;

	buf_addf(&b, "<x type='submit'>%s</x>", fields);
	st = parser_one(buf_str(&b), buf_len(&b), NS_DATA, NULL);
	assert_non_null(st);
	config_form_read(&w, form_parse(st->root, a), now, &bounds);
	config_clear(now);
	*now = w.value;
	stanza_unref(st);
	buf_fini(&b);
	arena_free(a);
	return w.why;
}

static void
fields_are_read(void **state)
{
	struct room_config c = { .persistent = true, .broadcast = 14 };

	(void)state;
	assert_null(apply(&c, FIELD("roomname", "Cave") FIELD("membersonly", "true") FIELD("whois", "anyone") FIELD("allowpm", "none")
		FIELD("maxusers", "500") "<field var='muc#maxhistoryfetch'><value>60</value></field>"
		"<field var='muc#roomconfig_presencebroadcast'><value>moderator</value></field>" FIELD("unheard-of", "x")));
	assert_string_equal(c.name, "Cave");
	assert_true(c.members_only && c.whois_anyone && c.persistent);
	assert_int_equal(c.pm, ROOM_PM_NONE);
	assert_int_equal(c.max_users, 100); /* what the server takes */
	assert_int_equal(c.history, 50);
	assert_int_equal(c.broadcast, ROLE_BIT(ROLE_MODERATOR));
	assert_null(apply(&c, FIELD("maxusers", "none") FIELD("roomname", "")));
	assert_int_equal(c.max_users, 0);
	assert_null(c.name);
	config_clear(&c);
}

static void
wrong_values_are_refused(void **state)
{
	static const char *const wrong[] = { FIELD("membersonly", "perhaps"), FIELD("whois", "me"), FIELD("allowpm", "all"),
		FIELD("maxusers", "-1"), FIELD("maxusers", "99999999999"), FIELD("lang", "a b"), FIELD("roomname", "seventeen letters"),
		FIELD("presencebroadcast", "none"), "<field var='muc#maxhistoryfetch'/>",
		"<field var='muc#roominfo_contactjid'><value>@</value></field>" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct room_config c = { 0 };

		assert_non_null(apply(&c, wrong[i]));
		config_clear(&c);
	}
}

static void
passwords_are_asked_for_or_not(void **state)
{
	struct room_config c = { 0 };

	(void)state;
	assert_non_null(apply(&c, FIELD("passwordprotectedroom", "1")));
	assert_non_null(apply(&c, FIELD("passwordprotectedroom", "1") FIELD("roomsecret", "")));
	assert_null(apply(&c, FIELD("roomsecret", "s")));
	assert_string_equal(c.password, "s");
	assert_null(apply(&c, FIELD("roomname", "x")));
	assert_string_equal(c.password, "s");
	assert_null(apply(&c, FIELD("passwordprotectedroom", "0") FIELD("roomsecret", "s")));
	assert_null(c.password);
	config_clear(&c);
}

static void
changes_have_codes(void **state)
{
	struct room_config a = { 0 }, b = { 0 };
	unsigned code[CONFIG_CHANGES_MAX];

	(void)state;
	config_changes(&a, &b, code);
	assert_int_equal(code[0], 0);
	b.whois_anyone = b.moderated = true;
	config_changes(&a, &b, code);
	assert_true(code[0] == 172 && code[1] == 104 && code[2] == 0);
	config_changes(&b, &a, code);
	assert_true(code[0] == 173 && code[1] == 104);
	b = a;
	b.history_for_all = true;
	config_changes(&a, &b, code);
	assert_true(code[0] == 170 && code[1] == 0);
	config_changes(&b, &a, code);
	assert_true(code[0] == 171 && code[1] == 0);
}

static void
secrets_are_not_for_the_record(void **state)
{
	struct room_config c = { .password = (char *)"cauldronburn" };
	struct arena *a = arena_new(0);
	struct buf out = { 0 };
	struct stanza *st = stanza_new(NS_CLIENT, "message");

	(void)state;
	config_form_write(st, st->root, "result", NULL, &c, NULL, NULL, &bounds, a);
	serialize_stanza(&out, st, NS_CLIENT, NULL);
	assert_null(strstr(buf_str(&out), "cauldron"));
	assert_non_null(strstr(buf_str(&out), "passwordprotectedroom"));
	buf_fini(&out);
	stanza_unref(st);
	arena_free(a);
}

/* §5.2.2 with the errors of §9 and §10. */
static void
affiliations_are_changed_by_who_may(void **state)
{
	(void)state;
	for (enum affiliation actor = AFFILIATION_OUTCAST; actor <= AFFILIATION_OWNER; actor++)
		for (enum affiliation from = AFFILIATION_OUTCAST; from <= AFFILIATION_OWNER; from++)
			for (enum affiliation to = AFFILIATION_OUTCAST; to <= AFFILIATION_OWNER; to++) {
				bool may = actor == AFFILIATION_OWNER ||
					(actor == AFFILIATION_ADMIN && from < AFFILIATION_ADMIN && to < AFFILIATION_ADMIN);

				assert_int_equal(admin_affiliation_refusal(actor, false, from, to) == XERROR_NONE, may);
			}
	assert_int_equal(admin_affiliation_refusal(AFFILIATION_ADMIN, false, AFFILIATION_OWNER, AFFILIATION_OUTCAST), XERROR_NOT_ALLOWED);
	assert_int_equal(admin_affiliation_refusal(AFFILIATION_OWNER, true, AFFILIATION_OWNER, AFFILIATION_OUTCAST), XERROR_CONFLICT);
	assert_int_equal(admin_affiliation_refusal(AFFILIATION_MEMBER, false, AFFILIATION_NONE, AFFILIATION_MEMBER), XERROR_FORBIDDEN);
}

static void
nobody_unseats_who_runs_the_room(void **state)
{
	(void)state;
	for (enum affiliation a = AFFILIATION_NONE; a <= AFFILIATION_OWNER; a++)
		for (enum role to = ROLE_VISITOR; to <= ROLE_PARTICIPANT; to++) {
			const struct admin_actor actor = { .affiliation = a, .role = ROLE_MODERATOR };

			assert_int_equal(admin_role_refusal(&actor, AFFILIATION_OWNER, ROLE_MODERATOR, to), XERROR_NOT_ALLOWED);
			assert_int_equal(admin_role_refusal(&actor, AFFILIATION_ADMIN, ROLE_MODERATOR, to), XERROR_NOT_ALLOWED);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_read),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(passwords_are_asked_for_or_not),
		cmocka_unit_test(changes_have_codes),
		cmocka_unit_test(secrets_are_not_for_the_record),
		cmocka_unit_test(affiliations_are_changed_by_who_may),
		cmocka_unit_test(nobody_unseats_who_runs_the_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
