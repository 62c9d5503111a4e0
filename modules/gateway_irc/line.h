/*
 * line: what IRC servers and clients say, a line each: `@tags :source COMMAND parameters` (RFC 1459 §2.3, IRCv3 message-tags).
 *
 * No I/O and no state but a reader's. Lines are read in place: everything in a struct irc_line points into the text it was parsed from.
 */
#ifndef GATEWAY_IRC_LINE_H
#define GATEWAY_IRC_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define IRC_PARAMS 15 /* RFC 1459 §2.3; the last one takes the rest */
#define IRC_LINE_BYTES 512 /* with CR LF, without tags */

struct irc_source {
	const char *nick; /* or a server's name; NULL: the line names nobody */
	const char *user, *host; /* NULL: not said */
};

struct irc_line {
	struct irc_source from;
	const char *command; /* as it came */
	unsigned numeric;    /* 0: it has a name */
	char *params[IRC_PARAMS];
	unsigned nparams;
	/* The tags we know (IRCv3), unescaped; NULL: not there. */
	const char *time, *msgid, *account, *label, *batch;
};

/* Takes `text` apart, which is NUL-terminated and gets written to. -1: no line that IRC knows. */
int irc_line_parse(struct irc_line *l, char *text) MUST_CHECK;
/* The parameter, "" when there are fewer. */
const char *irc_line_param(const struct irc_line *l, unsigned i);

/*
 * One line with CR LF: the command and its parameters, behind the last of which is NULL. The last one may be empty or have spaces.
 * -1 and nothing written when a parameter has what would be something else there: CR, LF, a space, a colon in front.
 */
int irc_line_write(struct buf *out, const char *command, ...) __attribute__((sentinel)) MUST_CHECK;

/* Cuts a stream of bytes into lines. Zero-initialised but for `limit`. */
struct irc_reader {
	struct buf held;     /* the beginning of a line */
	size_t limit;        /* bytes of a line, beyond which it is left out */
	bool skipping, given; /* given: it is a whole one, with the caller */
	uint64_t too_long;   /* so many were */
};

void irc_reader_fini(struct irc_reader *r);
/*
 * The next line without its end, NUL-terminated, or NULL: what was left is kept. Advances *p, whose bytes get written to. The line is good until the
 * next call. Lines end with LF; a CR before it is dropped; empty ones, and those with NUL in them, are left out.
 */
char *irc_reader_next(struct irc_reader *r, char **p, size_t *n);

#endif
