/*
 * file_rule: rules about files as the settings have them (files.rules), the first that matches decides:
 *
 *     allow group="Board of Directors" to=*.partner.example type=application/pdf
 *     deny to=remote larger=10m
 *     deny from=remote type=application/
 *     allow group=Research to=lab.example encrypted
 *
 * A rule is `allow` or `deny` and conditions, each at most once, all of which must hold; none: it holds for every file. Domains are exact, all below
 * one (*.DOMAIN), `local` or `remote`. A file that is encrypted from end to end is allowed by rules only that say `encrypted`; they cannot ask
 * for its type or size, which nobody knows.
 */
#ifndef BASE_FILE_RULE_H
#define BASE_FILE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum file_say {
	FILE_SAY_NOTHING, /* no rule matches */
	FILE_SAY_ALLOW,
	FILE_SAY_DENY,
	FILE_SAY_LATER,   /* a rule may yet allow it, when more is known */
};

struct file_facts {
	const char *groups;   /* of the sender's organisation, a line each; "": none; NULL: not known */
	const char *from, *to; /* domains, prepared; to NULL: not known */
	bool from_remote, to_remote; /* another server's */
	const char *type;     /* as found in the content; "": it could not be found out: what is denied for its type is denied. NULL: not known */
	uint64_t size;
	bool has_size;
	bool encrypted;       /* from end to end */
	bool more;            /* what is not known now will be asked again; else no rule matches that asks for it */
};

/* Of the form above? */
bool file_rule_is_valid(const char *rule);
/* A valid one: is each domain in it (of *.DOMAIN what is behind the dot; also `local`, `remote`) as `is` says? */
bool file_rule_domains(const char *rule, bool (*is)(const char *domain));
/* `rules`: valid ones. */
enum file_say file_rules_say(const char *const *rules, size_t n, const struct file_facts *f);
/* A media type, with or without parameters, by a pattern: exact, or "video/" for all that begin so. */
bool file_type_is(const char *type, const char *pattern);
/* Is it one of these, a line each? */
bool file_group_is_in(const char *groups, const char *group);

#endif
