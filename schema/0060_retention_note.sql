-- A run of retention looks at what may be due, and not at the whole record each time (server/archive/RETENTION.md, "Runs"). Of each page of the record that it has
-- looked at it notes until when nothing of it expires, and by which classes and memberships that is so. When in doubt a page is looked at.

CREATE TABLE compliance.retention_note (
	after bigint PRIMARY KEY,       -- a page: ids behind this
	upto bigint NOT NULL CHECK (upto > after),
	classes bigint NOT NULL,        -- what compliance.retention_rules() said
	members bigint NOT NULL,
	due timestamptz NOT NULL,       -- nothing of the page expires before; -infinity: something has expired and stayed, as it is held
	due_joined timestamptz NOT NULL -- the same, whoever joins a group
);
GRANT SELECT, INSERT, UPDATE ON compliance.retention_note TO chancery_retention;

ALTER TABLE compliance.retention_run ADD looked bigint NOT NULL DEFAULT 0; -- records
GRANT UPDATE (looked) ON compliance.retention_run TO chancery_retention;

-- Other numbers than before say that classes have been set or removed, or that somebody has joined a group that one in force names. Rows of neither table ever go.
CREATE FUNCTION compliance.retention_rules(OUT classes bigint, OUT members bigint)
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT count(*) + count(c.removed_at), (SELECT count(*) FROM compliance.retention_member m
		WHERE m.member_of IN (SELECT unnest(f.groups) FROM compliance.retention_class f WHERE f.removed_at IS NULL)) FROM compliance.retention_class c
$$;
CREATE INDEX retention_member_of ON compliance.retention_member (member_of);

-- Up to where nothing behind `after` has to be looked at, as notes say of all of it that nothing expires before `now_at`. A migration that changes what
-- belongs to a class, or what may be erased, empties compliance.retention_note.
CREATE FUNCTION archive.retention_from(after bigint, now_at timestamptz) RETURNS bigint
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rules record := compliance.retention_rules();
	noted bigint;
BEGIN
	LOOP
		noted := (SELECT n.upto FROM compliance.retention_note n WHERE n.after = retention_from.after AND n.classes = rules.classes
			AND n.due >= retention_from.now_at AND (n.members = rules.members OR n.due_joined >= retention_from.now_at));
		IF noted IS NULL THEN
			RETURN after;
		END IF;
		after := noted;
	END LOOP;
END
$$;

-- As 0037 has it: what has expired by `now_at` of the `most` records behind `after`, with its class. The last row has no class: it says up to where that was, how many
-- records that were, and what is to be noted of the page (nothing, where records are yet to come to it). When there is none, all has been looked at.
DROP FUNCTION archive.expired(bigint, timestamptz, int);
CREATE FUNCTION archive.expired(after bigint, now_at timestamptz, most int)
	RETURNS TABLE (id bigint, class bigint, looked bigint, classes bigint, members bigint, due timestamptz, due_joined timestamptz)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
DECLARE
	-- Nothing younger than the shortest period is looked at. An id is never behind its record's time.
	last bigint := (SELECT max((extract(epoch FROM expired.now_at - make_interval(days => c.days)) * 1000000)::bigint)
		FROM compliance.retention_class c WHERE c.removed_at IS NULL);
	-- A page ends where another begins that was noted, so that those behind it stay as they are.
	beyond bigint := (SELECT min(x.after) FROM compliance.retention_note x WHERE x.after > expired.after);
	-- Whoever joins a group belongs to this at the least. It matters only to what belonged to nothing, or to the rest: of all else the longest counts.
	joining int := (SELECT min(c.days) FROM compliance.retention_class c WHERE c.removed_at IS NULL AND c.groups IS NOT NULL);
	rules record := compliance.retention_rules();
	upto bigint;
	n bigint;
	whole boolean;
BEGIN
	SELECT max(p.id), count(*) INTO upto, n FROM (SELECT r.id FROM archive.record r WHERE r.id > expired.after AND r.id < last
		AND (beyond IS NULL OR r.id <= beyond) ORDER BY r.id LIMIT most) p;
	whole := n = most;
	IF NOT whole AND beyond < last THEN
		upto := beyond;
		whole := true;
	END IF;
	IF upto IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY WITH page AS MATERIALIZED (
		SELECT r.id, f.id AS class, r.at + make_interval(days => f.days) AS due,
			CASE WHEN f.id IS NULL OR f.rest THEN r.at + make_interval(days => joining) END AS due_joined
		FROM archive.record r LEFT JOIN LATERAL (
			SELECT c.id, c.days, c.groups IS NULL AND c.rooms IS NULL AND c.domains IS NULL AND c.kinds IS NULL AS rest
			FROM compliance.retention_class c WHERE c.removed_at IS NULL
			AND (c.kinds IS NULL OR r.kind = ANY (c.kinds))
			AND (c.rooms IS NULL OR r.to_bare = ANY (c.rooms) OR r.from_bare = ANY (c.rooms))
			AND (c.domains IS NULL OR substring(r.from_bare FROM '[^@]*$') = ANY (c.domains)
				OR substring(r.to_bare FROM '[^@]*$') = ANY (c.domains))
			AND (c.groups IS NULL OR EXISTS (SELECT FROM compliance.retention_member m
				WHERE m.bare IN (r.from_bare, r.to_bare) AND m.member_of = ANY (c.groups)))
			ORDER BY rest, c.days DESC NULLS FIRST, c.id LIMIT 1) f ON true
		WHERE r.id > expired.after AND r.id <= upto AND r.salt IS NOT NULL AND archive.is_erasable(r.kind, r.type))
	SELECT p.id, p.class, NULL::bigint, NULL::bigint, NULL::bigint, NULL::timestamptz, NULL::timestamptz FROM page p WHERE p.due < expired.now_at
	UNION ALL
	SELECT upto, NULL, n, rules.classes, rules.members, CASE WHEN whole THEN coalesce(min(p.due), 'infinity') END,
		CASE WHEN whole THEN least(coalesce(min(p.due), 'infinity'), min(p.due_joined)) END
		FROM page p WHERE p.due IS NULL OR p.due >= expired.now_at;
END
$$;

REVOKE ALL ON FUNCTION compliance.retention_rules(), archive.retention_from(bigint, timestamptz), archive.expired(bigint, timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION compliance.retention_rules(), archive.retention_from(bigint, timestamptz), archive.expired(bigint, timestamptz, int) TO chancery_retention;
