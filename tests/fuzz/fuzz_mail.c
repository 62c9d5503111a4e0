/*
 * mail: what the mail system brings, as one LMTP connection: at once and in pieces it is the same dialogue, and each mail that is taken is read. What is said in
 * it is UTF-8 within its bounds.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "gateway_mail/address.h"
#include "gateway_mail/lmtp.h"
#include "gateway_mail/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[ADDRESS_KEY] = { 7 };
static const struct lmtp_limits limits = { .line_bytes = 500, .mail_bytes = 100000, .recipients = 5, .errors = 20 };

struct box {
	struct lmtp *l;
	unsigned mails;
};

static const char *
on_recipient(void *owner, const char *to)
{
	(void)owner;
	return *to == 'x' ? "550 5.1.1 no" : NULL;
}

static void
check(const struct mail *m)
{
	assert(text_is_utf8(m->text, strlen(m->text)) && text_is_utf8(m->subject, strlen(m->subject)));
	if (m->bounce) {
		assert(m->bounce->recipient && m->bounce->status && m->bounce->why);
		return;
	}
	assert(text_is_utf8(m->from_name, strlen(m->from_name)) && m->nfiles <= read_limits_default.files);
	assert(!strpbrk(m->from, " \r\n<>") && !strpbrk(m->subject, "\r\n") && !strpbrk(m->id, "\r\n"));
	for (size_t i = 0; i < m->nfiles; i++)
		assert(m->files[i].name && m->files[i].type && (m->files[i].data || !m->files[i].n));
}

static void
on_mail(void *owner, const struct lmtp_mail *lm)
{
	struct read_rules rules = { .domain = "example.org", .key = key, .authserv_id = "mx.example.org", .trusted_hops = 1, .automatic = AUTOMATIC_SHOW, .limits = read_limits_default };
	struct box *b = owner;
	size_t n = lm->nto;
	struct mail m;

	b->mails++;
	assert(n > 0 && n <= limits.recipients && lm->n <= limits.mail_bytes);
	if (!mail_read(&m, lm->from, lm->data, lm->n, &rules)) {
		check(&m);
		mail_fini(&m);
	}
	for (size_t i = n; i-- > 0;)
		lmtp_answer(b->l, i, "250 2.1.5 stored");
}

static const struct lmtp_calls calls = { on_recipient, on_mail };

static struct buf
talk(const uint8_t *data, size_t n, size_t step, unsigned *mails)
{
	struct box b = { .l = lmtp_new("mx.example", &limits, &calls, &b) };
	struct buf out;

	for (size_t at = 0; at < n; at += step)
		lmtp_take(b.l, (const char *)data + at, n - at < step ? n - at : step);
	out = *lmtp_out(b.l);
	*lmtp_out(b.l) = (struct buf){ 0 };
	lmtp_free(b.l);
	*mails = b.mails;
	return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool set_up;
	unsigned one, two;
	struct buf a, b;

	if (!set_up)
		read_setup();
	set_up = true;
	a = talk(data, size, SIZE_MAX / 2, &one);
	b = talk(data, size, 3, &two);
	assert(one == two && buf_len(&a) == buf_len(&b) && !memcmp(buf_data(&a), buf_data(&b), buf_len(&a)));
	buf_fini(&a);
	buf_fini(&b);
	return 0;
}
