-- A page of an index that nobody has looked at lately comes from the disk a row here and a row there: they are asked for ahead, side by side.
ALTER FUNCTION search.find(tsquery, text[], text[], bigint, bigint, bigint, bigint, boolean, int, int) SET effective_io_concurrency = 64;
