/*
 * federation: the commands for partners: the domains of other servers that may be talked to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "command.h"

#define CA_MAX (1 << 20)

const struct option federation_options[] = {
	{"rate", required_argument, NULL, 0},	   {"down", required_argument, NULL, 0},
	{"direction", required_argument, NULL, 0}, {"pin", required_argument, NULL, 0},	       {"ca", required_argument, NULL, 0},
	{"public-ca", no_argument, NULL, 0},	   {"dane", no_argument, NULL, 0},	       {"dialback", no_argument, NULL, 0},
	{"no-dialback", no_argument, NULL, 0},	   {"messages", no_argument, NULL, 0},	       {"no-messages", no_argument, NULL, 0},
	{"presence", no_argument, NULL, 0},	   {"no-presence", no_argument, NULL, 0},      {"rooms", no_argument, NULL, 0},
	{"no-rooms", no_argument, NULL, 0},	   {"files", no_argument, NULL, 0},	       {"no-files", no_argument, NULL, 0},
	{"calls", no_argument, NULL, 0},	   {"no-calls", no_argument, NULL, 0},	       {"pubsub", no_argument, NULL, 0},
	{"no-pubsub", no_argument, NULL, 0},	   {"who", required_argument, NULL, 0},	       {"everybody", no_argument, NULL, 0},
	{"per-minute", required_argument, NULL, 0}, {"user-per-minute", required_argument, NULL, 0}, {"hours", required_argument, NULL, 0},
	{"expires", required_argument, NULL, 0},   {"reason", required_argument, NULL, 0},     {"since", required_argument, NULL, 0},
	{"force", no_argument, NULL, 0},	   {"lost", no_argument, NULL, 0},
	{"account", required_argument, NULL, 0},   {"uid", required_argument, NULL, 0},	       {"role", required_argument, NULL, 0},
	{"scope", required_argument, NULL, 0},	   {"all", no_argument, NULL, 0},	       {"hash", required_argument, NULL, 0},
	{"person", required_argument, NULL, 0},	   {"room", required_argument, NULL, 0},       {"domain", required_argument, NULL, 0},
	{"between", required_argument, NULL, 0},   {"partner", required_argument, NULL, 0},    {"federated", no_argument, NULL, 0},
	{"audience", no_argument, NULL, 0},	   {"kind", required_argument, NULL, 0},       {"until", required_argument, NULL, 0},
	{"words", required_argument, NULL, 0},	   {"file", required_argument, NULL, 0},       {"file-hash", required_argument, NULL, 0},
	{"has-file", no_argument, NULL, 0},	   {"encrypted", no_argument, NULL, 0},	       {"subject", required_argument, NULL, 0},
	{"action", required_argument, NULL, 0},	   {"newest", no_argument, NULL, 0},	       {"limit", required_argument, NULL, 0},
	{"cursor", required_argument, NULL, 0},
	{"record", required_argument, NULL, 0},
	{"format", required_argument, NULL, 0},	   {"out", required_argument, NULL, 0},	       {"bom", no_argument, NULL, 0},
	{"since-checkpoint", required_argument, NULL, 0}, {"conninfo", required_argument, NULL, 0}, {"checkpoint-file", required_argument, NULL, 0},
	{"resume", required_argument, NULL, 0},   {"key", required_argument, NULL, 0},	       {"threads", required_argument, NULL, 0},
	{"name", required_argument, NULL, 0},	   {"gateway", required_argument, NULL, 0},    {"order", required_argument, NULL, 0},
	{"limit", required_argument, NULL, 0},	   {"cursor", required_argument, NULL, 0},     {"context", required_argument, NULL, 0},
	{"matter", required_argument, NULL, 0},   {"days", required_argument, NULL, 0},       {"group", required_argument, NULL, 0},
	{"at", required_argument, NULL, 0},       {"settings", required_argument, NULL, 0},   {"right", required_argument, NULL, 0},
	{"network", required_argument, NULL, 0},   {"foreign", required_argument, NULL, 0},
	{NULL, 0, NULL, 0},
};

static const char *const passes[] = {"messages", "presence", "rooms", "files", "calls", "pubsub"};

/* Options */

static int
usage_error(const char *text)
{
	fprintf(stderr, "chancery: %s\n", text);
	return EXIT_USAGE;
}

