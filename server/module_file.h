/*
 * module_file: files that modules take out of what passes: collected, judged (scanned, recorded), and only then passed on (P5).
 */
#ifndef MODULE_FILE_H
#define MODULE_FILE_H

#include "core/file/judge.h"
#include "module.h"

/* Judges the file and goes on: f->verdict says how. `f`, its spool and its texts live in hook_memory(h), or as long. f->home, f->owner
 * and f->arena are set here, and f->groups when it is NULL (to those of h's account; "" when there is none). `ok` is always true: f->verdict says what went wrong. */
enum hook_verdict hook_judge(struct hook *h, struct judgement *f, void *data, hook_then_fn then);

#endif
