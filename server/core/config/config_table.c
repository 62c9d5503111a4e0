/*
 * config_table: the rows, and how a value of each type is read, compared and explained.
 *
 * Called by config_parse.c for each value it meets and by config.c for defaults, comparison and the
 * reference page. Owns nothing; texts go into the arena of the snapshot.
 */
#include "core/config/config_table.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <sys/un.h>
#include <strings.h>

#include "base/arena.h"
#include "base/file_rule.h"
#include "base/service.h"
#include "base/text.h"
#include "net/cert.h"
#include "net/network.h"
#include "xmpp/domain.h"

#define SECONDS UINT64_C(1000)
#define MINUTES (60 * SECONDS)
#define HOURS (60 * MINUTES)
#define DAYS (24 * HOURS)

static const char *const log_levels[] = {[LOG_ERROR] = "error",
					 [LOG_WARNING] = "warning",
					 [LOG_INFO] = "info",
					 [LOG_DEBUG] = "debug",
					 NULL};
static const char *const log_formats[] = {[LOG_TEXT] = "text", [LOG_JSON] = "json", NULL};

static const char *const revocations[] = {[CERT_REVOCATION_OFF] = "off",
					  [CERT_REVOCATION_SOFT] = "soft",
					  [CERT_REVOCATION_HARD] = "hard",
					  NULL};

static const char *const encryption_policies[] = {[ENCRYPTION_ALLOW] = "allow",
						  [ENCRYPTION_ANNOUNCE] = "announce",
						  [ENCRYPTION_FORBID] = "forbid",
						  NULL};

static const char *const scanner_starts[] = {[SCANNER_EAGER] = "eager", [SCANNER_LAZY] = "lazy", NULL};

static const char *const files_links[] = {[FILES_LINKS_ALLOW] = "allow",
					  [FILES_LINKS_STRIP] = "strip",
					  [FILES_LINKS_REFUSE] = "refuse",
					  [FILES_LINKS_FETCH] = "fetch",
					  NULL};

/* RFC 3986 §3.1: a scheme, a colon, and something without spaces behind it. */
static bool
is_uri(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return n > 0 && strchr("0123456789+-.", s[0]) == NULL && s[n] == ':' && s[n + 1] != '\0' && strpbrk(s, " <>\"") == NULL;
}

static bool
is_service(const char *s)
{
	struct service parts;

	return service_parse(s, &parts);
}

#define HOURS_EXPECT "a number of hours, infinite or unknown"

static bool
is_hours(const char *s)
{
	uint64_t n;

	return strcmp(s, "infinite") == 0 || strcmp(s, "unknown") == 0 || text_u64(s, strlen(s), 0, UINT32_MAX, &n);
}

