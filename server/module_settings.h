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

/* End-to-end encryption by users: the stricter the higher. */
enum encryption_policy { ENCRYPTION_ALLOW, ENCRYPTION_ANNOUNCE, ENCRYPTION_FORBID };

enum files_links { FILES_LINKS_ALLOW, FILES_LINKS_STRIP, FILES_LINKS_REFUSE, FILES_LINKS_FETCH };

struct module_settings {
	uint64_t history_days; /* modules.history_days, default 0: all. How far back users see their history */
	bool version;      /* modules.version, default true: XEP-0092 answers */
	bool version_os;   /* modules.version_os, default false */
	struct {
		struct config_list abuse, admin, feedback, sales, security, status, support; /* contact.*: URIs */
	} contact;
	struct {
		struct config_list services; /* external.services: TYPE:HOST:PORT:TRANSPORT[:FILE] (base/service.h) */
		uint64_t lifetime_ms;        /* external.lifetime of credentials, default 12h */
	} external;
	struct {
		const char *retention;       /* policy.retention: hours, "infinite" (default), "unknown"; empty: not said */
		const char *terms;           /* policy.terms: URI */
		struct config_list access;   /* policy.access, default ["admins", "organization_member"] */
		const char *backup_frequency, *backup_retention; /* policy.*: hours; empty: not said */
		bool encrypted_at_rest;      /* policy.encrypted_at_rest, default false */
		struct config_list notice;   /* policy.notice: lines for people, after our own */
	} policy;
	struct {
		bool password;               /* register.password, default true: users change their passwords (XEP-0077) */
		uint64_t password_length;    /* register.password_length, default 8 characters */
		bool remove;                 /* register.remove, default false: users remove their accounts */
		bool open;                   /* register.open, default false: anybody registers an account */
	} registration;                  /* ("register" is a word of C) */
	struct {
		bool on;                     /* invite.on, default false: users invite contacts, administrators accounts (XEP-0401) */
		bool accounts;               /* invite.accounts, default false: who is invited by a user may register an account */
		uint64_t lifetime_ms;        /* invite.lifetime, default 7d */
		const char *page;            /* invite.page: URL that an invitation is put behind; empty: none */
	} invite;
	struct {
		bool on;                     /* rooms.on, default true: rooms at conference.HOST (XEP-0045). At start */
		uint64_t history;            /* rooms.history, default 20: messages shown to who enters a new room */
		struct config_list create;   /* rooms.create, default ["everyone"]: who may make rooms; or "admins", groups of the organisation */
		bool lock;                   /* rooms.lock, default true: a new room is its owner's alone until it is configured */
		bool lookalikes;             /* rooms.lookalikes, default true: nicknames that look alike are taken for the same */
	} rooms;
	struct {
		bool sender, body;           /* push.sender, push.body, default false: what a notification tells */
		const char *text;            /* push.text: in place of the body; empty: nothing */
		uint64_t errors;             /* push.errors in a row, default 16 */
		uint64_t timeout_ms;         /* push.timeout, default 10s */
		uint64_t pause_ms;           /* push.pause: before a service that did not answer is told again, doubled each time; default 10s */
		uint64_t retries;            /* push.retries: how many times, default 8 */
	} push;
	struct {
		bool on;                     /* pubsub.on, default true: a service at pubsub.HOST (XEP-0060) */
		struct config_list create;   /* pubsub.create: groups of the organisation whose members create nodes; none: everybody */
	} pubsub;
	struct {
		bool on;                     /* files.on, default true: files pass when they have been scanned; false: no files at all */
		bool close_when_old;         /* files.close_when_old, default false: no files while signatures are too old */
		struct config_list deny_types; /* files.deny_types: true media types that nobody may send, "application/x-dosexec", "video/" for all of them */
		struct config_list deny_groups; /* files.deny_groups: groups of the organisation whose members may send no files, or "everyone" */
		struct config_list rules;    /* files.rules (base/file_rule.h): the first that matches decides; none does: the three around here */
		struct config_list encrypted; /* files.encrypted: groups whose members may send files that nobody can scan (OMEMO), or "everyone"; none */
		bool two_persons;            /* files.two_persons, default false: a release from the quarantine needs a second administrator */
		unsigned links;              /* files.links: enum files_links, default allow: addresses of files on other servers (XEP-0066, 0447, …) */
	} files;
	struct {
		unsigned standard;           /* encryption.default: enum encryption_policy */
		struct config_list allow, announce, forbid; /* encryption.*: groups of the organisation */
	} encryption;
};

#endif
