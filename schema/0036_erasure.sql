-- Erasure (GDPR article 17) and expiry: content, addresses and salt of records go, their leaf hashes stay (server/archive/ERASURE.md).
-- What goes is named by a record of kind 25, which is committed before; nothing else can be wiped. Holds beat all of it (0034).

-- The records of kind 25 that were carried out. One without a row here is carried out when the server sees it.
CREATE TABLE archive.erasure (
	record bigint PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	decision bigint,                -- the audit record of the decision behind it; NULL: none
	first_index bigint NOT NULL,    -- what it names lies between these
	last_index bigint NOT NULL,
	erased bigint NOT NULL,
	held bigint NOT NULL            -- named, and held by the time
);
CREATE INDEX erasure_span ON archive.erasure USING gist (int8range(first_index, last_index, '[]'));
CREATE INDEX erasure_decision ON archive.erasure (decision);
GRANT SELECT ON archive.erasure TO chancery_server, chancery_reader, chancery_auditor, chancery_retention;

-- Few of many.
CREATE INDEX record_erasure ON archive.record (id) WHERE kind = 25;
-- "Whose is this record?", of what goes with it.
CREATE INDEX history_hidden_record ON chancery.history_hidden (record);
CREATE INDEX history_retracted_by ON chancery.history_retracted (by_record);
CREATE INDEX upload_record ON chancery.upload (record) WHERE record IS NOT NULL;

-- An upload is part of the history, but for what is erased: that is done as the owner, by the function below.
CREATE OR REPLACE FUNCTION chancery.upload_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
	IF TG_OP = 'DELETE' AND current_user = 'chancery_owner' THEN
		RETURN OLD;
	END IF;
	RAISE EXCEPTION 'permission denied: an upload is part of the history' USING ERRCODE = 'insufficient_privilege';
END
$$;

-- The log indexes that the body of a record of kind 25 names: "erased: 3-17 20".
CREATE FUNCTION archive.erasure_names(body text) RETURNS TABLE (first bigint, last bigint)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT split_part(w, '-', 1)::bigint, coalesce(nullif(split_part(w, '-', 2), ''), w)::bigint
	FROM regexp_split_to_table(substr(body, 9), ' ') w
	WHERE body ~ '^erased: [0-9]{1,18}(-[0-9]{1,18})?( [0-9]{1,18}(-[0-9]{1,18})?)*$'
$$;

