"""files.links: fetch: files on other servers are fetched, scanned, kept here, and offered from here; and what nobody can have fetched (SSRF)."""
import errno
import gzip
import io
import socket
import zipfile
from urllib.parse import urlsplit

from chancerytest import dns
from chancerytest.ca import Authority, authority
from chancerytest.fileserver import ADDRESS, FileServer, answer, fetch_from, redirect
from chancerytest.rooms import enter, new_room
from chancerytest.scenario import alone
from chancerytest.server import EICAR
from chancerytest.upload import http, noise
from test_filecheck import OFFERS, by_id, came, files, oob, others, png, refusal, sfs


def start(t, **more):
    """A web server, from which files are fetched from now on."""
    s = FileServer(t)
    fetch_from(t, s.port, **more)
    return s


def addresses(e):
    """Of an element: whatever is in its texts and attributes and begins like one of ours."""
    found = [v for v in e.attrs.values() if '/upload/' in v]
    for c in e.children:
        found += addresses(c) if not isinstance(c, str) else [c.strip()] if '/upload/' in c else []
    return found


def download(t, url):
    p = urlsplit(url)
    assert (p.scheme, p.hostname) == ('https', t.server.domain), url
    return http(t).ask('GET', p.path)


def refused(a, inner, to, condition='not-acceptable', type=None):
    return refusal(by_id(a, a.message(to, inner=inner)), condition, type)


def zipped(data, name='a.com'):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as z:
        z.writestr(name, data)
    return out.getvalue()


def uploads(t, where='true'):
    return int(t.server.value('SELECT count(*) FROM chancery.upload WHERE ' + where))


@alone()
def test_fetched(t):
    """XEP-0066, 0447, 0385, 0372, 0071: what is offered from elsewhere is offered from here; the recipient has it from us, the sender owns it"""
    s = start(t)
    a, b = t.online(), t.online()
    for n, make in enumerate(OFFERS):
        pic, path = png(), '/some/where/na%%C3%%AFve %d.png' % n
        s.files[path.replace(' ', '%20')] = answer(pic, 'Content-Type: image/png')
        theirs = s.url(path.replace(' ', '%20') + '?key=secret')
        m = by_id(b, a.message(b.jid, inner=make(theirs)))
        ours = addresses(m)
        assert m.get('type') == 'chat' and ours and len(set(ours)) == 1 and s.host not in str(m), m
        assert ours[0].endswith('/na%C3%AFve%20' + '%d.png' % n), ours
        got = download(t, ours[0])
        assert got.status == 200 and got.body == pic and got.get('content-type') == 'image/png', got
    assert len(files(t, a)) == len(OFFERS) and all("path='fetched'" in r[0] for r in files(t, a))
    assert not [r for r in others(t, a) if s.host in r[0]]
    # Nothing of ours was told to the other server; it was asked once for each, however often the address was there.
    assert len(s.asked) == len(OFFERS)
    for _, head in s.asked:
        assert 'cookie' not in head.lower() and 'authorization' not in head.lower() and 'referer' not in head.lower(), head
        assert a.user not in head and t.server.domain not in head, head
    # An upload of the sender's: it ends, counts, and the list by which people delete has it.
    assert uploads(t, "owner = '%s' AND account IS NOT NULL AND state = 2 AND expires_at > now() + interval '29 days' AND size > 0" % a.bare) == len(OFFERS)
    assert t.server.metric('chancery_fetches_total') == len(OFFERS) and t.server.metric('chancery_fetches_open') == 0
    assert 'secret' not in t.server.log()


