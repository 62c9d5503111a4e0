/*
 * expat_pool: expat parsers to borrow. See expat_pool.h.
 *
 * A pool belongs to its thread and is freed when the thread ends, by the destructor of a
 * thread-specific key. A parser whose streams have taught it many unknown names, or made its
 * buffers grow, is freed instead of being kept: no peer leaves lasting memory behind.
 */
#include "xmpp/expat_pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define KEPT_MAX 32 /* of each kind */
#define STRANGE_MAX ((size_t)32 * 1024)
#define BUF_KEPT ((size_t)4 * 1024)
#define POOLED EXPAT_OWN /* kinds below this one have a list */

struct pool {
	struct expat *first[POOLED];
	unsigned count[POOLED];
	unsigned long salt;
	bool ready;
};

static _Thread_local struct pool pool;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static pthread_key_t pool_key;

/* Newer than some expats we may meet; without it there is nothing to switch off. */
extern XML_Bool XML_SetReparseDeferralEnabled(XML_Parser xml, XML_Bool on) __attribute__((weak));

static const char *const start_tags[POOLED] = {
	[EXPAT_CLIENT] =
		"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
	[EXPAT_SERVER] =
		"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>",
	[EXPAT_COMPONENT] =
		"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>",
	[EXPAT_FRAMED] = "<frames>",
};

enum expat_kind
expat_kind_of(const char *ns)
{
	if (ns == NS_CLIENT)
		return EXPAT_CLIENT;
	if (ns == NS_SERVER)
		return EXPAT_SERVER;
	return ns == NS_COMPONENT ? EXPAT_COMPONENT : EXPAT_OWN;
}

static void
pool_clear_at_exit(void *unused)
{
	(void)unused;
	parser_pool_clear();
}

static void
pool_make_key(void)
{
	pthread_key_create(&pool_key, pool_clear_at_exit);
}

static void
pool_prepare(void)
{
	if (pool.ready)
		return;
	pthread_once(&pool_once, pool_make_key);
	pthread_setspecific(pool_key, &pool);
	crypt_random(&pool.salt, sizeof(pool.salt));
	pool.salt |= 1; /* 0 would mean that expat draws one */
	pool.ready = true;
}

static void
expat_free(struct expat *x)
{
	XML_ParserFree(x->xml);
	buf_fini(&x->text);
	buf_fini(&x->held);
	free(x);
}

/* What a new and a reset parser need alike. */
static void
expat_setup(struct expat *x)
{
	XML_SetHashSalt(x->xml, pool.salt);
	if (XML_SetReparseDeferralEnabled != NULL)
		XML_SetReparseDeferralEnabled(x->xml, XML_FALSE);
	x->kind = EXPAT_BLANK;
	x->strange = 0;
	x->fed = 0;
}

static struct expat *
expat_new(void)
{
	struct expat *x = NEW(struct expat);

	x->xml = XML_ParserCreateNS("UTF-8", EXPAT_SEPARATOR);
	if (x->xml == NULL)
		mem_exhausted(0);
	expat_setup(x);
	return x;
}

static struct expat *
pool_pop(enum expat_kind kind)
{
	struct expat *x = pool.first[kind];

	if (x != NULL) {
		pool.first[kind] = x->next;
		pool.count[kind]--;
		x->next = NULL;
	}
	return x;
}

static bool
pool_push(struct expat *x)
{
	if (pool.count[x->kind] >= KEPT_MAX)
		return false;
	x->next = pool.first[x->kind];
	pool.first[x->kind] = x;
	pool.count[x->kind]++;
	return true;
}

struct expat *
expat_take(enum expat_kind kind, const char *tag, void (*set_handlers)(XML_Parser))
{
	struct expat *x;
	size_t n;

	pool_prepare();
	if (kind < POOLED && kind != EXPAT_BLANK && (x = pool_pop(kind)) != NULL)
		return x;
	x = pool_pop(EXPAT_BLANK);
	if (x == NULL)
		x = expat_new();
	if (kind != EXPAT_BLANK) {
		/* Without handlers yet: nobody wants to hear of this tag. */
		tag = kind < POOLED ? start_tags[kind] : tag;
		n = strlen(tag);
		if (XML_Parse(x->xml, tag, (int)n, 0) != XML_STATUS_OK)
			assert(!"a start tag that was good before");
		x->fed = n;
		x->kind = kind;
	}
	set_handlers(x->xml);
	return x;
}

bool
expat_is_worn(const struct expat *x)
{
	return x->heavy || x->strange > STRANGE_MAX || x->text.cap > BUF_KEPT ||
	       x->held.cap > BUF_KEPT;
}

void
expat_give(struct expat *x)
{
	buf_clear(&x->text);
	buf_clear(&x->held);
	pool_prepare();
	if (x->kind >= POOLED || expat_is_worn(x) || !pool_push(x))
		expat_discard(x);
}

void
expat_discard(struct expat *x)
{
	if (x == NULL)
		return;
	pool_prepare();
	if (expat_is_worn(x) || pool.count[EXPAT_BLANK] >= KEPT_MAX ||
	    !XML_ParserReset(x->xml, "UTF-8")) {
		expat_free(x);
		return;
	}
	buf_clear(&x->text);
	buf_clear(&x->held);
	expat_setup(x);
	pool_push(x);
}

void
parser_pool_clear(void)
{
	struct expat *x;

	for (int kind = 0; kind < POOLED; kind++)
		while ((x = pool_pop((enum expat_kind)kind)) != NULL)
			expat_free(x);
}
