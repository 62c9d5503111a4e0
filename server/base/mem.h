/*
 * mem: allocation that does not fail: out of memory logs and exits.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n);
void *mem_zalloc(size_t n);
void *mem_realloc(void *p, size_t n);
char *mem_strdup(const char *s);
/* Copies `n` bytes and adds a NUL. */
char *mem_strndup(const char *s, size_t n);
/* For those who size something themselves and find that it cannot be: logs and exits. */
void mem_exhausted(size_t n) __attribute__((noreturn));

#define NEW(type) ((type *)mem_zalloc(sizeof(type)))

#endif
