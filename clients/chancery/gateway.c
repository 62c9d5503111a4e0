/*
 * gateway: the commands for gateways to public networks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "command.h"

#define NUMBER_MAX 1000000

static int
add_number(const struct options *o, json_t *args, const char *option, const char *name)
{
	const char *text = options_value(o, option);
	uint64_t n;

	if (text == NULL)
		return 0;
	if (!text_u64(text, strlen(text), 0, NUMBER_MAX, &n)) {
		fprintf(stderr, "chancery: --%s: a number from 0 (the server's limit) to %d\n", option, NUMBER_MAX);
		return -1;
	}
	return json_object_set_new(args, name, json_integer((json_int_t)n));
}

/* The object in the file of --settings, "-" is standard input. */
static int
add_settings(const struct options *o, json_t *args)
{
	const char *file = options_value(o, "settings");
	json_error_t why;
	json_t *v;
	FILE *f;

	if (file == NULL)
		return 0;
	f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	if (f == NULL) {
		fprintf(stderr, "chancery: %s: %s\n", file, strerror(errno));
		return -1;
	}
	v = json_loadf(f, JSON_REJECT_DUPLICATES, &why);
	if (f != stdin)
		(void)fclose(f);
	if (!json_is_object(v)) {
		fprintf(stderr, "chancery: %s: %s\n", file, v == NULL ? why.text : "not an object of JSON");
		json_decref(v);
		return -1;
	}
	return json_object_set_new(args, "settings", v);
}

/* NULL: said why. */
static json_t *
make_args(const struct options *o, json_t *args)
{
	if (add_settings(o, args) == 0 && add_number(o, args, "rate", "rate") == 0 && add_number(o, args, "per-minute", "per_minute") == 0) {
		if (options_has(o, "right"))
			json_object_set(args, "rights", json_object_get(o->given, "right"));
		return args;
	}
	json_decref(args);
	return NULL;
}

static const char *
text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "";
}

static void
print_rules(struct buf *out, const json_t *rules)
{
	json_t *rule, *right;
	size_t i, k;

	if (json_array_size(rules) == 0)
		buf_adds(out, "nobody may use it yet: chancery gateway allow NAME GROUP\n");
	json_array_foreach(rules, i, rule) {
		json_int_t most = json_integer_value(json_object_get(rule, "per_minute"));

		buf_addf(out, "%-11s%s:", text_of(rule, "rule"), text_of(rule, "group"));
		json_array_foreach(json_object_get(rule, "rights"), k, right)
			buf_addf(out, " %s", json_string_value(right));
		if (most > 0)
			buf_addf(out, ", %lld messages a minute", (long long)most);
		buf_addc(out, '\n');
	}
}

static void
print_program(struct buf *out, const json_t *p)
{
	json_int_t restarts = json_integer_value(json_object_get(p, "restarts"));

	buf_addf(out, "%-11s%s", "program", text_of(p, "state"));
	if (json_integer_value(json_object_get(p, "pid")) > 0)
		buf_addf(out, ", process %lld since %s", (long long)json_integer_value(json_object_get(p, "pid")), text_of(p, "since"));
	if (restarts > 0)
		buf_addf(out, ", started again %lld times", (long long)restarts);
	if (*text_of(p, "why") != '\0')
		buf_addf(out, ": %s", text_of(p, "why"));
	buf_addc(out, '\n');
}

static void
print_stats(struct buf *out, const json_t *stats)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)stats, key, v)
		if (json_is_integer(v))
			buf_addf(out, "%-11s%s %lld\n", "", key, (long long)json_integer_value(v));
}

