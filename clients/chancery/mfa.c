/*
 * mfa: the commands for second factors of accounts. The address of a new one is shown as a QR code, for the camera of a telephone.
 */
#include <qrencode.h>
#include <string.h>

#include "command.h"

#define QUIET 2 /* modules around it */

static bool
is_dark(const QRcode *q, int x, int y)
{
	return x >= 0 && y >= 0 && x < q->width && y < q->width && q->data[y * q->width + x] & 1;
}

/* Two rows of modules in a line of text, light on dark: terminals are dark mostly, and readers take either. */
static void
draw(struct buf *out, const char *text)
{
	QRcode *q = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);

	if (q == NULL)
		return;
	for (int y = -QUIET; y < q->width + QUIET; y += 2) {
		for (int x = -QUIET; x < q->width + QUIET; x++) {
			bool above = !is_dark(q, x, y), below = !is_dark(q, x, y + 1);

			buf_adds(out, above && below ? "█" : above ? "▀" : below ? "▄" : " ");
		}
		buf_adds(out, "\n");
	}
	QRcode_free(q);
}

static void
say_made(struct buf *out, json_t *rows, const void *arg)
{
	const char *uri = json_string_value(json_object_get(json_array_get(rows, 0), "uri"));

	(void)arg;
	draw(out, uri);
	buf_addf(out, "%s\nIt is shown this once: put it into the person's authenticator. Their sessions have ended.\n", uri);
}

static int
mfa_make(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return command_print_words(o, command_ask(o, "mfa", "make", json_pack("{s:s}", "jid", argv[0])), say_made, NULL);
}

static int
mfa_show(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"jid", "ADDRESS"}, {"second_factor", "SECOND FACTOR"}, {"since", "SINCE"}, {NULL, NULL}};

	(void)argc;
	return command_print_rows(o, command_ask(o, "mfa", "show", json_pack("{s:s}", "jid", argv[0])), columns);
}

static int
mfa_reset(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"jid", "ADDRESS"}, {"closed", "SESSIONS CLOSED"}, {NULL, NULL}};

	(void)argc;
	return command_print_rows(o, command_ask(o, "mfa", "reset", json_pack("{s:s}", "jid", argv[0])), columns);
}

const struct command command_mfa[] = {
	{"mfa", "make", "ADDRESS", 1, 1, mfa_make, "Gives an account a second factor, in place of any other",
	 "\nFrom then on logins with its password ask for a one-time code; its sessions end. For clients that cannot ask: device password.\n"},
	{"mfa", "show", "ADDRESS", 1, 1, mfa_show, "Says whether an account has a second factor", NULL},
	{"mfa", "reset", "ADDRESS", 1, 1, mfa_reset, "Takes an account's second factor away", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
