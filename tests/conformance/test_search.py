"""Searching the record (issue 7): by who, where, when and what was said; who searches is seen."""


def indexed(t):
    """All that is in the record now is in the index, too."""
    newest = int(t.server.value('select coalesce(max(id), 0) from archive.record'))
    t.server.wait(lambda: int(t.server.value('select id from search.progress')) >= newest, 'the index to have all that is in the record')


def test_index_follows(t):
    """Issue 7: the index is filled behind the writer, in the order of the log"""
    a, b = t.online(), t.online()
    ids = [a.message(b.jid, 'le budget prévisionnel %d' % i) for i in range(3)]
    for id in ids:
        b.expect_message(id=id)
    indexed(t)
    found = t.server.psql("select r.client_id from search.find('''budget'' & ''previsionnel''', '{}', '{}', 0, 1::bigint << 62, 0, 1::bigint << 62, "
                          "false, 1000, 64) f join archive.record r on r.id = f.id where r.from_bare = '%s'" % a.bare)
    assert [f for f, in found] == ids, found
    assert t.server.metric('chancery_search_indexed_total') >= 3
