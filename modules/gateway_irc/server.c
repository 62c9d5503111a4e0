#include "server.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

/* Numbers that can be set: name, member, default, lowest, highest. */
#define NUMBERS(X) \
	X("flood_burst", set.flood_burst, 6, 1, 1000000) \
	X("flood_ms", set.flood_ms, 1000, 1, 60000) \
	X("queue_lines", set.queue_lines, 500, 10, 1000000) \
	X("message_lines", set.message_lines, 20, 1, 1000) \
	X("ping_ms", set.ping_ms, 90000, 100, 3600000) \
	X("answer_ms", set.answer_ms, 30000, 100, 600000) \
	X("login_ms", set.login_ms, 60000, 100, 600000) \
	X("line_bytes", set.line_bytes, 16384, 1024, 1048576) \
	X("channels", set.channels, 100, 1, 10000) \
	X("members", set.members, 20000, 10, 1000000) \
	X("watched", set.watched, 1000, 0, 1000000) \
	X("presence_ms", set.presence_ms, 60000, 100, 3600000) \
	X("connect_ms", connect_ms, 250, 0, 60000) \
	X("address_ms", address_ms, 5000, 100, 60000) \
	X("logins", logins, 10, 1, 10000)

static int
read_numbers(struct irc_server *s, const char *key, const json_t *value, bool *known, struct err *e)
{
	json_int_t n = json_integer_value(value);

#define READ(what, member, def, min, max) \
	if (!strcmp(key, what)) { \
		*known = true; \
		if (!json_is_integer(value) || n < (min) || n > (max)) \
			return err_set(e, 0, "%s.%s must be between %d and %d", s->name, key, (min), (max)); \
		s->member = (unsigned)n; \
	}
	NUMBERS(READ)
#undef READ
	return 0;
}

/* What the settings say of TLS. */
struct files {
	bool on;
	struct irc_tls_files tls;
	const char *certificate, *key;
};

static int
read_key(struct irc_server *s, struct files *files, const char *key, const json_t *value, struct err *e)
{
	const struct {
		const char *key;
		const char **to;
	} texts[] = {
		{ "host", &s->host }, { "nick", &s->nick }, { "realname", &s->realname }, { "user", &s->user }, { "account", &s->account },
		{ "password", &s->password }, { "pass", &s->set.pass }, { "charset", &s->set.charset }, { "charset_out", &s->set.charset_out },
		{ "ca_file", &files->tls.ca_file }, { "certificate", &files->certificate }, { "key", &files->key }, { "fingerprint", &files->tls.pin },
	};
	const char *text = json_string_value(value);
	bool known = false;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(key, texts[i].key))
			continue;
		if (!text || !*text || text[strcspn(text, "\r\n")])
			return err_set(e, 0, "%s.%s must be a line of text", s->name, key);
		*texts[i].to = text;
		return 0;
	}
	if (!strcmp(key, "port") && json_is_integer(value) && json_integer_value(value) > 0 && json_integer_value(value) < 65536)
		s->port = (unsigned)json_integer_value(value);
	else if (!strcmp(key, "tls") && json_is_boolean(value))
		files->on = json_is_true(value);
	else if (!strcmp(key, "verify") && json_is_boolean(value))
		files->tls.verify = json_is_true(value);
	else if (!strcmp(key, "eager") && json_is_boolean(value))
		s->eager = json_is_true(value);
	else if (!strcmp(key, "plain_without_tls") && json_is_boolean(value))
		s->set.plain_without_tls = json_is_true(value);
	else if (!strcmp(key, "users") && text && (!strcmp(text, "each") || !strcmp(text, "shared")))
		s->each = !strcmp(text, "each");
	else if (!strcmp(key, "nicks") && text && (!strcmp(text, "free") || !strcmp(text, "account")))
		s->free_nicks = !strcmp(text, "free");
	else if (!strcmp(key, "login") && text && (!strcmp(text, "sasl") || !strcmp(text, "pass")))
		s->pass_login = !strcmp(text, "pass");
	else if (!strcmp(key, "sasl") && text && (!strcmp(text, "plain") || !strcmp(text, "external")))
		s->sasl = !strcmp(text, "plain") ? IRC_SASL_PLAIN : IRC_SASL_EXTERNAL;
	else if (read_numbers(s, key, value, &known, e))
		return -1;
	else if (!known)
		return err_set(e, 0, "%s.%s is no setting, or has no such value", s->name, key);
	return 0;
}

