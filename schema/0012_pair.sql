-- A conversation's number is only in the first record of each of its spans from now on (README.md): an index that every record
-- has to be added to costs more than finding the others by their addresses. Records from before open a span each.

DROP INDEX archive.record_pair;
CREATE INDEX record_pair ON archive.record (pair_hash, id) WHERE shown AND pair_hash IS NOT NULL;
