#include "isupport.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "base/text.h"

void
irc_isupport_init(struct irc_isupport *is)
{
	*is = (struct irc_isupport){
		.casemapping = IRC_CASE_RFC1459,
		.chantypes = "#&",
		.rank_modes = "ov",
		.rank_signs = "@+",
		.modes_list = "beI",
		.modes_always = "k",
		.modes_set = "l",
		.nicklen = 30, /* RFC 1459 says 9; who has less cuts, and says so in 001 */
		.topiclen = 300,
		.linelen = IRC_LINE_BYTES,
		.userlen = 10,
		.hostlen = 64,
	};
}

static void
take_number(unsigned *out, const char *value, unsigned min, unsigned max)
{
	uint64_t n;

	if (text_u64(value, strlen(value), min, max, &n))
		*out = (unsigned)n;
}

static void
take_text(char *out, size_t size, const char *value)
{
	if (strlen(value) < size && text_is_utf8(value, strlen(value)))
		memcpy(out, value, strlen(value) + 1);
}

/* Some signs, none of which a nick could begin with. */
static bool
are_signs(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr("!#$%&*+.-/=?@~^:", s[i]))
			return false;
	return true;
}

static void
take_prefix(struct irc_isupport *is, const char *value)
{
	const char *end = *value == '(' ? strchr(value, ')') : NULL;
	size_t n = end ? (size_t)(end - value - 1) : 0;

	if (!*value) {
		is->rank_modes[0] = is->rank_signs[0] = '\0';
		return;
	}
	if (!end || n > IRC_RANKS || strlen(end + 1) != n || !are_signs(end + 1, n))
		return;
	for (size_t i = 0; i < n; i++)
		if (!isalpha((unsigned char)value[1 + i]))
			return;
	memcpy(is->rank_modes, value + 1, n);
	memcpy(is->rank_signs, end + 1, n);
	is->rank_modes[n] = is->rank_signs[n] = '\0';
}

static void
take_chanmodes(struct irc_isupport *is, const char *value)
{
	char *slots[] = { is->modes_list, is->modes_always, is->modes_set };

	for (size_t i = 0; i < 3; i++) {
		size_t n = strcspn(value, ",");

		if (n < sizeof(is->modes_list)) {
			memcpy(slots[i], value, n);
			slots[i][n] = '\0';
		}
		if (!value[n])
			break;
		value += n + 1;
	}
}

static void
take_token(struct irc_isupport *is, char *token)
{
	char *value = strchr(token, '=');

	if (!strcmp(token, "MONITOR"))
		is->monitor = UINT_MAX;
	if (!strcmp(token, "-MONITOR"))
		is->monitor = 0;
	if (!value)
		return;
	*value++ = '\0';
	if (!strcmp(token, "MONITOR") && !*value)
		is->monitor = UINT_MAX;
	else if (!strcmp(token, "MONITOR"))
		take_number(&is->monitor, value, 1, 1000000);
	else if (!strcmp(token, "CASEMAPPING"))
		is->casemapping = !strcmp(value, "rfc1459") ? IRC_CASE_RFC1459 :
				  !strcmp(value, "strict-rfc1459") ? IRC_CASE_RFC1459_STRICT : IRC_CASE_ASCII;
	else if (!strcmp(token, "CHANTYPES") && are_signs(value, strlen(value)))
		take_text(is->chantypes, sizeof(is->chantypes), value);
	else if (!strcmp(token, "PREFIX"))
		take_prefix(is, value);
	else if (!strcmp(token, "STATUSMSG") && are_signs(value, strlen(value)))
		take_text(is->statusmsg, sizeof(is->statusmsg), value);
	else if (!strcmp(token, "CHANMODES"))
		take_chanmodes(is, value);
	else if (!strcmp(token, "NICKLEN") || !strcmp(token, "MAXNICKLEN"))
		take_number(&is->nicklen, value, 1, 64);
	else if (!strcmp(token, "TOPICLEN"))
		take_number(&is->topiclen, value, 1, 4096);
	else if (!strcmp(token, "LINELEN"))
		take_number(&is->linelen, value, IRC_LINE_BYTES, 8192);
	else if (!strcmp(token, "USERLEN"))
		take_number(&is->userlen, value, 1, 64);
	else if (!strcmp(token, "HOSTLEN"))
		take_number(&is->hostlen, value, 1, 128);
	else if (!strcmp(token, "NETWORK"))
		take_text(is->network, sizeof(is->network), value);
}

void
irc_isupport_take(struct irc_isupport *is, const struct irc_line *l)
{
	/* The first is our nick, the last is for people. */
	for (unsigned i = 1; i + 1 < l->nparams; i++)
		take_token(is, l->params[i]);
}

static char
fold_char(enum irc_casemapping how, char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + 32);
	if (how == IRC_CASE_ASCII)
		return c;
	if (c == '[' || c == ']' || c == '\\')
		return (char)(c + 32);
	return c == '^' && how == IRC_CASE_RFC1459 ? '~' : c;
}

void
irc_fold(enum irc_casemapping how, const char *s, char *out, size_t size)
{
	size_t i;

	for (i = 0; s[i] && i + 1 < size; i++)
		out[i] = fold_char(how, s[i]);
	out[i] = '\0';
}

bool
irc_same(enum irc_casemapping how, const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (fold_char(how, *a) != fold_char(how, *b))
			return false;
	return *a == *b;
}

bool
irc_same_n(enum irc_casemapping how, const char *a, size_t n, const char *b)
{
	for (; n && *b; n--, a++, b++)
		if (fold_char(how, *a) != fold_char(how, *b))
			return false;
	return !n && !*b;
}

bool
irc_is_channel(const struct irc_isupport *is, const char *name)
{
	return *name && strchr(is->chantypes, *name) && name[1];
}

uint8_t
irc_ranks_of(const struct irc_isupport *is, const char **nick)
{
	uint8_t ranks = 0;
	const char *at;

	for (; **nick && (at = strchr(is->rank_signs, **nick)); ++*nick)
		ranks |= (uint8_t)(1u << (at - is->rank_signs));
	return ranks;
}

uint8_t
irc_rank_of_mode(const struct irc_isupport *is, char mode)
{
	const char *at = strchr(is->rank_modes, mode);

	return at && mode ? (uint8_t)(1u << (at - is->rank_modes)) : 0;
}

bool
irc_mode_has_param(const struct irc_isupport *is, char mode, bool set)
{
	return strchr(is->rank_modes, mode) || strchr(is->modes_list, mode) || strchr(is->modes_always, mode) ||
	       (set && strchr(is->modes_set, mode));
}
