-- Legal holds: what must not go, whatever expires or is to be erased. A hold is a query (server/archive/query.h); what fits it is held from the
-- moment that the hold is committed, what comes later, too, until a hold is released. Rows stay; server/archive/RETENTION.md says the rest.

CREATE TABLE compliance.hold (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	matter text NOT NULL CHECK (matter <> ''),  -- the case it is for
	reason text NOT NULL CHECK (reason <> ''),
	query jsonb NOT NULL,
	query_text text NOT NULL,       -- the same in words
	-- What the index is asked (server/archive/hold.h), in the language of its form (search.progress).
	form int NOT NULL,
	marks tsquery,                  -- who, where, of what kind; NULL: any
	words tsquery,                  -- what was said; NULL: anything
	has text[] NOT NULL,            -- phrases: each is among the words
	lacks text[] NOT NULL,          -- and none of these
	since bigint NOT NULL,          -- bounds of `at`, µs since 1970, the second exclusive
	until bigint NOT NULL,
	set_at timestamptz NOT NULL DEFAULT now(),
	set_by text NOT NULL,
	person bigint REFERENCES compliance.person (id),
	released_at timestamptz,        -- NULL: it is in force
	released_by text,
	release_reason text,
	release_approved_by text,
	CHECK ((released_at IS NULL) = (released_by IS NULL) AND (released_at IS NULL) = (release_reason IS NULL))
);
CREATE INDEX hold_in_force ON compliance.hold (id) WHERE released_at IS NULL;

GRANT SELECT, INSERT (matter, reason, query, query_text, form, marks, words, has, lacks, since, until, set_by, person),
	UPDATE (form, marks, words, has, lacks, released_at, released_by, release_reason, release_approved_by) ON compliance.hold TO chancery_officer;
-- Who erases is told that something is held and by which matter, and not what words it is about.
GRANT SELECT (id, matter, set_at, set_by, released_at) ON compliance.hold TO chancery_retention, chancery_auditor;

-- Whoever is erasing has looked at the holds and ends first; who begins to erase later sees this one.
CREATE FUNCTION compliance.hold_set() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
	PERFORM pg_catalog.pg_advisory_xact_lock(4841263, 5);
	RETURN NEW;
END
$$;
CREATE TRIGGER hold_set BEFORE INSERT ON compliance.hold FOR EACH ROW EXECUTE FUNCTION compliance.hold_set();

-- What was released is not in force again, and what a hold is about changes only into another form of the index.
CREATE FUNCTION compliance.hold_final() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
	RAISE EXCEPTION 'permission denied: a hold is released once, and not changed' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER hold_final BEFORE UPDATE ON compliance.hold FOR EACH ROW
	WHEN (OLD.released_at IS NOT NULL OR (NEW.form = OLD.form AND (NEW.marks, NEW.words, NEW.has, NEW.lacks, NEW.since, NEW.until)
		IS DISTINCT FROM (OLD.marks, OLD.words, OLD.has, OLD.lacks, OLD.since, OLD.until)))
	EXECUTE FUNCTION compliance.hold_final();
REVOKE ALL ON FUNCTION compliance.hold_set(), compliance.hold_final() FROM PUBLIC;

-- Of documents' words and marks, as the index of a chunk has it.
CREATE FUNCTION search.lexemes(words text, marks text) RETURNS tsvector
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN array_to_tsvector(array_remove(string_to_array(words || ' ' || marks, ' '), ''));

