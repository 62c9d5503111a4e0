#!/usr/bin/env python3
"""pages.py [PROGRAM]: the pages of the tree (*.md) speak of what is there.

- A relative link leads to something, and so does a `path` that begins with a folder of ours: it is looked for beside its page, at the top,
  and below server/, modules/ and tests/, as pages there name files. `core/route/lane` is a .c with its .h, `schema/0031` what begins so.
- A `section.name` whose section is one of deploy/settings.md is a setting there, else something of the database, a limit of gateways, or a
  scenario of tests/conformance.
- Metrics and roles of the database (chancery_...) occur in the sources.
- What the systemd unit starts is where `cmake --install` puts it.
- With PROGRAM, which is `chancery`: commands have the nouns, verbs and options that its --help tells, and its manual page has all of them.

CHANGELOG.md is left out: it says what was.
"""
import functools
import glob
import os
import re
import subprocess
import sys

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
LINK = re.compile(r'\]\(([^)\s]+)\)')
PATH = re.compile(r'`(\w[\w.-]*(?:/[\w.-]+)+/?)`')
# Of a build, a bundle, an example; NAME and the like stand for others.
OTHERS = re.compile(r'^build/|^proof/.*\.(jsonl?|txt)$|^html/|echo|\b[A-Z]+\b(?!\.md)|_[A-Z]+\b')
SETTING = re.compile(r'`([a-z0-9_]+)\.([a-z0-9_]+)(?::[^`]*)?`')
NAME = re.compile(r'\bchancery_[a-z0-9_]+(…?)')
# In a line of examples, or in backticks; what follows two spaces or a # explains it.
COMMAND = re.compile(r'(?:^ {4,}|`)(?:\$ |sudo |build/bin/)*chancery (?! )(.*?)(?:  | #|`|$| [|<>;&] )', re.M)
WITH_VALUE = ('--config', '--socket', '--server', '--ca', '--token-file')


def files(*endings):
    """Of the tree, not of builds in it."""
    for folder, folders, names in os.walk(TOP):
        folders[:] = [f for f in folders if not f.startswith(('.', 'build')) and f != 'node_modules']
        yield from (os.path.join(folder, n) for n in names if n.endswith(endings))


def read(path):
    with open(path) as f:
        return f.read()


def leads(path):
    return os.path.exists(path) or bool(glob.glob(glob.escape(path) + '.*') or glob.glob(glob.escape(path) + '_*'))


def is_path(page, path):
    """Also when it is none of ours."""
    bases = [b for b in (os.path.dirname(page), *(os.path.join(TOP, d) for d in ('', 'server', 'modules', 'tests')))
             if os.path.isdir(os.path.join(b, path.split('/')[0]))]
    return not bases or any(leads(os.path.join(b, path.rstrip('/'))) for b in bases)


def settings():
    found, section = {}, None
    for line in read(os.path.join(TOP, 'deploy', 'settings.md')).split('\n'):
        if line.startswith('## '):
            section = found.setdefault(line[3:], set())
        elif line.startswith('| `'):
            section.add(line.split('`')[1])
    return found


def is_name(sources, section, name):
    """Of a file, of a table or function of the database, of a limit in the programs' own tables, or of a scenario."""
    scenarios = os.path.join(TOP, 'tests', 'conformance', 'test_%s.py' % section)
    return name in ('c', 'h', 'py', 'sql') or re.search(r'\b%s\.%s\b' % (section, name), sources['.sql']) or \
        section == 'limits' and re.search(r'\bX\(%s,' % name, sources['.h']) or \
        os.path.exists(scenarios) and 'def test_%s(' % name in read(scenarios)


