"""Ad-hoc commands (XEP-0050) and forms (XEP-0004), as a client does them."""
from .element import escape

NS = 'http://jabber.org/protocol/commands'


def submit(fields, form_type=None):
    x = "<x xmlns='jabber:x:data' type='submit'>"
    if form_type:
        x += "<field var='FORM_TYPE' type='hidden'><value>%s</value></field>" % form_type
    for var, values in fields.items():
        values = values if isinstance(values, (list, tuple)) else [values]
        x += "<field var='%s'>%s</field>" % (var, ''.join('<value>%s</value>' % escape(v) for v in values))
    return x + '</x>'


def command(c, to, node, session=None, action=None, inner=''):
    """The answer to one request."""
    attrs = ''.join(" %s='%s'" % (k, v) for k, v in (('node', node), ('sessionid', session), ('action', action)) if v is not None)
    return c.iq('set', "<command xmlns='%s'%s>%s</command>" % (NS, attrs, inner), to)


class Step:
    """An answer that is a result: <command/>, its form and its notes."""

    def __init__(self, r):
        assert r.get('type') == 'result', r
        self.e = r.find(NS + ':command')
        self.id, self.status, self.node = self.e.get('sessionid'), self.e.get('status'), self.e.get('node')
        self.form = self.e.find('data:x')
        self.notes = [(n.get('type'), n.text()) for n in self.e.all('note', NS)]
        actions = self.e.find(NS + ':actions')
        self.actions = {a.name for a in actions.all()} if actions is not None else set()
        self.execute = actions.get('execute') if actions is not None else None

    def fields(self):
        out = {}
        for f in self.form.all('field'):
            assert f.get('var') not in out, 'a field twice: %s' % self.e
            out[f.get('var')] = [v.text() for v in f.all('value')]
        return out


def run(c, to, node, fields=None, form_type=None):
    """A command of one form, or of none, to its end."""
    s = Step(command(c, to, node))
    if fields is not None:
        assert s.status == 'executing' and s.form.get('type') == 'form', s.e
        s = Step(command(c, to, node, s.id, 'complete', submit(fields, form_type)))
    assert s.status == 'completed', s.e
    return s
