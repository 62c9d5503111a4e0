"""HTTP File Upload (XEP-0363): slots, PUT, GET, and everything that is not let through."""
import hashlib
import io
import os
import re
import select
import time
import zipfile

from chancerytest.command import Step, command, submit
from chancerytest.element import escape
from chancerytest.scenario import alone
from chancerytest.server import EICAR
from chancerytest.upload import NS, PURPOSE, Slot, get, http, noise, put, request, service, slot, upload
from test_review import Locked

INFO, ITEMS = 'http://jabber.org/protocol/disco#info', 'http://jabber.org/protocol/disco#items'
PNG = bytes.fromhex('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001'
                    'a5f645400000000049454e44ae426082')


def error(answer):
    """(type, condition, the error)"""
    assert answer.get('type') == 'error', answer
    e = answer.find('error')
    return e.get('type'), [x.name for x in e.all() if x.ns == 'urn:ietf:params:xml:ns:xmpp-stanzas' and x.name != 'text'][0], e


# -- discovery (§3) ---------------------------------------------------------------------------------------


def test_discovery(t):
    """XEP-0363 §3: the host's items name the service, whose information says how large a file may be"""
    c = t.online()
    r = c.iq('get', "<query xmlns='%s'/>" % ITEMS, t.server.domain)
    assert (service(t.server), 'HTTP File Upload') in [(i.get('jid'), i.get('name')) for i in r.find(ITEMS + ':query').all()], r
    r = c.iq('get', "<query xmlns='%s'/>" % INFO, service(t.server))
    q = r.find(INFO + ':query')
    assert [(i.get('category'), i.get('type')) for i in q.all('identity')] == [('store', 'file')], r
    assert {NS, PURPOSE + '#message', PURPOSE + '#ephemeral'} <= {f.get('var') for f in q.all('feature')}, r
    form = {f.get('var'): [v.text() for v in f.all('value')] for f in q.find('data:x').all('field')}
    assert form == {'FORM_TYPE': [NS], 'max-file-size': ['104857600']}, r


def test_other_questions(t):
    """XEP-0363: the service answers pings and knows no nodes, no messages and nothing below itself"""
    c = t.online()
    assert c.iq('get', "<ping xmlns='urn:xmpp:ping'/>", service(t.server)).get('type') == 'result'
    assert c.iq('get', "<query xmlns='%s'/>" % ITEMS, service(t.server)).get('type') == 'result'
    for ns in (INFO, ITEMS):
        assert error(c.iq('get', "<query xmlns='%s' node='x'/>" % ns, service(t.server)))[1] == 'item-not-found'
    for to in ('x@' + service(t.server), service(t.server) + '/x'):
        assert error(c.iq('get', "<request xmlns='%s' filename='a' size='1'/>" % NS, to))[1] == 'service-unavailable'
    assert error(c.iq('set', "<request xmlns='%s' filename='a' size='1'/>" % NS, service(t.server)))[1] == 'service-unavailable'
    assert error(c.iq('get', "<request xmlns='urn:xmpp:http:upload' filename='a' size='1'/>", service(t.server)))[1] == 'service-unavailable'


# -- slots (§4, §5) ---------------------------------------------------------------------------------------


def test_slot(t):
    """XEP-0363 §4: a slot has two addresses on our HTTPS port, with the file's name percent-encoded, and cannot be guessed"""
    c = t.online()
    a = Slot(request(c, 'très cool.jpg', 23456, 'image/jpeg'))
    b = Slot(request(c, 'très cool.jpg', 23456, 'image/jpeg'))
    base = 'https://%s:%d/upload/' % (t.server.domain, t.server.port_https)
    urls = [a.put, a.get, b.put, b.get]
    for u in urls:
        assert u.startswith(base) and u.endswith('/tr%C3%A8s%20cool.jpg') and u.isascii(), u
    assert len(set(urls)) == 4 and all(len(u[len(base):].split('/')[0]) * 4 >= 128 for u in urls), urls


def test_slot_names(t):
    """XEP-0363 §4, RFC 3986: whatever a file is called, its address has one harmless part for it, with the right ending"""
    c = t.online()
    for name, path in (('../../etc/passwd', 'passwd'), ('C:\\boot.ini', 'boot.ini'), ('..', 'file'), ('a b+c&d=e?f#g%h.txt', None),
                       ('invoice\u202egpj.exe', 'invoicegpj.exe'), ('\u2066x\u2069.pdf', 'x.pdf'), ('/', 'file'), ('x' * 4000 + '.jpg', None),
                       ('\U0001f600' * 1000 + '.png', None), ('a"b\'c<d>.txt', None), ('tab\there\n.txt', None)):
        s = Slot(request(c, name, 10))
        last = s.get.split('/')[-1]
        assert re.fullmatch(r"[A-Za-z0-9._~%-]{1,500}", last), last
        assert path is None or last == path, (name, last)
        assert name.count('.') != 1 or last.endswith('.' + name.split('.')[1]), (name, last)
        assert put(t, s, b'0123456789').status == 201, name
        a = get(t, s)
        assert a.status == 200 and a.body == b'0123456789', (name, a)
        assert '..' not in a.get('Content-Disposition') and '\n' not in a.get('Content-Disposition'), a


