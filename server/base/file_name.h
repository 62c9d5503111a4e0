/*
 * file_name: the name of a file as it may stand in an address and in a folder of people's. Pure.
 */
#ifndef BASE_FILE_NAME_H
#define BASE_FILE_NAME_H

#include "base/arena.h"

#define FILE_NAME_CLEAN_MAX 160 /* bytes, its ending included */

/* Of what a client says the file is called: the last part of a path, without control characters, marks of direction and others that are
 * not seen, without dots and spaces around it, as much of it as may be, with its ending. Never empty. UTF-8. */
const char *file_name_clean(struct arena *a, const char *said);

#endif