-- May a record of this kind be erased at all? What was done, and that something was erased, stays.
CREATE FUNCTION archive.is_erasable(kind smallint, type text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN kind NOT IN (24, 25) AND NOT (kind = 7 AND type IS NOT DISTINCT FROM 'audit');

-- Those of these that have to stay: what is held, and uploads whose content something that is held refers to.
CREATE FUNCTION archive.must_stay(ids bigint[]) RETURNS SETOF bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	others bigint[];
BEGIN
	RETURN QUERY SELECT h FROM archive.held(ids) h;
	others := ARRAY (SELECT DISTINCT o.record FROM chancery.upload u JOIN chancery.file_event o ON o.sha256 = u.sha256
		WHERE u.record = ANY (ids) AND o.record IS NOT NULL AND o.record <> u.record);
	IF cardinality(others) > 0 THEN
		others := ARRAY (SELECT h FROM archive.held(others) h);
		RETURN QUERY SELECT DISTINCT u.record FROM chancery.upload u JOIN chancery.file_event o ON o.sha256 = u.sha256
			WHERE u.record = ANY (ids) AND o.record = ANY (others) AND o.record <> u.record;
	END IF;
END
$$;

-- Those of these records that are there, are not erased yet, and can be; and whether they have to stay.
CREATE FUNCTION archive.erasable(ids bigint[]) RETURNS TABLE (id bigint, log_index bigint, stays boolean)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	stay bigint[] := ARRAY (SELECT DISTINCT s FROM archive.must_stay(ids) s);
BEGIN
	RETURN QUERY SELECT r.id, r.log_index, r.id = ANY (stay) FROM archive.record r WHERE r.id = ANY (ids) AND r.salt IS NOT NULL
		AND archive.is_erasable(r.kind, r.type) ORDER BY r.log_index;
END
$$;

-- Records of kind 25 that were not carried out, of those up to `upto`.
CREATE FUNCTION archive.erasures_open(upto bigint) RETURNS SETOF bigint
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.id FROM archive.record r WHERE r.kind = 25 AND r.id <= upto
		AND NOT EXISTS (SELECT FROM archive.erasure e WHERE e.record = r.id)
		AND NOT EXISTS (SELECT FROM archive.record x WHERE x.kind = 7 AND x.refers_record = r.id) ORDER BY r.id LIMIT 100
$$;

-- Carries out a record of kind 25: what it names is wiped, but what has to stay. Once: a second time says what the first one did.
CREATE FUNCTION archive.erase(erasure bigint, OUT erased bigint, OUT held bigint)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
AS $$
DECLARE
	named text;
	about bigint;
	ids bigint[];
	stay bigint[];
	gone bigint[];
	opener record;
BEGIN
	PERFORM pg_advisory_xact_lock(4841263, 6);
	SELECT e.erased, e.held INTO erased, held FROM archive.erasure e WHERE e.record = erasure;
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT r.body, r.refers_record INTO named, about FROM archive.record r WHERE r.id = erasure AND r.kind = 25
		AND NOT EXISTS (SELECT FROM archive.record x WHERE x.kind = 7 AND x.refers_record = r.id);
	IF named IS NULL OR NOT EXISTS (SELECT FROM archive.erasure_names(named)) THEN
		RAISE EXCEPTION 'permission denied: record % orders no erasure', erasure USING ERRCODE = 'insufficient_privilege';
	END IF;
	ids := ARRAY (SELECT r.id FROM archive.erasure_names(named) n JOIN archive.record r ON r.log_index BETWEEN n.first AND n.last
		WHERE r.salt IS NOT NULL AND archive.is_erasable(r.kind, r.type) AND r.id < erasure);
	stay := ARRAY (SELECT DISTINCT s FROM archive.must_stay(ids) s);
	gone := ARRAY (SELECT unnest(ids) EXCEPT SELECT unnest(stay));
	-- What opens a span of a conversation gives that to the next record of it that stays (server/store/address.h).
	FOR opener IN SELECT o.id, o.from_hash, o.to_hash, o.pair_hash, o.span_before FROM archive.record o
			WHERE o.id = ANY (gone) AND o.shown AND o.pair_hash IS NOT NULL LOOP
		UPDATE archive.record x SET pair_hash = opener.pair_hash, span_before = opener.span_before WHERE x.pair_hash IS NULL AND x.id = (
			SELECT min(y.id) FROM (
				(SELECT r.id FROM archive.record r WHERE r.to_hash = opener.to_hash AND r.from_hash = opener.from_hash AND r.shown
					AND r.id > opener.id AND r.id < opener.id + 2419200000000 AND r.id <> ALL (gone) ORDER BY r.id LIMIT 1)
				UNION ALL
				(SELECT r.id FROM archive.record r WHERE r.to_hash = opener.from_hash AND r.from_hash = opener.to_hash AND r.shown
					AND r.id > opener.id AND r.id < opener.id + 2419200000000 AND r.id <> ALL (gone) ORDER BY r.id LIMIT 1)) y);
	END LOOP;
	PERFORM search.forget(gone);
	-- A 7 keeps what it took back: that would be delivered again.
	UPDATE archive.record r SET refers_record = CASE WHEN r.kind = 7 THEN r.refers_record END, deliverable = false, from_bare = NULL,
		from_resource = NULL, to_bare = NULL, to_resource = NULL, type = NULL, client_id = NULL, refers_to = NULL, body = NULL, stanza = NULL,
		salt = NULL, shown = false, from_hash = NULL, to_hash = NULL, pair_hash = NULL, span_before = NULL WHERE r.id = ANY (gone);
	DELETE FROM chancery.history_hidden h WHERE h.record = ANY (gone);
	DELETE FROM chancery.history_retracted h WHERE h.record = ANY (gone);
	UPDATE chancery.history_retracted h SET by_id = NULL WHERE h.by_record = ANY (gone);
	DELETE FROM chancery.offline_removed o WHERE o.record = ANY (gone);
	DELETE FROM chancery.upload u WHERE u.record = ANY (gone);
	DELETE FROM chancery.file_event e WHERE e.record = ANY (gone);
	erased := cardinality(gone);
	held := cardinality(stay);
	INSERT INTO archive.erasure (record, decision, first_index, last_index, erased, held)
		SELECT erasure, about, min(n.first), max(n.last), erase.erased, erase.held FROM archive.erasure_names(named) n;
END
$$;

-- Contents that are kept or in the quarantine although no upload has them and nothing that was judged is recorded of them any more: left over by
-- erasures. What was judged a moment ago may be about to be recorded.
CREATE FUNCTION chancery.file_orphans(most int) RETURNS SETOF bytea
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.sha256 FROM chancery.file f WHERE f.seen_at < now() - interval '1 minute'
		AND EXISTS (SELECT FROM archive.erasure)
		AND NOT EXISTS (SELECT FROM chancery.upload u WHERE u.sha256 = f.sha256)
		AND NOT EXISTS (SELECT FROM chancery.file_event e WHERE e.sha256 = f.sha256 AND e.path NOT IN ('download', 'rescan', 'quarantine', 'link'))
		LIMIT most
$$;
-- Takes what is known of such a content away; false: it is none any more. Whoever removes its file does so before the transaction ends.
CREATE FUNCTION chancery.file_forget(content bytea) RETURNS boolean
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM chancery.file f WHERE f.sha256 = content FOR UPDATE;
	IF NOT EXISTS (SELECT FROM chancery.file f WHERE f.sha256 = content AND f.seen_at < now() - interval '1 minute')
			OR EXISTS (SELECT FROM chancery.upload u WHERE u.sha256 = content)
			OR EXISTS (SELECT FROM chancery.file_event e WHERE e.sha256 = content AND e.path NOT IN ('download', 'rescan', 'quarantine', 'link'))
			OR archive.file_held(content) THEN
		RETURN false;
	END IF;
	DELETE FROM chancery.file_event e WHERE e.sha256 = content AND e.path IN ('rescan', 'quarantine');
	DELETE FROM chancery.file_release r WHERE r.sha256 = content;
	DELETE FROM chancery.file f WHERE f.sha256 = content;
	RETURN true;
END
$$;

-- Requests: what was asked for, what was decided and by whom, and what became of it. The decision is in the log before (audit).
CREATE TABLE compliance.erasure (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	asked_at timestamptz NOT NULL DEFAULT now(),
	asked_by text NOT NULL,
	person bigint REFERENCES compliance.person (id), -- who entered it
	reason text NOT NULL CHECK (reason <> ''),
	query jsonb,                    -- server/archive/query.h, without words; NULL: single records
	records bigint[],               -- these
	query_text text NOT NULL,       -- the same in words
	state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5), -- enum erasure_state (server/admin/erasures.h)
	decided_at timestamptz,
	decided_by text,
	approved_by text,
	decision_reason text,
	decision bigint,                -- the audit record
	size bigint,                    -- of the log then: what came later does not go
	finished_at timestamptz,
	erased bigint NOT NULL DEFAULT 0,
	held bigint NOT NULL DEFAULT 0, -- stayed for a hold, when it was last carried out
	error text,
	CHECK ((query IS NULL) <> (records IS NULL))
);
CREATE INDEX erasure_granted ON compliance.erasure (id) WHERE state = 2;
GRANT SELECT, INSERT (asked_by, person, reason, query, records, query_text),
	UPDATE (state, decided_at, decided_by, approved_by, decision_reason, decision, size, finished_at, erased, held, error)
	ON compliance.erasure TO chancery_retention;

