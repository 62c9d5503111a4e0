/*
 * watch: whether people are there with whom we need not be in a channel: by MONITOR (IRCv3) where the server has it, as many as it takes. The others are asked
 * for by ISON (RFC 2812 §4.9), as many as a line has, in turn, once in presence_ms. Nothing of this is said while anything else waits.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "client_state.h"

#define NAMES_BYTES 400 /* in one line: the answer to ISON has them all, too */
#define NICK_BYTES 200

struct irc_watch {
	struct list link; /* those that have been asked for are behind the others */
	struct irc_watch *next; /* in its bucket */
	uint64_t hash;
	unsigned n;       /* so often it is wanted */
	enum { WATCH_NEW, WATCH_MONITORED, WATCH_POLLED } how;
	bool known, there; /* known: the server has said something */
	bool away;        /* of MONITORED ones */
	bool asked;       /* by the ISON that has no answer yet */
	char nick[];
};

/*
 * A server may say thousands of names in a line, so each is looked for where it would be. What is the same under any casemapping is the same under rfc1459's, so a server that
 * tells another one moves nothing.
 */
static uint64_t
hash_of(const char *nick)
{
	char folded[NICK_BYTES + 1];

	irc_fold(IRC_CASE_RFC1459, nick, folded, sizeof(folded));
	return crypt_hash(folded, strlen(folded));
}

static struct irc_watch **
bucket(const struct irc_client *c, uint64_t hash)
{
	return &c->watch_buckets[hash & (c->nwatch_buckets - 1)];
}

static struct irc_watch *
find(const struct irc_client *c, const char *nick)
{
	uint64_t hash;
	struct irc_watch *w;

	if (!c->nwatches || strlen(nick) > NICK_BYTES)
		return NULL;
	hash = hash_of(nick);
	w = *bucket(c, hash);
	while (w && (w->hash != hash || !irc_same(c->is.casemapping, w->nick, nick)))
		w = w->next;
	return w;
}

static void
hook(struct irc_client *c, struct irc_watch *w)
{
	struct irc_watch **at = bucket(c, w->hash);

	w->next = *at;
	*at = w;
}

