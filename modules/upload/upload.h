/* upload: what the files of this module share (upload.c). */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "module.h"

/* upload_link.c: HOOK_SEND_COPY, messages with addresses of ours in them. */
enum hook_verdict upload_on_sent(struct hook *h);
/* upload_link.c: HOOK_SEND_CHECK, the same: may the file be sent to whom they are for (files.rules)? */
enum hook_verdict upload_on_send(struct hook *h);
/* The same for others, of which functions are made: is the address of a file that was uploaded here in it? */
bool upload_is_mentioned(const struct elem *root, struct arena *a);
/* upload_list.c: the command by which people delete what they have uploaded. */
extern const struct module_command upload_delete_command;

#endif
