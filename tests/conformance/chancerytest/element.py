"""XML as the scenarios need it: elements, and a parser for a stream that never ends.

Written apart from the server's own parser on purpose: what the server sends is read by expat with its own rules."""
import xml.parsers.expat
from xml.sax.saxutils import escape as _escape

STREAMS = 'http://etherx.jabber.org/streams'
NAMES = {
    'stream': STREAMS,
    'client': 'jabber:client',
    'tls': 'urn:ietf:params:xml:ns:xmpp-tls',
    'sasl': 'urn:ietf:params:xml:ns:xmpp-sasl',
    'cb': 'urn:xmpp:sasl-cb:0',
    'sasl2': 'urn:xmpp:sasl:2',
    'bind2': 'urn:xmpp:bind:0',
    'fast': 'urn:xmpp:fast:0',
    'cam': 'urn:xmpp:cam:0',
    'bind': 'urn:ietf:params:xml:ns:xmpp-bind',
    'session': 'urn:ietf:params:xml:ns:xmpp-session',
    'streams': 'urn:ietf:params:xml:ns:xmpp-streams',
    'stanzas': 'urn:ietf:params:xml:ns:xmpp-stanzas',
    'sm': 'urn:xmpp:sm:3',
    'roster': 'jabber:iq:roster',
    'info': 'http://jabber.org/protocol/disco#info',
    'items': 'http://jabber.org/protocol/disco#items',
    'caps': 'http://jabber.org/protocol/caps',
    'ping': 'urn:xmpp:ping',
    'version': 'jabber:iq:version',
    'time': 'urn:xmpp:time',
    'last': 'jabber:iq:last',
    'delay': 'urn:xmpp:delay',
    'sid': 'urn:xmpp:sid:0',
    'rosterver': 'urn:xmpp:features:rosterver',
    'sub': 'urn:xmpp:features:pre-approval',
    'data': 'jabber:x:data',
}


def escape(text):
    return _escape(text, {"'": '&apos;', '"': '&quot;'})


class Element:
    """children holds elements and strings in order."""

    def __init__(self, ns, name, attrs):
        self.ns, self.name, self.attrs, self.children = ns, name, attrs, []

    def get(self, attr, default=None):
        return self.attrs.get(attr, default)

    def all(self, name=None, ns=None):
        """Child elements; ns by the short names above or in full."""
        ns = NAMES.get(ns, ns)
        return [c for c in self.children if isinstance(c, Element)
                and (name is None or c.name == name) and (ns is None or c.ns == ns)]

    def find(self, *path):
        """The first descendant by steps 'name' or 'short:name'; None when there is none."""
        at = self
        for step in path:
            ns, _, name = step.rpartition(':')
            found = at.all(name, ns or None)
            if not found:
                return None
            at = found[0]
        return at

    def text(self, *path):
        at = self.find(*path) if path else self
        return None if at is None else ''.join(c for c in at.children if isinstance(c, str))

    def condition(self):
        """The defined condition of an error: of a stanza (error child), or a stream error, or a SASL failure."""
        at = self.find('error') or self
        for c in at.all():
            if c.ns in (NAMES['stanzas'], NAMES['streams'], NAMES['sasl'], NAMES['sm']) and c.name != 'text':
                return c.name
        return None

    def __str__(self):
        # No recursion matters here: the server bounds what it sends, and these are read by people.
        attrs = ''.join(" %s='%s'" % (k, escape(v)) for k, v in self.attrs.items())
        inner = ''.join(escape(c) if isinstance(c, str) else str(c) for c in self.children)
        return "<%s xmlns='%s'%s>%s</%s>" % (self.name, self.ns or '', attrs, inner, self.name)

    __repr__ = __str__


class StreamParser:
    """feed() returns what has become complete: ('open', attrs), ('element', Element), ('close',)."""

    def __init__(self):
        p = self.expat = xml.parsers.expat.ParserCreate('UTF-8', '\n')
        if hasattr(p, 'SetReparseDeferralEnabled'):
            p.SetReparseDeferralEnabled(False)
        p.StartElementHandler = self._start
        p.EndElementHandler = self._end
        p.CharacterDataHandler = self._text
        p.buffer_text = True
        self.stack, self.depth, self.out, self.held = [], 0, [], b''

    def feed(self, data):
        # expat with deferred reparsing sits on a token that it has once seen unfinished: give it whole ones.
        data = self.held + data
        end = data.rfind(b'>') + 1
        self.held = data[end:]
        self.expat.Parse(data[:end], False)
        out, self.out = self.out, []
        return out

    @staticmethod
    def _split(name):
        ns, _, local = name.rpartition('\n')
        return ns, local

    def _start(self, name, attrs):
        ns, local = self._split(name)
        plain = {}
        for k, v in attrs.items():
            ans, alocal = self._split(k)
            plain['xml:' + alocal if ans.endswith('XML/1998/namespace') else alocal] = v
        self.depth += 1
        if self.depth == 1:
            self.out.append(('open', Element(ns, local, plain)))
            return
        e = Element(ns, local, plain)
        if self.stack:
            self.stack[-1].children.append(e)
        self.stack.append(e)

    def _end(self, name):
        self.depth -= 1
        if self.depth == 0:
            self.out.append(('close', None))
            return
        e = self.stack.pop()
        if not self.stack:
            self.out.append(('element', e))

    def _text(self, text):
        if self.stack:
            self.stack[-1].children.append(text)