@alone()
def test_replaced(t):
    """What is not the address stays as it was: words, the end of what points at a body; one file from two sources, two files; rooms, requests"""
    s = start(t)
    a, b = t.online(), t.online()
    one, two = png(), png()
    s.files.update({'/1': answer(one), '/2': answer(two)})
    u, v = s.url('/1'), s.url('/2')
    words = 'see %s, it is nice' % u
    m = by_id(b, a.message(b.jid, words, inner="<x xmlns='jabber:x:oob'><url>\n %s </url><desc>d</desc></x>" % u))
    assert m.text('body') == words and m.text('x', 'desc') == 'd', m
    assert download(t, m.text('x', 'url')).body == one
    # XEP-0428: the whole body is there for others; XEP-0447: two sources, of which one is ours already.
    ours = m.text('x', 'url')
    m = by_id(b, a.message(b.jid, inner=sfs(v, "<url-data xmlns='http://jabber.org/protocol/url-data' target='%s'/>" % ours) +
                           "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:sfs:0'><body start='0' end='%d'/></fallback>" % len(v)))
    found = [e.get('target') for e in m.find('file-sharing', 'sources').all()]
    assert found[1] == ours and download(t, found[0]).body == two, m
    assert m.text('body') == found[0] and m.find('fallback', 'body').get('end') == str(len(found[0])), m
    # Two at once.
    m = by_id(b, a.message(b.jid, 'x', inner="<x xmlns='jabber:x:oob'><url>%s</url></x><x xmlns='jabber:x:oob'><url>%s</url></x>" % (u, v)))
    assert [download(t, x.text('url')).body for x in m.all('x')] == [one, two]
    # In a request, and in a room.
    a.iq_send('set', "<query xmlns='jabber:iq:oob'><url>%s</url></query>" % u, b.jid)
    q = b.expect(lambda e: e.name == 'iq' and e.get('type') == 'set', 'the request')
    assert download(t, q.text('query', 'url')).body == one
    room = new_room(t)
    enter(a, room, 'ay')
    a.iq('set', "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>", room)
    enter(b, room, 'bee')
    a.message(room, type='groupchat', inner=oob(u))
    m = b.expect(lambda e: e.name == 'message' and e.find('jabber:x:oob:x') is not None, 'what was said in the room')
    assert m.get('from') == room + '/ay' and m.text('body') == m.text('x', 'url') and download(t, m.text('body')).body == one, m
    # A redirection, to a name and to a path.
    s.files.update({'/r': redirect('/1'), '/r2': redirect(s.url('/r'), '308 Permanent Redirect')})
    assert download(t, by_id(b, a.message(b.jid, inner=oob(s.url('/r2')))).text('body')).body == one
    # As often as it is there; but it does not become much larger than a stanza may be.
    m = by_id(b, a.message(b.jid, inner=''.join("<body xml:lang='l%d'>%s</body>" % (i, u) for i in range(20)) + oob(u).split('</body>')[1]))
    assert len(m.all('body')) == 20 and {e.text() for e in m.all('body')} == {m.text('x', 'url')}, m
    many = "<url xmlns='jabber:x:oob'>%s</url>" % s.url('/' + '€' * 50)
    s.files.update({'/' + '%E2%82%AC' * 50: answer(two), '/' + '%e2%82%ac' * 50: answer(two)})
    before = uploads(t)
    refused(a, "<x xmlns='urn:example'>%s</x>" % (many * 1000), b.jid, 'policy-violation')
    assert uploads(t) == before
    # Nothing is fetched for what is not the address of a file, or is ours.
    n = len(s.asked)
    by_id(b, a.message(b.jid, u, inner="<reference xmlns='urn:xmpp:reference:0' type='mention' uri='%s'/>" % u))
    by_id(b, a.message(b.jid, inner=oob(ours)))
    assert len(s.asked) == n