/* XEP-0504: who can reach user data. */
static bool
is_access(const char *s)
{
	static const char *const words[] = {"admins",     "moderators",  "organization_member", "government",
					    "advertisers", "partners", "none"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

static bool
is_auto_or_path(const char *s)
{
	return strcmp(s, "auto") == 0 || s[0] == '/';
}

/* RFC 6454 §6.2: scheme, host, maybe a port; nothing behind. Nobody is let in from a page without TLS. */
static bool
is_origin(const char *s)
{
	size_t n;

	if (strncmp(s, "https://", 8) != 0)
		return false;
	n = strcspn(s + 8, "/?# <>\"'\\@");
	return n > 0 && s[8 + n] == '\0';
}

/* Where something is asked by HTTP; what the answer is worth does not rest on the way it came. */
static bool
is_web_address(const char *s)
{
	return (!strncmp(s, "https://", 8) || !strncmp(s, "http://", 7)) && is_uri(s);
}

static bool
is_ip(const char *s)
{
	unsigned char any[16];

	return inet_pton(AF_INET, s, any) == 1 || inet_pton(AF_INET6, s, any) == 1;
}

static bool
is_local_socket(const char *s)
{
	return strncmp(s, "unix:/", 6) == 0 && strlen(s + 5) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static bool
is_port(const char *s)
{
	uint64_t n;

	return text_u64(s, strlen(s), 1, 65535, &n);
}

/* As it is in addresses, but for capitals of ASCII (RFC 7622 §3.2): whatever else is written would never match, and a rule that denies let pass. */
static bool
is_prepared(const char *domain)
{
	char out[1024];

	return domain_prepare(domain, strlen(domain), out, sizeof(out)) >= 0 && !strcasecmp(domain, out);
}

static bool
is_file_rule(const char *s)
{
	return file_rule_is_valid(s) && file_rule_domains(s, is_prepared);
}

static bool
is_network(const char *s)
{
	struct network any;

	return network_parse(s, &any);
}

#define AT(member) .offset = offsetof(struct config, member)

/* clang-format off */
const struct config_row config_rows[] = {
	{ "listen.c2s", CONFIG_ADDRESSES, AT(listen.c2s), "0.0.0.0:5222 [::]:5222", .fixed = true,
	  .help = "Where clients connect and upgrade to TLS by STARTTLS (RFC 6120 §5)" },
	{ "listen.c2s_tls", CONFIG_ADDRESSES, AT(listen.c2s_tls), "0.0.0.0:5223 [::]:5223", .fixed = true,
	  .help = "Where clients connect by TLS at once (XEP-0368)" },
	{ "listen.https", CONFIG_ADDRESSES, AT(listen.https), "0.0.0.0:5280 [::]:5280", .fixed = true,
	  .help = "Where browsers connect, by TLS: WebSocket (RFC 7395), BOSH (XEP-0124), host-meta (XEP-0156), the web chat. "
	          "[] switches all of it off" },
	{ "listen.s2s", CONFIG_ADDRESSES, AT(listen.s2s), "0.0.0.0:5269 [::]:5269", .fixed = true,
	  .help = "Where other servers connect and upgrade to TLS by STARTTLS" },
	{ "listen.s2s_tls", CONFIG_ADDRESSES, AT(listen.s2s_tls), "0.0.0.0:5270 [::]:5270", .fixed = true,
	  .help = "Where other servers connect by TLS at once (XEP-0368)" },
	{ "listen.components", CONFIG_ADDRESSES, AT(listen.components), "127.0.0.1:5275", .fixed = true, .check = is_local_socket,
	  .help = "Where components connect (XEP-0114), from the first one on. Nothing is encrypted there: only loopback addresses are taken, and local "
	          "sockets as unix:/run/chancery/components" },
	{ "listen.components_tls", CONFIG_ADDRESSES, AT(listen.components_tls), "", .fixed = true,
	  .help = "Where components on other machines connect, by TLS at once, with the certificates of `hosts`: \"0.0.0.0:5276\"" },
	{ "listen.proxy65", CONFIG_ADDRESSES, AT(listen.proxy65), "", .fixed = true,
	  .help = "Where files come and go by SOCKS5 bytestreams (XEP-0065), through a proxy at proxy.HOST that scans them, \"0.0.0.0:5000 [::]:5000\". "
	          "They are not encrypted on the way, which is why there is none by default: without it they come in band, under TLS" },
	{ "listen.metrics", CONFIG_ADDRESSES, AT(listen.metrics), "127.0.0.1:9280", .fixed = true,
	  .help = "Where Prometheus reads /metrics, without TLS and password: keep it local. [] switches it off" },
	{ "listen.control", CONFIG_FILE, AT(listen.control), "/run/chancery/control", .fixed = true,
	  .required = true,
	  .help = "The socket of `chancery`. root, the server's own account and the socket's group may use it" },

	{ "process.reactors", CONFIG_NUMBER, AT(process.reactors), "0", 0, 256, .fixed = true,
	  .help = "Threads that serve connections. 0: one per core but one, at least one" },
	{ "process.user", CONFIG_STRING, AT(process.user), "", .fixed = true,
	  .help = "The account to become when started as root" },
	{ "process.pid_file", CONFIG_FILE, AT(process.pid_file), "", .fixed = true,
	  .help = "Where to write the process id. Empty: nowhere" },

	{ "database.conninfo", CONFIG_STRING, AT(database.conninfo), "", .fixed = true, .required = true, .secret = true,
	  .help = "PostgreSQL as the server's own role (chancery_server), in libpq's words" },
	{ "database.owner_conninfo", CONFIG_STRING, AT(database.owner_conninfo), "", .fixed = true, .secret = true,
	  .help = "The same as the schema's owner (chancery_owner): migrations are then applied at start. "
	          "Empty: only `chancery migrate --owner` applies them" },
	{ "database.workers", CONFIG_NUMBER, AT(database.workers), "4", 1, 64, .fixed = true,
	  .help = "Connections for everything but the archive writer, which has its own" },
	{ "database.patience", CONFIG_DURATION, AT(database.patience_ms), "8s", 100, 10 * MINUTES, .fixed = true,
	  .help = "How long a request waits for a database that does not answer" },
	{ "database.allow_unsafe_durability", CONFIG_BOOL, AT(database.allow_unsafe), "false", .fixed = true,
	  .help = "Start although fsync, full_page_writes or synchronous_commit is off. What is acknowledged "
	          "may then be lost; for trials only" },

	{ "archive.patience", CONFIG_DURATION, AT(archive.patience_ms), "20s", 100, 10 * MINUTES,
	  .help = "How long a message waits for its commit before it goes back to its sender" },
	{ "archive.batch", CONFIG_NUMBER, AT(archive.batch_max), "1000", 1, 100000,
	  .help = "Records in one transaction at most" },
	{ "archive.typing", CONFIG_BOOL, AT(archive.typing), "false",
	  .help = "Record typing notifications (XEP-0085) too" },

	{ "auth.plain", CONFIG_BOOL, AT(auth.plain), "false",
	  .help = "Offer SASL PLAIN, under TLS, besides SCRAM" },
	{ "auth.scram_iterations", CONFIG_NUMBER, AT(auth.iterations), "10000", 10000, 10000000,
	  .help = "Rounds of PBKDF2 for passwords set from now on (RFC 7677 §4)" },
	{ "auth.channel_binding", CONFIG_BOOL, AT(auth.channel_binding), "true",
	  .help = "Offer the -PLUS mechanisms. Off only behind a proxy that ends TLS" },

	{ "auth.require_second_factor", CONFIG_BOOL, AT(auth.require_second_factor), "false",
	  .help = "Refuse logins with the password of an account that has no second factor (`chancery mfa make`)" },
	{ "auth.fast", CONFIG_BOOL, AT(auth.fast), "true",
	  .help = "Give clients tokens to log in with instead of the password (XEP-0484)" },
	{ "auth.token_lifetime", CONFIG_DURATION, AT(auth.token_lifetime_ms), "21d", 1 * MINUTES, 3650 * DAYS,
	  .help = "How long a token is good for; a device that stays away longer needs the password again" },
	{ "auth.token_rotate", CONFIG_DURATION, AT(auth.token_rotate_ms), "1d", 0, 3650 * DAYS,
	  .help = "Age at which a token is replaced by a new one at the next login" },
	{ "auth.token_key", CONFIG_FILE, AT(auth.token_key), "", .fixed = true,
	  .help = "A file of random bytes, 32 at least, without which nobody can make tokens of what the database "
	          "knows. Empty: the database's own secret does. Another file ends all tokens" },
	{ "auth.device_details", CONFIG_BOOL, AT(auth.device_details), "true",
	  .help = "Remember what clients say they are, and the address they last came from (XEP-0494)" },
	{ "auth.device_keep", CONFIG_DURATION, AT(auth.device_keep_ms), "90d", 0, 3650 * DAYS,
	  .help = "How long a device that has no access any more is remembered" },

	{ "stream.resume", CONFIG_DURATION, AT(stream.resume_ms), "10m", 1 * SECONDS, 7 * DAYS,
	  .help = "How long a session waits for its client to come back (XEP-0198)" },
	{ "stream.ping", CONFIG_DURATION, AT(stream.ping_ms), "5m", 0, 1 * DAYS,
	  .help = "Silence after which the server asks whether the client or component is still there (XEP-0199). 0: never" },
	{ "stream.ping_timeout", CONFIG_DURATION, AT(stream.ping_timeout_ms), "1m", 1 * SECONDS, 1 * HOURS,
	  .help = "How long it waits for the answer" },

	{ "components.domains", CONFIG_LIST, AT(components.domains), "",
	  .help = "Components, each as DOMAIN=FILE. Who knows the secret in the file (16 to 255 bytes) speaks for the domain" },

	{ "components.keep", CONFIG_DURATION, AT(components.keep_ms), "1d", 1 * SECONDS, 30 * DAYS,
	  .help = "How long messages wait for a component that is down, where they are kept (chancery component set NAME --down keep); then they go back "
	          "to their senders" },

	{ "gateways.programs", CONFIG_FILE, AT(gateways.programs), "", .fixed = true,
	  .help = "The folder of the programs of gateways, chancery-gateway-KIND. Empty: beside chanceryd, or ../libexec/chancery from there" },
	{ "gateways.key_file", CONFIG_FILE, AT(gateways.key_file), "/var/lib/chancery/gateways.key", .fixed = true,
	  .help = "The file of the key under which people's passwords at public networks are kept; made when it is first needed. Without it they are lost, "
	          "and the database's dumps do not have it: save it apart" },
	{ "gateways.silence", CONFIG_DURATION, AT(gateways.silence_ms), "1m", 5 * SECONDS, 1 * DAYS,
	  .help = "How long a gateway's program may say nothing, when it has been asked as well; then its stream is ended, and it is killed and started again. "
	          "One that runs without a stream has twice as long" },

	{ "push.sender", CONFIG_BOOL, AT(modules.push.sender), "false",
	  .help = "Tell push services who wrote (XEP-0357). They belong to the makers of clients" },
	{ "push.body", CONFIG_BOOL, AT(modules.push.body), "false",
	  .help = "Tell push services what was written, unless it is encrypted end to end" },
	{ "push.text", CONFIG_STRING, AT(modules.push.text), "New message",
	  .help = "What they are told instead: services show an alert only when there is a text. Empty: nothing" },
	{ "push.errors", CONFIG_NUMBER, AT(modules.push.errors), "16", 1, 1000,
	  .help = "Errors in a row after which a service is forgotten; at once when it does not know the client, or does not "
	          "let us publish" },
	{ "push.timeout", CONFIG_DURATION, AT(modules.push.timeout_ms), "10s", 100, 5 * MINUTES,
	  .help = "How long an answer is waited for. A service that gives none is left alone for longer and longer" },
	{ "push.pause", CONFIG_DURATION, AT(modules.push.pause_ms), "10s", 100, 30 * MINUTES,
	  .help = "How long at first, before it is told again; twice as long each time, up to half an hour" },
	{ "push.retries", CONFIG_NUMBER, AT(modules.push.retries), "8", 0, 1000,
	  .help = "How often the same is told again to a service that does not answer, or that cannot take it at the moment" },

	{ "federation.on", CONFIG_BOOL, AT(federation.on), "true", .fixed = true,
	  .help = "Talk to other servers at all: to those that an administrator has allowed (`chancery federation allow`), and nobody else" },
	{ "federation.dns", CONFIG_STRING, AT(federation.dns), "", .fixed = true,
	  .help = "Name servers to ask about other domains, as ADDRESS or ADDRESS@PORT, separated by spaces. Empty: those of /etc/resolv.conf" },
	{ "federation.dns_anchors", CONFIG_FILE, AT(federation.dns_anchors), "", .fixed = true,
	  .help = "A file of DNSSEC trust anchors (Debian: /usr/share/dns/root.key of dns-root-data), which DANE needs. Empty: none" },
	{ "federation.dns_timeout", CONFIG_DURATION, AT(federation.dns_timeout_ms), "5s", 100, 1 * MINUTES, .fixed = true,
	  .help = "How long a question to them may take" },
	{ "federation.ca_file", CONFIG_FILE, AT(federation.ca_file), "/etc/ssl/certs/ca-certificates.crt",
	  .help = "The certification authorities that partners' certificates may come from, unless their entry says otherwise, in PEM. Like "
	          "federation.crl_file it is read again when it has changed" },
	{ "federation.crl_file", CONFIG_FILE, AT(federation.crl_file), "",
	  .help = "Certificate revocation lists, in PEM. Empty: none" },
	{ "federation.revocation", CONFIG_CHOICE, AT(federation.revocation), "soft", .choices = revocations,
	  .help = "Whether certificates may have been revoked (lists, stapled OCSP). `soft`: refused when they have been; `hard`: also when nobody "
	          "can say; `off`: not looked at" },
	{ "federation.connect", CONFIG_DURATION, AT(federation.connect_ms), "20s", 1 * SECONDS, 10 * MINUTES,
	  .help = "How long it may take to reach a partner's server and be authenticated there" },
	{ "federation.patience", CONFIG_DURATION, AT(federation.patience_ms), "1m", 1 * SECONDS, 1 * DAYS,
	  .help = "How long stanzas wait for a partner that cannot be reached before they go back to their senders" },
	{ "federation.idle", CONFIG_DURATION, AT(federation.idle_ms), "15m", 10 * SECONDS, 7 * DAYS,
	  .help = "A stream to or from a partner on which nothing was said for that long is closed" },
	{ "federation.resume", CONFIG_DURATION, AT(federation.resume_ms), "5m", 0, 1 * DAYS,
	  .help = "How long a partner's broken stream can be resumed (XEP-0198)" },
	{ "federation.two_persons", CONFIG_BOOL, AT(federation.two_persons), "false",
	  .help = "A change of what is allowed waits until a second administrator approves it. Denying needs nobody else" },
	{ "federation.warn", CONFIG_DURATION, AT(federation.warn_ms), "14d", 0, 365 * DAYS,
	  .help = "How long before a partner's entry expires the log and `chancery status` say so" },
	{ "federation.contact", CONFIG_STRING, AT(federation.contact), "your administrator",
	  .help = "Whom to ask, in the text that users get who write to a domain that is not allowed" },

	{ "compliance.export_dir", CONFIG_FILE, AT(exports.dir), "/var/lib/chancery/exports", .fixed = true,
	  .help = "The folder where exports are made and kept, of mode 0700; it needs room for the bundles" },
	{ "compliance.export_keep", CONFIG_DURATION, AT(exports.keep_ms), "30d", 0, 36500 * DAYS,
	  .help = "How long a finished bundle stays, to be fetched. 0: until somebody removes it" },

	{ "files.on", CONFIG_BOOL, AT(modules.files.on), "true",
	  .help = "Files pass when they have been scanned (chancery-scan); false: no files at all, on no path" },
	{ "files.dir", CONFIG_FILE, AT(files.dir), "/var/lib/chancery/files", .fixed = true,
	  .help = "The folder of what is being collected, of what was found clean, and of the quarantine; chanceryd's own, mode 0700" },
	{ "files.scanner", CONFIG_STRING, AT(files.scanner), "auto", .fixed = true,
	  .help = "The program that scans. `auto`: chancery-scan in the folder of chanceryd, or in ../libexec/chancery beside it" },
	{ "files.scanner_start", CONFIG_CHOICE, AT(files.scanner_start), "eager", .choices = scanner_starts,
	  .help = "When it is started: `eager`: with the server, so that its signatures are loaded when the first file comes. `lazy`: with the first file, "
	          "which waits for them: for systems where files are rare. What is kept is scanned again, and the age of signatures is known, only when it "
	          "runs" },
	{ "files.scanner_folder", CONFIG_STRING, AT(files.scanner_folder), "auto", .fixed = true, .check = is_auto_or_path, .expect = "auto or the full path of a folder",
	  .help = "A folder in which the scanner gets one of its own, to unpack in. `auto`: /dev/shm, if all workers may take no more than half of the memory. When "
	          "less is free there than they may take, it is below files.dir, as it is when this is empty" },
	{ "files.signatures", CONFIG_FILE, AT(files.signatures), "/var/lib/clamav", .fixed = true,
	  .help = "The folder of virus signatures: freshclam's, or one of your own. It is watched: new ones come into force by themselves" },
	{ "files.signatures_max_age", CONFIG_DURATION, AT(files.signatures_max_age_ms), "24h", 1 * MINUTES, 3650 * DAYS,
	  .help = "Older signatures are alarmed" },
	{ "files.close_when_old", CONFIG_BOOL, AT(modules.files.close_when_old), "false",
	  .help = "And no file passes until there are newer ones" },
	{ "files.workers", CONFIG_NUMBER, AT(files.workers), "2", 1, 64, .fixed = true,
	  .help = "Scans at the same time, each in a process of its own" },
	{ "files.keep", CONFIG_DURATION, AT(files.keep_ms), "30d", 0, 36500 * DAYS,
	  .help = "How long what was uploaded can be fetched; 0: for ever. What the record says of it stays" },
	{ "files.proxy_host", CONFIG_STRING, AT(files.proxy_host), "",
	  .help = "The name or address under which clients reach listen.proxy65. Empty: their domain" },
	{ "files.proxy_port", CONFIG_NUMBER, AT(files.proxy_port), "0", 0, 65535,
	  .help = "The port there. 0: the first of listen.proxy65" },
	{ "files.quarantine_key", CONFIG_FILE, AT(files.quarantine_key), "", .fixed = true,
	  .help = "The file of the key that the quarantine is encrypted with, made when it is not there. Empty: quarantine.key in files.dir" },
	{ "files.quarantine_unscannable", CONFIG_BOOL, AT(files.quarantine_unscannable), "false",
	  .help = "Keep what could not be scanned there, too, and not only what was found infected" },
	{ "files.two_persons", CONFIG_BOOL, AT(modules.files.two_persons), "false",
	  .help = "To release a file from the quarantine takes a second administrator" },
	{ "files.deny_types", CONFIG_LIST, AT(modules.files.deny_types), "",
	  .help = "Media types, as found in the content, that nobody may send: application/x-dosexec, or video/ for all that begin so" },
	{ "files.deny_groups", CONFIG_LIST, AT(modules.files.deny_groups), "",
	  .help = "Groups of the organisation whose members may send no files; `everyone` for all" },
	{ "files.rules", CONFIG_LIST, AT(modules.files.rules), "", .check = is_file_rule,
	  .expect = "rules: allow or deny, then any of group=, from=, to= (domains as in addresses: small letters), type=, larger=, encrypted",
	  .help = "Who may send what to whom, a rule each: `allow` or `deny`, and what it is for: group=GROUP of the sender, from=DOMAIN, to=DOMAIN "
	          "(*.DOMAIN, local, remote), type=TYPE as found in the content, larger=SIZE, encrypted. The first that matches decides; when none does, "
	          "deny_groups, deny_types and encrypted do" },
	{ "files.encrypted", CONFIG_LIST, AT(modules.files.encrypted), "",
	  .help = "Groups whose members may send files that are encrypted from end to end (OMEMO media sharing), which nobody can scan; "
	          "`everyone` for all. Empty: nobody" },
	{ "files.links", CONFIG_CHOICE, AT(modules.files.links), "allow", .choices = files_links,
	  .help = "Addresses of files on other servers that messages offer as attachments (XEP-0066, XEP-0447, XEP-0385): `strip` takes them out, "
	          "`refuse` refuses the message, `fetch` fetches the file, scans it, keeps it as an upload of the sender, and puts our address in "
	          "the place of the other" },
	{ "files.fetch_ports", CONFIG_LIST, AT(files.fetch_ports), "443", .check = is_port, .expect = "numbers of ports",
	  .help = "Ports that files are fetched from (files.links: fetch), by HTTPS" },
	{ "files.fetch_private", CONFIG_LIST, AT(files.fetch_private), "", .check = is_network,
	  .expect = "addresses or networks like 10.1.2.3, 192.168.7.0/24, fd00:1::/32",
	  .help = "Addresses that are not of the public internet and that files may be fetched from all the same: the organisation's own file server. "
	          "Whoever may send a file can then have fetched what answers there. Empty: none" },
	{ "files.fetch_ca_file", CONFIG_FILE, AT(files.fetch_ca_file), "",
	  .help = "Certification authorities, in PEM, that the certificates of servers may come from that files are fetched from, beside those that the "
	          "system trusts. Empty: none" },

	{ "compliance.four_eyes", CONFIG_BOOL, AT(compliance.four_eyes), "false",
	  .help = "Exports, releases of holds, erasures, changes of retention, and new persons, roles and tokens wait until a second person of the right "
	          "role approves them (`chancery approval`). What takes rights away acts at once. Let there be two of each role before" },
	{ "compliance.approval_expires", CONFIG_DURATION, AT(compliance.approval_ms), "3d", 1 * SECONDS, 365 * DAYS,
	  .help = "How long such a request waits" },
	{ "compliance.token_lifetime", CONFIG_DURATION, AT(compliance.token_ms), "90d", 1 * HOURS, 366 * DAYS,
	  .help = "How long a token of the API is good for when nothing else was asked for" },
	{ "compliance.retention_every", CONFIG_DURATION, AT(compliance.retention_every_ms), "24h", 0, 365 * DAYS,
	  .help = "How often what has expired is erased (`chancery retention`). Without a class of retention nothing expires. 0: only when somebody asks" },
	{ "compliance.api", CONFIG_BOOL, AT(compliance.api), "true",
	  .help = "The API for persons with a token at /api/v1/ of listen.https; false: only the local socket" },

	{ "web.origins", CONFIG_LIST, AT(web.origins), "", .check = is_origin, .expect = "origins like https://intranet.example.org",
	  .help = "Pages of other hosts that may connect by WebSocket and BOSH. The server's own pages may, and so may programs "
	          "that are no browsers" },
	{ "web.url", CONFIG_STRING, AT(web.url), "", .check = is_origin, .expect = "an address like https://chat.example.org",
	  .help = "How clients reach listen.https, when a proxy or another port stands before it; told in host-meta (XEP-0156). "
	          "Empty: under the domain and the port that were asked" },
	{ "web.chat_dir", CONFIG_FILE, AT(web.chat_dir), "",
	  .help = "The folder of the web chat, served at /chat/. Empty: there is none" },
	{ "web.proxies", CONFIG_LIST, AT(web.proxies), "", .check = is_ip, .expect = "IP addresses",
	  .help = "Proxies whose X-Forwarded-For is believed: the client's address is what they say. Their connections are not "
	          "counted as one source" },

	{ "siem.address", CONFIG_STRING, AT(siem.address), "", .fixed = true,
	  .help = "Where audit records and security events are sent, by syslog over TLS (RFC 5424, RFC 5425), as HOST:PORT; 6514 is the usual port. Empty: nowhere" },
	{ "siem.ca_file", CONFIG_FILE, AT(siem.ca_file), "", .fixed = true,
	  .help = "The authorities that its certificate may come from, in PEM. Empty: the system's. It has to be for the host of siem.address" },
	{ "siem.certificate", CONFIG_FILE, AT(siem.certificate), "", .fixed = true,
	  .help = "Our own certificate, where it wants one, in PEM with its chain. Empty: none" },
	{ "siem.key", CONFIG_FILE, AT(siem.key), "", .fixed = true, .help = "The key of that" },
	{ "siem.spool", CONFIG_FILE, AT(siem.spool), "/var/lib/chancery/siem.spool", .fixed = true,
	  .help = "The file for events that are not in the record while the database is away: at most limits.siem_events, sent in order when it is back. "
	          "Empty: they stay in memory, some megabytes of them" },
	{ "log.level", CONFIG_CHOICE, AT(log.level), "info", .choices = log_levels,
	  .help = "The least important events that are written" },
	{ "log.format", CONFIG_CHOICE, AT(log.format), "text", .choices = log_formats,
	  .help = "Lines of key=value, or one JSON object a line" },
	{ "log.key_file", CONFIG_FILE, AT(log.key_file), "/var/lib/chancery/log.key",
	  .help = "The private key that signs checkpoints of the record's Merkle log (`chancery log key new`), readable by the server's account alone, in a "
	          "folder where it may write (`chancery log rotate`). Without it messages go on, nothing is signed, and that is alarmed" },
	{ "log.checkpoint_every", CONFIG_DURATION, AT(log.checkpoint_every_ms), "1m", 1 * SECONDS, 1 * HOURS,
	  .help = "The time between two checkpoints while there is traffic. After a pause the first record has one within a second or two" },
	{ "log.checkpoint_file", CONFIG_FILE, AT(log.checkpoint_file), "",
	  .help = "A file that checkpoints are appended to, on another machine best of all: with it, who can change the database can hide nothing. Empty: none" },
	{ "log.timestamp_url", CONFIG_STRING, AT(log.timestamp_url), "", .check = is_web_address, .expect = "an address like https://tsa.example.org/tsr",
	  .help = "A time stamping authority (RFC 3161) that is asked to stamp checkpoints. Empty: none" },
	{ "log.timestamp_every", CONFIG_DURATION, AT(log.timestamp_every_ms), "1h", 1 * SECONDS, 30 * DAYS,
	  .help = "The time between two such stamps; each says when all before it was there" },
	{ "log.verify_every", CONFIG_DURATION, AT(log.verify_every_ms), "1h", 0, 30 * DAYS,
	  .help = "How often the server looks whether what was recorded since its last look is as it was (`chancery archive verify`). 0: never" },

#define CONTACT(name, what) \
	{ "contact." #name, CONFIG_LIST, AT(modules.contact.name), "", .check = is_uri, .expect = "URIs like mailto:help@example.org", \
	  .help = what " (XEP-0157)" },
	CONTACT(abuse, "Where to complain of abuse")
	CONTACT(admin, "Where to reach the administrators")
	CONTACT(feedback, "Where to send what one thinks of the service")
	CONTACT(sales, "Where to ask for an offer")
	CONTACT(security, "Where to report a weakness")
	CONTACT(status, "Where the state of the service is shown")
	CONTACT(support, "Where to get help")
#undef CONTACT

	{ "external.services", CONFIG_LIST, AT(modules.external.services), "", .check = is_service,
	  .expect = "services like stun:stun.example.org:3478:udp or turn:turn.example.org:3478:udp:/etc/chancery/turn.secret",
	  .help = "What clients may use beside XMPP (XEP-0215). With a file, whose first line is a secret shared with the "
	          "service, clients get credentials made from it" },
	{ "external.lifetime", CONFIG_DURATION, AT(modules.external.lifetime_ms), "12h", 1 * MINUTES, 30 * DAYS,
	  .help = "How long such credentials are valid" },

	{ "policy.retention", CONFIG_STRING, AT(modules.policy.retention), "infinite", .check = is_hours, .expect = HOURS_EXPECT,
	  .help = "How long messages are kept, as clients are told (XEP-0504). Empty: they are told nothing of it" },
	{ "policy.terms", CONFIG_STRING, AT(modules.policy.terms), "", .check = is_uri, .expect = "a URI",
	  .help = "Where the terms of service are" },
	{ "policy.access", CONFIG_LIST, AT(modules.policy.access), "admins organization_member", .check = is_access,
	  .expect = "words of admins, moderators, organization_member, government, advertisers, partners, none",
	  .help = "Who can read what is kept" },
	{ "policy.backup_frequency", CONFIG_STRING, AT(modules.policy.backup_frequency), "", .check = is_hours, .expect = HOURS_EXPECT,
	  .help = "How often a backup is made; 0: never" },
	{ "policy.backup_retention", CONFIG_STRING, AT(modules.policy.backup_retention), "", .check = is_hours, .expect = HOURS_EXPECT,
	  .help = "How long backups are kept" },
	{ "policy.encrypted_at_rest", CONFIG_BOOL, AT(modules.policy.encrypted_at_rest), "false",
	  .help = "Tell that the database lies on encrypted disks" },
	{ "policy.notice", CONFIG_LIST, AT(modules.policy.notice), "",
	  .help = "Lines for people, after those that say that messages are archived" },

	{ "register.password", CONFIG_BOOL, AT(modules.registration.password), "true",
	  .help = "Users change their passwords from their clients (XEP-0077)" },
	{ "register.password_length", CONFIG_NUMBER, AT(modules.registration.password_length), "8", 1, 1000,
	  .help = "Characters of a password that a user chooses, at least" },
	{ "register.remove", CONFIG_BOOL, AT(modules.registration.remove), "false",
	  .help = "Users remove their accounts from their clients. The record stays" },
	{ "register.open", CONFIG_BOOL, AT(modules.registration.open), "false",
	  .help = "Anybody registers an account (XEP-0077). For test systems only" },

	{ "invite.on", CONFIG_BOOL, AT(modules.invite.on), "false",
	  .help = "Users invite contacts, and administrators accounts, by links (XEP-0401)" },
	{ "invite.accounts", CONFIG_BOOL, AT(modules.invite.accounts), "false",
	  .help = "Whoever a user has invited may register an account, also where register.open is off" },
	{ "invite.lifetime", CONFIG_DURATION, AT(modules.invite.lifetime_ms), "7d", 1 * MINUTES, 365 * DAYS,
	  .help = "How long an invitation is good for" },
	{ "invite.page", CONFIG_STRING, AT(modules.invite.page), "",
	  .help = "Address of a web page that explains invitations (https://example.org/invite/#): the link is put behind it" },

	{ "rooms.on", CONFIG_BOOL, AT(modules.rooms.on), "true",
	  .help = "Rooms at conference.DOMAIN (XEP-0045)" },
	{ "rooms.history", CONFIG_NUMBER, AT(modules.rooms.history), "20", 0, 1000,
	  .help = "Messages shown to who enters a room, in rooms whose owner has not said otherwise" },
	{ "rooms.create", CONFIG_LIST, AT(modules.rooms.create), "everyone",
	  .help = "Who may make rooms: \"everyone\" with an account here, \"admins\", groups of the organisation" },
	{ "rooms.lock", CONFIG_BOOL, AT(modules.rooms.lock), "true",
	  .help = "A new room is its owner's alone until its first configuration, or none, is submitted (XEP-0045 10.1)" },
	{ "rooms.lookalikes", CONFIG_BOOL, AT(modules.rooms.lookalikes), "true",
	  .help = "Nicknames in a room that look alike are taken for the same, and refused" },

	{ "pubsub.on", CONFIG_BOOL, AT(modules.pubsub.on), "true",
	  .help = "A publish-subscribe service (XEP-0060) at pubsub.DOMAIN of each host; read at start" },
	{ "pubsub.create", CONFIG_LIST, AT(modules.pubsub.create), "",
	  .help = "Groups of the organisation (`chancery user set`) whose members may create nodes there. None: every user" },

	{ "encryption.default", CONFIG_CHOICE, AT(modules.encryption.standard), "allow", .choices = encryption_policies,
	  .help = "May users encrypt from end to end, so that the record cannot be read? announce: they may, and it is noted; "
	          "forbid: keys and encrypted messages are refused" },
	{ "encryption.allow", CONFIG_LIST, AT(modules.encryption.allow), "",
	  .help = "Groups of the organisation (`chancery user set`) that may, whatever the default" },
	{ "encryption.announce", CONFIG_LIST, AT(modules.encryption.announce), "",
	  .help = "Groups for which it is noted. Of several groups the strictest counts" },
	{ "encryption.forbid", CONFIG_LIST, AT(modules.encryption.forbid), "",
	  .help = "Groups that may not" },

	{ "modules.history_days", CONFIG_NUMBER, AT(modules.history_days), "0", 0, 36500,
	  .help = "How many days back users see their own history (XEP-0313). 0: all of it. The archive keeps everything" },
	{ "modules.version", CONFIG_BOOL, AT(modules.version), "true",
	  .help = "Tell name and version of the server to those who ask (XEP-0092)" },
	{ "modules.version_os", CONFIG_BOOL, AT(modules.version_os), "false",
	  .help = "Tell the operating system too" },

#define LIMITS_ROW(name, def_, min_, max_, help_) \
	{ "limits." #name, CONFIG_SIZE, AT(limits.name), #def_, min_, max_, .help = help_ },
	LIMITS_TABLE(LIMITS_ROW)
#undef LIMITS_ROW
};
/* clang-format on */
const size_t config_nrows = sizeof config_rows / sizeof *config_rows;

bool
config_row_is_list(const struct config_row *row)
{
	return row->type == CONFIG_ADDRESSES || row->type == CONFIG_LIST;
}

const struct config_row *
config_row_find(const char *path)
{
	for (size_t i = 0; i < config_nrows; i++)
		if (strcmp(config_rows[i].path, path) == 0)
			return &config_rows[i];
	return NULL;
}

const struct config_row *
config_row_section(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < config_nrows; i++)
		if (strncmp(config_rows[i].path, name, n) == 0 && config_rows[i].path[n] == '.')
			return &config_rows[i];
	return NULL;
}

bool
config_row_is_fixed(const struct config_row *row)
{
	/* What threads were started with. */
	static const char *const limits[] = {"limits.archive_waiting", "limits.archive_waiting_bytes", "limits.jobs_waiting",
					     "limits.api_at_once", "limits.siem_events", "limits.refusal_sources"};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		if (strcmp(row->path, limits[i]) == 0)
			return true;
	return row->fixed;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* The largest first, so that writing a value picks the shortest form. */
static const struct unit durations[] = {{"d", DAYS},    {"h", HOURS}, {"m", MINUTES},
					{"s", SECONDS}, {"ms", 1},    {NULL, 0}};
static const struct unit sizes[] = {
	{"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct unit plain[] = {{"", 1}, {NULL, 0}};

/* Limits are sizes or counts; their names say which. */
static const struct unit *
row_units(const struct config_row *row)
{
	if (row->type == CONFIG_DURATION)
		return durations;
	return row->type == CONFIG_SIZE && strstr(row->path, "bytes") != NULL ? sizes : plain;
}

/* Digits and one of the units. */
static bool
parse_quantity(const char *s, const struct config_row *row, uint64_t *out)
{
	const struct unit *units = row_units(row);
	size_t digits = strspn(s, "0123456789");
	uint64_t n;

	if (!text_u64(s, digits, 0, UINT64_MAX, &n))
		return false;
	for (const struct unit *u = units; u->name != NULL; u++) {
		if (strcmp(s + digits, u->name) != 0)
			continue;
		return !__builtin_mul_overflow(n, u->factor, out) && *out >= row->min &&
		       *out <= row->max;
	}
	/* No unit is needed to say none at all. */
	*out = 0;
	return n == 0 && s[digits] == '\0' && row->min == 0;
}

static void
print_quantity(struct buf *out, const struct config_row *row, uint64_t n)
{
	const struct unit *u = row_units(row);

	if (n == 0) {
		buf_addc(out, '0');
		return;
	}
	while (n % u->factor != 0)
		u++;
	buf_addf(out, "%" PRIu64 "%s", n / u->factor, u->name);
}

static bool
parse_choice(const char *s, const char *const *choices, unsigned *out)
{
	for (unsigned i = 0; choices[i] != NULL; i++) {
		if (strcmp(s, choices[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

/* Numbers only: names would have to be looked up at start, and may mean several addresses. */
static bool
is_address(const char *s)
{
	char host[INET6_ADDRSTRLEN];
	unsigned char bin[sizeof(struct in6_addr)];
	const char *colon = strrchr(s, ':');
	bool v6 = s[0] == '[';
	uint64_t port;
	size_t n;

	if (colon == NULL || !text_u64(colon + 1, strlen(colon + 1), 1, 65535, &port))
		return false;
	n = (size_t)(colon - s);
	if (v6) {
		if (n < 2 || s[n - 1] != ']')
			return false;
		s++;
		n -= 2;
	}
	if (n >= sizeof host)
		return false;
	memcpy(host, s, n);
	host[n] = '\0';
	return inet_pton(v6 ? AF_INET6 : AF_INET, host, bin) == 1;
}

/* CONFIG_LIST_MAX places are taken with the first item. */
static bool
add_item(struct config *c, struct config_list *l, const char *text)
{
	if (l->n == CONFIG_LIST_MAX)
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->item[i], text) == 0)
			return false;
	if (l->item == NULL)
		l->item = arena_zalloc(c->arena, CONFIG_LIST_MAX * sizeof *l->item);
	l->item[l->n++] = arena_strdup(c->arena, text);
	return true;
}

const char *
config_resolve_file(struct config *c, const char *name)
{
	const char *slash = strrchr(c->file, '/');

	if (name[0] == '/' || name[0] == '\0' || slash == NULL)
		return arena_strdup(c->arena, name);
	return arena_printf(c->arena, "%.*s/%s", (int)(slash - c->file), c->file, name);
}

bool
config_row_put(struct config *c, const struct config_row *row, const char *text)
{
	void *at = (char *)c + row->offset;

	if (row->required && text[0] == '\0')
		return false;
	switch (row->type) {
	case CONFIG_BOOL:
		*(bool *)at = strcmp(text, "true") == 0;
		return *(bool *)at || strcmp(text, "false") == 0;
	case CONFIG_NUMBER:
	case CONFIG_SIZE:
	case CONFIG_DURATION:
		return parse_quantity(text, row, at);
	case CONFIG_CHOICE:
		return parse_choice(text, row->choices, at);
	case CONFIG_STRING:
		if (text[0] != '\0' && row->check != NULL && !row->check(text))
			return false;
		*(const char **)at = arena_strdup(c->arena, text);
		return true;
	case CONFIG_FILE:
		*(const char **)at = config_resolve_file(c, text);
		return true;
	case CONFIG_ADDRESSES:
		return (is_address(text) || (row->check != NULL && row->check(text))) && add_item(c, at, text);
	case CONFIG_LIST:
		return text[0] != '\0' && (row->check == NULL || row->check(text)) && add_item(c, at, text);
	}
	return false;
}

void
config_row_default(struct config *c, const struct config_row *row)
{
	const char *s = row->def;

	if (config_row_is_list(row)) {
		while (*s != '\0') {
			size_t n = strcspn(s, " ");

			config_row_put(c, row, arena_strndup(c->arena, s, n));
			s += n + (s[n] == ' ');
		}
	} else if (*s == '\0') {
		*(const char **)((char *)c + row->offset) = "";
	} else {
		config_row_put(c, row, s);
	}
}

void
config_row_text(const struct config *c, const struct config_row *row, struct buf *out)
{
	const void *at = (const char *)c + row->offset;

	switch (row->type) {
	case CONFIG_BOOL:
		buf_adds(out, *(const bool *)at ? "true" : "false");
		break;
	case CONFIG_NUMBER:
	case CONFIG_SIZE:
	case CONFIG_DURATION:
		print_quantity(out, row, *(const uint64_t *)at);
		break;
	case CONFIG_CHOICE:
		buf_adds(out, row->choices[*(const unsigned *)at]);
		break;
	case CONFIG_STRING:
	case CONFIG_FILE:
		buf_adds(out, *(const char *const *)at);
		break;
	case CONFIG_ADDRESSES:
	case CONFIG_LIST:
		for (size_t i = 0; i < ((const struct config_list *)at)->n; i++)
			buf_addf(out, "%s%s", i > 0 ? " " : "", ((const struct config_list *)at)->item[i]);
		break;
	}
}

static bool
lists_equal(const struct config_list *a, const struct config_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->item[i], b->item[i]) != 0)
			return false;
	return true;
}

bool
config_row_equal(const struct config *a, const struct config *b, const struct config_row *row)
{
	const void *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;

	switch (row->type) {
	case CONFIG_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case CONFIG_CHOICE:
		return *(const unsigned *)x == *(const unsigned *)y;
	case CONFIG_STRING:
	case CONFIG_FILE:
		return strcmp(*(const char *const *)x, *(const char *const *)y) == 0;
	case CONFIG_ADDRESSES:
	case CONFIG_LIST:
		return lists_equal(x, y);
	default:
		return *(const uint64_t *)x == *(const uint64_t *)y;
	}
}

void
config_row_expect(const struct config_row *row, struct buf *out)
{
	switch (row->type) {
	case CONFIG_BOOL:
		buf_adds(out, "true or false");
		break;
	case CONFIG_NUMBER:
	case CONFIG_SIZE:
	case CONFIG_DURATION:
		buf_adds(out, row->type == CONFIG_DURATION ? "a duration like 20s from " :
							     "a number from ");
		print_quantity(out, row, row->min);
		buf_adds(out, " to ");
		print_quantity(out, row, row->max);
		break;
	case CONFIG_CHOICE:
		for (unsigned i = 0; row->choices[i] != NULL; i++)
			buf_addf(out, "%s%s",
				 i == 0                      ? "" :
				 row->choices[i + 1] == NULL ? " or " :
							       ", ",
				 row->choices[i]);
		break;
	case CONFIG_STRING:
		buf_adds(out, row->expect != NULL ? row->expect : "a text");
		break;
	case CONFIG_FILE:
		buf_adds(out, "a file name");
		break;
	case CONFIG_ADDRESSES:
		buf_addf(
			out,
			"a list of at most %d different addresses like 127.0.0.1:5222 or [::1]:5222",
			CONFIG_LIST_MAX);
		break;
	case CONFIG_LIST:
		buf_addf(out, "a list of at most %d different %s", CONFIG_LIST_MAX,
			 row->expect != NULL ? row->expect : "texts");
		break;
	}
}
