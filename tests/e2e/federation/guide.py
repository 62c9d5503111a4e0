"""deploy/federation.md, followed to the letter: its commands, in their order, with the domains and the files of a world (servers.py)."""
import os
import re
import shlex

from chancerytest.server import SOURCE


def commands(names):
    """The arguments of each `chancery federation …` in a block of the page; names: what stands there, and what it is here."""
    with open(os.path.join(SOURCE, 'deploy', 'federation.md')) as f:
        lines = [line.strip() for line in f if line.startswith('    chancery federation ')]
    assert len(lines) > 15, lines
    for line in lines:
        for there, here in names.items():
            line = re.sub(r'(?<![\w.])%s' % re.escape(there), here, line)
        yield shlex.split(line)[1:]


def guide(w):
    """Issue 5: the page "Talk to a partner in five minutes", followed to the letter"""
    us, them = w.us, w.them
    ca = us.path('partner-ca.pem')
    with open(w.ca.pem) as f, open(ca, 'w') as g:
        g.write(f.read())
    a, b = w.here.online(), w.there.online()
    us.add_users([('jane', 'pw')])
    number, tests = None, 0
    for args in commands({'partner.example': them.domain, 'jane@example.org': 'jane@' + us.domain, '/etc/chancery/partner-ca.pem': ca}):
        verb = args[1]
        if verb in ('approve', 'withdraw') and number is None:
            continue        # of the second half: a proposal that this server does not have
        args = [number if x == 'NUMBER' else x for x in args]
        code, out, err = us.cli(*args)
        if verb == 'test':
            tests += 1
            words = 'would be refused, because no administrator' if tests == 1 else 'would be sent'
            assert code == (1 if tests == 1 else 0) and words in out, (args, code, out, err)
            assert 'Certificate: ' in out, out
            if tests == 2:
                talk(a, b)
        else:
            assert code == 0, (args, code, out, err)
        if verb == 'show':
            assert 'ready' in out and 'EXTERNAL' in out, out
        elif verb == 'report':
            assert a.bare in out, out
        elif verb == 'pin':
            m = re.search(r'chancery federation approve (\d+)', out)
            assert m, out
            number = m[1]
        elif verb == 'approve':
            number = None
    assert tests == 2
    for d in us.federation('--json', 'list').splitlines():
        assert them.domain not in d, d


def talk(a, b):
    a.message(b.jid, 'Good morrow, partner')
    assert b.expect_message('Good morrow, partner').get('from') == a.jid