@alone(limits__file_bytes=200000)
def test_not_given(t):
    """What cannot be fetched, is too large or infected, or is not what it says, is refused with the reason; nothing reaches anybody, nothing stays"""
    s = start(t)
    a, b = t.online(), t.online()
    big, elf = noise(200001), b'\x7fELF\2\1\1' + bytes(9) + b'\2\0\x3e\0\1\0\0\0' + bytes(200)
    s.files.update({
        '/eicar': answer(EICAR), '/eicar.zip': answer(zipped(EICAR)), '/cat.png': answer(elf, 'Content-Type: image/png'),
        '/empty': answer(b''), '/big': answer(big), '/endless': answer(big, length=False), '/liar': answer(b'x' * 100, length=10 ** 12),
        '/short': answer(b'x' * 100, length=200), '/cut': lambda c: c.sendall(answer(b'x' * 100, length=False)),
        '/coded': answer(gzip.compress(b'x' * 1000), 'Content-Encoding: gzip'), '/401': answer(b'', status='401 Unauthorized'),
        '/403': answer(b'', status='403 Forbidden'), '/500': answer(b'oh', status='500 Internal Server Error'),
        '/429': answer(b'', status='429 Too Many Requests'), '/206': answer(b'x', status='206 Partial Content'), '/204': answer(status='204 No Content'),
        '/heads': b'HTTP/1.1 200 OK\r\n' + b'X-Very: long\r\n' * 10000,
        '/odd': b'220 smtp.example ESMTP\r\n', '/nowhere': answer(b'x', status='302 Found'),
        '/loop': redirect('/loop'), '/plain': redirect('http://%s:%d/1' % (s.host, s.port)), '/port': redirect('https://%s/1' % s.host),
        '/ftp': redirect('ftp://%s/1' % s.host), '/file': redirect('file:///etc/passwd'), '/1': answer(png()),
    })
    for path, condition, type, word in (
            ('/eicar', 'not-acceptable', None, 'virus'), ('/eicar.zip', 'not-acceptable', None, 'virus'),
            ('/cat.png', 'policy-violation', None, 'not what it says'), ('/empty', 'not-acceptable', None, 'empty'),
            ('/big', 'policy-violation', None, 'more than'), ('/endless', 'policy-violation', None, 'more than'),
            ('/liar', 'policy-violation', None, 'more than'), ('/short', 'not-acceptable', None, 'all of it'),
            ('/cut', 'not-acceptable', None, 'all of it'), ('/coded', 'not-acceptable', None, 'form'),
            ('/401', 'not-acceptable', None, 'everybody'), ('/403', 'not-acceptable', None, 'everybody'),
            ('/404', 'not-acceptable', None, 'no such file'), ('/500', 'resource-constraint', 'wait', 'trouble'),
            ('/429', 'resource-constraint', 'wait', 'trouble'), ('/206', 'not-acceptable', None, 'not give'),
            ('/204', 'not-acceptable', None, 'not give'), ('/odd', 'not-acceptable', None, 'all of it'), ('/heads', 'not-acceptable', None, 'all of it'),
            ('/nowhere', 'not-acceptable', None, 'not give'), ('/loop', 'not-acceptable', None, 'again and again'),
            ('/plain', 'policy-violation', None, 'https'), ('/port', 'policy-violation', None, 'port'),
            ('/ftp', 'policy-violation', None, 'https'), ('/file', 'policy-violation', None, 'https')):
        text = refused(a, oob(s.url(path)), b.jid, condition, type)
        assert word in text, (path, text)
    assert s.times_asked('/loop') == 6      # limits.fetch_redirects and the first
    # One of several is enough.
    refused(a, oob(s.url('/1')) + oob(s.url('/eicar')).split('</body>')[1], b.jid)
    # What is no address that files are fetched from.
    n = len(s.asked)
    for url in ('http://%s:%d/1' % (s.host, s.port), 'ftp://%s/1' % s.host, 'https://%s/1' % s.host, 'https://u:p@%s:%d/1' % (s.host, s.port),
                'https://@%s:%d/1' % (s.host, s.port), '//%s:%d/1' % (s.host, s.port), 'https:///1', 'https://', 'file:///etc/passwd', '/1',
                'https://%s:%d\\@other.test/1' % (s.host, s.port), 'https://%s:0%d/1 2' % (s.host, s.port), 'https://a..b:%d/' % s.port,
                'https://[::1%%25lo]:%d/' % s.port, 'https://%s:99999/1' % s.host, 'gopher://%s:%d/1' % (s.host, s.port),
                'HTTPS://%s:%d/%s' % (s.host, s.port, 'a' * 9000)):
        assert 'https://' in refused(a, oob(url), b.jid, 'policy-violation'), url
    assert len(s.asked) == n
    # As many as there may be in a stanza.
    many = ''.join("<x xmlns='jabber:x:oob'><url>%s</url></x>" % s.url('/many%d' % i) for i in range(17))
    assert 'too many' in refused(a, many, b.jid, 'policy-violation')
    assert not came(b, a) and not others(t, a) and uploads(t) == 0
    assert t.server.metric('chancery_fetches_open') == 0
    # Exactly as much as may be, its length said or not.
    s.files.update({'/fits': answer(big[1:]), '/fits2': answer(big[1:], length=False)})
    for path in '/fits', '/fits2':
        assert download(t, by_id(b, a.message(b.jid, inner=oob(s.url(path)))).text('body')).body == big[1:]


