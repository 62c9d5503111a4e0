/*
 * user: the people of the host who use the gateway, from the first thing that they do to the last; and their sessions at the network: opened as fast as is good
 * for it, closed when lost, opened again later.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/priv.h"
#include "gateway/room.h"
#include "gateway/store.h"
#include "xmpp/ns.h"

#define OPENS_PER_SECOND 50.0
#define OPENS_AT_ONCE 100.0
#define OFF_TEXT "this network has been switched off"

static void
set_state(struct gateway_user_kept *k, enum user_state state)
{
	struct gateway *g = k->u.gateway;

	list_remove(&k->link);
	k->state = state;
	if (state == USER_QUEUED)
		list_append(&g->opening, &k->link);
	else if (state == USER_RETRYING)
		list_append(&g->retrying, &k->link);
}

struct gateway_user *
user_find(struct gateway *g, const char *bare)
{
	struct gateway_user_kept *k, *table = USER_KEPT(g->users);

	HASH_FIND(hh, table, bare, strlen(bare), k);
	return k ? &k->u : NULL;
}

struct gateway_user *
user_get(struct gateway *g, struct jid *jid)
{
	struct gateway_user *u = user_find(g, jid_bare(jid));
	struct gateway_user_kept *k, *table = USER_KEPT(g->users);

	if (u)
		return u;
	if (g->stopping || g->off || g->nusers >= g->limits->users || !jid_local(jid) || strcmp(jid_domain(jid), g->start.host))
		return NULL;
	k = NEW(struct gateway_user_kept);
	k->u.gateway = g;
	k->u.kept = k;
	k->u.jid = jid_to_bare(jid);
	list_init(&k->link);
	list_init(&k->fall);
	list_init(&k->review);
	list_init(&k->waiting);
	list_init(&k->given);
	list_init(&k->seats);
	list_append(&g->idle, &k->active);
	k->active_ms = g->now_ms;
	HASH_ADD_KEYPTR(hh, table, jid_bare(k->u.jid), jid_bare_len(k->u.jid), k);
	g->users = &table->u;
	g->nusers++;
	return &k->u;
}

struct gateway_user *
gateway_user_get(struct gateway *g, const char *bare)
{
	struct jid *jid = jid_parse_z(bare);
	struct gateway_user *u = jid ? user_get(g, jid) : NULL;

	jid_unref(jid);
	if (u) {
		user_touch(u);
		user_want(u);
	}
	return u;
}

void
gateway_user_each(struct gateway *g, void (*fn)(struct gateway_user *u, void *arg), void *arg)
{
	struct gateway_user_kept *k, *next, *table = USER_KEPT(g->users);

	HASH_ITER(hh, table, k, next)
		fn(&k->u, arg);
}

/* Opening */

static void
login_came(struct gateway *g, const char *jid, const json_t *login, bool again, const char *barred, const struct stanza *st)
{
	struct gateway_user *u = user_find(g, jid);
	struct gateway_user_kept *k = USER_KEPT(u);

	(void)st;
	if (!u || k->state != USER_ASKING)
		return;
	if (login) {
		set_state(k, USER_OPEN);
		g->net->user_open(u, login);
	} else if (barred) {
		user_bar(u, barred);
	} else {
		gateway_user_down(u, again ? GATEWAY_LOST : GATEWAY_REFUSED, again ? "your login cannot be read now" : "log in first");
	}
}

/* Do settings and policy let the person use the network so? NULL: they do. */
static const char *
why_not(const struct gateway_user *u)
{
	if (USER_KEPT(u)->barred)
		return "your organisation does not let you";
	if (u->own_account)
		return u->gateway->settings.account ? NULL : "accounts of one's own are not used here any more";
	return u->gateway->settings.relay ? NULL : "register with the gateway first";
}

/* That the gateway is there (XEP-0100 §4.4, §8); who registered with a program before this one may have been here all the time. */
static void
say_there(struct gateway_user *u)
{
	for (const char *const *type = (const char *const[]){ "", "probe", NULL }; *type; type++) {
		write_start(u->gateway, "presence", NULL, NULL, jid_bare(u->jid), **type ? *type : NULL, NULL);
		write_send(u->gateway, "presence", NULL, NULL);
	}
}

static void
open_now(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);
	struct gateway *g = u->gateway;

	if (k->registered && !k->tries)
		say_there(u);
	k->tries++;
	if (why_not(u)) {
		/* Out of the way of others: its end is at the end of the turn. */
		list_remove(&k->link);
		gateway_user_down(u, GATEWAY_REFUSED, why_not(u));
	} else if (u->own_account) {
		set_state(k, USER_ASKING);
		store_credential_get(g, jid_bare(u->jid), login_came, NULL);
	} else {
		set_state(k, USER_OPEN);
		g->net->user_open(u, NULL);
	}
}

/* As many as there are tokens for. */
void
users_open(struct gateway *g)
{
	while (g->settled && g->may_open >= 1 && !list_is_empty(&g->opening)) {
		g->may_open--;
		open_now(&LIST_ENTRY(g->opening.next, struct gateway_user_kept, link)->u);
	}
}

