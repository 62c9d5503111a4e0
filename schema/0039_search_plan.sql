-- Searches choose their way themselves: how common a word is, is not known well enough for PostgreSQL to choose between a chunk's index and its
-- rows in order, and rows cost a hundred times what it thinks, as their words are taken apart one by one.

-- A chunk's index answers in milliseconds even for the words that most records have, and costs the same whatever statistics say. `+ 0` keeps the
-- other index out.
CREATE OR REPLACE FUNCTION search.find(asked tsquery, has text[], lacks text[], first_index bigint, last_index bigint, since bigint, until bigint,
		backwards boolean, most int, chunks int) RETURNS TABLE (log_index bigint, id bigint)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET enable_indexscan = off
	SET enable_indexonlyscan = off
	SET enable_bitmapscan = on
AS $$
DECLARE
	number bigint;
	looked int := 0;
	got int;
	sql text := ' WHERE d.log_index BETWEEN $1 AND $2 AND d.at >= $3 AND d.at < $4';
BEGIN
	IF asked IS NOT NULL THEN
		sql := ' WHERE d.log_index + 0 BETWEEN $1 AND $2 AND d.at >= $3 AND d.at < $4 AND'
			' array_to_tsvector(array_remove(string_to_array(d.words || '' '' || d.marks, '' ''), '''')) @@ $5';
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
		RETURN QUERY EXECUTE format('SELECT d.log_index, d.id FROM search.doc_%s d', number) || sql
			USING first_index, last_index, since, until, asked, has, lacks, most;
		GET DIAGNOSTICS got = ROW_COUNT;
		most := most - got;
		IF most <= 0 THEN
			RETURN;
		END IF;
	END LOOP;
END
$$;

-- Nobody needs statistics of chunks any more, and gathering them takes words apart, too.
CREATE OR REPLACE FUNCTION search.make_chunk(number bigint) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF number IS NULL OR number < 0 OR number > (SELECT coalesce(max(r.log_index), -1) FROM archive.record r
			WHERE r.id = (SELECT max(x.id) FROM archive.record x)) >> 17 THEN
		RAISE EXCEPTION 'the record does not reach to chunk %', number USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF EXISTS (SELECT FROM search.chunk c WHERE c.no = number) THEN
		RETURN;
	END IF;
	EXECUTE format('CREATE TABLE search.doc_%s (LIKE search.doc, PRIMARY KEY (log_index)) WITH (autovacuum_analyze_threshold = 2147483647)', number);
	EXECUTE format('GRANT SELECT, INSERT ON search.doc_%s TO chancery_server', number);
	EXECUTE format('GRANT SELECT ON search.doc_%s TO chancery_reader', number);
	INSERT INTO search.chunk (no) VALUES (number);
END
$$;

CREATE OR REPLACE FUNCTION search.index_chunk(number bigint) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET maintenance_work_mem = '128MB'
AS $$
BEGIN
	UPDATE search.chunk SET indexed = true WHERE no = number AND NOT indexed;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	-- What waits to be sorted in is read by every search: little of it.
	EXECUTE format('CREATE INDEX doc_%1$s_found ON search.doc_%1$s USING gin (array_to_tsvector(array_remove('
		'string_to_array(words || '' '' || marks, '' ''), ''''))) WITH (gin_pending_list_limit = 512)', number);
END
$$;
