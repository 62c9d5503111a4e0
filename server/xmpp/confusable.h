/*
 * confusable: when two names look alike to people (Unicode TS 39).
 */
#ifndef XMPP_CONFUSABLE_H
#define XMPP_CONFUSABLE_H

/* The skeleton of a UTF-8 text without regard to case: two texts that look alike have the same one. For comparing, not for showing. Heap;
 * NULL when it cannot be made. Any thread. */
char *confusable_skeleton(const char *s);

#endif