void
user_want(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	if (k->state == USER_IDLE)
		set_state(k, USER_QUEUED);
	users_open(u->gateway);
}

void
gateway_user_up(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);
	const char *status = NULL;
	enum network_show show;

	if (k->state != USER_OPEN || u->up || !list_is_empty(&k->fall))
		return;
	u->up = true;
	k->tries = 0;
	free(k->text);
	k->text = NULL;
	log_debug(NULL, "user-up", "jid=%s", jid_bare(u->jid));
	show = user_show(u, &status);
	if (u->gateway->net->presence)
		u->gateway->net->presence(u, show, status);
	k->announced = true;
	contacts_up(u);
	seats_up(u);
	messages_give(u);
}

/* Closing */

void
gateway_user_down(struct gateway_user *u, enum gateway_why why, const char *text)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	if (k->state != USER_OPEN && k->state != USER_ASKING && k->state != USER_QUEUED)
		return;
	if (!list_is_empty(&k->fall))
		return;
	k->why = why;
	free(k->text);
	k->text = text ? mem_strdup(text) : NULL;
	u->up = false;
	list_append(&u->gateway->falling, &k->fall);
}

/* The network forgets the user; what it had is the framework's again. */
static void
close_session(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	u->up = false;
	list_remove(&k->fall);
	if (k->state == USER_OPEN)
		u->gateway->net->user_close(u);
	u->net = NULL;
	messages_take_back(u);
	seats_down(u);
	if (k->announced)
		contacts_down(u);
	k->announced = false;
	set_state(k, USER_IDLE);
}

/* To each client that has shown itself (XEP-0100 §4.4). */
static void
say_refused(struct gateway_user *u)
{
	struct gateway *g = u->gateway;
	struct buf to = { 0 };

	for (struct resource *r = USER_KEPT(u)->resources; r; r = r->hh.next) {
		struct buf *b;

		buf_clear(&to);
		buf_addf(&to, "%s/%s", jid_bare(u->jid), r->name);
		b = write_start(g, "presence", NULL, NULL, buf_str(&to), "error", NULL);
		buf_addf(b, "<error type='%s'><%s xmlns='%s'/>", xerror_type(XERROR_NOT_AUTHORIZED), xerror_name(XERROR_NOT_AUTHORIZED), NS_STANZA_ERRORS);
		write_text(b, "text", NS_STANZA_ERRORS, USER_KEPT(u)->text);
		buf_adds(b, "</error>");
		write_send(g, "presence", NULL, NULL);
	}
	buf_fini(&to);
}

static void
fall(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);
	struct gateway *g = u->gateway;

	log_info(NULL, "user-down", "jid=%s why=%s text=%s", jid_bare(u->jid), k->why == GATEWAY_LOST ? "lost" : "refused", k->text);
	stats_count(&g->stats, k->why == GATEWAY_LOST ? "lost" : "logins_refused", 1);
	close_session(u);
	if (k->why == GATEWAY_LOST) {
		k->retry_ms = g->now_ms + gateway_backoff_ms(k->tries ? k->tries : 1);
		set_state(k, USER_RETRYING);
		return;
	}
	set_state(k, USER_REFUSED);
	messages_fail(u, XERROR_NOT_AUTHORIZED, k->text);
	seats_refused(u, XERROR_NOT_AUTHORIZED, k->text);
	if (u->own_account)
		say_refused(u);
	if (u->own_account && k->text)
		gateway_tell(u, k->text, NULL, NULL);
}

void
user_again(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	close_session(u);
	k->tries = 0;
	user_want(u);
}

void
user_log_out(struct gateway_user *u)
{
	if (!USER_KEPT(u)->registered) {
		user_end(u);
		return;
	}
	close_session(u);
	messages_fail(u, XERROR_SERVICE_UNAVAILABLE, NULL);
	seats_end(u, NULL, NULL);
}

void
user_bar(struct gateway_user *u, const char *text)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	if (k->barred)
		return;
	k->barred = true;
	log_info(NULL, "user-barred", "jid=%s text=%s", jid_bare(u->jid), text);
	seats_end(u, CODE_KICKED, text);
	list_remove(&k->fall);
	if (k->state == USER_IDLE || k->state == USER_RETRYING) {
		/* As one that is opened, and is not let in. */
		set_state(k, USER_QUEUED);
		list_remove(&k->link);
	}
	gateway_user_down(u, GATEWAY_REFUSED, text);
}

void
user_unbar(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	if (!k->barred)
		return;
	k->barred = false;
	user_again(u);
}

static void
review(struct gateway_user *u, void *arg)
{
	(void)arg;
	if (why_not(u))
		gateway_user_down(u, GATEWAY_REFUSED, why_not(u));
}

void
users_review(struct gateway *g)
{
	gateway_user_each(g, review, NULL);
}

void
users_turn(struct gateway *g)
{
	struct list *pos;

	while ((pos = list_pop(&g->falling)))
		fall(&LIST_ENTRY(pos, struct gateway_user_kept, fall)->u);
}

