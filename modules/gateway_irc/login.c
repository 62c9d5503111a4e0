/*
 * login: from the connection to the welcome: capabilities (IRCv3 CAP 302), SASL, and a nick that the server takes.
 *
 *     CAP LS 302, PASS, NICK, USER → CAP LS … → CAP REQ … → ACK → AUTHENTICATE … → 903 → CAP END → 001 … 005 … 376 or 422
 *
 * A server that knows no CAP says so (421, or nothing) and welcomes us all the same: a login with SASL that was asked for does not happen then, and
 * we do not go on without it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "client_state.h"

#define NICK_TRIES 12
#define REGAIN_MS 60000
#define NO_TLS "the password is not said without TLS"
#define SASL_CHUNK 400 /* IRCv3 SASL: a response goes in pieces of so many characters */

static const struct {
	const char *name;
	enum irc_cap cap;
} caps[] = {
	{ "echo-message", IRC_CAP_ECHO },
	{ "sasl", IRC_CAP_SASL },
	{ "message-tags", IRC_CAP_TAGS },
	{ "server-time", IRC_CAP_TIME },
	{ "multi-prefix", IRC_CAP_PREFIX },
	{ "userhost-in-names", IRC_CAP_HOSTS },
	{ "away-notify", IRC_CAP_AWAY },
	{ "account-notify", IRC_CAP_ACCOUNT },
	{ "extended-join", IRC_CAP_JOIN },
	{ "chghost", IRC_CAP_CHGHOST },
	{ "setname", IRC_CAP_SETNAME },
	{ "batch", IRC_CAP_BATCH },
	{ "labeled-response", IRC_CAP_LABEL },
	{ "extended-monitor", IRC_CAP_MONITOR },
};
#define NCAPS (sizeof(caps) / sizeof(caps[0]))

static const char *const mechanisms[] = { [IRC_SASL_PLAIN] = "PLAIN", [IRC_SASL_EXTERNAL] = "EXTERNAL" };

void
irc_login_begin(struct irc_client *c)
{
	c->caps = c->cap_offered = c->cap_asked = 0;
	c->cap_single = c->cap_over = false;
	c->sasl = IRC_SASL_NONE;
	c->mechanisms = 0;
	c->nick_tries = 0;
	c->nick_asked = false;
	c->regain = 0;
	free(c->nick);
	c->nick = NULL;
	irc_now(c, "CAP", "LS", "302");
	if (c->who->pass && !c->tls && !c->set->plain_without_tls) {
		irc_over(c, true, NO_TLS);
		return;
	}
	if (c->who->pass || c->set->pass)
		irc_now(c, "PASS", c->who->pass ? c->who->pass : c->set->pass);
	irc_now(c, "NICK", c->wanted);
	irc_now(c, "USER", c->who->user, "0", "*", c->who->realname);
}

static void
cap_end(struct irc_client *c)
{
	if (!c->cap_over)
		irc_now(c, "CAP", "END");
	c->cap_over = true;
}

/* NULL: it can be tried. */
static const char *
sasl_why_not(const struct irc_client *c, enum irc_sasl sasl)
{
	bool offered = !c->mechanisms || c->mechanisms & 1u << sasl;

	if (sasl == IRC_SASL_PLAIN)
		return !c->tls && !c->set->plain_without_tls ? NO_TLS : offered ? NULL : "the server takes no passwords (SASL PLAIN)";
	return !c->tls ? "no certificate is shown without TLS" : offered ? NULL : "the server takes no certificates (SASL EXTERNAL)";
}

static void
sasl_try(struct irc_client *c, enum irc_sasl sasl)
{
	c->sasl = sasl;
	irc_now(c, "AUTHENTICATE", mechanisms[sasl]);
}

/* The certificate was not taken: the password is said instead, where there is one. False: it cannot be. */
static bool
sasl_fall_back(struct irc_client *c, const char *why)
{
	struct irc_event e = { .kind = IRC_PASSWORD_INSTEAD, .text = why };

	if (c->sasl != IRC_SASL_EXTERNAL || !c->who->password || sasl_why_not(c, IRC_SASL_PLAIN))
		return false;
	irc_emit(c, &e);
	sasl_try(c, IRC_SASL_PLAIN);
	return true;
}

static void
sasl_begin(struct irc_client *c)
{
	const char *why = sasl_why_not(c, c->who->sasl);

	c->sasl = c->who->sasl;
	if (!why)
		sasl_try(c, c->sasl);
	else if (!sasl_fall_back(c, why))
		irc_over(c, true, "%s", why);
}

static void
sasl_refused(struct irc_client *c, const char *why)
{
	if (!sasl_fall_back(c, why))
		irc_over(c, true, "the account was refused: %s", why);
}

/* PLAIN,EXTERNAL: in the capability's value (IRCv3 SASL 3.2), or said where it knows none that we asked for (908). Others are not ours. */
static void
sasl_note(struct irc_client *c, char *list)
{
	char *save = NULL;

	for (char *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		c->mechanisms |= 1u << IRC_SASL_NONE;
		for (size_t i = IRC_SASL_PLAIN; i <= IRC_SASL_EXTERNAL; i++)
			if (!strcmp(name, mechanisms[i]))
				c->mechanisms |= 1u << i;
	}
}

