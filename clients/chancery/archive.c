/*
 * archive: searches in the record, for compliance officers: `archive search`, `archive show`.
 *
 * What people wrote is shown so that it can do nothing to the terminal or to the line it stands in: control characters, and those that change the
 * direction of writing or cannot be seen, appear by their number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "command.h"
#include "common/control_client.h"

#define QUERY_OPTIONS \
	"person name between room domain gateway network foreign partner federated kind since until words file file-hash has-file encrypted audience"

/* The options that may be given more than once, those that may be given once, and those that say yes. */
static const char *const many[] = {"person", "name", "between", "room", "domain", "gateway", "network", "foreign", "kind"};
static const char *const once[] = {"partner", "since", "until", "file", "file-hash"};
static const char *const flags[] = {"federated", "has-file", "encrypted", "audience"};

/* As the verbs call it. */
static const char *
argument(const char *option)
{
	return strcmp(option, "file-hash") == 0 ? "file_hash" : strcmp(option, "has-file") == 0 ? "has_file" : option;
}

static int
add_words(const struct options *o, int n, char **words, json_t *args)
{
	const char *more = options_value(o, "words");
	struct buf b = {0};

	for (int i = 0; i < n; i++)
		buf_addf(&b, "%s%s", i > 0 ? " " : "", words[i]);
	if (more != NULL)
		buf_addf(&b, "%s%s", buf_len(&b) > 0 ? " " : "", more);
	if (buf_len(&b) > 0)
		json_object_set_new(args, "words", json_string(buf_str(&b)));
	buf_fini(&b);
	return 0;
}

/* 0; -1: said why. */
static int
add_query(const struct options *o, int n, char **words, json_t *args)
{
	for (size_t i = 0; i < sizeof many / sizeof *many; i++)
		if (options_has(o, many[i]))
			json_object_set(args, argument(many[i]), json_object_get(o->given, many[i]));
	for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
		if (json_array_size(json_object_get(o->given, once[i])) > 1) {
			fprintf(stderr, "chancery: --%s once only\n", once[i]);
			return -1;
		}
		if (options_has(o, once[i]))
			json_object_set_new(args, argument(once[i]), json_string(options_value(o, once[i])));
	}
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (options_has(o, flags[i]))
			json_object_set_new(args, argument(flags[i]), json_true());
	return add_words(o, n, words, args);
}

/* Output */

/* Controls, separators, what changes the direction of writing, what has no width, tags. Joiners are part of emoji. */
static bool
is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x061c || c == 0x180e || (c >= 0x200b && c <= 0x200f && c != 0x200d) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe0fff);
}

/* Hits are pairs of numbers of characters. */
static void
add_text(struct buf *out, const char *s, const json_t *hits, bool colour, const char *line_end)
{
	size_t k = 0;

	for (json_int_t i = 0; *s != '\0'; i++) {
		json_int_t first = -1, count = 0;
		uint32_t c;
		size_t n = table_character(s, &c);

		if (k < json_array_size(hits)) {
			first = json_integer_value(json_array_get(json_array_get(hits, k), 0));
			count = json_integer_value(json_array_get(json_array_get(hits, k), 1));
		}
		if (count > 0 && i == first)
			buf_adds(out, colour ? "\033[1m" : "[");
		if (c == '\n')
			buf_adds(out, line_end);
		else if (is_hidden(c))
			buf_addf(out, "<U+%04X>", (unsigned)c);
		else
			buf_add(out, s, n);
		if (count > 0 && i == first + count - 1) {
			buf_adds(out, colour ? "\033[0m" : "]");
			k++;
		}
		s += n;
	}
}

static void
add_value(struct buf *out, const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	add_text(out, s != NULL ? s : "-", NULL, false, " ");
}

static void
add_file(struct buf *out, const json_t *row)
{
	const json_t *file = json_object_get(row, "file");

	if (file == NULL)
		return;
	buf_adds(out, "    file: ");
	add_value(out, file, "name");
	buf_addf(out, ", %lld bytes, ", (long long)json_integer_value(json_object_get(file, "size")));
	add_value(out, file, "sha256");
	buf_adds(out, ", ");
	add_value(out, file, "verdict");
	buf_addc(out, '\n');
}

static void
add_time(struct buf *out, const json_t *row, const char *key)
{
	table_value(json_object_get(row, key), out);
}

