-- Rows that erasures have left empty go from the database, month by month, once nothing of the month is left that could still expire or is held
-- (server/archive/RETENTION.md). Their leaves stay in the tiles of the log. A record of kind 25 says it before: "dropped: 0-1999", the log indexes of the month;
-- of these go the rows that records of kind 25 before have named as erased, and no others. What is no longer there for any other reason is missing.

CREATE TABLE archive.dropped (
	record bigint PRIMARY KEY,      -- of kind 25
	month text NOT NULL UNIQUE CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'), -- of archive.record_2026_01: "2026-01"
	first_id bigint NOT NULL,       -- ids of the month: from here
	end_id bigint NOT NULL,         -- to below here
	first_index bigint NOT NULL,    -- what the record says
	last_index bigint NOT NULL,
	begun_at timestamptz NOT NULL DEFAULT now(),
	looked_to bigint NOT NULL,      -- ids up to here have been looked at
	rows bigint NOT NULL DEFAULT 0, -- have gone
	finished_at timestamptz,        -- all that could
	packed_at timestamptz           -- and their room has been given back to the system
);
GRANT SELECT ON archive.dropped TO chancery_server, chancery_reader, chancery_auditor, chancery_retention;

ALTER TABLE compliance.retention_run ADD dropped bigint NOT NULL DEFAULT 0; -- rows
GRANT UPDATE (dropped) ON compliance.retention_run TO chancery_retention;

-- What is not carried out by archive.erase() is not open.
CREATE OR REPLACE FUNCTION archive.erasures_open(upto bigint) RETURNS SETOF bigint
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.id FROM archive.record r WHERE r.kind = 25 AND r.id <= upto AND r.body !~ '^dropped: '
		AND NOT EXISTS (SELECT FROM archive.erasure e WHERE e.record = r.id)
		AND NOT EXISTS (SELECT FROM archive.record x WHERE x.kind = 7 AND x.refers_record = r.id) ORDER BY r.id LIMIT 100
$$;

-- Months whose empty rows may go: behind each there are records and, by `now_at`, time; a signed checkpoint covers it, and its tiles are full; and all of it that
-- may be erased is. `which`: this month; NULL: all. `said`: the record that says so already, as whoever was about to begin has been interrupted.
CREATE FUNCTION archive.droppable(now_at timestamptz, which text) RETURNS TABLE (month text, first_id bigint, end_id bigint, first_index bigint, last_index bigint, rows bigint,
		said bigint)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
DECLARE
	signed_size bigint := (SELECT max(c.size) FROM archive.checkpoint c);
	newest bigint := (SELECT max(r.id) FROM archive.record r);
	part record;
	busy boolean;
BEGIN
	FOR part IN SELECT c.relname AS name, to_timestamp(substr(c.relname, 8), 'YYYY_MM') AS since FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = 'archive.record'::regclass AND c.relname ~ '^record_[0-9]{4}_[0-9]{2}$' ORDER BY c.relname LOOP
		month := replace(substr(part.name, 8), '_', '-');
		first_id := (extract(epoch FROM part.since) * 1000000)::bigint;
		end_id := (extract(epoch FROM part.since + interval '1 month') * 1000000)::bigint;
		CONTINUE WHEN month <> which OR end_id > newest OR part.since + interval '1 month' > now_at
			OR EXISTS (SELECT FROM archive.dropped d WHERE d.month = droppable.month);
		EXECUTE format('SELECT EXISTS (SELECT FROM archive.%I r WHERE r.salt IS NOT NULL AND archive.is_erasable(r.kind, r.type))', part.name) INTO busy;
		CONTINUE WHEN busy;
		EXECUTE format('SELECT min(r.log_index), max(r.log_index), count(*) FILTER (WHERE r.salt IS NULL) FROM archive.%I r', part.name)
			INTO first_index, last_index, rows;
		said := (SELECT max(r.id) FROM archive.record r WHERE r.kind = 25 AND r.id >= end_id AND r.body = format('dropped: %s-%s', first_index, last_index)
			AND NOT EXISTS (SELECT FROM archive.record x WHERE x.kind = 7 AND x.refers_record = r.id));
		IF rows > 0 AND last_index < signed_size AND EXISTS (SELECT FROM archive.tile t WHERE t.level = 0 AND t.index = last_index >> 8) THEN
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;

