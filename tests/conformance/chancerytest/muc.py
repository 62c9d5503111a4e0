"""A room of XEP-0045, and people in it."""
from .client import unique
from .element import escape

MUC, USER = 'http://jabber.org/protocol/muc', 'http://jabber.org/protocol/muc#user'
OWNER = 'http://jabber.org/protocol/muc#owner'


class Room:
    def __init__(self, t, name=None):
        self.t = t
        self.jid = '%s@conference.%s' % (name or unique('room'), t.server.domain)

    def at(self, nick):
        return '%s/%s' % (self.jid, nick)

    def send_join(self, c, nick, inner='', id=None):
        c.stanza("<presence to='%s'%s><x xmlns='%s'>%s</x></presence>"
                 % (escape(self.at(nick)), " id='%s'" % id if id else '', MUC, inner))

    def join(self, c, nick, inner='', seen=(), history=0):
        """Enters and takes what comes: others' presence, one's own, history, subject (§7.2). The self-presence."""
        self.send_join(c, nick, inner)
        for other in seen:
            c.expect_presence(None, self.at(other))
        p = c.expect_presence(None, self.at(nick))
        assert '110' in codes(p), p
        for _ in range(history):
            c.expect(lambda e: e.name == 'message' and e.find('body') is not None, 'history')
        c.expect(lambda e: e.name == 'message' and e.get('type') == 'groupchat' and e.find('subject') is not None
                 and e.find('body') is None, 'the subject')
        if '201' in codes(p):
            # §10.1.2: as it is. Until then nobody else may get in.
            r = c.iq('set', "<query xmlns='%s'><x xmlns='jabber:x:data' type='submit'/></query>" % OWNER, to=self.jid)
            assert r.get('type') == 'result', r
        return p

    def leave(self, c, nick, inner=''):
        c.stanza("<presence to='%s' type='unavailable'>%s</presence>" % (escape(self.at(nick)), inner))

    def say(self, c, body, id=None, inner=''):
        c.stanza("<message to='%s' type='groupchat' id='%s'>%s%s</message>"
                 % (self.jid, id or unique('m'), '<body>%s</body>' % escape(body) if body is not None else '', inner))


def codes(p):
    x = p.find(USER + ':x')
    return [] if x is None else [s.get('code') for s in x.all('status')]


def item(p):
    x = p.find(USER + ':x')
    return x.find('item')


def here(t, n=2, nicks=('thirdwitch', 'secondwitch', 'firstwitch', 'fourth'), **kw):
    """A room with n people inside; the first owns it."""
    room, people = Room(t), []
    for i in range(n):
        c = t.online(**kw)
        room.join(c, nicks[i], seen=nicks[:i])
        for other in people:
            other.expect_presence(None, room.at(nicks[i]))
        people.append(c)
    return (room, *people)