static void
print_settings(struct buf *out, const json_t *settings)
{
	char *text = settings != NULL ? json_dumps(settings, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;

	if (text != NULL)
		buf_addf(out, "settings   %s\n", text);
	free(text);
}

/* Takes the rows. */
static void
say(struct buf *out, json_t *rows, const void *arg)
{
	const json_t *row = json_array_get(rows, 0);

	(void)arg;
	buf_addf(out, "%-11s%s (%s)\n%-11s%s\n", "name", text_of(row, "name"), text_of(row, "kind"), "domain", text_of(row, "domain"));
	buf_addf(out, "%-11s%s, %s\n", "state", json_is_true(json_object_get(row, "enabled")) ? "on" : "off",
		json_is_true(json_object_get(row, "connected")) ? "connected" : "not connected");
	print_program(out, json_object_get(row, "program"));
	print_rules(out, json_object_get(row, "rules"));
	buf_addf(out, "%-11s%lld registered\n", "users", (long long)json_integer_value(json_object_get(row, "users")));
	print_stats(out, json_object_get(row, "stats"));
	print_settings(out, json_object_get(row, "settings"));
	buf_addf(out, "%-11s%s by %s\n", "changed", text_of(row, "changed"), text_of(row, "by"));
}

static int
print(const struct options *o, json_t *rows)
{
	return command_print_words(o, rows, say, NULL);
}

static int
ask(const struct options *o, const char *verb, const char *options, json_t *args)
{
	if (options_only(o, options) != 0) {
		json_decref(args);
		return EXIT_USAGE;
	}
	args = make_args(o, args);
	return args != NULL ? print(o, command_ask(o, "gateway", verb, args)) : EXIT_USAGE;
}

static int
gateway_add(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return ask(o, "add", "settings", json_pack("{s:s, s:s, s:s}", "name", argv[0], "kind", argv[1], "domain", argv[2]));
}

static int
gateway_set(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return ask(o, "set", "settings rate", json_pack("{s:s}", "name", argv[0]));
}

static int
gateway_enable(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return ask(o, "enable", "", json_pack("{s:s}", "name", argv[0]));
}

static int
gateway_disable(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return ask(o, "disable", "", json_pack("{s:s}", "name", argv[0]));
}

static int
gateway_show(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return ask(o, "show", "", json_pack("{s:s}", "name", argv[0]));
}

static int
gateway_allow(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return ask(o, "allow", "right per-minute", json_pack("{s:s, s:s}", "name", argv[0], "group", argv[1]));
}

static int
gateway_deny(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return ask(o, "deny", "", json_pack("{s:s, s:s}", "name", argv[0], "group", argv[1]));
}

static int
gateway_forget(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return ask(o, "forget", "", json_pack("{s:s, s:s}", "name", argv[0], "group", argv[1]));
}

static int
gateway_remove(const struct options *o, int argc, char **argv)
{
	(void)argc;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	return command_print_done(o, command_ask(o, "gateway", "remove", json_pack("{s:s}", "name", argv[0])), "removed");
}

static int
gateway_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"name", "NAME"}, {"kind", "KIND"}, {"domain", "DOMAIN"}, {"enabled", "ON"}, {"state", "PROGRAM"},
		{"connected", "CONNECTED"}, {"users", "REGISTERED"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "gateway", "list", NULL);
	return rows != NULL ? command_print_rows(o, rows, columns) : EXIT_REFUSED;
}

static int
gateway_users(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"jid", "JID"}, {"mode", "MODE"}, {"since", "SINCE"}, {"credential", "PASSWORD KEPT"}, {NULL, NULL}};
	json_t *rows;

	(void)argc;
	if (options_only(o, "cursor") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "gateway", "users", json_pack("{s:s, s:s*}", "name", argv[0], "cursor", options_value(o, "cursor")));
	return rows != NULL ? command_print_rows(o, rows, columns) : EXIT_REFUSED;
}

static int
gateway_rotate_key(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"key", "Key"}, {"resealed", "Sealed anew"}, {"lost", "Cannot be read"}, {NULL, NULL}};

	(void)argc, (void)argv;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	return command_print_row(o, command_ask(o, "gateway", "rotate-key", NULL), columns);
}

static const char about_settings[] =
	"\n--settings FILE: a file with an object of JSON, - for standard input; the page of the network says what is in it. It takes the place of all of the old\n"
	"settings; what `gateway show` hides as *** may stay so and is as it was.\n";

const struct command command_gateway[] = {
	{"gateway", "add", "NAME KIND DOMAIN", 3, 3, gateway_add, "Adds a gateway to a public network (irc, mail, sms, sip), and starts it", about_settings},
	{"gateway", "set", "NAME", 1, 1, gateway_set, "Changes a gateway's settings", about_settings},
	{"gateway", "allow", "NAME GROUP", 2, 2, gateway_allow, "Lets a group of the organisation use it",
	 "\nGROUP: as `chancery user set JID group+=GROUP` gives them, or everyone. Without a rule nobody may use a network. A rule takes the place of the one for\n"
	 "the same group; who is in several groups may what one of them may.\n"
	 "--right send|receive|send-file|receive-file|join|own-account, again for each (default: send, receive and join).\n"
	 "--per-minute N: messages that one person may send in a minute (default 0: the server's limit).\n"},
	{"gateway", "deny", "NAME GROUP", 2, 2, gateway_deny, "Keeps a group from it, whatever else is allowed", NULL},
	{"gateway", "forget", "NAME GROUP", 2, 2, gateway_forget, "Takes the rule for a group back", NULL},
	{"gateway", "disable", "NAME", 1, 1, gateway_disable, "Switches a network off, at once", NULL},
	{"gateway", "enable", "NAME", 1, 1, gateway_enable, "Switches it on, and tries its program again", NULL},
	{"gateway", "list", "", 0, 0, gateway_list, "Lists gateways and whether they run", NULL},
	{"gateway", "show", "NAME", 1, 1, gateway_show, "Shows a gateway: its program, who may use it, its settings", NULL},
	{"gateway", "users", "NAME", 1, 1, gateway_users, "Lists who has registered with it", "\n--cursor C: the next page.\n"},
	{"gateway", "rotate-key", "", 0, 0, gateway_rotate_key, "Makes a new key for people's passwords at networks", NULL},
	{"gateway", "remove", "NAME", 1, 1, gateway_remove, "Takes a gateway away, with all that it keeps", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