/* A head line, and the words below it. */
static void
add_row(struct buf *out, const json_t *row, bool colour)
{
	const char *text = json_string_value(json_object_get(row, "text"));

	add_time(out, row, "time");
	buf_addf(out, "  #%lld  ", (long long)json_integer_value(json_object_get(row, "id")));
	add_value(out, row, "from");
	buf_adds(out, " > ");
	add_value(out, row, "to");
	buf_adds(out, "  ");
	add_value(out, row, "kind");
	if (strcmp(json_string_value(json_object_get(row, "direction")) != NULL ? json_string_value(json_object_get(row, "direction")) : "", "local") != 0) {
		buf_adds(out, ", ");
		add_value(out, row, "direction");
	}
	buf_adds(out, json_is_true(json_object_get(row, "encrypted")) ? ", end-to-end encrypted" : "");
	buf_adds(out, json_is_true(json_object_get(row, "erased")) ? ", erased" : "");
	buf_addc(out, '\n');
	if (text != NULL && *text != '\0') {
		char *shown = mem_strdup(text);

		/* The end of its last line is that of the row. */
		for (size_t n = strlen(shown); n > 1 && shown[n - 1] == '\n'; n--)
			shown[n - 1] = '\0';
		buf_adds(out, "    ");
		add_text(out, shown, json_object_get(row, "hits"), colour, "\n    ");
		buf_adds(out, json_is_true(json_object_get(row, "cut")) ? " …\n" : "\n");
		free(shown);
	}
	add_file(out, row);
}

static const char *
number(const char *s, json_t *args, const char *key)
{
	uint64_t v;

	if (s == NULL)
		return NULL;
	if (!text_u64(s, strlen(s), 0, INT64_MAX, &v))
		return s;
	json_object_set_new(args, key, json_integer((json_int_t)v));
	return NULL;
}

static int
not_a_number(const char *s)
{
	fprintf(stderr, "chancery: not a number: %s\n", s);
	return EXIT_USAGE;
}

static int
print_hits(const struct options *o, const json_t *rows, const char *next)
{
	struct buf out = {0};
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		add_row(&out, row, isatty(1));
	if (next != NULL)
		buf_addf(&out, "more: --cursor %s\n", next);
	else if (json_array_size(rows) == 0)
		fputs("chancery: nothing was found\n", stderr);
	(void)o;
	return command_print(&out);
}

static int
ask(const struct options *o, const char *verb, json_t *args, int (*print)(const struct options *o, const json_t *rows, const char *next))
{
	struct control_client *c = command_connect(o);
	struct err e = {0};
	struct buf out = {0};
	json_t *rows;
	int rc;

	if (c == NULL) {
		json_decref(args);
		return EXIT_REFUSED;
	}
	rows = control_client_ask(c, "archive", verb, args, &e);
	if (rows == NULL) {
		rc = command_fail(&e);
	} else if (o->json) {
		table_print_json(rows, &out);
		if (control_client_next(c) != NULL)
			buf_addf(&out, "{\"next\":\"%s\"}\n", control_client_next(c));
		rc = command_print(&out);
	} else {
		rc = print(o, rows, control_client_next(c));
	}
	json_decref(rows);
	control_client_free(c);
	return rc;
}

static int
archive_search(const struct options *o, int argc, char **argv)
{
	json_t *args = json_object();
	const char *bad;

	if (options_only(o, QUERY_OPTIONS " order limit cursor") || add_query(o, argc, argv, args) != 0) {
		json_decref(args);
		return EXIT_USAGE;
	}
	bad = number(options_value(o, "limit"), args, "limit");
	if (bad != NULL) {
		json_decref(args);
		return not_a_number(bad);
	}
	if (options_has(o, "order"))
		json_object_set_new(args, "order", json_string(options_value(o, "order")));
	if (options_has(o, "cursor"))
		json_object_set_new(args, "cursor", json_string(options_value(o, "cursor")));
	return ask(o, "search", args, print_hits);
}

/* What a part of the answer is, when the first of it comes. */
static const char *
head_of(const char *part)
{
	static const char *const heads[][2] = {{"record", ""}, {"replaced", "\nIt refers to\n"}, {"later", "\nLater\n"}, {"before", "\nBefore it\n"},
					       {"after", "\nAfter it\n"}, {"audience", "\nIn the room at that moment\n"}};

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		if (strcmp(heads[i][0], part) == 0)
			return heads[i][1];
	return "\n";
}