/* The certificates of a CA, from a file. NULL: said why. */
static json_t *
read_ca(const char *file)
{
	FILE *f = fopen(file, "re");
	char *text = malloc(CA_MAX + 1);
	json_t *out = NULL;
	size_t n;

	if (f == NULL || text == NULL) {
		fprintf(stderr, "chancery: %s: %s\n", file, strerror(errno));
	} else {
		n = fread(text, 1, CA_MAX + 1, f);
		if (ferror(f) || n > CA_MAX || !text_is_utf8(text, n))
			fprintf(stderr, "chancery: %s is not a file of certificates in PEM\n", file);
		else
			out = json_stringn(text, n);
	}
	if (f != NULL)
		fclose(f);
	free(text);
	return out;
}

static int
add_trust(const struct options *o, json_t *args)
{
	int kinds = options_has(o, "pin") + options_has(o, "ca") + options_has(o, "public-ca") + options_has(o, "dane");
	json_t *ca;

	if (kinds > 1)
		return usage_error("--pin, --ca, --public-ca and --dane: one of them");
	if (options_has(o, "pin")) {
		json_object_set_new(args, "trust", json_string("pins"));
		json_object_set(args, "pins", json_object_get(o->given, "pin"));
	} else if (options_has(o, "dane")) {
		json_object_set_new(args, "trust", json_string("dane"));
	} else if (kinds == 1) {
		json_object_set_new(args, "trust", json_string("ca"));
	}
	if (options_has(o, "ca")) {
		ca = read_ca(options_value(o, "ca"));
		if (ca == NULL)
			return EXIT_REFUSED;
		json_object_set_new(args, "ca", ca);
	}
	return 0;
}

/* name, or no-name: *on; -1: both. */
static int
read_switch(const struct options *o, const char *name, bool *given, bool *on)
{
	char no[32];

	snprintf(no, sizeof no, "no-%s", name);
	*on = options_has(o, name);
	*given = *on || options_has(o, no);
	if (!*on || !options_has(o, no))
		return 0;
	fprintf(stderr, "chancery: --%s and --%s: one of them\n", name, no);
	return -1;
}

static int
add_switches(const struct options *o, json_t *args)
{
	json_t *pass = json_object();
	bool given, on;

	for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
		if (read_switch(o, passes[i], &given, &on) != 0) {
			json_decref(pass);
			return EXIT_USAGE;
		}
		if (given)
			json_object_set_new(pass, passes[i], json_boolean(on));
	}
	if (json_object_size(pass) > 0)
		json_object_set(args, "pass", pass);
	json_decref(pass);
	if (read_switch(o, "dialback", &given, &on) != 0)
		return EXIT_USAGE;
	if (given)
		json_object_set_new(args, "dialback", json_boolean(on));
	return 0;
}

static int
add_rate(const struct options *o, json_t *args, const char *option, const char *key)
{
	const char *text = options_value(o, option);
	uint64_t n;

	if (text == NULL)
		return 0;
	if (!text_u64(text, strlen(text), 0, 1000000, &n)) {
		fprintf(stderr, "chancery: --%s: a number from 0 (no bound) to 1000000\n", option);
		return EXIT_USAGE;
	}
	json_object_set_new(args, key, json_integer((json_int_t)n));
	return 0;
}

/* 0, or an exit code. */
static int
add_arguments(const struct options *o, json_t *args)
{
	static const char *const texts[] = {"direction", "hours", "expires", "reason"};
	int rc;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (options_has(o, texts[i]))
			json_object_set_new(args, texts[i], json_string(options_value(o, texts[i])));
	if (o->owner != NULL)
		json_object_set_new(args, "owner", json_string(o->owner));
	if (options_has(o, "who") && options_has(o, "everybody"))
		return usage_error("--who and --everybody: one of them");
	if (options_has(o, "who"))
		json_object_set(args, "who", json_object_get(o->given, "who"));
	else if (options_has(o, "everybody"))
		json_object_set_new(args, "who", json_array());
	if ((rc = add_trust(o, args)) != 0 || (rc = add_switches(o, args)) != 0 ||
	    (rc = add_rate(o, args, "per-minute", "per_minute")) != 0)
		return rc;
	return add_rate(o, args, "user-per-minute", "user_per_minute");
}

/* Printing */

