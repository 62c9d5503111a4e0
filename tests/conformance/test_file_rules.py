"""Rules about files (files.rules): by the sender's group, whom they are for, what they are, how large, encrypted or not; on every path (issue 6)."""

from chancerytest.client import unique
from chancerytest.scenario import alone
from chancerytest.upload import get, noise, put, request, slot, upload
from test_filecheck import ENCRYPTED, FOREIGN, avatar, bob, by_id, oob, png, refusal, sfs
from test_transfer import BLOCK, IBB, close, closed, error_of, nothing_of, opened, pay, refused, send, si_offer, through

TYPES = '["allow group=Press to=*.peers.test type=text/", "deny to=remote", "deny group=Interns larger=1k"]'


def group(t, c, name):
    assert t.server.cli('user', 'set', c.bare, 'group+=' + name)[0] == 0


def text(n=20):
    return (unique('words') + ' ').ljust(n, '.').encode()


def link_refused(c, to, inner):
    return refusal(by_id(c, c.message(to, inner=inner)), 'policy-violation')


def body(address):
    return '<body>%s</body>' % address


@alone(files__rules=TYPES)
def test_links_to_uploads(t):
    """An upload is for nobody yet; who is sent its address is asked about when it is sent, by the file's true type and the sender's groups"""
    a, b, press, p = t.online(), t.online(), t.online(), t.partner()
    group(t, press, 'Press')
    words, picture = upload(t, a, text(), 'a.txt'), upload(t, press, png(), 'a.txt', 'text/plain')
    for address in words.get, picture.get:
        assert by_id(b, a.message(b.jid, inner=body(address))).text('body') == address
        assert p.domain in link_refused(a, p.jid(), body(address))
        link_refused(a, p.jid(), oob(address))
    link_refused(press, p.jid(), body(picture.get))
    press.message(p.jid(), 'look: ' + words.get)
    p.expect_message('look: ' + words.get)
    a.message(p.jid(), 'nothing else came')
    p.expect_message('nothing else came')
    assert b'words' in get(t, words).body
    assert t.server.metric('chancery_upload_links_refused_total') == 5


@alone(files__rules='["deny to=remote"]')
def test_links_in_disguise(t):
    """Addresses that lead to an upload all the same, in whatever place, are addresses of it; what is none passes"""
    a, p = t.online(), t.partner()
    s = upload(t, a, text())
    token = s.token
    encoded = ''.join('%%%02x' % ord(c) for c in token)
    for address in (s.get.replace('/upload/', '/%75pload/'), s.get.replace(token, encoded), s.get.replace('/upload/', '/upload/./'),
                    s.get.replace('/upload/', '\\upload\\'), s.get.replace('/upload/', '%2fupload%2F'), 'x' + s.get + ' y'):
        link_refused(a, p.jid(), body(address))
        link_refused(a, p.jid(), sfs(address))
        link_refused(a, p.jid(), "<body>x</body><x xmlns='urn:example' at='%s'/>" % address)
    publish = ("<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item><x xmlns='urn:example'>%s</x></item></publish></pubsub>" % s.get)
    refusal(a.iq('set', publish, p.jid()), 'policy-violation')
    many = ' '.join('https://%s/upload/%040x/a' % (t.server.domain, i) for i in range(8))
    link_refused(a, p.jid(), body(many + ' ' + s.get))
    for words in (many, token, '/upload/' + token[:-1] + '/x', '/' + token + '0/x', 'https://%s/upload/%s/x' % (t.server.domain, 'ab' * 20)):
        a.message(p.jid(), words)
        p.expect_message(words)


@alone(files__rules='["deny to=remote"]')
def test_links_too_early(t):
    """Nobody knows what will be put into a slot: its address is not sent on before"""
    a, b = t.online(), t.online()
    data = text()
    s = slot(a, 'a.txt', len(data))
    assert 'not been uploaded' in link_refused(a, b.jid, body(s.get))
    assert put(t, s, data).status == 201
    a.message(b.jid, s.get)
    b.expect_message(s.get)


@alone(files__rules='["allow group=Interns type=text/", "allow to=local type=image/ group=Press", "deny larger=1k"]',
       files__deny_types='["image/", "text/"]', files__deny_groups='["Interns"]')
def test_rules_before_lists(t):
    """The first rule that matches decides; deny_groups and deny_types are for what none matches, and never for less than they say"""
    a, b, intern, press, p = t.online(), t.online(), t.online(), t.online(), t.partner()
    group(t, intern, 'Interns')
    group(t, press, 'Press')
    s = upload(t, intern, text(5000))
    intern.message(p.jid(), s.get)
    p.expect_message(s.get)
    for c, data in (intern, png()), (a, png()), (a, text()), (press, text()), (a, noise(2000)), (press, png() + bytes(2000)):
        answer = request(c, 'a', len(data))
        if answer.get('type') == 'result':
            x = slot(c, 'a', len(data))
            got = put(t, x, data).status
            # Press may send pictures to some: for whom they are is seen later.
            assert got == (201 if c is press and data[1:4] == b'PNG' else 403), (c, data[:9], got)
            if got == 201:
                link_refused(c, p.jid(), body(x.get))
                c.message(b.jid, x.get)
                b.expect_message(x.get)
                link_refused(a, b.jid, body(x.get))
        else:
            assert answer.condition() == 'forbidden' and c is not press, answer


