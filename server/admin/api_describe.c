/*
 * api_describe: OpenAPI 3.1 of the API, from the tables of verbs: so nothing is there that is not described, and nothing described that is not there.
 * Who may is in x-roles, whether a second person is wanted in x-four-eyes.
 */
#include "admin/api.h"

#include <stdio.h>
#include <string.h>

#include "admin/request/request.h"

/* "integer[]?" */
static json_t *
schema_of(const char *type, size_t n)
{
	if (n > 2 && memcmp(type + n - 2, "[]", 2) == 0)
		return json_pack("{s:s, s:o}", "type", "array", "items", schema_of(type, n - 2));
	if (n == 3 && memcmp(type, "any", 3) == 0)
		return json_object();
	return json_pack("{s:s%}", "type", type, n);
}

/* "jid:string since:string?" */
static json_t *
arguments_of(const char *args)
{
	json_t *properties = json_object(), *required = json_array(), *out;

	for (const char *s = args != NULL ? args : ""; *s != '\0';) {
		size_t whole = strcspn(s, " "), name = strcspn(s, ": "), type = whole > name ? whole - name - 1 : 0;
		char key[64];
		bool optional = type > 0 && s[whole - 1] == '?';

		snprintf(key, sizeof key, "%.*s", (int)name, s);
		json_object_set_new(properties, key, schema_of(s + name + 1, type - optional));
		if (!optional)
			json_array_append_new(required, json_string(key));
		s += whole + strspn(s + whole, " ");
	}
	out = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
	if (json_array_size(required) > 0)
		json_object_set(out, "required", required);
	json_decref(required);
	return out;
}

static json_t *
roles_of(const struct request_verb *v)
{
	json_t *out = json_array();

	for (unsigned role = 1; role <= ACCESS_ANY; role <<= 1)
		if (request_verb_roles(v) & role)
			json_array_append_new(out, json_string(access_role_name(role)));
	return out;
}

static json_t *
responses(void)
{
	return json_pack("{s:{s:s, s:{s:{s:{s:s}}, s:{s:{s:s}}}}, s:{s:s}}", "200", "description", "Rows; or what waits for a second person", "content",
			 "application/json", "schema", "$ref", "#/components/schemas/rows", "application/x-ndjson", "schema", "$ref",
			 "#/components/schemas/line", "default", "$ref", "#/components/responses/problem");
}

static json_t *
operation(const struct request_verb *v)
{
	json_t *op = json_pack("{s:s, s:s+++, s:[s], s:o, s:b}", "summary", v->about != NULL ? v->about : "", "operationId", v->noun,
			       v->verb[0] != '\0' ? "." : "", v->verb, "", "tags", v->noun, "x-roles", roles_of(v), "x-four-eyes",
			       (v->flags & ACCESS_FOUR_EYES) != 0);

	json_object_set_new(op, "requestBody", json_pack("{s:b, s:{s:{s:o}}}", "required", v->args != NULL && strstr(v->args, ":") != NULL, "content",
							 "application/json", "schema", arguments_of(v->args)));
	json_object_set_new(op, "responses", responses());
	return op;
}

static json_t *
paths(void)
{
	json_t *out = json_object();
	const struct request_verb *v;
	char path[160];

	for (size_t i = 0; (v = request_verb_at(i)) != NULL; i++) {
		snprintf(path, sizeof path, "/%s%s%s", v->noun, v->verb[0] != '\0' ? "/" : "", v->verb);
		json_object_set_new(out, path, json_pack("{s:o}", "post", operation(v)));
	}
	return out;
}

static json_t *
components(void)
{
	static const char text[] =
		"{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"chancery token new\"}},"
		"\"responses\":{\"problem\":{\"description\":\"Why not (RFC 9457)\",\"content\":{\"application/problem+json\":{\"schema\":"
		"{\"$ref\":\"#/components/schemas/problem\"}}}}},"
		"\"schemas\":{"
		"\"rows\":{\"type\":\"object\",\"properties\":{\"rows\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},\"next\":{\"type\":\"string\","
		"\"description\":\"Given back as the argument cursor: the next page\"}},\"required\":[\"rows\"]},"
		"\"line\":{\"type\":\"object\",\"description\":\"row, or next, at the end done or error\",\"properties\":{\"row\":{\"type\":\"object\"},"
		"\"next\":{\"type\":\"string\"},\"done\":{\"const\":true},\"error\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"}}},"
		"\"problem\":{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
		"\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"}},\"required\":[\"status\",\"detail\"]}}}";

	return json_loads(text, 0, NULL);
}

/* The one path that is no verb. */
static json_t *
download(void)
{
	static const char text[] =
		"{\"get\":{\"summary\":\"A finished export; Range is heeded\",\"operationId\":\"exports.get\",\"tags\":[\"export\"],"
		"\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"integer\"}}],"
		"\"responses\":{\"200\":{\"description\":\"All of it\",\"content\":{\"application/zip\":{}}},"
		"\"206\":{\"description\":\"A part\",\"content\":{\"application/zip\":{}}},\"default\":{\"$ref\":\"#/components/responses/problem\"}}}}";

	return json_loads(text, 0, NULL);
}

json_t *
admin_api_describe(void)
{
	json_t *all = paths();

	json_object_set_new(all, "/exports/{id}", download());
	return json_pack("{s:s, s:{s:s, s:s, s:s}, s:[{s:s}], s:[{s:[]}], s:o, s:o}", "openapi", "3.1.0", "info", "title", "Chancery", "version",
			 CHANCERY_VERSION, "description", "Administration and compliance: verbs as `chancery` has them, for persons with a token.", "servers",
			 "url", "/api/v1", "security", "token", "paths", all, "components", components());
}
