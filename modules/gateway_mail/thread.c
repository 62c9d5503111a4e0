/*
 * thread: References as RFC 5322 §3.6.4 has them, shortened in the middle.
 */
#include "thread.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "base/crypt.h"
#include "base/text.h"

#define HASH_CHARS 24

void
thread_clear(struct thread *t)
{
	t->n = 0;
	t->subject[0] = '\0';
}

/* What may stand in References where SMTPUTF8 is not spoken (RFC 5322 §3.6.4): strict mail systems refuse all else. */
static bool
may_be_referred_to(const char *id)
{
	size_t len = strlen(id);

	for (size_t i = 0; i < len; i++)
		if (id[i] <= ' ' || id[i] > '~' || id[i] == '<' || id[i] == '>')
			return false;
	return len > 0 && len <= THREAD_ID_MAX;
}

void
thread_add(struct thread *t, const char *id)
{
	if (!may_be_referred_to(id))
		return;
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->ids[i], id))
			return;
	if (t->n == THREAD_REFERENCES) {
		memmove(t->ids[1], t->ids[2], (THREAD_REFERENCES - 2) * sizeof(t->ids[0]));
		t->n--;
	}
	memcpy(t->ids[t->n++], id, strlen(id) + 1);
}

/* "Re: ", "AW[2]: "…: two or three letters, perhaps a number. */
static const char *
skip_answer(const char *s)
{
	static const char *const marks[] = { "re", "aw", "sv", "vs", "antw", "odp", "rif", "ref", "res", "r", NULL };

	for (bool more = true; more;) {
		s += strspn(s, " \t");
		more = false;
		for (size_t i = 0; marks[i] && !more; i++) {
			size_t n = strlen(marks[i]);

			if (strncasecmp(s, marks[i], n))
				continue;
			if (s[n] == '[')
				n += strcspn(s + n, "]") + 1;
			if (strlen(s) > n && s[n] == ':') {
				s += n + 1;
				more = true;
			}
		}
	}
	return s;
}

/* What is kept of a subject: from where, and how much. */
static const char *
kept_subject(const char *subject, size_t *n)
{
	const char *s = skip_answer(subject);

	*n = strlen(s);
	/* Not within a character. */
	if (*n > THREAD_SUBJECT_MAX)
		for (*n = THREAD_SUBJECT_MAX; *n > 0 && ((unsigned char)s[*n] & 0xc0) == 0x80;)
			--*n;
	return s;
}

bool
thread_has_subject(const struct thread *t, const char *subject)
{
	size_t n;
	const char *s = kept_subject(subject, &n);

	return strlen(t->subject) == n && !memcmp(t->subject, s, n);
}

bool
thread_set_subject(struct thread *t, const char *subject)
{
	size_t n;
	const char *s = kept_subject(subject, &n);

	if (thread_has_subject(t, subject))
		return false;
	memcpy(t->subject, s, n);
	t->subject[n] = '\0';
	return true;
}

void
thread_read(struct thread *t, const char *json)
{
	json_t *root = json ? json_loads(json, 0, NULL) : NULL, *ids = json_object_get(root, "ids"), *id;
	const char *subject = json_string_value(json_object_get(root, "subject"));
	size_t i;

	thread_clear(t);
	json_array_foreach(ids, i, id)
		if (json_is_string(id))
			thread_add(t, json_string_value(id));
	if (subject)
		(void)thread_set_subject(t, subject);
	json_decref(root);
}

void
thread_write(const struct thread *t, struct buf *out)
{
	json_t *ids = json_array(), *root;
	char *text;

	for (size_t i = 0; i < t->n; i++)
		json_array_append_new(ids, json_string(t->ids[i]));
	root = json_pack("{s:o, s:s}", "ids", ids, "subject", t->subject);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (text)
		buf_adds(out, text);
	free(text);
	json_decref(root);
}

/* Ids */

/* An id of a message that may stand in one of a mail. */
static bool
is_plain(const char *id)
{
	size_t n = strlen(id);

	return n > 0 && n <= 64 && strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == n;
}

const char *
thread_id(struct arena *a, const uint8_t *key, const char *domain, const char *user, const char *to, const char *id, const char *body)
{
	char hex[2 * SHA256_SIZE + 1], mac[TOKEN_CHARS + 1];
	struct buf b = { 0 };
	uint8_t sum[SHA256_SIZE];
	const char *left, *named;

	/* Clients may use an id again: what was said is part of it. */
	buf_add(&b, user, strlen(user) + 1);
	buf_add(&b, to, strlen(to) + 1);
	buf_add(&b, id, strlen(id) + 1);
	buf_add(&b, body, strlen(body) + 1);
	crypt_sha256(buf_data(&b), buf_len(&b), sum);
	buf_fini(&b);
	text_hex(sum, sizeof(sum), hex);
	hex[HASH_CHARS] = '\0';
	named = is_plain(id) ? arena_printf(a, "%s.%s", id, hex) : arena_strdup(a, hex);
	address_token(key, "of", named, user, mac);
	left = arena_printf(a, "%s.%s", named, mac);
	address_token(key, "id", left, "", mac);
	return arena_printf(a, "%s.%s@%s", left, mac, domain);
}

bool
thread_is_ours(struct arena *a, const uint8_t *key, const char *domain, const char *id)
{
	const char *at = strrchr(id, '@'), *dot = at ? memrchr(id, '.', (size_t)(at - id)) : NULL;
	char mac[TOKEN_CHARS + 1];

	if (!dot || strcasecmp(at + 1, domain) || at - dot - 1 != TOKEN_CHARS)
		return false;
	address_token(key, "id", arena_strndup(a, id, (size_t)(dot - id)), "", mac);
	return crypt_equal(mac, dot + 1, TOKEN_CHARS);
}

bool
thread_is_of(struct arena *a, const uint8_t *key, const char *domain, const char *user, const char *id)
{
	const char *dot = thread_is_ours(a, key, domain, id) ? memrchr(id, '.', (size_t)(strrchr(id, '@') - id) - TOKEN_CHARS - 1) : NULL;
	char mac[TOKEN_CHARS + 1];

	if (!dot)
		return false;
	address_token(key, "of", arena_strndup(a, id, (size_t)(dot - id)), user, mac);
	return dot[1 + TOKEN_CHARS] == '.' && crypt_equal(mac, dot + 1, TOKEN_CHARS);
}
