/*
 * arriving: mails for people here. Each recipient is answered when chanceryd has the message (250), when it does not want it (550), or when nobody knows (451).
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "mail.h"
#include "read.h"

#define AGAIN "451 4.3.2 not now; come again"
#define NOBODY "550 5.1.1 there is nobody of that name"

/* A mail, read, for as long as one of its recipients needs it. */
struct letter {
	struct mail mail;
	unsigned held;
	char *id;   /* with a hash of the content: ids are the sender's to choose, and two mails may have the same */
};

struct arrival {
	struct list in;       /* of all that are not taken */
	struct list waiting;  /* of the pair, until its thread is there */
	struct mail_gateway *mg;
	struct letter *letter;
	struct delivery *delivery;
	size_t recipient;
	struct jid *user;
	struct pair *pair;    /* NULL: it is a report */
	uint64_t due_ms;      /* waiting */
};

static void
release_letter(struct letter *l)
{
	if (--l->held)
		return;
	mail_fini(&l->mail);
	free(l->id);
	free(l);
}

static void
free_arrival(struct arrival *v)
{
	list_remove(&v->in);
	list_remove(&v->waiting);
	release_letter(v->letter);
	jid_unref(v->user);
	free(v);
}

static void
end(struct arrival *v, const char *reply)
{
	struct pair *p = v->pair;

	delivery_answer(v->delivery, v->recipient, reply);
	free_arrival(v);
	if (p)
		pair_release(p);
}

/* What is shown */

static const char *
proof_name(enum sender_proof p)
{
	return p == SENDER_PROVEN ? "proven" : p == SENDER_FORGED ? "forged" : "unknown";
}

static const char *
note_of(struct arena *a, const struct mail *m)
{
	return arena_printf(a, "sender=%s dkim=%s spf=%s dmarc=%s%s%s", proof_name(auth_results_proof(&m->auth)), m->auth.dkim, m->auth.spf, m->auth.dmarc,
			    *m->from_name ? " name=" : "", m->from_name);
}

static const char *
body_of(struct arena *a, const struct mail *m, bool checked)
{
	enum sender_proof proof = auth_results_proof(&m->auth);
	struct buf b = { 0 };
	const char *out;

	if (proof == SENDER_FORGED)
		buf_addf(&b, "[Warning: the sender is forged. This mail is not from %s.]\n", m->from);
	else if (proof == SENDER_UNKNOWN && checked)
		buf_adds(&b, "[The sender is not verified.]\n");
	if (m->automatic)
		buf_adds(&b, "[This was sent by a program.]\n");
	if (buf_len(&b) && *m->text)
		buf_addc(&b, '\n');
	buf_adds(&b, m->text);
	if (m->cut)
		buf_adds(&b, "\n\n[There is more text than is shown.]");
	if (m->quoted_lines)
		buf_addf(&b, "\n\n[%u quoted %s left out.]", m->quoted_lines, m->quoted_lines == 1 ? "line was" : "lines were");
	if (m->nfiles_left)
		buf_addf(&b, "%s[%zu more %s left out.]", buf_len(&b) ? "\n\n" : "", m->nfiles_left, m->nfiles_left == 1 ? "file was" : "files were");
	if (!buf_len(&b) && m->nfiles)
		return NULL;
	if (!buf_len(&b))
		buf_adds(&b, "[The mail has no text.]");
	out = arena_strdup(a, buf_str(&b));
	buf_fini(&b);
	return out;
}

/* To chanceryd */

/* `text`: why, or NULL. */
static void
refused(struct arrival *v, enum xerror e, const char *text)
{
	struct arena *a = arena_new(0);

	switch (e) {
	case XERROR_REMOTE_SERVER_TIMEOUT:
	case XERROR_RESOURCE_CONSTRAINT:
	case XERROR_INTERNAL_SERVER_ERROR:
		end(v, AGAIN);
		break;
	case XERROR_ITEM_NOT_FOUND:
	case XERROR_SERVICE_UNAVAILABLE:
		end(v, NOBODY);
		break;
	case XERROR_NOT_ACCEPTABLE:
		/* What there is beside a file that is not let through has arrived all the same. */
		end(v, text ? arena_printf(a, "550 5.7.1 %s", text) : "550 5.7.1 this mail is not wanted");
		break;
	default:
		end(v, "550 5.7.1 this mail is not wanted");
		break;
	}
	arena_free(a);
}

static void
taken(struct arrival *v)
{
	struct mail *m = &v->letter->mail;

	/* What somebody forged is not what our user answers to the one who did not write it. */
	if (auth_results_proof(&m->auth) != SENDER_FORGED) {
		if (*m->subject)
			(void)thread_set_subject(&v->pair->thread, m->subject);
		thread_add(&v->pair->thread, m->id);
		pair_save(v->pair);
	}
	end(v, "250 2.1.5 it is in the archive");
}

