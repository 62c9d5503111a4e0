#include "gateway/store.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/priv.h"
#include "gateway/room.h"
#include "gateway/text.h"

#define AGAIN_MS 3000
#define PAGE 100
#define VALUE_BYTES 65536
#define WRITTEN_BYTES 250000 /* of a value, escaped: chanceryd takes stanzas of limits.stanza_bytes */

/* What is asked for somebody. */
struct ask {
	struct list link; /* in store.gets, while it is to be asked again */
	union {
		store_done_fn *done;
		store_login_fn *login;
		store_may_fn *may;
		gateway_data_fn *data;
	} fn;
	gateway_look_fn *look; /* instead of fn.data: asked once */
	struct stanza *st;
	void *arg;
	char jid[];
};

/* A value that is to be kept. */
struct put {
	struct list link;
	char *value; /* NULL: removed */
	char *jid;   /* whose it is; NULL: the program's own */
	gateway_kept_fn *kept; /* NULL: nobody wants to know */
	void *arg;
	char key[];
};

static struct {
	struct list puts, gets, walks;
	unsigned nputs;
	bool putting, off;
	uint64_t again_ms; /* not before, after a failure */
	store_settings_fn *settings;
	bool asking, users_read, reading;
	char *after; /* where the page of users begins */
} store;

static void put_next(struct gateway *g);
static void read_page(struct gateway *g);

static const struct elem *
payload(const struct stanza *st, const char *name)
{
	const char *type = st ? elem_get(st->root, "type") : NULL;

	return type && !strcmp(type, "result") ? elem_child(st->root, NULL, name) : NULL;
}

static bool
is_result(const struct stanza *st)
{
	const char *type = st ? elem_get(st->root, "type") : NULL;

	return type && !strcmp(type, "result");
}

/* Settings */

static void
settings_came(struct gateway *g, void *arg, const struct stanza *st)
{
	const struct elem *e = payload(st, "settings");

	(void)arg;
	store.asking = false;
	if (e) {
		store.settings(g, elem_text(e, st->arena));
		return;
	}
	/* Asked again until there are some: without them nothing works. */
	log_warning(NULL, "settings-missing", "why=%s", st ? xerror_name(xerror_of(st->root)) : "no-answer");
	store.again_ms = g->now_ms + AGAIN_MS;
}

static void
ask_settings(struct gateway *g)
{
	store.asking = true;
	question_ask(g, "get", NULL, "<settings xmlns='" NS_GATEWAY_TEXT "'/>", settings_came, NULL, NULL);
}

void
store_ask_settings(struct gateway *g, store_settings_fn *fn)
{
	store.settings = fn;
	if (!store.asking)
		ask_settings(g);
}

/* Registered users */

static void
user_came(struct gateway *g, const struct elem *e)
{
	struct jid *jid = jid_parse_z(elem_get(e, "jid") ? elem_get(e, "jid") : "");
	const char *mode = elem_get(e, "mode");
	struct gateway_user *u = jid ? user_get(g, jid) : NULL;

	if (u) {
		USER_KEPT(u)->registered = true;
		u->own_account = mode && !strcmp(mode, "account");
		user_want(u);
	}
	jid_unref(jid);
}

static void
page_came(struct gateway *g, void *arg, const struct stanza *st)
{
	const struct elem *e = payload(st, "users");
	const char *more = e ? elem_get(e, "more") : NULL, *last = NULL;

	(void)arg;
	store.reading = false;
	if (!e) {
		store.again_ms = g->now_ms + AGAIN_MS;
		/* Who does not know the question (a component by hand, elsewhere) keeps nobody. */
		if (st && !question_may_again(st)) {
			store.users_read = true;
			program_settled(g);
		}
		return;
	}
	for (const struct elem *c = elem_child(e, NULL, "user"); c; c = elem_next(c, NULL, "user")) {
		user_came(g, c);
		last = elem_get(c, "jid");
	}
	free(store.after);
	store.after = last ? mem_strdup(last) : NULL;
	if (more && !strcmp(more, "true") && last) {
		read_page(g);
		return;
	}
	store.users_read = true;
	log_info(NULL, "users-read", "users=%u", g->nusers);
	rooms_restore(g);
}

