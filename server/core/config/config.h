/*
 * config: the table of settings, and immutable snapshots of them.
 *
 * One YAML file. Every setting is a row of the table in config_table.c: path, type, range, default, help,
 * whether a reload changes it. Unknown keys, wrong types and values out of range are refused with file, line
 * and column and what was expected. A snapshot is counted; reactors keep a reference for a turn at most.
 */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "module_settings.h"

struct config_host {
	const char *domain;      /* prepared (jid_prepare_domain) */
	const char *certificate; /* PEM, leaf and chain */
	const char *key;
};

enum scanner_start { SCANNER_EAGER, SCANNER_LAZY };

struct config {
	const char *file;
	struct config_host *hosts;   /* hosts: [{domain, certificate, key}], one at least */
	size_t nhosts;

	struct {
		struct config_list c2s;      /* listen.c2s, default ["0.0.0.0:5222", "[::]:5222"] */
		struct config_list c2s_tls;  /* listen.c2s_tls, default 5223 */
		struct config_list https;    /* listen.https, default 5280 */
		struct config_list s2s;      /* listen.s2s, default ["0.0.0.0:5269", "[::]:5269"] */
		struct config_list s2s_tls;  /* listen.s2s_tls, default 5270 */
		struct config_list components; /* listen.components, default ["127.0.0.1:5275"]: XEP-0114 */
		struct config_list components_tls; /* listen.components_tls, default []: the same by TLS, from elsewhere */
		struct config_list proxy65;  /* listen.proxy65, default []: SOCKS5 bytestreams (XEP-0065) */
		struct config_list metrics;  /* listen.metrics, default ["127.0.0.1:9280"]; [] switches it off */
		const char *control;         /* listen.control, default /run/chancery/control */
	} listen;

	struct {
		uint64_t reactors;           /* process.reactors; 0: one per core but one, at least 1 */
		const char *user;            /* process.user: whom to become when started as root */
		const char *pid_file;        /* process.pid_file, may be empty */
	} process;

	struct {
		const char *conninfo;        /* database.conninfo: the server's role */
		const char *owner_conninfo;  /* database.owner_conninfo: for migrations at start; empty: only `chancery migrate` */
		uint64_t workers;            /* database.workers, default 4 */
		uint64_t patience_ms;        /* database.patience, default 8s: how long a job waits for the database */
		bool allow_unsafe;           /* database.allow_unsafe_durability, default false; audited when true */
	} database;

	struct {
		uint64_t patience_ms;        /* archive.patience, default 20s */
		uint64_t batch_max;          /* archive.batch, default 1000 records */
		bool typing;                 /* archive.typing, default false */
	} archive;

	struct {
		bool plain;                  /* auth.plain, default false */
		uint64_t iterations;         /* auth.scram_iterations, default 10000, lowest 10000 */
		bool channel_binding;        /* auth.channel_binding, default true: offer -PLUS */
		bool require_second_factor;  /* auth.require_second_factor, default false */
		bool fast;                   /* auth.fast, default true: tokens (XEP-0484) */
		uint64_t token_lifetime_ms;  /* auth.token_lifetime, default 21d */
		uint64_t token_rotate_ms;    /* auth.token_rotate, default 1d */
		const char *token_key;       /* auth.token_key: a file; empty: the key is in the database */
		bool device_details;         /* auth.device_details, default true */
		uint64_t device_keep_ms;     /* auth.device_keep, default 90d */
	} auth;

	struct {
		uint64_t resume_ms;          /* stream.resume, default 10m: how long a detached session waits */
		uint64_t ping_ms;            /* stream.ping, default 5m without input: the server asks; 0 off */
		uint64_t ping_timeout_ms;    /* stream.ping_timeout, default 1m */
	} stream;

	struct {
		struct config_list domains;  /* components.domains: DOMAIN=FILE, the file holds the secret */
		uint64_t keep_ms;            /* components.keep, default 1d: what waits for one that is down */
	} components;

	struct {
		const char *programs;        /* gateways.programs: their folder; empty: beside us, or ../libexec/chancery */
		const char *key_file;        /* gateways.key_file, default /var/lib/chancery/gateways.key (store/sealed.h) */
		uint64_t silence_ms;         /* gateways.silence, default 1m */
	} gateways;

	struct {
		const char *dir;             /* files.dir, default /var/lib/chancery/files */
		const char *scanner;         /* files.scanner: the program; default "auto": chancery-scan beside chanceryd, or in ../libexec */
		unsigned scanner_start;      /* files.scanner_start: enum scanner_start, default eager */
		const char *scanner_folder;  /* files.scanner_folder: where it unpacks; "auto"; empty: below files.dir */
		const char *signatures;      /* files.signatures, default /var/lib/clamav: freshclam's folder, or one of one's own */
		uint64_t signatures_max_age_ms; /* files.signatures_max_age, default 24h: older is alarmed */
		uint64_t workers;            /* files.workers, default 2: scans at the same time */
		uint64_t keep_ms;            /* files.keep, default 30d: how long an upload can be fetched; 0: for ever */
		const char *quarantine_key;  /* files.quarantine_key: a file of 32 bytes, made when it is not there; default: quarantine.key in files.dir */
		struct config_list fetch_ports; /* files.fetch_ports, default 443: of servers that files are fetched from */
		struct config_list fetch_private; /* files.fetch_private: networks that are not public, and may be fetched from */
		const char *fetch_ca_file;   /* files.fetch_ca_file: authorities beside the system's; empty: none */
		const char *proxy_host;      /* files.proxy_host: where clients reach listen.proxy65; empty: the domain */
		uint64_t proxy_port;         /* files.proxy_port; 0: that of listen.proxy65 */
		bool quarantine_unscannable; /* files.quarantine_unscannable, default false: else only its description is kept */
	} files;

