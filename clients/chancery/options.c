/*
 * options: what was given to commands that take options of their own.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"

bool
options_has(const struct options *o, const char *name)
{
	return json_object_get(o->given, name) != NULL;
}

const char *
options_value(const struct options *o, const char *name)
{
	const json_t *list = json_object_get(o->given, name);

	return json_string_value(json_array_get(list, json_array_size(list) - 1));
}

int
options_only(const struct options *o, const char *names)
{
	const char *name;
	json_t *v;

	json_object_foreach(o->given, name, v) {
		size_t n = strlen(name);
		bool found = false;

		(void)v;
		for (const char *s = names; (s = strstr(s, name)) != NULL && !found; s += n)
			found = (s == names || s[-1] == ' ') && (s[n] == ' ' || s[n] == '\0');
		if (!found) {
			fprintf(stderr, "chancery: --%s is not for this command\n", name);
			return -1;
		}
	}
	return 0;
}