static void
stored(void *arg, enum xerror e, const char *text)
{
	if (e == XERROR_NONE)
		taken(arg);
	else
		refused(arg, e, text);
}

static void
deliver(struct arrival *v)
{
	struct gateway_user *u = gateway_user_get(v->mg->g, jid_bare(v->user));
	struct mail *m = &v->letter->mail;
	struct arena *a = arena_new(0);
	struct gateway_file *files = arena_zalloc(a, (m->nfiles + 1) * sizeof(*files));
	struct gateway_incoming in = { .from = m->from, .id = v->letter->id, .at_us = m->at_us, .files = files, .nfiles = (unsigned)m->nfiles, .final = true, .stored = stored, .arg = v };

	for (size_t i = 0; i < m->nfiles; i++)
		files[i] = (struct gateway_file){ .name = m->files[i].name, .type = m->files[i].type, .data = m->files[i].data, .len = m->files[i].n };
	in.body = body_of(a, m, v->mg->s->authserv_id != NULL);
	in.note = note_of(a, m);
	/* One that goes on is not said again. */
	if (*m->subject && !thread_has_subject(&v->pair->thread, m->subject))
		in.subject = m->subject;
	/* Too many users, or the program ends: whether there is such an account only chanceryd knows. */
	if (!u || gateway_receive(u, &in))
		end(v, AGAIN);
	arena_free(a);
}

void
arriving_loaded(struct pair *p)
{
	struct list *l;

	while ((l = list_pop(&p->in)))
		deliver(LIST_ENTRY(l, struct arrival, waiting));
}

/* The database is away, as it seems: then the mail system keeps it. */
static void
on_patience(uv_timer_t *t)
{
	struct mail_gateway *mg = t->data;

	LIST_EACH(pos, &mg->arrivals) {
		struct arrival *v = LIST_ENTRY(pos, struct arrival, in);

		if (list_is_empty(&v->waiting))
			continue;
		if (v->due_ms > uv_now(t->loop)) {
			(void)uv_timer_start(t, on_patience, v->due_ms - uv_now(t->loop), 0);
			return;
		}
		end(v, AGAIN);
	}
}

static void
wait_for_thread(struct arrival *v)
{
	uv_timer_t *t = v->mg->patience;
	uint64_t ms = v->mg->s->limits.thread_seconds * 1000;

	list_append(&v->pair->in, &v->waiting);
	v->due_ms = uv_now(t->loop) + ms;
	if (!uv_is_active((uv_handle_t *)t))
		(void)uv_timer_start(t, on_patience, ms, 0);
}

/* Who may */

const char *
arriving_recipient(struct mail_gateway *mg, const char *to)
{
	struct arena *a = arena_new(0);
	const char *user, *token;
	bool ours = !address_read(a, to, mg->s->domain, &user, &token), has_token = ours && *token;

	arena_free(a);
	return !mg->key_ready ? AGAIN : !ours ? NOBODY : mg->s->tokens && !has_token ? "550 5.7.1 only answers are taken here" : NULL;
}

static bool
has_token(const struct mail_gateway *mg, const char *user, const char *token, const char *foreign)
{
	char right[TOKEN_CHARS + 1];

	address_token(mg->key, "to", user, foreign, right);
	return strlen(token) == TOKEN_CHARS && crypt_equal(token, right, TOKEN_CHARS);
}

/* NULL: it is to be told. */
static const char *
why_no_report(struct mail_gateway *mg, struct mail *m, const struct jid *user, const char *token, bool *ours)
{
	const struct bounce *b = m->bounce;
	const char *foreign = address_clean(m->arena, b->recipient);

	*ours = b->id && thread_is_of(m->arena, mg->key, mg->s->domain, jid_bare(user), b->id);
	/* Anybody may write such a report: it has the token, or the id, of what it reports on. */
	if (!*ours && (!foreign || !has_token(mg, jid_local(user), token, foreign)))
		return "550 5.7.1 that report is on no mail of ours";
	return NULL;
}

static void
reported(void *arg, enum xerror e, const char *text)
{
	if (e == XERROR_NONE)
		end(arg, "250 2.1.5 it has been told");
	else
		refused(arg, e, text);
}

/*
 * What has become of a mail, to who wrote it. The mail that did not arrive is known by its Message-ID, whomever it came to at last: forwarded, it is reported on by the name that the
 * next one knew. Where that id is not in the report, or has been forgotten here, it is a line.
 */