static void
unhook(struct irc_client *c, struct irc_watch *w)
{
	struct irc_watch **at = bucket(c, w->hash);

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

/* Room for one more. */
static void
grow(struct irc_client *c)
{
	if (c->nwatches < c->nwatch_buckets)
		return;
	free(c->watch_buckets);
	c->nwatch_buckets = c->nwatch_buckets ? 2 * c->nwatch_buckets : 4;
	c->watch_buckets = mem_zalloc(c->nwatch_buckets * sizeof(struct irc_watch *));
	LIST_EACH(l, &c->watches)
		hook(c, LIST_ENTRY(l, struct irc_watch, link));
}

static void
tell(struct irc_client *c, struct irc_watch *w, bool there)
{
	struct irc_event e = { .kind = there ? IRC_PRESENT : IRC_ABSENT, .nick = w->nick, .away = there && w->away };

	w->known = true;
	w->away = e.away;
	if (w->there == there)
		return;
	w->there = there;
	irc_emit(c, &e);
}

static void
set_how(struct irc_client *c, struct irc_watch *w, int how)
{
	c->watches_new -= w->how == WATCH_NEW;
	c->monitored -= w->how == WATCH_MONITORED;
	w->how = how;
	w->away = false;
	c->watches_new += how == WATCH_NEW;
	c->monitored += how == WATCH_MONITORED;
	if (how == WATCH_POLLED)
		c->ison_at = c->now;
}

int
irc_client_watch(struct irc_client *c, const char *nick)
{
	struct irc_watch *w = find(c, nick);

	if (w) {
		w->n++;
		return 0;
	}
	if (!irc_name_is_sane(nick) || strchr(nick, ',') || strlen(nick) > NICK_BYTES || c->nwatches >= c->set->watched)
		return -1;
	w = mem_zalloc(sizeof(*w) + strlen(nick) + 1);
	w->n = 1;
	w->how = WATCH_NEW;
	memcpy(w->nick, nick, strlen(nick) + 1);
	w->hash = hash_of(nick);
	grow(c);
	hook(c, w);
	list_prepend(&c->watches, &w->link);
	c->nwatches++;
	c->watches_new++;
	return 0;
}

static void
drop(struct irc_client *c, struct irc_watch *w)
{
	set_how(c, w, WATCH_NEW);
	c->watches_new--;
	c->nwatches--;
	unhook(c, w);
	list_remove(&w->link);
	free(w);
}

void
irc_client_unwatch(struct irc_client *c, const char *nick)
{
	struct irc_watch *w = find(c, nick);

	if (!w || --w->n)
		return;
	if (w->how == WATCH_MONITORED && c->state == IRC_ON)
		(void)!irc_later(c, "MONITOR", "-", w->nick);
	drop(c, w);
}

bool
irc_client_is_there(const struct irc_client *c, const char *nick)
{
	const struct irc_watch *w = find(c, nick);

	return w && w->there;
}

bool
irc_client_is_away(const struct irc_client *c, const char *nick)
{
	const struct irc_watch *w = find(c, nick);

	return w && w->away;
}

/* Only where the server tells it of whoever it monitors, in a channel with us or not: else nobody would say that they are back. */
void
irc_watch_away(struct irc_client *c, const char *nick, const char *text)
{
	struct irc_watch *w = c->caps & IRC_CAP_MONITOR ? find(c, nick) : NULL;
	struct irc_event e = { .kind = IRC_PRESENT, .text = text, .away = text != NULL };

	if (!w || w->how != WATCH_MONITORED || (!text && !w->away))
		return;
	w->away = e.away;
	e.nick = w->nick;
	if (w->there)
		irc_emit(c, &e);
}

void
irc_watch_end(struct irc_client *c)
{
	while (!list_is_empty(&c->watches))
		drop(c, LIST_ENTRY(c->watches.next, struct irc_watch, link));
	free(c->watch_buckets);
	c->watch_buckets = NULL;
	c->nwatch_buckets = 0;
}

void
irc_watch_lost(struct irc_client *c)
{
	c->ison_asked = false;
	LIST_EACH(l, &c->watches) {
		struct irc_watch *w = LIST_ENTRY(l, struct irc_watch, link);

		set_how(c, w, WATCH_NEW);
		w->asked = false;
		tell(c, w, false);
		w->known = false;
	}
}

/* What the server has not been told of: one line of it. False: there is none. */
static bool
monitor(struct irc_client *c)
{
	struct buf names = { 0 };
	bool any;

	LIST_EACH(l, &c->watches) {
		struct irc_watch *w = LIST_ENTRY(l, struct irc_watch, link);

		if (!c->watches_new || buf_len(&names) + strlen(w->nick) > NAMES_BYTES)
			break;
		if (w->how != WATCH_NEW)
			continue;
		if (c->monitored >= c->is.monitor) {
			set_how(c, w, WATCH_POLLED);
			continue;
		}
		set_how(c, w, WATCH_MONITORED);
		buf_adds(&names, buf_len(&names) ? "," : "");
		buf_adds(&names, w->nick);
	}
	any = buf_len(&names);
	if (any)
		(void)!irc_later(c, "MONITOR", "+", buf_str(&names));
	buf_fini(&names);
	return any;
}

static void
poll(struct irc_client *c)
{
	struct buf names = { 0 };

	for (unsigned n = c->nwatches; n; n--) {
		struct irc_watch *w = LIST_ENTRY(c->watches.next, struct irc_watch, link);

		if (w->how == WATCH_POLLED && buf_len(&names) + strlen(w->nick) > NAMES_BYTES)
			break;
		list_remove(&w->link);
		list_append(&c->watches, &w->link);
		w->asked = w->how == WATCH_POLLED;
		if (!w->asked)
			continue;
		buf_adds(&names, buf_len(&names) ? " " : "");
		buf_adds(&names, w->nick);
	}
	c->ison_asked = true;
	c->ison_since = c->now;
	irc_later_begin(c);
	buf_addf(&c->line, "ISON :%s\r\n", buf_str(&names));
	(void)!irc_later_line(c, NULL, false, 0);
	buf_fini(&names);
}

/* The next line now, as long as there are some that nothing is known of. */
static void
polled(struct irc_client *c)
{
	const struct irc_watch *next = LIST_ENTRY(c->watches.next, struct irc_watch, link);
	bool more = !list_is_empty(&c->watches) && next->how == WATCH_POLLED && !next->known;

	c->ison_asked = false;
	c->ison_at = c->now + (more ? 0 : c->set->presence_ms);
	LIST_EACH(l, &c->watches)
		LIST_ENTRY(l, struct irc_watch, link)->asked = false;
}

static bool
is_idle(const struct irc_client *c)
{
	return c->state != IRC_ON || !c->nwatches || c->queued;
}

void
irc_watch_tick(struct irc_client *c)
{
	if (is_idle(c))
		return;
	if (c->ison_asked && c->now >= c->ison_since + c->set->answer_ms)
		polled(c);
	if (c->watches_new && monitor(c))
		return;
	if (c->nwatches > c->monitored && !c->ison_asked && c->now >= c->ison_at)
		poll(c);
}

int64_t
irc_watch_due(const struct irc_client *c)
{
	if (is_idle(c))
		return INT64_MAX;
	if (c->watches_new)
		return c->now;
	if (c->nwatches == c->monitored)
		return INT64_MAX;
	return c->ison_asked ? c->ison_since + c->set->answer_ms : c->ison_at;
}

/* 303: those who are there of those who were asked about. */
static void
take_ison(struct irc_client *c, char *names)
{
	struct irc_watch *w;
	char *save = NULL;

	if (!c->ison_asked)
		return;
	for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		w = find(c, name);
		if (!w || !w->asked)
			continue;
		w->asked = false;
		tell(c, w, true);
	}
	LIST_EACH(l, &c->watches) {
		w = LIST_ENTRY(l, struct irc_watch, link);
		if (w->asked)
			tell(c, w, false);
	}
	polled(c);
}

/* 730, 731: nick!user@host,nick!user@host… */
static void
take_monitored(struct irc_client *c, char *names, bool there)
{
	char *save = NULL;

	for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		struct irc_watch *w;

		name[strcspn(name, "!")] = '\0';
		w = find(c, name);
		if (w && w->how == WATCH_MONITORED)
			tell(c, w, there);
	}
}

/* 734: nick limit names: there are more than it takes. */
static void
take_full(struct irc_client *c, char *names)
{
	char *save = NULL;

	for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		struct irc_watch *w = find(c, name);

		if (w && w->how == WATCH_MONITORED)
			set_how(c, w, WATCH_POLLED);
	}
	c->is.monitor = c->monitored;
}

void
irc_watch_take(struct irc_client *c, struct irc_line *l)
{
	if (l->numeric == 734 && l->nparams > 2)
		take_full(c, l->params[2]);
	else if (l->numeric == 303 && l->nparams > 1)
		take_ison(c, l->params[l->nparams - 1]);
	else if (l->numeric != 303 && l->nparams > 1)
		take_monitored(c, l->params[l->nparams - 1], l->numeric == 730);
}
