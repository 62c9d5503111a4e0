/*
 * limits: every bound on what peers may send or make us keep, in one table with its default.
 *
 * A limit is a setting `limits.NAME` (core/config adds the rows from this table), so each has a
 * name, a default, a range and a line of help. base/ and xmpp/ take them as plain values.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, default, lowest, highest, help */
#define LIMITS_TABLE(X) \
	X(xml_depth, 64, 8, 1024, "Elements within elements in a stanza") \
	X(xml_attributes, 64, 8, 1024, "Attributes of an element") \
	X(xml_namespaces, 64, 8, 1024, "Namespace declarations of an element") \
	X(xml_token_bytes, 65536, 1024, 16777216, "One tag, attribute value or run of markup") \
	X(stanza_bytes, 262144, 10000, 16777216, "A stanza of an authenticated client (RFC 6120 §13.12 asks for 10000 at least)") \
	X(stanza_bytes_unauthenticated, 16384, 4096, 262144, "An element before authentication") \
	X(stanza_memory_factor, 8, 2, 64, "Memory a stanza's tree may take, in multiples of stanza_bytes") \
	X(login_seconds, 20, 1, 600, "TLS, authentication and binding together") \
	X(connections, 100000, 1, 10000000, "Client connections in all") \
	X(connections_per_address, 20000, 1, 1000000, "Connections from one address (an IPv6 /64 counts as one)") \
	X(unauthenticated_per_address, 4096, 1, 1000000, "Connections from one address that have not authenticated yet") \
	X(http_head_bytes, 8192, 1024, 65536, "The head of an HTTP request") \
	X(http_head_seconds, 10, 1, 600, "From its first byte to its last; bodies and downloads may begin as slowly, then a byte a millisecond is due") \
	X(http_idle_seconds, 60, 1, 3600, "An HTTPS connection without a request") \
	X(http_bodies_bytes, 67108864, 1048576, 17179869184, "Bodies of requests of BOSH and the API that have not come to their end, all together; for more the one that began first is refused") \
	X(tokens_per_person, 20, 1, 1000, "Tokens of the API that a person may have at a time") \
	X(refusal_sources, 1000, 1, 1000000, "Addresses and persons whose refused attempts are recorded apart; of further ones together") \
	X(audit_detail_bytes, 131072, 4096, 16777216, "What an audit record says of an action beyond who and what; more is cut, and said by its hash") \
	X(approvals_waiting, 1000, 1, 100000, "Requests that wait for a second person (compliance.four_eyes)") \
	X(api_body_bytes, 262144, 4096, 16777216, "The body of a request of the API") \
	X(api_at_once, 6, 1, 64, "Requests of the API that are worked on at a time, each with connections of its own to PostgreSQL") \
	X(api_per_token, 4, 1, 64, "Of these, with the same token; or without one, for the description") \
	X(api_waiting, 64, 1, 10000, "Requests of the API that wait for their turn; further ones are told to come later") \
	X(bosh_body_bytes, 278528, 4096, 16777216, "The body of a BOSH request (XEP-0124); each stanza in it has its own limit") \
	X(bosh_wait_seconds, 60, 1, 600, "How long such a request waits for an answer") \
	X(bosh_inactivity_seconds, 60, 1, 600, "How long a BOSH session goes without one") \
	X(bosh_pause_seconds, 120, 1, 3600, "The same when the client has said so") \
	X(bosh_polling_seconds, 2, 1, 60, "Between two empty requests of a client that never waits") \
	X(auth_tries, 3, 1, 10, "Authentications tried on one stream (RFC 6120 §6.4.5)") \
	X(auth_failures_per_account, 5, 1, 1000, "Failures a minute for an account from one address, before it is throttled") \
	X(auth_failures_per_address, 60, 1, 100000, "Failures a minute from one address, before it is throttled") \
	X(user_agent_bytes, 128, 16, 1024, "The name of a client's software or device, which is cut (XEP-0388)") \
	X(devices_per_account, 50, 1, 1000, "Devices remembered for an account; the longest unused goes") \
	X(device_passwords, 10, 1, 16, "Passwords of devices that an account may have") \
	X(second_factor_steps, 1, 0, 10, "Steps of 30 seconds before and behind now at which a one-time code is good (RFC 6238 §5.2)") \
	X(second_factor_failures, 10, 1, 1000, "Wrong one-time codes for an account within an hour, from wherever, before none is taken for its rest") \
	X(second_factor_seconds, 120, 10, 600, "How long a login waits for its one-time code") \
	X(sessions_per_account, 20, 1, 1000, "Bound resources of an account, detached ones included") \
	X(stanzas_per_second, 1000, 10, 1000000, "Stanzas without a body that a client may send; above it is read more slowly") \
	X(stanzas_burst, 5000, 10, 10000000, "The same at once, after a pause") \
	X(lane_stanzas, 64, 4, 10000, "Stanzas of one session on their way to the archive before its socket is paused") \
	X(lane_bytes, 1048576, 16384, 67108864, "The same in bytes; one stanza always fits") \
	X(unrecorded_iq_bytes, 4096, 0, 65536, "Names and values in an IQ between clients that passes unrecorded, as a ping, discovery, a version or a time") \
	X(unrecorded_presence_bytes, 1024, 0, 65536, "Names and values in presence that passes unrecorded: how somebody is there, and what their client can do") \
	X(output_bytes, 4194304, 65536, 268435456, "Bytes waiting for a peer that does not read, before it is closed") \
	X(sm_queue_stanzas, 2000, 10, 100000, "Unacknowledged stanzas kept for a session (XEP-0198)") \
	X(sm_queue_bytes, 4194304, 65536, 268435456, "The same in bytes") \
	X(held_stanzas, 500, 1, 100000, "Stanzas held back for an inactive client (XEP-0352); when there are more all are sent") \
	X(held_bytes, 1048576, 16384, 67108864, "The same in bytes") \
	X(detached_per_account, 8, 1, 1000, "Detached sessions kept for an account") \
	X(inbox_stanzas, 4096, 16, 100000, "Stanzas waiting for a user whose state is being read") \
	X(inbox_bytes, 16777216, 65536, 1073741824, "The same in bytes") \
	X(roster_items, 2000, 10, 100000, "Items in a roster") \
	X(roster_groups, 32, 1, 256, "Groups of a roster item") \
	X(roster_name_bytes, 1023, 64, 8192, "A roster item's name, or a group's") \
	X(directed_presence, 500, 10, 100000, "Addresses a session has sent directed presence to") \
	X(subscription_requests, 500, 10, 100000, "Subscription requests kept for a user") \
	X(blocked_items, 1000, 10, 100000, "Addresses in an account's block list (XEP-0191)") \
	X(pair_messages_per_second, 20000, 1, 1000000, "Messages that an account may send to another") \
	X(pair_burst, 100000, 10, 10000000, "The same at once, after a pause") \
	X(pairs_tracked, 64, 1, 100000, "Addresses for which that is counted, for each account") \
	X(subscriptions_per_minute, 1000, 1, 100000, "Subscription requests an account may send in a minute") \
	X(subscriptions_per_day, 10000, 1, 1000000, "The same in a day") \
	X(password_changes, 10, 1, 1000, "Times an hour that the user of an account may change its password") \
	X(registrations_per_address, 1000, 1, 10000, "Attempts a minute from one address to register an account") \
	X(presence_bytes, 16384, 1024, 262144, "A presence stanza") \
	X(components, 256, 1, 10000, "Domains of components that `chancery component` adds") \
	X(component_privileges, 64, 1, 1000, "Privileges of one component (XEP-0356), each namespace of IQs counts") \
	X(component_requests, 1000, 1, 100000, "Requests in the name of users that a component waits for; more are refused") \
	X(component_stanzas_per_second, 5000, 10, 1000000, "Stanzas without a body that a component may send; above it is read more slowly") \
	X(component_stanzas_burst, 20000, 10, 10000000, "The same at once, after a pause") \
	X(component_kept_stanzas, 10000, 10, 1000000, "Stanzas that wait for a domain of a component that is down, where they are kept; more are refused") \
	X(component_kept_bytes, 33554432, 65536, 1073741824, "The same in bytes") \
	X(gateway_rules, 100, 1, 10000, "Rules of one gateway: groups of the organisation that may use it, or may not") \
	X(gateway_users, 100000, 1, 10000000, "Registrations with one gateway, and credentials") \
	X(gateway_values, 100000, 1, 10000000, "Values that the program of a gateway keeps here") \
	X(gateway_messages_per_minute, 600, 1, 1000000, "Messages that an account may send to one public network, where no rule of the gateway says otherwise") \
	X(component_queue_bytes, 4194304, 65536, 268435456, "Bytes waiting for a component that does not read; more is refused") \
	X(file_bytes, 104857600, 1024, 2147483647, "A file, on whatever path (libclamav takes no more than 2 GiB)") \
	X(file_quota_bytes, 1073741824, 0, 1099511627776, "Files that an account has uploaded and that are still kept") \
	X(file_slots, 50, 1, 10000, "Upload slots of an account that nothing has been put into yet") \
	X(file_slot_seconds, 300, 10, 86400, "How long such a slot waits for its PUT, from the first byte to the last as well, longer for large files") \
	X(file_lookups, 1000, 1, 1000000, "Uploaded files and slots that HTTP requests look for in the database at a time; further ones are told to come later") \
	X(file_transfers, 10, 1, 1000, "In-band transfers of an account at a time") \
	X(file_idle_seconds, 120, 1, 86400, "An in-band transfer in which nothing moves") \
	X(file_pace_bytes, 65536, 1, 1073741824, "Of a file over SOCKS5 in file_idle_seconds at least, to the proxy and from it, or the rest of it") \
	X(file_offer_seconds, 900, 1, 86400, "An offered file that nobody takes or sends") \
	X(proxy_waiting, 2000, 2, 1000000, "Connections to listen.proxy65 whose bytestream nobody has activated yet; the oldest goes") \
	X(proxy_waiting_per_address, 500, 2, 1000000, "Of these, from one address (an IPv6 /64 counts as one)") \
	X(stanza_files, 16, 1, 1000, "Files inside one stanza: pictures, Bits of Binary, data: URIs") \
	X(stanza_file_seconds, 10, 1, 3600, "From such a stanza to the verdict on all files in it: what its sender sends meanwhile waits") \
	X(fetches, 32, 1, 1000, "Files that are fetched from other servers at a time (files.links: fetch)") \
	X(fetches_per_sender, 4, 1, 1000, "Of these, by one sender: an account, or all of another server or component") \
	X(fetches_waiting, 200, 0, 10000, "Files that wait to be fetched; more are refused") \
	X(fetch_seconds, 30, 1, 3600, "From a stanza to the last byte of all files fetched for it: what its sender sends meanwhile waits") \
	X(fetch_seconds_remote, 5, 1, 3600, "The same for a stanza of another server or component: what comes behind it, of whomever, waits") \
	X(fetch_redirects, 5, 0, 50, "Times that the address of such a file may lead to another") \
	X(fetch_quota_bytes, 10737418240, 0, 1099511627776, "Files fetched for one other server or component that are still kept") \
	X(fetch_owner_quota_bytes, 1073741824, 0, 1099511627776, "Of these, for one of its users") \
	X(spool_bytes, 4294967296, 1048576, 1099511627776, "Files being collected, all together, by what was announced") \
	X(scans_waiting, 1000, 1, 100000, "Files waiting to be scanned") \
	X(scans_at_once, 16, 1, 256, "Files with the scanner at a time; it has files.workers of them at work") \
	X(scan_seconds, 120, 1, 3600, "From the end of a file to its verdict") \
	X(scan_memory, 4294967296, 268435456, 1099511627776, "Memory that a worker of the scanner may take above the signatures, all of them share these") \
	X(rescans_per_minute, 600, 1, 100000, "Kept files that are scanned again in a minute after signatures have changed") \
	X(archive_bytes, 1073741824, 1048576, 17179869184, "What an archive has in all, unpacked; more cannot be scanned") \
	X(archive_members, 10000, 1, 1000000, "Files in an archive, those of archives in it included") \
	X(archive_depth, 16, 1, 64, "Archives in archives") \
	X(archive_ratio, 250, 10, 10000, "Unpacked bytes for a byte of an archive, above 1 MiB in all") \
	X(s2s_streams, 4000, 2, 1000000, "Streams with other servers in all; those that nobody has authenticated on are half of them at most, the oldest goes") \
	X(s2s_streams_per_partner, 16, 1, 1000, "Authenticated streams from one domain; the oldest goes for a new one") \
	X(s2s_handshakes, 1, 1, 64, "TLS handshakes with other servers that are worked on at a time for each reactor, on threads beside it; others wait") \
	X(s2s_queue_stanzas, 5000, 10, 1000000, "Stanzas on their way to one remote domain; more are refused") \
	X(s2s_queue_bytes, 8388608, 65536, 1073741824, "The same in bytes") \
	X(s2s_stanzas_per_second, 5000, 10, 1000000, "Stanzas without a body that a partner's stream may send; above it is read more slowly") \
	X(s2s_stanzas_burst, 20000, 10, 10000000, "The same at once, after a pause") \
	X(s2s_lane_stanzas, 1000, 4, 100000, "Stanzas from one stream on their way to the archive before its socket is paused") \
	X(partners, 10000, 1, 1000000, "Domains that are allowed") \
	X(partner_proposals, 100, 1, 10000, "Changes of partners that wait for a second administrator") \
	X(partner_pins, 16, 1, 256, "Keys pinned for one of them") \
	X(partner_who, 1000, 1, 100000, "Users and groups named for one of them") \
	X(partner_ca_bytes, 65536, 1024, 1048576, "The certificates of a CA of its own for one of them") \
	X(partner_refusals, 1000, 10, 100000, "Refused domains that are remembered for reports, for a day each; more are only counted") \
	X(partner_rates, 10000, 100, 1000000, "Users whose rate with a partner is counted at a time") \
	X(contact_clients, 1000, 0, 1000000, "Clients of one account's contacts at other servers whose features are remembered, for events (XEP-0163)") \
	X(dns_questions, 4000, 10, 100000, "Questions to name servers at a time; four are asked for each domain that is connected to") \
	X(vcard_bytes, 262144, 1024, 16777216, "A vCard with its photo (XEP-0054)") \
	X(private_bytes, 262144, 1024, 16777216, "Private XML of an account in all (XEP-0049)") \
	X(private_elements, 100, 1, 10000, "Elements of private XML of an account") \
	X(bookmarks, 500, 1, 10000, "Bookmarks that a client of the old kind may set at once (XEP-0048)") \
	X(caps_cached, 2000, 10, 1000000, "Verified sets of features kept for clients' capabilities (XEP-0115, XEP-0390)") \
	X(caps_bytes, 32768, 1024, 262144, "The features of one client, beyond which they are not kept") \
	X(pep_nodes, 500, 1, 100000, "Nodes of an account (XEP-0163)") \
	X(pep_items, 1000, 1, 100000, "Items of a node") \
	X(pep_item_bytes, 262144, 1024, 16777216, "An item's payload") \
	X(pep_bytes, 16777216, 65536, 1073741824, "Items of an account in all") \
	X(pep_name_bytes, 1024, 64, 2048, "The name of a node, the id of an item") \
	X(pep_members, 500, 1, 100000, "Members or roster groups that may see a node") \
	X(pep_subscriptions, 500, 1, 100000, "Explicit subscriptions of a node") \
	X(pep_page_bytes, 1048576, 16384, 67108864, "Items returned at once") \
	X(pep_last_items, 500, 10, 100000, "Last items sent to a client that comes") \
	X(pep_last_bytes, 524288, 16384, 67108864, "The same in bytes") \
	X(pubsub_nodes, 100, 0, 1000000, "Nodes that one user may create at a publish-subscribe service (XEP-0060)") \
	X(pubsub_all_nodes, 100000, 1, 10000000, "Nodes of a service in all") \
	X(pubsub_items, 1000, 1, 100000, "Items of a node of a service") \
	X(pubsub_item_bytes, 262144, 1024, 16777216, "The payload of one of them") \
	X(pubsub_bytes, 8388608, 65536, 1073741824, "All items of a node of a service") \
	X(pubsub_members, 2000, 1, 100000, "Affiliations with a node of a service") \
	X(pubsub_subscriptions, 10000, 1, 1000000, "Subscriptions of a node of a service") \
	X(pubsub_subscribed, 1000, 1, 1000000, "Subscriptions of one user at a service") \
	X(pubsub_addresses, 20, 1, 1000, "Addresses of one user that are subscribed to the same node, there and at accounts") \
	X(pubsub_page, 500, 1, 10000, "Nodes that a service lists at once") \
	X(pubsub_questions, 100, 1, 10000, "Subscription requests that a client is asked to decide when it comes") \
	X(push_services, 10, 1, 1000, "Push services that an account may enable (XEP-0357)") \
	X(push_bytes, 4096, 256, 65536, "Node and options of one of them") \
	X(push_waiting, 5000, 1, 1000000, "Notifications without an answer in all; more wait for push.pause") \
	X(archive_waiting, 100000, 100, 10000000, "Messages waiting for their commit in all") \
	X(archive_waiting_bytes, 268435456, 1048576, 17179869184, "The same in bytes") \
	X(jobs_waiting, 20000, 100, 10000000, "Database jobs waiting") \
	X(history_page, 250, 10, 1000, "Messages in a page of a user's history, and ids asked for at once (XEP-0313)") \
	X(history_page_default, 50, 1, 1000, "The same when the client does not say how many it wants") \
	X(history_page_bytes, 1048576, 65536, 67108864, "Bytes of messages in a page; one message always fits") \
	X(history_prefs, 500, 10, 10000, "Addresses in a list of archiving preferences (XEP-0441)") \
	X(history_retract_depth, 1000, 10, 100000, "Messages of its sender among which a retracted one is looked for (XEP-0424)") \
	X(offline_page, 100, 1, 1000, "Messages read from the record at once when a user comes back") \
	X(questions, 20000, 100, 10000000, "IQs of the server's own that wait for an answer, on each reactor") \
	X(users_idle, 20000, 0, 10000000, "Users kept in memory without a session") \
	X(exports_at_once, 2, 1, 16, "Exports that are made at a time") \
	X(holds, 1000, 1, 100000, "Legal holds in force at a time") \
	X(retention_per_second, 1000, 1, 100000, "Records that expire a second, at most, while a run of retention is under way") \
	X(retention_pack_ms, 2000, 100, 60000, "Milliseconds for which a month of the record may be closed while the room of rows that have gone is given back") \
	X(exports_waiting, 100, 1, 10000, "Exports that wait or run; more are refused") \
	X(export_bytes, 68719476736, 65536, 1099511627776, "A bundle; an export that would be larger fails") \
	X(export_files, 200000, 10, 200000, "Files in a bundle; the same") \
	X(export_records, 10000000, 1, 1000000000, "Records in a bundle; the same") \
	X(export_seconds, 43200, 1, 2592000, "How long one run of an export may take") \
	X(export_memory, 1073741824, 134217728, 1099511627776, "Memory (addresses) that the program which makes one may take") \
	X(verifications_at_once, 1, 1, 16, "Verifications of the record (archive verify) that the server works on at a time; more are refused") \
	X(siem_events, 100000, 100, 10000000, "Events that are not in the record, waiting for the SIEM (siem.address)") \
	X(control_clients, 16, 1, 256, "Connections to the control socket") \
	X(announcement_bytes, 16384, 64, 131072, "Text of an announcement") \
	X(offline_headers, 1000, 10, 100000, "Waiting messages of which a client is told at once (XEP-0013)") \
	X(offline_items, 1000, 1, 100000, "Waiting messages that it may name in one request") \
	X(commands_open, 5, 1, 100, "Ad-hoc commands (XEP-0050) a client may have begun and not finished; the oldest ends for a new one") \
	X(command_seconds, 600, 1, 86400, "Time between two steps of a command, after which it has ended") \
	X(invitations_open, 50, 1, 100000, "Invitations of an account that are neither used nor over (XEP-0401)") \
	X(invitation_uses, 1000, 1, 1000000, "Times that one invitation can be used") \
	X(room_occupants, 5000, 2, 100000, "Occupants of a room (XEP-0045); owners may set less") \
	X(room_seats, 20, 1, 1000, "Clients of a person in a room") \
	X(room_history, 100, 0, 1000, "Messages shown to who enters a room, at most") \
	X(room_nick_bytes, 256, 16, 1023, "A nickname in a room") \
	X(room_text_bytes, 4096, 64, 65536, "A room's subject, description, and other texts") \
	X(room_affiliations, 5000, 10, 100000, "People of whom a room keeps what they are to it, or a nickname") \
	X(room_items, 200, 1, 10000, "Changes of roles and affiliations of a room at once") \
	X(room_invitations, 200, 1, 10000, "Invitations that a room remembers, so that they can be declined; the oldest goes") \
	X(room_invitations_per_minute, 60, 1, 10000, "Invitations of a person to a room in a minute") \
	X(room_invitation_again_seconds, 10, 0, 86400, "Nobody is invited to a room by the same person again before that") \
	X(room_voice_requests, 5, 1, 1000, "Requests for voice of an occupant in a minute") \
	X(room_registration_requests, 20, 1, 10000, "Requests to become a member of a room, of which its admins are told, in an hour") \
	X(rooms_per_creator, 1000, 1, 1000000, "Rooms that there are of one creator") \
	X(rooms_per_minute, 500, 1, 100000, "Rooms that one person may make in a minute") \
	X(room_waiting, 1000, 10, 100000, "Stanzas that wait in a room for somebody's entering, leaving or change") \
	X(room_messages_per_second, 500, 1, 1000000, "Messages of an occupant of a room") \
	X(room_messages_burst, 5000, 1, 10000000, "The same at once, after a pause") \
	X(room_all_messages_per_second, 5000, 1, 1000000, "Messages in a room") \
	X(room_all_messages_burst, 20000, 1, 10000000, "The same at once, after a pause") \
	X(room_joins_per_second, 200, 1, 1000000, "Times that somebody enters a room") \
	X(room_list, 200, 1, 1000, "Rooms in a page of a list of rooms, or of what a search found (XEP-0433)") \
	X(room_vcard_bytes, 131072, 1024, 16777216, "The vCard of a room, which is its picture (XEP-0486)") \
	X(room_joins_burst, 5000, 1, 10000000, "The same at once, after a pause") \
	X(search_page, 1000, 1, 100000, "Records that a search shows at once; there is a cursor for more") \
	X(search_seconds, 30, 1, 3600, "How long a search may take") \
	X(search_words, 32, 1, 1000, "Words that it looks for") \
	X(search_word_bytes, 4096, 64, 65536, "The same in bytes") \
	X(search_names, 100, 1, 1000, "People, rooms and domains that a search names, and addresses that a name stands for") \
	X(search_events, 100000, 1000, 10000000, "Times that people have entered or left rooms, looked through for who could read what") \
	X(search_context, 100, 1, 1000, "Messages shown around a record, before and behind it each") \
	X(desk_statements, 0, 0, 64, "Heavy statements of searches and exports that PostgreSQL works on at a time, so that it has processors for messages; 0: half as many as this machine has processors") \
	X(desk_wait_ms, 2000, 10, 60000, "Milliseconds for which such a statement waits for its turn; then it goes on without") \
	X(desk_reads, 4, 1, 1000, "Pages that such a statement asks the disk for at a time: each commit of the archive waits behind them") \
	X(account_groups, 64, 1, 1000, "Groups of the organisation an account may be in")

struct limits {
#define LIMITS_FIELD(name, def, min, max, help) uint64_t name;
	LIMITS_TABLE(LIMITS_FIELD)
#undef LIMITS_FIELD
};

extern const struct limits limits_default;

/* a + b and a * b; false when they do not fit. */
static inline bool
limits_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

static inline bool
limits_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

#endif
