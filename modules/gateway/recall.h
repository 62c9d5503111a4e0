/*
 * recall: which message a report of the network's is about, also when another program wrote it: a network with NETWORK_LATE says so hours later. What is in ids
 * (ids.h) and may be asked for then is kept at chanceryd, and read by the next program before its network begins. Bounded in number (limits.ids_kept) and age
 * (ids_days).
 */
#ifndef GATEWAY_RECALL_H
#define GATEWAY_RECALL_H

struct gateway;
struct id_pair;

void recall_init(struct gateway *g);
/* Reads what is kept, then calls `done`; at once where nothing is. It is asked for until it can be had. */
void recall_read(struct gateway *g, void (*done)(struct gateway *g));
/* Keeps one, until it is forgotten. */
void recall_keep(struct gateway *g, struct id_pair *p);
/* What is too old goes. */
void recall_tick(struct gateway *g);

#endif
