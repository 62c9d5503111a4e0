/*
 * fetched: hooks that wait for a file from another server (core/file/fetch), and for such a file to become an upload (module_file.h).
 */
#include "module_file.h"

#include <string.h>

#include "base/crypt.h"
#include "base/file_name.h"
#include "base/log.h"
#include "base/text.h"
#include "core/module/chain.h"
#include "store/pool.h"
#include "store/upload.h"

/* Fetching */

static void
fetched(struct mail *m)
{
	struct fetch *f = LIST_ENTRY(m, struct fetch, mail);

	chain_step_done(f->owner, true);
}

static void
begin_fetch(struct hook_chain *c, void *arg)
{
	struct fetch *f = arg;

	f->owner = c;
	f->mail.run = fetched;
	f->arena = chain_memory(c);
	fetch_submit(f);
}

enum hook_verdict
hook_fetch(struct hook *h, struct fetch *f, void *data, hook_then_fn then)
{
	return chain_step(h, begin_fetch, f, data, then);
}

/* Publishing */

struct publishing {
	struct hook_publish *p;
	struct hook_chain *chain;
	struct upload_adopt u;
	const char *host;    /* of ours, by which the file is reached */
	char put[UPLOAD_TOKEN + 1], token[UPLOAD_TOKEN + 1];
};

bool
hook_can_publish(void)
{
	struct buf base = { 0 };
	bool can = module_domain(0) && module_web_base(module_domain(0), &base);

	buf_fini(&base);
	return can;
}

static bool
ends_with(const char *domain, const char *host)
{
	size_t n = strlen(domain), m = strlen(host);

	return n >= m && !strcmp(domain + n - m, host) && (n == m || domain[n - m - 1] == '.');
}

/* The host that the sender is of, or (somebody from elsewhere) the recipient, or a service of it. */
static const char *
host_of(const struct hook *h)
{
	const struct jid *const whose[] = { h->from, h->to };

	for (size_t w = 0; w < sizeof(whose) / sizeof(whose[0]); w++)
		for (unsigned i = 0; whose[w] && module_domain(i); i++)
			if (ends_with(jid_domain(whose[w]), module_domain(i)))
				return module_domain(i);
	return module_domain(0);
}

static const char *
address_of(const struct publishing *w, struct arena *a)
{
	struct buf url = { 0 };
	const char *out;

	(void)module_web_base(w->host, &url);
	buf_addf(&url, "/upload/%s/", w->token);
	text_percent(&url, w->u.name);
	out = arena_strndup(a, buf_str(&url), buf_len(&url));
	buf_fini(&url);
	return out;
}

const char *
hook_publish_sample(struct hook *h, const char *name)
{
	struct publishing w = { .host = host_of(h), .u.name = file_name_clean(hook_memory(h), name ? name : "") };

	memset(w.token, '0', UPLOAD_TOKEN);
	return address_of(&w, hook_memory(h));
}

static uint64_t
quota_of(const struct hook *h)
{
	return h->account_id ? module_limits()->file_quota_bytes : module_limits()->fetch_quota_bytes;
}

static uint64_t
own_quota_of(const struct hook *h)
{
	return h->account_id ? module_limits()->file_quota_bytes : module_limits()->fetch_owner_quota_bytes;
}

/* Room */

struct asking_room {
	struct hook_room *r;
	struct hook_chain *chain;
	struct upload_room u;
};

static enum sql_status
room_work(struct job *j, struct sql *db)
{
	struct asking_room *w = j->owner;

	return upload_room(db, &w->u, &j->err);
}

static void
room_known(struct job *j)
{
	struct asking_room *w = j->owner;

	w->r->bytes = w->u.bytes;
	chain_step_done(w->chain, j->status == JOB_OK);
}

static void
begin_room(struct hook_chain *c, void *arg)
{
	struct asking_room *w = arg;
	struct job *j = job_new(0);

	w->chain = c;
	j->owner = w;
	j->work = room_work;
	j->done = room_known;
	pool_submit(j, crypt_hash(w->u.owner, strlen(w->u.owner)));
}

enum hook_verdict
hook_publish_room(struct hook *h, struct hook_room *r, void *data, hook_then_fn then)
{
	struct arena *a = hook_memory(h);
	struct asking_room *w = arena_zalloc(a, sizeof(*w));

	w->r = r;
	w->u = (struct upload_room){ .account = h->account_id, .owner = arena_strdup(a, jid_bare(h->from)), .sender = arena_strdup(a, jid_domain(h->from)),
		.quota = quota_of(h), .own_quota = own_quota_of(h) };
	return chain_step(h, begin_room, w, data, then);
}

/* Becoming an upload */

static enum sql_status
publish_work(struct job *j, struct sql *db)
{
	struct publishing *w = j->owner;

	return upload_adopt(db, &w->u, &j->err);
}

static void
published(struct job *j)
{
	struct publishing *w = j->owner;
	bool ok = j->status == JOB_OK && w->u.outcome != UPLOAD_ADOPT_GONE;

	if (!ok)
		log_warning(NULL, "file-not-published", "why=%s", j->status == JOB_OK ? "its content is not there any more" : j->err.text);
	w->p->over_quota = ok && w->u.outcome == UPLOAD_ADOPT_QUOTA;
	w->p->address = ok && !w->p->over_quota ? address_of(w, chain_memory(w->chain)) : NULL;
	chain_step_done(w->chain, ok);
}

static void
begin_publish(struct hook_chain *c, void *arg)
{
	struct publishing *w = arg;
	struct job *j = job_new(0);

	w->chain = c;
	j->owner = w;
	j->work = publish_work;
	j->done = published;
	pool_submit(j, crypt_hash(w->token, UPLOAD_TOKEN));
}

enum hook_verdict
hook_publish(struct hook *h, struct hook_publish *p, void *data, hook_then_fn then)
{
	struct arena *a = hook_memory(h);
	struct publishing *w = arena_zalloc(a, sizeof(*w));
	const struct judgement *f = p->f;
	struct config *c = config_get();

	crypt_random_hex(w->put, UPLOAD_TOKEN / 2);
	crypt_random_hex(w->token, UPLOAD_TOKEN / 2);
	w->p = p;
	w->host = arena_strdup(a, host_of(h));
	w->u = (struct upload_adopt){ .account = h->account_id, .owner = arena_strdup(a, jid_bare(f->from)), .groups = f->groups,
		.sender = arena_strdup(a, jid_domain(f->from)), .domain = w->host, .name = file_name_clean(a, p->name ? p->name : ""), .type = f->type, .put = w->put,
		.token = w->token, .size = spool_size(f->spool), .quota = quota_of(h), .own_quota = own_quota_of(h),
		.sha256 = spool_sha256(f->spool), .event = f->event, .record = f->record_id, .keep_ms = c->files.keep_ms };
	config_unref(c);
	return chain_step(h, begin_publish, w, data, then);
}
