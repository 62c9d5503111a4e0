/*
 * home: start, settings and stop of what lives on each reactor.
 */
#include "core/home.h"

#include <pthread.h>

#include "core/route/delivery.h"
#include "core/module/chain.h"
#include "core/module/modules.h"
#include "core/route/question.h"
#include "core/stream/last_use.h"
#include "core/stream/resume.h"
#include "core/user.h"
#include "net/reactor.h"
#include "xmpp/parser.h"

static _Thread_local struct config *mine;

const struct config *
home_config(void)
{
	return mine;
}

struct parser_limits
home_parser_limits(void)
{
	const struct limits *l = &mine->limits;

	return (struct parser_limits){
		.stanza_bytes = l->stanza_bytes,
		.token_bytes = l->xml_token_bytes,
		.memory_bytes = l->stanza_bytes * l->stanza_memory_factor,
		.depth = (unsigned)l->xml_depth,
		.attributes = (unsigned)l->xml_attributes,
		.namespaces = (unsigned)l->xml_namespaces,
	};
}

struct call {
	void (*fn)(void *arg);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void
run_call(void *arg)
{
	struct call *c = arg;

	c->fn(c->arg);
	pthread_mutex_lock(&c->lock);
	c->done = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

void
home_call(unsigned index, void (*fn)(void *arg), void *arg)
{
	struct call c = { .fn = fn, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

	reactor_call(reactor_at(index), run_call, &c);
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.cond, &c.lock);
	pthread_mutex_unlock(&c.lock);
}

void
home_call_each(void (*fn)(void *arg), void *arg)
{
	for (unsigned i = 0; i < reactor_count(); i++)
		home_call(i, fn, arg);
}

static void
take_config(void *arg)
{
	(void)arg;
	config_unref(mine);
	mine = config_get();
}

static void
take_new_config(void *arg)
{
	struct hook h = { .stage = HOOK_CONFIG_CHANGED };

	take_config(arg);
	if (modules_want(HOOK_CONFIG_CHANGED))
		(void)modules_run(&h, NULL);
}

static void
start_here(void *arg)
{
	take_config(arg);
	user_home_start();
	delivery_home_start();
	resume_home_start();
	last_use_home_start();
	question_home_start();
}

static void
stop_here(void *arg)
{
	(void)arg;
	question_home_stop();
	chain_home_stop();
	last_use_home_stop();
	resume_home_stop();
	delivery_home_stop();
	user_home_stop();
	parser_pool_clear();
	config_unref(mine);
	mine = NULL;
}

void
home_start_all(void)
{
	home_call_each(start_here, NULL);
}

void
home_reload_all(void)
{
	home_call_each(take_new_config, NULL);
}

void
home_stop_all(void)
{
	home_call_each(stop_here, NULL);
}
