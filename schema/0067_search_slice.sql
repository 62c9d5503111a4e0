-- A page of a search reads the documents of the records it shows, and not all of a chunk that fit: a chunk is looked through a window at a time, from the end that
-- the page begins at, and windows are as wide as what was found so far makes one think that the page needs.

-- When what a slice of 2048 records (by log_index) has was said, µs since 1970: what is outside of the time asked for is not looked through.
CREATE TABLE search.slice (
	no bigint PRIMARY KEY,              -- log_index >> 11
	first_at bigint NOT NULL,
	last_at bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON search.slice TO chancery_server;
GRANT SELECT ON search.slice TO chancery_reader;

DO $$
DECLARE
	number bigint;
BEGIN
	FOR number IN SELECT c.no FROM search.chunk c ORDER BY c.no LOOP
		EXECUTE format('INSERT INTO search.slice SELECT d.log_index >> 11, min(d.at), max(d.at) FROM search.doc_%s d GROUP BY 1', number);
	END LOOP;
END
$$;

-- These slices have something of this time, too.
CREATE FUNCTION search.widen_slices(first_index bigint, last_index bigint, first_at bigint, last_at bigint) RETURNS void
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	INSERT INTO search.slice AS s (no, first_at, last_at)
		SELECT n, widen_slices.first_at, widen_slices.last_at FROM generate_series(first_index >> 11, last_index >> 11) n
		ON CONFLICT (no) DO UPDATE SET first_at = least(s.first_at, excluded.first_at), last_at = greatest(s.last_at, excluded.last_at);
END;
REVOKE ALL ON FUNCTION search.widen_slices(bigint, bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search.widen_slices(bigint, bigint, bigint, bigint) TO chancery_server;

CREATE OR REPLACE FUNCTION search.add(before bigint, last_id bigint, next_index bigint, indexes bigint[], ids bigint[], ats bigint[], texts text[], more text[]) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint := indexes[1] >> 17;
	first bigint := (SELECT min(a) FROM unnest(ats) a);
	last bigint := (SELECT max(a) FROM unnest(ats) a);
BEGIN
	UPDATE search.progress SET id = last_id, log_index = next_index WHERE id = before;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the index has moved' USING ERRCODE = 'serialization_failure';
	END IF;
	IF number IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('INSERT INTO search.doc_%s SELECT * FROM unnest($1, $2, $3, $4, $5)', number) USING indexes, ids, ats, texts, more;
	PERFORM search.widen_slices((SELECT min(i) FROM unnest(indexes) i), (SELECT max(i) FROM unnest(indexes) i), first, last);
	UPDATE search.chunk SET docs = docs + cardinality(ids), first_at = least(first_at, first), last_at = greatest(last_at, last) WHERE no = number;
END
$$;

CREATE OR REPLACE FUNCTION search.reset(new_form int) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint;
BEGIN
	FOR number IN SELECT no FROM search.chunk LOOP
		EXECUTE format('DROP TABLE search.doc_%s', number);
	END LOOP;
	DELETE FROM search.chunk;
	DELETE FROM search.slice;
	UPDATE search.progress SET form = new_form, id = 0, log_index = 0;
END
$$;

-- Answers as before (0031, 0039). Both indexes of a chunk say together which rows of a window fit, and only these are read. What PostgreSQL thinks pages cost has it
-- take both: a window's rows without the words' index would have their words taken apart one by one.
CREATE OR REPLACE FUNCTION search.find(asked tsquery, has text[], lacks text[], first_index bigint, last_index bigint, since bigint, until bigint,
		backwards boolean, most int, chunks int) RETURNS TABLE (log_index bigint, id bigint)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET enable_indexscan = off
	SET enable_indexonlyscan = off
	SET enable_bitmapscan = on
	SET effective_io_concurrency = 64
	SET seq_page_cost = 1000000
	SET jit = off
AS $$
DECLARE
	number bigint;
	looked int := 0;
	got int;
	sql text := ' AND d.at >= $3 AND d.at < $4';
	lo bigint;
	hi bigint;
	from_index bigint;
	to_index bigint;
	narrow boolean := asked IS NOT NULL AND most <= 1000;
	width bigint := 4096;
	seen bigint := 0;   -- records looked through, and
	fitted bigint := 0; -- how many of them did fit
BEGIN
	IF asked IS NOT NULL THEN
		sql := sql || ' AND array_to_tsvector(array_remove(string_to_array(d.words || '' '' || d.marks, '' ''), '''')) @@ $5';
	ELSE
		-- Whatever there is, in order: until this function ends.
		PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_bitmapscan', 'off', true);
	END IF;
	IF cardinality(has) > 0 THEN
		sql := sql || ' AND NOT EXISTS (SELECT FROM unnest($6) h WHERE strpos('' '' || d.words || '' '', '' '' || h || '' '') = 0)';
	END IF;
	IF cardinality(lacks) > 0 THEN
		sql := sql || ' AND NOT EXISTS (SELECT FROM unnest($7) h WHERE strpos('' '' || d.words || '' '', '' '' || h || '' '') > 0)';
	END IF;
	sql := sql || ' ORDER BY d.log_index' || CASE WHEN backwards THEN ' DESC' ELSE '' END || ' LIMIT $8';
	FOR number IN SELECT c.no FROM search.chunk c WHERE c.no >= first_index >> 17 AND c.no <= last_index >> 17
			AND c.last_at >= since AND c.first_at < until
			ORDER BY CASE WHEN backwards THEN -c.no ELSE c.no END LIMIT chunks + 1 LOOP
		IF looked = chunks THEN
			log_index := CASE WHEN backwards THEN ((number + 1) << 17) - 1 ELSE number << 17 END;
			id := NULL;
			RETURN NEXT;
			RETURN;
		END IF;
		looked := looked + 1;
		SELECT greatest(first_index, min(s.no) << 11), least(last_index, ((max(s.no) + 1) << 11) - 1) INTO lo, hi FROM search.slice s
			WHERE s.no >= number << 6 AND s.no < (number + 1) << 6 AND s.last_at >= since AND s.first_at < until;
		WHILE lo <= hi LOOP
			from_index := lo;
			to_index := hi;
			-- What is taken whole, is so by the words' index alone (`+ 0` keeps the other one out). A window costs a page of the other for 366 records, which the
			-- disk has one behind the other: as far as can be told it has to spare a sixth as many documents, which lie here and there.
			IF narrow AND width < (hi - lo) / 4 * 3 AND (seen = 0 OR (hi - lo - width) * fitted / seen > width / 2048) THEN
				from_index := CASE WHEN backwards THEN hi - width + 1 ELSE lo END;
				to_index := CASE WHEN backwards THEN hi ELSE lo + width - 1 END;
			END IF;
			RETURN QUERY EXECUTE format('SELECT d.log_index, d.id FROM search.doc_%s d WHERE d.log_index%s BETWEEN $1 AND $2', number,
				CASE WHEN asked IS NULL OR from_index > lo OR to_index < hi THEN '' ELSE ' + 0' END) || sql
				USING from_index, to_index, since, until, asked, has, lacks, most;
			GET DIAGNOSTICS got = ROW_COUNT;
			most := most - got;
			IF most <= 0 THEN
				RETURN;
			END IF;
			fitted := fitted + got;
			seen := seen + to_index - from_index + 1;
			width := CASE WHEN fitted = 0 THEN 131072 ELSE greatest(4096, most * seen * 5 / (fitted * 4)) END;
			lo := CASE WHEN backwards THEN lo ELSE to_index + 1 END;
			hi := CASE WHEN backwards THEN from_index - 1 ELSE hi END;
		END LOOP;
	END LOOP;
END
$$;