-- Does a hold cover this document? What cannot be searched by words (encrypted, or longer than the index keeps) fits any.
CREATE FUNCTION compliance.hold_covers(h compliance.hold, lexemes tsvector, words text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN (h.marks IS NULL OR lexemes @@ h.marks)
		AND (h.words IS NULL OR lexemes @@ $q$ ':b' | ':e' $q$::tsquery OR (lexemes @@ h.words
			AND NOT EXISTS (SELECT FROM unnest(h.has) p WHERE strpos(' ' || hold_covers.words || ' ', ' ' || p || ' ') = 0)
			AND NOT EXISTS (SELECT FROM unnest(h.lacks) p WHERE strpos(' ' || hold_covers.words || ' ', ' ' || p || ' ') > 0)));

-- Those of these records that a hold in force covers. No hold that it did not see is committed before the caller's transaction ends. Where the index
-- cannot tell (it is behind, or being made anew in another form, or has lost the document), whatever lies in the time of a hold is held. What has been
-- erased is held by nothing.
CREATE FUNCTION archive.held(ids bigint[]) RETURNS SETOF bigint
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
			' AND d.at >= h.since AND d.at < h.until AND (h.form <> $2 OR compliance.hold_covers(h, l.v, d.words)))', part.chunk)
			USING part.indexes, known.form;
	END LOOP;
	-- Audit records are not in the index: they are held by what holds all of a time.
	RETURN QUERY SELECT r.id FROM archive.record r WHERE r.id = ANY (held.ids) AND r.salt IS NOT NULL AND r.id <> ALL (sure)
		AND EXISTS (SELECT FROM compliance.hold h WHERE h.released_at IS NULL AND (extract(epoch FROM r.at) * 1000000)::bigint >= h.since
			AND (extract(epoch FROM r.at) * 1000000)::bigint < h.until AND (r.kind <> 24 OR (h.marks IS NULL AND h.words IS NULL)));
END
$$;

-- How much a hold covers, as far as the index is: records, the first and the last of them (µs since 1970), and those that are only in it as they
-- cannot be searched by words.
CREATE FUNCTION compliance.hold_count(hold bigint, OUT records bigint, OUT first_at bigint, OUT last_at bigint, OUT unsearchable bigint)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	h compliance.hold;
	asked tsquery;
	part record;
	number bigint;
BEGIN
	SELECT * INTO h FROM compliance.hold x WHERE x.id = hold_count.hold;
	asked := coalesce(h.marks && (h.words || $q$ ':b' | ':e' $q$::tsquery), h.marks, h.words || $q$ ':b' | ':e' $q$::tsquery);
	records := 0;
	unsearchable := 0;
	FOR number IN SELECT c.no FROM search.chunk c WHERE c.last_at >= h.since AND c.first_at < h.until ORDER BY c.no LOOP
		EXECUTE format('SELECT count(*) AS n, min(d.at) AS first_at, max(d.at) AS last_at,'
			' count(*) FILTER (WHERE $1.words IS NOT NULL AND l.v @@ %L::tsquery) AS blind FROM search.doc_%s d,'
			' LATERAL (SELECT search.lexemes(d.words, d.marks) AS v OFFSET 0) l WHERE d.at >= $1.since AND d.at < $1.until', ''':b'' | '':e''', number)
			|| CASE WHEN asked IS NULL THEN '' ELSE
			' AND array_to_tsvector(array_remove(string_to_array(d.words || '' '' || d.marks, '' ''), '''')) @@ $2'
			' AND compliance.hold_covers($1, l.v, d.words)' END INTO part USING h, asked;
		records := records + part.n;
		unsearchable := unsearchable + part.blind;
		first_at := least(first_at, part.first_at);
		last_at := greatest(last_at, part.last_at);
	END LOOP;
END
$$;

-- Is a record held that says something of this file: that it was sent, judged, fetched? Then its content stays. As archive.held otherwise.
CREATE FUNCTION archive.file_held(content bytea) RETURNS boolean
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM archive.held(ARRAY(SELECT v.record FROM chancery.file_event v WHERE v.sha256 = content AND v.record IS NOT NULL)))
$$;
-- When a content that nobody refers to any more was last found held: it is asked again a day later.
ALTER TABLE chancery.file ADD held_at timestamptz;

REVOKE ALL ON FUNCTION search.lexemes(text, text), compliance.hold_covers(compliance.hold, tsvector, text), archive.held(bigint[]),
	archive.file_held(bytea), compliance.hold_count(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION archive.held(bigint[]) TO chancery_retention, chancery_officer;
GRANT EXECUTE ON FUNCTION archive.file_held(bytea) TO chancery_server;
GRANT EXECUTE ON FUNCTION compliance.hold_count(bigint) TO chancery_officer;