def test_slot_malformed(t):
    """XEP-0363 §4: without a name or a size that is one there is no slot: bad-request"""
    c = t.online()
    for kw in ({'name': None, 'size': 1}, {'name': '', 'size': 1}, {'size': None}, {'size': ''}, {'size': '-1'}, {'size': '0'}, {'size': '1.5'},
               {'size': '0x10'}, {'size': ' 1'}, {'size': '99999999999999999999999'}, {'size': '1e3'}, {'size': 1, 'type': 'image'},
               {'size': 1, 'type': 'image/jpeg\r\nX-Evil: 1'}, {'size': 1, 'type': ''}, {'size': 1, 'type': 'a/' + 'b' * 200}):
        kind, condition, e = error(request(c, **kw))
        assert (kind, condition) == ('modify', 'bad-request'), (kw, e)


def test_file_too_large(t):
    """XEP-0363 §6: a file over the limit is not-acceptable, with the limit; one of exactly the limit gets a slot"""
    c = t.online()
    for size in (104857601, 2 ** 40, 2 ** 63 - 1):
        r = request(c, 'très cool.jpg', size, 'image/jpeg')
        kind, condition, e = error(r)
        assert (kind, condition) == ('modify', 'not-acceptable'), r
        assert e.find(NS + ':file-too-large').all()[0].text() == '104857600', r
        assert r.find(NS + ':request').get('filename') == 'très cool.jpg' and '104.8 MB' in e.text('text'), r
    Slot(request(c, 'x', 104857600))


@alone(limits__file_slots=3, limits__file_slot_seconds=60)
def test_too_many_slots(t):
    """XEP-0363 §6: limits.file_slots: who has as many unused slots gets a resource-constraint with a time to try again"""
    c, d = t.online(), t.online()
    slots = [slot(c) for _ in range(3)]
    r = request(c, size=1)
    kind, condition, e = error(r)
    assert (kind, condition) == ('wait', 'resource-constraint'), r
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z', e.find(NS + ':retry').get('stamp')), r
    slot(d)     # somebody else is not concerned
    assert put(t, slots[0], b'x').status == 201
    slot(c)
    # What was not put counts until its time is over.
    assert error(request(c, size=1))[1] == 'resource-constraint'
    t.server.psql("UPDATE chancery.upload SET until = now() - interval '1 second' WHERE state = 1")
    slot(c)


@alone(limits__file_quota_bytes=1000)
def test_quota(t):
    """XEP-0363 §6: limits.file_quota_bytes: what is kept and what may yet come counts; retry says when there will be room"""
    c, d = t.online(), t.online()
    upload(t, c, b'x' * 600)
    r = request(c, size=500)
    kind, condition, e = error(r)
    assert (kind, condition) == ('wait', 'resource-constraint') and e.find(NS + ':retry') is not None and '1.0 KB' in e.text('text'), r
    stamp = e.find(NS + ':retry').get('stamp')
    assert time.strftime('%Y-%m-%d', time.gmtime(time.time() + 29 * 86400)) <= stamp[:10] <= \
        time.strftime('%Y-%m-%d', time.gmtime(time.time() + 31 * 86400)), stamp
    s = slot(c, size=400)
    assert error(request(c, size=1))[1] == 'resource-constraint'
    # What was put into it in time may yet be judged when its time is over.
    t.server.psql("UPDATE chancery.upload SET until = now() - interval '1 second' WHERE state = 1")
    assert error(request(c, size=1))[1] == 'resource-constraint'
    t.server.psql("UPDATE chancery.upload SET until = now() + interval '1 minute' WHERE state = 1")
    assert put(t, s, b'y' * 400).status == 201
    assert error(request(c, size=1))[1] == 'resource-constraint'
    slot(d, size=1000)
    # What can never be is too large.
    r = request(c, size=1001)
    assert error(r)[1] == 'not-acceptable' and error(r)[2].find(NS + ':file-too-large').all()[0].text() == '1000', r


def test_foreigners(t):
    """XEP-0363: slots are for users of this server; others are forbidden"""
    p = t.component().joined()
    p.send("<iq type='get' id='slot' from='x@%s' to='%s'><request xmlns='%s' filename='a' size='1'/></iq>" % (p.domain, service(t.server), NS))
    assert error(p.expect(lambda e: e.name == 'iq' and e.get('id') == 'slot', 'the answer'))[:2] == ('auth', 'forbidden')


@alone(files__deny_groups='["interns"]')
def test_denied_group(t):
    """files.deny_groups: who is in one of these groups gets no slot, and is told why"""
    c = t.online()
    assert t.server.cli('user', 'set', c.bare, 'group+=interns')[0] == 0
    kind, condition, e = error(request(c, size=1))
    assert (kind, condition) == ('auth', 'forbidden') and e.find('text') is not None, e


@alone(files__on='false')
def test_files_off(t):
    """files.on: false: there is no service, and nothing below /upload/"""
    c = t.online()
    r = c.iq('get', "<query xmlns='%s'/>" % ITEMS, t.server.domain)
    assert service(t.server) not in [i.get('jid') for i in r.find(ITEMS + ':query').all()], r
    assert request(c, size=1).get('type') == 'error'
    for method in ('GET', 'PUT'):
        assert http(t).ask(method, '/upload/%s/a' % ('0' * 40), body=b'x' if method == 'PUT' else None).status == 404


