/*
 * query: what is meant, from the options of a command to the query of its verb (server/archive/query.h).
 */
#include "command.h"

/* "file-hash" of the command line is "file_hash" of the server. */
static void
copy_option(const struct options *o, json_t *query, const char *option, const char *name, bool list)
{
	const json_t *given = json_object_get(o->given, option);

	if (given != NULL && list)
		json_object_set(query, name, (json_t *)(uintptr_t)given);
	else if (given != NULL)
		json_object_set(query, name, json_array_get(given, json_array_size(given) - 1));
}

json_t *
command_query(const struct options *o)
{
	static const struct {
		const char *option, *name;
		bool list;
	} values[] = {{"person", "person", true}, {"room", "room", true},	 {"domain", "domain", true},	   {"between", "between", true},
		      {"foreign", "foreign", true}, {"kind", "kind", true},	  {"partner", "partner", false}, {"since", "since", false},	   {"until", "until", false},
		      {"words", "words", false},  {"file", "file", false},	 {"file-hash", "file_hash", false}};
	static const char *const flags[][2] = {{"federated", "federated"}, {"audience", "audience"}, {"has-file", "has_file"}, {"encrypted", "encrypted"}};
	json_t *query = json_object();

	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		copy_option(o, query, values[i].option, values[i].name, values[i].list);
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (options_has(o, flags[i][0]))
			json_object_set_new(query, flags[i][1], json_true());
	return query;
}
