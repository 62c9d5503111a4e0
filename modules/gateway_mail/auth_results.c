/*
 * auth_results: RFC 8601 §2.2, as far as it is used: method=result, with properties behind it.
 */
#include "auth_results.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "address.h"

#define WORD 256

/* Results, best first (RFC 8601 §2.7). */
static const char *const results[] = { "pass", "policy", "neutral", "softfail", "fail", "temperror", "permerror", "none" };

enum method { DKIM, SPF, DMARC, OTHER };

/* Blanks and comments, which nest. */
static const char *
skip(const char *p)
{
	unsigned depth = 0;

	for (; *p; p++) {
		if (*p == '(')
			depth++;
		else if (*p == ')' && depth > 0)
			depth--;
		else if (*p == '\\' && depth > 0 && p[1])
			p++;
		else if (depth == 0 && *p != ' ' && *p != '\t' && *p != '\r' && *p != '\n')
			break;
	}
	return p;
}

/* A word or a quoted text at `p`, cut to what there is room for; behind it. */
static const char *
take_word(const char *p, char out[WORD])
{
	size_t n = 0;

	p = skip(p);
	if (*p == '"') {
		for (p++; *p && *p != '"'; p++) {
			if (*p == '\\' && p[1])
				p++;
			if (n + 1 < WORD)
				out[n++] = *p;
		}
		p += *p == '"';
	} else {
		for (; *p && !strchr(" \t\r\n;=()\"", *p); p++)
			if (n + 1 < WORD)
				out[n++] = *p;
	}
	out[n] = '\0';
	return p;
}

static enum method
method_of(char *word)
{
	/* "dkim/1" is a version. */
	word[strcspn(word, "/")] = '\0';
	return !strcasecmp(word, "dkim") ? DKIM : !strcasecmp(word, "spf") ? SPF : !strcasecmp(word, "dmarc") ? DMARC : OTHER;
}

static size_t
rank(const char *result)
{
	size_t i = 0;

	while (i + 1 < sizeof(results) / sizeof(results[0]) && strcasecmp(result, results[i]))
		i++;
	return i;
}

static void
keep_best(const char **have, const char *result)
{
	size_t i = rank(result);

	if (i < rank(*have))
		*have = results[i];
}

/* The check was for the domain in From or for one that it is below (RFC 7489 §3.1.1, relaxed). One below it is not enough: without a list of
 * registries nobody can say whether both are the same organisation's. */
static bool
is_for(const char *checked, const char *domain)
{
	const char *at = strrchr(checked, '@');

	checked = at ? at + 1 : checked;
	return strchr(checked, '.') && address_is_below(domain, checked);
}

/* A property that says for which domain the check was. */
static bool
names_domain(enum method m, const char *property)
{
	return (m == DKIM && (!strcasecmp(property, "header.d") || !strcasecmp(property, "header.i"))) ||
		(m == SPF && !strcasecmp(property, "smtp.mailfrom")) || (m == DMARC && !strcasecmp(property, "header.from"));
}

/* method=result property=value…, up to ';' or the end. */
static const char *
take_check(struct auth_results *r, const char *p, const char *domain)
{
	char word[WORD], result[WORD], value[WORD];
	const char **have[] = { &r->dkim, &r->spf, &r->dmarc };
	bool aligned = false;
	enum method m;

	p = take_word(p, word);
	m = method_of(word);
	p = skip(p);
	if (*p != '=')
		return *p == ';' ? p + 1 : p + strlen(p);
	p = skip(take_word(p + 1, result));
	while (*p && *p != ';') {
		const char *start = p;

		p = skip(take_word(p, word));
		if (*p == '=') {
			p = skip(take_word(p + 1, value));
			aligned |= names_domain(m, word) && is_for(value, domain);
		}
		/* What else there is may be the sender's own words, badly quoted. */
		if (p == start)
			return p + strlen(p);
	}
	if (m != OTHER) {
		keep_best(have[m], result);
		r->passed |= aligned && !strcasecmp(result, "pass");
		/* A signature that fails says nothing: mailing lists break them. */
		r->failed |= aligned && m == SPF && !strcasecmp(result, "fail");
	}
	return p + (*p == ';');
}

void
auth_results_add(struct auth_results *r, const char *value, const char *authserv_id, const char *domain)
{
	char word[WORD];
	const char *p = take_word(value, word);

	if (!*word || strcasecmp(word, authserv_id))
		return;
	/* A version may stand behind the name. */
	p += strcspn(p, ";");
	while (*p)
		p = *p == ';' ? p + 1 : take_check(r, p, domain);
}

enum sender_proof
auth_results_proof(const struct auth_results *r)
{
	if (!strcmp(r->dmarc, "fail"))
		return SENDER_FORGED;
	return r->passed ? SENDER_PROVEN : r->failed ? SENDER_FORGED : SENDER_UNKNOWN;
}