def test_purposes(t):
    """XEP-0363 §5: message is the default; ephemeral ends when it says; what is not offered is refused"""
    c = t.online()
    Slot(request(c, size=1, inner="<message xmlns='%s'/>" % PURPOSE))
    for wrong in ('', " expire-before='tomorrow'", " expire-before='2001-09-10T23:08:25Z'"):
        assert error(request(c, size=1, inner="<ephemeral xmlns='%s'%s/>" % (PURPOSE, wrong)))[1] == 'bad-request', wrong
    for other in ('permanent', 'profile'):
        assert error(request(c, size=1, inner="<%s xmlns='%s'/>" % (other, PURPOSE)))[1] == 'feature-not-implemented'
    end = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))
    s = slot(c, inner="<ephemeral xmlns='%s' expire-before='%s'/>" % (PURPOSE, end))
    assert put(t, s, b'x').status == 201
    age = int(re.search(r'max-age=(\d+)', get(t, s).get('Cache-Control'))[1])
    assert 3000 < age <= 3600, age
    expire(t, s)
    assert get(t, s).status == 410


def expire(t, s):
    """Its time is over."""
    t.server.psql("UPDATE chancery.upload SET expires_at = now() - interval '1 second' WHERE token = sha256('%s')" % s.token)


# -- PUT (§7) ---------------------------------------------------------------------------------------------


def test_upload(t):
    """XEP-0363 §7: after 201 everybody who knows the address gets exactly what was put; before that nobody gets anything"""
    c = t.online()
    data = noise(300000)
    s = slot(c, 'blob.bin', len(data))
    assert get(t, s).status == 404
    h = http(t)
    h.send('PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n' % (s.put_path, h.host, len(data)))
    h.send(data[:200000])
    assert get(t, s).status == 404
    h.send(data[200000:])
    a = h.answer()
    assert a.status == 201 and a.body == b'', a
    a = get(t, s)
    assert a.status == 200 and a.body == data and a.get('Content-Length') == str(len(data)), a.status
    assert h.ask('GET', s.get_path).body == data    # the connection goes on


def test_expect_continue(t):
    """RFC 9110 §10.1.1: a client that waits for 100 hears it when its slot has been found, and a refusal before it sends anything"""
    c = t.online()
    s = slot(c, size=5)
    for path, length, final in ((s.put_path, 6, 413), (s.put_path[:-1] + 'x', 5, 404), (s.put_path, 5, 201)):
        h = http(t)
        h.send('PUT %s HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n' % (path, h.host, length))
        while b'\r\n\r\n' not in h.held:
            h._more()
        if final == 201:
            assert h.held == b'HTTP/1.1 100 Continue\r\n\r\n', h.held
            h.held = b''
            h.send(b'hello')
        assert h.answer().status == final


def test_expect_behind_another(t):
    """RFC 9110 §10.1.1: who waits for 100 behind a request that is not answered yet hears it when that is"""
    c, n = t.online(), 3
    first = upload(t, c, b'hi', 'a.txt')
    s = [slot(c, size=5) for _ in range(n)]
    for path, body, final in [('/http-bind', b'x', 200)] + [(x.put_path, b'hello', 201) for x in s]:
        h = http(t)
        h.send('GET %s HTTP/1.1\r\nHost: x\r\n\r\n' % first.get_path * 2 +
               '%s %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n' % ('PUT' if final == 201 else 'POST', path, len(body)))
        assert h.answer().body == h.answer().body == b'hi'
        while b'\r\n\r\n' not in h.held:
            h._more()
        assert h.held == b'HTTP/1.1 100 Continue\r\n\r\n', h.held
        h.held = b''
        assert h.send(body).answer().status == final


def test_lengths(t):
    """XEP-0363 §7: the length must be the slot's: longer is 413, shorter 400, none 411; the slot stays good"""
    c = t.online()
    s = slot(c, size=10)
    for data, status in ((b'x' * 11, 413), (b'x' * 9, 400), (b'', 400), (b'x' * 200000, 413)):
        a = put(t, s, data)
        assert a.status == status and a.body.strip() and a.get('Content-Type').startswith('text/plain'), (len(data), a)
    h = http(t)
    h.send('PUT %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n' % (s.put_path, h.host))
    assert h.answer().status == 411
    h = http(t)
    h.send('PUT %s HTTP/1.1\r\nHost: %s\r\n\r\n' % (s.put_path, h.host))
    assert h.answer().status == 411
    for field, value in (('Content-Range', 'bytes 0-9/20'), ('Content-Encoding', 'gzip')):
        assert put(t, s, b'x' * 10, **{field: value}).status == 400
    assert put(t, s, b'0123456789').status == 201
    assert get(t, s).body == b'0123456789'


@alone(limits__file_bytes=100000)
def test_limit_exactly(t):
    """XEP-0363 §6: a file of exactly limits.file_bytes passes, one byte more gets no slot"""
    c = t.online()
    data = b'sixteen letters.' * 6250     # no random bytes: one time in some hundred they look like a program
    assert get(t, upload(t, c, data)).body == data
    assert error(request(c, size=100001))[1] == 'not-acceptable'