-- Begins with a month, as this record of kind 25 says.
CREATE FUNCTION archive.drop_month(which text, said bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	m record;
BEGIN
	PERFORM pg_advisory_xact_lock(4841263, 6);
	SELECT * INTO m FROM archive.droppable('infinity', which);
	IF NOT FOUND OR NOT EXISTS (SELECT FROM archive.record r WHERE r.id = said AND r.kind = 25 AND r.id > m.end_id - 1 AND archive.leaf(r) = r.leaf_hash
			AND r.body = format('dropped: %s-%s', m.first_index, m.last_index)
			AND NOT EXISTS (SELECT FROM archive.record x WHERE x.kind = 7 AND x.refers_record = r.id)) THEN
		RAISE EXCEPTION 'permission denied: record % does not say that rows of % go, or they may not', said, which USING ERRCODE = 'insufficient_privilege';
	END IF;
	INSERT INTO archive.dropped (record, month, first_id, end_id, first_index, last_index, looked_to)
		VALUES (said, m.month, m.first_id, m.end_id, m.first_index, m.last_index, m.first_id - 1);
	-- Where whoever verifies finds the record.
	INSERT INTO archive.erasure (record, first_index, last_index, erased, held) VALUES (said, m.first_index, m.last_index, 0, 0);
END
$$;

-- The log indexes of [first, beyond) that records of erasures name, by what stands under their own leaves.
CREATE FUNCTION archive.erased_among(first bigint, beyond bigint) RETURNS int8multirange
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(range_agg(int8range(n.first, n.last, '[]')), '{}') FROM archive.erasure e
		JOIN archive.record r ON r.id = e.record AND r.kind = 25 AND archive.leaf(r) = r.leaf_hash CROSS JOIN LATERAL archive.erasure_names(r.body) n
	WHERE int8range(e.first_index, e.last_index, '[]') && int8range(erased_among.first, beyond) AND n.last >= erased_among.first AND n.first < beyond
$$;
-- Those of them that need not have a row any more.
CREATE FUNCTION archive.dropped_among(first bigint, beyond bigint) RETURNS int8multirange
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(range_agg(int8range(d.first_index, d.last_index, '[]')) * int8multirange(int8range(dropped_among.first, beyond))
		* archive.erased_among(dropped_among.first, beyond), '{}') FROM archive.dropped d
		JOIN archive.record r ON r.id = d.record AND r.kind = 25 AND archive.leaf(r) = r.leaf_hash
		AND r.body = format('dropped: %s-%s', d.first_index, d.last_index)
	WHERE int8range(d.first_index, d.last_index, '[]') && int8range(dropped_among.first, beyond)
$$;

-- Looks at the next `most` rows of a month; what is empty, named by an erasure, and in its tile as it is in the row, goes. A 7 stays while what it took
-- back does: that would be delivered again.
CREATE FUNCTION archive.drop_rows(said bigint, most int, OUT gone bigint, OUT more boolean)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	d archive.dropped;
	part text;
	page record;
BEGIN
	gone := 0;
	more := false;
	SELECT * INTO d FROM archive.dropped x WHERE x.record = said AND x.finished_at IS NULL FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	part := 'record_' || replace(d.month, '-', '_');
	EXECUTE format('SELECT max(p.id) AS upto, min(p.log_index) AS first, max(p.log_index) AS last FROM (SELECT r.id, r.log_index FROM archive.%I r'
		' WHERE r.id > $1 ORDER BY r.id LIMIT $2) p', part) INTO page USING d.looked_to, most;
	IF page.upto IS NULL THEN
		UPDATE archive.dropped x SET finished_at = now() WHERE x.record = said;
		RETURN;
	END IF;
	EXECUTE format('DELETE FROM archive.%I r USING archive.tile t WHERE r.id > $1 AND r.id <= $2 AND r.salt IS NULL AND r.kind NOT IN (24, 25)'
		' AND r.log_index BETWEEN $3 AND $4 AND r.log_index <@ $5 AND num_nonnulls(r.from_bare, r.to_bare, r.body, r.stanza) = 0'
		' AND t.level = 0 AND t.index = r.log_index >> 8 AND substr(t.hashes, (r.log_index & 255)::int * 32 + 1, 32) = r.leaf_hash'
		' AND NOT (r.kind = 7 AND EXISTS (SELECT FROM archive.record x WHERE x.id = r.refers_record AND x.salt IS NOT NULL))', part)
		USING d.looked_to, page.upto, d.first_index, d.last_index, archive.erased_among(page.first, page.last + 1);
	GET DIAGNOSTICS gone = ROW_COUNT;
	UPDATE archive.dropped x SET looked_to = page.upto, rows = x.rows + gone WHERE x.record = said;
	more := true;
END
$$;

-- Writes a month anew without the room that the rows had; true: it is done. Who asks for the month waits meanwhile, so the caller bounds how long that may take;
-- only what is left is read where vacuum has been before. What somebody may still see of the rows is kept, and then it is not done.
CREATE FUNCTION archive.pack_month(said bigint) RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '500ms'
	SET enable_seqscan = off
	SET enable_sort = off
AS $$
DECLARE
	part text := (SELECT 'record_' || replace(d.month, '-', '_') FROM archive.dropped d WHERE d.record = said AND d.finished_at IS NOT NULL AND d.packed_at IS NULL);
	kept real;
	there bigint;
BEGIN
	IF part IS NULL THEN
		RETURN true;
	END IF;
	EXECUTE format('CLUSTER archive.%I USING %I', part, part || '_log_index');
	SELECT c.reltuples INTO kept FROM pg_class c WHERE c.oid = format('archive.%I', part)::regclass;
	EXECUTE format('SELECT count(*) FROM archive.%I', part) INTO there;
	IF kept > there THEN
		RETURN false;
	END IF;
	UPDATE archive.dropped d SET packed_at = now() WHERE d.record = said;
	RETURN true;
END
$$;

-- As 0036 has it, and leaves of rows that have gone since.
CREATE OR REPLACE FUNCTION archive.erasure_leaves(decision bigint, behind bigint, most int) RETURNS TABLE (log_index bigint, leaf_hash bytea)
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
AS $$
	WITH names AS MATERIALIZED (
		SELECT greatest(n.first, behind + 1) AS first, n.last FROM archive.erasure e JOIN archive.record r ON r.id = e.record
			CROSS JOIN LATERAL archive.erasure_names(r.body) n WHERE e.decision = erasure_leaves.decision AND n.last > behind),
	dropped AS MATERIALIZED (
		SELECT archive.dropped_among(min(n.first), max(n.last) + 1) AS places FROM names n)
	SELECT l.log_index, l.leaf_hash FROM names n JOIN archive.record l ON l.log_index BETWEEN n.first AND n.last WHERE l.salt IS NULL
	UNION
	SELECT i, substr(t.hashes, (i & 255)::int * 32 + 1, 32) FROM dropped d, names n CROSS JOIN LATERAL generate_series(n.first, n.last) i
		JOIN archive.tile t ON t.level = 0 AND t.index = i >> 8
		WHERE i <@ d.places AND NOT EXISTS (SELECT FROM archive.record l WHERE l.log_index = i)
	ORDER BY 1 LIMIT most
$$;

REVOKE ALL ON FUNCTION archive.droppable(timestamptz, text), archive.drop_month(text, bigint), archive.drop_rows(bigint, int), archive.pack_month(bigint),
	archive.erased_among(bigint, bigint), archive.dropped_among(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION archive.droppable(timestamptz, text), archive.drop_month(text, bigint), archive.drop_rows(bigint, int), archive.pack_month(bigint)
	TO chancery_retention;
GRANT EXECUTE ON FUNCTION archive.dropped_among(bigint, bigint) TO chancery_server, chancery_reader;
