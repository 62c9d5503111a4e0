/* filecheck: what the files of this module share. */
#ifndef FILECHECK_H
#define FILECHECK_H

#include "module_file.h"

/* filecheck.c: the stanza does not go on; a result goes on as an error. `type`: "wait", or NULL: the condition's own. */
enum hook_verdict filecheck_refuse(struct hook *h, enum xerror error, const char *type, const char *text);
/* By what has been judged, and may not pass. */
enum hook_verdict filecheck_refuse_file(struct hook *h, const struct judgement *f);
/* For arena_on_free. */
void filecheck_free_spool(void *spool);

/* rehost.c (files.links: fetch): files that the stanza offers on other servers are fetched, judged, and offered from here. NEXT: there are none,
 * or all of them are here now and the stanza has been replaced. Waits. */
enum hook_verdict rehost(struct hook *h);

#endif