@alone()
def test_certificates(t):
    """Who is asked must have a certificate for its name, by an authority that the system or files.fetch_ca_file knows"""
    good = FileServer(t)
    bad = [FileServer(t, certificate=Authority('Nobody').certificate('x.test')), FileServer(t, names=['other.test']),
           FileServer(t, certificate=authority().certificate(names='DNS:unrelated.test', serial='client', usage='clientAuth'))]
    stranger = FileServer(t)
    stranger.tls.load_cert_chain(*Authority('Nobody else').certificate(stranger.host))
    fetch_from(t, good.port, stranger.port, *(s.port for s in bad))
    a, b = t.online(), t.online()
    for s in (*bad, stranger):
        s.files['/1'] = answer(png())
        text = refused(a, oob(s.url('/1')), b.jid)
        assert 'certificate' in text and not s.asked, text
    # Only addresses: a certificate for the name does not do for it.
    good.files['/1'] = answer(png())
    assert 'certificate' in refused(a, oob(good.url('/1', ADDRESS)), b.jid)
    by_id(b, a.message(b.jid, inner=oob(good.url('/1'))))
    # Without the setting nobody knows the authority.
    fetch_from(t, good.port, fetch_ca_file='""')
    assert 'certificate' in refused(a, oob(good.url('/1')), b.jid)
    assert len(good.asked) == 1


# Who must not be asked by us, though we can reach them.
INWARD = (dns.a('127.0.0.1'), dns.a('127.0.0.3'), dns.a('10.0.0.1'), dns.a('172.16.0.1'), dns.a('192.168.1.1'), dns.a('169.254.169.254'),
          dns.a('100.64.0.1'), dns.a('0.0.0.0'), dns.a('224.0.0.1'), dns.a('255.255.255.255'), dns.a('198.18.0.1'), dns.aaaa('::1'), dns.aaaa('::'),
          dns.aaaa('::ffff:127.0.0.1'), dns.aaaa('::ffff:127.0.0.2'), dns.aaaa('::127.0.0.2'), dns.aaaa('64:ff9b::7f00:2'), dns.aaaa('64:ff9b:1::7f00:2'),
          dns.aaaa('2002:7f00:2::1'), dns.aaaa('2001:0:7f00:2::1'), dns.aaaa('fe80::1'), dns.aaaa('fc00::1'), dns.aaaa('fd00:ec2::254'),
          dns.aaaa('ff02::1'), dns.aaaa('fec0::1'))


def with_insiders(t):
    """A web server, and places inside at the same port: they would answer."""
    for _ in range(50):
        s, inside = FileServer(t), []
        try:
            for host in '127.0.0.1', '127.0.0.3', '::1':
                x = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
                inside.append(x)
                try:
                    x.bind((host, s.port))
                except OSError as e:
                    if e.errno != errno.EADDRNOTAVAIL:      # there is no IPv6 here
                        raise
                    continue
                x.listen()
                x.setblocking(False)
            return s, [x for x in inside if x.gettimeout() == 0]
        except OSError:
            for x in inside:
                x.close()
    raise RuntimeError('no port that is free everywhere')


