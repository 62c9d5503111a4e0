"""Exports that people read (issue 7): HTML. Texts are hostile; the pages are opened by Chromium, where there is one."""
import html.parser
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
import xml.etree.ElementTree
import zipfile

from chancerytest.client import unique
from chancerytest.element import escape
from chancerytest.muc import Room
from chancerytest.scenario import Skip, alone
from chancerytest.upload import upload
from test_export import Locked, begun, export, exporters, fetched, officer, over, read, talk, verify

HOSTILE = ['<script>document.title="owned"</script>', '<img src=x onerror="document.title=\'owned\'">', '"><svg onload=alert(1)>', '</style><h1>owned</h1>', '<!-- ', ']]>', '&lt;b&gt;',
           'invoice_\u202excod.exe', 'a\u2066b\u2069c', 'zero\u200bwidth', 'line\u2028end', 'tab\tand\nline', 'e\u0301' * 300, '\u05e9\u05dc\u05d5\u05dd \u0639\u0627\u0644\u0645 \U0001f600',
           'javascript:alert(1) http://evil.example/x.png', '{{7*7}} ${7*7}', '\x7f\x85 controls', 'C:\\con\\nul']


class Page(html.parser.HTMLParser):
    """What of a page could do something, and its text."""

    VOID = ('meta', 'br', 'img', 'link', 'input', 'hr')

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attrs, self.links, self.open, self.ids, self.meta = {}, set(), [], [], [], {}
        self.articles, self.words = {}, []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attrs |= {a for a, _ in attrs}
        attrs = dict(attrs)
        if tag == 'a':
            self.links.append(attrs['href'])
        if tag == 'meta':
            self.meta[attrs.get('http-equiv') or attrs.get('name') or 'charset'] = attrs.get('content')
        if 'id' in attrs:
            self.ids.append(attrs['id'])
        if tag == 'article':
            self.articles[attrs['id']] = ''
        if tag not in self.VOID:
            self.open.append((tag, attrs))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1][0] == tag, (tag, self.open[-3:])
        self.open.pop()

    def handle_data(self, data):
        article = next((a['id'] for t, a in self.open if t == 'article'), None)
        if article:
            self.articles[article] += data
        if any(t == 'style' for t, _ in self.open):
            return
        self.words.append(data)

    @property
    def text(self):
        return ''.join(self.words)


ALLOWED_TAGS = {'html', 'head', 'meta', 'title', 'style', 'body', 'a', 'nav', 'main', 'header', 'footer', 'section', 'article', 'h1', 'h2', 'p', 'div', 'span', 'bdi', 'time',
                'ul', 'li', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'dl', 'dt', 'dd', 'details', 'summary', 'pre', 'code', 'b', 'strong'}
ALLOWED_ATTRS = {'lang', 'charset', 'http-equiv', 'content', 'name', 'class', 'href', 'id', 'rel', 'datetime', 'dir', 'scope', 'open', 'aria-label', 'aria-labelledby'}
HIDDEN = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]')


def pages(got):
    """All pages, each checked: nothing but what is allowed, every link leads somewhere, nothing is hidden."""
    found = {n: Page(got[n].decode()) for n in got if n.startswith('html/')}
    for name, page in found.items():
        assert set(page.tags) <= ALLOWED_TAGS and page.attrs <= ALLOWED_ATTRS, (name, set(page.tags) - ALLOWED_TAGS, page.attrs - ALLOWED_ATTRS)
        assert "default-src 'none'" in page.meta['Content-Security-Policy'] and 'unsafe' not in page.meta['Content-Security-Policy'], page.meta
        assert len(page.ids) == len(set(page.ids)), name
        assert not HIDDEN.search(got[name].decode()), (name, HIDDEN.search(got[name].decode()))
        for link in page.links:
            to, _, id = link.partition('#')
            assert ':' not in to, link
            if to.startswith('../'):
                assert urllib.parse.unquote(to[3:]) in got, (name, link)
                continue
            target = found['html/' + to] if to else page
            assert not id or id in target.ids, (name, link)
    return found