/* All requests have been answered. */
static void
caps_known(struct irc_client *c)
{
	if (c->who->sasl == IRC_SASL_NONE)
		cap_end(c);
	else if (!(c->caps & IRC_CAP_SASL))
		irc_over(c, true, "the server offers no SASL");
	else
		sasl_begin(c);
}

static void
caps_ask(struct irc_client *c)
{
	struct buf all = { 0 };

	c->cap_asked = 0;
	for (size_t i = 0; i < NCAPS; i++) {
		if (!(c->cap_offered & caps[i].cap) || (caps[i].cap == IRC_CAP_SASL && c->who->sasl == IRC_SASL_NONE))
			continue;
		if (c->cap_single) {
			irc_now(c, "CAP", "REQ", caps[i].name);
			c->cap_asked++;
		} else {
			buf_adds(&all, buf_len(&all) ? " " : "");
			buf_adds(&all, caps[i].name);
		}
	}
	if (buf_len(&all)) {
		irc_now(c, "CAP", "REQ", buf_str(&all));
		c->cap_asked = 1;
	}
	buf_fini(&all);
	if (!c->cap_asked)
		caps_known(c);
}

/* Each name of a list; a minus in front takes away. */
static void
caps_note(struct irc_client *c, unsigned *set, char *list)
{
	char *save = NULL;

	for (char *name = strtok_r(list, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		bool off = *name == '-';
		char *value;

		name += off;
		value = strchr(name, '=');
		if (value)
			*value++ = '\0';
		if (value && !strcmp(name, "sasl"))
			sasl_note(c, value);
		for (size_t i = 0; i < NCAPS; i++)
			if (!strcmp(name, caps[i].name))
				*set = off ? *set & ~(unsigned)caps[i].cap : *set | caps[i].cap;
	}
}

/* :server CAP * LS [*] :list. */
static void
take_cap(struct irc_client *c, const struct irc_line *l)
{
	const char *what = irc_line_param(l, 1);
	char *list = l->nparams > 2 ? l->params[l->nparams - 1] : NULL;

	if (!list)
		return;
	if (!strcmp(what, "LS") && c->state == IRC_LOGIN && !c->cap_asked && !c->cap_over) {
		bool more = l->nparams > 3 && !strcmp(l->params[2], "*");

		caps_note(c, &c->cap_offered, list);
		if (!more)
			caps_ask(c);
		return;
	}
	if (!strcmp(what, "DEL")) {
		unsigned gone = 0;

		caps_note(c, &gone, list);
		c->caps &= ~gone;
		return;
	}
	if ((strcmp(what, "ACK") && strcmp(what, "NAK")) || !c->cap_asked)
		return;
	if (!strcmp(what, "ACK")) {
		caps_note(c, &c->caps, list);
	} else if (!c->cap_single) {
		/* One that it does not like is enough to refuse all: each by itself then. */
		c->cap_single = true;
		caps_ask(c);
		return;
	}
	if (!--c->cap_asked && c->state == IRC_LOGIN && !c->cap_over)
		caps_known(c);
}

/* The response of PLAIN (RFC 4616): nobody, account, password, with NULs between; in base64. EXTERNAL: whoever the certificate stands for, which is nothing. */
static void
sasl_respond(struct irc_client *c)
{
	const char *account = c->who->account ? c->who->account : "", *password = c->who->password ? c->who->password : "";
	struct buf plain = { 0 };
	size_t n, at = 0;
	char *text;

	if (c->sasl == IRC_SASL_PLAIN) {
		buf_addc(&plain, '\0');
		buf_adds(&plain, account);
		buf_addc(&plain, '\0');
		buf_adds(&plain, password);
	}
	text = mem_alloc(text_base64_size(buf_len(&plain)));
	n = text_base64_encode(buf_data(&plain), buf_len(&plain), text);
	for (size_t piece = SASL_CHUNK; piece == SASL_CHUNK; at += piece) {
		/* A piece that is as long as can be is followed by another, be it empty. */
		piece = n - at < SASL_CHUNK ? n - at : SASL_CHUNK;
		buf_adds(&c->out, "AUTHENTICATE ");
		buf_add(&c->out, piece ? text + at : "+", piece ? piece : 1);
		buf_adds(&c->out, "\r\n");
	}
	if (plain.data)
		crypt_wipe(plain.data, plain.len);
	buf_fini(&plain);
	crypt_wipe(text, n);
	free(text);
}

/* Another nick: underscores behind it, then numbers; as long as the wanted one, so that it fits as that would. */
static void
try_nick(struct irc_client *c)
{
	unsigned n = ++c->nick_tries;
	size_t keep = strlen(c->wanted);
	char nick[160];

	if (n > NICK_TRIES) {
		irc_over(c, false, "the server takes no nick that we try");
		return;
	}
	if (n <= 3) {
		snprintf(nick, sizeof(nick), "%s%.*s", c->wanted, (int)n, "___");
	} else {
		unsigned random;

		crypt_random(&random, sizeof(random));
		/* Nine is what RFC 1459 allows. */
		keep = keep > 5 ? 5 : keep;
		snprintf(nick, sizeof(nick), "%.*s_%03u", (int)keep, c->wanted, random % 1000);
	}
	irc_now(c, "NICK", nick);
}

static void
nick_refused(struct irc_client *c, const struct irc_line *l)
{
	struct irc_event e = { .kind = IRC_NICK_REFUSED, .nick = c->wanted, .text = irc_line_param(l, l->nparams - 1), .code = l->numeric };

	if (c->state == IRC_LOGIN) {
		try_nick(c);
		return;
	}
	if (!c->nick_asked)
		return; /* it is asked for again later */
	c->nick_asked = false;
	irc_emit(c, &e);
	free(c->wanted);
	c->wanted = mem_strdup(irc_client_nick(c));
}

static void
welcomed(struct irc_client *c, const struct irc_line *l)
{
	const char *nick = irc_line_param(l, 0);

	if (c->state != IRC_LOGIN)
		return;
	if (c->who->sasl != IRC_SASL_NONE && !c->cap_over) {
		irc_over(c, true, "the server let us in without the account that we have there");
		return;
	}
	if (!irc_name_is_sane(nick)) {
		irc_over(c, false, "the server gave us no nick");
		return;
	}
	c->state = IRC_WELCOMED;
	c->since = c->now;
	c->cap_over = true;
	irc_set_own_nick(c, nick);
}

bool
irc_nick_is_wanted(const struct irc_client *c, const char *nick)
{
	size_t n = strlen(nick);

	return !strcmp(nick, c->wanted) || ((n >= c->is.nicklen || !c->nick_tries) && !strncmp(nick, c->wanted, n));
}

/* The welcome is over: channels are joined. */
static void
irc_login_end(struct irc_client *c)
{
	struct irc_event e = { .kind = IRC_UP, .nick = c->nick };

	if (c->state != IRC_WELCOMED)
		return;
	c->state = IRC_ON;
	c->since = c->now;
	c->regain = irc_nick_is_wanted(c, c->nick) ? 0 : c->now + REGAIN_MS;
	irc_emit(c, &e);
	irc_join_all(c);
}

void
irc_nick_free(struct irc_client *c, const char *nick)
{
	if (c->regain && irc_same(c->is.casemapping, nick, c->wanted)) {
		c->regain = c->now + REGAIN_MS;
		(void)!irc_later(c, "NICK", c->wanted);
	}
}

void
irc_login_tick(struct irc_client *c)
{
	if (c->state == IRC_LOGIN && c->now >= c->since + c->set->login_ms)
		irc_over(c, false, "the server does not let us in");
	else if (c->state == IRC_WELCOMED && c->now >= c->since + c->set->answer_ms)
		irc_login_end(c); /* it has no message of the day, and does not say so */
	else if (c->state == IRC_ON && c->regain && c->now >= c->regain)
		irc_nick_free(c, c->wanted);
}

int64_t
irc_login_due(const struct irc_client *c)
{
	if (c->state == IRC_LOGIN)
		return c->since + c->set->login_ms;
	if (c->state == IRC_WELCOMED)
		return c->since + c->set->answer_ms;
	return c->regain ? c->regain : INT64_MAX;
}

static bool
take_numeric(struct irc_client *c, const struct irc_line *l)
{
	switch (l->numeric) {
	case 1:
		welcomed(c, l);
		return true;
	case 5:
		if (c->state == IRC_WELCOMED)
			irc_isupport_take(&c->is, l);
		return true;
	case 376: case 422: /* the end of the message of the day; there is none */
		irc_login_end(c);
		return true;
	case 432: case 433: case 436: /* not a nick, in use, collision */
		nick_refused(c, l);
		return true;
	case 437: /* it, or a channel, cannot be had now */
		if (irc_is_channel(&c->is, irc_line_param(l, 1)))
			return false;
		nick_refused(c, l);
		return true;
	case 464: case 465: /* the server's password, banned */
		irc_over(c, true, "%s", irc_line_param(l, l->nparams - 1));
		return true;
	case 902: case 904: case 905: case 906:
		if (c->state == IRC_LOGIN && c->sasl != IRC_SASL_NONE)
			sasl_refused(c, irc_line_param(l, l->nparams - 1));
		return true;
	case 908: /* 904 follows */
		if (c->state == IRC_LOGIN && l->nparams > 2)
			sasl_note(c, l->params[1]);
		return true;
	case 903: case 907:
		if (c->state == IRC_LOGIN)
			cap_end(c);
		return true;
	}
	return false;
}

bool
irc_login_take(struct irc_client *c, const struct irc_line *l)
{
	if (l->numeric)
		return take_numeric(c, l);
	if (!strcmp(l->command, "CAP")) {
		take_cap(c, l);
		return true;
	}
	if (!strcmp(l->command, "AUTHENTICATE")) {
		if (c->state == IRC_LOGIN && c->sasl != IRC_SASL_NONE && !c->cap_over && !strcmp(irc_line_param(l, 0), "+"))
			sasl_respond(c);
		return true;
	}
	return false;
}
