/*
 * select: what the search finds becomes the selection: which records this export has, for good.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "archive/query.h"
#include "base/clock.h"
#include "export/job_priv.h"

#define INDEX_WAIT_MS 120000 /* that it does not get on */
#define POLL_NS 50000000L

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

static int
find_all(struct job *j, struct search *s, struct order *o, struct err *e)
{
	struct order_entry x = {0};
	struct search_row row;
	int rc;

	while ((rc = search_next(s, &row, e)) > 0) {
		if (row.is.log_index >= j->info.tree_size)
			break;
		if (query_leaves_out(row.is.kind))
			continue;
		if (++j->done > j->limit_records)
			return err_set(e, 0, "more than %llu records (limits.export_records): ask for less at once",
				       (unsigned long long)j->limit_records);
		x.id = row.is.id;
		x.log_index = row.is.log_index;
		if (order_add(o, &x, e) || (j->done % 256 == 0 && job_progress(j, e)))
			return -1;
	}
	return rc < 0 ? -1 : 0;
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
