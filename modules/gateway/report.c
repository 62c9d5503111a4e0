#include "gateway/report.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/address.h"
#include "gateway/priv.h"
#include "gateway/text.h"
#include "xmpp/ns.h"

/* A message that has not arrived, while its sender is told so. */
struct report {
	struct list link;
	struct gateway *g;
	struct arena *arena; /* of it and its texts */
	const char *user, *local, *client, *here, *words, *line;
	enum xerror e;
	gateway_told_fn *told;
	void *arg;
};

static struct list reports = { &reports, &reports };

static void
report_free(struct report *r)
{
	list_remove(&r->link);
	arena_free(r->arena);
}

void
reports_end(struct gateway *g)
{
	(void)g;
	while (!list_is_empty(&reports))
		report_free(LIST_ENTRY(reports.next, struct report, link));
}

static void
on_error_taken(void *arg)
{
	struct report *r = arg;

	if (r->told && !r->g->stopping)
		r->told(r->arg, XERROR_NONE, NULL);
	report_free(r);
}

static void
say_error(struct report *r)
{
	message_error(r->g, &(struct message_error){ .local = r->local, .to = r->client, .id = r->here, .e = r->e, .text = r->words }, on_error_taken, r);
}

static void
say_line(struct report *r)
{
	gateway_told_fn *told = r->told;
	void *arg = r->arg;

	incoming_tell(r->g, r->user, r->line, told, arg);
	report_free(r);
}

static bool
is_available(const struct stanza *answer, const char *resource)
{
	const char *type = answer ? elem_get(answer->root, "type") : NULL;
	const struct elem *may = type && !strcmp(type, "result") ? elem_child(answer->root, NULL, "may") : NULL;

	for (const struct elem *e = may ? elem_child(may, NULL, "client") : NULL; e; e = elem_next(e, NULL, "client")) {
		const char *name = elem_get(e, "resource");

		if (name && !elem_get(e, "at") && !strcmp(name, resource))
			return true;
	}
	return false;
}

static void
clients_came(struct gateway *g, void *arg, const struct stanza *answer)
{
	struct report *r = arg;

	(void)g;
	if (is_available(answer, strchr(r->client, '/') + 1))
		say_error(r);
	else
		say_line(r);
}

/* Clients need not tell the gateway that they are there: chanceryd knows. */
static void
ask_for_client(struct report *r)
{
	struct buf b = { 0 };

	buf_adds(&b, "<may xmlns='" NS_GATEWAY_TEXT "' action='use'");
	write_attr(&b, "jid", r->user);
	buf_adds(&b, "/>");
	question_ask(r->g, "get", NULL, buf_str(&b), clients_came, r, NULL);
	buf_fini(&b);
}

static struct report *
report_new(struct gateway *g, const struct id_pair *p, const char *local, enum xerror e, const char *text, gateway_told_fn *told, void *arg)
{
	struct arena *a = arena_new(512);
	struct report *r = arena_zalloc(a, sizeof(*r));
	char *words = gateway_text_clean(text, 1000, true);

	*r = (struct report){ .g = g, .arena = a, .user = arena_strdup(a, p->user), .local = arena_strdup(a, local), .client = arena_strdup(a, p->client),
		.here = arena_strdup(a, p->here), .words = words ? arena_strdup(a, words) : NULL, .e = e, .told = told, .arg = arg };
	r->line = arena_printf(a, "%s: not delivered%s%s", p->foreign, words ? ": " : "", words ? words : "");
	list_append(&reports, &r->link);
	free(words);
	return r;
}

static struct id_pair *
find(struct gateway_user *u, const char *from, const char *foreign_id)
{
	struct ids *ids = &u->gateway->ids;

	return from ? ids_there(ids, jid_bare(u->jid), from, foreign_id, ID_OUT) : ids_there_of(ids, jid_bare(u->jid), foreign_id);
}

bool
gateway_bounced(struct gateway_user *u, const char *from, const char *foreign_id, enum xerror e, const char *text, gateway_told_fn *told, void *arg)
{
	struct gateway *g = u->gateway;
	struct id_pair *p = find(u, from, foreign_id);
	char local[ADDRESS_LOCAL_MAX];
	const char *slash;
	struct report *r;

	if (g->stopping || !p || gateway_address_to_local(p->foreign, local))
		return false;
	r = report_new(g, p, local, e == XERROR_NONE ? XERROR_UNDEFINED_CONDITION : e, text, told, arg);
	stats_count(&g->stats, "bounced", 1);
	ids_forget(&g->ids, p);
	/* An error is dropped where its client has gone, and where it is for all of them (RFC 6121 §8.5.2.1.1, §8.5.3.2.1): then it is said in words. */
	slash = strchr(r->client, '/');
	if (!slash)
		say_line(r);
	else if (user_has(u, slash + 1))
		say_error(r);
	else
		ask_for_client(r);
	return true;
}

void
gateway_receipt(struct gateway_user *u, const char *from, const char *foreign_id)
{
	struct gateway *g = u->gateway;
	struct id_pair *p = find(u, from, foreign_id);
	char local[ADDRESS_LOCAL_MAX], id[40];
	struct buf *b;

	if (g->stopping || !p || !p->wants_receipt || gateway_address_to_local(p->foreign, local))
		return;
	stable_id(id, "receipt", p->here, p->foreign);
	b = write_start(g, "message", local, NULL, jid_bare(u->jid), "chat", id);
	buf_addf(b, "<received xmlns='%s'", NS_RECEIPTS);
	write_attr(b, "id", p->here);
	buf_adds(b, "/>");
	write_send(g, "message", NULL, NULL);
}
