#include "people.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "text.h"

#define FOLDED_BYTES 160 /* irc_name_is_sane lets less pass */

struct irc_people {
	struct irc_person **buckets;
	size_t nbuckets; /* a power of two */
	unsigned count;
};

struct irc_people *
irc_people_new(void)
{
	struct irc_people *all = mem_zalloc(sizeof(*all));

	all->nbuckets = 16;
	all->buckets = mem_zalloc(all->nbuckets * sizeof(struct irc_person *));
	return all;
}

void
irc_people_free(struct irc_people *all)
{
	if (!all)
		return;
	assert(!all->count);
	free(all->buckets);
	free(all);
}

unsigned
irc_people_count(const struct irc_people *all)
{
	return all->count;
}

static struct irc_person **
find(struct irc_people *all, const char *folded, uint64_t hash)
{
	struct irc_person **p = &all->buckets[hash & (all->nbuckets - 1)];

	while (*p && ((*p)->hash != hash || strcmp((*p)->folded, folded)))
		p = &(*p)->next;
	return p;
}

static void
grow(struct irc_people *all)
{
	struct irc_person **old = all->buckets, *p;
	size_t n = all->nbuckets;

	all->nbuckets = 2 * n;
	all->buckets = mem_zalloc(all->nbuckets * sizeof(struct irc_person *));
	for (size_t i = 0; i < n; i++) {
		while ((p = old[i])) {
			struct irc_person **to = &all->buckets[p->hash & (all->nbuckets - 1)];

			old[i] = p->next;
			p->next = *to;
			*to = p;
		}
	}
	free(old);
}

struct irc_person *
irc_person_find(struct irc_people *all, enum irc_casemapping how, const char *nick)
{
	char folded[FOLDED_BYTES];

	irc_fold(how, nick, folded, sizeof(folded));
	return *find(all, folded, crypt_hash(folded, strlen(folded)));
}

struct irc_person *
irc_person_get(struct irc_people *all, enum irc_casemapping how, const char *nick)
{
	char folded[FOLDED_BYTES];
	struct irc_person *p, **to;
	uint64_t hash;

	irc_fold(how, nick, folded, sizeof(folded));
	hash = crypt_hash(folded, strlen(folded));
	if ((p = *find(all, folded, hash))) {
		p->refs++;
		return p;
	}
	if (all->count >= all->nbuckets)
		grow(all);
	p = mem_zalloc(sizeof(*p) + strlen(folded) + 1);
	memcpy(p->folded, folded, strlen(folded) + 1);
	p->nick = mem_strdup(nick);
	p->hash = hash;
	p->refs = 1;
	p->all = all;
	to = &all->buckets[hash & (all->nbuckets - 1)];
	p->next = *to;
	*to = p;
	all->count++;
	return p;
}

void
irc_person_unref(struct irc_person *p)
{
	struct irc_person **at;

	if (!p || --p->refs)
		return;
	at = &p->all->buckets[p->hash & (p->all->nbuckets - 1)];
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->all->count--;
	free(p->nick);
	free(p->address);
	free(p->account);
	free(p);
}

static void
set(char **slot, const char *value)
{
	if (*slot && value && !strcmp(*slot, value))
		return;
	free(*slot);
	*slot = value ? mem_strdup(value) : NULL;
}

void
irc_person_learn(struct irc_person *p, const char *user, const char *host)
{
	char address[256];

	if (user && host && irc_text_join(address, sizeof(address), user, '@', host))
		set(&p->address, address);
}

void
irc_person_set_account(struct irc_person *p, const char *account)
{
	set(&p->account, account && *account && strcmp(account, "*") && strlen(account) < 128 ? account : NULL);
}