@alone()
def test_inward(t):
    """SSRF: a name, a number or a redirection that leads to an address inside is not followed, and the sender cannot tell it from a name that is none"""
    s, inside = with_insiders(t)
    fetch_from(t, s.port)
    a, b = t.online(), t.online()
    s.files['/1'] = answer(png())
    nobody = refused(a, oob('https://nobody.test:%d/1' % s.port), b.jid)
    assert 'cannot be reached' in nobody
    for i, record in enumerate(INWARD):
        t.server.dns.set('in%d.test' % i, record)
        assert refused(a, oob(s.url('/1', 'in%d.test' % i)), b.jid) == nobody, record
    for host in ('127.0.0.1', '[::1]', '[::]', '[::ffff:127.0.0.2]', '[::ffff:7f00:2]', '0', '0.0.0.0', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '0x7f.1',
                 'localhost', 'localhost.', '169.254.169.254', '[64:ff9b::7f00:1]', '①②⑦.⓪.⓪.①', '127。0。0。1'):
        assert refused(a, oob(s.url('/1', host)), b.jid) == nobody, host
    # By a redirection; also to a name that was good just now.
    t.server.dns.set('in.test', dns.a('127.0.0.1'))
    s.files.update({'/r': redirect(s.url('/1', '127.0.0.1')), '/r2': redirect('//in.test:%d/1' % s.port), '/r3': redirect(s.url('/1', '[::1]'))})
    for path in '/r', '/r2', '/r3':
        assert refused(a, oob(s.url(path)), b.jid) == nobody

    def turn(c):
        t.server.dns.set(s.host, dns.a('127.0.0.1'))
        c.sendall(redirect(s.url('/1')))
        c.unwrap()
    s.files['/turn'] = turn
    assert refused(a, oob(s.url('/turn')), b.jid) == nobody
    for x in inside:
        try:
            x.accept()
            raise AssertionError('somebody inside was asked')
        except BlockingIOError:
            pass
        x.close()
    assert s.times_asked('/1') == 0 and not came(b, a)
    assert t.server.metric('chancery_fetches_inward_total') >= len(INWARD) - 4 and ' fetch-inward ' in t.server.log()
    # Of several addresses those that may be asked are; and by another name of the same.
    t.server.dns.set(s.host, dns.a('127.0.0.1'), dns.a('10.0.0.1'), dns.a(ADDRESS), dns.aaaa('::1'))
    by_id(b, a.message(b.jid, inner=oob(s.url('/1'))))
    t.server.dns.set(s.host, dns.cname('real.test'))
    t.server.dns.set('real.test', dns.a(ADDRESS))
    by_id(b, a.message(b.jid, inner=oob(s.url('/1'))))


@alone(limits__fetch_seconds=600, limits__fetches_per_sender=1)
def test_waits(t):
    """RFC 6120 §10.1: what its sender sends behind it waits for a slow file, others do not; limits.fetches_per_sender holds for all of a person's devices"""
    s = start(t)
    a, b, c = t.online(), t.online(), t.online()
    a2, pic = t.online(a), png()
    s.files.update({'/hung': s.silent, '/1': answer(pic)})
    first, second = a.message(b.jid, inner=oob(s.url('/hung'))), a.message(b.jid, 'behind it')
    t.server.wait(lambda: s.times_asked('/hung'), 'the question')
    third = a2.message(b.jid, inner=oob(s.url('/1')))
    c.message(b.jid, inner=oob(s.url('/1')))
    assert download(t, b.expect(lambda e: e.name == 'message' and e.get('from') == c.jid, "somebody else's file").text('body')).body == pic
    a.iq('get', "<query xmlns='jabber:iq:roster'/>")
    assert not came(b, a) and s.times_asked('/1') == 1
    s.released.set()
    assert 'all of it' in refusal(by_id(a, first), 'not-acceptable')
    assert by_id(b, second).text('body') == 'behind it'
    assert download(t, by_id(b, third).text('body')).body == pic


@alone(limits__fetch_seconds=1)
def test_slow(t):
    """limits.fetch_seconds: who has not given all of it by then, does not answer, or has no name server that does: a wait error"""
    s = start(t)
    a, b = t.online(), t.online()

    def drip(conn):
        conn.sendall(answer(length=10000))
        while not s.released.wait(0.1):
            conn.sendall(b'x')
    s.files.update({'/hung': s.silent, '/drip': drip})
    t.server.dns.set('silent.test', dns.a(ADDRESS))
    t.server.dns.trouble('silent.test', dns.SILENT)
    for url in s.url('/hung'), s.url('/drip'), s.url('/1', 'silent.test'):
        assert 'in time' in refused(a, oob(url), b.jid, 'resource-constraint', 'wait'), url
    assert t.server.metric('chancery_fetches_open') == 0 and not came(b, a) and not others(t, a)


