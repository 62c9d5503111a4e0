/*
 * module: what a module is made of, and what it may ask of the server.
 *
 * A module is one folder in modules/ and one line in core/module/modules.c. It includes this, hook.h, and headers of xmpp/ and
 * base/; never core/ or net/; its *_store.c includes store/sql.h and nothing of the above. What attach registers, the core
 * undoes. Modules keep no mutable file-level state: what they remember belongs to an account (module_keep) or to a
 * session (module_session_keep). Modules do not call each other: they send each other stanzas (hook_ask).
 *
 * Everything here is called on the home of the account that the hook is about, unless it says otherwise.
 */
#ifndef MODULE_H
#define MODULE_H

#include <stdint.h>

#include "base/limits.h"
#include "hook.h"
#include "module_settings.h"

struct module;

typedef enum hook_verdict (*hook_fn)(struct hook *h);

struct module_def {
	const char *name;
	const char *about; /* the XEPs: shown by `chancery status` */
	int (*attach)(struct module *m);
};

/* What attach registers */

enum module_iq { MODULE_IQ_GET, MODULE_IQ_SET };
/* MODULE_SENDER: the server is asked, about the account of the local user who asks: h->account, h->bound are theirs. */
enum module_target { MODULE_SERVER = 1, MODULE_ACCOUNT = 2, MODULE_SENDER = 4 };

/* A feature announced by disco#info of the server (MODULE_SERVER), of accounts, or both. `var` is static. */
void module_offers(struct module *m, const char *var, unsigned targets);
/* The same while a setting of modules.* (a bool) is on. */
void module_offers_when(struct module *m, const char *var, unsigned targets, const char *setting);
/* An identity in disco#info; all static, name may be NULL. */
void module_identity(struct module *m, const char *category, const char *type, const char *name, unsigned targets);
int module_on(struct module *m, enum hook_stage stage, hook_fn fn);
/* The same, called only for stanzas of these kinds and, unless `ns` is NULL, only when a child element of theirs is in this
 * namespace (of ns.h; not jabber:client). For stages that all stanzas pass (HOOK_SEND_*, HOOK_RECV_*): what is not the module's
 * costs it no call. What h->stanza has become by another module's hook_replace counts. */
enum module_stanza { MODULE_MESSAGE = 1, MODULE_PRESENCE = 2, MODULE_IQ = 4, MODULE_STANZA = 7 };
int module_on_stanza(struct module *m, enum hook_stage stage, unsigned kinds, const char *ns, hook_fn fn);
/* An IQ handler; `ns` from ns.h. HOOK_HANDLED with hook_reply, HOOK_REJECT, or HOOK_WAIT. Handlers for MODULE_ACCOUNT are asked
 * by the owner and by others (module_relation), for accounts that exist and for names that do not (account_id 0). */
int module_on_iq(struct module *m, enum module_iq type, const char *ns, const char *name, unsigned targets, hook_fn fn);

/* What the module keeps in memory for each account that is loaded. `load` runs on a worker together with the account's
 * roster, before anything of the account is handled; it leaves rows in `a` (or NULL: nothing). `make` makes of them, at home,
 * what is kept (heap; NULL: nothing), `free` frees it. `load` may be NULL: then nothing is kept until module_set_data. */
struct module_account {
	enum sql_status (*load)(struct sql *db, struct arena *a, int64_t account, const char *bare, void **rows, struct err *e);
	void *(*make)(const void *rows);
	void (*free)(void *data);
};
void module_keep(struct module *m, const struct module_account *def);
/* Bytes that the module keeps with each session, zero at first. `fini` (may be NULL) runs when the session ends. */
void module_session_keep(struct module *m, size_t size, void (*fini)(void *data));

/* Commands (XEP-0050) */

/* A command is a row of forms, and then what it does. `run` is called for each step: with c->step forms submitted, it shows the next
 * one (command_form) or does its work and says how that went (command_result, command_note); it ends by command_send(h, c), also in a
 * continuation, or by a refusal. Whoever may not run it is refused before, at each step. Going back, cancelling, expiry and
 * the bound of what is open are modules/adhoc's. */