static int
check_login(const struct irc_server *s, const struct files *files, struct err *e)
{
	if (s->sasl == IRC_SASL_PLAIN && (!s->account || !s->password))
		return err_set(e, 0, "%s.sasl needs account and password", s->name);
	if (s->sasl == IRC_SASL_EXTERNAL && !files->certificate)
		return err_set(e, 0, "%s.sasl needs a certificate", s->name);
	if (files->key && !files->certificate)
		return err_set(e, 0, "%s.key needs a certificate", s->name);
	if (files->certificate && !files->on)
		return err_set(e, 0, "%s.certificate needs tls", s->name);
	return 0;
}

static int
check(struct irc_server *s, struct err *e)
{
	if (!s->host)
		return err_set(e, 0, "%s.host is missing", s->name);
	if (!irc_name_is_sane(s->user) || !irc_name_is_sane(s->nick))
		return err_set(e, 0, "%s: nick and user are words", s->name);
	if ((s->set.charset && !irc_charset_is_known(s->set.charset)) || (s->set.charset_out && !irc_charset_is_known(s->set.charset_out)))
		return err_set(e, 0, "%s: no such charset", s->name);
	return 0;
}

static struct irc_server *
server_new(const char *name, json_t *json, struct err *e)
{
	struct irc_server *s = NEW(struct irc_server);
	struct files files = { .on = true, .tls.verify = true };
	const char *key;
	json_t *value;

	list_init(&s->link);
	list_init(&s->sessions);
	list_init(&s->waiting);
	list_init(&s->stirred);
	s->name = mem_strdup(name);
	s->json = json_deep_copy(json);
	s->each = s->eager = true;
	s->nick = "%u";
	s->user = "chancery";
	s->realname = "XMPP";
	s->set.version = "Chancery " CHANCERY_VERSION;
	s->people = irc_people_new();
#define DEFAULT(what, member, def, min, max) s->member = (def);
	NUMBERS(DEFAULT)
#undef DEFAULT
	json_object_foreach(s->json, key, value)
		if (read_key(s, &files, key, value, e))
			goto fail;
	if (!s->port)
		s->port = files.on ? 6697 : 6667;
	if (check(s, e) || check_login(s, &files, e))
		goto fail;
	if ((files.on && irc_tls_init(&s->tls, &files.tls, e)) || (files.certificate && !(s->certificate = irc_certificate_load(files.certificate, files.key, e)))) {
		err_prefix(e, "%s", name);
		goto fail;
	}
	return s;

fail:
	irc_server_free(s);
	return NULL;
}

static void
timer_closed(uv_handle_t *h)
{
	free(h);
}

void
irc_server_free(struct irc_server *s)
{
	if (!s)
		return;
	list_remove(&s->link);
	if (s->soon)
		uv_close((uv_handle_t *)s->soon, timer_closed);
	ready_free(s->ready);
	irc_people_free(s->people);
	irc_tls_fini(&s->tls);
	irc_certificate_free(s->certificate);
	json_decref(s->json);
	free(s->name);
	free(s);
}

/* What can stand behind a % without being anything else. */
static bool
is_name(const char *name)
{
	return *name && strlen(name) <= 64 && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_")];
}

int
irc_servers_read(struct list *all, const json_t *settings, struct err *e)
{
	json_t *networks = json_object_get(settings, "networks"), *value;
	struct list made;
	const char *name;

	list_init(&made);
	if (!json_object_size(networks))
		return err_set(e, 0, "network.networks names no IRC network");
	json_object_foreach(networks, name, value) {
		struct irc_server *s = NULL;

		if (!is_name(name) || !json_is_object(value))
			err_set(e, 0, "an IRC network has a name of small letters, digits and .-_, and is an object");
		else
			s = server_new(name, value, e);
		if (!s) {
			while (!list_is_empty(&made))
				irc_server_free(LIST_ENTRY(made.next, struct irc_server, link));
			return -1;
		}
		list_append(&made, &s->link);
	}
	while (!list_is_empty(&made))
		list_append(all, list_pop(&made));
	return 0;
}

struct irc_server *
irc_server_find(const struct list *all, const char *name, size_t n)
{
	LIST_EACH(l, all) {
		struct irc_server *s = LIST_ENTRY(l, struct irc_server, link);

		if (strlen(s->name) == n && !memcmp(s->name, name, n))
			return s;
	}
	return NULL;
}

struct irc_server *
irc_server_of(const struct list *all, const char *foreign, size_t *name)
{
	const char *at = strrchr(foreign, '%');

	if (!at || at == foreign)
		return NULL;
	*name = (size_t)(at - foreign);
	return irc_server_find(all, at + 1, strlen(at + 1));
}
