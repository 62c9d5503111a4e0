/*
 * formats: the rows of the table in format.c.
 */
#ifndef EXPORT_FORMATS_H
#define EXPORT_FORMATS_H

#include "export/format.h"

extern const struct export_format export_jsonl, export_csv, export_eml, export_rsmf, export_html, export_pdf, export_xep0227;

#endif