#define COMMAND_STEPS_MAX 8
struct form;
struct command {
	const struct module_command *def;
	unsigned step;                           /* so many forms have been submitted */
	const struct form *form[COMMAND_STEPS_MAX]; /* those; in hook_memory */
	const char *session_id;
	struct stanza *answer;                   /* being made */
	struct elem *element;                    /* the <command/> in it */
	bool asks;                               /* it shows a form: not done yet */
	enum hook_verdict (*finish)(struct hook *h, struct command *c);
	void *arg;                               /* of finish */
};
typedef enum hook_verdict (*command_fn)(struct hook *h, struct command *c);
struct module_command {
	const char *node, *name; /* static; the node is the command's address */
	unsigned target;         /* MODULE_SERVER, or MODULE_ACCOUNT: of one's own account */
	bool admins;             /* administrators only; else every user of this server */
	const char *setting;     /* there is no such command while this one is off (module_setting); NULL: always */
	unsigned steps;          /* forms, at most COMMAND_STEPS_MAX */
	command_fn run;
};
void module_command(struct module *m, const struct module_command *def);
/* The i-th command of all modules, and whose it is; NULL behind the last. */
const struct module_command *module_command_at(unsigned i, struct module **owner);

/* The next form, to add fields to (xmpp/form.h). */
struct elem *command_form(struct command *c, const char *title, const char *instructions);
/* What came of it, to add fields to: the command is done. */
struct elem *command_result(struct command *c, const char *title);
/* A line for people; type "info", "warn" or "error" (which says that it failed, §3.4). */
void command_note(struct command *c, const char *type, const char *text);
enum hook_verdict command_send(struct hook *h, struct command *c);
/* A note, and nothing else. */
enum hook_verdict command_say(struct hook *h, struct command *c, const char *type, const char *text);
/* A field is missing or wrong: bad-payload; the step may be tried again. */
enum hook_verdict command_bad_form(struct hook *h, const char *text);

/* Settings */

/* An on-off setting as it is now, as a reload may change it: by its path ("auth.plain"), without a section one of modules.*. */
bool module_setting(const struct module *m, const char *name);
/* Those in force on this reactor, until the end of the turn. */
const struct module_settings *module_settings(void);
const struct limits *module_limits(void);
/* When the server started, by clock_mono_us. */
int64_t module_started_us(void);
/* The same by the wall clock as it was then: names this run of the server among all of them. */
int64_t module_run(void);
/* Is this a domain of ours? The n-th of them; NULL behind the last. Any thread. */
bool module_is_local(const struct jid *j);
const char *module_domain(unsigned n);
/* Where listen.https is reached by clients of this domain of ours, "https://example.org:5280"; web.url where that is set. False: nothing
 * listens. */
bool module_web_base(const char *domain, struct buf *out);

/* The newest record that may be shown to anybody: what is later may still go back to its sender. Any thread. */
uint64_t module_record_settled(void);
/* How often something of the record has been erased since the start: who keeps messages in memory reads them again when it is another number. */
uint64_t module_erasures(void);
/* Does this message have to be in the record before anybody gets it? All but typing notifications, unless archive.typing. */
bool module_must_record(const struct stanza *message);

/* The account that h is about */

/* Of the account that h is about, on its home (HOOK_IQ with MODULE_ACCOUNT, RECV_*). Of an account that does not exist
 * everybody is a stranger: who treats strangers alike does not tell them which accounts there are. */
