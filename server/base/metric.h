/*
 * metric: counters, gauges and histograms, one fixed table (metric.c), updated lock-free from any
 * thread and printed in the Prometheus text format. Adding one is a line in METRIC_TABLE.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdint.h>

struct buf;

/* id, kind (COUNTER, GAUGE, HISTOGRAM in microseconds or plain units), name, help */
#define METRIC_TABLE(X) \
	X(EXPORTS_RUNNING, GAUGE, "chancery_exports_running", "Exports under way") \
	X(EXPORTS_DONE, COUNTER, "chancery_exports_done_total", "Exports finished") \
	X(EXPORTS_FAILED, COUNTER, "chancery_exports_failed_total", "Exports that failed") \
	X(EXPORTS_ALTERED, COUNTER, "chancery_exports_altered_total", "Records met by exports that do not have their leaf any more") \
	X(CONNECTIONS_OPENED, COUNTER, "chancery_connections_opened_total", "Connections accepted") \
	X(CONNECTIONS, GAUGE, "chancery_connections", "Connections open now") \
	X(CONNECTIONS_REFUSED, COUNTER, "chancery_connections_refused_total", "Connections closed by a limit") \
	X(HTTP_CONNECTIONS, GAUGE, "chancery_http_connections", "HTTPS connections open now, WebSockets not included") \
	X(HTTP_REQUESTS, COUNTER, "chancery_http_requests_total", "HTTP requests") \
	X(HTTP_BODIES, GAUGE, "chancery_http_bodies_bytes", "Bodies of HTTP requests in memory that have not come to their end") \
	X(HTTP_REFUSED, COUNTER, "chancery_http_refused_total", "HTTP requests refused: malformed, too big, too slow") \
	X(WEB_ORIGIN_REFUSED, COUNTER, "chancery_web_origin_refused_total", "Requests refused as a foreign page made them") \
	X(UPLOAD_SLOTS, COUNTER, "chancery_upload_slots_total", "Slots for uploads given (XEP-0363)") \
	X(UPLOADS, COUNTER, "chancery_uploads_total", "Files uploaded, scanned and kept") \
	X(UPLOADS_REFUSED, COUNTER, "chancery_uploads_refused_total", "Slots and uploads refused") \
	X(UPLOAD_LINKS_REFUSED, COUNTER, "chancery_upload_links_refused_total", "Stanzas refused for whom the file is for whose address is in them") \
	X(UPLOADS_OPEN, GAUGE, "chancery_uploads_open", "Uploads under way: being received or judged") \
	X(UPLOAD_BYTES, COUNTER, "chancery_upload_bytes_total", "Bytes received by uploads") \
	X(DOWNLOADS, COUNTER, "chancery_downloads_total", "Files and parts of files fetched") \
	X(DOWNLOAD_BYTES, COUNTER, "chancery_download_bytes_total", "Bytes that these are, by their heads") \
	X(DOWNLOADS_REFUSED, COUNTER, "chancery_downloads_refused_total", "Requests for files that are not there, not any more, or not now") \
	X(BOSH_SESSIONS, GAUGE, "chancery_bosh_sessions", "BOSH sessions open now (XEP-0124)") \
	X(BOSH_REFUSED, COUNTER, "chancery_bosh_refused_total", "BOSH requests that broke the rules") \
	X(BOSH_UNKNOWN, COUNTER, "chancery_bosh_unknown_total", "Of these, for sessions that do not exist") \
	X(WEBSOCKETS, COUNTER, "chancery_websockets_total", "WebSocket handshakes that succeeded (RFC 7395)") \
	X(WEBSOCKET_ERRORS, COUNTER, "chancery_websocket_errors_total", "WebSockets closed as they broke the protocol (RFC 6455)") \
	X(SESSIONS, GAUGE, "chancery_sessions", "Bound sessions, detached ones included") \
	X(SESSIONS_DETACHED, GAUGE, "chancery_sessions_detached", "Sessions waiting to be resumed") \
	X(SESSIONS_RESUMED, COUNTER, "chancery_sessions_resumed_total", "Sessions resumed (XEP-0198)") \
	X(HELD, COUNTER, "chancery_held_total", "Stanzas held back for inactive clients (XEP-0352)") \
	X(HELD_DROPPED, COUNTER, "chancery_held_dropped_total", "Of these, not sent as a newer one had replaced them") \
	X(COMPONENTS, GAUGE, "chancery_components", "Components connected") \
	X(COMPONENT_REFUSED, COUNTER, "chancery_component_refused_total", "Streams of components refused: the domain, the secret, too late") \
	X(COMPONENT_RETURNED, COUNTER, "chancery_component_returned_total", "Stanzas for components that were down, of which their senders were told") \
	X(COMPONENT_KEPT, GAUGE, "chancery_component_kept", "Stanzas that wait for components, or for their acknowledgement") \
	X(COMPONENT_DELEGATED, COUNTER, "chancery_component_delegated_total", "Stanzas that components sent in the name of users (XEP-0356)") \
	X(COMPONENT_FULL, COUNTER, "chancery_component_full_total", "Stanzas refused as a component did not read") \
	X(COMPONENT_SILENT, COUNTER, "chancery_component_silent_total", "Streams of components, gateways among them, ended as they did not answer") \
	X(GATEWAYS_RUNNING, GAUGE, "chancery_networks_running", "Programs of gateways that run") \
	X(GATEWAY_RESTARTS, COUNTER, "chancery_networks_restarts_total", "Times that a gateway's program ended although it was wanted") \
	X(GATEWAYS_HUNG, COUNTER, "chancery_networks_hung_total", "Of these, programs that hung and were ended") \
	X(NETWORK_REFUSED, COUNTER, "chancery_networks_refused_total", "Stanzas to and from public networks that policy refused") \
	X(NETWORK_OUT, COUNTER, "chancery_networks_out_total", "Messages to public networks that policy let pass") \
	X(NETWORK_IN, COUNTER, "chancery_networks_in_total", "Messages from public networks that policy let pass") \
	X(CREDENTIALS_READ, COUNTER, "chancery_networks_credentials_read_total", "Times that a gateway was given a person's password, each recorded") \
	X(S2S_STREAMS_IN, GAUGE, "chancery_s2s_streams_in", "Streams from other servers that are ready") \
	X(S2S_STANZAS_IN, COUNTER, "chancery_s2s_stanzas_in_total", "Stanzas received from other servers") \
	X(S2S_REFUSED, COUNTER, "chancery_s2s_refused_total", "Streams with other servers refused: the domain, its certificate, its authentication") \
	X(S2S_STREAMS_OUT, GAUGE, "chancery_s2s_streams_out", "Streams to other servers that are ready") \
	X(S2S_STANZAS_OUT, COUNTER, "chancery_s2s_stanzas_out_total", "Stanzas written to other servers") \
	X(S2S_CONNECT_FAILED, COUNTER, "chancery_s2s_connect_failed_total", "Attempts to make a stream to another server that failed") \
	X(S2S_RETURNED, COUNTER, "chancery_s2s_returned_total", "Stanzas for other servers that could not be sent, of which their senders were told") \
	X(S2S_QUEUE_FULL, COUNTER, "chancery_s2s_queue_full_total", "Stanzas refused as too many waited for the same server") \
	X(CARBONS, COUNTER, "chancery_carbons_total", "Copies of messages for other clients of a user (XEP-0280)") \
	X(CARBONS_FORGED, COUNTER, "chancery_carbons_forged_total", "Messages that pretended to be such copies") \
	X(PUSH_SENT, COUNTER, "chancery_push_sent_total", "Notifications to push services (XEP-0357)") \
	X(PUSH_WAITING, GAUGE, "chancery_push_waiting", "Of these, not answered yet") \
	X(PUSH_LATER, COUNTER, "chancery_push_later_total", "Notifications put off as too many wait for an answer") \
	X(PUSH_AGAIN, COUNTER, "chancery_push_again_total", "Notifications that had been put off or not taken, sent after a pause") \
	X(PUSH_ERRORS, COUNTER, "chancery_push_errors_total", "Notifications answered with an error") \
	X(PUSH_SILENT, COUNTER, "chancery_push_silent_total", "Notifications that were not answered") \
	X(PUSH_DISABLED, COUNTER, "chancery_push_disabled_total", "Push services forgotten as they did not take notifications") \
	X(USERS_LOADED, GAUGE, "chancery_users_loaded", "Users held in memory") \
	X(PLACES_LOADED, GAUGE, "chancery_places_loaded", "Rooms and other addresses at services held in memory") \
	X(TLS_FAILED, COUNTER, "chancery_tls_failed_total", "TLS handshakes that failed") \
	X(AUTH_OK, COUNTER, "chancery_auth_ok_total", "Authentications that succeeded") \
	X(AUTH_FAILED, COUNTER, "chancery_auth_failed_total", "Authentications that failed") \
	X(AUTH_THROTTLED, COUNTER, "chancery_auth_throttled_total", "Authentications refused by throttling") \
	X(ACCESS_REFUSED, COUNTER, "chancery_access_refused_total", "Tokens of the API refused: unknown, expired, revoked, of a person who is disabled") \
	X(ACCESS_THROTTLED, COUNTER, "chancery_access_throttled_total", "Requests with a token not looked at, as there were too many wrong ones from there") \
	X(ACCESS_DENIED, COUNTER, "chancery_access_denied_total", "Requests refused as they are not for the role of who asks, or not for the token") \
	X(API_REQUESTS, COUNTER, "chancery_api_requests_total", "Requests of the API worked on") \
	X(API_REFUSED, COUNTER, "chancery_api_refused_total", "Requests of the API refused before that: no token, too long, too many, not JSON") \
	X(API_UNDER_WAY, GAUGE, "chancery_api_under_way", "Requests of the API that are waiting or worked on") \
	X(FAST_OK, COUNTER, "chancery_fast_ok_total", "Logins with a token (XEP-0484) that succeeded") \
	X(FAST_REFUSED, COUNTER, "chancery_fast_refused_total", "Tokens that were refused") \
	X(STANZAS_IN, COUNTER, "chancery_stanzas_in_total", "Stanzas received") \
	X(STANZAS_OUT, COUNTER, "chancery_stanzas_out_total", "Stanzas sent") \
	X(STREAM_ERRORS, COUNTER, "chancery_stream_errors_total", "Streams closed with a stream error by us") \
	X(STANZA_ERRORS, COUNTER, "chancery_stanza_errors_total", "Stanza errors returned by us") \
	X(SLOW_READERS, COUNTER, "chancery_slow_readers_total", "Streams closed because the peer does not read") \
	X(THROTTLED, COUNTER, "chancery_throttled_total", "Times a client sent more stanzas a second than it may and was read more slowly") \
	X(QUOTA_REFUSED, COUNTER, "chancery_quota_refused_total", "Requests refused because what is kept for an account is full") \
	X(RATE_REFUSED, COUNTER, "chancery_rate_refused_total", "Stanzas refused because there were too many of their kind") \
	X(PASS_REFUSED, COUNTER, "chancery_pass_refused_total", "Stanzas from and to other servers that their partner's entry does not let pass") \
	X(LABELS_STRIPPED, COUNTER, "chancery_labels_stripped_total", "Security labels taken out that only this server may set (XEP-0258)") \
	X(REGISTERED, COUNTER, "chancery_registered_total", "Accounts registered by their users (XEP-0077)") \
	X(INVITE_USED, COUNTER, "chancery_invitations_used_total", "Invitations redeemed, by registering or by a subscription (XEP-0401)") \
	X(INVITE_REFUSED, COUNTER, "chancery_invitations_refused_total", "Invitations shown that are unknown, used or over") \
	X(BLOCKED, COUNTER, "chancery_blocked_total", "Stanzas refused or dropped by a block list (XEP-0191)") \
	X(ABUSE_REPORTS, COUNTER, "chancery_abuse_reports_total", "Reports of abuse by users (XEP-0377)") \
	X(PROFILE_REFUSED, COUNTER, "chancery_profile_refused_total", "vCards, private XML and bookmarks refused: malformed, too big or too many") \
	X(CAPS_ASKED, COUNTER, "chancery_caps_asked_total", "Clients asked for their features (XEP-0115)") \
	X(CAPS_WRONG, COUNTER, "chancery_caps_wrong_total", "Answers missing, too long, or not fitting the announced hash") \
	X(CAPS_CACHED, GAUGE, "chancery_caps_cached", "Verified sets of features kept") \
	X(PEP_PUBLISHED, COUNTER, "chancery_pep_published_total", "Items published at accounts and services (XEP-0060, XEP-0163)") \
	X(PEP_TOLD, COUNTER, "chancery_pep_told_total", "Events given to sessions") \
	X(PUBSUB_TOLD, COUNTER, "chancery_pubsub_told_total", "Events of services sent to subscribers (XEP-0060)") \
	X(ARCHIVE_RECORDS, COUNTER, "chancery_archive_records_total", "Records committed") \
	X(ARCHIVE_REQUESTS, COUNTER, "chancery_archive_requests_total", "Requests and answers between clients (IQ) that were given to the archive") \
	X(ARCHIVE_PRESENCE, COUNTER, "chancery_archive_presence_total", "Presence with words in it that was given to the archive") \
	X(ARCHIVE_REFUSED, COUNTER, "chancery_archive_refused_total", "Messages returned because the archive did not take them") \
	X(ARCHIVE_FAILURES, COUNTER, "chancery_archive_failures_total", "Batches that failed or had an unknown outcome") \
	X(ARCHIVE_WAITING, GAUGE, "chancery_archive_waiting", "Messages waiting for their commit") \
	X(ARCHIVE_UP, GAUGE, "chancery_archive_up", "1 while the archive takes records") \
	X(ARCHIVE_BATCH, HISTOGRAM, "chancery_archive_batch_records", "Records per batch") \
	X(LOG_SIZE, GAUGE, "chancery_log_size", "Records that the newest signed checkpoint covers") \
	X(LOG_LAG, GAUGE, "chancery_log_uncovered", "Records behind it") \
	X(LOG_CHECKPOINTS, COUNTER, "chancery_log_checkpoints_total", "Checkpoints signed and stored") \
	X(LOG_READ, COUNTER, "chancery_log_read_total", "Leaves that the log's keeper read from the record, as it had not heard of them in time") \
	X(LOG_KEY, GAUGE, "chancery_log_key", "1 while there is the key that signs checkpoints") \
	X(LOG_TROUBLES, GAUGE, "chancery_log_troubles", "What is wrong with the log at the moment, counted (chancery status says what)") \
	X(LOG_FINDINGS, GAUGE, "chancery_log_findings", "What the server's last look at the record has found that is not as it was recorded") \
	X(LOG_SINK_FAILED, COUNTER, "chancery_log_sink_failed_total", "Attempts that failed to take checkpoints out of the database's reach") \
	X(ARCHIVE_COMMIT, HISTOGRAM, "chancery_archive_commit_microseconds", "Time to write and commit a batch") \
	X(SEARCH_LAG, GAUGE, "chancery_search_lag_seconds", "How far the index for searches is behind the record") \
	X(SEARCH_INDEXED, COUNTER, "chancery_search_indexed_total", "Records added to that index") \
	X(SEARCH_FAILURES, COUNTER, "chancery_search_failures_total", "Times that this failed; it is tried again") \
	X(SEARCHES, COUNTER, "chancery_searches_total", "Searches in the record, and records shown") \
	X(SEARCHES_REFUSED, COUNTER, "chancery_searches_refused_total", "Of these, refused, or ended by a limit") \
	X(DESK_TURN, HISTOGRAM, "chancery_desk_turn_microseconds", "Time for which searches wait for their turn at the database (limits.desk_statements)") \
	X(DESK_TURNS_MISSED, COUNTER, "chancery_desk_turns_missed_total", "Times that it was not given within limits.desk_wait_ms") \
	X(SIEM_CONNECTED, GAUGE, "chancery_siem_connected", "1 while the SIEM takes messages (siem.address)") \
	X(SIEM_SENT, COUNTER, "chancery_siem_sent_total", "Messages that it has taken") \
	X(SIEM_WAITING, GAUGE, "chancery_siem_waiting", "Audit records that wait for it, as far as was looked") \
	X(SIEM_LOST, COUNTER, "chancery_siem_lost_total", "Events beside the record that found no room (limits.siem_events)") \
	X(SIEM_SPOOLED, COUNTER, "chancery_siem_spooled_total", "Events that were put into siem.spool while the database was away") \
	X(SIEM_FAILURES, COUNTER, "chancery_siem_failures_total", "Attempts to send that failed; they are repeated") \
	X(ERASED_RECORDS, COUNTER, "chancery_erased_records_total", "Records whose content was erased") \
	X(RETENTION_ERASED, COUNTER, "chancery_retention_erased_total", "Records that expired and were erased") \
	X(RETENTION_LOOKED, COUNTER, "chancery_retention_looked_total", "Records that runs of retention have looked at") \
	X(RETENTION_DROPPED, COUNTER, "chancery_retention_dropped_total", "Empty rows of erased records that have left the database") \
	X(RETENTION_HELD, GAUGE, "chancery_retention_held", "Records that had expired and stayed as a hold covers them, in the last run") \
	X(RETENTION_FAILURES, COUNTER, "chancery_retention_failures_total", "Times that a run had to stop, and went on later") \
	X(AUDIT_RECORDS, COUNTER, "chancery_audit_records_total", "Actions recorded before they happened") \
	X(AUDIT_REFUSED, COUNTER, "chancery_audit_refused_total", "Actions that did not happen as they could not be recorded") \
	X(LANE_DEPTH, HISTOGRAM, "chancery_lane_depth", "Depth of a session's lane when a stanza enters") \
	X(LANE_FULL, COUNTER, "chancery_lane_full_total", "Times a full lane paused its reader") \
	X(QUESTIONS_REFUSED, COUNTER, "chancery_questions_refused_total", "IQs of the server's own not sent because too many wait") \
	X(JOBS, COUNTER, "chancery_jobs_total", "Database jobs run") \
	X(JOBS_FAILED, COUNTER, "chancery_jobs_failed_total", "Database jobs failed") \
	X(JOBS_WAITING, GAUGE, "chancery_jobs_waiting", "Database jobs waiting") \
	X(ROOMS_CREATED, COUNTER, "chancery_rooms_created_total", "Rooms created (XEP-0045)") \
	X(ROOMS_DESTROYED, COUNTER, "chancery_rooms_destroyed_total", "Rooms destroyed by their owners") \
	X(ROOM_CHANGES, COUNTER, "chancery_room_changes_total", "Changes of roles, affiliations and configurations of rooms") \
	X(ROOM_CHANGES_REFUSED, COUNTER, "chancery_room_changes_refused_total", "Such changes that were refused") \
	X(ROOM_INVITATIONS, COUNTER, "chancery_room_invitations_total", "Invitations passed on by rooms") \
	X(ROOM_INVITATIONS_REFUSED, COUNTER, "chancery_room_invitations_refused_total", "Invitations that were refused") \
	X(ROOM_SEATS, GAUGE, "chancery_room_seats", "Clients in rooms") \
	X(ROOM_ENTERED, COUNTER, "chancery_room_entered_total", "Times a client has entered a room") \
	X(ROOM_LEFT, COUNTER, "chancery_room_left_total", "Times a client has left a room") \
	X(ROOM_LOST, COUNTER, "chancery_room_lost_total", "Of these, as it could not be reached") \
	X(ROOM_REFUSED, COUNTER, "chancery_room_refused_total", "Times a client was not let into a room") \
	X(ROOM_MESSAGES, COUNTER, "chancery_room_messages_total", "Messages told in rooms") \
	X(ROOM_COPIES, COUNTER, "chancery_room_copies_total", "Copies of these for those inside") \
	X(ENCRYPTION_REFUSED, COUNTER, "chancery_encryption_refused_total", "Encrypted messages and keys refused by policy") \
	X(ENCRYPTION_NOTED, COUNTER, "chancery_encryption_noted_total", "Encrypted messages and keys that passed and were noted") \
	X(FILECHECK_REFUSED, COUNTER, "chancery_filecheck_refused_total", "Stanzas refused for a file inside them, or for an address of one") \
	X(FETCHES, COUNTER, "chancery_fetches_total", "Files fetched from other servers (files.links: fetch), before their scan") \
	X(FETCHES_FAILED, COUNTER, "chancery_fetches_failed_total", "Files that could not be fetched, or that nobody may fetch") \
	X(FETCHES_INWARD, COUNTER, "chancery_fetches_inward_total", "Files whose address would have led to a place that is not of the public internet") \
	X(FETCHES_OPEN, GAUGE, "chancery_fetches_open", "Files being fetched, or waiting for that") \
	X(FETCH_BYTES, COUNTER, "chancery_fetch_bytes_total", "Bytes of files fetched from other servers") \
	X(FILECHECK_FETCHED, COUNTER, "chancery_filecheck_fetched_total", "Stanzas in which addresses of files on other servers became ours") \
	X(FILECHECK_STRIPPED, COUNTER, "chancery_filecheck_stripped_total", "Stanzas that addresses of files on other servers were taken out of") \
	X(S2S_RESUMED, COUNTER, "chancery_s2s_resumed_total", "Streams with other servers resumed (XEP-0198)") \
	X(HANDSHAKES_WAITING, GAUGE, "chancery_handshakes_waiting", "TLS handshakes with other servers that wait for a thread to work on them (limits.s2s_handshakes)") \
	X(S2S_OUTBOX, GAUGE, "chancery_s2s_outbox", "Recorded messages on their way to other servers, neither taken nor returned yet") \
	X(PARTNERS, GAUGE, "chancery_partners", "Domains that are allowed, expired ones included") \
	X(PARTNERS_EXPIRING, GAUGE, "chancery_partners_expiring", "Of these, expiring within federation.warn") \
	X(PARTNERS_EXPIRED, GAUGE, "chancery_partners_expired", "Of these, expired") \
	X(PARTNER_REFUSED_IN, COUNTER, "chancery_partner_refused_in_total", "Refused: streams and stanzas from other domains") \
	X(PARTNER_REFUSED_OUT, COUNTER, "chancery_partner_refused_out_total", "Refused: streams and stanzas to other domains") \
	X(PARTNER_REFUSED_UNNAMED, COUNTER, "chancery_partner_refused_unnamed_total", "Of these, too many to be remembered by name") \
	X(DNS_QUESTIONS, COUNTER, "chancery_dns_questions_total", "Names asked for on behalf of other servers' domains") \
	X(DNS_FAILED, COUNTER, "chancery_dns_failed_total", "Of these, not answered, not in time, or too many at once") \
	X(DNS_BOGUS, COUNTER, "chancery_dns_bogus_total", "Of these, with an answer that DNSSEC shows to be a lie") \
	X(SCANS_CLEAN, COUNTER, "chancery_scans_clean_total", "Files scanned whole and found clean") \
	X(SCANS_INFECTED, COUNTER, "chancery_scans_infected_total", "Files found infected") \
	X(SCANS_UNSCANNABLE, COUNTER, "chancery_scans_unscannable_total", "Files that could not be scanned whole: encrypted, over a limit, damaged") \
	X(SCANS_ERROR, COUNTER, "chancery_scans_error_total", "Files that were not scanned: no scanner, out of time, too many waiting") \
	X(SCANS_WAITING, GAUGE, "chancery_scans_waiting", "Files waiting to be scanned") \
	X(SCANS_UNDER_WAY, GAUGE, "chancery_scans_under_way", "Files with the scanner") \
	X(SCAN_TIME, HISTOGRAM, "chancery_scan_microseconds", "Time from a file to its verdict, waiting included") \
	X(SCANNER_CONDITION, GAUGE, "chancery_scanner_condition", "0 off, 1 down, 2 without signatures, 3 with old ones, 4 up, 5 not needed yet") \
	X(SCANNER_STARTS, COUNTER, "chancery_scanner_starts_total", "Times the scanner was started") \
	X(SCANNER_BROKEN, COUNTER, "chancery_scanner_broken_total", "Times it ended by itself, fell silent or said what makes no sense") \
	X(SCANNER_LOST, COUNTER, "chancery_scanner_workers_lost_total", "Workers of it that crashed, hung or ran out of memory") \
	X(SIGNATURES, GAUGE, "chancery_signatures", "Virus signatures in force") \
	X(SIGNATURES_AGE, GAUGE, "chancery_signatures_age_seconds", "Age of the newest of them") \
	X(FILES_RESCANNED, COUNTER, "chancery_files_rescanned_total", "Kept files that were scanned again with newer signatures") \
	X(FILES_WITHDRAWN, COUNTER, "chancery_files_withdrawn_total", "Of all kept files, those that newer signatures found infected: people had them") \
	X(FILES_SWEPT, COUNTER, "chancery_files_swept_total", "Files of the vault that nothing referred to any more, removed") \
	X(FILES_DISK_FAILED, COUNTER, "chancery_files_disk_failed_total", "Files that could not be put into the vault or the quarantine") \
	X(TRANSFERS, GAUGE, "chancery_transfers", "In-band transfers offered or under way, at each end that is ours") \
	X(TRANSFERS_GIVEN, COUNTER, "chancery_transfers_given_total", "In-band transfers that were scanned and have reached their recipient") \
	X(TRANSFERS_REFUSED, COUNTER, "chancery_transfers_refused_total", "Offers of in-band transfers refused: by policy, or for a way past the server") \
	X(TRANSFERS_BROKEN, COUNTER, "chancery_transfers_broken_total", "In-band transfers that broke the rules, were cut short or stood still") \
	X(PROXY_CONNECTIONS, GAUGE, "chancery_proxy_connections", "Connections of SOCKS5 bytestreams (XEP-0065)") \
	X(PROXY_REFUSED, COUNTER, "chancery_proxy_refused_total", "Of these: no handshake, never activated, too many") \
	X(PROXY_BYTES, COUNTER, "chancery_proxy_bytes_total", "Bytes of files that came over them") \
	X(TURN, HISTOGRAM, "chancery_reactor_turn_microseconds", "Time of one reactor turn") \
	X(TURNS_SLOW, COUNTER, "chancery_reactor_slow_callbacks_total", "Callbacks over 50 ms")

enum metric {
#define METRIC_ID(id, kind, name, help) METRIC_##id,
	METRIC_TABLE(METRIC_ID)
#undef METRIC_ID
	METRIC_COUNT
};

/* Counters take n > 0; gauges any n. */
void metric_add(enum metric m, int64_t n);
void metric_set(enum metric m, int64_t v);
/* One observation of a histogram (power-of-two buckets). */
void metric_observe(enum metric m, uint64_t v);
int64_t metric_get(enum metric m);
/* A stream or stanza error by condition, so that each kind of trouble has a counter of its own:
 * chancery_errors_total{scope="stream",condition="…"}. Both are static text. */
void metric_error(const char *scope, const char *condition);
/* A file that was judged, by the way it came and the verdict: chancery_files_total{path="…",verdict="…"}. Static text. */
void metric_file(const char *path, const char *verdict);
/* All of them in Prometheus text format 0.0.4. */
void metric_print(struct buf *out);

#endif
