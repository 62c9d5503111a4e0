/*
 * limits: every bound of a gateway program, in one table. Set by name in the settings' object `limits`.
 */
#ifndef GATEWAY_LIMITS_H
#define GATEWAY_LIMITS_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

/* name, default, lowest, highest, help */
#define GATEWAY_LIMITS_TABLE(X) \
	X(stanza_bytes, 1048576, 65536, 16777216, "A stanza from chanceryd") \
	X(users, 20000, 1, 1000000, "People who use the gateway at a time") \
	X(user_idle_seconds, 900, 1, 86400, "Without anything said, presence and rooms: then the user ends, unless registered") \
	X(send_seconds, 60, 1, 3600, "How long a message may wait for the network; then its sender gets it back") \
	X(user_messages, 200, 1, 100000, "Messages of a user on their way to the network; more go back (resource-constraint)") \
	X(messages, 20000, 1, 1000000, "The same of all") \
	X(in_stanzas, 2000, 10, 1000000, "Messages on their way to chanceryd above which networks hold back; twice that is the hard bound") \
	X(in_bytes, 16777216, 65536, 1073741824, "The same in bytes") \
	X(again_seconds, 3600, 0, 604800, "What chanceryd cannot record for now, and the network does not say again, is offered to it for so long") \
	X(again_room_lines, 1000, 0, 100000, "Of that, lines of a room; of more it is said in the room that they are missing") \
	X(again_copies, 50000, 0, 10000000, "The same of all rooms, each line as often as there are clients that it is for") \
	X(text_bytes, 65536, 256, 200000, "A text from the network, escaped for XML; more is cut, and said") \
	X(rooms, 20000, 1, 1000000, "Rooms that somebody is in") \
	X(seats_per_user, 200, 1, 10000, "Rooms that a user is in") \
	X(occupants, 20000, 2, 1000000, "Occupants of a room; of a larger one the rest is not shown") \
	X(resources_per_user, 20, 1, 1000, "Clients of a user that are present, or in a room") \
	X(contacts_per_user, 1000, 1, 100000, "Foreign addresses whose presence a user sees") \
	X(ids, 20000, 100, 10000000, "Messages that are remembered, for receipts, corrections and bounces; the oldest are forgotten") \
	X(ids_kept, 5000, 0, 1000000, "Of these, those that outlive the program, where the network says later what became of them; the oldest do not") \
	X(ids_days, 7, 1, 3650, "All of these, in time") \
	X(questions, 2000, 10, 100000, "Our own IQs without an answer") \
	X(question_seconds, 60, 1, 600, "How long such an answer may take") \
	X(silence_seconds, 300, 5, 86400, "How long chanceryd may say nothing when it is asked what has arrived; then the stream is begun anew") \
	X(data_waiting, 2000, 10, 1000000, "Values that are to be kept, while chanceryd is away") \
	X(files, 2, 1, 3, "Files that are fetched or uploaded at a time; more wait") \
	X(file_bytes, 16777216, 1024, 1073741824, "A file; a larger one is refused, which is said") \
	X(files_bytes, 268435456, 65536, 1099511627776, "Files on their way, on disk, in all; not less than file_bytes") \
	X(file_seconds, 50, 1, 600, "For fetching or uploading one") \
	X(file_redirects, 3, 0, 10, "Redirections, where a network's file is an address") \
	X(message_files, 20, 1, 100, "Files of a message from the network; of more the names are said")

struct gateway_limits {
#define GATEWAY_LIMITS_FIELD(name, def, min, max, help) uint64_t name;
	GATEWAY_LIMITS_TABLE(GATEWAY_LIMITS_FIELD)
#undef GATEWAY_LIMITS_FIELD
};

/* The defaults, with what `set` (an object, or NULL) says. -1: an unknown name, out of its range, or two that contradict each other; `l` stays. */
int gateway_limits_read(struct gateway_limits *l, const json_t *set, struct err *err);

#endif
