/*
 * outgoing: what we say: lines in a queue that empties as fast as the server likes it, messages and what became of them.
 *
 * The bucket is counted in milliseconds: a line costs flood_ms, and there are flood_burst * flood_ms at most. What a server waits for (PONG, the login)
 * does not stand in the queue.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "client_state.h"

#define PIECE_MIN 64 /* bytes of text in a line, whatever a server says of its names */
#define PING_PREFIX "chancery-" /* then its number */
#define ECHO_MS 5000 /* what has not come back by then is asked about by a PING */

struct buf *
irc_later_begin(struct irc_client *c)
{
	buf_clear(&c->line);
	return &c->line;
}

void
irc_label(struct irc_client *c, struct buf *line)
{
	if (c->caps & IRC_CAP_LABEL)
		buf_addf(line, "@label=%llu ", (unsigned long long)++c->labels);
}

int
irc_later_line(struct irc_client *c, struct irc_pending *of, bool last, int written)
{
	const struct buf *line = &c->line;
	struct buf coded = { 0 };
	struct irc_queued *q;

	if (written || c->queued >= c->set->queue_lines)
		return -1;
	if (c->set->charset_out) {
		irc_text_encode(buf_data(line), buf_len(line), c->set->charset_out, &coded);
		line = &coded;
	}
	q = mem_alloc(sizeof(*q) + buf_len(line));
	q->of = of;
	q->last = last;
	q->number = ++c->lines;
	q->n = buf_len(line);
	memcpy(q->line, buf_data(line), q->n);
	list_append(&c->queue, &q->link);
	c->queued++;
	buf_fini(&coded);
	if (c->line.cap > 1024)
		buf_fini(&c->line);
	return 0;
}

void
irc_ping(struct irc_client *c)
{
	buf_adds(&c->out, "PING " PING_PREFIX);
	buf_addu(&c->out, ++c->ping_said);
	buf_adds(&c->out, "\r\n");
	if (!c->ping_since)
		c->ping_since = c->now;
}

/* A PING behind the messages that have none yet. */
static void
mark(struct irc_client *c)
{
	irc_ping(c);
	LIST_EACH(l, &c->pending) {
		struct irc_pending *p = LIST_ENTRY(l, struct irc_pending, link);

		if (p->written && !p->ping)
			p->ping = c->ping_said;
	}
}

/* The oldest message that was said and has no PING behind it. */
static const struct irc_pending *
unmarked(const struct irc_client *c)
{
	LIST_EACH(l, &c->pending) {
		const struct irc_pending *p = LIST_ENTRY(l, struct irc_pending, link);

		if (p->written && !p->ping)
			return p;
	}
	return NULL;
}

/*
 * An error names its target, not what it is about: where that has no label (and messages do not come back) a PING stands between two with the same
 * target, and tells which of them is meant.
 */
static bool
is_ambiguous(const struct irc_client *c, const struct irc_pending *next)
{
	if (!next || next->label || (!next->order && c->caps & IRC_CAP_ECHO))
		return false;
	LIST_EACH(l, &c->pending) {
		const struct irc_pending *p = LIST_ENTRY(l, struct irc_pending, link);

		if (p == next)
			break;
		if (p->written && !p->ping && p->order == next->order && irc_same(c->is.casemapping, p->target, next->target))
			return true;
	}
	return false;
}

static void
refill(struct irc_client *c)
{
	int64_t full = (int64_t)c->set->flood_burst * c->set->flood_ms;

	c->credit += c->now - c->credit_at;
	c->credit_at = c->now;
	if (c->credit > full)
		c->credit = full;
}

/* Whoever waits for the answer to this line waits from now on. */
static void
asked(struct irc_client *c, uint64_t number)
{
	for (struct irc_channel *ch = c->channels; ch; ch = ch->next) {
		if (ch->asked != number)
			continue;
		ch->asked = 0;
		ch->since = c->now;
	}
}

void
irc_flush(struct irc_client *c)
{
	const struct irc_pending *p;
	bool said = false;

	if (c->state != IRC_ON)
		return;
	refill(c);
	while (c->credit >= c->set->flood_ms && !list_is_empty(&c->queue)) {
		struct irc_queued *q = LIST_ENTRY(list_pop(&c->queue), struct irc_queued, link);

		/* This PING is a line like others to a server that counts them. */
		if (is_ambiguous(c, q->of)) {
			mark(c);
			c->credit -= c->set->flood_ms;
		}
		buf_add(&c->out, q->line, q->n);
		c->credit -= c->set->flood_ms;
		c->queued--;
		asked(c, q->number);
		if (q->of && q->last) {
			q->of->written = c->now;
			said = said || q->of->order || !(c->caps & IRC_CAP_ECHO);
		}
		free(q);
	}
	p = unmarked(c);
	if (p && (said || c->now >= p->written + ECHO_MS))
		mark(c);
}

