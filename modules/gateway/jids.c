#include "gateway/jids.h"

#include <string.h>

#include "base/crypt.h"

struct jid *
jids_get(struct jids *j, const char *text)
{
	size_t n = strlen(text);
	struct jid **at = &j->at[crypt_hash(text, n) & (JIDS_MOST - 1)], *made;

	if (*at && !strcmp(jid_full(*at), text))
		return jid_ref(*at);
	made = jid_parse(text, n);
	/* Another spelling of it would not be found. */
	if (made && !strcmp(jid_full(made), text)) {
		jid_unref(*at);
		*at = jid_ref(made);
	}
	return made;
}

void
jids_free(struct jids *j)
{
	for (size_t i = 0; i < JIDS_MOST; i++) {
		jid_unref(j->at[i]);
		j->at[i] = NULL;
	}
}
