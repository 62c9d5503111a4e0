/*
 * settings: what the administrator says of the provider (README.md lists it): JSON to a checked struct. One table.
 */
#ifndef GATEWAY_SMS_SETTINGS_H
#define GATEWAY_SMS_SETTINGS_H

#include <jansson.h>

#include "base/err.h"
#include "gateway_sms/coding.h"
#include "gateway_sms/number.h"

enum settings_bind { BIND_AS_TRANSCEIVER, BIND_AS_PAIR, BIND_AS_TRANSMITTER };
enum settings_tls { TLS_ON, TLS_OFF };
enum settings_ids { IDS_SAME, IDS_DECIMAL };

/* Type, name, default, lowest, highest (of strings: the most bytes; of choices: the words), what it is. */
#define SETTINGS_TABLE(STRING, NUMBER, CHOICE, BOOL) \
	STRING(host, NULL, 255, "The provider's SMSC: a name or an address") \
	NUMBER(port, 3550, 1, 65535, "Its port") \
	CHOICE(tls, "on", "on off", "TLS from the first byte. `off`: passwords and messages are readable on the way; only for a line of one's own") \
	STRING(ca_file, "", 4096, "PEM: whose certificates are believed; empty: the system's") \
	STRING(certificate, "", 4096, "PEM: our certificate, where the provider wants one") \
	STRING(key, "", 4096, "PEM: its key; empty: in the same file") \
	STRING(system_id, NULL, 15, "Who we are there") \
	STRING(password, "", 8, "And its password") \
	STRING(system_type, "", 12, "As the provider says") \
	STRING(address_range, "", 40, "The numbers whose messages we want; mostly empty") \
	CHOICE(bind, "transceiver", "transceiver pair transmitter", "One connection for both directions, one for each, or only out") \
	STRING(sender, NULL, 20, "The organisation's number (`+33612345678`, `38123`) or name (`ACME`)") \
	NUMBER(sender_ton, 255, 0, 255, "Its type of number, where the provider wants another than is usual; 255: as usual") \
	NUMBER(sender_npi, 255, 0, 255, "The same of its numbering plan") \
	STRING(country, "", 3, "Our country's code (`33`), for numbers that are written without") \
	STRING(trunk, "", 3, "What is dialled in front within it (`0`)") \
	STRING(inbox, "", 3071, "Address here that gets what nobody's message was the cause of; empty: it is refused") \
	NUMBER(reply_hours, 72, 0, 8760, "So long after somebody wrote to a number its messages go to them, and then to the inbox; 0: all to the inbox") \
	CHOICE(alphabet, "gsm7", "gsm7 gsm7-packed ascii latin1", "What data_coding 0 means there") \
	BOOL(latin1, false, "data_coding 3 may be sent: letters as in French take 8 bits instead of 16") \
	CHOICE(long_messages, "udh8", "udh8 udh16 sar payload", "How more than one short message goes") \
	NUMBER(parts, 10, 1, 255, "Short messages that one of ours may become; longer ones go back to who wrote them") \
	BOOL(receipts, true, "Ask for delivery receipts") \
	CHOICE(receipt_ids, "same", "same decimal", "How receipts name the message: as the answer did, or in decimal what was hexadecimal there") \
	NUMBER(validity_minutes, 0, 0, 44640, "How long the provider tries; 0: as long as it likes") \
	NUMBER(window, 10, 1, 1000, "submit_sm without an answer at a time. With 1 messages never overtake each other") \
	NUMBER(rate, 0, 0, 10000, "Short messages a second; 0: as fast as the provider takes them") \
	NUMBER(queue, 5000, 1, 1000000, "Messages that wait; more go back to who wrote them") \
	NUMBER(incoming, 100, 1, 10000, "deliver_sm that are not in the record yet; more are told to come later") \
	NUMBER(pdu_bytes, 70000, 1024, 1048576, "The longest PDU; who sends a longer one is disconnected") \
	NUMBER(answer_seconds, 30, 1, 600, "Until which the provider answers") \
	NUMBER(enquire_seconds, 30, 1, 3600, "Of silence, then it is asked whether it is there") \
	NUMBER(part_messages, 1000, 1, 100000, "Long messages of which parts are missing, at a time") \
	NUMBER(part_bytes, 4194304, 65536, 268435456, "The same in bytes") \
	NUMBER(part_seconds, 600, 1, 86400, "After which they are delivered as far as they came") \
	NUMBER(remembered, 20000, 0, 10000000, "Messages that wait for their receipt; the oldest are forgotten") \
	NUMBER(remembered_kept, 5000, 0, 1000000, "Of these, those that outlive the program; the oldest do not") \
	NUMBER(remembered_hours, 72, 1, 720, "The same in time")

struct sms_settings {
#define STRING(name, def, most, about) char *name;
#define NUMBER(name, def, lowest, highest, about) unsigned name;
#define CHOICE(name, def, words, about) unsigned name;
#define BOOL(name, def, about) bool name;
	SETTINGS_TABLE(STRING, NUMBER, CHOICE, BOOL)
#undef STRING
#undef NUMBER
#undef CHOICE
#undef BOOL
	/* Made of them. */
	struct number_plan plan;
	struct coding_way way;
	struct pdu_address source;
};

/* NULL and the reason: an unknown key, a value out of its range, one without which nothing works that is missing. */
struct sms_settings *sms_settings_new(const json_t *network, struct err *e) MUST_CHECK;
void sms_settings_free(struct sms_settings *s);

#endif
