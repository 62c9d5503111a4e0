/*
 * import: reads lines of address, TAB, password and asks the server to add them, some hundred at a time. What
 * cannot even be asked (no TAB, not UTF-8, too long) is reported here like what the server refuses.
 */
#include "import.h"

#include <string.h>
#include <unistd.h>

#include "base/crypt.h"

#define BATCH 256 /* the server takes up to 1,000, in a line of up to 1 MiB */
#define BATCH_BYTES (512 << 10)

struct import {
	const struct options *o;
	struct control_client *c;
	json_t *accounts; /* of the next request */
	size_t bytes;     /* roughly what they take in it */
	long long line, added, existing, refused;
	struct err err; /* why it cannot go on */
};

enum line { LINE, LINE_TOO_LONG, LINE_HAS_NUL, LINE_END };

/* One line without its end; always read to its end. */
static enum line
read_line(FILE *f, char out[IMPORT_LINE_MAX])
{
	enum line what = LINE;
	size_t n = 0;
	int ch;

	while ((ch = getc(f)) != EOF && ch != '\n') {
		if (ch == '\0')
			what = LINE_HAS_NUL;
		else if (n + 1 < IMPORT_LINE_MAX)
			out[n++] = (char)ch;
		else if (what == LINE)
			what = LINE_TOO_LONG;
	}
	if (n > 0 && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return ch == EOF && n == 0 && what == LINE ? LINE_END : what;
}

static void
refuse(struct import *i, long long line, const char *why)
{
	json_t *row;

	i->refused++;
	if (i->o->json) {
		row = json_pack("{s:I, s:s}", "line", (json_int_t)line, "refused", why);
		json_dumpf(row, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(row);
	} else {
		fprintf(stderr, "line %lld: %s\n", line, why);
	}
}

static void
take_answer(struct import *i, const json_t *rows)
{
	const json_t *row;
	size_t k;

	json_array_foreach(rows, k, row)
	{
		const char *why = json_string_value(json_object_get(row, "refused"));

		if (why != NULL) {
			refuse(i, json_integer_value(json_object_get(row, "line")), why);
			continue;
		}
		i->added += json_integer_value(json_object_get(row, "added"));
		i->existing += json_integer_value(json_object_get(row, "existing"));
	}
}

/* Sends what has been gathered. -1: it cannot go on. */
static int
flush(struct import *i)
{
	json_t *rows;

	if (json_array_size(i->accounts) == 0)
		return 0;
	rows = control_client_ask(i->c, "user", "import",
				  json_pack("{s:O}", "accounts", i->accounts), &i->err);
	json_array_clear(i->accounts);
	i->bytes = 0;
	if (rows == NULL)
		return -1;
	take_answer(i, rows);
	json_decref(rows);
	if (isatty(STDERR_FILENO) && !i->o->json)
		fprintf(stderr, "\r%lld lines\r", i->line);
	return 0;
}

static int
take_line(struct import *i, char *text)
{
	char *tab = strchr(text, '\t');
	json_t *account;

	if (text[0] == '\0')
		return 0;
	if (tab == NULL) {
		refuse(i, i->line, "expected address, TAB, password");
		return 0;
	}
	*tab = '\0';
	account = json_pack("{s:I, s:s, s:s}", "line", (json_int_t)i->line, "jid", text, "password",
			    tab + 1);
	if (account == NULL) {
		refuse(i, i->line, "not UTF-8");
		return 0;
	}
	json_array_append_new(i->accounts, account);
	/* As JSON a byte takes up to six. */
	i->bytes += 6 * (strlen(text) + strlen(tab + 1)) + 64;
	return json_array_size(i->accounts) >= BATCH || i->bytes >= BATCH_BYTES ? flush(i) : 0;
}

static int
take_file(struct import *i, FILE *f)
{
	char text[IMPORT_LINE_MAX];
	enum line what;
	int rc = 0;

	while (rc == 0 && (what = read_line(f, text)) != LINE_END) {
		i->line++;
		if (what == LINE)
			rc = take_line(i, text);
		else
			refuse(i, i->line, what == LINE_TOO_LONG ? "too long" : "holds a NUL byte");
	}
	crypt_wipe(text, sizeof text);
	if (rc == 0)
		rc = flush(i);
	if (rc == 0 && ferror(f))
		rc = err_set(&i->err, 0, "the file cannot be read to its end");
	return rc;
}

int
import_run(const struct options *o, struct control_client *c, FILE *f)
{
	struct import i = {.o = o, .c = c, .accounts = json_array()};
	int rc = take_file(&i, f);
	struct buf out = {0};

	json_decref(i.accounts);
	if (o->json)
		buf_addf(&out, "{\"added\":%lld,\"existing\":%lld,\"refused\":%lld}\n", i.added,
			 i.existing, i.refused);
	else
		buf_addf(&out, "added %lld, existing %lld, refused %lld\n", i.added, i.existing,
			 i.refused);
	if (command_print(&out) != EXIT_DONE)
		return EXIT_REFUSED;
	if (rc != 0)
		return command_fail(&i.err);
	return i.refused == 0 ? EXIT_DONE : EXIT_REFUSED;
}
