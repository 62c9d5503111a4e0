"""deploy/backup.md, followed to the letter: its blocks, in their order, with the folders of a server of its own."""
import os
import re
import shutil
import subprocess

from chancerytest import upload
from chancerytest.scenario import alone
from chancerytest.server import SOURCE
from test_admin import ok
from test_log import checkpoint, talk

BINARIES = '/usr/lib/postgresql/15/bin/'


def blocks(title):
    """The indented lines below `## title`, block by block."""
    with open(os.path.join(SOURCE, 'deploy', 'backup.md')) as f:
        text = f.read().split('\n## %s\n' % title, 1)[1].split('\n## ')[0]
    return [re.sub('^    ', '', b, flags=re.M).splitlines() for b in re.findall(r'(?:^ {4}.*\n?)+', text, re.M)]


class Page:
    """Does what stands there, here."""

    def __init__(self, t):
        self.t, s = t, t.server
        self.root, self.state = os.geteuid() == 0, os.path.dirname(os.path.realpath(s.path('pg')))
        self.safe, self.outside, self.backup, self.etc = (s.path(n) for n in ('safe', 'outside', 'backup', 'etc'))
        for folder in (self.safe, self.outside, self.etc, os.path.join(self.etc, 'chancery'), os.path.join(self.etc, 'postgresql')):
            os.mkdir(folder)
        shutil.copy(s.env['CHANCERY_CONFIG'], os.path.join(self.etc, 'chancery'))
        self.names = {
            '/mnt/outside/checkpoints': self.state + '/siem/checkpoints', '/mnt/outside': self.outside, '/media/safe': self.safe,
            '/backup/chancery': self.backup, '/var/lib/postgresql/15/main': self.state + '/pg', '-C /etc': '-C ' + self.etc,
            '-C /var/lib/chancery': '-C ' + self.state, '/var/lib/chancery': self.state + '/keys',
            'dbname=chancery': s.env['CHANCERY_PG'], 'chancery ': s.build + '/bin/chancery --config %s ' % s.env['CHANCERY_CONFIG']}
        self.env = {**os.environ, 'PGHOST': re.search(r'host=(.*)', s.env['CHANCERY_PG'])[1], 'PGUSER': 'postgres', 'LC_ALL': 'C'}

    def services(self, verb, names):
        """As systemctl would, with what deploy/demo runs."""
        if verb == 'stop':
            return self.t.server.stop()
        if 'chanceryd' in names:
            return self.t.server.start()
        return self.run(self.as_postgres('%spg_ctl start --wait -D %s/pg -l %s/log/postgres.log >/dev/null </dev/null' % (BINARIES, self.state, self.state)))

    def as_postgres(self, line):
        return 'runuser -u postgres -- ' + line if self.root else line

    def run(self, line, code=0):
        p = subprocess.run(['bash', '-c', line], cwd='/', env=self.env, capture_output=True, text=True, timeout=120)
        assert p.returncode == code, '%s\n%d %s %s' % (line, p.returncode, p.stdout, p.stderr)
        return p.stdout

    def do(self, line, code=0):
        words = line.split()
        if words[0] == 'systemctl':
            return self.services(words[1], words[2:])
        if not self.root:
            line = line.replace('runuser -u postgres -- ', '').replace(' -o postgres -g postgres', '')
        there = sorted(self.names, key=len, reverse=True)
        pattern = '|'.join(('^' if n == 'chancery ' else '') + re.escape(n) for n in there)
        return self.run(re.sub(pattern, lambda m: self.names[m[0]], line), code)

    def follow(self, title):
        return [self.do(line) for b in blocks(title) for line in b]


def outside(page):
    """The size of a checkpoint that is made now, when it has left."""
    size = checkpoint(page.t)[0]
    page.t.server.wait(lambda: size in sizes(page), 'the checkpoint outside')
    return size


def sizes(page):
    with open(page.state + '/siem/checkpoints') as f:
        return [int(n) for n in re.findall(r'^\S+\n(\d+)\n', f.read(), re.M)]


@alone(log__checkpoint_file='siem/checkpoints', log__checkpoint_every='1s', log__verify_every='0')
def test_as_the_page_says(t):
    """A backup as deploy/backup.md makes it, a restore, the proof that it is the old record, and what a lost tail looks like"""
    page, content = Page(t), upload.noise(5000)
    a, _ = talk(t, 5)
    slot = upload.upload(t, a, content)
    saved = outside(page)
    page.follow('Save')
    talk(t, 5)
    second = outside(page)
    assert second > saved
    page.follow('Save')     # another night
    talk(t, 5)
    assert outside(page) > second
    # The disk is gone.
    t.server.kill()
    newest = max(sizes(page))
    shutil.rmtree(page.state + '/files')
    for n in ('log.key', 'log.key.last'):
        os.remove(os.path.join(page.state, 'keys', n))
    page.follow('Restore')
    (then,), (now,) = blocks('Prove that it is the old one')
    assert 'everything is as it was recorded' in page.do(then)
    found = page.do(now, 1)
    ends = int(t.server.value('select count(*) from archive.record'))
    assert found.splitlines()[0] == 'truncated: the record ends at %d records, and there is a signed checkpoint of %d: the newest %d are gone' % (
        ends, newest, newest - ends) and len(found.splitlines()) == 2, found
    assert 'everything is as it was recorded' in '\n'.join(x for x in page.follow('Start') if isinstance(x, str))
    assert upload.get(t, slot).body == content
    talk(t, 2)
    assert checkpoint(t)[0] > saved
    assert 'everything is as it was recorded' in ok(t, 'archive', 'verify', '--all')
