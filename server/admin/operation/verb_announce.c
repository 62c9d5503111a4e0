/*
 * verb_announce: messages from the server to all accounts, or to those who are online. Audited before the first is sent.
 */
#include "admin/request/request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/announce.h"
#include "core/census.h"
#include "core/config/config.h"
#include "store/account.h"
#include "xmpp/jid.h"

#define LIST_PAGE 500

struct announcing {
	struct request *r;
	struct announcement what;
	struct arena *arena;
	const char **bare; /* of the batch, or of all who are online */
	size_t n, room;
	unsigned sent;
};

/* XML 1.0 §2.2: of the control characters only tab and line end. */
static bool
is_sayable(const char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < 0x20 && *s != '\n' && *s != '\t') || strncmp(s, "\xef\xbf\xbe", 3) == 0 ||
		    strncmp(s, "\xef\xbf\xbf", 3) == 0)
			return false;
	return true;
}

static int
check_text(struct request *r, const char *text)
{
	struct config *c = config_get();
	uint64_t most = c->limits.announcement_bytes;

	config_unref(c);
	if (text[0] == '\0' || !is_sayable(text))
		return err_set(&r->err, 0, "expected a text without control characters");
	if (strlen(text) > most)
		return err_set(&r->err, 0, "longer than %" PRIu64 " bytes (limits.announcement_bytes)", most);
	return 0;
}

static void
add_name(struct announcing *a, const char *bare)
{
	if (a->n == a->room) {
		a->room = a->room > 0 ? 2 * a->room : LIST_PAGE;
		a->bare = mem_realloc(a->bare, a->room * sizeof *a->bare);
	}
	a->bare[a->n++] = arena_strdup(a->arena, bare);
}

/* What has been gathered, in batches. */
static int
send_gathered(struct announcing *a)
{
	size_t i = 0;
	int rc = 0;

	while (rc == 0 && i < a->n) {
		size_t n = a->n - i < ANNOUNCE_BATCH ? a->n - i : ANNOUNCE_BATCH;

		if (atomic_load(&a->r->server->stopping))
			rc = err_set(&a->r->err, 0, "the server is stopping");
		else
			rc = announce_send(&a->what, a->bare + i, n, &a->sent, &a->r->err);
		i += n;
	}
	a->n = 0;
	arena_reset(a->arena);
	return rc;
}

/* Pages by name, as long as there are more. Whoever is barred is left out. */
static int
send_to_all(struct announcing *a)
{
	struct buf after = {0};
	int rc, n;

	do {
		PGresult *rows;

		rc = -1;
		if (account_list(a->r->db, buf_str(&after), NULL, LIST_PAGE, &rows, &a->r->err) != SQL_OK)
			break;
		n = PQntuples(rows);
		for (int i = 0; i < n; i++)
			if (!sql_bool(rows, i, 2))
				add_name(a, sql_text(rows, i, 0));
		buf_clear(&after);
		if (n > 0)
			buf_adds(&after, sql_text(rows, n - 1, 0));
		PQclear(rows);
		rc = send_gathered(a);
	} while (rc == 0 && n == LIST_PAGE);
	buf_fini(&after);
	return rc;
}

static void
add_online(void *arg, const struct census_session *s)
{
	struct announcing *a = arg;

	if (s->available)
		add_name(a, arena_strndup(a->arena, s->jid, strcspn(s->jid, "/")));
}

static int
by_name(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* Each account once, however many clients it has. */
static int
send_to_online(struct announcing *a)
{
	size_t n = 0;

	census_sessions(NULL, add_online, a);
	if (a->n > 0)
		qsort(a->bare, a->n, sizeof *a->bare, by_name);
	for (size_t i = 0; i < a->n; i++)
		if (n == 0 || strcmp(a->bare[n - 1], a->bare[i]) != 0)
			a->bare[n++] = a->bare[i];
	a->n = n;
	return send_gathered(a);
}

static int
audit_announcement(struct request *r, const struct announcement *what, const char *to)
{
	json_t *detail = json_pack("{s:s, s:s, s:s*}", "id", what->id, "text", what->text, "subject", what->subject);
	enum sql_status rc = audit_write(r->db, r->who, "announce", to, detail, &r->err);

	json_decref(detail);
	return rc == SQL_OK ? 0 : -1;
}

static int
announce(struct request *r)
{
	struct announcing a = {.r = r};
	const char *to = "all";
	uint8_t random[12];
	char id[2 * sizeof random + 1];
	int rc;

	if (request_args(r, "{s:s, s?s, s?s}", "text", &a.what.text, "subject", &a.what.subject, "to", &to) != 0)
		return -1;
	if (strcmp(to, "all") != 0 && strcmp(to, "online") != 0)
		return err_set(&r->err, 0, "wrong arguments: to whom: expected all or online");
	if (check_text(r, a.what.text) != 0 || (a.what.subject != NULL && check_text(r, a.what.subject) != 0))
		return -1;
	crypt_random(random, sizeof random);
	text_hex(random, sizeof random, id);
	a.what.id = id;
	if (request_db(r) != 0 || audit_announcement(r, &a.what, to) != 0)
		return -1;
	a.arena = arena_new(0);
	rc = strcmp(to, "all") == 0 ? send_to_all(&a) : send_to_online(&a);
	arena_free(a.arena);
	free(a.bare);
	if (rc == 0) {
		audit_log(r->who, "announce", to);
		return request_row(r, json_pack("{s:i, s:s}", "sent", (int)a.sent, "id", id));
	}
	if (a.sent > 0)
		err_prefix(&r->err, "sent to some only");
	return -1;
}

const struct request_verb request_announce_verbs[] = {
	{"announce", "", announce, .about = "Sends a message to all accounts", .args = "text:string subject:string? to:string?"},
	{.noun = NULL},
};
