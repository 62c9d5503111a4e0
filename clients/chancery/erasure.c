/*
 * erasure: requests to be forgotten, for data protection officers (server/archive/ERASURE.md).
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "command.h"

#define SCOPE "person room between domain foreign partner federated kind since until record"

static int
wrong(const char *text)
{
	fprintf(stderr, "chancery: %s\n", text);
	return EXIT_USAGE;
}

static int
number_of(const char *s, json_int_t *out)
{
	int64_t n;

	if (!text_i64(s, strlen(s), 1, INT64_MAX, &n))
		return wrong("expected a number");
	*out = n;
	return 0;
}

static json_t *
make_query(const struct options *o)
{
	static const char *const lists[] = {"person", "room", "between", "domain", "foreign", "kind"}, *const values[] = {"partner", "since", "until"};
	json_t *query = json_object();

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (options_has(o, lists[i]))
			json_object_set(query, lists[i], json_object_get(o->given, lists[i]));
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		if (options_has(o, values[i]))
			json_object_set_new(query, values[i], json_string(options_value(o, values[i])));
	if (options_has(o, "federated"))
		json_object_set_new(query, "federated", json_true());
	return query;
}

/* {"query":…} or {"records":[…]}; NULL: wrong usage, and said so. */
static json_t *
make_scope(const struct options *o)
{
	const json_t *given = json_object_get(o->given, "record"), *item;
	json_t *query = make_query(o), *records;
	json_int_t n;
	size_t i;

	if (given == NULL)
		return json_pack("{s:o}", "query", query);
	n = (json_int_t)json_object_size(query);
	json_decref(query);
	if (n > 0) {
		(void)wrong("--record stands alone");
		return NULL;
	}
	records = json_array();
	json_array_foreach(given, i, item) {
		if (number_of(json_string_value(item), &n) != 0) {
			json_decref(records);
			return NULL;
		}
		json_array_append_new(records, json_integer(n));
	}
	return json_pack("{s:o}", "records", records);
}

static int
ask_and_print(const struct options *o, const char *verb, json_t *args, const struct table_column *columns)
{
	json_t *rows = args != NULL ? command_ask(o, "erasure", verb, args) : NULL;

	return args == NULL ? EXIT_USAGE : rows != NULL ? command_print_rows(o, rows, columns) : EXIT_REFUSED;
}

/* What waits for a second person answers with other members. */
static int
ask_for(const struct options *o, const char *verb, json_t *args)
{
	static const struct table_column columns[] = {{"erasure", "ERASURE"}, {"state", "STATE"}, {"query_text", "WHAT"}, {NULL, NULL}};
	json_t *rows = args != NULL ? command_ask(o, "erasure", verb, args) : NULL;
	struct buf out = {0};

	if (args == NULL)
		return EXIT_USAGE;
	if (rows == NULL)
		return EXIT_REFUSED;
	if (o->json || !command_add_waits(rows, &out))
		return command_print_rows(o, rows, columns);
	json_decref(rows);
	return command_print(&out);
}

static int
request(const struct options *o, int argc, char **argv)
{
	const char *reason = options_value(o, "reason");
	json_t *args;

	(void)argc, (void)argv;
	if (options_only(o, SCOPE " reason") != 0)
		return EXIT_USAGE;
	if (reason == NULL)
		return wrong("--reason TEXT: what is it asked for?");
	args = make_scope(o);
	if (args != NULL)
		json_object_set_new(args, "reason", json_string(reason));
	return ask_for(o, "request", args);
}

static int
preview(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"query_text", "WHAT"}, {"records", "RECORDS"}, {"would_go", "WOULD GO"}, {"held", "HELD"},
						      {"first", "FIRST"},     {"last", "LAST"},	      {NULL, NULL}};
	json_int_t id;

	if (options_only(o, argc > 0 ? "" : SCOPE) != 0)
		return EXIT_USAGE;
	if (argc == 0)
		return ask_and_print(o, "preview", make_scope(o), columns);
	return number_of(argv[0], &id) != 0 ? EXIT_USAGE : ask_and_print(o, "preview", json_pack("{s:I}", "erasure", id), columns);
}

static const struct table_column all_columns[] = {{"erasure", "ERASURE"}, {"state", "STATE"}, {"asked", "ASKED"}, {"by", "BY"}, {"query_text", "WHAT"},
	{"decided_by", "DECIDED BY"}, {"erased", "ERASED"}, {"held", "HELD"}, {"error", "TROUBLE"}, {NULL, NULL}};

static int
list(const struct options *o, int argc, char **argv)
{
	(void)argc, (void)argv;
	return options_only(o, "") != 0 ? EXIT_USAGE : ask_and_print(o, "list", json_object(), all_columns);
}

static int
show(const struct options *o, int argc, char **argv)
{
	json_int_t id;

	(void)argc;
	if (options_only(o, "") != 0 || number_of(argv[0], &id) != 0)
		return EXIT_USAGE;
	return ask_and_print(o, "show", json_pack("{s:I}", "erasure", id), all_columns);
}

static int
decide(const struct options *o, char **argv, const char *verb)
{
	json_int_t id;

	if (options_only(o, "reason") != 0 || number_of(argv[0], &id) != 0)
		return EXIT_USAGE;
	return ask_for(o, verb, json_pack("{s:I, s:s*}", "erasure", id, "reason", options_value(o, "reason")));
}

static int
grant(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return decide(o, argv, "grant");
}

static int
refuse(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return options_value(o, "reason") == NULL ? wrong("--reason TEXT: why is it refused?") : decide(o, argv, "refuse");
}

/* As it is signed: to a file by the shell. */
static int
certificate(const struct options *o, int argc, char **argv)
{
	json_int_t id;
	json_t *rows;

	(void)argc;
	if (options_only(o, "") != 0 || number_of(argv[0], &id) != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "erasure", "certificate", json_pack("{s:I}", "erasure", id));
	if (rows == NULL)
		return EXIT_REFUSED;
	if (o->json)
		return command_print_rows(o, rows, all_columns);
	fputs(json_string_value(json_object_get(json_array_get(rows, 0), "certificate")), stdout);
	json_decref(rows);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_REFUSED;
}

#define WHAT \
	"--person JID, --room JID, --between JID --between JID, --domain D, --foreign ADDRESS (at another network, through a gateway: with --domain),\n" \
	"--partner D, --federated, --kind K, --since TIME, --until TIME: all that is given has to hold; or --record N, for single ones, as often as wanted.\n"

const struct command command_erasure[] = {
	{"erasure", "request", "", 0, 0, request, "Enters a request to erase what is recorded",
	 "\n" WHAT "--reason TEXT stays in the log for ever: no names in it. Nothing goes before it is granted.\n"},
	{"erasure", "preview", "[ERASURE]", 0, 1, preview, "Counts what would go and what is held", "\nOf a request, or of\n" WHAT},
	{"erasure", "list", "", 0, 0, list, "Lists the requests and what became of them", NULL},
	{"erasure", "show", "ERASURE", 1, 1, show, "Shows a request", NULL},
	{"erasure", "grant", "ERASURE", 1, 1, grant, "Grants a request: what no hold covers is erased for good",
	 "\n--reason TEXT stays in the log. Where compliance.four_eyes is on it waits for a second data protection officer.\n"},
	{"erasure", "refuse", "ERASURE", 1, 1, refuse, "Refuses a request", "\n--reason TEXT stays in the log.\n"},
	{"erasure", "certificate", "ERASURE", 1, 1, certificate, "Prints the signed certificate of what was erased", "\nchancery-verify FILE --key VKEY checks it.\n"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