def test_types(t):
    """XEP-0363 §7: a type that is not the slot's is 415; parameters do not matter, and none is none"""
    c = t.online()
    for said, puts, status in (('text/plain', 'text/html', 415), ('text/plain', 'Text/Plain; charset=utf-8', 201), ('text/plain', None, 201),
                               (None, 'text/plain', 201), (None, 'nonsense', 400), ('image/png', 'text/plain', 415)):
        s = slot(c, size=2, type=said)
        assert put(t, s, b'hi', puts).status == status, (said, puts)
        assert get(t, s).status == (200 if status == 201 else 404)


def test_once(t):
    """XEP-0363 §7: a slot is used once: again, and at the same time, is 409, and what was put stays"""
    c = t.online()
    s = slot(c, size=5)
    a = http(t)
    a.send('PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\n\r\nhe' % (s.put_path, a.host))
    t.server.wait(lambda: put(t, s, b'other').status == 409, 'the slot to be in use')
    a.send('llo')
    assert a.answer().status == 201
    assert put(t, s, b'other').status == 409 and put(t, s, b'hello').status == 409
    assert get(t, s).body == b'hello'


def test_interrupted(t):
    """XEP-0363 §7: a connection that breaks leaves nothing, and the slot may be used again"""
    c = t.online()
    s = slot(c, size=100000)
    h = http(t)
    h.send('PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 100000\r\n\r\n' % (s.put_path, h.host) + 'x' * 50000)
    t.server.wait(lambda: put(t, s, b'y' * 100000).status == 409, 'the slot to be in use')
    h.close()
    t.server.wait(lambda: put(t, s, b'z' * 100000).status == 201, 'the slot to be free again')
    assert get(t, s).body == b'z' * 100000


def test_wrong_slot(t):
    """XEP-0363 §9: nothing can be put to the address that it is fetched from, to none, or under another name"""
    c = t.online()
    s = slot(c, 'a.txt', 2)
    for path in (s.get_path, s.put_path.replace('a.txt', 'b.txt'), s.put_path + '/x', '/upload/%s/a.txt' % ('0' * 40), '/upload/x/a.txt',
                 s.put_path.rsplit('/', 1)[0] + '/', '/upload/', s.put_path.replace('/upload/', '/upload/A')):
        assert http(t).ask('PUT', path, body=b'hi').status == 404, path
    for path in (s.put_path.replace('a.txt', '..%2Fa.txt'), s.put_path.replace('a.txt', '%00a.txt'), s.put_path.replace('a.txt', '../a.txt'),
                 s.put_path.replace('a.txt', 'a%5C.txt')):
        assert http(t).ask('PUT', path, body=b'hi').status in (400, 404), path
    assert http(t).ask('POST', s.put_path, body=b'hi').status == 405 and http(t).ask('DELETE', s.get_path).status == 405
    assert put(t, s, b'hi').status == 201
    assert http(t).ask('GET', s.put_path).status == 404


def test_deadline(t):
    """XEP-0363 §8: a slot that has expired is 403"""
    c = t.online()
    s = slot(c, size=2)
    t.server.psql("UPDATE chancery.upload SET until = now() - interval '1 second' WHERE token = sha256('%s')" % s.token)
    assert put(t, s, b'hi').status == 403 and get(t, s).status == 404


@alone(limits__http_head_seconds=1)
def test_slow(t):
    """limits.http_head_seconds: a PUT slower than a kilobyte a second ends with 408; one that is faster does not"""
    c = t.online()
    s, fast = slot(c, size=1000), slot(c, size=40000)
    h, f = http(t), http(t)
    h.send('PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n' % (s.put_path, h.host))
    f.send('PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 40000\r\n\r\n' % (fast.put_path, f.host))
    for _ in range(20):
        try:
            h.send('x')
        except OSError:
            break
        f.send(b'x' * 2000)
        time.sleep(0.1)
    assert h.answer().status == 408
    assert f.answer().status == 201
    assert put(t, s, b'y' * 1000).status == 201
    # The log says so, and not what the slot is used by.
    assert 'http-slow-body' in t.server.log() and s.put_path.split('/')[2] not in t.server.log()


@alone(limits__http_head_seconds=1)
def test_slow_download(t):
    """limits.http_head_seconds: who takes less than a kilobyte a second of a download loses the connection; others have all of it"""
    c = t.online()
    data = (noise(1000000)) * 20
    s = upload(t, c, data)
    stalled, fast = http(t), http(t)
    stalled.request('GET', s.get_path)
    fast.request('GET', s.get_path)
    got = 0
    while got < len(data):
        piece = fast.sock.recv(1 << 18)
        assert piece, got
        got += len(piece)
    t.server.wait(lambda: 'http-slow-download' in t.server.log(), 'the end of the other one')
    assert t.server.log().count('http-slow-download') == 1
    got = 0
    try:
        while piece := stalled.sock.recv(1 << 18):
            got += len(piece)
    except OSError:
        pass
    assert got < len(data)


