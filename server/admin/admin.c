/*
 * admin: starts and stops the control socket, the desk, the API and the metrics page, in that order and back.
 */
#include "admin/admin.h"

#include "admin/api.h"
#include "admin/approval.h"
#include "admin/control.h"
#include "admin/desk.h"
#include "admin/erasures.h"
#include "admin/exports.h"
#include "admin/metrics.h"

int
admin_start(const struct admin_settings *s, struct err *e)
{
	struct control_settings control = {
		.path = s->control, .conninfo = s->conninfo, .reload = s->reload};

	approval_start(s->conninfo);
	if (control_start(&control, e) != 0)
		return -1;
	if (admin_desk_start(s->conninfo, e) != 0) {
		control_stop();
		return -1;
	}
	if (exports_start(s->conninfo, e) != 0) {
		admin_desk_stop();
		control_stop();
		return -1;
	}
	if (erasures_start(s->conninfo, e) != 0) {
		admin_desk_stop();
		control_stop();
		exports_stop();
		return -1;
	}
	if (admin_api_start(s->conninfo, e) != 0) {
		admin_desk_stop();
		control_stop();
		exports_stop();
		erasures_stop();
		return -1;
	}
	if (metrics_start(s->metrics, e) != 0) {
		admin_api_stop();
		admin_desk_stop();
		control_stop();
		exports_stop();
		erasures_stop();
		return -1;
	}
	return 0;
}

void
admin_stop(void)
{
	metrics_stop();
	admin_api_stop();
	admin_desk_stop();
	control_stop();
	exports_stop();
	erasures_stop();
}