@alone(limits__fetch_seconds=600, limits__fetch_seconds_remote=1)
def test_slow_from_elsewhere(t):
    """limits.fetch_seconds_remote: a partner's people, and a component's, are not all held up by a file of one of them"""
    s = start(t)
    b, p, c = t.online(), t.partner(), t.component().joined()
    s.files['/hung'] = s.silent
    p.message(b.bare, from_=p.jid('romeo'), id='p0', inner=oob(s.url('/hung')))
    p.message(b.bare, 'behind it', from_=p.jid('juliet'))
    assert 'in time' in refusal(by_id(p, 'p0'), 'resource-constraint', 'wait')
    b.expect_message('behind it')
    c.send("<message from='x@%s' to='%s' type='chat' id='c0'>%s</message>" % (c.domain, b.jid, oob(s.url('/hung'))))
    assert 'in time' in refusal(c.expect(lambda e: e.get('id') == 'c0'), 'resource-constraint', 'wait')


@alone(limits__fetch_seconds=600)
def test_stopped(t):
    """A stop of the server does not wait for a file from elsewhere: the message goes back, and nothing of it is in the record"""
    s = start(t)
    a, b = t.online(sm=True), t.online()
    s.files['/hung'] = s.silent
    id = a.message(b.jid, inner=oob(s.url('/hung')))
    t.server.wait(lambda: s.times_asked('/hung'), 'the question')
    t.server.terminate()
    refusal(by_id(a, id), 'resource-constraint', 'wait')
    t.server.wait_gone()
    t.server.start()
    assert not others(t, a) and not files(t, a)


@alone(limits__file_quota_bytes=1000, limits__fetch_quota_bytes=1500, files__keep='0')
def test_quota(t):
    """limits.file_quota_bytes counts what was fetched for somebody; for the people of a partner limits.fetch_quota_bytes, for all of them"""
    s = start(t)
    a, b, p = t.online(), t.online(), t.partner()
    for i in range(8):
        s.files['/%d' % i] = answer(noise(600))
    by_id(b, a.message(b.jid, inner=oob(s.url('/0'))))
    assert 'no room' in refused(a, oob(s.url('/1')), b.jid, 'resource-constraint', 'wait')
    assert uploads(t, 'expires_at IS NULL AND state = 2') == 1
    # From a partner, whoever of its people it is.
    for i, who in enumerate(('romeo', 'juliet')):
        p.message(b.bare, from_=p.jid(who), id='p%d' % i, inner=oob(s.url('/%d' % (2 + i))))
        m = by_id(b, 'p%d' % i)
        assert download(t, m.text('body')).status == 200, m
    p.message(b.bare, from_=p.jid('nurse'), id='p2', inner=oob(s.url('/4')))
    assert 'no room' in refusal(by_id(p, 'p2'), 'resource-constraint', 'wait')
    assert uploads(t, "account IS NULL AND owner LIKE '%%@%s' AND domain = '%s'" % (p.domain, t.server.domain)) == 2
    # Nothing is asked for that there is no room for.
    s.files['/6'] = answer(noise(400))
    by_id(b, a.message(b.jid, inner=oob(s.url('/6'))))
    asked = s.connections
    assert 'no room' in refused(a, oob(s.url('/7')), b.jid, 'resource-constraint', 'wait')
    assert s.connections == asked
    # To a partner, and from a component.
    x = t.component().joined()
    x.send("<message from='x@%s' to='%s' type='chat' id='c1'>%s</message>" % (x.domain, p.jid(), oob(s.url('/5'))))
    m = p.expect(lambda e: e.get('id') == 'c1', 'what the component sent')
    assert download(t, m.text('body')).status == 200 and download(t, m.text('x', 'url')).status == 200, m


