/*
 * judged: hooks that wait for the verdict on a file, or for a bytestream (module_file.h): steps of their chains, answered by core/file/judge and
 * core/file/bytestream.
 */
#include "module_file.h"

#include "core/federation/federation.h"
#include "core/federation/partner.h"
#include "core/file/notice.h"
#include "core/module/chain.h"
#include "core/user.h"
#include "net/reactor.h"

static void
judged(struct mail *m)
{
	struct judgement *f = LIST_ENTRY(m, struct judgement, mail);

	chain_step_done(f->owner, true);
}

static void
begin(struct hook_chain *c, void *arg)
{
	struct judgement *f = arg;
	const struct user *u = chain_user(c);

	f->owner = c;
	f->mail.run = judged;
	f->home = reactor_current();
	f->arena = chain_memory(c);
	if (!f->groups)
		f->groups = u && u->groups ? arena_strdup(f->arena, u->groups) : "";
	judge_submit(f);
}

enum hook_verdict
hook_judge(struct hook *h, struct judgement *f, void *data, hook_then_fn then)
{
	return chain_step(h, begin, f, data, then);
}

/* Bytestreams */

static void
ordered(struct bytestream_order *o)
{
	chain_step_done(o->owner, true);
}

static void
give_order(struct hook_chain *c, void *arg)
{
	struct bytestream_order *o = arg;

	o->owner = c;
	o->done = ordered;
	o->home = reactor_current();
	bytestream_order(o);
}

enum hook_verdict
hook_bytestream(struct hook *h, struct bytestream_order *o, void *data, hook_then_fn then)
{
	return chain_step(h, give_order, o, data, then);
}

bool
module_may_exchange_files(const struct hook *h, const struct jid *who)
{
	const struct partner *pt;

	if (!federation_is_remote(who))
		return true;
	pt = partner_find(jid_domain(who), PARTNER_BOTH, NULL);
	return pt && (pt->pass & PASS_FILES) && partner_is_for(pt, jid_bare(h->account), h->user && h->user->groups ? h->user->groups : "");
}

static bool
files_pass(const struct jid *who, enum partner_direction d)
{
	const struct partner *pt = federation_is_remote(who) ? partner_find(jid_domain(who), d, NULL) : NULL;

	return !federation_is_remote(who) || (pt && (pt->pass & PASS_FILES));
}

bool
module_files_pass(const struct jid *from, const struct jid *to)
{
	return files_pass(from, PARTNER_IN) && files_pass(to, PARTNER_OUT);
}

void
module_notice(const struct jid *to, const char *text)
{
	notice_send(to, text);
}
