/*
 * import: a batch of accounts: check, hash on all cores, store.
 *
 * The batch belongs to the thread of the connection; hashing threads take one item after the other by an
 * atomic counter and touch nothing but their item. They run at low priority, so that reactors on the same
 * cores go first.
 */
#include "admin/account/import.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "admin/account/account_name.h"
#include "admin/request/request.h"
#include "base/arena.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/turns.h"
#include "core/config/config.h"
#include "store/account.h"
#include "store/password.h"
#include "xmpp/jid.h"

#define THREADS_MAX 64
#define NICE 10

enum state { WANTED, HASHED, ADDED, EXISTING, REFUSED };

struct item {
	json_int_t line;
	const char *password; /* in the request */
	struct jid *jid;
	enum state state;
	struct err why; /* REFUSED */
	struct account_secret secret;
};

struct batch {
	struct request *r;
	struct item *item;
	size_t n;
	uint32_t iterations;
	atomic_size_t next;
};

static void
item_refuse(struct item *it, const struct err *why)
{
	it->state = REFUSED;
	it->why = *why;
}

static void
item_read(struct item *it, json_t *from, const struct config *c)
{
	const char *text;

	if (json_unpack(from, "{s:I, s:s, s:s}", "line", &it->line, "jid", &text, "password",
			&it->password) != 0) {
		err_set(&it->why, 0, "expected line, jid and password");
		it->state = REFUSED;
		return;
	}
	it->jid = account_name_parse(c, text, &it->why);
	if (it->jid == NULL || password_check(it->password, &it->why) != 0)
		it->state = REFUSED;
}

/* Those that are there need no keys: a second import of the same file is quick. -1 with err. */
static int
find_existing(struct batch *b)
{
	struct arena *a = arena_new(0);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < b->n; i++) {
		struct item *it = &b->item[i];
		struct account found = {0};

		if (it->state != WANTED)
			continue;
		if (account_find(b->r->db, a, jid_bare(it->jid), &found, &b->r->err) != SQL_OK)
			rc = -1;
		else if (found.id != 0)
			it->state = EXISTING;
		arena_reset(a);
	}
	arena_free(a);
	return rc;
}

static void *
hash_run(void *arg)
{
	struct batch *b = arg;
	size_t i;

	while ((i = atomic_fetch_add(&b->next, 1)) < b->n &&
	       !atomic_load(&b->r->server->stopping)) {
		struct item *it = &b->item[i];
		struct err why;

		if (it->state != WANTED)
			continue;
		if (password_keys(&it->secret, it->password, b->iterations, &why) == 0)
			it->state = HASHED;
		else
			item_refuse(it, &why);
	}
	return NULL;
}

static void *
hash_thread(void *arg)
{
	turns_long(NICE);
	return hash_run(arg);
}

/* The calling thread waits; where no thread can be started it does the work itself. */
static void
hash_all(struct batch *b)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread[THREADS_MAX];
	size_t n = 0;

	while (n < THREADS_MAX && (long)n < cores && n < b->n &&
	       pthread_create(&thread[n], NULL, hash_thread, b) == 0)
		n++;
	if (n == 0)
		hash_run(b);
	while (n > 0)
		pthread_join(thread[--n], NULL);
}

/* One record for those that are new. */
static enum sql_status
audit_range(struct batch *b, size_t first, size_t end, const bool *created, struct err *why)
{
	const char *name[IMPORT_BATCH];
	size_t n = 0;

	for (size_t i = first; i < end; i++)
		if (created[i])
			name[n++] = jid_bare(b->item[i].jid);
	return n > 0 ? audit_write_each(b->r->db, b->r->who, "user.import", name, n, why) : SQL_OK;
}

