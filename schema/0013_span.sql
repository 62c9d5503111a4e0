-- In a record that opens a span of a conversation: how many others the span before has; NULL: nobody remembers. Who reads the
-- conversation looks for so many, and for none where there is none.

-- Every record from before 0012 is a span: without others (and without being written again). Those from after it do not know.
ALTER TABLE archive.record ADD COLUMN span_before smallint DEFAULT 0;
ALTER TABLE archive.record ALTER COLUMN span_before DROP DEFAULT;
UPDATE archive.record SET span_before = NULL WHERE pair_hash IS NOT NULL AND id >=
	(SELECT (extract(epoch FROM applied_at - interval '1 day') * 1000000)::bigint FROM chancery.migration WHERE name = '0012_pair.sql');
