/*
 * mail: e-mail as a network (gateway/network.h). In the organisation's name only: each user has an address of mail of its own, USER@DOMAIN.
 */
#include "mail.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "mail_network.h"
#include "read.h"

/* A program is one gateway, and the calls of a network that are not a user's have no other place for it. */
static struct mail_gateway mail;

/* The key */

static void
set_up(struct gateway_user *u, void *arg)
{
	(void)arg;
	gateway_user_up(u);
}

static void
on_key(void *arg, const char *value)
{
	char hex[2 * ADDRESS_KEY + 1];

	(void)arg;
	if (!value || strlen(value) != 2 * (size_t)ADDRESS_KEY || text_unhex(value, 2 * (size_t)ADDRESS_KEY, mail.key) != ADDRESS_KEY) {
		crypt_random(mail.key, ADDRESS_KEY);
		text_hex(mail.key, ADDRESS_KEY, hex);
		gateway_data_set(mail.g, "key", hex);
		crypt_wipe(hex, sizeof(hex));
	}
	mail.key_ready = true;
	gateway_user_each(mail.g, set_up, NULL);
}

/* Begin and end */

static const char *
on_recipient(void *owner, const char *to)
{
	return arriving_recipient(owner, to);
}

static void
on_mail(void *owner, struct delivery *d, const struct lmtp_mail *m)
{
	arriving_mail(owner, d, m);
}

static const struct door_calls door_calls = { on_recipient, on_mail };

static uv_timer_t *
new_timer(struct gateway *g)
{
	uv_timer_t *t = NEW(uv_timer_t);

	(void)uv_timer_init(gateway_loop(g), t);
	t->data = &mail;
	return t;
}

static int
mail_start(struct gateway *g, const json_t *settings, struct err *e)
{
	mail = (struct mail_gateway){ .g = g };
	list_init(&mail.arrivals);
	mail.s = mail_settings_new(settings, gateway_host(g), e);
	if (!mail.s)
		return -1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		mail_settings_free(mail.s);
		return err_set(e, 0, "libcurl does not start");
	}
	read_setup();
	mail.door = door_new(gateway_loop(g), mail.s, &door_calls, &mail, e);
	if (!mail.door) {
		mail_settings_free(mail.s);
		return -1;
	}
	mail.submitter = submitter_new(gateway_loop(g), mail.s);
	mail.patience = new_timer(g);
	gateway_data_get(g, "key", on_key, NULL);
	return 0;
}

static int
mail_change(struct gateway *g, const json_t *settings, struct err *e)
{
	struct mail_settings *s = mail_settings_new(settings, gateway_host(g), e);
	struct door *door;

	if (!s)
		return -1;
	if (strcmp(s->listen, mail.s->listen) != 0) {
		door = door_new(gateway_loop(g), s, &door_calls, &mail, e);
		if (!door) {
			mail_settings_free(s);
			return -1;
		}
		door_free(mail.door);
		mail.door = door;
	} else {
		door_change(mail.door, s);
	}
	submitter_change(mail.submitter, s);
	mail_settings_free(mail.s);
	mail.s = s;
	return 0;
}

static void
on_timer_closed(uv_handle_t *h)
{
	free(h);
}

static void
mail_stop(struct gateway *g)
{
	(void)g;
	submitter_free(mail.submitter);
	arriving_free(&mail);
	uv_close((uv_handle_t *)mail.patience, on_timer_closed);
	pair_free_all(&mail);
	door_free(mail.door);
	mail_settings_free(mail.s);
	crypt_wipe(mail.key, sizeof(mail.key));
}

/* Users and what they say */

static enum network_address
mail_address(struct gateway *g, const char *foreign, char *canonical)
{
	struct arena *a = arena_new(0);
	const char *clean = address_clean(a, foreign);

	(void)g;
	if (clean)
		memcpy(canonical, clean, strlen(clean) + 1);
	arena_free(a);
	return clean ? NETWORK_PERSON : NETWORK_NOBODY;
}

static void
mail_user_open(struct gateway_user *u, const json_t *login)
{
	(void)login;
	if (mail.key_ready)
		gateway_user_up(u);
}

static void
mail_user_close(struct gateway_user *u)
{
	outgoing_forget_user(&mail, u);
}

static void
mail_send(struct gateway_message *m)
{
	if (m->body || m->data)
		outgoing_send(&mail, m);
	else
		gateway_failed(m, XERROR_FEATURE_NOT_IMPLEMENTED, NULL);
}

static void
mail_forget(struct gateway_message *m)
{
	outgoing_forget(m);
}

/* The mail system has been told that it is here. */
static void
mail_returned(struct gateway_user *u, const char *foreign, const char *foreign_id, enum xerror e, const char *text)
{
	(void)text;
	log_warning(NULL, "mail-returned", "from=%s to=%s id=%s error=%s", foreign, jid_bare(u->jid), foreign_id, xerror_name(e));
	gateway_count(mail.g, "returned_mails", 1);
}

const struct network mail_network = {
	.kind = "mail",
	.about = "E-mail",
	.identity = "smtp",
	.prompt = "E-mail address",
	.features = NETWORK_SUBJECTS | NETWORK_FILES | NETWORK_LATE,
	.start = mail_start,
	.change = mail_change,
	.stop = mail_stop,
	.address = mail_address,
	.user_open = mail_user_open,
	.user_close = mail_user_close,
	.send = mail_send,
	.forget = mail_forget,
	.returned = mail_returned,
};