static void
add_record(struct buf *out, const json_t *row)
{
	static const struct table_column columns[] = {{"from_resource", "    From client"}, {"to_resource", "    To client"}, {"type", "    Type"},
						      {"client_id", "    Id"},	       {"refers_to", "    Refers to"},
						      {"refers_record", "    Refers to record"}, {"log_index", "    Index in the log"},
						      {"leaf_hash", "    Leaf"},       {NULL, NULL}};

	const json_t *foreign = json_object_get(row, "foreign");

	add_row(out, row, false);
	if (foreign != NULL)
		buf_addf(out, "    At the network %s: %s\n", json_string_value(json_object_get(foreign, "network")),
			 json_string_value(json_object_get(foreign, "address")) != NULL ? json_string_value(json_object_get(foreign, "address")) : "-");
	table_print_row(row, columns, out);
}

static void
add_occupant(struct buf *out, const json_t *row)
{
	buf_adds(out, "    ");
	add_value(out, row, "jid");
	buf_adds(out, " as ");
	add_value(out, row, "nick");
	buf_adds(out, " since ");
	add_time(out, row, "since");
	buf_addc(out, '\n');
}

static int
print_parts(const struct options *o, const json_t *rows, const char *next)
{
	const char *last = "";
	struct buf out = {0};
	const json_t *row;
	size_t i;

	(void)o, (void)next;
	json_array_foreach(rows, i, row)
	{
		const char *part = json_string_value(json_object_get(row, "part"));

		if (part == NULL)
			continue;
		if (strcmp(part, last) != 0)
			buf_adds(&out, head_of(part));
		last = part;
		if (strcmp(part, "record") == 0)
			add_record(&out, row);
		else if (strcmp(part, "audience") == 0)
			add_occupant(&out, row);
		else
			add_row(&out, row, false);
	}
	return command_print(&out);
}

static int
archive_show(const struct options *o, int argc, char **argv)
{
	json_t *args = json_object();
	const char *bad;

	(void)argc;
	if (options_only(o, "context")) {
		json_decref(args);
		return EXIT_USAGE;
	}
	bad = number(argv[0][0] == '#' ? argv[0] + 1 : argv[0], args, "id");
	if (bad == NULL)
		bad = number(options_value(o, "context"), args, "context");
	if (bad != NULL) {
		json_decref(args);
		return not_a_number(bad);
	}
	return ask(o, "show", args, print_parts);
}

const struct command command_archive[] = {
	{"archive", "search", "[WORD]...", 0, 1000, archive_search, "Finds records, as a compliance officer",
	 "\nAll WORDs have to be there, in any order; upper case and accents do not matter. word finds other forms of it in English and\n"
	 "French, '\"two words\"' these as they are written, begin* what begins so, -word what it is not in (behind --, as in: -- budget -draft).\n"
	 "What is end-to-end encrypted is found by everything but its words.\n"
	 "\n"
	 "  --person ADDRESS  from or to it      --name NAME         the same, by what people are called\n"
	 "  --between ADDRESS --between ADDRESS  a conversation      --room ADDRESS\n"
	 "  --domain DOMAIN   of either end      --gateway DOMAIN    the same\n"
	 "  --network NAME    a gateway's or a component's           --foreign ADDRESS   an address there, or a nick\n"
	 "  --partner DOMAIN  another server     --federated         from or to any other\n"
	 "  --since TIME --until TIME            2026-01-31 or 2026-01-31T12:00:00Z; until is exclusive\n"
	 "  --kind KIND       message, correction, retraction, reaction, file, room-enter, ...\n"
	 "  --file NAME       words of a file's name                 --file-hash SHA256\n"
	 "  --has-file        --encrypted\n"
	 "  --audience        what the persons could read in rooms, too\n"
	 "  --order newest|oldest                --limit N           --cursor CURSOR\n"
	 "\n"
	 "Options of the first five lines and --kind may be given several times: any of them. The search is in the audit trail.\n"},
	{"archive", "show", "ID", 1, 1, archive_show, "Shows a record and what belongs to it",
	 "\nWith what it corrects or retracts, what was done to it later, --context N messages around it (5), and who was in the room.\n"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