static void
read_page(struct gateway *g)
{
	struct buf b = { 0 };

	if (store.users_read || store.reading)
		return;
	store.reading = true;
	buf_addf(&b, "<users xmlns='%s' max='%d'", NS_GATEWAY_TEXT, PAGE);
	write_attr(&b, "after", store.after);
	buf_adds(&b, "/>");
	question_ask(g, "get", NULL, buf_str(&b), page_came, NULL, NULL);
	buf_fini(&b);
}

void
store_read_users(struct gateway *g)
{
	read_page(g);
}

/* Requests with a yes or a no */

static void
ask_free(void *arg)
{
	struct ask *a = arg;

	stanza_unref(a->st);
	free(a);
}

static struct ask *
ask_new(const char *jid, const struct stanza *st)
{
	struct ask *a = mem_zalloc(sizeof(*a) + strlen(jid) + 1);

	a->st = st ? stanza_ref((struct stanza *)st) : NULL;
	strcpy(a->jid, jid);
	return a;
}

/* <NAME xmlns jid … and what `more` says, up to the end of the start tag's attributes. */
static struct buf
element(const char *name, const char *jid, const char *more)
{
	struct buf b = { 0 };

	buf_addf(&b, "<%s xmlns='%s'%s", name, NS_GATEWAY_TEXT, more);
	write_attr(&b, "jid", jid);
	return b;
}

static void
request(struct gateway *g, const char *type, struct buf *b, question_fn *came, struct ask *a)
{
	question_ask(g, type, NULL, buf_str(b), came, a, ask_free);
	crypt_wipe(b->data, b->cap);
	buf_fini(b);
}

static void
done(struct gateway *g, void *arg, const struct stanza *st)
{
	struct ask *a = arg;

	if (a->fn.done)
		a->fn.done(g, a->st, is_result(st));
}

void
store_user_set(struct gateway *g, const char *jid, bool account, store_done_fn *fn, const struct stanza *st)
{
	struct buf b = element("user", jid, account ? " mode='account'" : " mode='relay'");
	struct ask *a = ask_new(jid, st);

	a->fn.done = fn;
	buf_adds(&b, ">{}</user>");
	request(g, "set", &b, done, a);
}

void
store_user_remove(struct gateway *g, const char *jid, store_done_fn *fn, const struct stanza *st)
{
	struct buf b = element("user", jid, " action='remove'");
	struct ask *a = ask_new(jid, st);

	a->fn.done = fn;
	buf_adds(&b, "/>");
	request(g, "set", &b, done, a);
}

void
store_credential_set(struct gateway *g, const char *jid, const json_t *login, store_done_fn *fn, const struct stanza *st)
{
	char *text = json_dumps(login, JSON_COMPACT);
	struct buf b = element("credential", jid, "");
	struct ask *a = ask_new(jid, st);

	a->fn.done = fn;
	buf_addc(&b, '>');
	write_chars(&b, text);
	buf_adds(&b, "</credential>");
	crypt_wipe(text, strlen(text));
	free(text);
	request(g, "set", &b, done, a);
}

/* Words of an error. */
static const char *
error_text(const struct stanza *st)
{
	const struct elem *error = elem_child(st->root, NULL, "error"), *text = error ? elem_child(error, NULL, "text") : NULL;

	return text ? elem_text(text, st->arena) : "";
}