int64_t
irc_flush_due(const struct irc_client *c)
{
	int64_t due = INT64_MAX;
	const struct irc_pending *p;

	if (c->state != IRC_ON)
		return due;
	if (!list_is_empty(&c->queue))
		due = c->credit_at + (c->credit >= c->set->flood_ms ? 0 : c->set->flood_ms - c->credit);
	if ((p = unmarked(c)) && p->written + ECHO_MS < due)
		due = p->written + ECHO_MS;
	return due;
}

struct irc_pending *
irc_pending_new(struct irc_client *c, uint64_t ref, const char *target, unsigned lines)
{
	struct irc_pending *p = mem_zalloc(sizeof(*p) + strlen(target) + 1);

	p->ref = ref;
	p->lines = lines;
	memcpy(p->target, target, strlen(target) + 1);
	list_append(&c->pending, &p->link);
	return p;
}

void
irc_pending_free(struct irc_pending *p)
{
	list_remove(&p->link);
	free(p->id);
	free(p);
}

static void
pending_sent(struct irc_client *c, struct irc_pending *p)
{
	struct irc_event e = { .kind = IRC_SENT, .ref = p->ref, .id = p->id, .at = p->at };

	list_remove(&p->link);
	if (!p->failed)
		irc_emit(c, &e);
	irc_pending_free(p);
}

static void
pending_failed(struct irc_client *c, struct irc_pending *p, unsigned code, const char *text)
{
	struct irc_event e = { .kind = IRC_FAILED, .ref = p->ref, .code = code, .text = text };

	if (p->failed)
		return;
	p->failed = true;
	irc_emit(c, &e);
}

void
irc_outgoing_pong(struct irc_client *c, const struct irc_line *l)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < l->nparams && !n; i++)
		if (!strncmp(l->params[i], PING_PREFIX, strlen(PING_PREFIX)))
			n = strtoull(l->params[i] + strlen(PING_PREFIX), NULL, 10);
	if (n <= c->ping_heard || n > c->ping_said)
		return;
	c->ping_heard = n;
	c->ping_since = n < c->ping_said ? c->now : 0;
	LIST_EACH(at, &c->pending) {
		struct irc_pending *p = LIST_ENTRY(at, struct irc_pending, link);

		if (!p->ping || p->ping > n)
			break;
		/* Where all comes back, what did not was not taken. */
		if (c->caps & IRC_CAP_ECHO && !p->order && p->answers < p->lines)
			pending_failed(c, p, 404, "the server did not pass it on");
		pending_sent(c, p);
	}
}

struct irc_pending *
irc_outgoing_labelled(struct irc_client *c, uint64_t label)
{
	LIST_EACH(l, &c->pending) {
		struct irc_pending *p = LIST_ENTRY(l, struct irc_pending, link);

		if (p->label && label >= p->label && label - p->label < p->lines)
			return p->answers < p->lines ? p : NULL;
	}
	return NULL;
}

struct irc_pending *
irc_outgoing_unanswered(struct irc_client *c, const char *target, bool order)
{
	LIST_EACH(l, &c->pending) {
		struct irc_pending *p = LIST_ENTRY(l, struct irc_pending, link);

		if (!p->written)
			break;
		if (p->order == order && p->answers < p->lines && irc_same(c->is.casemapping, p->target, target))
			return p;
	}
	return NULL;
}

void
irc_outgoing_echo(struct irc_client *c, struct irc_pending *p, const char *id, int64_t at)
{
	if (!p->answers && id) {
		p->id = mem_strdup(id);
		p->at = at;
	}
	if (++p->answers == p->lines)
		pending_sent(c, p);
}

void
irc_outgoing_error(struct irc_client *c, struct irc_pending *p, unsigned code, const char *text)
{
	p->answers++;
	pending_failed(c, p, code, text);
	if (c->caps & IRC_CAP_ECHO && !p->order && p->answers == p->lines)
		pending_sent(c, p);
}

static void
queue_drop(struct irc_client *c)
{
	while (!list_is_empty(&c->queue))
		free(LIST_ENTRY(list_pop(&c->queue), struct irc_queued, link));
	c->queued = 0;
}

void
irc_outgoing_end(struct irc_client *c)
{
	struct list lost;

	queue_drop(c);
	/* Whoever is told may say it again at once, which is for the next connection to refuse. */
	list_init(&lost);
	while (!list_is_empty(&c->pending))
		list_append(&lost, list_pop(&c->pending));
	while (!list_is_empty(&lost)) {
		struct irc_pending *p = LIST_ENTRY(lost.next, struct irc_pending, link);

		pending_failed(c, p, 0, p->written ? "the connection was lost; it may have arrived" : "the connection was lost");
		irc_pending_free(p);
	}
}

