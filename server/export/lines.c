/*
 * lines: see lines.h.
 */
#include "export/lines.h"

int
lines_put(struct export_context *x, struct export_group *g, lines_fn fn, struct err *e)
{
	const struct export_target *t;
	const struct export_record *r;
	struct buf b = {0};
	int rc;

	while ((rc = export_group_next(g, &r, e)) > 0) {
		buf_clear(&b);
		rc = export_group_target(g, r, &t, e);
		if (rc)
			break;
		fn(&b, r, t);
		rc = bundle_write(x->out, buf_data(&b), buf_len(&b), e);
		if (rc)
			break;
	}
	buf_fini(&b);
	return rc;
}

int
lines_close(struct export_context *x, void *state, struct err *e)
{
	(void)state;
	return bundle_close(x->out, e);
}
