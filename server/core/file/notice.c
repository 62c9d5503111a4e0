/*
 * notice: made and recorded as an announcement to one. Whoever sends a hundred bad files a minute does not make us send a hundred messages.
 */
#include "core/file/notice.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/seldom.h"
#include "core/host.h"
#include "core/route/packet.h"
#include "core/route/router.h"
#include "core/user.h"
#include "store/record.h"
#include "xmpp/ns.h"

#define MINUTE_MS 60000
/* In a minute: */
#define ABOUT_ONE 3 /* about one to another, each said once */
#define TO_ONE 10   /* whoever it is about */

struct notice {
	struct record_entry rec;
	struct packet *p;
	char *text;
	char id[33];
};

static struct seldom said = { .lock = PTHREAD_MUTEX_INITIALIZER }, about = { .lock = PTHREAD_MUTEX_INITIALIZER },
	to_one = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
recorded(struct mail *m)
{
	struct notice *n = LIST_ENTRY(LIST_ENTRY(m, struct record_entry, mail), struct notice, rec);

	if (n->rec.outcome == RECORD_COMMITTED) {
		n->p->record_id = n->rec.id;
		n->p->at_us = n->rec.at_us;
		n->p->deliverable = true;
		router_send(n->p);
	} else {
		log_warning(NULL, "notice-lost", "to=%s why=%s", jid_bare(n->p->to), n->rec.why);
		packet_unref(n->p);
	}
	free(n->text);
	free(n);
}

static struct packet *
message(const struct notice *n, const struct jid *to)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct jid *from = jid_new(NULL, jid_domain(to), NULL), *bare = jid_to_bare((struct jid *)to);
	struct packet *p;

	elem_set(st, st->root, "from", jid_full(from));
	elem_set(st, st->root, "to", jid_bare(bare));
	elem_set(st, st->root, "id", n->id);
	elem_add_text(st, elem_add(st, st->root, NULL, "body"), n->text, strlen(n->text));
	p = packet_new(st, from, bare);
	packet_make_xml(p);
	jid_unref(from);
	jid_unref(bare);
	return p;
}

void
notice_send(const struct jid *to, const char *text)
{
	struct notice *n;

	if (!jid_local(to) || !host_find(jid_domain(to)))
		return;
	n = NEW(struct notice);
	n->text = mem_strdup(text);
	crypt_random_hex(n->id, 16);
	n->p = message(n, to);
	n->rec.mail.run = recorded;
	n->rec.home = home_of(to);
	n->rec.kind = RECORD_ANNOUNCEMENT;
	n->rec.direction = RECORD_LOCAL;
	n->rec.from_bare = jid_bare(n->p->from);
	n->rec.to_bare = jid_bare(n->p->to);
	n->rec.type = "normal";
	n->rec.client_id = n->id;
	n->rec.body = n->text;
	n->rec.stanza = n->p->xml;
	n->rec.stanza_len = n->p->xml_len;
	n->rec.deliverable = true;
	n->rec.shown = true;
	n->rec.accepted_ms = clock_mono_ms();
	record_submit(&n->rec);
}

void
notice_send_about(const struct jid *to, const struct jid *whom, const char *text)
{
	const uint64_t pair[3] = { jid_hash(to), jid_hash(whom), crypt_hash(text, strlen(text)) };
	int64_t now = clock_mono_ms();

	if (seldom_may(&said, crypt_hash(pair, sizeof(pair)), 1, MINUTE_MS, now) &&
		seldom_may(&about, crypt_hash(pair, 2 * sizeof(*pair)), ABOUT_ONE, MINUTE_MS, now) &&
		seldom_may(&to_one, jid_hash(to), TO_ONE, MINUTE_MS, now))
		notice_send(to, text);
}