@alone(limits__file_slot_seconds=10)
def test_too_late(t):
    """limits.file_slot_seconds: a PUT must have ended in time, however steadily it drips"""
    c = t.online()
    s = slot(c, size=1000)
    t.server.psql("UPDATE chancery.upload SET until = now() + interval '700 milliseconds' WHERE token = sha256('%s')" % s.token)
    h = http(t)
    h.send('PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n' % (s.put_path, h.host))
    assert h.answer().status == 408


@alone(limits__spool_bytes=2000000)
def test_no_room(t):
    """limits.spool_bytes: what cannot be stored now is 507, and others are served when there is room again"""
    c = t.online()
    a = slot(c, size=1500000)

    def another():
        return put(t, slot(c, size=1500000), b'x' * 1500000).status
    h = http(t)
    h.send('PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1500000\r\n\r\nx' % (a.put_path, h.host))
    # The first may still be on its way in: until then there is room.
    t.server.wait(lambda: another() == 507, 'the refusal')
    h.close()
    t.server.wait(lambda: another() == 201, 'room')


# -- what is in it (P5) -----------------------------------------------------------------------------------


def wrap(name, data):
    b = io.BytesIO()
    with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, data)
    return b.getvalue()


def test_infected(t):
    """P5: what is infected is 403 with the reason, plain, renamed and wrapped; nobody ever gets it, and the slot is used"""
    c = t.online()
    nested = EICAR
    for i in range(5):
        nested = wrap('%d.zip' % i, nested)
    for name, data in (('eicar.com', EICAR), ('holiday.jpg', EICAR), ('a.zip', wrap('x.txt', EICAR)), ('nested.zip', nested)):
        s = slot(c, name, len(data))
        a = put(t, s, data)
        assert a.status == 403 and name in a.body.decode(), (name, a)
        assert get(t, s).status == 404
        assert put(t, s, b'x' * len(data)).status == 409


def test_unscannable(t):
    """P5: what cannot be scanned whole is refused: 403 with the reason"""
    c = t.online()
    data = wrap('a.txt', b'x' * 1000)[:-40]     # truncated
    s = slot(c, 'a.zip', len(data))
    a = put(t, s, data)
    assert a.status == 403 and b'a.zip' in a.body, a
    assert get(t, s).status == 404


@alone(files__deny_types='["image/"]')
def test_denied_type(t):
    """files.deny_types: what a file is counts, whatever it is called"""
    c = t.online()
    s = slot(c, 'a.txt', len(PNG), 'text/plain')
    assert put(t, s, PNG, 'text/plain').status == 403
    assert get(t, s).status == 404
    upload(t, c, b'text')


def test_same_content(t):
    """One content, many uploads: each has an address of its own, and one does not end another"""
    c, d = t.online(), t.online()
    data = noise(5000)
    a, b = upload(t, c, data, 'a.bin'), upload(t, d, data, 'b.bin')
    expire(t, a)
    assert get(t, a).status == 410
    r = get(t, b)
    assert r.status == 200 and r.body == data


# -- GET --------------------------------------------------------------------------------------------------


def test_ranges(t):
    """RFC 9110 §14: parts of a file: 206, suffixes, If-Range; several ranges are answered whole; what is not there is 416"""
    c = t.online()
    data = bytes(range(256)) * 40
    s, h, n = upload(t, c, data, 'a.bin'), http(t), 10240
    whole = get(t, s, h)
    tag = whole.get('ETag')
    assert whole.get('Accept-Ranges') == 'bytes' and tag.startswith('"'), whole
    for value, first, last in (('bytes=0-499', 0, 499), ('bytes=500-999', 500, 999), ('bytes=-500', n - 500, n - 1), ('bytes=9500-', 9500, n - 1),
                               ('bytes=0-0', 0, 0), ('bytes=-1', n - 1, n - 1), ('bytes=0-99999', 0, n - 1), ('bytes=-99999', 0, n - 1)):
        a = get(t, s, h, Range=value)
        assert a.status == 206 and a.body == data[first:last + 1], (value, a)
        assert a.get('Content-Range') == 'bytes %d-%d/%d' % (first, last, n) and a.get('ETag') == tag, (value, a)
    for value in ('bytes=10240-', 'bytes=99999-100000', 'bytes=-0', 'bytes=18446744073709551616-'):
        a = get(t, s, h, Range=value)
        assert a.status == 416 and a.get('Content-Range') == 'bytes */%d' % n, (value, a)
    for value in ('bytes=0-1,3-4', 'bytes=5-4', 'items=0-1', 'bytes=a-b', 'bytes=', 'x', 'bytes=' + '0-0,' * 500 + '1-1'):
        a = get(t, s, h, Range=value)
        assert a.status == 200 and a.body == data, (value, a)
    assert get(t, s, h, Range='bytes=0-1', If_Range=tag).status == 206
    assert get(t, s, h, Range='bytes=0-1', If_Range='"other"').status == 200
    a = get(t, s, h, 'HEAD', Range='bytes=0-1')
    assert a.status == 200 and a.get('Content-Length') == str(n), a


