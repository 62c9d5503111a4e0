/* request: see request.h. */
#include "request.h"

#include <string.h>

#include "muc.h"
#include "register.h"
#include "voice.h"
#include "xmpp/form.h"

enum hook_verdict
request_arrived(struct hook *h, struct room *r)
{
	const struct form *f = form_parse(elem_child(h->stanza->root, NS_DATA, "x"), hook_memory(h));
	const char *what = f && f->form_type ? f->form_type : "";

	if (!r->id)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (!f)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (!strcmp(f->type, "cancel"))
		return HOOK_HANDLED;
	if (!strcmp(what, MUC_REQUEST))
		return voice_arrived(h, r, f);
	if (!strcmp(what, MUC_REGISTER))
		return register_approved(h, r, f);
	return HOOK_NEXT;
}
