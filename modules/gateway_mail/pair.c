/*
 * pair: the threads that are in use.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail.h"

static void
free_pair(struct pair *p)
{
	HASH_DEL(p->mg->pairs, p);
	free(p->key);
	free(p->user);
	free(p->foreign);
	free(p);
}

static void
on_loaded(void *arg, const char *value)
{
	struct pair *p = arg;

	thread_read(&p->thread, value);
	p->loaded = true;
	arriving_loaded(p);
	outgoing_pump(p);
	pair_release(p);
}

struct pair *
pair_hold(struct mail_gateway *mg, const char *user, const char *foreign)
{
	char token[TOKEN_CHARS + 1], key[sizeof("thread/") + TOKEN_CHARS];
	struct pair *p;

	address_token(mg->key, "thread", user, foreign, token);
	snprintf(key, sizeof(key), "thread/%s", token);
	HASH_FIND_STR(mg->pairs, key, p);
	if (p) {
		p->held++;
		return p;
	}
	p = NEW(struct pair);
	p->mg = mg;
	p->key = mem_strdup(key);
	p->user = mem_strdup(user);
	p->foreign = mem_strdup(foreign);
	list_init(&p->out);
	list_init(&p->in);
	/* One is the reading's. */
	p->held = 2;
	HASH_ADD_KEYPTR(hh, mg->pairs, p->key, strlen(p->key), p);
	gateway_data_get(mg->g, key, on_loaded, p);
	return p;
}

void
pair_release(struct pair *p)
{
	if (!--p->held)
		free_pair(p);
}

void
pair_save(struct pair *p)
{
	struct buf b = { 0 };

	thread_write(&p->thread, &b);
	gateway_data_set_of(p->mg->g, p->user, p->key, buf_str(&b));
	buf_fini(&b);
}

void
pair_free_all(struct mail_gateway *mg)
{
	struct pair *p, *next;

	HASH_ITER(hh, mg->pairs, p, next) {
		outgoing_free(p);
		free_pair(p);
	}
}
