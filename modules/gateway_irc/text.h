/*
 * text: what people say on IRC as XMPP has it, and back: encodings, formatting codes, CTCP, and where a long message is cut.
 */
#ifndef GATEWAY_IRC_TEXT_H
#define GATEWAY_IRC_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum irc_say { IRC_PRIVMSG, IRC_NOTICE, IRC_ACTION };

/*
 * The line as UTF-8, if need be in `scratch`. What is UTF-8 is taken as that whatever the network's charset is; a character that the sender's
 * server has cut off at the end of a long line is dropped; else the bytes are of `charset` (one that iconv knows, NULL: ISO-8859-1).
 */
char *irc_text_decode(char *line, const char *charset, struct buf *scratch);
/* UTF-8 into `charset`, appended to `out`; what it does not have is written in another way, or as '?'. */
void irc_text_encode(const char *s, size_t n, const char *charset, struct buf *out);
/* Whether iconv knows it. */
bool irc_charset_is_known(const char *charset);

/* Takes formatting codes (bold, colours…) and control characters out, in place, and mends what XML cannot carry. */
void irc_text_plain(char *s);
/* \x01COMMAND text\x01: ends the command and gives the text behind it, in place; NULL: it is none (CTCP). */
char *irc_text_ctcp(char *s, const char **command);
/*
 * How many bytes of the UTF-8 text `s` of length `n` fit into `max`: cut before a space if one is near, else between characters. *skip: bytes of
 * white space behind the cut which are said by the cut itself. At least one character is always taken.
 */
size_t irc_text_cut(const char *s, size_t n, size_t max, size_t *skip);

/* `a`, the sign, `b`; false: as much of it as `size` bytes have room for. */
bool irc_text_join(char *out, size_t size, const char *a, char sign, const char *b);
/* A nick that a server takes, made of any name: ASCII, no digit in front, `max` characters at most. `out` holds max + 1. */
void irc_nick_make(const char *name, char *out, size_t max);
/* Whether such a name can be said to a server: something, and no more than 128 bytes, without spaces and control characters, no ':' in front. */
bool irc_name_is_sane(const char *name);

#endif