static const struct table_column entry_columns[] = {
	{"domain", "Domain"},
	{"state", "State"},
	{"direction", "Direction"},
	{"pass", "May pass"},
	{"trust", "Trust"},
	{"pins", "Pins"},
	{"dialback", "Dialback"},
	{"who", "For (all, if none)"},
	{"per_minute", "Messages a minute (0: any)"},
	{"user_per_minute", "The same of one user"},
	{"hours", "Hours"},
	{"expires", "Expires"},
	{"owner", "Owner"},
	{"reason", "Reason"},
	{NULL, NULL},
};

static void
say_entry(struct buf *out, json_t *rows, const void *arg)
{
	const json_t *row = json_array_get(rows, 0), *proposal = json_object_get(row, "proposal");

	(void)arg;
	table_print_row(row, entry_columns, out);
	if (json_is_integer(proposal))
		buf_addf(out, "This is not in force: it waits until another administrator says `chancery federation approve %lld`\n",
			 (long long)json_integer_value(proposal));
}

/* Drops the rows. */
static int
print_entry(const struct options *o, json_t *rows)
{
	return command_print_words(o, rows, say_entry, NULL);
}

static void
say_domain(struct buf *out, json_t *rows, const void *what)
{
	table_value(json_object_get(json_array_get(rows, 0), "domain"), out);
	buf_addf(out, ": %s\n", (const char *)what);
}

static int
say(const struct options *o, json_t *rows, const char *what)
{
	return command_print_words(o, rows, say_domain, what);
}

static void
print_part(json_t *row, const char *key, const char *title, const struct table_column *columns, struct buf *out)
{
	const json_t *list = json_object_get(row, key);

	if (json_array_size(list) == 0)
		return;
	buf_addf(out, "\n%s:\n", title);
	table_print(list, columns, out);
}

/* Commands */

static int
federation_allow(const struct options *o, int argc, char **argv)
{
	json_t *args = json_pack("{s:s}", "domain", argv[0]);
	int rc = add_arguments(o, args);

	(void)argc;
	if (rc == 0 && options_has(o, "since"))
		rc = usage_error("--since is not for this command");
	if (rc != 0) {
		json_decref(args);
		return rc;
	}
	if (json_object_get(o->given, "force") != NULL)
		json_object_set_new(args, "force", json_true());
	return print_entry(o, command_ask(o, "federation", "allow", args));
}

static int
federation_deny(const struct options *o, int argc, char **argv)
{
	(void)argc;
	if (options_only(o, "reason") != 0)
		return EXIT_USAGE;
	if (!options_has(o, "reason"))
		return usage_error("a reason is needed: --reason TEXT");
	return say(o, command_ask(o, "federation", "deny", json_pack("{s:s, s:s}", "domain", argv[0], "reason", options_value(o, "reason"))),
		   "no longer allowed; its streams are closed");
}

static int
federation_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"domain", "DOMAIN"}, {"direction", "DIRECTION"}, {"state", "STATE"},
						      {"trust", "TRUST"},   {"pass", "MAY PASS"},	{"expires", "EXPIRES"},
						      {"owner", "OWNER"},   {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "federation", "list", NULL);
	return command_print_rows(o, rows, columns);
}

static void
say_partner(struct buf *out, json_t *rows, const void *arg)
{
	static const struct table_column history[] = {{"at", "AT"},	  {"action", "ACTION"}, {"changed", "CHANGED"},
						      {"who", "BY"},	  {"owner", "OWNER"},	{"reason", "REASON"},
						      {NULL, NULL}};
	static const struct table_column streams[] = {{"direction", "DIRECTION"}, {"local", "OURS"},	 {"remote", "THEIRS"},
						      {"state", "STATE"},	  {"how", "PROVEN BY"},	 {"address", "ADDRESS"},
						      {"tls", "TLS"},		  {"in", "STANZAS IN"},	 {"out", "STANZAS OUT"},
						      {NULL, NULL}};
	static const struct table_column refusals[] = {{"last", "LAST"},    {"direction", "DIRECTION"}, {"refused", "TIMES"},
						       {"why", "WHY"},	    {"address", "ADDRESS"},	{NULL, NULL}};
	json_t *row = json_array_get(rows, 0);

	(void)arg;
	table_print_row(row, entry_columns, out);
	print_part(row, "streams", "Streams now", streams, out);
	print_part(row, "history", "History", history, out);
	print_part(row, "refusals", "Refused", refusals, out);
}

static int
federation_show(const struct options *o, int argc, char **argv)
{
	(void)argc;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	return command_print_words(o, command_ask(o, "federation", "show", json_pack("{s:s}", "domain", argv[0])), say_partner, NULL);
}