	struct {
		const char *dir;             /* compliance.export_dir, default /var/lib/chancery/exports */
		uint64_t keep_ms;            /* compliance.export_keep, default 30d: how long a finished bundle stays; 0: until it is removed */
	} exports;

	struct {
		bool on;                     /* federation.on, default true; without partners nothing passes all the same */
		const char *dns;             /* federation.dns: ADDRESS[@PORT]…; empty: /etc/resolv.conf */
		const char *dns_anchors;     /* federation.dns_anchors: a file; empty: no DNSSEC, no DANE */
		uint64_t dns_timeout_ms;     /* federation.dns_timeout, default 5s */
		const char *ca_file;         /* federation.ca_file: the public CAs */
		const char *crl_file;        /* federation.crl_file: revocation lists; empty: none */
		unsigned revocation;         /* federation.revocation: enum cert_revocation, default soft */
		uint64_t connect_ms;         /* federation.connect, default 20s: from the first packet to a stream that is ready */
		uint64_t patience_ms;        /* federation.patience, default 1m: how long stanzas wait for it */
		uint64_t idle_ms;            /* federation.idle, default 15m: a stream without stanzas is closed */
		uint64_t resume_ms;          /* federation.resume, default 5m (XEP-0198) */
		bool two_persons;            /* federation.two_persons, default false */
		uint64_t warn_ms;            /* federation.warn, default 14d: before a partner's entry expires */
		const char *contact;         /* federation.contact: whom users ask about a domain that is not allowed */
	} federation;

	struct {
		bool four_eyes;              /* compliance.four_eyes, default false (admin/access/approval.h) */
		uint64_t approval_ms;        /* compliance.approval_expires, default 3d */
		uint64_t token_ms;           /* compliance.token_lifetime, default 90d */
		uint64_t retention_every_ms; /* compliance.retention_every, default 24h; 0: only when somebody asks (admin/retention/retention.h) */
		bool api;                    /* compliance.api, default true: /api/v1/ over HTTPS */
	} compliance;

	struct {
		struct config_list origins;  /* web.origins: pages of others that may connect */
		const char *url;             /* web.url: https://… as clients see us; empty: from the request */
		const char *chat_dir;        /* web.chat_dir: the web chat's files; empty: none */
		struct config_list proxies;  /* web.proxies: whose X-Forwarded-For is believed */
	} web;

	struct {
		const char *address;         /* siem.address: HOST:PORT; empty: none */
		const char *ca_file;         /* siem.ca_file; empty: the system's */
		const char *spool;           /* siem.spool; empty: none */
		const char *certificate;     /* siem.certificate and siem.key: our own; empty: none */
		const char *key;
	} siem;

	struct {
		enum log_level level;        /* log.level, default info */
		enum log_format format;      /* log.format, text or json */
		const char *key_file;        /* log.key_file, default /var/lib/chancery/log.key: signs the checkpoints of the Merkle log */
		uint64_t checkpoint_every_ms; /* log.checkpoint_every, default 1m */
		const char *checkpoint_file; /* log.checkpoint_file; empty: none */
		const char *timestamp_url;   /* log.timestamp_url: an RFC 3161 authority; empty: none */
		uint64_t timestamp_every_ms; /* log.timestamp_every, default 1h */
		uint64_t verify_every_ms;    /* log.verify_every, default 1h; 0: never */
	} log;

	struct module_settings modules; /* module_settings.h */

	struct limits limits;        /* limits.*: base/limits.h */
	/* private */
	struct arena *arena;
	_Atomic unsigned refs;
};

/* Reads and checks. NULL and `e` ("FILE:LINE:COLUMN: …"). */
struct config *config_load(const char *file, struct err *e) MUST_CHECK;
/* The same from memory (fuzzing, tests); `name` stands for the file. */
struct config *config_parse(const char *name, const char *text, size_t n, struct err *e) MUST_CHECK;
struct config *config_ref(struct config *c);
void config_unref(struct config *c);

/* The snapshot in force. config_get returns a new reference, from any thread. */
struct config *config_get(void);
void config_set(struct config *c); /* takes the reference */
/* Names of settings that differ but need a restart, space-separated in `out`. Returns how many. */
unsigned config_needs_restart(const struct config *old, const struct config *new_, struct buf *out);
/* All that differ, with their values as they would be written; those of secrets are NULL. `old` NULL: the defaults. Of `hosts` the whole list. */
typedef void (*config_value_fn)(void *arg, const char *path, const char *old, const char *new_);
void config_each_change(const struct config *old, const struct config *new_, config_value_fn fn, void *arg);

/* docs: the reference page in Markdown, from the table. */
void config_reference(struct buf *out);

/* Durations are written 500ms, 20s, 10m, 2h, 1d; sizes are plain numbers or 64k, 1m. */

#endif
