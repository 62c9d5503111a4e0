/* contact: people at IRC in somebody's roster here: whether they are there, as the person's connection says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bridge.h"

struct irc_contact {
	struct list in_user, in_session;
	struct gateway_user *u;
	struct irc_session *session;
	bool watched; /* else nothing is known of them, and they are shown as there */
	char *nick;
	char foreign[];
};

static void
show(const struct irc_contact *k, bool there, bool away, const char *text)
{
	gateway_presence(k->u, k->foreign, !there ? NETWORK_GONE : away ? NETWORK_AWAY : NETWORK_AVAILABLE, text);
}

static struct irc_contact *
find(struct irc_user *iu, const char *foreign)
{
	LIST_EACH(l, &iu->contacts) {
		struct irc_contact *k = LIST_ENTRY(l, struct irc_contact, in_user);

		if (!strcmp(k->foreign, foreign))
			return k;
	}
	return NULL;
}

static struct irc_contact *
contact_new(struct irc_user *iu, const char *foreign)
{
	struct irc_contact *k = mem_zalloc(sizeof(*k) + strlen(foreign) + 1);
	struct irc_server *server;
	size_t n;

	memcpy(k->foreign, foreign, strlen(foreign) + 1);
	server = irc_server_of(&irc->servers, k->foreign, &n);
	k->u = iu->u;
	k->nick = mem_strndup(foreign, n);
	k->session = irc_session_for(server, iu->u, NULL);
	list_append(&iu->contacts, &k->in_user);
	list_append(&k->session->contacts, &k->in_session);
	k->watched = !irc_client_watch(k->session->client, k->nick);
	irc_session_stir(k->session);
	return k;
}

static void
contact_free(struct irc_contact *k)
{
	if (k->watched) {
		irc_client_unwatch(k->session->client, k->nick);
		irc_session_stir(k->session);
	}
	list_remove(&k->in_user);
	list_remove(&k->in_session);
	free(k->nick);
	free(k);
}

void
irc_contact_set(struct gateway_user *u, const char *foreign, bool on)
{
	struct irc_user *iu = u->net;
	struct irc_contact *k = iu ? find(iu, foreign) : NULL;
	size_t n;

	if (!iu || !irc_server_of(&irc->servers, foreign, &n))
		return;
	if (!on && k)
		contact_free(k);
	if (!on)
		return;
	if (!k)
		k = contact_new(iu, foreign);
	show(k, !k->watched || irc_client_is_there(k->session->client, k->nick), k->watched && irc_client_is_away(k->session->client, k->nick), NULL);
}

void
irc_contact_event(struct irc_session *s, const struct irc_event *e)
{
	LIST_EACH(l, &s->contacts) {
		struct irc_contact *k = LIST_ENTRY(l, struct irc_contact, in_session);

		if (k->watched && irc_same(irc_client_isupport(s->client)->casemapping, k->nick, e->nick))
			show(k, e->kind == IRC_PRESENT, e->away, e->text);
	}
}

void
irc_contacts_end(struct irc_user *iu)
{
	while (!list_is_empty(&iu->contacts))
		contact_free(LIST_ENTRY(iu->contacts.next, struct irc_contact, in_user));
}