enum module_relation { MODULE_STRANGER, MODULE_SUBSCRIBER, MODULE_SELF };
/* May h->from see the account's presence? */
enum module_relation module_relation(const struct hook *h);
/* May `who`? */
enum module_relation module_relation_of(const struct hook *h, const struct jid *who);
/* The other way round: does the account see the presence of `who` (subscription to, both)? */
bool module_follows(const struct hook *h, const struct jid *who);
/* Is `who` in the roster, and in this group of it (NULL: in whatever)? */
bool module_contact_in(const struct hook *h, const struct jid *who, const char *group);
bool module_account_available(const struct hook *h);
int64_t module_account_last_seen_us(const struct hook *h); /* wall clock; 0: never was available */
const char *module_account_last_status(const struct hook *h); /* NULL when none */
int64_t module_account_created_us(const struct hook *h); /* what is older belongs to somebody else of that name */
/* Is the account in this group of the organisation (`chancery user set`)? */
bool module_account_in_group(const struct hook *h, const char *group);
/* All its groups, a line each; "": none. */
const char *module_account_groups(const struct hook *h);
/* Is the sender of h->stanza, a local session on this reactor, an administrator? For MODULE_SERVER handlers. */
bool module_sender_is_admin(const struct hook *h);
/* The session that sent h->stanza; NULL when it is not one of this reactor's, or has ended. For MODULE_SERVER handlers. */
struct session *module_sender(const struct hook *h);
/* What the module keeps for it; NULL: nothing, or no account. */
void *module_data(const struct hook *h);
/* Replaces it; the old one is freed. Without effect when there is no account. */
void module_set_data(struct hook *h, void *data);

/* What waits for it (XEP-0160): the messages for it in the record above `after` up to `upto`, but for those in `given`, which clients
 * have or are being given. */
struct module_backlog {
	uint64_t after, upto;
	const uint64_t *given; /* n of them, ascending; in h->arena */
	unsigned n;
};
/* Of an account that exists. */
void module_backlog(const struct hook *h, struct module_backlog *out);
/* It no longer comes by itself, to this session or another, until this one has ended. What is coming already comes. */
void module_backlog_withhold(struct session *s);
/* All that waits up to `upto` (of module_backlog) has been taken out, which is stored: nobody need look there again. */
void module_backlog_skip(struct hook *h, uint64_t upto);

/* Its sessions */

/* A snapshot in h->arena, detached ones included; a session stays valid until the end of the turn, even if it ends. */
unsigned module_sessions(const struct hook *h, struct session ***out);
struct session *module_session(const struct hook *h, const struct jid *full); /* NULL: no such resource */
const struct jid *module_session_jid(const struct session *s);
int module_session_priority(const struct session *s);    /* -129: not available */
bool module_session_is_attached(const struct session *s); /* has a stream at the moment */
bool module_session_is_over(const struct session *s);    /* is being closed: takes nothing more */
const struct stanza *module_session_presence(const struct session *s); /* NULL: not available */
/* Does its client announce this feature in its presence (XEP-0115, XEP-0390)? False while that is not known. */
bool module_session_supports(const struct session *s, const char *var);
/* fn for each of them. */
void module_session_features(const struct session *s, void (*fn)(void *arg, const char *var), void *arg);
/* The same of a client at another server: of a contact that may see the account's presence, and has shown it its own. */
bool module_elsewhere_supports(const struct hook *h, const struct jid *full, const char *var);
void module_elsewhere_features(const struct hook *h, const struct jid *full, void (*fn)(void *arg, const char *var), void *arg);
/* fn for each of them, of this contact (bare) or, NULL, of all. */
void module_each_elsewhere(const struct hook *h, const struct jid *contact, void (*fn)(void *arg, const struct jid *full), void *arg);
/* The device its client says it is (XEP-0388 user-agent), by its number in chancery.device; 0: it did not say. */
int64_t module_session_device(const struct session *s);
int64_t module_session_since_us(const struct session *s);  /* wall clock: bound */
int64_t module_session_active_us(const struct session *s); /* wall clock: said something last, or was resumed */
/* Ends it, and its stream with not-authorized. */
void module_session_end(struct session *s, const char *text);
/* The account's device has lost its access, which is committed: its sessions end, and logins under way fail. */
void module_device_revoked(struct hook *h, int64_t device);
/* What lets somebody in has changed, which is committed: all sessions of the account but the one that sent h->stanza end, and logins under way fail. */
void module_end_others(struct hook *h, const char *text);
void *module_session_data(const struct module *m, struct session *s);
/* HOOK_RECV_GIVEN: was h->stanza given to this session, or will it be from the backlog? Else, and in a continuation: false. */
bool module_was_given(const struct hook *h, const struct session *s);
/* fn for each recorded message that the session was given and its client has not confirmed, oldest first. */
void module_session_each_unconfirmed(const struct session *s, void (*fn)(void *arg, const struct stanza *st, uint64_t record_id),
	void *arg);
