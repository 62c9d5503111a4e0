/*
 * command: the commands that modules have registered, and the answers they build (XEP-0050; module.h).
 *
 * The list is made while modules attach, before the reactors start, and only read afterwards.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/module/modules.h"
#include "module.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

static struct registered {
	const struct module_command *def;
	struct module *owner;
} *list;
static unsigned n;

void
module_command(struct module *m, const struct module_command *def)
{
	assert(def->steps <= COMMAND_STEPS_MAX);
	list = mem_realloc(list, (n + 1) * sizeof(*list));
	list[n++] = (struct registered){ def, m };
}

const struct module_command *
module_command_at(unsigned i, struct module **owner)
{
	if (i >= n)
		return NULL;
	if (owner)
		*owner = list[i].owner;
	return list[i].def;
}

void
command_stop(void)
{
	free(list);
	list = NULL;
	n = 0;
}

struct elem *
command_form(struct command *c, const char *title, const char *instructions)
{
	struct elem *x;

	c->asks = true;
	x = form_new(c->answer, c->element, "form", NULL);
	form_title(c->answer, x, title, instructions);
	return x;
}

struct elem *
command_result(struct command *c, const char *title)
{
	struct elem *x = form_new(c->answer, c->element, "result", NULL);

	form_title(c->answer, x, title, NULL);
	return x;
}

void
command_note(struct command *c, const char *type, const char *text)
{
	struct elem *note = elem_add(c->answer, c->element, NS_COMMANDS, "note");

	elem_set(c->answer, note, "type", type);
	elem_add_text(c->answer, note, text, strlen(text));
}

enum hook_verdict
command_send(struct hook *h, struct command *c)
{
	return c->finish(h, c);
}

enum hook_verdict
command_say(struct hook *h, struct command *c, const char *type, const char *text)
{
	command_note(c, type, text);
	return command_send(h, c);
}

enum hook_verdict
command_bad_form(struct hook *h, const char *text)
{
	h->error_text = text;
	return hook_reject_with(h, XERROR_BAD_REQUEST, NS_COMMANDS, "bad-payload");
}
