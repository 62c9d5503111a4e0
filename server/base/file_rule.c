/*
 * file_rule: see file_rule.h. Read anew for each question: they are few and short, and there is nothing to keep in step with the settings.
 */
#include "base/file_rule.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define VALUE_MAX 256

enum key { KEY_GROUP, KEY_FROM, KEY_TO, KEY_TYPE, KEY_LARGER, KEY_ENCRYPTED, KEYS };

static const char *const keys[KEYS] = { "group", "from", "to", "type", "larger", "encrypted" };

struct condition {
	enum key key;
	char value[VALUE_MAX]; /* "" of KEY_ENCRYPTED */
};

/* Reading */

static bool
read_key(const char **s, enum key *key)
{
	size_t n = strcspn(*s, "= ");

	for (unsigned i = 0; i < KEYS; i++)
		if (strlen(keys[i]) == n && !memcmp(*s, keys[i], n)) {
			*key = (enum key)i;
			*s += n;
			return (**s == '=') == (i != KEY_ENCRYPTED);
		}
	return false;
}

/* Up to a space, or between quotes. */
static bool
read_value(const char **s, char value[VALUE_MAX])
{
	bool quoted = **s == '"';
	size_t n;

	*s += quoted;
	n = strcspn(*s, quoted ? "\"" : " \"");
	if (!n || n >= VALUE_MAX || (quoted && (*s)[n] != '"'))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)(*s)[i] < ' ')
			return false;
	memcpy(value, *s, n);
	value[n] = '\0';
	*s += n + quoted;
	return true;
}

/* 1: one more; 0: the end; -1: not of the form. */
static int
next(const char **s, struct condition *c)
{
	size_t spaces = strspn(*s, " ");

	*s += spaces;
	if (!**s)
		return 0;
	c->value[0] = '\0';
	if (!spaces || !read_key(s, &c->key))
		return -1;
	if (c->key == KEY_ENCRYPTED)
		return 1;
	++*s;
	return read_value(s, c->value) ? 1 : -1;
}

static bool
read_action(const char **s, bool *allow)
{
	*allow = !strncmp(*s, "allow", 5);
	if (!*allow && strncmp(*s, "deny", 4) != 0)
		return false;
	*s += *allow ? 5 : 4;
	return true;
}

/* Digits, and k, m or g as in other settings. */
static bool
read_size(const char *s, uint64_t *out)
{
	size_t n = strspn(s, "0123456789");
	unsigned shift = s[n] == 'k' ? 10 : s[n] == 'm' ? 20 : s[n] == 'g' ? 30 : 0;

	if (s[n] && (!shift || s[n + 1]))
		return false;
	if (!text_u64(s, n, 0, INT64_MAX >> shift, out))
		return false;
	*out <<= shift;
	return true;
}

static bool
is_type(const char *s)
{
	const char *slash = strchr(s, '/');

	return slash && slash != s && !strpbrk(s, "*; \t") && (!slash[1] || text_is_media_type(s));
}

/* As they are in addresses: in what DNS makes of them (RFC 5890 §2.3.2.1) nobody would find them. */
static bool
is_domain(const char *s)
{
	s += strncmp(s, "*.", 2) ? 0 : 2;
	return *s && !strpbrk(s, "*/@\t") && !strcasestr(s, "xn--") && s[strlen(s) - 1] != '.';
}

static bool
is_good(const struct condition *c)
{
	uint64_t size;

	switch (c->key) {
	case KEY_FROM:
	case KEY_TO:
		return is_domain(c->value);
	case KEY_TYPE:
		return is_type(c->value);
	case KEY_LARGER:
		return read_size(c->value, &size);
	default:
		return true;
	}
}

bool
file_rule_is_valid(const char *rule)
{
	struct condition c;
	unsigned seen = 0;
	bool allow;
	int rc;

	if (!read_action(&rule, &allow))
		return false;
	while ((rc = next(&rule, &c)) > 0) {
		if ((seen & 1u << c.key) || !is_good(&c))
			return false;
		seen |= 1u << c.key;
	}
	return !rc && !((seen & 1u << KEY_ENCRYPTED) && (seen & (1u << KEY_TYPE | 1u << KEY_LARGER)));
}

bool
file_rule_domains(const char *rule, bool (*is)(const char *domain))
{
	struct condition c;
	bool allow;

	if (!read_action(&rule, &allow))
		return false;
	while (next(&rule, &c) > 0)
		if ((c.key == KEY_FROM || c.key == KEY_TO) && !is(c.value + (strncmp(c.value, "*.", 2) ? 0 : 2)))
			return false;
	return true;
}

/* Matching */

enum match { NO, YES, UNKNOWN };

bool
file_type_is(const char *type, const char *pattern)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '/')
		return !strncasecmp(type, pattern, n);
	return strcspn(type, "; \t") == n && !strncasecmp(type, pattern, n);
}

bool
file_group_is_in(const char *groups, const char *group)
{
	size_t n = strlen(group);

	for (const char *g = groups; *g; g += strcspn(g, "\n"), g += *g == '\n')
		if (strcspn(g, "\n") == n && !memcmp(g, group, n))
			return true;
	return false;
}

static enum match
domain_match(const char *domain, bool remote, const char *pattern)
{
	size_t n, m;

	if (!domain)
		return UNKNOWN;
	if (!strcmp(pattern, "local") || !strcmp(pattern, "remote"))
		return remote == (*pattern == 'r') ? YES : NO;
	if (strncmp(pattern, "*.", 2) != 0)
		return strcasecmp(domain, pattern) ? NO : YES;
	n = strlen(domain);
	m = strlen(++pattern);
	return n > m && !strcasecmp(domain + n - m, pattern) ? YES : NO;
}

static enum match
match_one(const struct condition *c, const struct file_facts *f, bool allow)
{
	uint64_t size;

	switch (c->key) {
	case KEY_GROUP:
		return !f->groups ? UNKNOWN : file_group_is_in(f->groups, c->value) ? YES : NO;
	case KEY_FROM:
		return domain_match(f->from, f->from_remote, c->value);
	case KEY_TO:
		return domain_match(f->to, f->to_remote, c->value);
	case KEY_TYPE:
		if (!f->type)
			return UNKNOWN;
		return *f->type ? file_type_is(f->type, c->value) ? YES : NO : allow ? NO : YES;
	case KEY_LARGER:
		return !f->has_size ? UNKNOWN : read_size(c->value, &size) && f->size > size ? YES : NO;
	default:
		return f->encrypted ? YES : NO;
	}
}

static enum match
match(const char *rule, const struct file_facts *f, bool *allow)
{
	struct condition c;
	enum match all = YES;
	bool for_encrypted = false;

	if (!read_action(&rule, allow))
		return NO;
	while (next(&rule, &c) > 0) {
		enum match one = match_one(&c, f, *allow);

		if (one == NO)
			return NO;
		if (one == UNKNOWN)
			all = UNKNOWN;
		for_encrypted |= c.key == KEY_ENCRYPTED;
	}
	return *allow && f->encrypted && !for_encrypted ? NO : all;
}

enum file_say
file_rules_say(const char *const *rules, size_t n, const struct file_facts *f)
{
	for (size_t i = 0; i < n; i++) {
		bool allow;
		enum match m = match(rules[i], f, &allow);

		if (m == YES)
			return allow ? FILE_SAY_ALLOW : FILE_SAY_DENY;
		/* What may be denied later is denied then. */
		if (m == UNKNOWN && f->more && allow)
			return FILE_SAY_LATER;
	}
	return FILE_SAY_NOTHING;
}
