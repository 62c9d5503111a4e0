/*
 * outgoing: what people here say, as mails: for each pair one after another, so that each answers the one before it, and they arrive in their order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compose.h"
#include "mail.h"

struct outgoing {
	struct list in;
	struct pair *pair;
	struct gateway_message *m;
	struct submission *submission; /* NULL: not begun */
	char *id;
};

static void
free_outgoing(struct outgoing *o)
{
	list_remove(&o->in);
	free(o->id);
	free(o);
}

enum xerror
mail_error(const char *reply)
{
	const char *p = reply;

	/* The enhanced code (RFC 3463) is behind the other one. */
	if (strlen(p) > 4 && p[3] == ' ' && p[0] >= '4' && p[0] <= '5' && p[1] != '.')
		p += 4;
	if (!strncmp(p, "5.1.", 4))
		return XERROR_ITEM_NOT_FOUND;
	if (!strncmp(p, "5.2.2", 5) || !strncmp(p, "4.2.2", 5))
		return XERROR_RESOURCE_CONSTRAINT;
	if (!strncmp(p, "5.7.", 4))
		return XERROR_FORBIDDEN;
	if (!strncmp(p, "5.3.4", 5) || !strncmp(p, "5.2.3", 5))
		return XERROR_NOT_ACCEPTABLE;
	return *p == '4' ? XERROR_REMOTE_SERVER_TIMEOUT : XERROR_UNDEFINED_CONDITION;
}

/* The end of one */

static void
on_submitted(void *arg, enum submit_end end, const char *why)
{
	struct outgoing *o = arg;
	struct pair *p = o->pair;
	struct gateway_message *m = o->m;
	char *id = o->id;

	o->id = NULL;
	free_outgoing(o);
	p->busy = false;
	if (end == SUBMIT_TAKEN) {
		thread_add(&p->thread, id);
		pair_save(p);
		gateway_sent(m, id);
	} else {
		gateway_failed(m, end == SUBMIT_REFUSED ? mail_error(why) : XERROR_REMOTE_SERVER_TIMEOUT, why);
	}
	free(id);
	outgoing_pump(p);
	pair_release(p);
}

/* The begin of one */

static const char *
choose_subject(struct arena *a, struct pair *p, const struct gateway_message *m, const char *user)
{
	const struct mail_settings *s = p->mg->s;

	if (m->subject && *m->subject) {
		struct thread now = { 0 };

		/* Another subject is another thread. */
		(void)thread_set_subject(&now, m->subject);
		if (strcmp(now.subject, p->thread.subject) != 0)
			p->thread = now;
	}
	if (!*p->thread.subject)
		(void)thread_set_subject(&p->thread, mail_settings_fill(a, s->subject, user));
	return p->thread.n ? arena_printf(a, "Re: %s", p->thread.subject) : p->thread.subject;
}

static void
begin(struct outgoing *o)
{
	struct gateway_message *m = o->m;
	struct mail_gateway *mg = o->pair->mg;
	struct arena *a = arena_new(0);
	const char *user = jid_local(m->user->jid), *local = address_of_user(a, user);
	char token[TOKEN_CHARS + 1];
	struct compose c = { .to = m->to, .domain = mg->s->domain, .text = m->body ? m->body : "", .at_us = m->at_us, .thread = &o->pair->thread,
			     .file_name = m->name, .file_type = m->type, .file = m->data, .file_bytes = (size_t)m->size };
	struct buf mail = { 0 };

	address_token(mg->key, "to", user, m->to, token);
	c.from = arena_printf(a, "%s@%s", local, mg->s->domain);
	c.reply_to = strlen(local) + 1 + TOKEN_CHARS <= ADDRESS_LOCAL_MAX ? arena_printf(a, "%s+%s@%s", local, token, mg->s->domain) : c.from;
	c.from_name = mail_settings_fill(a, mg->s->from_name, user);
	c.subject = choose_subject(a, o->pair, m, user);
	c.id = thread_id(a, mg->key, mg->s->domain, jid_bare(m->user->jid), m->to, m->id, c.text);
	compose_mail(&c, &mail);
	o->id = mem_strdup(c.id);
	/* Bounces come to the address with the token: only who was written to can have caused one. */
	o->submission = submit(mg->submitter, c.reply_to, m->to, &mail, on_submitted, o);
	arena_free(a);
}

void
outgoing_pump(struct pair *p)
{
	if (!p->loaded || p->busy || list_is_empty(&p->out))
		return;
	p->busy = true;
	begin(LIST_ENTRY(p->out.next, struct outgoing, in));
}

void
outgoing_send(struct mail_gateway *mg, struct gateway_message *m)
{
	struct arena *a = arena_new(0);
	const char *user = jid_local(m->user->jid), *local = user ? address_of_user(a, user) : NULL;
	bool named = local && (!mg->s->tokens || strlen(local) + 1 + TOKEN_CHARS <= ADDRESS_LOCAL_MAX);
	struct outgoing *o;
	struct pair *p;

	arena_free(a);
	if (!named) {
		gateway_failed(m, XERROR_NOT_ACCEPTABLE, "your name is too long for an address of mail");
		return;
	}
	p = pair_hold(mg, jid_bare(m->user->jid), m->to);
	o = NEW(struct outgoing);
	o->pair = p;
	o->m = m;
	m->net = o;
	list_append(&p->out, &o->in);
	outgoing_pump(p);
}

/* Taken back */

void
outgoing_forget(struct gateway_message *m)
{
	struct outgoing *o = m->net;
	struct pair *p;

	if (!o)
		return;
	p = o->pair;
	m->net = NULL;
	if (o->submission) {
		submission_cancel(o->submission);
		p->busy = false;
	}
	free_outgoing(o);
	outgoing_pump(p);
	pair_release(p);
}

void
outgoing_forget_user(struct mail_gateway *mg, const struct gateway_user *u)
{
	const char *user = jid_bare(u->jid);
	struct pair *p, *next;

	HASH_ITER(hh, mg->pairs, p, next) {
		if (strcmp(p->user, user) != 0)
			continue;
		p->held++;
		while (!list_is_empty(&p->out))
			outgoing_forget(LIST_ENTRY(p->out.next, struct outgoing, in)->m);
		pair_release(p);
	}
}

void
outgoing_free(struct pair *p)
{
	while (!list_is_empty(&p->out))
		free_outgoing(LIST_ENTRY(p->out.next, struct outgoing, in));
}
