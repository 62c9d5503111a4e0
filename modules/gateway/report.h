/*
 * report: what a network says of a message after it had taken it: that it has arrived (XEP-0184), or that it has not.
 */
#ifndef GATEWAY_REPORT_H
#define GATEWAY_REPORT_H

struct gateway;

/* At the end of the program: nobody is told anything any more. */
void reports_end(struct gateway *g);

#endif
