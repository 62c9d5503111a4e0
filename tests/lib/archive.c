#include "lib/archive.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t open_entries;

bool test_archive_copies;

static void
came_back(struct mail *m)
{
	struct test_entry *t =
		(struct test_entry *)((char *)m - offsetof(struct test_entry, e.mail));

	pthread_mutex_lock(&lock);
	t->back++;
	t->back_ms = clock_mono_ms();
	open_entries--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void
submit(struct test_entry *t, const char *from, const char *to, unsigned number, unsigned may_wait_ms)
{
	memset(t, 0, sizeof(*t));
	t->e.may_wait_ms = may_wait_ms;
	snprintf(t->from, sizeof(t->from), "%s", from);
	snprintf(t->to, sizeof(t->to), "%s", to);
	snprintf(t->id, sizeof(t->id), "%u", number);
	if (!t->body[0])
		snprintf(t->body, sizeof(t->body), "%0200u", number);
	snprintf(
		t->stanza, sizeof(t->stanza),
		"<message xmlns='jabber:client' type='chat' from='%s/r' to='%s' id='%u'><body>%s</body></message>",
		from, to, number, t->body);
	test_submit_as_is(t);
}

void
test_submit(struct test_entry *t, const char *from, const char *to, unsigned number)
{
	submit(t, from, to, number, 0);
}

void
test_submit_later(struct test_entry *t, const char *from, unsigned number, unsigned ms)
{
	submit(t, from, "juliet@example.org", number, ms);
}

void
test_submit_as_is(struct test_entry *t)
{
	t->e.mail.run = came_back;
	t->e.kind = RECORD_MESSAGE;
	t->e.from_bare = t->from;
	t->e.from_resource = "r";
	t->e.to_bare = t->to;
	t->e.type = "chat";
	t->e.client_id = t->id;
	t->e.body = t->body;
	t->e.stanza = t->stanza;
	t->e.stanza_len = strlen(t->stanza);
	t->e.deliverable = true;
	t->e.accepted_ms = t->sent_ms = clock_mono_ms();
	pthread_mutex_lock(&lock);
	open_entries++;
	pthread_mutex_unlock(&lock);
	record_submit(&t->e);
}

size_t
test_open_entries(void)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = open_entries;
	pthread_mutex_unlock(&lock);
	return n;
}

bool
test_wait_open(size_t at_most, int ms)
{
	struct timespec until;
	bool ok;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&lock);
	while (open_entries > at_most)
		if (pthread_cond_timedwait(&changed, &lock, &until) != 0)
			break;
	ok = open_entries <= at_most;
	pthread_mutex_unlock(&lock);
	return ok;
}

void
test_archive_start(struct pg *pg, unsigned patience_ms, unsigned batch)
{
	struct record_settings s = {.conninfo = pg_conninfo(pg, "chancery_server"),
				    .patience_ms = patience_ms,
				    .batch_max = batch,
				    .waiting_max = 100000,
				    .waiting_bytes_max = 256 << 20,
				    .copies = test_archive_copies};
	struct err e;

	if (record_start(&s, &e) != 0) {
		fprintf(stderr, "record_start: %s\n", e.text);
		exit(99);
	}
}