void
user_touch(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	k->active_ms = u->gateway->now_ms;
	list_remove(&k->active);
	list_append(&u->gateway->idle, &k->active);
	/* A relay that was refused is tried again by whoever writes, after a while. */
	if (k->state == USER_REFUSED && !u->own_account && !k->barred && u->gateway->now_ms > k->retry_ms) {
		k->retry_ms = u->gateway->now_ms + 60000;
		set_state(k, USER_IDLE);
	}
}

void
user_end(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u), *table = USER_KEPT(u->gateway->users);
	struct resource *r, *next;

	close_session(u);
	messages_fail(u, XERROR_SERVICE_UNAVAILABLE, NULL);
	seats_end(u, NULL, NULL);
	contacts_free(u);
	HASH_ITER(hh, k->resources, r, next) {
		HASH_DEL(k->resources, r);
		free(r->status);
		free(r);
	}
	list_remove(&k->link);
	list_remove(&k->active);
	list_remove(&k->review);
	HASH_DEL(table, k);
	u->gateway->users = table ? &table->u : NULL;
	u->gateway->nusers--;
	jid_unref(u->jid);
	free(k->text);
	free(k);
}

static bool
is_needed(const struct gateway_user_kept *k)
{
	return k->registered || k->resources || k->nseats || k->nmessages || contacts_wanted((struct gateway_user *)&k->u);
}

void
users_tick(struct gateway *g)
{
	g->may_open += OPENS_PER_SECOND * TICK_MS / 1000;
	if (g->may_open > OPENS_AT_ONCE)
		g->may_open = OPENS_AT_ONCE;
	LIST_EACH(pos, &g->retrying) {
		struct gateway_user_kept *k = LIST_ENTRY(pos, struct gateway_user_kept, link);

		if (k->retry_ms <= g->now_ms)
			set_state(k, USER_QUEUED);
	}
	users_open(g);
	while (!list_is_empty(&g->idle)) {
		struct gateway_user_kept *k = LIST_ENTRY(g->idle.next, struct gateway_user_kept, active);

		if (g->now_ms - k->active_ms < g->limits->user_idle_seconds * 1000)
			return;
		if (is_needed(k))
			user_touch(&k->u);
		else
			user_end(&k->u);
	}
}

void
users_init(struct gateway *g)
{
	list_init(&g->opening);
	list_init(&g->retrying);
	list_init(&g->falling);
	list_init(&g->idle);
	list_init(&g->reviewing);
	list_init(&g->deadlines);
	list_init(&g->early);
	seen_init(&g->seen);
	list_init(&g->transfers);
	list_init(&g->parcels);
	g->may_open = OPENS_AT_ONCE;
}

void
users_off(struct gateway *g)
{
	while (g->users) {
		seats_end(g->users, CODE_SHUTDOWN, OFF_TEXT);
		messages_fail(g->users, XERROR_SERVICE_UNAVAILABLE, OFF_TEXT);
		user_end(g->users);
	}
}

/* The program ends: nobody is told of anything, as all of it comes again. */
void
users_end(struct gateway *g)
{
	while (g->users)
		user_end(g->users);
}

/* Presence of the clients here */

enum network_show
user_show(struct gateway_user *u, const char **status)
{
	struct resource *best = NULL;

	for (struct resource *r = USER_KEPT(u)->resources; r; r = r->hh.next)
		if (!best || r->priority > best->priority)
			best = r;
	*status = best ? best->status : NULL;
	if (best)
		return best->show;
	/* A client need not tell the gateway: who is in a room and never has is not gone. */
	return USER_KEPT(u)->presence_told ? NETWORK_GONE : NETWORK_AVAILABLE;
}

bool
user_has(struct gateway_user *u, const char *resource)
{
	struct resource *r = NULL;

	if (resource)
		HASH_FIND_STR(USER_KEPT(u)->resources, resource, r);
	return r != NULL;
}

void
user_resource(struct gateway_user *u, const char *name, enum network_show show, int priority, const char *status)
{
	struct gateway_user_kept *k = USER_KEPT(u);
	struct resource *r;
	const char *words;

	k->presence_told = true;
	HASH_FIND_STR(k->resources, name, r);
	if (show == NETWORK_GONE) {
		if (!r)
			return;
		HASH_DEL(k->resources, r);
		free(r->status);
		free(r);
	} else {
		if (!r) {
			if (HASH_COUNT(k->resources) >= u->gateway->limits->resources_per_user)
				return;
			r = mem_zalloc(sizeof(*r) + strlen(name) + 1);
			strcpy(r->name, name);
			HASH_ADD_STR(k->resources, name, r);
		}
		r->show = show;
		r->doubted = false;
		r->priority = priority;
		free(r->status);
		r->status = status ? mem_strdup(status) : NULL;
	}
	if (u->up && u->gateway->net->presence) {
		show = user_show(u, &words);
		u->gateway->net->presence(u, show, words);
	}
}
