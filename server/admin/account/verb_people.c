/*
 * verb_people: how many accounts there are in which state, and their names.
 *
 * online: with a client that is available. active: one of these has sent something in the last ten minutes; idle: online, not active.
 */
#include "admin/request/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/census.h"
#include "store/account.h"

#define ACTIVE_US INT64_C(600000000)
#define NAMES_MAX 1000
#define PAGE 500

struct person {
	const char *bare;
	bool active;
};

struct people {
	struct arena *arena;
	struct person *list;
	size_t n, room, active;
	int64_t now_us;
};

static void
add_session(void *arg, const struct census_session *s)
{
	struct people *p = arg;

	if (!s->available)
		return;
	if (p->n == p->room) {
		p->room = p->room > 0 ? 2 * p->room : PAGE;
		p->list = mem_realloc(p->list, p->room * sizeof *p->list);
	}
	p->list[p->n++] = (struct person){arena_strndup(p->arena, s->jid, strcspn(s->jid, "/")),
					  p->now_us - s->active_us < ACTIVE_US};
}

static int
by_name(const void *x, const void *y)
{
	return strcmp(((const struct person *)x)->bare, ((const struct person *)y)->bare);
}

/* Who is online, each once, by name. */
static void
people_init(struct people *p)
{
	size_t n = 0;

	*p = (struct people){.arena = arena_new(0), .now_us = clock_wall_us()};
	census_sessions(NULL, add_session, p);
	if (p->n > 0)
		qsort(p->list, p->n, sizeof *p->list, by_name);
	for (size_t i = 0; i < p->n; i++) {
		if (n > 0 && strcmp(p->list[n - 1].bare, p->list[i].bare) == 0)
			p->list[n - 1].active |= p->list[i].active;
		else
			p->list[n++] = p->list[i];
	}
	p->n = n;
	for (size_t i = 0; i < n; i++)
		p->active += p->list[i].active;
}

static void
people_fini(struct people *p)
{
	arena_free(p->arena);
	free(p->list);
}

static int
user_count(struct request *r)
{
	struct people online;
	int64_t registered, disabled;
	int rc;

	if (request_args(r, "{}") != 0 || request_db(r) != 0 ||
	    account_count(r->db, &registered, &disabled, &r->err) != SQL_OK)
		return -1;
	people_init(&online);
	rc = request_row(r, json_pack("{s:I, s:I, s:I, s:I, s:I}", "registered", (json_int_t)registered, "disabled",
				      (json_int_t)disabled, "online", (json_int_t)online.n, "active",
				      (json_int_t)online.active, "idle", (json_int_t)(online.n - online.active)));
	people_fini(&online);
	return rc;
}

static int
name_row(struct request *r, const char *bare)
{
	return request_row(r, json_pack("{s:s}", "jid", bare));
}

static int
online_names(struct request *r, const char *state, uint64_t limit)
{
	struct people p;
	int rc = 0;

	people_init(&p);
	for (size_t i = 0; rc == 0 && limit > 0 && i < p.n; i++) {
		if (strcmp(state, "online") != 0 && p.list[i].active != (strcmp(state, "active") == 0))
			continue;
		rc = name_row(r, p.list[i].bare);
		limit--;
	}
	people_fini(&p);
	return rc;
}

static int
account_names(struct request *r, bool disabled_only, uint64_t limit)
{
	struct buf after = {0};
	int rc = 0, n;

	do {
		PGresult *rows;

		if (account_list(r->db, buf_str(&after), NULL, PAGE, &rows, &r->err) != SQL_OK) {
			rc = -1;
			break;
		}
		n = PQntuples(rows);
		for (int i = 0; rc == 0 && limit > 0 && i < n; i++) {
			if (disabled_only && !sql_bool(rows, i, 2))
				continue;
			rc = name_row(r, sql_text(rows, i, 0));
			limit--;
		}
		buf_clear(&after);
		if (n > 0)
			buf_adds(&after, sql_text(rows, n - 1, 0));
		PQclear(rows);
	} while (rc == 0 && limit > 0 && n == PAGE);
	buf_fini(&after);
	return rc;
}

static int
user_names(struct request *r)
{
	const char *state = "registered", *most = NULL;
	uint64_t limit = NAMES_MAX;

	if (request_args(r, "{s?s, s?s}", "state", &state, "limit", &most) != 0)
		return -1;
	if (most != NULL && !text_u64(most, strlen(most), 1, NAMES_MAX, &limit))
		return err_set(&r->err, 0, "wrong arguments: limit: expected 1 to %d", NAMES_MAX);
	if (strcmp(state, "online") == 0 || strcmp(state, "active") == 0 || strcmp(state, "idle") == 0)
		return online_names(r, state, limit);
	if (strcmp(state, "registered") != 0 && strcmp(state, "disabled") != 0)
		return err_set(&r->err, 0, "wrong arguments: state: expected registered, disabled, online, active or idle");
	return request_db(r) == 0 ? account_names(r, strcmp(state, "disabled") == 0, limit) : -1;
}

const struct request_verb request_people_verbs[] = {
	{"user", "count", user_count, .about = "Counts accounts, and those online"},
	{"user", "names", user_names, .about = "Lists the addresses of accounts, enabled or disabled", .args = "state:string? limit:string?"},
	{.noun = NULL},
};
