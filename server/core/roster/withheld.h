/*
 * withheld: presence and partners. What an account shows to contacts at a domain that is not a partner (or not at this hour) goes nowhere,
 * and nobody is told. So when that domain may be talked to again, those contacts are shown what is now, and asked for theirs; and when it
 * ends, people here see these contacts go.
 */
#ifndef CORE_WITHHELD_H
#define CORE_WITHHELD_H

struct jid;

/* On an account's home: a presence to there was not sent, as the domain may not have it. */
void withheld_note(const struct jid *to);
/* On each home, when partners or their hours have changed. */
void withheld_review(void);
void withheld_home_stop(void);

#endif
