#include "gateway/policy.h"

#include <string.h>

#include "gateway/clients.h"
#include "gateway/priv.h"
#include "gateway/room.h"
#include "gateway/store.h"

#define AT_ONCE 50    /* of questions about people */
#define AGAIN_MS 3000

/* Asking about people */

static void ask_next(struct gateway *g);

static void
review_later(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	if (list_is_empty(&k->review))
		list_append(&u->gateway->reviewing, &k->review);
}

static void
join_known(struct gateway *g, const char *jid, const struct stanza *st, enum store_may may, const char *text, const struct elem *answer)
{
	struct gateway_user *u = user_find(g, jid);

	(void)st;
	(void)answer;
	if (u && may == STORE_MAY_NOT)
		seats_end(u, CODE_KICKED, text);
	ask_next(g);
}

static void
use_known(struct gateway *g, const char *jid, const struct stanza *st, enum store_may may, const char *text, const struct elem *answer)
{
	struct gateway_user *u = user_find(g, jid);

	(void)st;
	g->asking_policy--;
	if (u && may == STORE_MAY_UNKNOWN) {
		review_later(u);
		g->policy_ms = g->now_ms + AGAIN_MS;
		return;
	}
	if (u && may == STORE_MAY_NOBODY)
		user_end(u);
	else if (u && may == STORE_MAY_NOT)
		user_bar(u, text);
	else if (u)
		user_unbar(u);
	if (u && may == STORE_MAY)
		clients_known(u, answer);
	if (u && may == STORE_MAY && USER_KEPT(u)->nseats)
		store_may(g, jid, "join", NULL, join_known, NULL);
	else
		ask_next(g);
}

static void
ask_next(struct gateway *g)
{
	struct list *pos;

	while (g->asking_policy < AT_ONCE && g->now_ms >= g->policy_ms && !g->stopping && (pos = list_pop(&g->reviewing))) {
		struct gateway_user *u = &LIST_ENTRY(pos, struct gateway_user_kept, review)->u;

		g->asking_policy++;
		store_may(g, jid_bare(u->jid), u->own_account ? "own-account" : "use", NULL, use_known, NULL);
	}
}

static void
mark(struct gateway_user *u, void *arg)
{
	(void)arg;
	review_later(u);
}

void
policy_review(struct gateway *g)
{
	/* Who runs it with settings of its own has no policy at chanceryd. */
	if (g->start.settings)
		return;
	gateway_user_each(g, mark, NULL);
	ask_next(g);
}

/* Asked about all the same: it may have been said before what is known here. */
void
policy_lets(struct gateway_user *u)
{
	if (!USER_KEPT(u)->barred || u->own_account)
		return;
	user_unbar(u);
	review_later(u);
	ask_next(u->gateway);
}

void
policy_tick(struct gateway *g)
{
	if (g->link.state == LINK_OPEN)
		ask_next(g);
}

/* What is said */

static void
settings_came(struct gateway *g, const struct stanza *st, const struct elem *e)
{
	struct err err = { 0 };

	if (program_settings(g, elem_text(e, st->arena), &err)) {
		gateway_level(g, "settings_refused", 1);
		log_warning(NULL, "settings-refused", "why=%s", err.text);
		send_stanza(g, xerror_reply(st, XERROR_NOT_ACCEPTABLE, NULL, err.text));
		return;
	}
	gateway_level(g, "settings_refused", 0);
	log_info(NULL, "settings-changed", "");
	send_stanza(g, iq_result(st));
}

static struct gateway_user *
named(struct gateway *g, const struct elem *e)
{
	const char *jid = elem_get(e, "jid");

	return jid ? user_find(g, jid) : NULL;
}

static void
policy_changed(struct gateway *g, const struct stanza *st, const struct elem *e)
{
	struct gateway_user *u = named(g, e);

	send_stanza(g, iq_result(st));
	if (u)
		review_later(u);
	if (elem_get(e, "jid"))
		ask_next(g);
	else
		policy_review(g);
}

/* Whoever has the name next is somebody else. */
static void
account_gone(struct gateway *g, const struct stanza *st, const struct elem *e)
{
	struct gateway_user *u = named(g, e);
	const char *jid = elem_get(e, "jid");

	if (u)
		user_end(u);
	if (jid)
		ids_forget_user(&g->ids, jid);
	send_stanza(g, iq_result(st));
}

static void
switched_off(struct gateway *g, const struct stanza *st, const struct elem *e)
{
	(void)e;
	log_info(NULL, "switched-off", "");
	g->off = true;
	users_off(g);
	store_off(g);
	send_stanza(g, iq_result(st));
}

bool
policy_came(struct gateway *g, const struct stanza *st, const struct elem *e, const struct jid *from)
{
	static const struct {
		const char *name;
		void (*fn)(struct gateway *g, const struct stanza *st, const struct elem *e);
	} words[] = { { "settings", settings_came }, { "policy", policy_changed }, { "gone", account_gone }, { "off", switched_off } };

	if (!jid_is_domain(from) || strcmp(jid_domain(from), g->start.host) || strcmp(e->ns, NS_GATEWAY_TEXT) != 0)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(e->name, words[i].name) != 0)
			continue;
		words[i].fn(g, st, e);
		return true;
	}
	return false;
}
