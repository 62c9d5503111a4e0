-- Second lines for the compliance desk. What has been settled is not turned back by the server's role: who a person is, that a token was revoked, what became
-- of a request. With four eyes no export comes to be without its approval. And what makes exports reads, and nothing else.

-- Who somebody is among the accounts here and of the operating system is said when they are added.
REVOKE UPDATE (account, uid) ON compliance.person FROM chancery_server;

CREATE FUNCTION compliance.is_final() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
	RAISE EXCEPTION 'permission denied: this has been settled' USING ERRCODE = 'insufficient_privilege';
END
$$;
REVOKE ALL ON FUNCTION compliance.is_final() FROM PUBLIC;

CREATE TRIGGER token_final BEFORE UPDATE OF revoked_at ON compliance.token FOR EACH ROW
	WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
	EXECUTE FUNCTION compliance.is_final();

-- waiting → running → done, failed or interrupted; or waiting → denied, withdrawn or expired. Who decided, decided.
CREATE TRIGGER approval_final BEFORE UPDATE ON compliance.approval FOR EACH ROW
	WHEN ((NEW.state <> OLD.state AND NOT (OLD.state = 'waiting' AND NEW.state IN ('running', 'denied', 'withdrawn', 'expired')
			OR OLD.state = 'running' AND NEW.state IN ('done', 'failed', 'interrupted')))
		OR OLD.state NOT IN ('waiting', 'running')
		OR (OLD.decided_by IS NOT NULL AND (NEW.decided_by, NEW.decided_at) IS DISTINCT FROM (OLD.decided_by, OLD.decided_at)))
	EXECUTE FUNCTION compliance.is_final();

-- What the settings say, for the triggers below; the server keeps it so (server/admin/approval.h).
CREATE TABLE compliance.policy (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	four_eyes boolean NOT NULL DEFAULT false
);
INSERT INTO compliance.policy DEFAULT VALUES;
GRANT SELECT, UPDATE (four_eyes) ON compliance.policy TO chancery_server;

-- An export belongs to the approval that it names, which is being carried out for the same query; and with four eyes it names one. (A query by `subject`
-- is one of a person; the address is prepared on the way.)
CREATE FUNCTION compliance.export_allowed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
	asked jsonb;
	same boolean;
BEGIN
	IF NEW.approval IS NULL THEN
		IF (SELECT p.four_eyes FROM compliance.policy p) THEN
			RAISE EXCEPTION 'permission denied: an export needs an approval' USING ERRCODE = 'insufficient_privilege';
		END IF;
		RETURN NEW;
	END IF;
	SELECT a.args::jsonb INTO asked FROM compliance.approval a WHERE a.id = NEW.approval AND a.state = 'running' AND a.noun = 'archive'
		AND a.verb = 'export' AND a.asked_by = NEW.asked_by AND a.person IS NOT DISTINCT FROM NEW.person AND a.decided_by = NEW.approved_by
		AND NOT EXISTS (SELECT FROM compliance.export e WHERE e.approval = a.id);
	same := asked -> 'formats' = to_jsonb(NEW.formats) AND (asked -> 'query' = NEW.query
		OR (asked ? 'subject' AND NEW.query - 'person' = '{}' AND jsonb_array_length(NEW.query -> 'person') = 1));
	IF same IS NOT TRUE THEN
		RAISE EXCEPTION 'permission denied: this is not what was approved' USING ERRCODE = 'insufficient_privilege';
	END IF;
	RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION compliance.export_allowed() FROM PUBLIC;
CREATE TRIGGER export_allowed BEFORE INSERT ON compliance.export FOR EACH ROW EXECUTE FUNCTION compliance.export_allowed();

-- The program that makes exports asks here what it is to make: an export that runs, and its query; nothing otherwise.
CREATE FUNCTION compliance.export_job(wanted bigint) RETURNS TABLE (query jsonb, formats text[]) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
	SELECT e.query, e.formats FROM compliance.export e WHERE e.id = wanted AND e.state = 2
		AND (e.approval IS NOT NULL OR NOT (SELECT p.four_eyes FROM compliance.policy p));
$$;
REVOKE ALL ON FUNCTION compliance.export_job(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION compliance.export_job(bigint) TO chancery_export;

-- (chancery_export has what chancery_reader has in the schemas archive and search.)
GRANT USAGE ON SCHEMA chancery, compliance TO chancery_export;
GRANT SELECT ON chancery.file, chancery.file_event, chancery.vcard TO chancery_export;
GRANT SELECT (id, bare) ON chancery.account TO chancery_export;
