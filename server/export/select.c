/*
 * select: what the search finds becomes the selection: which records this export has, for good.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/export_store.h"
#include "export/job_priv.h"

#define INDEX_WAIT_MS 120000 /* that it does not get on */
#define POLL_NS 50000000L
#define PAGE 1024

/* What the search has found last. */
struct page {
	uint64_t id[PAGE], index[PAGE];
	size_t n;
};

/* The index is filled behind the writer: it must have got to where the checkpoint is. */
static int
wait_for_index(struct job *j, struct err *e)
{
	int64_t moved = clock_mono_ms();
	struct search_state st;
	uint64_t last = 0;

	for (;;) {
		if (search_state(j->db, &st, e) != SQL_OK)
			return -1;
		if (st.log_index >= j->info.tree_size)
			return 0;
		if (st.log_index != last)
			moved = clock_mono_ms();
		last = st.log_index;
		if (clock_mono_ms() - moved >= INDEX_WAIT_MS)
			return err_set(e, 0, "the search index is at record %llu of %llu, and does not get on; see chancery status",
				       (unsigned long long)st.log_index, (unsigned long long)j->info.tree_size);
		if (job_progress(j, e))
			return -1;
		(void)nanosleep(&(struct timespec){ .tv_nsec = POLL_NS }, NULL);
	}
}

/* Those of the page that the record still has. Both lists go by id. */
static int
add_page(struct job *j, struct order *o, const struct page *p, struct err *e)
{
	PGresult *rows;
	size_t at = 0;
	int rc = 0;

	if (export_store_there(j->db, p->id, p->n, &rows, e) != SQL_OK)
		return -1;
	for (int i = 0; i < PQntuples(rows) && !rc; i++) {
		struct order_entry x = { .id = (uint64_t)sql_i64(rows, i, 0) };

		while (at < p->n && p->id[at] < x.id)
			at++;
		if (at == p->n || p->id[at] != x.id)
			continue;
		x.log_index = p->index[at];
		if (++j->done > j->limit_records)
			rc = err_set(e, 0, "more than %llu records (limits.export_records): ask for less at once", (unsigned long long)j->limit_records);
		else
			rc = order_add(o, &x, e);
	}
	PQclear(rows);
	return rc ? -1 : job_progress(j, e);
}

/* The index says which; what audit records say is not in it. */
static int
find_all(struct job *j, struct search *s, struct order *o, struct err *e)
{
	struct page p = {0};
	int rc;

	while ((rc = search_next_id(s, &p.id[p.n], &p.index[p.n], e)) > 0 && p.index[p.n] < j->info.tree_size) {
		if (++p.n < PAGE)
			continue;
		if (add_page(j, o, &p, e))
			return -1;
		p.n = 0;
	}
	return rc < 0 || (p.n && add_page(j, o, &p, e)) ? -1 : 0;
}

static int
make_selection(struct job *j, struct err *e)
{
	struct search_limits limits = { .seconds = 86400 };
	struct order *o = order_new(j->dir, SOURCE_SELECTION, e);
	struct search *s = o ? search_open(j->db, &j->query, &limits, e) : NULL;

	if (!s || find_all(j, s, o, e)) {
		search_close(s);
		order_free(o);
		return -1;
	}
	search_close(s);
	return order_end(o, false, e);
}

int
job_select(struct job *j, struct err *e)
{
	uint64_t n;
	int fd = order_open(j->dir, SOURCE_SELECTION, &n, e);

	if (fd >= 0)
		return close(fd);
	if (e->code != ENOENT)
		return -1;
	if (!j->info.tree_size)
		return err_set(e, 0, "there is nothing in the record yet");
	j->query.newest_first = false;
	if (!j->query.before_index || j->query.before_index > j->info.tree_size)
		j->query.before_index = j->info.tree_size;
	return wait_for_index(j, e) || make_selection(j, e) ? -1 : 0;
}
