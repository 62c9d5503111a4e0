/* push_account: a short list: limits.push_services at most. */
#include "push_account.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "xmpp/parser.h"

void *
push_account_make(const void *rows)
{
	const struct push_rows *r = rows;
	struct push_account *a;

	if (!r)
		return NULL;
	a = NEW(struct push_account);
	list_init(&a->services);
	for (size_t i = 0; i < r->n; i++)
		(void)push_account_put(a, &r->row[i]);
	return a;
}

void
push_account_free(void *account)
{
	struct push_account *a = account;

	if (!a)
		return;
	LIST_EACH(l, &a->services)
		push_account_remove(a, LIST_ENTRY(l, struct push_service, link));
	free(a);
}

struct push_service *
push_account_find(const struct push_account *a, const struct jid *jid, const char *node)
{
	LIST_EACH(l, &a->services) {
		struct push_service *s = LIST_ENTRY(l, struct push_service, link);

		if (jid_equal(s->jid, jid) && (!node || !strcmp(s->node, node)))
			return s;
	}
	return NULL;
}

struct push_service *
push_account_serial(const struct push_account *a, uint64_t serial)
{
	LIST_EACH(l, &a->services) {
		struct push_service *s = LIST_ENTRY(l, struct push_service, link);

		if (s->serial == serial)
			return s;
	}
	return NULL;
}

struct push_service *
push_account_put(struct push_account *a, const struct push_row *r)
{
	struct jid *jid = jid_parse_z(r->jid);
	struct push_service *s, *old = jid ? push_account_find(a, jid, r->node) : NULL;

	if (!jid)
		return NULL;
	if (old)
		push_account_remove(a, old);
	s = NEW(struct push_service);
	s->jid = jid;
	s->node = mem_strdup(r->node);
	s->resource = mem_strdup(r->resource);
	s->options = r->options ? parser_one(r->options, strlen(r->options), NULL, NULL) : NULL;
	if (s->options)
		stanza_seal(s->options);
	s->serial = ++a->serials;
	list_append(&a->services, &s->link);
	a->n++;
	return s;
}

void
push_account_remove(struct push_account *a, struct push_service *s)
{
	list_remove(&s->link);
	a->n--;
	jid_unref(s->jid);
	free(s->node);
	free(s->resource);
	stanza_unref(s->options);
	stanza_unref(s->last);
	free(s);
}

void
push_service_seen(struct push_service *s)
{
	s->count = 0;
	s->pending = s->again = false;
	stanza_unref(s->last);
	s->last = NULL;
}
