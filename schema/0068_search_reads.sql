-- How many pages a search asks the disk for at a time, says who asks (limits.desk_reads; server/store/sql_turn.h): 64 of them keep a commit waiting for as many.
ALTER FUNCTION search.find(tsquery, text[], text[], bigint, bigint, bigint, bigint, boolean, int, int) RESET effective_io_concurrency;
