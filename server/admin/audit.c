/*
 * audit: one row per action. Called by the verbs of the control socket.
 */
#include "admin/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

enum sql_status
audit_write(struct sql *db, const struct audit_who *who, const char *action, const char *target,
	    json_t *detail, struct err *e)
{
	char *text = detail != NULL ? json_dumps(detail, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	enum sql_status rc;
	char uid[24];

	snprintf(uid, sizeof uid, "%ld", who->uid);
	rc = sql_do(db, e,
		    "INSERT INTO chancery.audit (who_uid, who_name, origin, action, target, detail)"
		    " VALUES ($1::int8::int, $2, $3, $4, $5, $6::jsonb)",
		    6, who->uid < 0 ? NULL : uid, who->name, who->origin, action, target, text);
	free(text);
	if (rc != SQL_OK)
		err_prefix(e, "cannot write the audit row");
	return rc;
}

long
audit_person(const struct audit_who *who)
{
	return who->uid >= 0 && who->login >= 0 ? who->login : who->uid;
}

int
audit_person_known(const struct audit_who *who, struct err *e)
{
	if (who->uid < 0 || who->login != AUDIT_HIDDEN)
		return 0;
	return err_set(e, 0, "who has logged in cannot be seen, so it cannot be told whether you are another person: the command has ended, or"
		" /proc is hidden from the server (ProtectProc=)");
}

void
audit_log(const struct audit_who *who, const char *action, const char *target)
{
	log_info(NULL, "audit", "action=%s target=%s who=%s uid=%ld", action, target, who->name,
		 who->uid);
}
