-- Contents that erasures have left to nobody and that are held are looked at last, so that those behind them are not kept from going, however many they are.

CREATE OR REPLACE FUNCTION chancery.file_orphans(most int) RETURNS SETOF bytea
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.sha256 FROM chancery.file f WHERE f.seen_at < now() - interval '1 minute'
		AND EXISTS (SELECT FROM archive.erasure)
		AND NOT EXISTS (SELECT FROM chancery.upload u WHERE u.sha256 = f.sha256)
		AND NOT EXISTS (SELECT FROM chancery.file_event e WHERE e.sha256 = f.sha256 AND e.path NOT IN ('download', 'rescan', 'quarantine', 'link'))
		ORDER BY f.held_at NULLS FIRST LIMIT most
$$;

-- As 0036 has it; what is held says so.
CREATE OR REPLACE FUNCTION chancery.file_forget(content bytea) RETURNS boolean
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM chancery.file f WHERE f.sha256 = content FOR UPDATE;
	IF NOT EXISTS (SELECT FROM chancery.file f WHERE f.sha256 = content AND f.seen_at < now() - interval '1 minute')
			OR EXISTS (SELECT FROM chancery.upload u WHERE u.sha256 = content)
			OR EXISTS (SELECT FROM chancery.file_event e WHERE e.sha256 = content AND e.path NOT IN ('download', 'rescan', 'quarantine', 'link')) THEN
		RETURN false;
	END IF;
	IF archive.file_held(content) THEN
		UPDATE chancery.file f SET held_at = now() WHERE f.sha256 = content;
		RETURN false;
	END IF;
	DELETE FROM chancery.file_event e WHERE e.sha256 = content AND e.path IN ('rescan', 'quarantine');
	DELETE FROM chancery.file_release r WHERE r.sha256 = content;
	DELETE FROM chancery.file f WHERE f.sha256 = content;
	RETURN true;
END
$$;
