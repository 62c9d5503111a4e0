/*
 * external: XEP-0215: services beside XMPP (STUN, TURN) that clients are told of, with credentials for a limited time.
 *
 * Credentials are those of the TURN REST convention: the user name is the moment they end and the account, the password an
 * HMAC-SHA1 of it under a secret that the service has too. They name the account, so that the relay's log can be
 * read. Only the server's own users are told anything.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/service.h"
#include "base/text.h"
#include "module.h"
#include "xmpp/digest.h"

#define NS_EXTDISCO "urn:xmpp:extdisco:2"
#define SECRET_MAX 1024
#define SHA1_SIZE 20

/* The first line of the file: some bytes that the system has in memory, so this is no slow work. Its length, 0 when there is none.
 * It is read each time: who changes the secret restarts nothing. */
static size_t
read_secret(const char *file, char out[SECRET_MAX])
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, out, SECRET_MAX - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0) {
		log_error(NULL, "secret-not-read", "file=%s", file);
		return 0;
	}
	out[n] = '\0';
	return strcspn(out, "\r\n");
}

static bool
add_credentials(struct hook *h, struct stanza *st, struct elem *e, const char *file)
{
	int64_t ends_us = clock_wall_us() + (int64_t)module_settings()->external.lifetime_ms * 1000;
	const char *user = arena_printf(h->arena, "%" PRId64 ":%s", ends_us / 1000000, jid_bare(h->from));
	struct digest_part part = { user, strlen(user) };
	char secret[SECRET_MAX], password[text_base64_size(SHA1_SIZE)], stamp[32];
	uint8_t mac[SCRAM_MAX];
	size_t n = read_secret(file, secret);

	if (!n)
		return false;
	digest_hmac(SCRAM_SHA1, secret, n, &part, 1, mac);
	crypt_wipe(secret, sizeof(secret));
	text_base64_encode(mac, SHA1_SIZE, password);
	elem_set(st, e, "username", user);
	elem_set(st, e, "password", password);
	elem_set(st, e, "expires", clock_format(ends_us / 1000000 * 1000000, stamp));
	elem_set(st, e, "restricted", "true");
	return true;
}

/* False: it needs credentials and there are none: the service is of no use. */
static bool
add_service(struct hook *h, struct stanza *st, struct elem *parent, const struct service *s)
{
	struct elem *e = elem_add(st, parent, NULL, "service");

	elem_set(st, e, "type", s->type);
	elem_set(st, e, "host", s->host);
	elem_set(st, e, "port", s->port);
	elem_set(st, e, "transport", s->transport);
	if (!s->file || add_credentials(h, st, e, s->file))
		return true;
	elem_remove(e);
	return false;
}

static bool
is_or_any(const char *wanted, const char *got)
{
	return !wanted || !strcmp(wanted, got);
}

/* §3.2 */
static enum hook_verdict
on_services(struct hook *h)
{
	const struct config_list *list = &module_settings()->external.services;
	const char *type = elem_get(h->payload, "type");
	struct stanza *st;
	struct elem *services;
	struct service s;

	if (!module_is_local(h->from) || !jid_local(h->from))
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	st = hook_result(h);
	services = elem_add(st, st->root, NS_EXTDISCO, "services");
	elem_set(st, services, "type", type);
	for (size_t i = 0; i < list->n; i++)
		if (service_parse(list->item[i], &s) && is_or_any(type, s.type))
			(void)add_service(h, st, services, &s);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* §3.3: all that match; none with credentials is item-not-found. */
static enum hook_verdict
on_credentials(struct hook *h)
{
	const struct config_list *list = &module_settings()->external.services;
	const struct elem *asked = elem_child(h->payload, NS_EXTDISCO, "service");
	const char *type = asked ? elem_get(asked, "type") : NULL, *host = asked ? elem_get(asked, "host") : NULL;
	struct stanza *st;
	struct elem *out;
	struct service s;
	bool failed = false;

	if (!module_is_local(h->from) || !jid_local(h->from))
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	if (!type || !host || elem_next(asked, NS_EXTDISCO, "service"))
		return hook_reject(h, XERROR_BAD_REQUEST, "one service with type and host is expected");
	st = hook_result(h);
	out = elem_add(st, st->root, NS_EXTDISCO, "credentials");
	for (size_t i = 0; i < list->n; i++)
		if (service_parse(list->item[i], &s) && s.file && !strcmp(type, s.type) && !strcmp(host, s.host) &&
			is_or_any(elem_get(asked, "port"), s.port))
			failed |= !add_service(h, st, out, &s);
	hook_reply(h, st);
	if (elem_first(out))
		return HOOK_HANDLED;
	return failed ? hook_reject(h, XERROR_INTERNAL_SERVER_ERROR, NULL) :
		hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
}

static int
attach(struct module *m)
{
	module_offers(m, NS_EXTDISCO, MODULE_SERVER);
	if (module_on_iq(m, MODULE_IQ_GET, NS_EXTDISCO, "services", MODULE_SERVER, on_services))
		return -1;
	return module_on_iq(m, MODULE_IQ_GET, NS_EXTDISCO, "credentials", MODULE_SERVER, on_credentials);
}

const struct module_def external_module = {
	.name = "external",
	.about = "External Service Discovery (XEP-0215)",
	.attach = attach,
};
