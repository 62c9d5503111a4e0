-- What is erased leaves the rest of a conversation to be found by contact, wherever its spans begin and end: 0036 left what stood before an erased record
-- that was a span by itself out of histories with that contact.

-- Carries out a record of kind 25: what it names is wiped, but what has to stay. Once: a second time says what the first one did.
CREATE OR REPLACE FUNCTION archive.erase(erasure bigint, OUT erased bigint, OUT held bigint)
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
	-- What opens a span of a conversation gives that to the next record of it that stays (server/store/address.h), from the last to the first: also to one that
	-- opens a span itself, which says how many others the span before has, and that is another one then; however much later it is.
	FOR opener IN SELECT o.id, o.from_hash, o.to_hash, o.pair_hash, o.span_before FROM archive.record o
			WHERE o.id = ANY (gone) AND o.shown AND o.pair_hash IS NOT NULL ORDER BY o.id DESC LOOP
		UPDATE archive.record x SET pair_hash = opener.pair_hash, span_before = opener.span_before WHERE x.id = (
			SELECT min(y.id) FROM (
				(SELECT r.id FROM archive.record r WHERE r.to_hash = opener.to_hash AND r.from_hash = opener.from_hash AND r.shown
					AND r.id > opener.id AND r.id < opener.id + 2419200000000 AND r.id <> ALL (gone) ORDER BY r.id LIMIT 1)
				UNION ALL
				(SELECT r.id FROM archive.record r WHERE r.to_hash = opener.from_hash AND r.from_hash = opener.to_hash AND r.shown
					AND r.id > opener.id AND r.id < opener.id + 2419200000000 AND r.id <> ALL (gone) ORDER BY r.id LIMIT 1)
				UNION ALL
				(SELECT r.id FROM archive.record r WHERE r.pair_hash = opener.pair_hash AND r.shown
					AND r.id > opener.id AND r.id <> ALL (gone) ORDER BY r.id LIMIT 1)) y);
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

-- What erasures have left wrong is not known any more, so it is not said: whoever reads looks for as many as a span can have.
UPDATE archive.record SET span_before = NULL WHERE pair_hash IS NOT NULL AND span_before IS NOT NULL AND EXISTS (SELECT FROM archive.erasure);
