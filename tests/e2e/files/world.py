"""A server with files, two people who talk all the time, and somebody who sends files (XEP-0363).

What must hold whatever happens to the scanner is checked here, after each scenario: nothing that was refused can be fetched, nothing infected was
ever taken, no message waited for a file, and files pass again without a restart of the server.
"""
import hashlib
import os
import subprocess
import tempfile
import threading
import time

from chancerytest import upload
from chancerytest.again import Broken
from chancerytest.client import PATIENCE
from chancerytest.scenario import Scenario
from chancerytest.server import EICAR, SCANNER_UP, Server
from chancerytest.web import Http

SLOW = PATIENCE / 20
MESSAGE_SECONDS = 5 * SLOW      # the longest that a message may take, whatever happens


class Refused(Exception):
    """A slot, or a PUT: `status` 0 when there was not even a slot."""

    def __init__(self, status, text):
        self.status = status
        super().__init__('%s %s' % (status, text))


class Talk(threading.Thread):
    """Two people talk until told to stop; how long the slowest message took."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.a, self.b = world.people.online(), world.people.online()
        self.over, self.slowest, self.count, self.trouble = threading.Event(), 0, 0, None

    def run(self):
        try:
            while not self.over.wait(0.02):
                begin = time.monotonic()
                self.a.message(self.b.jid, 'words %d' % self.count)
                self.b.expect_message('words %d' % self.count)
                self.slowest = max(self.slowest, time.monotonic() - begin)
                self.count += 1
        except Exception as e:     # told by the one who asks for the end
            self.trouble = e

    def end(self):
        deadline = time.monotonic() + PATIENCE
        while not self.count and not self.trouble and time.monotonic() < deadline:
            time.sleep(0.01)
        self.over.set()
        self.join(PATIENCE)
        assert not self.trouble, 'the conversation: %r' % self.trouble
        assert self.count > 0 and self.slowest < MESSAGE_SECONDS, '%d messages, one took %.1f s' % (self.count, self.slowest)


class World:
    def __init__(self, build, reactors, scan_seconds=max(3, int(3 * SLOW)), disk_mb=64, more=None):
        settings = {'files.scanner': 'own', 'limits.scan_seconds': scan_seconds, 'limits.scans_at_once': 8, **(more or {})}
        # A small disk for files, so that it can be filled.
        self.disk = tempfile.mkdtemp(prefix='chancery-disk-')
        os.chmod(self.disk, 0o755)
        self.mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%dm,mode=1777' % disk_mb, 'tmpfs', self.disk], stderr=subprocess.DEVNULL).returncode == 0
        if self.mounted:
            settings['files.dir'] = os.path.join(self.disk, 'files')
        self.server = Server(build, settings, reactors=reactors)
        self.people = Scenario(self.server)
        self.log, self.talk, self.closed = '', None, False
        self.server.start()

    # -- before and after each scenario ----------------------------------------------------------------------

    def begin(self):
        self.taken, self.refused = [], []     # (path, hash) of what was taken; paths of what was not
        self.lock = threading.Lock()
        self.restarted()

    def restarted(self):
        """The server is there, anew or for the first time."""
        self.pid = self.server.pid
        self.server.wait_scanner()
        self.sender = self.people.online()
        self.talk = Talk(self)
        self.talk.start()

    def check(self):
        """Files pass again; what passed is whole, and what did not is not there."""
        self.server.wait_scanner(SCANNER_UP)
        self.talk.end()
        if not self.server.is_running() or self.server.pid != self.pid:
            raise Broken('chanceryd was restarted')
        path = self.send(b'after all', 'after.txt')
        assert self.fetch(path).body == b'after all'
        self.infected_is_refused()
        with Fetcher(self.server) as web:
            for path, digest in self.taken:
                a = web.fetch(path)
                if a.status != 200 or hashlib.sha256(a.body).hexdigest() != digest:
                    raise Broken('P2: it was taken, and is not there: %s %s' % (path, a))
            for path in self.refused:
                if web.fetch(path).status not in (404, 410):
                    raise Broken('P5: it was refused, and is there: ' + path)
        self.nothing_left()

    def nothing_left(self):
        """Of what was being collected and unpacked."""
        files = os.path.join(self.disk if self.mounted else self.server.dir, 'files')

        def left():
            found = []
            for sub in 'incoming', 'scan':
                for at, _, names in os.walk(os.path.join(files, sub)):
                    found += [os.path.join(at, n) for n in names]
            return found
        self.server.wait(lambda: not left(), 'empty folders')

    def end(self):
        self.people.done()
        self.log = self.server.log()
        self.server.stop()
        return self.server.sanitizer_reports()

    def close(self):
        if self.closed:
            return
        self.closed = True
        self.server.remove()
        if self.mounted:
            subprocess.run(['umount', '-l', self.disk], stderr=subprocess.DEVNULL)
        os.rmdir(self.disk)

    # -- files -----------------------------------------------------------------------------------------------

    def slot(self, size, name='file.txt', client=None):
        r = upload.request(client or self.sender, name, size, 'text/plain')
        if r.get('type') == 'error':
            raise Refused(0, r)
        return upload.Slot(r)

    def send(self, content, name='file.txt', client=None, timeout=None):
        """The path it can be fetched from. Refused: it was not taken; then it is not there either, which `check` sees to."""
        slot = self.slot(len(content), name, client=client)
        with self.lock:
            self.refused.append(slot.get_path)
        http = Http(self.server)
        try:
            http.request('PUT', slot.put_path, {'Content-Type': 'text/plain', **slot.headers}, content)
            answer = http.answer(timeout=timeout or PATIENCE)
        except (EOFError, OSError) as e:
            raise Refused(-1, repr(e))
        finally:
            http.close()
        if answer.status != 201:
            raise Refused(answer.status, answer.body)
        with self.lock:
            self.refused.remove(slot.get_path)
            self.taken.append((slot.get_path, hashlib.sha256(content).hexdigest()))
        return slot.get_path

    def is_refused(self, content, name='file.txt', timeout=None):
        """Why."""
        try:
            path = self.send(content, name, timeout=timeout)
        except Refused as e:
            return e
        raise Broken('P5: taken: ' + path)

    def infected_is_refused(self):
        self.is_refused(b'# %s\n' % os.urandom(6).hex().encode() + EICAR, 'harmless.txt')

    def fetch(self, path):
        with Fetcher(self.server) as web:
            return web.fetch(path)

    def senders(self, n, until):
        """n people who send files, clean and infected by turns, until it is set. Returns (taken, refused) counts at the end."""
        counts, people = [0, 0], [self.people.online() for _ in range(n)]
        troubles = []

        def work(k, c):
            try:
                i = 0
                while not until.is_set():
                    i += 1
                    clean = b'file %d of %d: ' % (i, k) + os.urandom(200).hex().encode() * 20
                    infected = i % 4 == 0
                    try:
                        self.send(clean + EICAR if infected else clean, 'f%d.txt' % i, client=c)
                    except Refused:
                        counts[1] += 1
                        until.wait(0.01)
                    else:
                        if infected:
                            raise Broken('P5: an infected file was taken')
                        counts[0] += 1
            except Exception as e:
                troubles.append(e)
        threads = [threading.Thread(target=work, args=x, daemon=True) for x in enumerate(people)]
        for t in threads:
            t.start()

        def end():
            until.set()
            for t in threads:
                t.join(2 * PATIENCE)
            if troubles:
                raise (Broken if any(isinstance(e, Broken) for e in troubles) else AssertionError)(troubles)
            return counts
        return end

    # -- the scanner -----------------------------------------------------------------------------------------

    def mode(self, mode):
        """Of tests/lib/scanner_double.py."""
        self.server.write_signatures('mode', mode)

    def restart_scanner(self, program=None):
        """With this program from now on."""
        pid = self.server.scanner_pid()
        self.server.put_scanner(program)
        if pid:
            os.kill(pid, 9)
            self.server.wait(lambda: self.server.scanner_pid() not in (0, pid), 'another scanner', max(90, PATIENCE))

    def generation(self):
        return self.server.files_status()['generation']


class Fetcher:
    """One connection for many downloads."""

    def __init__(self, server):
        self.http = Http(server)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def fetch(self, path):
        return self.http.ask('GET', path)
