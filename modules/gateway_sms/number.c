/*
 * number: see number.h.
 */
#include "gateway_sms/number.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gateway_sms/gsm7.h"

/* E.164 §6: 15 digits at most. The shortest that are in use have 7 with their country. */
#define LONGEST 15
#define SHORTEST 7
#define SHORT_LONGEST 6
#define SHORT_SHORTEST 3
#define NAME_LONGEST 20

static bool
all_digits(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == 0;
}

static enum number_kind
international(const char *digits, char out[NUMBER_SIZE])
{
	size_t n = strlen(digits);

	if (!all_digits(digits) || *digits == '0' || n < SHORTEST || n > LONGEST)
		return NUMBER_NONE;
	snprintf(out, NUMBER_SIZE, "+%s", digits);
	return NUMBER_INTERNATIONAL;
}

static enum number_kind
national(const struct number_plan *plan, const char *digits, char out[NUMBER_SIZE])
{
	char whole[LONGEST + 2];
	size_t trunk = strlen(plan->trunk);

	if (!*plan->country)
		return NUMBER_NONE;
	if (trunk && !strncmp(digits, plan->trunk, trunk))
		digits += trunk;
	if (snprintf(whole, sizeof(whole), "%s%s", plan->country, digits) >= (int)sizeof(whole))
		return NUMBER_NONE;
	return international(whole, out);
}

static enum number_kind
digits_only(const struct number_plan *plan, const char *s, char out[NUMBER_SIZE])
{
	size_t n = strlen(s), trunk = strlen(plan->trunk);

	if (!strncmp(s, "00", 2))
		return international(s + 2, out);
	if (n >= SHORT_SHORTEST && n <= SHORT_LONGEST) {
		snprintf(out, NUMBER_SIZE, "%s", s);
		return NUMBER_SHORT;
	}
	if (trunk && !strncmp(s, plan->trunk, trunk))
		return national(plan, s, out);
	return NUMBER_NONE;
}

static enum number_kind
name(const char *s, char out[NUMBER_SIZE])
{
	size_t n = strlen(s), letters = 0;

	if (!n || n >= NUMBER_SIZE)
		return NUMBER_NONE;
	for (size_t i = 0; i < n; i++) {
		if ((uint8_t)s[i] < ' ' || s[i] == 0x7f)
			return NUMBER_NONE;
		letters += !isdigit((uint8_t)s[i]) && s[i] != '+' && s[i] != ' ';
		out[i] = (char)tolower((uint8_t)s[i]);
	}
	out[n] = 0;
	return letters ? NUMBER_NAME : NUMBER_NONE;
}

enum number_kind
number_parse(const struct number_plan *plan, const char *s, char out[NUMBER_SIZE])
{
	if (*s == '+')
		return international(s + 1, out);
	if (all_digits(s))
		return digits_only(plan, s, out);
	return strlen(s) <= NAME_LONGEST ? name(s, out) : NUMBER_NONE;
}

enum number_kind
number_kind(const char *canonical)
{
	if (*canonical == '+')
		return NUMBER_INTERNATIONAL;
	return all_digits(canonical) ? NUMBER_SHORT : *canonical ? NUMBER_NAME : NUMBER_NONE;
}

void
number_put(const char *canonical, struct pdu_address *out)
{
	enum number_kind kind = number_kind(canonical);

	out->ton = kind == NUMBER_INTERNATIONAL ? TON_INTERNATIONAL : kind == NUMBER_NAME ? TON_ALPHANUMERIC : TON_UNKNOWN;
	out->npi = kind == NUMBER_NAME ? NPI_UNKNOWN : NPI_ISDN;
	snprintf(out->digits, sizeof(out->digits), "%s", canonical + (kind == NUMBER_INTERNATIONAL));
}

/* What is left is said as it came: in the GSM alphabet, as providers have it. Digits that are no number are told apart from numbers by a sign. */
static enum number_kind
as_name(const char *s, char out[NUMBER_SIZE])
{
	struct buf text = { 0 };
	enum number_kind kind;

	if (all_digits(s))
		buf_addc(&text, '#');
	gsm7_decode((const uint8_t *)s, strlen(s), &text);
	kind = name(buf_str(&text), out);
	buf_fini(&text);
	return kind;
}

enum number_kind
number_get(const struct number_plan *plan, const struct pdu_address *in, char out[NUMBER_SIZE])
{
	const char *s = in->digits + (*in->digits == '+');
	enum number_kind kind = NUMBER_NONE;

	if (in->ton == TON_ALPHANUMERIC || !all_digits(s))
		return as_name(in->digits, out);
	if (in->ton == TON_INTERNATIONAL || *in->digits == '+')
		kind = international(s, out);
	/* Where the country is not known that is nobody: with a "+" in front it would be somebody else's number. */
	if (kind == NUMBER_NONE && in->ton == TON_NATIONAL)
		return strlen(s) <= SHORT_LONGEST ? digits_only(plan, s, out) : national(plan, s, out);
	if (kind == NUMBER_NONE)
		kind = digits_only(plan, s, out);
	/* Many say nothing of the type, and mean this. */
	if (kind == NUMBER_NONE)
		kind = international(s, out);
	return kind == NUMBER_NONE ? as_name(in->digits, out) : kind;
}
