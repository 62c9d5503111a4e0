"""A contact at another server (s2s.py), as scenarios use it."""


def befriend(c, p, user='romeo', inner='', resource='pda'):
    """The client and `user` of the partner see each other's presence (RFC 6121 §3.1); presence that was heard is forgotten.
    `inner`: of the contact's presence. Its full address."""
    full, bare = p.jid(user, resource), p.jid(user)
    c.roster()
    c.presence('subscribe', to=bare)
    p.expect_presence('subscribe', c.bare)
    p.presence(c.bare, 'subscribed', from_=bare)
    p.presence(c.bare, from_=full, inner=inner)
    c.expect_presence(None, full)
    p.presence(c.bare, 'subscribe', from_=bare)
    c.expect_presence('subscribe', bare)
    c.presence('subscribed', to=bare)
    p.expect_presence('subscribed', c.bare)
    p.expect_presence(None, c.jid)
    while c.expect_push(bare).get('subscription') != 'both':
        pass
    c.heard.clear()
    for s in p.streams:
        s.heard = [e for e in s.heard if e.name != 'presence']
    return full
