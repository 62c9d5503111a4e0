-- Fills the record for tests/bench/mam: :rows rows in order of time over the last three years, of the users u0 to
-- u1999 of :'domain'. Every twentieth row belongs to u0, the others are spread evenly; a user talks to 50
-- contacts, the first ones far more often. As superuser, on a record that is empty but for the last days; the server is
-- started again afterwards, so that it goes on where this ends. The months are filled first and get their indexes when
-- they are attached. (psql -v rows=10000000 -v domain=example.org -f mamfill.sql)
\set ON_ERROR_STOP on
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET timezone = 'UTC';
SELECT setseed(0.5);
SELECT set_config('mamfill.rows', :'rows', false) \g /dev/null

CREATE TEMP TABLE mamfill_user AS
	SELECT u, 'u' || u || '@' || :'domain' AS bare, archive.address_hash('u' || u || '@' || :'domain') AS h
	FROM generate_series(0, 1999) u;
ANALYZE mamfill_user;
CREATE TEMP TABLE mamfill_said (i bigint, id bigint, f int, t int, body text);
CREATE TEMP TABLE mamfill_party (i bigint, u int, n bigint);
CREATE TEMP TABLE mamfill_opens (i bigint PRIMARY KEY, a int, b int, pos bigint);
-- Of each conversation, how many others its last span has: nothing is forgotten here.
CREATE TEMP TABLE mamfill_last (a int, b int, others bigint, PRIMARY KEY (a, b));

DO $$
DECLARE
	rows bigint := current_setting('mamfill.rows');
	ends timestamptz := date_trunc('day', now());
	begins timestamptz := ends - interval '1095 days';
	every float8 := extract(epoch FROM ends - begins) * 1000000 / rows;
	month timestamptz := date_trunc('month', begins);
	name text;
	i0 bigint := 0;
	i1 bigint;
