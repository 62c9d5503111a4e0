/* errand: see errand.h. The question is asked on the first reactor; the thread waits for a condition. */
#include "core/route/errand.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "core/route/question.h"
#include "net/reactor.h"
#include "xmpp/ns.h"
#include "xmpp/xerror.h"

#define PATIENCE_MS 20000

struct errand {
	struct mail mail;
	struct jid *to;
	struct stanza *iq;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done, succeeded;
	char why[256];
};

static void
finish(struct errand *r, bool succeeded, const char *why)
{
	pthread_mutex_lock(&r->lock);
	r->is_done = true;
	r->succeeded = succeeded;
	snprintf(r->why, sizeof(r->why), "%s", why);
	pthread_cond_signal(&r->done);
	pthread_mutex_unlock(&r->lock);
}

static void
answered(void *arg, const struct stanza *answer)
{
	const char *type = answer ? elem_get(answer->root, "type") : NULL;
	const struct elem *error, *text;
	struct arena *a;

	if (!type) {
		finish(arg, false, "there was no answer");
		return;
	}
	if (!strcmp(type, "result")) {
		finish(arg, true, "");
		return;
	}
	a = arena_new(0);
	error = elem_child(answer->root, NULL, "error");
	text = error ? elem_child(error, NS_STANZA_ERRORS, "text") : NULL;
	finish(arg, false, text ? elem_text(text, a) : xerror_name(xerror_of(answer->root)));
	arena_free(a);
}

static void
abandoned(void *arg)
{
	finish(arg, false, "the server is stopping");
}

static void
ask(struct mail *m)
{
	struct errand *r = LIST_ENTRY(m, struct errand, mail);

	question_ask(NULL, r->to, r->iq, PATIENCE_MS, answered, abandoned, r);
}

int
errand_run(struct jid *to, struct stanza *iq, struct err *e)
{
	struct errand r = { .to = to, .iq = iq, .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER };

	r.mail.run = ask;
	reactor_post(reactor_at(0), &r.mail);
	pthread_mutex_lock(&r.lock);
	while (!r.is_done)
		pthread_cond_wait(&r.done, &r.lock);
	pthread_mutex_unlock(&r.lock);
	return r.succeeded ? 0 : err_set(e, 0, "%s", r.why);
}