def test_caching(t):
    """RFC 9110 §13, RFC 9111: what never changes may be kept by those who have it, and by nobody between"""
    c = t.online()
    s, h = upload(t, c, b'hello', 'a.txt'), http(t)
    a = get(t, s, h)
    tag = a.get('ETag')
    assert 'private' in a.get('Cache-Control') and 'immutable' in a.get('Cache-Control'), a
    for value in (tag, 'W/' + tag, '"x", ' + tag, '*'):
        b = get(t, s, h, If_None_Match=value)
        assert b.status == 304 and b.get('ETag') == tag and not b.body, (value, b)
    for value in ('"x"', '"a,*,b"', '"x%s"' % tag.strip('"'), tag.strip('"'), '"%s' % tag.strip('"')):
        assert get(t, s, h, If_None_Match=value).status == 200, value
    for value, status in ((tag, 200), ('*', 200), ('"x", ' + tag, 200), ('"x"', 412), ('W/' + tag, 412), ('', 412)):
        for method in ('GET', 'HEAD'):
            assert get(t, s, h, method, If_Match=value).status == status, (value, method)
    assert get(t, s, h, If_Match=tag, If_None_Match=tag).status == 304
    assert get(t, s, h, If_Match='"x"', Range='bytes=0-1').status == 412
    s = slot(c, 'a.txt', 5)
    for value in (tag, '*'):       # there is nothing yet that it could be
        assert put(t, s, b'hello', **{'If-Match': value}).status == 412, value
    assert put(t, s, b'hello').status == 201


def test_harmless_or_not(t):
    """What browsers show by themselves and that can do nothing is shown; all else is an attachment, never sniffed, never a page"""
    c = t.online()
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    html = b'<!DOCTYPE html><html><body><script>alert(1)</script></body></html>'
    for name, type, data, inline in (('a.png', 'image/png', PNG, True), ('a.svg', 'image/svg+xml', svg, False), ('a.html', 'text/html', html, False),
                                     ('a.txt', 'text/plain', b'hello there', False), ('a.js', 'Text/JavaScript', b'alert(1)', False),
                                     ('a.css', 'text/css', b'a { color: red }', False), ('a.wasm', 'application/wasm', b'\0asm\1\0\0\0', False),
                                     ('a.bin', None, noise(99), False),
                                     ('très "cool".xml', 'text/xml', b"<?xml version='1.0'?><a/>", False)):
        a = get(t, upload(t, c, data, name, type))
        assert a.status == 200, a
        disposition = a.get('Content-Disposition')
        assert disposition.startswith('inline;' if inline else 'attachment;'), (name, a)
        assert a.get('X-Content-Type-Options') == 'nosniff', a
        policy = a.get('Content-Security-Policy')
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and 'sandbox' in policy and 'script-src' not in policy, a
        if inline:
            assert a.get('Content-Type') == type, a
        elif type not in (None, 'text/plain'):      # no script, style or page of the origin that the chat is of
            assert a.get('Content-Type') == 'application/octet-stream', a
    assert "filename*=UTF-8''tr%C3%A8s%20_cool_.xml" in disposition and 'filename="tr_s _cool_.xml"' in disposition, disposition