BEGIN
	IF EXISTS (SELECT FROM archive.record WHERE id < (extract(epoch FROM ends) * 1000000)::bigint) THEN
		RAISE EXCEPTION 'there are records already';
	END IF;
	WHILE month < ends LOOP
		name := 'record_' || to_char(month, 'YYYY_MM');
		IF to_regclass('archive.' || name) IS NULL THEN
			EXECUTE format('CREATE TABLE archive.%I (LIKE archive.record INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
		ELSE
			EXECUTE format('ALTER TABLE archive.record DETACH PARTITION archive.%I', name);
		END IF;
		i1 := least(rows, ceil(extract(epoch FROM month + interval '1 month' - begins) * 1000000 / every)::bigint);
		TRUNCATE mamfill_said, mamfill_party, mamfill_opens;
		EXECUTE format($sql$
			INSERT INTO mamfill_said (i, id, f, t, body)
			SELECT i, id, CASE WHEN sent THEN u ELSE v END, CASE WHEN sent THEN v ELSE u END, body
			FROM (SELECT i, u, (u + 1 + floor(50 * r1 * r1)::int) %% 2000 AS v, r2 < 0.5 AS sent,
				%s + floor(i * %s::float8)::bigint AS id, substr(t, 1 + (r3 * 300)::int, 20 + (r4 * r4 * 250)::int) AS body
				FROM (SELECT i, CASE WHEN i %% 20 = 0 THEN 0 ELSE 1 + floor(random() * 1999)::int END AS u,
					random() AS r1, random() AS r2, random() AS r3, random() AS r4,
					repeat('are we still on for lunch today or should we move it to thursday; the build is red again, '
						'somebody ought to look at the log of the last run before the release, otherwise nobody '
						'will notice until it is too late. ', 4) AS t
					FROM generate_series(%s::bigint, %s::bigint) i OFFSET 0) a) b$sql$,
			(extract(epoch FROM begins) * 1000000)::bigint, every, i0, i1 - 1);
		-- The record that opens a span of its conversation has the number of the pair (server/store/address.h); a few more than the
		-- server would take do here.
		INSERT INTO mamfill_party SELECT i, u, row_number() OVER (PARTITION BY u ORDER BY i)
			FROM (SELECT i, f AS u FROM mamfill_said UNION ALL SELECT i, t FROM mamfill_said) p;
		ANALYZE mamfill_said, mamfill_party;
		INSERT INTO mamfill_opens SELECT i, a, b, pos FROM (
			SELECT s.i, least(s.f, s.t) AS a, greatest(s.f, s.t) AS b,
				row_number() OVER (PARTITION BY least(s.f, s.t), greatest(s.f, s.t) ORDER BY s.i) AS pos,
				row_number() OVER (PARTITION BY least(s.f, s.t), greatest(s.f, s.t), a.n / 32, b.n / 32 ORDER BY s.i) = 1 AS opens
			FROM mamfill_said s JOIN mamfill_party a ON a.i = s.i AND a.u = least(s.f, s.t)
			JOIN mamfill_party b ON b.i = s.i AND b.u = greatest(s.f, s.t)) c WHERE opens;
		ANALYZE mamfill_opens, mamfill_last;
		EXECUTE format($sql$
			INSERT INTO archive.%I (id, log_index, at, kind, direction, deliverable, from_bare, from_resource, to_bare,
				to_resource, type, client_id, body, stanza, salt, leaf_hash, shown, from_hash, to_hash, pair_hash, span_before)
			SELECT id, i, to_timestamp(id / 1000000.0), 1, 0, true, f.bare, 'phone', t.bare, NULL, 'chat', uid, body,
				'<message xml:lang=''en'' to=''' || t.bare || ''' from=''' || f.bare || '/phone'' type=''chat'' id=''' || uid ||
				'''><active xmlns=''http://jabber.org/protocol/chatstates''/><request xmlns=''urn:xmpp:receipts''/>' ||
				'<origin-id xmlns=''urn:xmpp:sid:0'' id=''' || uid || '''/><body>' || body || '</body></message>',
				uuid_send(uid::uuid), uuid_send(uid::uuid) || uuid_send(uid::uuid), true, f.h, t.h,
				CASE WHEN opens THEN f.h # t.h END, before
			FROM (SELECT s.*, md5(s.i::text)::uuid::text AS uid, o.i IS NOT NULL AS opens,
				coalesce(o.pos - lag(o.pos) OVER (PARTITION BY o.a, o.b ORDER BY o.i) - 1, l.others) AS before
				FROM mamfill_said s LEFT JOIN mamfill_opens o USING (i) LEFT JOIN mamfill_last l ON l.a = o.a AND l.b = o.b) c
			JOIN mamfill_user f ON f.u = c.f JOIN mamfill_user t ON t.u = c.t ORDER BY i$sql$, name);
		INSERT INTO mamfill_last SELECT a, b, n - pos FROM (
				SELECT least(f, t) AS a, greatest(f, t) AS b, count(*) AS n FROM mamfill_said GROUP BY 1, 2) x
			JOIN (SELECT a, b, max(pos) AS pos FROM mamfill_opens GROUP BY 1, 2) y USING (a, b)
			ON CONFLICT (a, b) DO UPDATE SET others = excluded.others;
		EXECUTE format('CREATE UNIQUE INDEX IF NOT EXISTS %I ON archive.%I (log_index)', name || '_log_index', name);
		EXECUTE format('ALTER TABLE archive.record ATTACH PARTITION archive.%I FOR VALUES FROM (%s) TO (%s)', name,
			(extract(epoch FROM month) * 1000000)::bigint, (extract(epoch FROM month + interval '1 month') * 1000000)::bigint);
		RAISE NOTICE '% % rows', name, i1 - i0;
		i0 := i1;
		month := month + interval '1 month';
	END LOOP;
END
$$;
UPDATE chancery.account SET created_at = date_trunc('day', now()) - interval '1095 days' WHERE bare LIKE 'u%';
UPDATE chancery.delivery_mark SET mark = (SELECT max(id) FROM archive.record);
VACUUM ANALYZE archive.record;
