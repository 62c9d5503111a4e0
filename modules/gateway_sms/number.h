/*
 * number: addresses of the telephone network: what people write, what the record says, what PDUs carry. No I/O.
 *
 * A canonical address is an international number (`+33612345678`, E.164: 7 to 15 digits), a short number as it is dialled (`38123`: 3 to 6 digits), or a
 * name, which some senders have instead of a number (`acme`): nobody can write to one.
 */
#ifndef GATEWAY_SMS_NUMBER_H
#define GATEWAY_SMS_NUMBER_H

#include "gateway_sms/pdu.h"

#define NUMBER_SIZE 64 /* of a canonical address with its NUL: a name may have 20 characters of 3 bytes */

enum number_kind { NUMBER_NONE, NUMBER_INTERNATIONAL, NUMBER_SHORT, NUMBER_NAME };

/* How numbers without a country are read; both may be "". */
struct number_plan {
	const char *country; /* digits: "33" */
	const char *trunk;   /* what is dialled in front within the country: "0" */
};

/* What somebody wrote: a canonical address, `0033…`, or a number of the own country with its trunk prefix. */
enum number_kind number_parse(const struct number_plan *plan, const char *s, char out[NUMBER_SIZE]);
/* Of a canonical address. */
enum number_kind number_kind(const char *canonical);
/* Where a canonical number is in a PDU. Of a name: a sender's, TON alphanumeric. */
void number_put(const char *canonical, struct pdu_address *out);
/* Who it is that a PDU names. Names are in small letters, as addresses are; what cannot be read as a number is a name. NUMBER_NONE: nothing there, or a
 * national number where `country` is not known. */
enum number_kind number_get(const struct number_plan *plan, const struct pdu_address *in, char out[NUMBER_SIZE]);

#endif
