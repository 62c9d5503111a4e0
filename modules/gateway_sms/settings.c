/*
 * settings: see settings.h.
 */
#include "gateway_sms/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"

enum kind { KIND_STRING, KIND_NUMBER, KIND_CHOICE, KIND_BOOL };

static const struct row {
	const char *name;
	enum kind kind;
	size_t at;
	const char *text;          /* default; NULL: must be given */
	const char *words;         /* of a choice */
	unsigned def, lowest, highest;
} rows[] = {
#define AT(name) offsetof(struct sms_settings, name)
#define STRING(name, def, most, about) { #name, KIND_STRING, AT(name), def, NULL, 0, 0, most },
#define NUMBER(name, def, lowest, highest, about) { #name, KIND_NUMBER, AT(name), NULL, NULL, def, lowest, highest },
#define CHOICE(name, def, words, about) { #name, KIND_CHOICE, AT(name), def, words, 0, 0, 0 },
#define BOOL(name, def, about) { #name, KIND_BOOL, AT(name), NULL, NULL, def, 0, 1 },
	SETTINGS_TABLE(STRING, NUMBER, CHOICE, BOOL)
#undef STRING
#undef NUMBER
#undef CHOICE
#undef BOOL
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Which of the words it is, or -1. */
static int
choice(const char *words, const char *s)
{
	size_t n = strlen(s);
	int i = 0;

	for (const char *w = words; *w; i++) {
		size_t k = strcspn(w, " ");

		if (k == n && !memcmp(w, s, n))
			return i;
		w += k + (w[k] == ' ');
	}
	return -1;
}

static int
set_string(void *to, const struct row *r, const json_t *v, struct err *e)
{
	const char *s = v ? json_string_value(v) : r->text;

	if (!s || (!r->text && !*s))
		return err_set(e, 0, "%s: %s", r->name, v ? "must be a text" : "is missing");
	if (strlen(s) > r->highest)
		return err_set(e, 0, "%s: more than %u bytes", r->name, r->highest);
	*(char **)to = mem_strdup(s);
	return 0;
}

static int
set_number(void *to, const struct row *r, const json_t *v, struct err *e)
{
	if (v && (!json_is_integer(v) || json_integer_value(v) < r->lowest || json_integer_value(v) > r->highest))
		return err_set(e, 0, "%s: must be a number from %u to %u", r->name, r->lowest, r->highest);
	*(unsigned *)to = v ? (unsigned)json_integer_value(v) : r->def;
	return 0;
}

static int
set_choice(void *to, const struct row *r, const json_t *v, struct err *e)
{
	const char *s = v ? json_string_value(v) : r->text;
	int i = s ? choice(r->words, s) : -1;

	if (i < 0)
		return err_set(e, 0, "%s: must be one of: %s", r->name, r->words);
	*(unsigned *)to = (unsigned)i;
	return 0;
}

static int
set_bool(void *to, const struct row *r, const json_t *v, struct err *e)
{
	if (v && !json_is_boolean(v))
		return err_set(e, 0, "%s: must be true or false", r->name);
	*(bool *)to = v ? json_is_true(v) : r->def;
	return 0;
}

static int
set(struct sms_settings *s, const struct row *r, const json_t *v, struct err *e)
{
	static int (*const setters[])(void *, const struct row *, const json_t *, struct err *) = {
		[KIND_STRING] = set_string, [KIND_NUMBER] = set_number, [KIND_CHOICE] = set_choice, [KIND_BOOL] = set_bool,
	};

	return setters[r->kind]((char *)s + r->at, r, v, e);
}

static int
only_known(const json_t *network, struct err *e)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)network, key, value) {
		size_t i = 0;

		while (i < ROWS && strcmp(rows[i].name, key) != 0)
			i++;
		if (i == ROWS)
			return err_set(e, 0, "%s: no such setting", key);
	}
	return 0;
}

/* What follows from several. */
static int
derive(struct sms_settings *s, struct err *e)
{
	static const enum coding alphabets[] = { CODING_GSM7, CODING_GSM7_PACKED, CODING_ASCII, CODING_LATIN1 };
	char sender[NUMBER_SIZE];

	if (strspn(s->country, "0123456789") != strlen(s->country) || strspn(s->trunk, "0123456789") != strlen(s->trunk))
		return err_set(e, 0, "country, trunk: digits only");
	s->plan = (struct number_plan){ s->country, s->trunk };
	s->way = (struct coding_way){ alphabets[s->alphabet], s->latin1, (enum coding_long)s->long_messages, s->parts };
	switch (number_parse(&s->plan, s->sender, sender)) {
	case NUMBER_NONE:
		return err_set(e, 0, "sender: neither a number (+33612345678, 38123) nor a name");
	case NUMBER_NAME: /* As it is written. */
		if (strlen(s->sender) > 11)
			return err_set(e, 0, "sender: a name has 11 characters at most");
		number_put(s->sender, &s->source);
		break;
	default:
		number_put(sender, &s->source);
	}
	if (s->sender_ton != 255)
		s->source.ton = (uint8_t)s->sender_ton;
	if (s->sender_npi != 255)
		s->source.npi = (uint8_t)s->sender_npi;
	return 0;
}

struct sms_settings *
sms_settings_new(const json_t *network, struct err *e)
{
	struct sms_settings *s = NEW(struct sms_settings);
	int rc = network && !json_is_object(network) ? err_set(e, 0, "must be an object") : 0;

	if (!rc)
		rc = only_known(network, e);
	for (size_t i = 0; i < ROWS && !rc; i++)
		rc = set(s, &rows[i], json_object_get(network, rows[i].name), e);
	if (!rc)
		rc = derive(s, e);
	if (!rc)
		return s;
	sms_settings_free(s);
	return NULL;
}

void
sms_settings_free(struct sms_settings *s)
{
	if (!s)
		return;
	if (s->password)
		crypt_wipe(s->password, strlen(s->password));
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].kind == KIND_STRING)
			free(*(char **)((char *)s + rows[i].at));
	free(s);
}