/* From now on (or no longer) what goes to the session passes HOOK_SESSION_SEND. What is held then is written when the session
 * is resumed, when there is too much of it (limits.held_*), and by module_session_release; what the recipient's delivery
 * mark waits for is not held, whatever the hook says. */
void module_session_watch(struct session *s, bool on);
/* Writes what the session held back, in order. */
void module_session_release(struct session *s);
/* Drops from what is held back those for which `stale` says so (an older presence of the same sender). */
void module_session_drop_held(struct session *s, bool (*stale)(const struct stanza *held, void *arg), void *arg);

/* Sending. All take the stanza (sealed or not). */

/* To wherever `to` is. `from` is the account's, the server's, or a session's address: not checked, as it is ours. The
 * attributes are set by this. Not recorded: for what need not be (presence, notifications of what hook_record recorded). */
void module_send(struct stanza *st, const struct jid *from, const struct jid *to);
/* To one session of this home; `record_id` becomes the stanza id (XEP-0359) it sees, 0: none. */
void module_session_give(struct session *s, struct stanza *st, uint64_t record_id);
/* The same with the stanza as text that the module has written (in a stream of jabber:client, addressed). `head` says in its
 * root and first child what it is; it may be shared by many. `has`: a record for the account that the client has when it
 * has this, and that need not come to it from the backlog; 0: none. */
void module_session_give_text(struct session *s, struct stanza *head, const char *xml, size_t n, uint64_t has);
/* How many more stanzas, and bytes, the session may be given at once before it is given too much. */
unsigned module_session_room(const struct session *s, size_t *bytes);
/* The session's presence is from now on this one (unsealed, an altered copy of module_session_presence), and is broadcast as
 * if its client had sent it, past HOOK_SEND_CHECK. */
void module_session_present(struct session *s, struct stanza *st);
/* One stanza to every contact that may see the account's presence and for whom `want` says so, and to the account itself when `own`: by one sealed
 * tree, `to` written for each (bare JIDs). Who may not have the account's presence (HOOK_PRESENCE_TO: blocked) is left out. */
void module_tell_some_contacts(struct hook *h, struct stanza *st, const struct jid *from, bool own,
	bool (*want)(void *arg, const struct jid *contact), void *arg);
/* To one of these clients (full JID), unless it may not have the account's presence. Seals the stanza and keeps it as it is. Borrows it. */
void module_tell_elsewhere(struct hook *h, struct stanza *st, const struct jid *from, const struct jid *to);
/* The same to whom has asked for it, contact or not: a block list may say no. */
void module_tell_shown(struct hook *h, struct stanza *st, const struct jid *from, const struct jid *to);
/* To one address by the same tree: seals it and keeps it as it is. Borrows it. `from` is the stanza's own. */
void module_tell(struct stanza *st, const struct jid *from, const struct jid *to);
/* A subscription request that HOOK_RECV_CHECK has taken over (HANDLED) goes on: in a continuation of that hook, once. `approved`: as if
 * its sender had been approved before (RFC 6121 §3.4), who is then asked for the same in the account's name. */
void module_request_arrives(struct hook *h, bool approved);
/* The account appears offline to whom `contact` covers (jid_covers), or available again: before a block takes effect, and
 * after it has ended. HOOK_PRESENCE_TO is asked: who sees nothing already, or still, hears nothing. */
void module_presence_hide(struct hook *h, const struct jid *contact);
void module_presence_show(struct hook *h, const struct jid *contact);

#endif
