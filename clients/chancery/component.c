/*
 * component: the commands for components of others (XEP-0114).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "command.h"

#define RATE_MAX 1000000

static int
add_rate(const struct options *o, json_t *args)
{
	const char *text = options_value(o, "rate");
	uint64_t n;

	if (text == NULL)
		return 0;
	if (!text_u64(text, strlen(text), 0, RATE_MAX, &n)) {
		fprintf(stderr, "chancery: --rate: a number from 0 (the server's limit) to %d\n", RATE_MAX);
		return -1;
	}
	return json_object_set_new(args, "rate", json_integer((json_int_t)n));
}

/* What of the options is an argument. NULL: said why. */
static json_t *
make_args(const struct options *o, const char *name)
{
	json_t *args = json_pack("{s:s}", "name", name);

	if (options_has(o, "kind"))
		json_object_set(args, "kinds", json_object_get(o->given, "kind"));
	if (options_has(o, "down"))
		json_object_set_new(args, "down", json_string(options_value(o, "down")));
	if (add_rate(o, args) == 0)
		return args;
	json_decref(args);
	return NULL;
}

static void
add_list(struct buf *out, const char *label, const json_t *list)
{
	size_t i;
	json_t *v;

	buf_addf(out, "%-11s", label);
	json_array_foreach(list, i, v)
		buf_addf(out, "%s%s", i ? ", " : "", json_string_value(v));
	buf_adds(out, json_array_size(list) ? "\n" : "-\n");
}

static const char *
text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "";
}

/* Takes the rows. */
static void
say(struct buf *out, json_t *rows, const void *arg)
{
	const json_t *row = json_array_get(rows, 0);
	json_int_t rate = json_integer_value(json_object_get(row, "rate"));

	(void)arg;
	buf_addf(out, "%-11s%s\n", "name", text_of(row, "name"));
	add_list(out, "domains", json_object_get(row, "domains"));
	buf_addf(out, "%-11s%s\n", "state", json_is_true(json_object_get(row, "enabled")) ? "enabled" : "disabled");
	add_list(out, "connected", json_object_get(row, "connected"));
	add_list(out, "may send", json_object_get(row, "kinds"));
	buf_addf(out, "%-11smessages %s\n", "while down", strcmp(text_of(row, "down"), "keep") == 0 ? "are kept" : "are returned");
	add_list(out, "privileges", json_object_get(row, "privileges"));
	if (rate > 0)
		buf_addf(out, "%-11s%lld stanzas a second\n", "rate", (long long)rate);
	buf_addf(out, "%-11s%s by %s\n", "changed", text_of(row, "changed"), text_of(row, "by"));
	if (json_object_get(row, "secret") != NULL)
		buf_addf(out, "%-11s%s\n\nThe secret is shown this once.\n", "secret", text_of(row, "secret"));
}

static int
print(const struct options *o, json_t *rows)
{
	return command_print_words(o, rows, say, NULL);
}

static int
component_add(const struct options *o, int argc, char **argv)
{
	json_t *args, *domains;

	if (options_only(o, "kind rate down") != 0 || (args = make_args(o, argv[0])) == NULL)
		return EXIT_USAGE;
	domains = json_array();
	for (int i = 1; i < argc; i++)
		json_array_append_new(domains, json_string(argv[i]));
	json_object_set_new(args, "domains", domains);
	return print(o, command_ask(o, "component", "add", args));
}

static int
component_set(const struct options *o, int argc, char **argv)
{
	json_t *args;

	(void)argc;
	if (options_only(o, "kind rate down") != 0 || (args = make_args(o, argv[0])) == NULL)
		return EXIT_USAGE;
	return print(o, command_ask(o, "component", "set", args));
}

static int
by_name(const struct options *o, const char *verb, const char *name)
{
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	return print(o, command_ask(o, "component", verb, json_pack("{s:s}", "name", name)));
}

static int
component_secret(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return by_name(o, "secret", argv[0]);
}

static int
component_disable(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return by_name(o, "disable", argv[0]);
}

static int
component_enable(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return by_name(o, "enable", argv[0]);
}

static int
component_show(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return by_name(o, "show", argv[0]);
}

static int
component_grant(const struct options *o, int argc, char **argv)
{
	bool iq = strcmp(argv[1], "iq") == 0;

	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	if (argc != (iq ? 4 : 3)) {
		fputs("chancery: expected NAME roster get|set|both, NAME message outgoing, NAME presence managed_entity, or NAME iq NAMESPACE get|set|both\n", stderr);
		return EXIT_USAGE;
	}
	return print(o, command_ask(o, "component", "grant", json_pack("{s:s, s:s, s:s, s:s*}", "name", argv[0], "privilege", argv[1], "access",
		argv[argc - 1], "namespace", iq ? argv[2] : NULL)));
}

static int
component_revoke(const struct options *o, int argc, char **argv)
{
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	return print(o, command_ask(o, "component", "revoke", json_pack("{s:s, s:s, s:s*}", "name", argv[0], "privilege", argv[1], "namespace",
		argc > 2 ? argv[2] : NULL)));
}

static int
component_remove(const struct options *o, int argc, char **argv)
{
	(void)argc;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	return command_print_done(o, command_ask(o, "component", "remove", json_pack("{s:s}", "name", argv[0])), "removed");
}

static int
component_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"name", "NAME"}, {"domains", "DOMAINS"}, {"enabled", "ENABLED"}, {"connected", "CONNECTED"},
		{"kinds", "MAY SEND"}, {"rate", "RATE"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "component", "list", NULL);
	return rows != NULL ? command_print_rows(o, rows, columns) : EXIT_REFUSED;
}

static const char may_more[] =
	"\n--kind message|presence|iq, again for each: what it may send (default: all); answers to what it is asked it may always send.\n"
	"--rate N: stanzas a second, above which it is read more slowly (default 0: the server's limit).\n"
	"--down keep|return: while it is not connected, messages for it wait for components.keep, or go back to their senders (default: return).\n";

const struct command command_component[] = {
	{"component", "add", "NAME DOMAIN...", 2, 65, component_add, "Adds a component (XEP-0114) and makes its secret", may_more},
	{"component", "set", "NAME", 1, 1, component_set, "Changes what a component may", may_more},
	{"component", "secret", "NAME", 1, 1, component_secret, "Makes a new secret; its streams end", NULL},
	{"component", "disable", "NAME", 1, 1, component_disable, "Ends a component's streams and lets it in no more", NULL},
	{"component", "enable", "NAME", 1, 1, component_enable, "Lets it in again", NULL},
	{"component", "remove", "NAME", 1, 1, component_remove, "Takes a component away", NULL},
	{"component", "grant", "NAME PRIVILEGE ACCESS", 3, 4, component_grant, "Lets a component act in the name of users (XEP-0356)",
	 "\nNAME roster get|set|both: sees and changes rosters, and says what the subscriptions of its own addresses are.\n"
	 "NAME message outgoing: sends messages in the name of users.\n"
	 "NAME presence managed_entity: sees when people come and go.\n"
	 "NAME iq NAMESPACE get|set|both: sends requests of that namespace in the name of users.\n"
	 "Each holds for all accounts of all hosts. What is granted is told to the component at once.\n"},
	{"component", "revoke", "NAME PRIVILEGE [NAMESPACE]", 2, 3, component_revoke, "Takes such a privilege back, at once", NULL},
	{"component", "list", "", 0, 0, component_list, "Lists components and who of them is connected", NULL},
	{"component", "show", "NAME", 1, 1, component_show, "Shows a component", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