static void
report(struct arrival *v, bool ours)
{
	struct mail *m = &v->letter->mail;
	const struct bounce *b = m->bounce;
	const char *why = *b->why ? b->why : b->status;
	struct gateway_user *u = gateway_user_get(v->mg->g, jid_bare(v->user));

	if (!u) {
		end(v, AGAIN);
		return;
	}
	gateway_count(v->mg->g, "bounces", 1);
	if (b->action == BOUNCE_FAILED && ours && gateway_bounced(u, NULL, b->id, mail_error(*b->status ? b->status : b->why), why, reported, v))
		return;
	if (b->action == BOUNCE_FAILED || b->action == BOUNCE_DELAYED) {
		gateway_tell(u, arena_printf(m->arena, "%s: %s%s%s", b->recipient, b->action == BOUNCE_DELAYED ? "not delivered yet" : "not delivered",
			*why ? ": " : "", why), reported, v);
		return;
	}
	if (b->action == BOUNCE_DELIVERED && ours)
		gateway_receipt(u, NULL, b->id);
	end(v, "250 2.1.5 OK");
}

/* Mails */

/* For one recipient: NULL when the answer comes later. */
static const char *
take(struct mail_gateway *mg, struct letter *l, struct delivery *d, size_t i, const char *to)
{
	struct mail *m = &l->mail;
	const char *local, *token, *reply = NULL;
	struct jid *user = NULL;
	struct arrival *v;
	bool ours = false;

	if (!address_read(m->arena, to, mg->s->domain, &local, &token))
		user = jid_new(local, gateway_host(mg->g), NULL);
	if (!user)
		return NOBODY;
	if (m->bounce)
		reply = why_no_report(mg, m, user, token, &ours);
	else if (mg->s->tokens && !has_token(mg, jid_local(user), token, m->from))
		reply = "550 5.7.1 only answers are taken here, from who was written to";
	else if (mg->s->refuse_forged && auth_results_proof(&m->auth) == SENDER_FORGED)
		reply = "550 5.7.1 the sender is forged";
	if (reply) {
		jid_unref(user);
		return reply;
	}
	v = NEW(struct arrival);
	v->mg = mg;
	v->letter = l;
	v->delivery = d;
	v->recipient = i;
	v->user = user;
	l->held++;
	list_append(&mg->arrivals, &v->in);
	list_init(&v->waiting);
	if (m->bounce) {
		report(v, ours);
		return NULL;
	}
	v->pair = pair_hold(mg, jid_bare(user), m->from);
	if (v->pair->loaded)
		deliver(v);
	else
		wait_for_thread(v);
	return NULL;
}

static void
answer_all(struct delivery *d, size_t n, const char *reply)
{
	for (size_t i = 0; i < n; i++)
		delivery_answer(d, i, reply);
}

static struct read_rules
rules_of(const struct mail_gateway *mg)
{
	const struct mail_settings *s = mg->s;

	return (struct read_rules){ .domain = s->domain, .key = mg->key, .authserv_id = s->authserv_id, .trusted_hops = s->trusted_hops, .automatic = s->automatic,
				    .keep_quotes = s->keep_quotes, .limits = s->read };
}

void
arriving_mail(struct mail_gateway *mg, struct delivery *d, const struct lmtp_mail *m)
{
	struct read_rules rules = rules_of(mg);
	size_t n = m->nto;
	char hex[2 * SHA256_SIZE + 1];
	uint8_t sum[SHA256_SIZE];
	struct letter *l;
	const char *reply;

	if (!mg->key_ready || !gateway_takes(mg->g)) {
		answer_all(d, n, AGAIN);
		return;
	}
	l = NEW(struct letter);
	reply = mail_read(&l->mail, m->from, m->data, m->n, &rules);
	if (reply) {
		log_info(NULL, "mail-not-wanted", "from=%s why=%s", m->from, reply);
		gateway_count(mg->g, "refused_mails", 1);
		free(l);
		answer_all(d, n, reply);
		return;
	}
	l->held = 1;
	if (!l->mail.bounce) {
		crypt_sha256(l->mail.text, strlen(l->mail.text), sum);
		text_hex(sum, 4, hex);
		l->id = mem_strdup(arena_printf(l->mail.arena, "%s#%s", l->mail.id, hex));
	}
	/* The last answer ends the delivery, and its texts. */
	for (size_t i = 0; i < n; i++) {
		reply = take(mg, l, d, i, m->to[i]);
		if (reply)
			delivery_answer(d, i, reply);
	}
	release_letter(l);
}

void
arriving_free(struct mail_gateway *mg)
{
	LIST_EACH(pos, &mg->arrivals)
	{
		struct arrival *v = LIST_ENTRY(pos, struct arrival, in);

		delivery_answer(v->delivery, v->recipient, AGAIN);
		free_arrival(v);
	}
}