@alone(files__rules='["allow to=*.peers.test type=image/", "deny to=remote", "deny group=Interns type=image/", "deny group=Interns larger=2k"]')
def test_bytestreams(t):
    """XEP-0047: what rules deny whatever it is, is refused when it is opened, and the rest when it is known what it is"""
    a, b, p = t.online(), t.online(), t.partner()
    group(t, a, 'Interns')
    # The image is let through to them, so it may be one; it is none.
    romeo = p.jid(resource='r')
    id = a.iq_send('set', pay(IBB, 'open', block_size=BLOCK, sid='s1'), romeo)
    p.answer(p.expect(lambda e: e.get('id') == id, 'the <open/>'))
    by_id(a, id, 'iq')
    assert a.iq('set', pay(IBB, 'data', 'd29yZHM=', seq=0, sid='s1'), romeo).get('type') == 'result'
    refused(a.iq('set', pay(IBB, 'close', sid='s1'), romeo), 'policy-violation')
    p.expect(lambda e: e.find(IBB + ':close') is not None, 'the end')
    assert not [e for e in p.heard() if e.find(IBB + ':data') is not None]
    for data in png(), text(3000):
        sid = opened(a, b)
        send(a, b, sid, data)
        refused(error_of(a, close(a, b, sid)), 'policy-violation')
        closed(b, sid)
        nothing_of(b, sid)
    through(a, b, text(1000))
    through(b, a, png())


@alone(files__rules='["deny to=remote"]')
def test_bytestreams_elsewhere(t):
    """XEP-0047, XEP-0096: to whom nothing may be sent, nothing can be offered"""
    a, b, p = t.online(), t.online(), t.partner()
    romeo = p.jid(resource='r')
    for payload, condition in (pay(IBB, 'open', block_size=BLOCK, sid='s1'), 'not-acceptable'), (si_offer('s2', 5), 'forbidden'):
        assert p.domain in refused(a.iq('set', payload, romeo), condition).text('error', 'text')
    through(a, b, text())


@alone(files__rules='["deny to=remote type=image/", "deny from=remote larger=60"]')
def test_inside_stanzas(t):
    """XEP-0231, XEP-0084: files inside stanzas are judged by the same rules, in both directions; one's own avatar is to one's own domain"""
    a, b, p = t.online(), t.online(), t.partner()
    assert p.domain in refusal(by_id(a, a.message(p.jid(), inner=bob(png()))), 'policy-violation')
    assert by_id(b, a.message(b.jid, inner=bob(png()))).get('type') == 'chat'
    assert a.iq('set', avatar(png())).get('type') == 'result'
    a.message(p.jid(), 'words', inner=bob(text(), 'text/plain'))
    p.expect_message('words')
    p.message(a.jid, 'large', id='large', inner=bob(text(61), 'text/plain'))
    refusal(p.expect(lambda e: e.get('id') == 'large', 'the error'), 'policy-violation')
    p.message(a.jid, 'small', inner=bob(text(60), 'text/plain'))
    a.expect_message('small')
    assert not a.heard_any(lambda e: e.get('id') == 'large')


@alone(files__rules='["deny group=Interns", "allow group=Research to=*.peers.test encrypted", "allow group=Research", "deny to=remote"]',
       files__encrypted='["Lawyers"]')
def test_unseen(t):
    """Encrypted files and links elsewhere: a rule lets the former pass only when it says so; by what nobody can know they are not judged"""
    a, b, research, lawyer, intern, p = *(t.online() for _ in range(5)), t.partner()
    for c, name in (research, 'Research'), (lawyer, 'Lawyers'), (intern, 'Interns'):
        group(t, c, name)
    for inner in ENCRYPTED:
        refusal(by_id(a, a.message(b.jid, inner=inner)), 'policy-violation')
        refusal(by_id(research, research.message(b.jid, inner=inner)), 'policy-violation')
        by_id(b, lawyer.message(b.jid, inner=inner))
        refusal(by_id(lawyer, lawyer.message(p.jid(), inner=inner)), 'policy-violation')
        id = research.message(p.jid(), inner=inner)
        p.expect(lambda e: e.get('id') == id, 'the encrypted file')
    for make in oob, sfs:
        refusal(by_id(a, a.message(p.jid(), inner=make(FOREIGN))), 'policy-violation')
        refusal(by_id(intern, intern.message(b.jid, inner=make(FOREIGN))), 'policy-violation')
        by_id(b, a.message(b.jid, inner=make(FOREIGN)))
    a.message(p.jid(), 'last')
    p.expect_message('last')
    assert not [e for e in p.heard() if e.name == 'message' and a.bare in str(e)]


MARKER = "<encrypted xmlns='urn:xmpp:esfs:0'/>"
SECRET = "<x xmlns='urn:example' at='aesgcm://elsewhere.example/a#%s'/>" % ('00' * 44)


