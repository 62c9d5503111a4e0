/*
 * pdu: protocol data units of SMPP 3.4, bytes to struct and back. No I/O, no state.
 *
 * Section numbers are those of the Short Message Peer to Peer Protocol Specification v3.4, issue 1.2. Names are its own.
 */
#ifndef GATEWAY_SMS_PDU_H
#define GATEWAY_SMS_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PDU_HEADER 16
#define PDU_RESPONSE 0x80000000u /* in command_id */
#define PDU_SEQUENCE_LAST 0x7fffffffu
#define SMPP_VERSION 0x34

/* §5.1.2.1 */
enum pdu_command {
	GENERIC_NACK = 0x80000000u,
	BIND_RECEIVER = 1,
	BIND_TRANSMITTER = 2,
	SUBMIT_SM = 4,
	DELIVER_SM = 5,
	UNBIND = 6,
	BIND_TRANSCEIVER = 9,
	OUTBIND = 0x0b,
	ENQUIRE_LINK = 0x15,
	ALERT_NOTIFICATION = 0x102,
	DATA_SM = 0x103,
};

/* §5.1.3, those that we say or look at. */
enum pdu_status {
	ESME_ROK = 0,
	ESME_RINVMSGLEN = 1,
	ESME_RINVCMDLEN = 2,
	ESME_RINVCMDID = 3,
	ESME_RINVBNDSTS = 4,
	ESME_RALYBND = 5,
	ESME_RSYSERR = 8,
	ESME_RINVSRCADR = 0x0a,
	ESME_RINVDSTADR = 0x0b,
	ESME_RBINDFAIL = 0x0d,
	ESME_RINVPASWD = 0x0e,
	ESME_RINVSYSID = 0x0f,
	ESME_RMSGQFUL = 0x14,
	ESME_RINVESMCLASS = 0x43,
	ESME_RSUBMITFAIL = 0x45,
	ESME_RTHROTTLED = 0x58,
	ESME_RX_T_APPN = 0x64,
	ESME_RX_P_APPN = 0x65,
	ESME_RX_R_APPN = 0x66,
	ESME_ROPTPARNOTALLWD = 0xc1,
	ESME_RINVOPTPARSTREAM = 0xc0,
	ESME_RINVPARLEN = 0xc2,
	ESME_RDELIVERYFAILURE = 0xfe,
	ESME_RUNKNOWNERR = 0xff,
};
/* "ESME_RTHROTTLED", or "0x00000412" in `hex` for those that are not in the list. */
const char *pdu_status_name(uint32_t status, char hex[11]);

/* §5.2.12: esm_class. */
#define ESM_TYPE 0x3c
#define ESM_RECEIPT 0x04
#define ESM_UDHI 0x40

/* §5.2.5, §5.2.6 */
enum pdu_ton { TON_UNKNOWN, TON_INTERNATIONAL, TON_NATIONAL, TON_NETWORK, TON_SUBSCRIBER, TON_ALPHANUMERIC, TON_ABBREVIATED };
enum pdu_npi { NPI_UNKNOWN = 0, NPI_ISDN = 1, NPI_PRIVATE = 9 };

/* §5.3.2: the optional parameters that we read or write; others are stepped over. */
enum pdu_tag {
	TLV_ADDITIONAL_STATUS_INFO_TEXT,
	TLV_RECEIPTED_MESSAGE_ID,
	TLV_SAR_MSG_REF_NUM,
	TLV_SAR_TOTAL_SEGMENTS,
	TLV_SAR_SEGMENT_SEQNUM,
	TLV_SC_INTERFACE_VERSION,
	TLV_NETWORK_ERROR_CODE,
	TLV_MESSAGE_PAYLOAD,
	TLV_MESSAGE_STATE,
	PDU_TAGS
};

struct pdu_tlv {
	bool present;
	uint16_t length;
	const uint8_t *value; /* borrowed from who gave the bytes */
};

struct pdu_address {
	uint8_t ton, npi;
	char digits[21];
};

/* One struct for all kinds; what a kind does not have is zero. */
struct pdu {
	uint32_t command, status, sequence;
	char system_id[16], password[9], system_type[13], address_range[41];
	uint8_t interface_version, addr_ton, addr_npi;
	char service_type[6], schedule_delivery_time[17], validity_period[17];
	struct pdu_address source, destination;
	uint8_t esm_class, protocol_id, priority_flag, registered_delivery, replace_if_present, data_coding,
		sm_default_msg_id, sm_length;
	const uint8_t *short_message; /* borrowed */
	char message_id[65];
	struct pdu_tlv tlv[PDU_TAGS];
};

/* command_length of what begins at `p`, of which at least 4 bytes are there. */
uint32_t pdu_length(const uint8_t *p);
/* A whole PDU, `n` its command_length. ESME_ROK, or the status to answer it with; then the header's fields are right nevertheless. What follows is not
 * read of kinds that we do not know, whose status is ESME_RINVCMDID, and of those that need no reading (DATA_SM, ALERT_NOTIFICATION). */
uint32_t pdu_read(const uint8_t *p, size_t n, struct pdu *out);
/* Adds it to `out`. Strings are as long as they may be by their size; short_message and values are the caller's to bound. */
void pdu_write(const struct pdu *p, struct buf *out);

/* The value of a parameter of 1 or 2 bytes. */
unsigned pdu_tlv_number(const struct pdu_tlv *t);
void pdu_set_tlv(struct pdu *p, enum pdu_tag tag, const void *value, size_t n);
/* What the message says: short_message, or message_payload where that is (§5.3.2.32). */
const uint8_t *pdu_message(const struct pdu *p, size_t *n);

#endif
