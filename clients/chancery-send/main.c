/*
 * chancery-send: sends a message, or waits for messages and prints them, from a script or a terminal.
 *
 * Reads options, password and text; send.c and listen.c do the work. Exit codes: 0 done, 1 refused or failed with the
 * reason on standard error, 2 wrong usage.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/text.h"
#include "common/prompt.h"
#include "link.h"
#include "listen.h"
#include "send.h"

#define TEXT_MAX (200 * 1024) /* a stanza has 256 KiB at most; escaping needs some of it */
#define SEND_TIMEOUT_S 60

struct options {
	struct link_settings link;
	struct listen_settings listen;
	const char *password_file;
	bool listening, timeout_given;
};

static const char help[] =
	"chancery-send --jid ADDRESS [option...] TO [TEXT...]   sends TEXT, or standard input, as one message\n"
	"chancery-send --jid ADDRESS [option...] --listen        prints the messages that come\n"
	"\n"
	"  --jid ADDRESS          who you are: name@domain, or name@domain/resource\n"
	"  --password-file FILE   its first line is the password; else CHANCERY_PASSWORD, else you are asked\n"
	"  --server HOST[:PORT]   where the server is; else DNS says so\n"
	"  --ca FILE              certificates of the authorities to trust (PEM); else the system's\n"
	"  --direct-tls           TLS from the first byte (port 5223) instead of STARTTLS (port 5222)\n"
	"  --timeout SECONDS      give up after so long; 60 when sending; when listening there is none by default\n"
	"  --count N              with --listen: end after N messages\n"
	"  --json                 with --listen: one object a line\n"
	"  --verbose              show the conversation on standard error\n"
	"\n"
	"A message counts as sent when the server has taken it for good. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.\n";

static int
usage(const char *what)
{
	fprintf(stderr, "chancery-send: %s\nTry chancery-send --help.\n", what);
	return EXIT_USAGE;
}

static bool
parse_number(const char *s, unsigned max, unsigned *out)
{
	uint64_t n;

	if (!text_u64(s, strlen(s), 1, max, &n))
		return false;
	*out = (unsigned)n;
	return true;
}

/* HOST, HOST:PORT, [IPv6], [IPv6]:PORT, or a bare IPv6 address. */
static bool
parse_server(const char *s, struct link_settings *out)
{
	const char *end, *port = NULL;
	uint64_t n = 0;

	if (*s == '[') {
		s++;
		end = strchr(s, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		port = end[1] == ':' ? end + 2 : NULL;
	} else {
		end = strchr(s, ':');
		if (end != NULL && strchr(end + 1, ':') == NULL)
			port = end + 1;
		else
			end = s + strlen(s);
	}
	if (end == s || (port != NULL && !text_u64(port, strlen(port), 1, 65535, &n)))
		return false;
	free(out->host);
	out->host = strndup(s, (size_t)(end - s));
	out->port = (unsigned short)n;
	return true;
}

static bool
is_address(const char *s)
{
	const char *at = strchr(s, '@');

	return at != NULL && at != s && at[1] != '\0' && at[1] != '/';
}

enum { OPT_JID = 1, OPT_PASSWORD_FILE, OPT_SERVER, OPT_CA, OPT_DIRECT_TLS, OPT_TIMEOUT, OPT_LISTEN, OPT_COUNT, OPT_JSON,
	OPT_VERBOSE, OPT_HELP };

static const struct option option_table[] = {
	{ "jid", required_argument, NULL, OPT_JID },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "server", required_argument, NULL, OPT_SERVER },
	{ "ca", required_argument, NULL, OPT_CA },
	{ "direct-tls", no_argument, NULL, OPT_DIRECT_TLS },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "listen", no_argument, NULL, OPT_LISTEN },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

/* What is wrong with the option; NULL when nothing is. */
static const char *
take_option(struct options *o, int option, const char *value)
{
	switch (option) {
	case OPT_JID:
		o->link.jid = value;
		return is_address(value) ? NULL : "--jid: expected name@domain";
	case OPT_PASSWORD_FILE:
		o->password_file = value;
		return NULL;
	case OPT_SERVER:
		return parse_server(value, &o->link) ? NULL : "--server: expected HOST or HOST:PORT";
	case OPT_CA:
		o->link.ca = value;
		return access(value, R_OK) == 0 ? NULL : "--ca: the file cannot be read";
	case OPT_DIRECT_TLS:
		o->link.direct_tls = true;
		return NULL;
	case OPT_TIMEOUT:
		o->timeout_given = true;
		return parse_number(value, 86400 * 365, &o->link.timeout_s) ? NULL : "--timeout: expected seconds";
	case OPT_LISTEN:
		o->listening = true;
		return NULL;
	case OPT_COUNT:
		return parse_number(value, UINT32_MAX, &o->listen.count) ? NULL : "--count: expected a number";
	case OPT_JSON:
		o->listen.json = true;
		return NULL;
	case OPT_VERBOSE:
		o->link.verbose = true;
		return NULL;
	default:
		return "unknown option, or one without its value";
	}
}