-- What a certificate of a decision says: the records of kind 25, and the leaves of what they have wiped. No content.
CREATE FUNCTION archive.erasure_records(decision bigint) RETURNS TABLE (id bigint, log_index bigint, leaf_hash bytea)
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.id, r.log_index, r.leaf_hash FROM archive.erasure e JOIN archive.record r ON r.id = e.record
	WHERE e.decision = erasure_records.decision ORDER BY r.id
$$;
CREATE FUNCTION archive.erasure_leaves(decision bigint, behind bigint, most int) RETURNS TABLE (log_index bigint, leaf_hash bytea)
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
AS $$
	SELECT DISTINCT l.log_index, l.leaf_hash FROM archive.erasure e JOIN archive.record r ON r.id = e.record
		CROSS JOIN LATERAL archive.erasure_names(r.body) n JOIN archive.record l ON l.log_index BETWEEN greatest(n.first, behind + 1) AND n.last
	WHERE e.decision = erasure_leaves.decision AND l.salt IS NULL ORDER BY 1 LIMIT most
$$;

REVOKE ALL ON FUNCTION archive.erasure_names(text), archive.is_erasable(smallint, text), archive.must_stay(bigint[]), archive.erasable(bigint[]),
	archive.erasures_open(bigint), archive.erase(bigint), chancery.file_orphans(int), chancery.file_forget(bytea),
	archive.erasure_records(bigint), archive.erasure_leaves(bigint, bigint, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION archive.erasable(bigint[]), archive.erasures_open(bigint), archive.erase(bigint), archive.erasure_records(bigint),
	archive.erasure_leaves(bigint, bigint, int), chancery.file_orphans(int), chancery.file_forget(bytea) TO chancery_retention;
