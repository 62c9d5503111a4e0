/*
 * judged: a hook that waits for the verdict on a file (module_file.h): a step of its chain, answered by core/file/judge.
 */
#include "module_file.h"

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
