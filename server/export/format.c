/*
 * format: the table of formats.
 */
#include "export/format.h"

#include <string.h>

#include "export/formats.h"

const struct export_format *const export_formats[] = {
	&export_jsonl,
	&export_csv,
	&export_eml,
	&export_rsmf,
	&export_html,
	&export_pdf,
	&export_xep0227,
	NULL,
};

const struct export_format *
export_format_find(const char *name, size_t n)
{
	for (size_t i = 0; export_formats[i]; i++)
		if (strlen(export_formats[i]->name) == n && !memcmp(export_formats[i]->name, name, n))
			return export_formats[i];
	return NULL;
}
