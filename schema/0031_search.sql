-- The index for searches in the record (server/archive/search.h). It is filled behind the writer and can be made anew from the record
-- at any time: it says where something is, never what was said there; nothing is proved by it.
--
-- A document is a record's words and marks. Documents are in chunks of 131072 records (by log_index), a table each, so that a
-- search for what is common reads one chunk and ends, and one for what is rare asks each chunk's index once.

CREATE SCHEMA search;
REVOKE ALL ON SCHEMA search FROM PUBLIC;
GRANT USAGE ON SCHEMA search TO chancery_server, chancery_reader;

-- How far it is. One row, moved in the transaction that adds documents.
CREATE TABLE search.progress (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	form int NOT NULL,                  -- of words and marks (SEARCH_FORM); another one: all is made anew
	id bigint NOT NULL,                 -- records up to this one have been looked at
	log_index bigint NOT NULL           -- and the first index that has not
);
INSERT INTO search.progress (form, id, log_index) VALUES (0, 0, 0);

CREATE TABLE search.chunk (
	no bigint PRIMARY KEY,              -- log_index >> 17
	docs bigint NOT NULL DEFAULT 0,
	first_at bigint NOT NULL DEFAULT 9223372036854775807, -- bounds of `at`, µs since 1970
	last_at bigint NOT NULL DEFAULT -9223372036854775808,
	indexed boolean NOT NULL DEFAULT false
);

-- What chunks are made like. Words are in their order, folded, with one space between; two where a phrase ends. What else the record is
-- found by are marks, which begin with a colon.
CREATE TABLE search.doc (
	log_index bigint NOT NULL,
	id bigint NOT NULL,
	at bigint NOT NULL,
	words text NOT NULL,
	marks text NOT NULL
);

GRANT SELECT, UPDATE ON search.progress, search.chunk TO chancery_server;
GRANT SELECT ON search.progress, search.chunk, search.doc TO chancery_reader;

-- The server may not make tables; this makes the one that comes next.
CREATE FUNCTION search.make_chunk(number bigint) RETURNS void
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
	EXECUTE format('CREATE TABLE search.doc_%s (LIKE search.doc, PRIMARY KEY (log_index))', number);
	EXECUTE format('GRANT SELECT, INSERT ON search.doc_%s TO chancery_server', number);
	EXECUTE format('GRANT SELECT ON search.doc_%s TO chancery_reader', number);
	INSERT INTO search.chunk (no) VALUES (number);
END
$$;

-- A chunk that is filled from behind gets its index when it is full, one that is filled as people write at once.
CREATE FUNCTION search.index_chunk(number bigint) RETURNS void
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
	EXECUTE format('ANALYZE search.doc_%s', number);
END
$$;

-- All anew, as the form of words has changed.
CREATE FUNCTION search.reset(new_form int) RETURNS void
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
	UPDATE search.progress SET form = new_form, id = 0, log_index = 0;
END
$$;

-- Adds documents, all of one chunk, and moves the progress from `before` to what was looked at: somebody else's progress is not moved.
CREATE FUNCTION search.add(before bigint, last_id bigint, next_index bigint, indexes bigint[], ids bigint[], ats bigint[], texts text[], more text[]) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint := indexes[1] >> 17;
BEGIN
	UPDATE search.progress SET id = last_id, log_index = next_index WHERE id = before;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the index has moved' USING ERRCODE = 'serialization_failure';
	END IF;
	IF number IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('INSERT INTO search.doc_%s SELECT * FROM unnest($1, $2, $3, $4, $5)', number) USING indexes, ids, ats, texts, more;
	UPDATE search.chunk SET docs = docs + cardinality(ids), first_at = least(first_at, (SELECT min(a) FROM unnest(ats) a)),
		last_at = greatest(last_at, (SELECT max(a) FROM unnest(ats) a)) WHERE no = number;
END
$$;

-- Documents that fit, in the order of the log or against it, of so many chunks at most. `since` and `until` are µs since 1970, the second
-- exclusive. `asked` is about words and marks, NULL: any. Each of `has` is among the words in this order, none of `lacks` is. The last row
-- has no id when there may be more: it says where.
CREATE FUNCTION search.find(asked tsquery, has text[], lacks text[], first_index bigint, last_index bigint, since bigint, until bigint,
		backwards boolean, most int, chunks int) RETURNS TABLE (log_index bigint, id bigint)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint;
	looked int := 0;
	got int;
	sql text := '';