def test_cors(t):
    """XEP-0363 §8: pages of any host may put and fetch: preflight, and every answer"""
    c = t.online()
    s, h = slot(c, size=2), http(t)
    origin = {'Origin': 'https://elsewhere.example'}
    for path, method in ((s.put_path, 'PUT'), (s.get_path, 'GET')):
        a = h.ask('OPTIONS', path, {**origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': 'content-type'})
        assert a.status in (200, 204) and a.get('Access-Control-Allow-Origin') == '*', a
        assert {'OPTIONS', 'HEAD', 'GET', 'PUT'} <= set(a.get('Access-Control-Allow-Methods').split(', ')), a
        assert {'content-type', 'if-match', 'range'} <= set(a.get('Access-Control-Allow-Headers').lower().split(', ')), a
    assert h.ask('PUT', s.put_path, origin, b'hi').get('Access-Control-Allow-Origin') == '*'
    for path, status in ((s.get_path, 200), (s.get_path + 'x', 404)):
        a = h.ask('GET', path, origin)
        assert a.status == status and a.get('Access-Control-Allow-Origin') == '*', a
    assert put(t, s, b'hi', Origin='https://elsewhere.example').get('Access-Control-Allow-Origin') == '*'


def test_wrong_address(t):
    """Who does not know the address exactly gets 404, and cannot tell what there is"""
    c = t.online()
    s, h = upload(t, c, b'hi', 'a.txt'), http(t)
    token = s.token
    for path in ('/upload/', '/upload/' + token, '/upload/%s/' % token, s.get_path + 'x', s.get_path.replace('a.txt', 'A.txt'),
                 s.get_path.replace(token, token.upper()) if token.upper() != token else '/upload/x', s.get_path.replace(token, token[::-1]),
                 '/upload/%s/a.txt' % token[:-1], '/upload/%s0/a.txt' % token, s.get_path.replace('a.txt', 'x/a.txt')):
        assert h.ask('GET', path).status == 404, path
        assert h.ask('HEAD', path).status == 404, path
    assert h.ask('GET', s.get_path.replace('a.txt', '%61.txt')).status == 200     # the same address (RFC 3986 §6.2.2)


# -- who sent, who fetched, retention, deletion -----------------------------------------------------------


def events(t, data, path):
    return t.server.psql("SELECT from_bare, to_bare, name, verdict FROM chancery.file_event WHERE sha256 = '\\x%s' AND path = '%s' ORDER BY id" %
                        (hashlib.sha256(data).hexdigest(), path))


def test_recorded(t):
    """What was uploaded, who was sent its address and each download are in the record and with the file"""
    c, d = t.online(), t.online()
    data = noise(64)
    s = upload(t, c, data, 'plan.bin')
    assert [r[0] for r in events(t, data, 'upload')] == [c.bare]
    m = "<message to='%s' type='chat' id='%s'><body>%s</body>%s</message>"
    c.send(m % (d.bare, 'a', escape('look: %s !' % s.get), ''))
    d.expect_message(id='a')
    c.send(m % (d.bare, 'b', 'look', "<x xmlns='jabber:x:oob'><url>%s</url></x>" % s.get))
    d.expect_message(id='b')
    sims = ("<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'><sources>"
            "<reference xmlns='urn:xmpp:reference:0' type='data' uri='%s'/></sources></media-sharing></reference>" % s.get)
    c.send(m % (d.bare, 'c', 'look', sims))
    d.expect_message(id='c')
    c.send(m % (d.bare, 'd', 'https://example.org/upload/%s/x' % ('0' * 40), ''))
    t.server.wait(lambda: len(events(t, data, 'link')) == 3, 'the three links')
    assert [r[:2] for r in events(t, data, 'link')] == [[c.bare, d.bare]] * 3
    h = http(t)
    n = t.server.psql('SELECT count(*) FROM archive.record WHERE kind = 23')[0][0]
    get(t, s, h)
    get(t, s, h, 'HEAD')
    get(t, s, h, If_None_Match='*')
    for i in range(5):
        get(t, s, h, Range='bytes=%d-%d' % (i, i))
    get(t, s, h, Range='bytes=0-')      # all of it, which is no part
    t.server.wait(lambda: len(events(t, data, 'download')) == 3, 'the downloads')
    rows = t.server.psql("SELECT body FROM archive.record WHERE kind = 23 AND to_bare = '%s' ORDER BY id" % c.bare)
    assert len(rows) == 3 and all('plan.bin' in r[0] for r in rows), (n, rows)


def test_delete(t):
    """Its owner deletes a file by a command: nobody fetches it from then on; nobody else can, and the record stays"""
    c, other = t.online(), t.online()
    data = noise(50)
    a, b = upload(t, c, data, 'a.bin'), upload(t, c, b'keep', 'b.txt')
    node = 'urn:chancery:files:0#delete'
    step = Step(command(c, c.bare, node))
    options = {o.get('label').split(' ')[0]: o.all('value')[0].text() for f in step.form.all('field') for o in f.all('option')}
    assert set(options) == {'a.bin', 'b.txt'}, options
    theirs = Step(command(other, other.bare, node))
    assert theirs.status == 'completed' and theirs.notes, theirs.e
    upload(t, other, b'mine', 'mine.txt')
    theirs = Step(command(other, other.bare, node))
    done = Step(command(other, other.bare, node, theirs.id, 'complete', submit({'files': options['a.bin']})))
    assert done.status == 'completed' and '0 of' in done.notes[0][1], done.e
    assert get(t, a).status == 200
    done = Step(command(c, c.bare, node, step.id, 'complete', submit({'files': options['a.bin']})))
    assert done.status == 'completed' and '1 of' in done.notes[0][1], done.e
    assert get(t, a).status == 410 and get(t, a, method='HEAD').status == 410 and get(t, b).status == 200
    assert [r[0] for r in events(t, data, 'upload')] == [c.bare]
    bad = Step(command(c, c.bare, node))
    r = command(c, c.bare, node, bad.id, 'complete', submit({'files': "1}'; DROP"}))
    assert r.get('type') == 'error', r


@alone()
def test_deleted_meanwhile(t):
    """A download that waits for the record is not of a file that nobody may fetch any more when its turn comes"""
    c = t.online()
    s, h = upload(t, c, b'hello', 'a.txt'), http(t)
    with Locked(t.server, 'archive.record') as lock:
        h.request('GET', s.get_path)
        t.server.wait(lambda: t.server.metric('chancery_archive_waiting') > 0, 'the record of the download')
        time.sleep(1.1)     # what was looked up a second ago is looked up again
        lock.p.stdin.write("update chancery.upload set hidden_at = now() where token = sha256('%s'); commit;\n" % s.token)
    assert h.answer().status == 410


@alone()
def test_retention(t):
    """files.keep: what is over cannot be fetched, its content goes when no other upload has it, and its row stays"""
    c = t.online()
    first, second = noise(100), noise(100)
    a, b, a2 = upload(t, c, first, 'a.bin'), upload(t, c, second, 'b.bin'), upload(t, c, first, 'a2.bin')
    content = lambda d: t.server.psql("SELECT kept FROM chancery.file WHERE sha256 = '\\x%s'" % hashlib.sha256(d).hexdigest())[0][0]
    expire(t, a)
    expire(t, b)
    assert get(t, a).status == 410 and get(t, b).status == 410
    t.server.psql("UPDATE chancery.file SET seen_at = now() - interval '1 hour'")
    t.server.restart()  # looks at once
    t.server.wait(lambda: content(second) == 'f', 'the content to go')
    assert content(first) == 't' and get(t, a2).body == first
    assert t.server.psql('SELECT count(*) FROM chancery.upload WHERE state = 4')[0][0] == '2'
    # The same content again.
    c = t.online()
    again = upload(t, c, second, 'c.bin')
    assert get(t, again).body == second and get(t, b).status == 410
    assert content(second) == 't'


def test_account_disabled(t):
    """A slot is worth nothing while its owner is disabled"""
    c = t.online()
    s = slot(c, 'a.txt', 2)
    assert t.server.cli('user', 'disable', c.bare)[0] == 0
    assert put(t, s, b'hi').status == 404
    assert t.server.cli('user', 'enable', c.bare)[0] == 0
    assert put(t, s, b'hi').status == 201


@alone()
def test_account_removed(t):
    """An account that is made anew under the same name has nothing of the old one's"""
    c = t.online()
    s = upload(t, c, b'hello', 'a.txt')
    name, password = c.user, c.password
    assert t.server.cli('user', 'delete', c.bare)[0] == 0
    assert get(t, s).status == 200      # it was sent to others
    assert t.server.psql("SELECT account IS NULL, owner FROM chancery.upload WHERE token = sha256('%s')" % s.token) == [['t', c.bare]]


# -- faults -----------------------------------------------------------------------------------------------


@alone()
def test_killed(t):
    """P2: kill -9 between PUT and 201: nothing half is ever served, and the slot can be used; what had its 201 is there"""
    c = t.online()
    kept = upload(t, c, b'safe' * 1000, 'kept.txt')
    data = noise(2000000)
    slots = [slot(c, 'f%d.bin' % i, len(data)) for i in range(4)]
    conns = []
    for i, s in enumerate(slots):
        h = http(t)
        h.send('PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n' % (s.put_path, h.host, len(data)))
        h.send(data[:len(data) - (0, 1, 500000, 1999999)[i]])
        conns.append(h)
    t.server.kill()
    t.server.start()
    assert get(t, kept).body == b'safe' * 1000
    for s in slots:
        a = get(t, s)
        assert a.status == 404 or (s is slots[0] and a.status == 200 and a.body == data), a
    c = t.online()
    for s in slots[1:]:
        assert put(t, s, data).status == 201
        assert get(t, s).body == data


@alone(files__scanner='own')
def test_no_scanner(t):
    """P5: without a scanner there are no slots, and a PUT to one is 503 with Retry-After; with it everything goes on"""
    t.server.wait_scanner()
    c = t.online()
    s = slot(c, size=5)
    done = upload(t, c, b'before')
    t.server.put_scanner('/bin/false')
    for pid in t.server.scanner_pids():
        try:
            os.kill(pid, 9)
        except OSError:
            pass
    t.server.wait(lambda: request(c, size=1).get('type') == 'error', 'no slots')
    kind, condition, e = error(request(c, size=1))
    assert (kind, condition) == ('wait', 'resource-constraint') and e.find('text') is not None, e
    a = put(t, s, b'hello')
    assert a.status == 503 and a.get('Retry-After'), a
    assert get(t, done).status == 200
    t.server.put_scanner()
    t.server.wait_scanner()
    assert put(t, s, b'hello').status == 201


@alone()
def test_database_away(t):
    """Without the database nothing is put or fetched: 503, and it goes on by itself"""
    from chancerytest.server import stopped
    c = t.online()
    s, done = slot(c, size=5), upload(t, c, b'before')
    with stopped(t.server):
        a, b = http(t), http(t)
        a.request('PUT', s.put_path, body=b'hello')
        b.request('GET', done.get_path)
        assert b.answer(timeout=60).status == 503 and a.answer(timeout=60).status == 503
    t.server.wait(lambda: get(t, done).status == 200, 'the database')
    t.server.wait(lambda: put(t, s, b'hello').status == 201, 'the database')


@alone(limits__file_lookups='2')
def test_many_lookups(t):
    """limits.file_lookups: whoever makes addresses up does not fill the database's queue: so many are looked for at a time, further ones are 503 at once"""
    from chancerytest.server import stopped
    c = t.online()
    s, done = slot(c, size=5), upload(t, c, b'before')
    asked = [http(t) for _ in range(6)]
    for h in asked:
        assert h.ask('GET', '/').status == 200  # nothing of TLS is to be read any more
    with stopped(t.server):
        asked[0].request('PUT', s.put_path, body=b'hello')
        for h in asked[1:]:
            h.request('GET', done.get_path)
        over = []
        while len(over) < 4:
            ready = select.select([h.sock for h in asked], [], [], 60)[0]
            for h in [h for h in asked if h.sock in ready]:
                asked.remove(h)
                over.append(h.answer())
        assert all(a.status == 503 and a.get('Retry-After') and b'Too much' in a.body for a in over), over
        assert [h.answer(timeout=60).status for h in asked] == [503, 503]
    t.server.wait(lambda: get(t, done).status == 200, 'the database')
