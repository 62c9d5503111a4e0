/* sql_turn: see sql_turn.h. */
#include "store/sql_turn.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "store/sql.h"

#define REST_MS 10000 /* without turns, after one that was not given: not each statement of a search waits in vain */

/* Any that is free, else that which is this connection's: one lock is enough to wait for. Whose program has died does not finish what nobody wants. */
const char sql_turn_text[] =
	"SELECT set_config('client_connection_check_interval', '500', true), set_config('lock_timeout', $1, true),"
	" set_config('effective_io_concurrency', $3, true),"
	" coalesce((SELECT true FROM generate_series(0, $2::int - 1) n WHERE pg_try_advisory_xact_lock(4841265, n) LIMIT 1),"
	" pg_advisory_xact_lock(4841265, pg_backend_pid() % $2::int) IS NULL)";

static atomic_uint at_once, wait_ms, reads;

void
sql_set_turns(unsigned turns_at_once, unsigned turn_wait_ms, unsigned reads_at_once)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	atomic_store(&wait_ms, turn_wait_ms);
	atomic_store(&reads, reads_at_once);
	atomic_store(&at_once, turns_at_once ? turns_at_once : cores > 3 ? (unsigned)cores / 2 : 1);
}

bool
sql_turn_ask(struct sql_turn *t, int deadline_ms, const char *v[SQL_TURN_PARAMS])
{
	unsigned n = atomic_load(&at_once), wait = atomic_load(&wait_ms);

	if (!t->takes || !n || clock_mono_ms() < t->rest_ms)
		return false;
	/* The statement has to have time, too. */
	if (wait > (unsigned)deadline_ms / 2)
		wait = (unsigned)deadline_ms / 2;
	snprintf(t->wait_ms, sizeof(t->wait_ms), "%u", wait ? wait : 1);
	snprintf(t->at_once, sizeof(t->at_once), "%u", n);
	snprintf(t->reads, sizeof(t->reads), "%u", atomic_load(&reads));
	v[0] = t->wait_ms;
	v[1] = t->at_once;
	v[2] = t->reads;
	return true;
}

void
sql_turn_waited(struct sql_turn *t, int64_t waited_us)
{
	t->waited_us += waited_us;
	metric_observe(METRIC_DESK_TURN, (uint64_t)waited_us);
}

void
sql_turn_missed(struct sql_turn *t)
{
	t->rest_ms = clock_mono_ms() + REST_MS;
	metric_add(METRIC_DESK_TURNS_MISSED, 1);
}
