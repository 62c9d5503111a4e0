/*
 * admin: what administrators and their tools reach: the control socket of `chancery`, and the metrics page.
 *
 * main starts it last, after privileges were dropped and the reactors run, and stops it first: control
 * threads ask reactors, workers and the archive writer, which must be there as long as one of them is.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "admin/audit/audit.h"
#include "base/err.h"
#include "core/config/config.h"

struct admin_settings {
	const char *control;               /* listen.control */
	const struct config_list *metrics; /* listen.metrics */
	const char *conninfo; /* database.conninfo; control threads have connections of their own */
	/* Reads the settings file again and puts it into force, as SIGHUP does: config_load, the audit record of what has changed, by `who`,
	 * certificates, config_set and whom it concerns. On failure everything is as before, and `e` says why. Called on a
	 * control thread, with its connection, by one at a time. */
	int (*reload)(struct sql *db, const struct audit_who *who, struct err *e);
};

/* Copies what it needs. config_set has been called: the snapshot in force is the one the server was
 * started with. 0 or -1. */
int admin_start(const struct admin_settings *s, struct err *e) MUST_CHECK;
/* Ends the connections and joins the threads; a statement under way in PostgreSQL is waited for (10 s at
 * most). Not from a reactor. */
void admin_stop(void);

#endif
