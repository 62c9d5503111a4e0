/*
 * gateway_words: see gateway_words.h.
 */
#include "admin/gateway/gateway_words.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/request/request.h"
#include "base/mem.h"
#include "core/config/config.h"
#include "core/gateway/gateway.h"
#include "core/host.h"
#include "xmpp/domain.h"

#define SETTINGS_MAX 65536
#define DEPTH_MAX 16

/* Settings */

static bool
is_secret(const char *key)
{
	static const char *const words[] = {"password", "secret", "token"};
	size_t n = strlen(key);

	/* password_file says where one is. */
	if (n > 5 && strcasecmp(key + n - 5, "_file") == 0)
		return false;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasestr(key, words[i]) != NULL)
			return true;
	return false;
}

static void
hide(json_t *v, int depth)
{
	const char *key;
	json_t *item;
	size_t i;

	if (depth > DEPTH_MAX)
		return;
	if (json_is_array(v))
		json_array_foreach(v, i, item)
			hide(item, depth + 1);
	json_object_foreach(v, key, item)
	{
		if (is_secret(key) && !json_is_null(item))
			json_object_set_new(v, key, json_string(GATEWAY_HIDDEN));
		else
			hide(item, depth + 1);
	}
}

json_t *
gateway_words_hide(json_t *v)
{
	hide(v, 0);
	return v != NULL ? v : json_object();
}

/* -1: something is hidden that is not known, or it is too deep. */
static int
restore(json_t *v, const json_t *old, int depth, struct err *e)
{
	const char *key;
	json_t *item;
	size_t i;

	if (depth > DEPTH_MAX)
		return err_set(e, 0, "settings: more than %d within one another", DEPTH_MAX);
	if (json_is_array(v))
		json_array_foreach(v, i, item)
			if (restore(item, json_array_get(old, i), depth + 1, e) != 0)
				return -1;
	json_object_foreach(v, key, item)
	{
		json_t *was = json_object_get(old, key);
		const char *text = json_string_value(item);

		if (text != NULL && is_secret(key) && strcmp(text, GATEWAY_HIDDEN) == 0) {
			if (was == NULL)
				return err_set(e, 0, "settings: %.60s is hidden (" GATEWAY_HIDDEN ") and was not set before", key);
			json_object_set(v, key, was);
		} else if (restore(item, was, depth + 1, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* The addresses of files that were uploaded here begin so. False: nobody can upload. */
static bool
upload_url(const char *host, char *out, size_t size)
{
	struct config *c = config_get();
	bool any = c->listen.https.n > 0;
	const char *port = any ? strrchr(c->listen.https.item[0], ':') : NULL;
	char ascii[1024];

	if (domain_to_ascii(host, ascii, sizeof ascii) < 0)
		snprintf(ascii, sizeof ascii, "%s", host);
	if (*c->web.url != '\0')
		snprintf(out, size, "%s/upload/", c->web.url);
	else
		snprintf(out, size, "https://%s%s/upload/", ascii, port != NULL && strcmp(port, ":443") != 0 ? port : "");
	config_unref(c);
	return any;
}

static void
add_upload(json_t *settings, const char *host)
{
	char text[4096];

	snprintf(text, sizeof text, "upload.%s", host);
	if (json_object_get(settings, "upload") == NULL)
		json_object_set_new(settings, "upload", json_string(text));
	if (json_object_get(settings, "upload_url") == NULL && upload_url(host, text, sizeof text))
		json_object_set_new(settings, "upload_url", json_string(text));
}

/* Keys that all gateways have (modules/gateway/README.md). What a network's page shows goes into `network`; the program would overlook it elsewhere. */
static int
check_keys(const json_t *settings, struct err *e)
{
	static const char *const keys[] = {"network", "modes", "disclaimer", "limits", "upload", "upload_url", "upload_at", "ca_file", "fetch_ports", "fetch_private"};
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)settings, key, v)
	{
		size_t i = 0;

		while (i < sizeof keys / sizeof *keys && strcmp(keys[i], key) != 0)
			i++;
		if (i == sizeof keys / sizeof *keys)
			return err_set(e, 0, "settings: there is no %.60s; what belongs to the network goes into the object network: {\"network\": {…}}", key);
	}
	return 0;
}

char *
gateway_words_settings(const json_t *given, const json_t *old, const char *domain, struct err *e)
{
	json_t *copy = given != NULL ? json_deep_copy(given) : json_object();
	char *text = NULL;

	if (!json_is_object(copy)) {
		err_set(e, 0, "settings: expected an object");
	} else if (restore(copy, old, 0, e) == 0 && check_keys(copy, e) == 0) {
		add_upload(copy, gateway_host(domain)->domain);
		text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
	}
	if (text != NULL && strlen(text) > SETTINGS_MAX) {
		request_text_free(text);
		text = NULL;
		err_set(e, 0, "settings: longer than %d bytes", SETTINGS_MAX);
	}
	json_decref(copy);
	return text;
}

/* Rights */

json_t *
gateway_words_rights(unsigned rights)
{
	json_t *list = json_array();
	const char *name;

	for (unsigned i = 0; (name = gateway_right_name(i)) != NULL; i++)
		if (rights & 1U << i)
			json_array_append_new(list, json_string(name));
	return list;
}

int
gateway_words_read_rights(const json_t *list, int64_t *rights, struct err *e)
{
	size_t i;
	json_t *v;

	*rights = list != NULL ? 0 : GATEWAY_USUAL;
	if (list != NULL && (!json_is_array(list) || json_array_size(list) == 0))
		return err_set(e, 0, "rights: a list of send, receive, send-file, receive-file, join, own-account");
	json_array_foreach(list, i, v) {
		unsigned right = json_is_string(v) ? gateway_right_find(json_string_value(v)) : 0;

		if (right == 0)
			return err_set(e, 0, "rights are send, receive, send-file, receive-file, join and own-account");
		*rights |= right;
	}
	return 0;
}

static json_t *
rule_of(char *line)
{
	char *allowed = strsep(&line, " "), *rights = strsep(&line, " "), *per_minute = strsep(&line, " ");
	bool may = *allowed == 't';
	json_t *rule;

	if (rights == NULL || per_minute == NULL || line == NULL)
		return json_null();
	rule = json_pack("{s:s, s:s}", "group", line, "rule", may ? "allow" : "deny");
	if (may) {
		json_object_set_new(rule, "rights", gateway_words_rights((unsigned)strtoul(rights, NULL, 10)));
		json_object_set_new(rule, "per_minute", json_integer((json_int_t)strtoul(per_minute, NULL, 10)));
	}
	return rule;
}

json_t *
gateway_words_rules(const char *lines)
{
	char *copy = mem_strdup(lines), *rest = copy, *line;
	json_t *list = json_array();

	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			json_array_append_new(list, rule_of(line));
	free(copy);
	return list;
}