const char *
test_archive_fault(struct pg *pg)
{
	static const struct {
		const char *what, *sql;
	} check[] = {
		{"log_index is not dense",
		 "SELECT count(*) FROM archive.record HAVING count(*) > 0 AND"
		 " (min(log_index) <> 0 OR max(log_index) <> count(*) - 1 OR"
		 "  count(DISTINCT log_index) <> count(*))"},
		{"ids and indexes are not in the same order",
		 "SELECT 1 FROM (SELECT log_index, row_number() OVER (ORDER BY id) - 1 AS n FROM archive.record) x"
		 " WHERE log_index <> n LIMIT 1"},
		{"a leaf does not match its row",
		 "SELECT 1 FROM archive.record r WHERE archive.leaf(r) IS DISTINCT FROM leaf_hash LIMIT 1"},
		{"a salt was used twice",
		 "SELECT 1 FROM archive.record GROUP BY salt HAVING count(*) > 1 LIMIT 1"},
		{"a message was recorded twice",
		 "SELECT 1 FROM archive.record WHERE kind = 1 GROUP BY from_bare, client_id"
		 " HAVING count(*) > 1 LIMIT 1"},
		{"a message was returned twice",
		 "SELECT 1 FROM archive.record WHERE kind = 7 GROUP BY refers_record HAVING count(*) > 1 LIMIT 1"},
		{"a RETURNED record refers to nothing",
		 "SELECT 1 FROM archive.record x WHERE kind = 7 AND NOT EXISTS"
		 " (SELECT FROM archive.record r WHERE r.id = x.refers_record AND r.kind = 1) LIMIT 1"},
		{"messages of one sender are out of order",
		 "SELECT 1 FROM (SELECT client_id::int AS c, lag(client_id::int) OVER (PARTITION BY from_bare"
		 "  ORDER BY id) AS before FROM archive.record WHERE kind = 1 AND client_id ~ '^[0-9]+$') x"
		 " WHERE c <= before LIMIT 1"},
	};

	for (size_t i = 0; i < sizeof(check) / sizeof(check[0]); i++)
		if (pg_value(pg, check[i].sql)[0])
			return check[i].what;
	return NULL;
}

/* A message as the record has it. */
struct seen {
	char *from, *client_id;
	unsigned long long id, log_index;
	int returned;
};

static int
compare(const char *from, const char *id, const struct seen *s)
{
	int c = strcmp(from, s->from);

	return c ? c : strcmp(id, s->client_id);
}

static const struct seen *
find(const struct seen *s, size_t n, const struct test_entry *t)
{
	while (n > 0) {
		size_t half = n / 2;
		int c = compare(t->from, t->id, &s[half]);

		if (c == 0)
			return &s[half];
		if (c > 0) {
			s += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return NULL;
}

static const char *
entry_fault(const struct test_entry *t, const struct seen *s)
{
	if (t->back != 1)
		return "it did not come back exactly once";
	if (t->e.outcome == RECORD_COMMITTED) {
		if (!s)
			return "committed, and not in the record";
		if (s->id != t->e.id || s->log_index != t->e.log_index)
			return "committed, with another id or index in the record";
		return s->returned ? "committed, and in the record as returned" : NULL;
	}
	if (t->e.outcome != RECORD_REFUSED)
		return "it has no outcome";
	return s && !s->returned ? "refused, but recorded and not marked as returned" : NULL;
}

const char *
test_entries_fault(struct pg *pg, const struct test_entry *t, size_t n)
{
	PGconn *c = PQconnectdb(pg_conninfo(pg, "postgres"));
	PGresult *r = PQexec(
		c,
		"SELECT from_bare, client_id, id, log_index, (SELECT count(*) FROM archive.record x WHERE"
		" x.kind = 7 AND x.refers_record = r.id) FROM archive.record r WHERE kind = 1"
		" ORDER BY from_bare COLLATE \"C\", client_id COLLATE \"C\"");
	size_t rows = (size_t)PQntuples(r);
	struct seen *s = calloc(rows + 1, sizeof(*s));
	const char *fault =
		PQresultStatus(r) == PGRES_TUPLES_OK ? NULL : "the record cannot be read";

	for (size_t i = 0; i < rows; i++)
		s[i] = (struct seen){.from = PQgetvalue(r, (int)i, 0),
				     .client_id = PQgetvalue(r, (int)i, 1),
				     .id = strtoull(PQgetvalue(r, (int)i, 2), NULL, 10),
				     .log_index = strtoull(PQgetvalue(r, (int)i, 3), NULL, 10),
				     .returned = atoi(PQgetvalue(r, (int)i, 4))};
	for (size_t i = 0; i < n && !fault; i++) {
		fault = entry_fault(&t[i], find(s, rows, &t[i]));
		if (fault)
			fprintf(stderr, "message %s of %s: %s\n", t[i].id, t[i].from, fault);
	}
	free(s);
	PQclear(r);
	PQfinish(c);
	return fault;
}
