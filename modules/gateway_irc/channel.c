#include "channel.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct irc_channel *
irc_channel_new(const char *name, const char *key)
{
	struct irc_channel *ch = mem_zalloc(sizeof(*ch));

	ch->name = mem_strdup(name);
	ch->key = key && *key ? mem_strdup(key) : NULL;
	return ch;
}

void
irc_channel_clear(struct irc_channel *ch)
{
	for (unsigned i = 0; i < ch->n; i++)
		irc_person_unref(ch->who[i]);
	free(ch->who);
	free(ch->ranks);
	free(ch->topic);
	ch->who = NULL;
	ch->ranks = NULL;
	ch->topic = NULL;
	ch->n = ch->cap = 0;
}

void
irc_channel_free(struct irc_channel *ch)
{
	if (!ch)
		return;
	irc_channel_clear(ch);
	free(ch->name);
	free(ch->key);
	free(ch);
}

void
irc_channel_set_topic(struct irc_channel *ch, const char *topic)
{
	free(ch->topic);
	ch->topic = topic && *topic ? mem_strdup(topic) : NULL;
}

/* Where they are, or would be. */
static unsigned
place(const struct irc_channel *ch, const struct irc_person *p)
{
	unsigned low = 0, high = ch->n;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if ((uintptr_t)ch->who[mid] < (uintptr_t)p)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
resize(struct irc_channel *ch, unsigned cap)
{
	ch->who = mem_realloc(ch->who, cap * sizeof(*ch->who));
	ch->ranks = mem_realloc(ch->ranks, cap);
	ch->cap = cap;
}

bool
irc_channel_add(struct irc_channel *ch, struct irc_person *p, uint8_t ranks)
{
	unsigned at = place(ch, p);

	if (at < ch->n && ch->who[at] == p) {
		ch->ranks[at] |= ranks;
		irc_person_unref(p);
		return false;
	}
	if (ch->n == ch->cap)
		resize(ch, ch->cap ? ch->cap + ch->cap / 2 : 4);
	memmove(ch->who + at + 1, ch->who + at, (ch->n - at) * sizeof(*ch->who));
	memmove(ch->ranks + at + 1, ch->ranks + at, ch->n - at);
	ch->who[at] = p;
	ch->ranks[at] = ranks;
	ch->n++;
	return true;
}

bool
irc_channel_remove(struct irc_channel *ch, struct irc_person *p)
{
	unsigned at = place(ch, p);

	if (at == ch->n || ch->who[at] != p)
		return false;
	ch->n--;
	memmove(ch->who + at, ch->who + at + 1, (ch->n - at) * sizeof(*ch->who));
	memmove(ch->ranks + at, ch->ranks + at + 1, ch->n - at);
	irc_person_unref(p);
	return true;
}

uint8_t *
irc_channel_ranks(const struct irc_channel *ch, const struct irc_person *p)
{
	unsigned at = p ? place(ch, p) : ch->n;

	return at < ch->n && ch->who[at] == p ? &ch->ranks[at] : NULL;
}

void
irc_channel_trim(struct irc_channel *ch)
{
	if (ch->cap > ch->n + 8)
		resize(ch, ch->n + 4);
}