def conversation(found):
    """The only one: all its pages in order."""
    names = sorted((n for n in found if not re.match(r'html/(index|conversations|people)(-\d+)?\.html$', n)), key=lambda n: (len(n), n))
    return [found[n] for n in names]


def articles(found):
    return [a for page in conversation(found) for a in page.articles.values()]


def chromium(*args, folder):
    """Headless, without a network; what it prints."""
    program = next((p for p in map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')) if p), None)
    if program is None:
        raise Skip('no Chromium (Debian: apt-get install chromium)')
    with tempfile.TemporaryDirectory(dir=folder) as home:
        p = subprocess.run([program, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--host-resolver-rules=MAP * ~NOTFOUND',
                            '--user-data-dir=' + home, '--enable-logging=stderr', '--v=0', *args], capture_output=True, text=True, timeout=180, env={**os.environ, 'HOME': home})
    assert p.returncode == 0, p.stderr[-2000:]
    return p.stdout + p.stderr


def unpacked(t, path):
    folder = t.server.path(unique('unpacked'))
    with zipfile.ZipFile(path) as z:
        z.extractall(folder)
    return folder


def test_html(t):
    """Issue 7: a conversation as a page: who, when, what; an index with what was asked for; every link leads somewhere"""
    a, b = talk(t, 5)
    path = export(t, officer(t), '--between', a.bare, '--between', b.bare, '--reason', 'case <7>', formats='html')
    _, got = read(path)
    found = pages(got)
    said = articles(found)
    assert len(said) == 5 and all('word %d <&> \u00e4' % i in said[i] and a.bare in said[i] for i in range(5)), said
    index = found['html/index.html']
    assert 'case <7>' in index.text and a.bare in index.text and b.bare in index.text, index.text
    assert verify(t, path)[0] == 0


def test_html_hostile(t):
    """Issue 7: markup, scripts, marks of direction, what cannot be seen: shown, and nothing else"""
    a, b = t.online(), t.online()
    for body in HOSTILE:
        b.expect_message(id=a.message(b.jid, body))
    path = export(t, officer(t), '--person', a.bare, '--kind', 'message', formats='html')
    _, got = read(path)
    said = articles(pages(got))
    for body, shown in zip(HOSTILE, said, strict=True):
        expected = HIDDEN.sub(lambda m: 'U+%04X' % ord(m[0]), body)
        assert expected in shown, (body, shown)


def test_html_browser(t):
    """Issue 7: Chromium shows a page of hostile texts: nothing of them is run or becomes an element, and the style is what the policy lets in"""
    a, b = t.online(), t.online()
    for body in HOSTILE:
        b.expect_message(id=a.message(b.jid, body))
    path = export(t, officer(t), '--person', a.bare, '--kind', 'message', formats='html')
    _, got = read(path)
    folder = unpacked(t, path)
    page = next(n for n in got if n.startswith('html/') and not n.endswith(('index.html', 'people.html', 'conversations.html')))
    seen = chromium('--dump-dom', 'file://%s/%s' % (folder, page), folder=folder)
    title = re.search(r'<title>(.*?)</title>', seen)[1]
    assert 'owned' not in title and a.bare in title, title
    assert '<script' not in seen and '<img' not in seen and '<svg' not in seen and 'Refused to' not in seen and 'CONSOLE' not in seen, seen[-3000:]
    assert seen.count('<article') == len(HOSTILE), seen.count('<article')


def test_html_no_script_runs(t):
    """Issue 7: if a script came into a page after all, its policy would not let it run: one is put there"""
    a, b = talk(t, 1)
    path = export(t, officer(t), '--between', a.bare, '--between', b.bare, formats='html')
    folder = unpacked(t, path)
    name = os.path.join(folder, 'html', 'index.html')
    with open(name) as f:
        text = f.read()
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n', text)[0]
    bad = '<p id="mark">quiet</p><script>document.getElementById("mark").textContent = "ran"</script>\n</body>'
    seen = {}
    for which, page in (('with', text.replace('</body>', bad)), ('without', text.replace(policy, '').replace('</body>', bad))):
        with open(name, 'w') as f:
            f.write(page)
        seen[which] = chromium('--dump-dom', 'file://' + name, folder=folder)
    assert '>ran<' in seen['without'], seen['without'][-500:]
    assert '>quiet<' in seen['with'] and '>ran<' not in seen['with'], seen['with'][-500:]


def test_html_thread(t):
    """Issue 7: what was corrected, taken back, reacted to, answered: at both ends"""
    a, b = t.online(), t.online()
    ids = {}

    def say(who, to, key, inner, body=None):
        ids[key] = who.message(to.jid, body, inner=inner)
        to.expect_message(id=ids[key])
    say(a, b, 'first', '<body>teh first</body>')
    say(a, b, 'fix', "<body>the first</body><replace xmlns='urn:xmpp:message-correct:0' id='%s'/>" % ids['first'])
    say(b, a, 'like', "<reactions xmlns='urn:xmpp:reactions:0' id='%s'><reaction>\U0001f44d</reaction></reactions>" % ids['first'])
    say(b, a, 'answer', "<body>why?</body><reply xmlns='urn:xmpp:reply:0' to='%s' id='%s'/>" % (a.bare, ids['first']))
    say(a, b, 'bad', '<body>forget this</body>')
    say(a, b, 'back', "<retract xmlns='urn:xmpp:message-retract:1' id='%s'/><body>fallback</body>" % ids['bad'])
    say(b, a, 'lost', "<body>what?</body><replace xmlns='urn:xmpp:message-correct:0' id='nobody-knows'/>")
    _, got = read(export(t, officer(t), '--between', a.bare, '--between', b.bare, formats='html'))
    said = articles(pages(got))
    first, fix, like, answer, bad, back, lost = said
    assert 'Corrected at' in first and '\U0001f44d' in first and 'Answered at' in first, first
    assert 'teh first' in fix and 'the first' in fix, fix
    assert 'reacted: \U0001f44d' in like and 'teh first' in like, like
    assert 'In reply to #' in answer, answer
    assert 'Taken back at' in bad and 'forget this' in bad and 'forget this' in back and 'fallback' not in back, (bad, back)
    assert 'not found in the record' in lost and 'nobody-knows' in lost, lost


def test_html_room(t):
    """Issue 7: a room: who was in it and could read, from when to when"""
    a, b, c = t.online(), t.online(), t.online()
    room = Room(t)
    room.join(a, 'first')
    room.join(b, 'second', seen=['first'])
    room.say(a, 'in the room')
    b.expect(lambda e: e.name == 'message' and e.find('body') is not None, 'what was said')
    room.leave(b, 'second')
    b.expect(lambda e: e.name == 'presence' and e.get('type') == 'unavailable', 'to have left')
    _, got = read(export(t, officer(t), '--room', room.jid, formats='html'))
    found = pages(got)
    page, = conversation(found)
    assert re.search(r'Who was in the room and could read: 2 stays', page.text), page.text
    audience = page.text.split('could read: ')[1].split('#')[0]
    assert re.search(re.escape(a.jid) + r' as first, from \d\d:\d\d:\d\d, not seen to leave', audience), audience
    assert re.search(re.escape(b.jid) + r' as second, from \d\d:\d\d:\d\d until \d\d:\d\d:\d\d', audience), audience
    assert c.bare not in page.text and any('in the room' in x for x in articles(found))


def test_html_files(t):
    """Issue 7: files lead to those of the bundle; what a browser would run is named only"""
    a, b = t.online(), t.online()
    for data, name in ((b'plain text ' * 20, 'a plan & more?.txt'), (b'<!DOCTYPE html><html><head><title>x</title></head><body><script>1</script></body></html>', 'page.html')):
        address = upload(t, a, data, name=name).get
        b.expect_message(id=a.message(b.jid, address, inner="<body>%s</body><x xmlns='jabber:x:oob'><url>%s</url></x>" % (escape(address), escape(address))))
    t.server.wait(lambda: t.server.value("select count(*) from chancery.file_event v join archive.record r on r.id = v.record where r.from_bare = '%s' and path = 'link'" % a.bare) == '2', 'the links')
    _, got = read(export(t, officer(t), '--person', a.bare, formats='html'))
    found = pages(got)
    people = found['html/people.html'].text
    assert t.server.domain in people and 'elsewhere' not in people, people     # the server, which took the links
    links = [x for page in conversation(found) for x in page.links if x.startswith('../files/')]
    assert links and all(x.endswith('.txt') for x in links), links
    text = ''.join(articles(found))
    assert 'page.html' in text and 'in this bundle as files/' in text, text


@alone()
def test_html_erased(t):
    """Issue 7: what was erased is shown as erased, with its place in the log"""
    a, _ = talk(t, 4, 'secret')
    ids = [r[0] for r in t.server.records("from_bare = '%s' and kind <> 24" % a.bare, 'id')]
    t.server.psql('update archive.record set body = null, stanza = null, salt = null, from_resource = null, to_resource = null, client_id = null where id = %s' % ids[1])
    path = export(t, officer(t), '--person', a.bare, formats='html')
    _, got = read(path)
    said = articles(pages(got))
    assert ['Erased.' in s for s in said] == [False, True, False, False] and not any('secret 1' in s for s in said), said
    assert verify(t, path)[0] == 0


@alone()
def test_html_pages(t):
    """Issue 7: a long conversation is several pages, each record on one of them; so it is after a kill -9 of the program"""
    a, b = t.online(), t.online()
    first = a.message(b.jid, 'the very first')
    b.expect_message(id=first)
    n = 40
    for i in range(n):
        b.expect_message(id=a.message(b.jid, 'n%d ' % i + 'long ' * 7000))
    b.expect_message(id=a.message(b.jid, inner="<body>last</body><reply xmlns='urn:xmpp:reply:0' to='%s' id='%s'/>" % (a.bare, first)))
    who = officer(t)
    with Locked(t.server, 'chancery.vcard'):
        id, pid = begun(t, who, person=[a.bare], kind=['message'], formats=['html'])
        os.kill(pid, signal.SIGKILL)
        t.server.wait(lambda: [p for p in exporters(t.server) if p != pid], 'another program')
    assert over(t, who, id)['state'] == 'done'
    _, got = read(fetched(t, who, id))
    found = pages(got)
    assert len(conversation(found)) == 2
    said = articles(found)
    assert len(said) == n + 2 and 'the very first' in said[0] and 'In reply to #' in said[-1], (len(said), said[-1])
    assert all('n%d ' % i in said[i + 1] for i in range(n))


def pdf_text(path, name='messages.pdf'):
    """As Poppler reads it: its words, and what it says of itself."""
    with zipfile.ZipFile(path) as z, tempfile.TemporaryDirectory() as folder:
        file = z.extract(name, folder)
        about = subprocess.run(['pdfinfo', file], capture_output=True, text=True, timeout=60)
        assert about.returncode == 0 and not about.stderr, about
        text = subprocess.run(['pdftotext', '-layout', file, '-'], capture_output=True, text=True, timeout=60)
        assert text.returncode == 0 and not text.stderr, text.stderr
        return text.stdout, dict(line.split(':', 1) for line in about.stdout.splitlines() if ':' in line)


def test_pdf(t):
    """Issue 7: a conversation on paper: Poppler finds who, what, why; it has a title, tags and the date of the export"""
    a, b = talk(t, 5)
    path = export(t, officer(t), '--between', a.bare, '--between', b.bare, '--reason', 'case <7>', formats='pdf')
    manifest, got = read(path)
    text, about = pdf_text(path)
    assert all('word %d <&> \u00e4' % i in text for i in range(5)) and 'case <7>' in text and a.bare in text and 'Page 1' in text, text
    assert about['Title'].strip() == 'Export %d of %s' % (manifest['export']['job'], t.server.domain) and about['Tagged'].strip() == 'yes', about
    assert about['JavaScript'].strip() == 'no' and about['Page size'].strip().endswith('(A4)') and about['CreationDate'].strip(), about
    assert verify(t, path)[0] == 0


def test_pdf_hostile(t):
    """Issue 7: other ways of writing are found; what turns the direction, or is not seen, is named"""
    a, b = t.online(), t.online()
    words = ['\u05e9\u05dc\u05d5\u05dd', '\u0645\u0631\u062d\u0628\u0627', '\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac', '\U0001f600', 'na\u00efve', '\u042f\u0437\u044b\u043a']
    for body in HOSTILE + words + ['x' * 20000, '\n' * 500 + 'after empty lines', 'long ' * 20000 + 'end-of-it']:
        b.expect_message(id=a.message(b.jid, body))
    path = export(t, officer(t), '--person', a.bare, '--kind', 'message', formats='pdf')
    read(path)
    text, _ = pdf_text(path)
    # Poppler puts marks of its own around what goes from right to left.
    plain = re.sub('[\u200e\u200f\u202a-\u202e\u2066-\u2069]', '', text)
    # It takes some of the gaps between letters from right to left for spaces.
    letters = re.sub(r'\s', '', plain)
    for word in words:
        assert word in letters, (word, [l for l in plain.splitlines() if re.search('[\u0590-\u06ff]', l)])
    assert 'invoice_[U+202E]xcod.exe' in plain and 'zero[U+200B]width' in plain and '<script>document.title="owned"</script>' in plain, plain[:3000]
    assert 'after empty lines' in plain and 'end-of-it' in plain and plain.count('x' * 40) > 200


def test_pdf_thread(t):
    """Issue 7: on paper, too: what was corrected, taken back, reacted to, erased; files; who was in a room"""
    a, b = t.online(), t.online()
    first = a.message(b.jid, 'teh first')
    b.expect_message(id=first)
    b.expect_message(id=a.message(b.jid, inner="<body>the first</body><replace xmlns='urn:xmpp:message-correct:0' id='%s'/>" % first))
    a.expect_message(id=b.message(a.jid, inner="<body>why?</body><reply xmlns='urn:xmpp:reply:0' to='%s' id='%s'/>" % (a.bare, first)))
    bad = a.message(b.jid, 'forget this')
    b.expect_message(id=bad)
    b.expect_message(id=a.message(b.jid, inner="<retract xmlns='urn:xmpp:message-retract:1' id='%s'/><body>fallback</body>" % bad))
    room = Room(t)
    room.join(a, 'first')
    room.say(a, 'in the room')
    a.expect(lambda e: e.name == 'message' and e.find('body') is not None, 'what was said')
    path = export(t, officer(t), '--person', a.bare, formats='pdf')
    text, about = pdf_text(path)
    for words in ('Corrected at', 'Before, ', 'In reply to #', 'Taken back at', 'What was taken back', 'Who was in the room and could read', 'as first, from', 'Room ' + room.jid, 'People'):
        assert words in text, (words, text)
    assert 'fallback' not in text, text


PIE = '{urn:xmpp:pie:0}'
MAM = '{urn:xmpp:pie:0#mam}archive/{urn:xmpp:mam:2}result'
FORWARDED = '{urn:xmpp:forward:0}forwarded/'


def archive(got, person):
    """Of a person: the archive's messages with their times, by their ids, in order; what is erased."""
    root = xml.etree.ElementTree.fromstring(got['xep0227/%s.xml' % person])
    host, = root
    user, = host
    assert (root.tag, host.tag, user.tag) == (PIE + 'server-data', PIE + 'host', PIE + 'user')
    assert '%s@%s' % (user.get('name'), host.get('jid')) == person and set(user.attrib) == {'name'}, user.attrib
    found = [(r.get('id'), r.find(FORWARDED + '{urn:xmpp:delay}delay').get('stamp'), r.find(FORWARDED + '{jabber:client}message')) for r in user.findall(MAM)]
    return found, user.findall('{urn:xmpp:pie:0#mam}archive/{urn:chancery:export:0}erased')


def test_xep0227(t):
    """XEP-0227 §5.9: each of both has an archive of what they wrote and were sent, as it was, with ids and times; no passwords; no rooms"""
    a, b = t.online(), t.online()
    for body in HOSTILE:
        b.expect_message(id=a.message(b.jid, body, inner="<x xmlns='urn:example:x' a='&lt;&amp;&quot;'/>"))
    a.expect_message(id=b.message(a.jid, 'back'))
    room = Room(t)
    room.join(a, 'first')
    room.say(a, 'in the room')
    a.expect(lambda e: e.name == 'message' and e.find('body') is not None, 'what was said')
    path = export(t, officer(t), '--person', a.bare, formats='xep0227')
    _, got = read(path)
    (mine, gone), (theirs, _) = archive(got, a.bare), archive(got, b.bare)
    said = [m.findtext('{jabber:client}body') for _, _, m in mine]
    assert said == HOSTILE + ['back'] and gone == [], said
    assert [i for i, _, _ in theirs] == [i for i, _, _ in mine] == sorted(i for i, _, _ in mine)
    records = {r[0]: r[1:] for r in t.server.records("from_bare in ('%s', '%s') and kind <> 24" % (a.bare, b.bare), "id, from_bare || '/' || from_resource, to_char(at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")}
    for id, stamp, m in mine:
        assert (m.get('from'), stamp) == tuple(records[id]), (id, stamp, m.attrib, records[id])
    assert mine[0][2].get('to') == b.jid and mine[0][2].find('{urn:example:x}x').get('a') == '<&"'
    assert verify(t, path)[0] == 0


@alone()
def test_xep0227_erased(t):
    """XEP-0227: what was erased is said to be, in a namespace that others skip, and is no message"""
    a, _ = talk(t, 3, 'secret')
    ids = [r[0] for r in t.server.records("from_bare = '%s' and kind <> 24" % a.bare, 'id')]
    t.server.psql('update archive.record set body = null, stanza = null, salt = null, from_resource = null, to_resource = null, client_id = null where id = %s' % ids[1])
    _, got = read(export(t, officer(t), '--person', a.bare, formats='xep0227'))
    found, gone = archive(got, a.bare)
    assert [i for i, _, _ in found] == [ids[0], ids[2]] and [e.get('id') for e in gone] == [ids[1]], (found, gone)


def test_xep0227_prosody(t):
    """XEP-0227: Prosody's migrator imports it"""
    program = shutil.which('prosody-migrator')
    if program is None:
        raise Skip('no Prosody (Debian: apt-get install prosody)')
    a, b = talk(t, 4, 'moved')
    _, got = read(export(t, officer(t), '--person', a.bare, formats='xep0227'))
    # It becomes the user prosody where it is root, and looks where it was told at its build.
    with tempfile.TemporaryDirectory() as folder:
        names = {n: os.path.join(folder, n) for n in ('in', 'out', 'migrator', 'config')}
        for n in ('in', 'out'):
            os.mkdir(names[n])
        with open(os.path.join(names['in'], a.bare + '.xml'), 'wb') as f:
            f.write(got['xep0227/%s.xml' % a.bare])
        with open(program) as f, open(names['migrator'], 'w') as to:
            to.write(re.sub(r"(?m)^CFG_DATADIR=.*$", "CFG_DATADIR='%s'" % names['in'], f.read()))
        with open(names['config'], 'w') as f:
            f.write('input { hosts = { ["%s"] = { "archive-archive" } }; type = "xep0227"; }\noutput { type = "internal"; path = "%s"; }\n' % (t.server.domain, names['out']))
        subprocess.run(['chmod', '-R', 'a+rwX', folder], check=True)
        # --keep-going: it looks for an archive of the host itself, too.
        p = subprocess.run(['lua5.4', names['migrator'], '--keep-going', '--config', names['config']], capture_output=True, text=True, timeout=120)
        lists = [os.path.join(d, f) for d, _, fs in os.walk(names['out']) for f in fs if f.endswith('.list')]
        assert len(lists) == 1 and os.path.basename(lists[0]) == a.bare.split('@')[0] + '.list', (lists, p.stdout[-2000:], p.stderr[-2000:])
        with open(lists[0]) as f:
            text = f.read()
    assert text.count('item({') == 4 and all('moved %d <&> ' % i in text for i in range(4)) and text.count('["with"] = "%s"' % b.bare) == 4, text
