-- What holds cover, as 0034 says it, in a tenth of the time where there are many: a hold is asked in full only where its marks and words fit, as a call of
-- a function for each record and hold costs more than all else.
CREATE OR REPLACE FUNCTION archive.held(ids bigint[]) RETURNS SETOF bigint
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
DECLARE
	known search.progress;
	part record;
	sure bigint[] := '{}';
	had bigint[];
BEGIN
	PERFORM pg_advisory_xact_lock_shared(4841263, 5);
	IF NOT EXISTS (SELECT FROM compliance.hold h WHERE h.released_at IS NULL) THEN
		RETURN;
	END IF;
	SELECT * INTO known FROM search.progress;
	FOR part IN SELECT r.log_index >> 17 AS chunk, array_agg(r.log_index) AS indexes
			FROM archive.record r WHERE r.id = ANY (held.ids) AND r.salt IS NOT NULL AND r.kind <> 24 AND r.log_index < known.log_index
			AND EXISTS (SELECT FROM search.chunk c WHERE c.no = r.log_index >> 17) GROUP BY 1 LOOP
		EXECUTE format('SELECT coalesce(array_agg(d.id), ''{}'') FROM search.doc_%s d WHERE d.log_index = ANY ($1)', part.chunk)
			INTO had USING part.indexes;
		sure := sure || had;
		RETURN QUERY EXECUTE format('SELECT d.id FROM search.doc_%s d, LATERAL (SELECT search.lexemes(d.words, d.marks) AS v OFFSET 0) l'
			' WHERE d.log_index = ANY ($1) AND EXISTS (SELECT FROM compliance.hold h WHERE h.released_at IS NULL'
			' AND d.at >= h.since AND d.at < h.until AND (h.form <> $2 OR CASE'
			' WHEN NOT l.v @@ h.marks THEN false WHEN h.words IS NULL THEN true'
			' WHEN l.v @@ $3 THEN true WHEN NOT l.v @@ h.words THEN false'
			' ELSE compliance.hold_covers(h, l.v, d.words) END))', part.chunk)
			USING part.indexes, known.form, $q$ ':b' | ':e' $q$::tsquery;
	END LOOP;
	-- Audit records are not in the index: they are held by what holds all of a time.
	RETURN QUERY SELECT r.id FROM archive.record r WHERE r.id = ANY (held.ids) AND r.salt IS NOT NULL AND r.id <> ALL (sure)
		AND EXISTS (SELECT FROM compliance.hold h WHERE h.released_at IS NULL AND (extract(epoch FROM r.at) * 1000000)::bigint >= h.since
			AND (extract(epoch FROM r.at) * 1000000)::bigint < h.until AND (r.kind <> 24 OR (h.marks IS NULL AND h.words IS NULL)));
END
$$;