@functools.cache
def help_of(program, *words):
    p = subprocess.run([program, *words, '--help'], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return p.stdout if p.returncode == 0 else ''


def command_trouble(program, text):
    """None: there is such a command."""
    words = text.split()
    while words and words[0].startswith('-'):
        if words[0] not in help_of(program):
            return words[0]
        del words[:2 if words[0] in WITH_VALUE else 1]
    if not words or not re.fullmatch('[a-z]+', words[0]):
        return None     # "chancery …"
    called = words[:1]
    if len(words) > 1 and re.fullmatch('[a-z-]+', words[1]) and not words[1].startswith('-') and 'VERB' in help_of(program, words[0]):
        called = words[:2]
    about = help_of(program, *called)
    if 'usage: chancery [options] ' + ' '.join(called) not in about:
        return ' '.join(called)
    known = set(re.findall(r'--[a-z-]+', about + help_of(program)))
    return next((w for w in re.findall(r'(?:^|\s)(--[a-z][a-z-]*)', ' '.join(words)) if w not in known), None)


def manual():
    """The commands that chancery(1) has: "noun verb", or the noun that stands alone."""
    for line in re.findall(r'^\.It Ic (.*)', read(os.path.join(TOP, 'deploy', 'man', 'chancery.1')), re.M):
        for part in line.split(' , Ic '):
            noun, verbs = re.match(r'([a-z]+)((?: [a-z-]+| \|)*)', part).groups()
            yield noun
            yield from (noun + ' ' + verb for verb in re.findall('[a-z-]+', verbs))


def units():
    """Of each program below /usr/local that a unit starts: is it installed there?"""
    rules = '\n'.join(read(path) for path in files('CMakeLists.txt'))
    for unit in files('.service'):
        for folder, name in re.findall(r'^Exec\w+=/usr/local/(\w+)/([\w-]+)', read(unit), re.M):
            yield unit, '/usr/local/%s/%s' % (folder, name), 'install(TARGETS %s RUNTIME DESTINATION %s)' % (name, folder) in rules
        for path in re.findall(r'^Exec\w+=(?!/usr/local/|/bin/kill )(\S+)', read(unit), re.M):
            yield unit, path, False


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else None
    sections = settings()
    sources = {kind: '\n'.join(map(read, files(kind))) for kind in ('.c', '.h', '.sql', '.py')}
    seen, troubles = 0, []
    for page in files('.md'):
        if page == os.path.join(TOP, 'CHANGELOG.md'):
            continue
        text = re.sub(r'^```.*?^```', '', read(page), flags=re.M | re.S)
        checks = [(x, os.path.exists(os.path.join(os.path.dirname(page), x.split('#')[0])))
                  for x in LINK.findall(text) if not re.match(r'[a-z]+:|#', x)]
        checks += [(x, is_path(page, x)) for x in PATH.findall(text) if not OTHERS.search(x)]
        checks += [('%s.%s' % x, x[1] in sections[x[0]] or is_name(sources, *x)) for x in SETTING.findall(text) if x[0] in sections]
        checks += [(x[0], any(x[0].rstrip('…') in s for s in sources.values())) for x in NAME.finditer(text)]
        if program:
            checks += [('chancery %s: %s' % (x, trouble), not trouble)
                       for x in COMMAND.findall(text) for trouble in [command_trouble(program, x)]]
        seen += len(checks)
        troubles += ['%s: %s' % (os.path.relpath(page, TOP), x) for x, good in checks if not good]
    known = set(manual())
    commands = re.findall(r'^  ([a-z]+(?: [a-z-]+)?)', help_of(program).split('\noptions:')[0], re.M) if program else []
    checks = [('deploy/man/chancery.1', 'chancery ' + x, x in known) for x in commands]
    checks = [(os.path.join(TOP, page), x, good) for page, x, good in checks] + list(units())
    seen += len(checks)
    troubles += ['%s: %s' % (os.path.relpath(unit, TOP), x) for unit, x, good in checks if not good]
    for trouble in troubles:
        print('there is no such thing: ' + trouble)
    print('%d things are named' % seen)
    return 1 if troubles or not seen else 0


sys.exit(main())