static void
login_came(struct gateway *g, void *arg, const struct stanza *st)
{
	const struct elem *e = payload(st, "credential");
	struct ask *a = arg;
	json_t *login = e ? json_loads(elem_text(e, st->arena), JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *barred;

	barred = !e && st && xerror_of(st->root) == XERROR_FORBIDDEN ? error_text(st) : NULL;
	a->fn.login(g, a->jid, json_is_object(login) ? login : NULL, !e && question_may_again(st), barred, a->st);
	json_decref(login);
}

void
store_credential_get(struct gateway *g, const char *jid, store_login_fn *fn, const struct stanza *st)
{
	struct buf b = element("credential", jid, "");
	struct ask *a = ask_new(jid, st);

	a->fn.login = fn;
	buf_adds(&b, "/>");
	request(g, "get", &b, login_came, a);
}

static enum store_may
read_may(const struct elem *e)
{
	const char *allowed = e ? elem_get(e, "allowed") : NULL, *nobody = e ? elem_get(e, "nobody") : NULL;

	if (!allowed)
		return STORE_MAY_UNKNOWN;
	if (!strcmp(allowed, "true"))
		return STORE_MAY;
	return nobody && !strcmp(nobody, "true") ? STORE_MAY_NOBODY : STORE_MAY_NOT;
}

static void
may_came(struct gateway *g, void *arg, const struct stanza *st)
{
	const struct elem *e = payload(st, "may");
	const char *text = e ? elem_text(e, st->arena) : "";
	struct ask *a = arg;

	a->fn.may(g, a->jid, a->st, read_may(e), *text ? text : NULL, e);
}

void
store_may(struct gateway *g, const char *jid, const char *action, const char *peer, store_may_fn *fn, const struct stanza *st)
{
	struct buf b = element("may", jid, "");
	struct ask *a = ask_new(jid, st);

	a->fn.may = fn;
	write_attr(&b, "action", action);
	write_attr(&b, "peer", peer);
	buf_adds(&b, "/>");
	request(g, "get", &b, may_came, a);
}

static void
off_came(struct gateway *g, void *arg, const struct stanza *st)
{
	(void)g;
	(void)arg;
	(void)st;
}

/* When all that was to be kept is: rooms are not entered again. */
static void
say_off(struct gateway *g)
{
	if (!store.off || !list_is_empty(&store.puts))
		return;
	store.off = false;
	question_ask(g, "set", NULL, "<off xmlns='" NS_GATEWAY_TEXT "'/>", off_came, NULL, NULL);
}

void
store_off(struct gateway *g)
{
	store.off = true;
	say_off(g);
}

/* Small values */

static void
put_free(struct put *p)
{
	list_remove(&p->link);
	store.nputs--;
	free(p->value);
	free(p->jid);
	free(p);
}

/* Of the first in the queue. What cannot be kept now is tried again, what will never be is dropped. */
static void
put_done(struct gateway *g, void *arg, const struct stanza *st)
{
	struct put *p = LIST_ENTRY(store.puts.next, struct put, link);
	gateway_kept_fn *kept;
	void *kept_arg;

	(void)arg;
	store.putting = false;
	if (!is_result(st) && question_may_again(st)) {
		store.again_ms = g->now_ms + AGAIN_MS;
		return;
	}
	if (!is_result(st))
		log_warning(NULL, "value-not-kept", "key=%s why=%s", p->key, xerror_name(xerror_of(st->root)));
	kept = p->kept;
	kept_arg = p->arg;
	put_free(p);
	if (kept)
		kept(kept_arg, is_result(st));
	put_next(g);
	say_off(g);
}

static void
put_next(struct gateway *g)
{
	struct buf b = { 0 };
	struct put *p;

	if (store.putting || list_is_empty(&store.puts) || g->link.state != LINK_OPEN || g->now_ms < store.again_ms)
		return;
	p = LIST_ENTRY(store.puts.next, struct put, link);
	store.putting = true;
	buf_addf(&b, "<data xmlns='%s'", NS_GATEWAY_TEXT);
	write_attr(&b, "key", p->key);
	write_attr(&b, "jid", p->value ? p->jid : NULL);
	buf_adds(&b, p->value ? ">" : " action='remove'>");
	if (p->value)
		write_chars(&b, p->value);
	buf_adds(&b, "</data>");
	question_ask(g, "set", NULL, buf_str(&b), put_done, NULL, NULL);
	buf_fini(&b);
}

/* It may be kept, and asked for in a stanza that chanceryd takes. */
static bool
value_fits(const char *value)
{
	struct buf b = { 0 };
	bool fits = strlen(value) <= VALUE_BYTES && !gateway_text_add(&b, value, strlen(value), WRITTEN_BYTES);

	buf_fini(&b);
	return fits;
}

bool
store_has_room(const struct gateway *g)
{
	return store.nputs < g->limits->data_waiting / 2;
}

/* At the end of the queue. -1: it cannot be kept. */
static int
put_add(struct gateway *g, const char *jid, const char *key, const char *value, gateway_kept_fn *kept, void *arg)
{
	bool fits = !g->stopping && *key && strlen(key) <= 255 && (!value || value_fits(value));
	struct put *p;

	if (!fits || store.nputs >= g->limits->data_waiting) {
		log_warning(NULL, "value-not-kept", "key=%s why=%s", key, fits ? "data_waiting" : "size");
		return -1;
	}
	p = mem_zalloc(sizeof(*p) + strlen(key) + 1);
	strcpy(p->key, key);
	p->value = value ? mem_strdup(value) : NULL;
	p->jid = jid ? mem_strdup(jid) : NULL;
	p->kept = kept;
	p->arg = arg;
	list_append(&store.puts, &p->link);
	store.nputs++;
	put_next(g);
	return 0;
}

void
gateway_data_set_of(struct gateway *g, const char *jid, const char *key, const char *value)
{
	struct put *p = NULL;

	/* A newer value of what waits takes its place; but the first is on its way, and of some somebody waits to hear. */
	LIST_EACH(pos, &store.puts) {
		if (!strcmp(LIST_ENTRY(pos, struct put, link)->key, key))
			p = pos == store.puts.next && store.putting ? NULL : LIST_ENTRY(pos, struct put, link);
	}
	if (!p || p->kept || (value && !value_fits(value))) {
		(void)!put_add(g, jid, key, value, NULL, NULL);
		return;
	}
	free(p->value);
	p->value = value ? mem_strdup(value) : NULL;
}

void
gateway_data_set(struct gateway *g, const char *key, const char *value)
{
	gateway_data_set_of(g, NULL, key, value);
}

void
gateway_data_keep(struct gateway *g, const char *key, const char *value, gateway_kept_fn *fn, void *arg)
{
	if (put_add(g, NULL, key, value, fn, arg))
		fn(arg, false);
}

static void get_ask(struct gateway *g, struct ask *a);

/* What cannot be had now is asked for again: who gets NULL may believe that there is none. */
static void
value_came(struct gateway *g, void *arg, const struct stanza *st)
{
	const struct elem *e = payload(st, "data");
	struct ask *a = arg, *again;

	bool known = e || !question_may_again(st);
	const char *value = e ? elem_text(e, st->arena) : NULL;

	(void)g;
	if (a->look) {
		a->look(a->arg, known, value);
		return;
	}
	if (known) {
		a->fn.data(a->arg, value);
		return;
	}
	again = ask_new(a->jid, NULL);
	again->fn = a->fn;
	again->arg = a->arg;
	list_append(&store.gets, &again->link);
}

/* The key is where others have an address. */
static void
get_ask(struct gateway *g, struct ask *a)
{
	struct buf b = { 0 };

	buf_addf(&b, "<data xmlns='%s'", NS_GATEWAY_TEXT);
	write_attr(&b, "key", a->jid);
	buf_adds(&b, "/>");
	request(g, "get", &b, value_came, a);
}

/* What is not kept yet is read here. */
static const struct put *
put_find(const char *key)
{
	for (struct list *pos = store.puts.prev; pos != &store.puts; pos = pos->prev) {
		struct put *p = LIST_ENTRY(pos, struct put, link);

		if (!strcmp(p->key, key))
			return p;
	}
	return NULL;
}

void
gateway_data_get(struct gateway *g, const char *key, gateway_data_fn *fn, void *arg)
{
	const struct put *p = put_find(key);
	struct ask *a;

	if (p) {
		fn(arg, p->value);
		return;
	}
	a = ask_new(key, NULL);
	a->fn.data = fn;
	a->arg = arg;
	get_ask(g, a);
}

void
gateway_data_look(struct gateway *g, const char *key, gateway_look_fn *fn, void *arg)
{
	const struct put *p = put_find(key);
	struct ask *a;

	if (p) {
		fn(arg, true, p->value);
		return;
	}
	a = ask_new(key, NULL);
	a->look = fn;
	a->arg = arg;
	get_ask(g, a);
}

/* A walk over all that begin so, page by page. */
struct walk {
	struct list link; /* in store.walks, while its page is to be asked for again */
	gateway_data_each_fn *fn;
	void *arg;
	char *prefix, *after;
};

static void
walk_free(void *arg)
{
	struct walk *w = arg;

	free(w->prefix);
	free(w->after);
	free(w);
}

static void walk_ask(struct gateway *g, struct walk *w);

static struct walk *
walk_new(const struct walk *before, const char *after)
{
	struct walk *w = NEW(struct walk);

	*w = (struct walk){ .fn = before->fn, .arg = before->arg, .prefix = mem_strdup(before->prefix), .after = after ? mem_strdup(after) : NULL };
	return w;
}

static void
walk_came(struct gateway *g, void *arg, const struct stanza *st)
{
	const struct elem *e = payload(st, "data");
	const char *more = e ? elem_get(e, "more") : NULL, *key, *last = NULL;
	struct walk *w = arg;

	for (const struct elem *c = e ? elem_child(e, NULL, "item") : NULL; c; c = elem_next(c, NULL, "item")) {
		if ((key = elem_get(c, "key"))) {
			last = key;
			w->fn(w->arg, key, elem_text(c, st->arena));
		}
	}
	if (!e && question_may_again(st))
		list_append(&store.walks, &walk_new(w, w->after)->link);
	else if (last && more && !strcmp(more, "true"))
		walk_ask(g, walk_new(w, last));
	else
		w->fn(w->arg, NULL, NULL);
}

static void
walk_ask(struct gateway *g, struct walk *w)
{
	struct buf b = { 0 };

	buf_addf(&b, "<data xmlns='%s' max='%d'", NS_GATEWAY_TEXT, PAGE);
	write_attr(&b, "prefix", w->prefix);
	write_attr(&b, "after", w->after);
	buf_adds(&b, "/>");
	question_ask(g, "get", NULL, buf_str(&b), walk_came, w, walk_free);
	buf_fini(&b);
}

void
gateway_data_each(struct gateway *g, const char *prefix, gateway_data_each_fn *fn, void *arg)
{
	walk_ask(g, walk_new(&(struct walk){ .fn = fn, .arg = arg, .prefix = (char *)prefix }, NULL));
}

/* Life */

void
store_init(struct gateway *g)
{
	(void)g;
	memset(&store, 0, sizeof(store));
	list_init(&store.puts);
	list_init(&store.gets);
	list_init(&store.walks);
}

void
store_free(struct gateway *g)
{
	(void)g;
	while (!list_is_empty(&store.puts))
		put_free(LIST_ENTRY(store.puts.next, struct put, link));
	for (struct list *pos; (pos = list_pop(&store.gets));)
		ask_free(LIST_ENTRY(pos, struct ask, link));
	for (struct list *pos; (pos = list_pop(&store.walks));)
		walk_free(LIST_ENTRY(pos, struct walk, link));
	free(store.after);
}

/* What could not be had. Taken off its list as a whole first: what fails again at once waits for the next turn. */
static void
ask_again(struct gateway *g)
{
	struct list gets, walks, *pos;

	list_init(&gets);
	list_init(&walks);
	while ((pos = list_pop(&store.gets)))
		list_append(&gets, pos);
	while ((pos = list_pop(&store.walks)))
		list_append(&walks, pos);
	while ((pos = list_pop(&gets)))
		get_ask(g, LIST_ENTRY(pos, struct ask, link));
	while ((pos = list_pop(&walks)))
		walk_ask(g, LIST_ENTRY(pos, struct walk, link));
}

void
store_tick(struct gateway *g)
{
	if (g->link.state != LINK_OPEN || g->now_ms < store.again_ms)
		return;
	if (store.settings && !g->running && !store.asking)
		ask_settings(g);
	if (g->running)
		read_page(g);
	ask_again(g);
	put_next(g);
}

void
store_stream_up(struct gateway *g)
{
	store_tick(g);
}
