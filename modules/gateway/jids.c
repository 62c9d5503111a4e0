#include "gateway/jids.h"

#include <string.h>

/* Who finds two that are in each other's way has them prepared each time, as they all were without this. */
static size_t
place_of(const char *text, size_t n)
{
	uint32_t h = 0;

	for (size_t i = 0; i < n; i++)
		h = h * 31 + (unsigned char)text[i];
	return (h ^ h >> 15) & (JIDS_MOST - 1);
}

struct jid *
jids_get(struct jids *j, const char *text)
{
	size_t n = strlen(text);
	struct jid **at = &j->at[place_of(text, n)], *made;

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
