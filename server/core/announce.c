/*
 * announce: makes a message for each recipient, hands it to the archive writer, and sends it on at the recipient's home when
 * it has been committed. Called by server/admin.
 */
#include "core/announce.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/route/packet.h"
#include "core/route/router.h"
#include "core/user.h"
#include "store/record.h"
#include "xmpp/ns.h"

/* Those that are under way; the thread that began them waits for all. */
struct batch {
	pthread_mutex_t lock;
	pthread_cond_t less;
	unsigned left, sent;
	const char *why; /* the archive's reason; static */
};

struct recipient {
	struct record_entry rec;
	struct packet *p;
	struct batch *batch;
};

static void
settle(struct recipient *r)
{
	struct batch *b = r->batch;

	pthread_mutex_lock(&b->lock);
	if (r->rec.outcome == RECORD_COMMITTED)
		b->sent++;
	else
		b->why = r->rec.why;
	b->left--;
	pthread_cond_signal(&b->less);
	pthread_mutex_unlock(&b->lock);
	free(r);
}

/* At the recipient's home. */
static void
recorded(struct mail *m)
{
	struct recipient *r = LIST_ENTRY(LIST_ENTRY(m, struct record_entry, mail), struct recipient, rec);
	struct packet *p = r->p;

	if (r->rec.outcome == RECORD_COMMITTED) {
		p->record_id = r->rec.id;
		p->at_us = r->rec.at_us;
		p->deliverable = true;
		router_send(p);
	} else {
		packet_unref(p);
	}
	settle(r);
}

static void
add_text(struct stanza *st, const char *name, const char *text)
{
	elem_add_text(st, elem_add(st, st->root, NULL, name), text, strlen(text));
}

static struct packet *
message(const struct announcement *a, struct jid *to)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct jid *from = jid_new(NULL, jid_domain(to), NULL);
	struct packet *p;

	elem_set(st, st->root, "from", jid_full(from));
	elem_set(st, st->root, "to", jid_bare(to));
	elem_set(st, st->root, "id", a->id);
	if (a->subject)
		add_text(st, "subject", a->subject);
	add_text(st, "body", a->text);
	p = packet_new(st, from, to);
	packet_make_xml(p);
	jid_unref(from);
	return p;
}

static void
submit(const struct announcement *a, struct jid *to, struct batch *b)
{
	struct recipient *r = NEW(struct recipient);
	struct packet *p = message(a, to);

	r->batch = b;
	r->p = p;
	r->rec.mail.run = recorded;
	r->rec.home = home_of(to);
	r->rec.kind = RECORD_ANNOUNCEMENT;
	r->rec.direction = RECORD_LOCAL;
	r->rec.from_bare = jid_bare(p->from);
	r->rec.to_bare = jid_bare(p->to);
	r->rec.type = "normal";
	r->rec.client_id = a->id;
	r->rec.body = a->text;
	r->rec.stanza = p->xml;
	r->rec.stanza_len = p->xml_len;
	r->rec.deliverable = true;
	r->rec.shown = true;
	r->rec.accepted_ms = clock_mono_ms();
	record_submit(&r->rec);
}

int
announce_send(const struct announcement *a, const char *const *bare, size_t n, unsigned *sent, struct err *e)
{
	struct batch b = { .lock = PTHREAD_MUTEX_INITIALIZER, .less = PTHREAD_COND_INITIALIZER };
	unsigned begun = 0;

	for (size_t i = 0; i < n; i++) {
		struct jid *to = jid_parse_z(bare[i]);

		if (to && jid_local(to) && jid_is_bare(to)) {
			begun++;
			pthread_mutex_lock(&b.lock);
			b.left++;
			pthread_mutex_unlock(&b.lock);
			submit(a, to, &b);
		}
		jid_unref(to);
	}
	pthread_mutex_lock(&b.lock);
	while (b.left)
		pthread_cond_wait(&b.less, &b.lock);
	pthread_mutex_unlock(&b.lock);
	*sent += b.sent;
	return b.sent == begun ? 0 : err_set(e, 0, "the archive did not take it: %s", b.why ? b.why : "");
}
