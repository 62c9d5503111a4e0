/*
 * command: how a command reaches the server, and prints what that answers. Called by all commands.
 */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/text.h"
#include "common/control_client.h"
#include "common/prompt.h"
#include "core/config/config.h"
#include "https.h"

#define TOKEN_MAX 256

int
command_fail(const struct err *e)
{
	fprintf(stderr, "chancery: %s\n", e->text);
	return EXIT_REFUSED;
}

/* The person who asks, where one has been named. -1: the file cannot be read. */
static int
take_token(const struct options *o, struct control_client *c, struct err *e)
{
	const char *env = getenv("CHANCERY_TOKEN");
	char token[TOKEN_MAX];
	FILE *f;
	int rc;

	if (o->token_file == NULL) {
		control_client_set_token(c, env != NULL && env[0] != '\0' ? env : NULL);
		return 0;
	}
	f = fopen(o->token_file, "re");
	if (f == NULL)
		return err_set(e, errno, "%s: %s", o->token_file, strerror(errno));
	rc = prompt_first_line(f, token, sizeof token, e);
	fclose(f);
	if (rc != 0)
		return err_set(e, 0, "%s: no token on its first line", o->token_file);
	control_client_set_token(c, token);
	crypt_wipe(token, sizeof token);
	return 0;
}

struct control_client *
command_connect(const struct options *o)
{
	struct control_client *c = NULL;
	struct config *config = NULL;
	struct err e = {0};

	if (o->server != NULL)
		c = https_client_new(o->server, o->ca, &e);
	else if (o->socket == NULL)
		config = config_load(o->config, &e);
	if (o->server == NULL && (o->socket != NULL || config != NULL))
		c = control_client_new(o->socket != NULL ? o->socket : config->listen.control, &e);
	if (c != NULL && take_token(o, c, &e) != 0) {
		control_client_free(c);
		c = NULL;
	}
	if (c == NULL)
		command_fail(&e);
	if (o->server == NULL && o->socket == NULL && config == NULL)
		fputs("chancery: --socket PATH reaches a server whose settings file cannot be read\n",
		      stderr);
	config_unref(config);
	return c;
}

json_t *
command_ask(const struct options *o, const char *noun, const char *verb, json_t *args)
{
	struct control_client *c = command_connect(o);
	struct err e = {0};
	json_t *rows;

	if (c == NULL) {
		json_decref(args);
		return NULL;
	}
	rows = control_client_ask(c, noun, verb, args, &e);
	if (rows == NULL)
		command_fail(&e);
	control_client_free(c);
	return rows;
}

int
command_print(struct buf *out)
{
	size_t n = buf_len(out);
	bool done = fwrite(buf_str(out), 1, n, stdout) == n && fflush(stdout) == 0;

	buf_fini(out);
	if (!done)
		perror("chancery: standard output");
	return done ? EXIT_DONE : EXIT_REFUSED;
}

int
command_print_words(const struct options *o, json_t *rows, command_words_fn say, const void *arg)
{
	struct buf out = {0};

	if (rows == NULL)
		return EXIT_REFUSED;
	if (o->json)
		table_print_json(rows, &out);
	else
		say(&out, rows, arg);
	json_decref(rows);
	return command_print(&out);
}

static void
say_rows(struct buf *out, json_t *rows, const void *columns)
{
	table_print(rows, columns, out);
}

int
command_print_rows(const struct options *o, json_t *rows, const struct table_column *columns)
{
	return command_print_words(o, rows, say_rows, columns);
}

static void
say_row(struct buf *out, json_t *rows, const void *columns)
{
	table_print_row(json_array_get(rows, 0), columns, out);
}

int
command_print_row(const struct options *o, json_t *rows, const struct table_column *columns)
{
	return command_print_words(o, rows, say_row, columns);
}

static void
say_done(struct buf *out, json_t *rows, const void *what)
{
	(void)rows;
	buf_addf(out, "%s\n", (const char *)what);
}

int
command_print_done(const struct options *o, json_t *rows, const char *what)
{
	return command_print_words(o, rows, say_done, what);
}

bool
command_add_waits(const json_t *rows, struct buf *out)
{
	const json_t *row = json_array_get(rows, 0), *id = json_object_get(row, "approval");
	const char *state = json_string_value(json_object_get(row, "state")), *hash = json_string_value(json_object_get(row, "hash"));

	if (!json_is_integer(id) || state == NULL || strcmp(state, "waiting") != 0)
		return false;
	buf_addf(out, "waits for a second person: chancery approval approve %lld\nhash %s\n", (long long)json_integer_value(id),
		 hash != NULL ? hash : "-");
	return true;
}

int
command_print_outcome(const struct options *o, json_t *rows, const struct table_column *columns, const char *meanwhile)
{
	struct buf out = {0};

	if (rows == NULL || o->json || !command_add_waits(rows, &out))
		return command_print_row(o, rows, columns);
	if (meanwhile != NULL)
		buf_addf(&out, "%s\n", meanwhile);
	json_decref(rows);
	return command_print(&out);
}

int
command_read_id(const char *text, const char *of_what, const char *list, json_int_t *id)
{
	int64_t n;

	if (!text_i64(text, strlen(text), 1, INT64_MAX, &n)) {
		fprintf(stderr, "chancery: %s is not the ID of %s; see chancery %s\n", text, of_what, list);
		return -1;
	}
	*id = n;
	return 0;
}
