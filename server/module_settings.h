/*
 * module_settings: the settings of modules. Each member has a row in core/config/config_table.c; a module reads its
 * own with module_settings() each time, as a reload may change it.
 */
#ifndef MODULE_SETTINGS_H
#define MODULE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A setting that is a list of texts. */
struct config_list {
	const char **item;
	size_t n;
};

struct module_settings {
	bool version;      /* modules.version, default true: XEP-0092 answers */
	bool version_os;   /* modules.version_os, default false */
};

#endif
