/*
 * admin: starts and stops the threads of this layer: those that work on what was asked for, and the ways in.
 */
#include "admin/admin.h"

#include "admin/access/approval_clock.h"
#include "admin/api.h"
#include "admin/control.h"
#include "admin/desk.h"
#include "admin/erasure/erasures.h"
#include "admin/export/exports.h"
#include "admin/metrics.h"
#include "admin/retention/retention.h"

int
admin_start(const struct admin_settings *s, struct err *e)
{
	struct control_settings control = {
		.path = s->control, .conninfo = s->conninfo, .reload = s->reload};

	if (approval_clock_start(s->conninfo, e) != 0)
		return -1;
	if (control_start(&control, e) != 0)
		goto no_control;
	if (admin_desk_start(s->conninfo, e) != 0)
		goto no_desk;
	if (exports_start(s->conninfo, e) != 0)
		goto no_exports;
	if (erasures_start(s->conninfo, e) != 0)
		goto no_erasures;
	if (retention_start(s->conninfo, e) != 0)
		goto no_retention;
	if (admin_api_start(s->conninfo, e) != 0)
		goto no_api;
	if (metrics_start(s->metrics, e) != 0)
		goto no_metrics;
	return 0;
no_metrics:
	admin_api_stop();
no_api:
	retention_stop();
no_retention:
	erasures_stop();
no_erasures:
	exports_stop();
no_exports:
	admin_desk_stop();
no_desk:
	control_stop();
no_control:
	approval_clock_stop();
	return -1;
}

void
admin_stop(void)
{
	metrics_stop();
	admin_api_stop();
	admin_desk_stop();
	control_stop();
	retention_stop();
	exports_stop();
	erasures_stop();
	approval_clock_stop();
}