/* Rows that have the key, or have it not. */
static json_t *
rows_with(const json_t *rows, const char *key, bool with)
{
	json_t *out = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if ((json_object_get(row, key) != NULL) == with)
			json_array_append(out, row);
	return out;
}

static void
say_report(struct buf *out, json_t *rows, const void *arg)
{
	static const struct table_column volume[] = {{"domain", "DOMAIN"}, {"user", "USER"}, {"in", "IN"}, {"out", "OUT"}, {NULL, NULL}};
	static const struct table_column refused[] = {{"domain", "DOMAIN"}, {"direction", "DIRECTION"}, {"refused", "REFUSED"},
						      {"why", "WHY"},	    {"last", "LAST"},	{"address", "ADDRESS"},
						      {NULL, NULL}};
	json_t *part;

	(void)arg;
	part = rows_with(rows, "why", false);
	buf_adds(out, json_array_size(part) > 0 ? "Messages:\n" : "No messages.\n");
	table_print(part, volume, out);
	json_decref(part);
	part = rows_with(rows, "why", true);
	buf_adds(out, json_array_size(part) > 0 ? "\nRefused:\n" : "\nNothing was refused.\n");
	table_print(part, refused, out);
	json_decref(part);
}

static int
federation_report(const struct options *o, int argc, char **argv)
{
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "since") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "federation", "report", json_pack("{s:s*}", "since", options_value(o, "since")));
	return command_print_words(o, rows, say_report, NULL);
}

static int
federation_proposals(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"id", "ID"},	   {"domain", "DOMAIN"}, {"new", "NEW"},       {"changed", "CHANGES"},
						      {"trust", "TRUST"},  {"pins", "PINS"},	 {"by", "BY"},	       {"proposed", "AT"},
						      {"owner", "OWNER"},  {"reason", "REASON"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "federation", "proposals", NULL);
	return command_print_rows(o, rows, columns);
}

/* -1: said so. */
static json_int_t
read_id(const struct options *o, const char *text)
{
	json_int_t id;

	return options_only(o, "") == 0 && command_read_id(text, "a change", "federation proposals", &id) == 0 ? id : -1;
}

static int
federation_approve(const struct options *o, int argc, char **argv)
{
	int64_t id = read_id(o, argv[0]);

	(void)argc;
	if (id < 0)
		return EXIT_USAGE;
	return print_entry(o, command_ask(o, "federation", "approve", json_pack("{s:I}", "id", (json_int_t)id)));
}

static int
federation_withdraw(const struct options *o, int argc, char **argv)
{
	int64_t id = read_id(o, argv[0]);

	(void)argc;
	if (id < 0)
		return EXIT_USAGE;
	return say(o, command_ask(o, "federation", "withdraw", json_pack("{s:I}", "id", (json_int_t)id)), "withdrawn");
}

/* A line each; what would happen comes last, and the exit code says it again. */
static int
federation_test(const struct options *o, int argc, char **argv)
{
	static const char *const heads[][2] = {{"entry", "Entry"},	   {"names", "Name servers"}, {"connection", "Connection"},
					       {"tls", "TLS"},		   {"certificate", "Certificate"}, {"judgement", "Judged by the entry"},
					       {"out", NULL},		   {"in", NULL}};
	struct buf out = {0};
	json_t *rows, *row;
	bool works = false;
	size_t i;

	(void)argc;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "federation", "test", json_pack("{s:s}", "domain", argv[0]));
	if (rows == NULL)
		return EXIT_REFUSED;
	json_array_foreach(rows, i, row) {
		const char *step = json_string_value(json_object_get(row, "step"));

		works |= json_is_true(json_object_get(row, "works"));
		for (size_t k = 0; !o->json && step != NULL && k < sizeof heads / sizeof *heads; k++)
			if (strcmp(step, heads[k][0]) == 0 && heads[k][1] != NULL)
				buf_addf(&out, "%s: ", heads[k][1]);
		if (!o->json) {
			table_value(json_object_get(row, "text"), &out);
			buf_addc(&out, '\n');
		}
	}
	if (o->json)
		table_print_json(rows, &out);
	json_decref(rows);
	return command_print(&out) == EXIT_DONE && works ? EXIT_DONE : EXIT_REFUSED;
}

