"""Rooms (XEP-0045) as scenarios use them: entering, configuring, changing who is what."""
from .client import unique
from .element import escape

MUC = 'http://jabber.org/protocol/muc'
USER = MUC + '#user'
ADMIN = MUC + '#admin'
OWNER = MUC + '#owner'
CONFIG = MUC + '#roomconfig'
REQUEST = MUC + '#request'
REGISTER = MUC + '#register'


def new_room(t):
    """An address nobody has used; its text in capitals comes back prepared."""
    return '%s@conference.%s' % (unique('room'), t.server.domain)


def codes(e):
    """Status codes of a presence or message from a room."""
    x = e.find(USER + ':x')
    return set() if x is None else {int(s.get('code')) for s in x.all('status')}


def item(e):
    """The <item/> of a presence or message from a room."""
    return e.find(USER + ':x', 'item')


def standing(e):
    """(affiliation, role) that a presence tells."""
    i = item(e)
    return i.get('affiliation'), i.get('role')


def enter_send(c, room, nick, password=None, inner='', history=''):
    p = '<password>%s</password>' % escape(password) if password is not None else ''
    c.presence(to='%s/%s' % (room, nick), inner="<x xmlns='%s'>%s%s</x>%s" % (MUC, p, history, inner))


def enter(c, room, nick, password=None, **kw):
    """Its own presence when it is inside, and all that comes before the subject has come; or the error."""
    enter_send(c, room, nick, password, **kw)
    at = '%s/%s' % (room, nick)
    e = c.expect(lambda e: e.name == 'presence' and e.get('from') == at and (e.get('type') == 'error' or 110 in codes(e)),
                 'to be in %s' % at)
    if e.get('type') != 'error':
        c.expect(lambda e: e.name == 'message' and e.get('type') == 'groupchat' and e.find('subject') is not None
                 and e.find('body') is None, 'the subject of %s' % room)
    return e


def leave(c, room, nick):
    c.presence('unavailable', to='%s/%s' % (room, nick))
    return c.expect(lambda e: e.name == 'presence' and e.get('type') == 'unavailable' and e.get('from') == '%s/%s' % (room, nick)
                    and 110 in codes(e), 'to have left')


def instant(c, room):
    return c.iq('set', "<query xmlns='%s'><x xmlns='jabber:x:data' type='submit'/></query>" % OWNER, to=room)


def fields(**values):
    """Fields of a form by short names: membersonly=1, roomadmins=[…]; others by var_."""
    out = ''
    for k, v in values.items():
        var = {'maxhistoryfetch': 'muc#maxhistoryfetch'}.get(k, 'muc#roomconfig_' + k)
        vs = v if isinstance(v, (list, tuple)) else [v]
        out += "<field var='%s'>%s</field>" % (var, ''.join('<value>%s</value>' % escape(str(x)) for x in vs))
    return out


def submit(c, room, inner, type='submit'):
    return c.iq('set', "<query xmlns='%s'><x xmlns='jabber:x:data' type='%s'><field var='FORM_TYPE'><value>%s</value></field>"
                "%s</x></query>" % (OWNER, type, CONFIG, inner), to=room)


def configure(c, room, **values):
    return submit(c, room, fields(**values))


def ok(answer):
    assert answer.get('type') == 'result', answer
    return answer


def refused(answer, condition, type=None):
    assert answer.get('type') == 'error' and answer.condition() == condition, (condition, answer)
    assert type is None or answer.find('error').get('type') == type, answer
    return answer


def create(c, room, nick, **values):
    """A new room, unlocked."""
    e = enter(c, room, nick)
    assert e.get('type') is None and 201 in codes(e), e
    ok(configure(c, room, **values) if values else instant(c, room))
    return e


def form(c, room):
    """What an owner is shown: {short name: [values]}, and the form."""
    r = ok(c.iq('get', "<query xmlns='%s'/>" % OWNER, to=room))
    x = r.find(OWNER + ':query', 'data:x')
    return {f.get('var').replace('muc#roomconfig_', '').replace('muc#', ''): [v.text() for v in f.all('value')]
            for f in x.all('field') if f.get('var')}, x


def change_many(c, room, items):
    """items: dicts of attributes, with an optional 'reason'."""
    inner = ''
    for i in items:
        reason = i.get('reason')
        attrs = ''.join(" %s='%s'" % (k, escape(v)) for k, v in i.items() if k != 'reason')
        inner += '<item%s>%s</item>' % (attrs, '<reason>%s</reason>' % escape(reason) if reason else '')
    return c.iq('set', "<query xmlns='%s'>%s</query>" % (ADMIN, inner), to=room)


def change(c, room, **i):
    """change(romeo, room, nick='tybalt', role='none', reason='…')"""
    return change_many(c, room, [i])


def listed(c, room, **which):
    """The answer to who is of this role or affiliation."""
    attrs = ''.join(" %s='%s'" % (k, v) for k, v in which.items())
    return c.iq('get', "<query xmlns='%s'><item%s/></query>" % (ADMIN, attrs), to=room)


def items(answer):
    return ok(answer).find(ADMIN + ':query').all('item')


def seen(c, room, nick, match=lambda e: True, type=None, what='presence'):
    """The next presence of that occupant for which match(e)."""
    at = '%s/%s' % (room, nick)
    return c.expect(lambda e: e.name == 'presence' and e.get('from') == at and e.get('type') == type and match(e),
                    '%s of %s' % (what, at))


def become(c, room, nick, affiliation=None, role=None):
    """The presence that tells the occupant to be this now."""
    def match(e):
        a, r = standing(e)
        return (affiliation is None or a == affiliation) and (role is None or r == role)
    return seen(c, room, nick, match, what='%s %s' % (affiliation, role))