/* From the file, the environment or the terminal; never from the command line, where everybody can read it. */
static int
read_password(const struct options *o, char *out, size_t size, struct err *e)
{
	const char *env = getenv("CHANCERY_PASSWORD");
	FILE *f;
	int rc;

	if (o->password_file != NULL) {
		f = fopen(o->password_file, "re");
		if (f == NULL)
			return err_set(e, 0, "%s: cannot be opened", o->password_file);
		rc = prompt_first_line(f, out, size, e);
		fclose(f);
		return rc;
	}
	if (env != NULL && *env != '\0' && strlen(env) < size) {
		memcpy(out, env, strlen(env) + 1);
		return 0;
	}
	return prompt_password("Password", 0, out, size, e);
}

/* XML 1.0 §2.2 knows three control characters, and has no way to say the others. */
static bool
fits_xml(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 && s[i] != '\t' && s[i] != '\n' && s[i] != '\r')
			return false;
	return text_is_utf8(s, n);
}

/* The words of the command line, or standard input to its end without the last line's end. */
static int
read_text(char **words, int n, struct buf *out, struct err *e)
{
	char piece[4096];
	size_t got;
	int i;

	for (i = 0; i < n; i++)
		buf_addf(out, "%s%s", i > 0 ? " " : "", words[i]);
	while (n == 0 && buf_len(out) <= TEXT_MAX && (got = fread(piece, 1, sizeof piece, stdin)) > 0)
		buf_add(out, piece, got);
	if (n == 0 && ferror(stdin))
		return err_set(e, 0, "standard input cannot be read");
	if (buf_len(out) > TEXT_MAX)
		return err_set(e, 0, "the text is longer than %d KiB", TEXT_MAX / 1024);
	if (n == 0 && buf_len(out) > 0 && out->data[out->len - 1] == '\n')
		out->len--;
	if (buf_len(out) == 0)
		return err_set(e, 0, "there is no text to send");
	if (!fits_xml(buf_data(out), buf_len(out)))
		return err_set(e, 0, "the text is not UTF-8, or holds control characters, which no message can carry");
	return 0;
}

static int
run(struct options *o, char **args, int n)
{
	struct err e = { 0 };
	struct buf text = { 0 };
	char password[1024] = "";
	int rc = EXIT_REFUSED;

	/* The text first: the password may have to be asked for at the terminal. */
	if ((!o->listening && read_text(args + 1, n - 1, &text, &e) != 0) ||
		read_password(o, password, sizeof password, &e) != 0) {
		fprintf(stderr, "chancery-send: %s\n", e.text);
		goto out;
	}
	o->link.password = password;
	if (!o->listening && !o->timeout_given)
		o->link.timeout_s = SEND_TIMEOUT_S;
	rc = o->listening ? listen_messages(&o->link, &o->listen) : send_message(&o->link, args[0], buf_str(&text));
out:
	crypt_wipe(password, sizeof password);
	buf_fini(&text);
	return rc;
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	const char *wrong = NULL;
	int option, rc;

	signal(SIGPIPE, SIG_IGN);
	while (wrong == NULL && (option = getopt_long(argc, argv, "+", option_table, NULL)) != -1) {
		if (option == OPT_HELP) {
			fputs(help, stdout);
			return EXIT_DONE;
		}
		wrong = take_option(&o, option, optarg);
	}
	argc -= optind;
	argv += optind;
	if (wrong == NULL && o.link.jid == NULL)
		wrong = "--jid is missing";
	else if (wrong == NULL && o.listening && argc > 0)
		wrong = "--listen takes no address";
	else if (wrong == NULL && !o.listening && argc == 0)
		wrong = "whom to send it to is missing";
	else if (wrong == NULL && !o.listening && (o.listen.count > 0 || o.listen.json))
		wrong = "--count and --json go with --listen";
	rc = wrong != NULL ? usage(wrong) : run(&o, argv, argc);
	free(o.link.host);
	return rc;
}