/* The items from `first` to `end` in one transaction, or none of them. */
static enum sql_status
store_range(struct batch *b, size_t first, size_t end, struct err *why)
{
	bool created[IMPORT_BATCH] = {false};
	enum sql_status rc = sql_begin(b->r->db, why);
	size_t begun;

	for (size_t i = first; rc == SQL_OK && i < end; i++)
		if (b->item[i].state == HASHED)
			rc = account_add(b->r->db, jid_bare(b->item[i].jid), &b->item[i].secret, &created[i], why);
	begun = audit_begin();
	if (rc == SQL_OK)
		rc = audit_range(b, first, end, created, why);
	if (rc == SQL_OK)
		rc = sql_commit(b->r->db, why);
	audit_end(begun, b->r->db, b->r->who, rc == SQL_OK ? NULL : why);
	if (rc != SQL_OK) {
		sql_rollback(b->r->db);
		return rc;
	}
	for (size_t i = first; i < end; i++)
		if (b->item[i].state == HASHED)
			b->item[i].state = created[i] ? ADDED : EXISTING;
	return SQL_OK;
}

/* When PostgreSQL refuses a batch, one of it is to blame: each then goes alone. -1: it is not there. */
static int
store_all(struct batch *b)
{
	struct err why = {0};
	enum sql_status rc = store_range(b, 0, b->n, &why);

	for (size_t i = 0; rc == SQL_FAILED && i < b->n; i++) {
		if (b->item[i].state != HASHED)
			continue;
		rc = store_range(b, i, i + 1, &why);
		if (rc == SQL_FAILED)
			item_refuse(&b->item[i], &why);
		else if (rc == SQL_OK)
			rc = SQL_FAILED; /* go on with the next */
	}
	if (rc != SQL_UNAVAILABLE)
		return 0;
	b->r->err = why;
	return err_prefix(
		&b->r->err,
		"the database went away; run the import again, it leaves alone what is there");
}

static int
report(struct batch *b)
{
	int count[REFUSED + 1] = {0};

	for (size_t i = 0; i < b->n; i++)
		count[b->item[i].state]++;
	log_info(NULL, "imported", "added=%d existing=%d refused=%d who=%s", count[ADDED],
		 count[EXISTING], count[REFUSED], b->r->who->name);
	for (size_t i = 0; i < b->n; i++) {
		struct item *it = &b->item[i];

		if (it->state == REFUSED &&
		    request_row(b->r, json_pack("{s:I, s:s}", "line", it->line, "refused",
						it->why.text)) != 0)
			return -1;
	}
	return request_row(b->r, json_pack("{s:i, s:i, s:i}", "added", count[ADDED], "existing",
					   count[EXISTING], "refused", count[REFUSED]));
}

static int
import_batch(struct batch *b)
{
	if (request_db(b->r) != 0 || find_existing(b) != 0)
		return -1;
	hash_all(b);
	if (atomic_load(&b->r->server->stopping))
		return err_set(&b->r->err, 0, "the server is stopping");
	return store_all(b) == 0 ? report(b) : -1;
}

int
import_accounts(struct request *r)
{
	struct batch b = {.r = r};
	struct config *c;
	json_t *accounts;
	int rc;

	if (request_args(r, "{s:o}", "accounts", &accounts) != 0)
		return -1;
	if (!json_is_array(accounts))
		return err_set(&r->err, 0, "wrong arguments: expected a list of accounts");
	b.n = json_array_size(accounts);
	if (b.n > IMPORT_BATCH)
		return err_set(&r->err, 0, "more than %d accounts at once", IMPORT_BATCH);
	b.item = mem_zalloc(b.n * sizeof *b.item + 1);
	c = config_get();
	b.iterations = (uint32_t)c->auth.iterations;
	for (size_t i = 0; i < b.n; i++)
		item_read(&b.item[i], json_array_get(accounts, i), c);
	config_unref(c);
	rc = import_batch(&b);
	for (size_t i = 0; i < b.n; i++)
		jid_unref(b.item[i].jid);
	crypt_wipe(b.item, b.n * sizeof *b.item);
	free(b.item);
	return rc;
}