void
irc_outgoing_drop(struct irc_client *c)
{
	queue_drop(c);
	while (!list_is_empty(&c->pending))
		irc_pending_free(LIST_ENTRY(c->pending.next, struct irc_pending, link));
}

/* How many bytes of text a line to `target` has room for, when the server has put our name in front. */
static size_t
room(const struct irc_client *c, const char *command, const char *target)
{
	size_t us = strlen(irc_client_nick(c)) + 1 + (c->address ? strlen(c->address) : c->is.userlen + 2 + c->is.hostlen);
	size_t other = 1 + us + 1 + strlen(command) + 1 + strlen(target) + 2 + 2;

	return c->is.linelen > other + PIECE_MIN ? c->is.linelen - other : PIECE_MIN;
}

size_t
irc_client_room(const struct irc_client *c, const char *target)
{
	return room(c, "PRIVMSG", target);
}

bool
irc_client_take_back(struct irc_client *c, uint64_t ref)
{
	struct irc_pending *p = NULL;

	LIST_EACH(l, &c->queue) {
		struct irc_queued *q = LIST_ENTRY(l, struct irc_queued, link);

		if (!q->of || q->of->ref != ref)
			continue;
		p = q->of;
		list_remove(&q->link);
		free(q);
		c->queued--;
	}
	if (p)
		irc_pending_free(p);
	return p != NULL;
}

/* How much of the text fits into a line; more by its bytes in the charset that we say it in than by ours. */
static size_t
fitting(struct irc_client *c, const char *text, size_t n, size_t max, size_t *skip)
{
	size_t take = irc_text_cut(text, n, max, skip), least = max, said;
	struct buf coded = { 0 };

	while (c->set->charset_out && least > 1) {
		buf_clear(&coded);
		irc_text_encode(text, take, c->set->charset_out, &coded);
		said = buf_len(&coded);
		if (said <= max)
			break;
		least = least < take ? least : take;
		least = least * max / said < least ? least * max / said : least - 1;
		take = irc_text_cut(text, n, least > 1 ? least : 1, skip);
	}
	buf_fini(&coded);
	return take;
}

/* The pieces of a text, each of which is a line. Calls `piece` for each, if there is one; returns how many. */
typedef int piece_fn(struct irc_client *c, struct irc_pending *p, bool last, const char *command, enum irc_say say, const char *s, size_t n);

static unsigned
cut(struct irc_client *c, struct irc_pending *p, const char *command, const char *target, enum irc_say say, const char *text, unsigned total, piece_fn *piece)
{
	size_t max = room(c, command, target) - (say == IRC_ACTION ? strlen("\1ACTION \1") : 0);
	unsigned lines = 0;

	while (*text) {
		size_t n = strcspn(text, "\r\n"), take, skip;

		if (!n) {
			text++;
			continue;
		}
		take = fitting(c, text, n, max, &skip);
		lines++;
		if (piece && piece(c, p, lines == total, command, say, text, take))
			return 0;
		text += take + skip;
	}
	return lines;
}

static int
say_piece(struct irc_client *c, struct irc_pending *p, bool last, const char *command, enum irc_say say, const char *s, size_t n)
{
	struct buf *line = irc_later_begin(c);

	irc_label(c, line);
	buf_adds(line, command);
	buf_addc(line, ' ');
	buf_adds(line, p->target);
	buf_adds(line, say == IRC_ACTION ? " :\1ACTION " : " :");
	buf_add(line, s, n);
	buf_adds(line, say == IRC_ACTION ? "\1\r\n" : "\r\n");
	return irc_later_line(c, p, last, 0);
}

int
irc_client_say(struct irc_client *c, uint64_t ref, const char *target, enum irc_say say, const char *text, struct err *e)
{
	const char *command = say == IRC_NOTICE ? "NOTICE" : "PRIVMSG";
	struct irc_pending *p;
	unsigned lines;

	if (c->state != IRC_ON)
		return err_set(e, 0, "there is no connection");
	if (!irc_name_is_sane(target) || strchr(target, ','))
		return err_set(e, 401, "no such name");
	lines = cut(c, NULL, command, target, say, text, 0, NULL);
	if (!lines)
		return err_set(e, 412, "there is no text");
	if (lines > c->set->message_lines)
		return err_set(e, 416, "the text has %u lines, more than %u", lines, c->set->message_lines);
	if (c->queued + lines > c->set->queue_lines)
		return err_set(e, 416, "too much waits to be said there");
	p = irc_pending_new(c, ref, target, lines);
	p->label = c->caps & IRC_CAP_LABEL ? c->labels + 1 : 0;
	cut(c, p, command, target, say, text, lines, say_piece);
	return 0;
}