BEGIN
	IF asked IS NOT NULL THEN
		sql := ' AND array_to_tsvector(array_remove(string_to_array(d.words || '' '' || d.marks, '' ''), '''')) @@ $5';
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
		RETURN QUERY EXECUTE format('SELECT d.log_index, d.id FROM search.doc_%s d WHERE d.log_index BETWEEN $1 AND $2'
			' AND d.at >= $3 AND d.at < $4', number) || sql
			USING first_index, last_index, since, until, asked, has, lacks, most;
		GET DIAGNOSTICS got = ROW_COUNT;
		most := most - got;
		IF most <= 0 THEN
			RETURN;
		END IF;
	END LOOP;
END
$$;

-- Takes these records out: they are not found any more. In the transaction that erases them.
CREATE FUNCTION search.forget(ids bigint[]) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint;
	gone bigint[];
	n bigint;
BEGIN
	-- The one that adds waits, and sees the records as they are then.
	PERFORM FROM search.progress FOR UPDATE;
	FOR number, gone IN SELECT r.log_index >> 17, array_agg(r.log_index) FROM archive.record r WHERE r.id = ANY (ids) GROUP BY 1 LOOP
		CONTINUE WHEN NOT EXISTS (SELECT FROM search.chunk c WHERE c.no = number);
		EXECUTE format('DELETE FROM search.doc_%s d WHERE d.log_index = ANY ($1)', number) USING gone;
		GET DIAGNOSTICS n = ROW_COUNT;
		UPDATE search.chunk SET docs = docs - n WHERE no = number;
	END LOOP;
END
$$;

-- Addresses of people and rooms by what they are called: their accounts' names, vCards, the names that others gave them in rosters, nicknames
-- reserved in rooms. Small and large letters and accents do not matter. Who searches sees names by this only.
CREATE FUNCTION search.plain(name text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN translate(lower(name), 'àâäáãåçéèêëíìîïñóòôöõúùûüýÿ', 'aaaaaaceeeeiiiinooooouuuuyy');

CREATE FUNCTION search.people(called text, most int) RETURNS TABLE (jid text, name text, source text)
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted AS (SELECT search.plain(called) AS w)
	SELECT DISTINCT ON (p.jid) p.jid, p.name, p.source FROM (
		SELECT a.bare, split_part(a.bare, '@', 1), 'account', 1 FROM chancery.account a, wanted
			WHERE search.plain(split_part(a.bare, '@', 1)) = w
		UNION ALL
		SELECT a.bare, left(v.text, 200), 'vcard', 2 FROM wanted, chancery.vcard c JOIN chancery.account a ON a.id = c.account,
			LATERAL (SELECT xpath_text AS text FROM unnest(ARRAY[substring(c.vcard FROM '<FN>([^<]*)</FN>'),
				substring(c.vcard FROM '<NICKNAME>([^<]*)</NICKNAME>'), substring(c.vcard FROM '<FAMILY>([^<]*)</FAMILY>')]) xpath_text) v
			WHERE strpos(search.plain(v.text), w) > 0
		UNION ALL
		SELECT i.jid, left(i.name, 200), 'roster', 3 FROM chancery.roster_item i, wanted WHERE strpos(search.plain(i.name), w) > 0
		UNION ALL
		SELECT f.jid, left(f.nick, 200), 'nickname', 4 FROM chancery.room_affiliate f, wanted WHERE strpos(search.plain(f.nick), w) > 0
	) p (jid, name, source, rank) WHERE p.jid <> '' ORDER BY p.jid, p.rank LIMIT least(greatest(most, 0), 1000)
$$;

REVOKE ALL ON FUNCTION search.make_chunk(bigint), search.index_chunk(bigint), search.reset(int),
	search.add(bigint, bigint, bigint, bigint[], bigint[], bigint[], text[], text[]),
	search.find(tsquery, text[], text[], bigint, bigint, bigint, bigint, boolean, int, int), search.forget(bigint[]), search.plain(text),
	search.people(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search.make_chunk(bigint), search.index_chunk(bigint), search.reset(int),
	search.add(bigint, bigint, bigint, bigint[], bigint[], bigint[], text[], text[]) TO chancery_server;
GRANT EXECUTE ON FUNCTION search.find(tsquery, text[], text[], bigint, bigint, bigint, bigint, boolean, int, int), search.people(text, int)
	TO chancery_server, chancery_reader;
