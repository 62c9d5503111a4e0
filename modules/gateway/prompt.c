#include "gateway/prompt.h"

#include <string.h>

#include "gateway/address.h"
#include "gateway/priv.h"

static void
add_text(struct stanza *r, struct elem *query, const char *name, const char *text)
{
	struct elem *e = elem_add(r, query, NULL, name);

	elem_add_text(r, e, text, strlen(text));
}

static void
say_prompt(struct gateway *g, const struct stanza *st)
{
	struct stanza *r = iq_result(st);
	struct elem *q = elem_add(r, r->root, NS_PROMPT, "query");

	add_text(r, q, "desc", arena_printf(r->arena, "%s: whom would you like to write to?", g->net->about));
	add_text(r, q, "prompt", g->net->prompt ? g->net->prompt : "Address");
	send_stanza(g, r);
}

/* As people write addresses: blanks around them, and capitals, which localparts have none of. */
static int
read_address(struct gateway *g, struct arena *a, const char *typed, char local[ADDRESS_LOCAL_MAX])
{
	char plain[NETWORK_ADDRESS_MAX], foreign[NETWORK_ADDRESS_MAX], *text = arena_strdup(a, typed + strspn(typed, " \t\r\n"));
	enum network_address what;
	size_t n = strlen(text);

	while (n > 0 && strchr(" \t\r\n", text[n - 1]))
		text[--n] = '\0';
	if (gateway_address_to_local(text, local) || gateway_address_from_local(local, plain))
		return -1;
	what = g->net->address(g, plain, foreign);
	return what == NETWORK_PERSON || what == NETWORK_ROOM ? gateway_address_to_local(foreign, local) : -1;
}

static void
say_jid(struct gateway *g, const struct stanza *st, const struct elem *query)
{
	const struct elem *prompt = elem_child(query, NS_PROMPT, "prompt");
	char local[ADDRESS_LOCAL_MAX];
	struct stanza *r;

	if (!prompt) {
		send_stanza(g, xerror_reply(st, XERROR_BAD_REQUEST, NULL, NULL));
	} else if (read_address(g, st->arena, elem_text(prompt, st->arena), local)) {
		send_stanza(g, xerror_reply(st, XERROR_ITEM_NOT_FOUND, NULL, "that is no address of this network"));
	} else {
		r = iq_result(st);
		add_text(r, elem_add(r, r->root, NS_PROMPT, "query"), "jid", arena_printf(r->arena, "%s@%s", local, g->start.domain));
		send_stanza(g, r);
	}
}

bool
prompt_came(struct gateway *g, const struct stanza *st, const struct elem *query, struct jid *to)
{
	if (jid_local(to) || !elem_is(query, NS_PROMPT, "query"))
		return false;
	if (!strcmp(elem_get(st->root, "type"), "get"))
		say_prompt(g, st);
	else
		say_jid(g, st, query);
	return true;
}