static void
say_pin(struct buf *out, json_t *rows, const void *arg)
{
	static const struct table_column columns[] = {{"domain", "Domain"},	{"subject", "Certificate of"}, {"issuer", "Issued by"},
						      {"names", "For"},		{"not_before", "Good from"},   {"not_after", "Until"},
						      {"verdict", "Judged"},	{"pin", "Key"},		       {NULL, NULL}};
	const json_t *row = json_array_get(rows, 0), *proposal = json_object_get(row, "proposal");

	(void)arg;
	table_print_row(row, columns, out);
	if (json_is_integer(proposal))
		buf_addf(out, "Nothing is trusted yet. Compare the key with what the partner says it is, by telephone for instance; then\n"
			 "  chancery federation approve %lld\n", (long long)json_integer_value(proposal));
	else
		buf_adds(out, "This key is pinned already.\n");
}

static int
federation_pin(const struct options *o, int argc, char **argv)
{
	json_t *rows;

	(void)argc;
	if (options_only(o, "reason") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "federation", "pin", json_pack("{s:s, s:s*, s:s*}", "domain", argv[0], "owner", o->owner, "reason",
								 options_value(o, "reason")));
	return command_print_words(o, rows, say_pin, NULL);
}

static const char allow_more[] =
	"\nDOMAIN is partner.example, or *.partner.example for all below it. Again for the same one: changes what is given and leaves\n"
	"the rest. A new one may do everything in both directions, and has to prove itself by a certificate of a public CA.\n"
	"  --owner NAME --reason TEXT   who answers for it (of a new one); why (always): both are kept with each change\n"
	"  --direction in|out|both\n"
	"  --pin sha256/…               trust this key and no CA; again for more keys; all of them are given each time\n"
	"  --ca FILE                    trust this CA (PEM) and no other\n"
	"  --dane                       trust TLSA records under DNSSEC\n"
	"  --public-ca                  trust the public CAs again\n"
	"  --dialback, --no-dialback    XEP-0220 will do where it cannot prove itself otherwise; its certificate has to be good all the same\n"
	"  --no-messages --no-presence --no-rooms --no-files --no-calls --no-pubsub   what may not pass; without no-: what may again\n"
	"  --who ADDRESS|group:NAME     of ours, who may; again for more; --everybody: all again\n"
	"  --per-minute N, --user-per-minute N   messages, each direction; 0: any\n"
	"  --hours \"Mon-Fri 08:00-18:00\"   local time, whole hours; --hours always\n"
	"  --expires 30d|DATE|never     DATE is its last day\n"
	"  --force                      really all below a name that is open to anybody, such as *.com or *.co.uk\n"
	"Where federation.two_persons is set, it waits until another administrator approves it.\n";

const struct command command_federation[] = {
	{"federation", "allow", "DOMAIN", 1, 1, federation_allow, "Allows a partner, or changes what it may", allow_more},
	{"federation", "deny", "DOMAIN", 1, 1, federation_deny, "Takes a partner away, at once",
	 "\nWants --reason TEXT. Its streams are closed, and what waits for it goes back to its senders. Its history stays.\n"},
	{"federation", "list", "", 0, 0, federation_list, "Lists partners", NULL},
	{"federation", "show", "DOMAIN", 1, 1, federation_show, "Shows a partner, its streams, history and refusals", NULL},
	{"federation", "test", "DOMAIN", 1, 1, federation_test, "Tries a domain, and says what would happen; exit code 1 when it would not work",
	 "\nFinds its servers, connects to them, looks at their certificate by the partner's entry, and logs in where the entry has us\n"
	 "send. No message is sent. A domain that is not allowed yet is judged by the public CAs.\n"},
	{"federation", "pin", "DOMAIN", 1, 1, federation_pin, "Proposes to pin the key that its server shows now",
	 "\nNothing is trusted by it: `chancery federation approve` does that, when the key has been compared. --owner, --reason as for allow.\n"},
	{"federation", "report", "", 0, 0, federation_report, "Who exchanged how much with whom; who was refused",
	 "\n--since 7d, or a date: default 30d. Messages are counted from the record.\n"},
	{"federation", "proposals", "", 0, 0, federation_proposals, "Lists changes that wait for approval", NULL},
	{"federation", "approve", "ID", 1, 1, federation_approve, "Puts such a change into force",
	 "\nBy another administrator than the one who proposed it, where federation.two_persons is set.\n"},
	{"federation", "withdraw", "ID", 1, 1, federation_withdraw, "Drops such a change", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
