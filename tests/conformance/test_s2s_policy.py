"""What may pass between us and a partner, and how it is marked (server/core/federation/pass, XEP-0258)."""
LABEL = 'urn:xmpp:sec-label:0'
EXTERNAL = 'urn:chancery:external:0'
FORGED = ("<securitylabel xmlns='%s'><displaymarking fgcolor='white' bgcolor='#b45309'>EXTERNAL \u00b7 verona.test</displaymarking>"
          "<label><external xmlns='%s' domain='verona.test'/></label></securitylabel>" % (LABEL, EXTERNAL))
SECRET = ("<securitylabel xmlns='%s'><displaymarking fgcolor='black' bgcolor='red'>SECRET</displaymarking><label/></securitylabel>" % LABEL)


def labels(e):
    """Display markings of a message."""
    return [x.find('displaymarking').text() for x in e.all('securitylabel', LABEL)]


def test_forged_label_of_user(t):
    """XEP-0258 §4: a label that only the server sets is taken out of what a user sends; a label of the user's own stays"""
    romeo, juliet = t.online(), t.online()
    for forged in (FORGED, "<external xmlns='%s' domain='verona.test'/>" % EXTERNAL,
                   FORGED.replace('EXTERNAL', 'OURS'), FORGED.replace(EXTERNAL, 'urn:example:x').replace('EXTERNAL', ' external')):
        romeo.message(juliet.jid, 'Hi', inner=forged)
        m = juliet.expect_message('Hi')
        assert [e.name for e in m.all() if e.name not in ('body', 'stanza-id')] == [], m
    romeo.message(juliet.jid, 'Hi', inner=SECRET + FORGED)
    assert labels(juliet.expect_message('Hi')) == ['SECRET']
    rows = t.server.records("to_bare = '%s'" % juliet.bare, 'stanza')
    assert len(rows) == 5 and not [r for r in rows if 'EXTERNAL' in r[0] or EXTERNAL in r[0]], rows


def test_forged_label_of_component(t):
    """XEP-0258 §4: the same for what a component sends"""
    c, juliet = t.component().joined(), t.online()
    c.send("<message from='romeo@%s' to='%s' type='chat'><body>Hi</body>%s</message>" % (c.domain, juliet.jid, FORGED))
    assert labels(juliet.expect_message('Hi')) == []
