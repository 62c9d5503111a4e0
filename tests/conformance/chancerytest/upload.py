"""HTTP File Upload (XEP-0363) as a client does it: a slot, a PUT, a GET."""
import os
from urllib.parse import urlsplit

from .element import escape
from .web import Http

NS = 'urn:xmpp:http:upload:0'
PURPOSE = 'urn:xmpp:http:upload:purpose:0'


def service(server):
    return 'upload.' + server.domain


def request(c, name='a.txt', size=None, type=None, inner='', **attrs):
    """The answer to a request for a slot."""
    a = {'filename': name, 'size': size, 'content-type': type, **attrs}
    text = ''.join(" %s='%s'" % (k, escape(str(v))) for k, v in a.items() if v is not None)
    return c.iq('get', "<request xmlns='%s'%s>%s</request>" % (NS, text, inner), service(c.server))


class Slot:
    def __init__(self, answer):
        assert answer.get('type') == 'result', answer
        e = answer.find(NS + ':slot')
        assert [x.name for x in e.all()] == ['put', 'get'], answer
        self.put, self.get = e.all()[0].get('url'), e.all()[1].get('url')
        self.headers = {h.get('name'): h.text() for h in e.all()[0].all()}

    @property
    def put_path(self):
        return urlsplit(self.put).path

    @property
    def get_path(self):
        return urlsplit(self.get).path

    @property
    def token(self):
        return self.get_path.split('/')[2]


def noise(size):
    """So many bytes that are no two times the same and of no type: what is random from its first byte on is a program now and then (MZ)."""
    head = b'noise: '
    assert size > len(head)
    return head + os.urandom(size - len(head))


def slot(c, name='a.txt', size=1, type=None, inner=''):
    return Slot(request(c, name, size, type, inner))


def http(t, **kw):
    h = Http(t.server, t.source, **kw)
    t.clients.append(h)
    return h


def put(t, s, data, type=None, h=None, **fields):
    f = {**s.headers, **({'Content-Type': type} if type else {}), **fields}
    return (h or http(t)).ask('PUT', s.put_path, f, data)


def get(t, s, h=None, method='GET', **fields):
    return (h or http(t)).ask(method, s.get_path, {k.replace('_', '-'): v for k, v in fields.items()})


def upload(t, c, data, name='a.txt', type=None):
    """Puts it and returns its slot."""
    s = slot(c, name, len(data), type)
    a = put(t, s, data, type)
    assert a.status == 201, a
    return s