@alone(files__rules='["allow group=Research encrypted", "deny to=remote"]', files__encrypted='["everyone"]', files__deny_groups='["Research"]')
def test_unseen_together(t):
    """What says that it is encrypted takes no other address with it: each kind is asked for by itself, and the stricter answer holds"""
    a, b, research, p = t.online(), t.online(), t.online(), t.partner()
    group(t, research, 'Research')
    for marker in MARKER, SECRET:
        # The rule that lets encrypted files pass says nothing of the link beside it, which another denies, or the group.
        refusal(by_id(research, research.message(p.jid(), inner=oob(FOREIGN) + marker)), 'policy-violation')
        refusal(by_id(research, research.message(b.jid, inner=oob(FOREIGN) + marker)), 'policy-violation')
        refusal(by_id(a, a.message(p.jid(), inner=oob(FOREIGN) + marker)), 'policy-violation')
        by_id(b, a.message(b.jid, inner=oob(FOREIGN) + marker))
    # The addresses of an encrypted file are within it (XEP-0448).
    source = "<url-data xmlns='http://jabber.org/protocol/url-data' target='%s'/>" % FOREIGN
    id = research.message(p.jid(), inner=sfs('https://%s/a' % t.server.domain, MARKER.replace('/>', '>%s</encrypted>' % source)))
    p.expect(lambda e: e.get('id') == id, 'the encrypted file')


@alone(files__rules='["allow to=local type=image/"]', files__deny_groups='["everyone"]')
def test_everyone(t):
    """files.deny_groups: everyone: what no rule allows nobody may send, on every path"""
    a, b, p = t.online(), t.online(), t.partner()
    assert by_id(b, a.message(b.jid, inner=bob(png()))).get('type') == 'chat'
    refusal(by_id(a, a.message(b.jid, inner=bob(text(), 'text/plain'))), 'policy-violation')
    refusal(by_id(a, a.message(p.jid(), inner=bob(png()))), 'policy-violation')
    refusal(by_id(a, a.message(b.jid, inner=oob(FOREIGN))), 'policy-violation')
    s = slot(a, 'a.txt', 20)
    assert put(t, s, text()).status == 403


@alone(files__rules='["deny to=remote larger=1k", "allow group=Research to=*.peers.test encrypted", "deny to=remote"]', files__encrypted='["everyone"]')
def test_encrypted_uploads(t):
    """XEP-0454, XEP-0448: what is uploaded here encrypted is sent as that; the same address beside it is not"""
    a, b, research, p = t.online(), t.online(), t.online(), t.partner()
    group(t, research, 'Research')
    s, large = upload(t, research, text()), upload(t, research, text(2000), 'b.txt')

    def secret(address):
        return address.replace('https:', 'aesgcm:') + '#' + '00' * 44

    def esfs(address):
        return sfs('https://%s/a' % t.server.domain, "<encrypted xmlns='urn:xmpp:esfs:0'><sources xmlns='urn:xmpp:sfs:0'>"
                   "<url-data xmlns='http://jabber.org/protocol/url-data' target='%s'/></sources></encrypted>" % address)
    for inner in body(secret(s.get)), body(secret(s.get) + '\nand words'), oob(secret(s.get)), esfs(s.get):
        id = research.message(p.jid(), inner=inner)
        p.expect(lambda e: e.get('id') == id, 'the encrypted file')
        by_id(b, a.message(b.jid, inner=inner))
        link_refused(a, p.jid(), inner)
    link_refused(research, p.jid(), esfs(large.get))
    by_id(b, research.message(b.jid, inner=esfs(large.get)))
    # Beside it, behind it, and dressed up as it.
    for inner in (body(secret(s.get)) + oob(s.get).split('</body>')[1], body(secret(s.get) + ' ' + s.get), esfs(s.get) + "<x xmlns='urn:example' at='%s'/>" % s.get,
                  body('https://%s/aesgcm://x/../../../upload/%s/a' % (t.server.domain, s.token)), body('aesgcm://x/' + s.get),
                  "<body>x</body><x xmlns='urn:example' at='https://%s/x aesgcm://x/../../../upload/%s/a'/>" % (t.server.domain, s.token)):
        link_refused(research, p.jid(), inner)


@alone(files__rules='["deny from=remote type=text/", "allow from=remote", "deny to=local group=Interns"]')
def test_links_from_elsewhere(t):
    """Addresses of uploads that other servers and components send on are asked about as well"""
    a, p, c = t.online(), t.partner(), t.component().joined()
    words, picture = upload(t, a, text()), upload(t, a, png(), 'a.png')
    p.message(a.jid, words.get, id='words')
    refusal(p.expect(lambda e: e.get('id') == 'words', 'the error'), 'policy-violation')
    p.message(a.jid, picture.get)
    a.expect_message(picture.get)
    me = 'bot@' + c.domain
    c.stanza("<message from='%s' to='%s' id='m1'><body>%s</body></message>" % (me, a.jid, words.get))
    a.expect_message(words.get)
    assert not a.heard_any(lambda e: e.get('id') == 'words')