@alone(limits__fetch_quota_bytes=100000, limits__fetch_owner_quota_bytes=1000)
def test_quota_of_one(t):
    """limits.fetch_owner_quota_bytes: one of a partner's people does not take up what is for all of them"""
    s = start(t)
    b, p = t.online(), t.partner()
    for i in range(3):
        s.files['/%d' % i] = answer(noise(600))
    p.message(b.bare, from_=p.jid('romeo'), id='p0', inner=oob(s.url('/0')))
    by_id(b, 'p0')
    p.message(b.bare, from_=p.jid('romeo'), id='p1', inner=oob(s.url('/1')))
    assert 'no room' in refusal(by_id(p, 'p1'), 'resource-constraint', 'wait')
    p.message(b.bare, from_=p.jid('juliet'), id='p2', inner=oob(s.url('/2')))
    assert download(t, by_id(b, 'p2').text('body')).status == 200


@alone()
def test_partner_without_files(t):
    """--no-files: a link that passes does not become a file, in neither direction, and nobody is asked for it"""
    s = start(t)
    a, b, p = t.online(), t.online(), t.partner(allow=('--no-files',))
    s.files['/balcony'] = answer(png())
    reference = "<body>x</body><reference xmlns='urn:xmpp:reference:0' type='data' uri='%s'/>" % s.url('/balcony')
    atom = "<body>x</body><entry xmlns='http://www.w3.org/2005/Atom'><link rel='enclosure' href='%s'/></entry>" % s.url('/balcony')
    for inner in reference, atom:
        assert p.domain in refused(a, inner, p.jid(), 'not-allowed')
        p.message(a.jid, from_=p.jid('romeo'), id='in', inner=inner)
        refusal(p.expect(lambda e: e.get('id') == 'in', 'the error'), 'not-allowed')
    id = a.iq_send('get', "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>", p.jid())
    p.answer(p.expect(lambda e: e.get('id') == id, 'the question'), payload=
             "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><photo><uri>%s</uri></photo></vcard>" % s.url('/balcony'))
    refusal(by_id(a, id), 'not-allowed')
    a.message(p.jid(), 'words')
    p.expect_message('words')
    assert not s.asked and uploads(t) == 0 and not came(a, p)
    by_id(b, a.message(b.jid, inner=reference))
    assert len(s.asked) == 1


@alone(files__rules='["deny group=Interns"]')
def test_known_ahead(t):
    """Who may send no files, whatever they are, has none fetched"""
    s = start(t)
    a, b, intern = t.online(), t.online(), t.online()
    s.files['/1'] = answer(png())
    assert t.server.cli('user', 'set', intern.bare, 'group+=Interns')[0] == 0
    refused(intern, oob(s.url('/1')), b.jid, 'policy-violation')
    assert not s.asked
    by_id(b, a.message(b.jid, inner=oob(s.url('/1'))))
    assert s.times_asked('/1') == 1


@alone(files__scanner='""')
def test_no_scanner(t):
    """Nothing is fetched that nobody can look into"""
    s = start(t)
    a, b = t.online(), t.online()
    s.files['/1'] = answer(png())
    refused(a, oob(s.url('/1')), b.jid, 'resource-constraint', 'wait')
    assert not s.asked


@alone(limits__file_bytes=200000)
def test_together(t):
    """limits.file_bytes is for all that is fetched for one stanza"""
    s = start(t)
    a, b = t.online(), t.online()
    s.files.update({'/1': answer(noise(150000)), '/2': answer(noise(50001)), '/3': answer(noise(50000)), '/4': answer(png())})

    def offers(*paths):
        return '<body>x</body>' + ''.join("<x xmlns='jabber:x:oob'><url>%s</url></x>" % s.url(p) for p in paths)
    assert 'together' in refused(a, offers('/1', '/2'), b.jid, 'policy-violation')
    assert 'together' in refused(a, offers('/1', '/3', '/4'), b.jid, 'policy-violation')
    assert s.times_asked('/4') == 0 and uploads(t) == 0
    assert len(by_id(b, a.message(b.jid, inner=offers('/1', '/3'))).all('x')) == 2
