/*
 * pass_mark: the label that tells people what comes from outside (XEP-0258, DESIGN.md "Other servers").
 *
 *   <securitylabel xmlns='urn:xmpp:sec-label:0'>
 *     <displaymarking fgcolor='white' bgcolor='#b45309'>EXTERNAL · partner.example</displaymarking>
 *     <label><external xmlns='urn:chancery:external:0' domain='partner.example'/></label>
 *   </securitylabel>
 *
 * A message has one label at most. The one that an outsider has put there is by a policy of theirs that nobody here knows, and could say
 * "INTERNAL": ours takes its place. People of ours keep their labels unless they are ours in words.
 */
#include "core/federation/pass.h"

#include <string.h>
#include <strings.h>

#include "base/metric.h"
#include "core/route/content.h"
#include "xmpp/ns.h"

#define MARKING "EXTERNAL"
#define FOREGROUND "white"
#define BACKGROUND "#b45309"

/* What is said at the beginning of a text, whatever is put before it to be overlooked: spaces, and what is invisible or foreign. */
static bool
begins_with_marking(const struct elem *marking)
{
	size_t n = 0;

	for (const struct elem *t = elem_walk(marking, marking); t; t = elem_walk(marking, t)) {
		if (t->name)
			continue;
		for (size_t i = 0; i < t->text_len; i++) {
			char c = t->text[i];

			if (n == strlen(MARKING))
				return true;
			if (strncasecmp(&c, MARKING + n, 1) == 0)
				n++;
			else if (c > ' ' && c < 0x7f)
				return false;
		}
	}
	return n == strlen(MARKING);
}

static bool
says_what_we_say(const struct elem *label)
{
	for (const struct elem *e = elem_walk(label, label); e; e = elem_walk(label, e))
		if (e->name && (e->ns == NS_EXTERNAL || (elem_is(e, NS_LABEL, "displaymarking") && begins_with_marking(e))))
			return true;
	return false;
}

static void
strip(struct elem *root, bool all)
{
	struct elem *next;

	for (struct elem *e = elem_first(root); e; e = next) {
		next = elem_next(e, NULL, NULL);
		if (e->ns != NS_EXTERNAL && (e->ns != NS_LABEL || !(all || says_what_we_say(e))))
			continue;
		elem_remove(e);
		metric_add(METRIC_LABELS_STRIPPED, 1);
	}
}

void
pass_strip_marks(struct elem *root)
{
	const char *type = elem_get(root, "type");

	/* An error has none (XEP-0258 §5). */
	strip(root, type && !strcmp(type, "error"));
}

void
pass_mark(struct stanza *st, const char *domain)
{
	const char *type = elem_get(st->root, "type");
	struct elem *label, *marking;

	if (!elem_is(st->root, NS_CLIENT, "message"))
		return;
	strip(st->root, true);
	/* Typing says nothing that could be mistaken for a colleague's words, and stays out of the record as it does among ourselves. */
	if ((type && !strcmp(type, "error")) || !content_is_any(st))
		return;
	label = elem_add(st, st->root, NS_LABEL, "securitylabel");
	marking = elem_add(st, label, NULL, "displaymarking");
	elem_set(st, marking, "fgcolor", FOREGROUND);
	elem_set(st, marking, "bgcolor", BACKGROUND);
	elem_add_text(st, marking, MARKING " \xc2\xb7 ", strlen(MARKING " \xc2\xb7 "));
	elem_add_text(st, marking, domain, strlen(domain));
	elem_set(st, elem_add(st, elem_add(st, label, NULL, "label"), NS_EXTERNAL, "external"), "domain", domain);
}
