/*
 * settings: a table of keys; what is not in it is refused.
 */
#include "settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/mem.h"

#define PASSWORD_BYTES 1024

struct key {
	const char *name;
	size_t at;
};

static const struct key texts[] = {
	{ "domain", offsetof(struct mail_settings, domain) },
	{ "from_name", offsetof(struct mail_settings, from_name) },
	{ "subject", offsetof(struct mail_settings, subject) },
	{ "relay", offsetof(struct mail_settings, relay) },
	{ "ca_file", offsetof(struct mail_settings, ca_file) },
	{ "user", offsetof(struct mail_settings, user) },
	{ "password", offsetof(struct mail_settings, password) },
	{ "helo", offsetof(struct mail_settings, helo) },
	{ "listen", offsetof(struct mail_settings, listen) },
	{ "authserv_id", offsetof(struct mail_settings, authserv_id) },
};

static const struct key switches[] = {
	{ "relay_plain", offsetof(struct mail_settings, relay_plain) },
	{ "tokens", offsetof(struct mail_settings, tokens) },
	{ "refuse_forged", offsetof(struct mail_settings, refuse_forged) },
	{ "keep_quotes", offsetof(struct mail_settings, keep_quotes) },
};

static const struct limit {
	const char *name;
	size_t at;
	uint64_t def, min, max;
} limits[] = {
#define ROW(name, def, min, max, help) { #name, offsetof(struct mail_settings, limits.name), def, min, max },
	MAIL_LIMITS_TABLE(ROW)
#undef ROW
#define ROW(name, def, min, max, help) { #name, offsetof(struct mail_settings, read.name), def, min, max },
	READ_LIMITS_TABLE(ROW)
#undef ROW
};

static const char *const automatics[] = { "refuse", "answers", "show" };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void *
member(struct mail_settings *s, size_t at)
{
	return (char *)s + at;
}

/* One key */

static int
set_limits(struct mail_settings *s, const json_t *object, struct err *e)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)object, key, value) {
		for (i = 0; i < COUNT(limits) && strcmp(key, limits[i].name) != 0; i++)
			;
		if (i == COUNT(limits))
			return err_set(e, EINVAL, "limits.%s: there is no such limit", key);
		if (!json_is_integer(value) || json_integer_value(value) < (json_int_t)limits[i].min || json_integer_value(value) > (json_int_t)limits[i].max)
			return err_set(e, EINVAL, "limits.%s: a number from %llu to %llu is expected", key, (unsigned long long)limits[i].min, (unsigned long long)limits[i].max);
		*(uint64_t *)member(s, limits[i].at) = (uint64_t)json_integer_value(value);
	}
	return 0;
}

static int
read_password(struct mail_settings *s, const char *path, struct err *e)
{
	char line[PASSWORD_BYTES];
	FILE *f = fopen(path, "re");
	bool there = f && fgets(line, sizeof(line), f);

	if (f)
		(void)fclose(f);
	if (!there)
		return err_set(e, EINVAL, "password_file: %s cannot be read", path);
	line[strcspn(line, "\r\n")] = '\0';
	s->password = arena_strdup(s->arena, line);
	crypt_wipe(line, sizeof(line));
	return 0;
}

static int
set_key(struct mail_settings *s, const char *key, const json_t *value, struct err *e)
{
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!strcmp(key, texts[i].name)) {
			if (!json_is_string(value) || strpbrk(json_string_value(value), "\r\n"))
				return err_set(e, EINVAL, "%s: a text of one line is expected", key);
			*(const char **)member(s, texts[i].at) = arena_strdup(s->arena, json_string_value(value));
			return 0;
		}
	for (size_t i = 0; i < COUNT(switches); i++)
		if (!strcmp(key, switches[i].name)) {
			if (!json_is_boolean(value))
				return err_set(e, EINVAL, "%s: true or false is expected", key);
			*(bool *)member(s, switches[i].at) = json_is_true(value);
			return 0;
		}
	if (!strcmp(key, "limits") && json_is_object(value))
		return set_limits(s, value, e);
	if (!strcmp(key, "password_file") && json_is_string(value))
		return read_password(s, json_string_value(value), e);
	if (!strcmp(key, "trusted_hops") && json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= 10) {
		s->trusted_hops = (unsigned)json_integer_value(value);
		return 0;
	}
	for (size_t i = 0; !strcmp(key, "automatic") && json_is_string(value) && i < COUNT(automatics); i++)
		if (!strcmp(json_string_value(value), automatics[i])) {
			s->automatic = (enum read_automatic)i;
			return 0;
		}
	return err_set(e, EINVAL, "%s: there is no such setting, or its value is none", key);
}

/* All of them */

static bool
is_loopback(const char *url)
{
	static const char *const hosts[] = { "127.", "localhost:", "localhost/", "[::1]" };
	const char *host = strstr(url, "://");

	for (size_t i = 0; host && i < COUNT(hosts); i++)
		if (!strncmp(host + 3, hosts[i], strlen(hosts[i])))
			return true;
	return host && !strcmp(host + 3, "localhost");
}

static int
check(struct mail_settings *s, struct err *e)
{
	if (!s->relay || (strncmp(s->relay, "smtp://", 7) != 0 && strncmp(s->relay, "smtps://", 8) != 0))
		return err_set(e, EINVAL, "relay: smtp://HOST:PORT or smtps://HOST:PORT is expected");
	/* Messages of people, and a password: nowhere unencrypted. */
	if (s->relay_plain && (!is_loopback(s->relay) || strncmp(s->relay, "smtp://", 7) != 0))
		return err_set(e, EINVAL, "relay_plain: only for smtp:// at a loopback address");
	if (!s->user != !s->password)
		return err_set(e, EINVAL, "user and password go together");
	if (!s->listen)
		return err_set(e, EINVAL, "listen: unix:/PATH, or a loopback address with a port, is expected");
	if (!*s->domain || strpbrk(s->domain, " @<>\""))
		return err_set(e, EINVAL, "domain: a domain is expected");
	return 0;
}

struct mail_settings *
mail_settings_new(const json_t *object, const char *host, struct err *e)
{
	struct mail_settings *s = NEW(struct mail_settings);
	const char *key;
	json_t *value;

	s->arena = arena_new(0);
	s->domain = arena_strdup(s->arena, host);
	s->from_name = "{user}";
	s->subject = "Message from {user}";
	s->helo = s->domain;
	s->trusted_hops = 1;
	for (size_t i = 0; i < COUNT(limits); i++)
		*(uint64_t *)member(s, limits[i].at) = limits[i].def;
	if (!json_is_object(object)) {
		err_set(e, EINVAL, "network: an object is expected");
		goto refused;
	}
	json_object_foreach((json_t *)object, key, value)
		if (set_key(s, key, value, e))
			goto refused;
	if (!check(s, e))
		return s;
refused:
	mail_settings_free(s);
	return NULL;
}

void
mail_settings_free(struct mail_settings *s)
{
	if (!s)
		return;
	if (s->password)
		crypt_wipe((char *)s->password, strlen(s->password));
	arena_free(s->arena);
	free(s);
}

const char *
mail_settings_fill(struct arena *a, const char *text, const char *user)
{
	struct buf b = { 0 };
	const char *at, *out;

	for (; (at = strstr(text, "{user}")); text = at + 6) {
		buf_add(&b, text, (size_t)(at - text));
		buf_adds(&b, user);
	}
	buf_adds(&b, text);
	out = arena_strdup(a, buf_str(&b));
	buf_fini(&b);
	return out;
}
