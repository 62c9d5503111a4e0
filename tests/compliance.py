#!/usr/bin/env python3
"""Every test that server/COMPLIANCE.md names exists."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, '..', 'server', 'COMPLIANCE.md')


def exists(name):
    folder = 'conformance'
    if name.startswith('e2e:'):
        folder, name = os.path.join('e2e', 'interop'), name[4:]
    file, scenario = name.split('.')
    path = os.path.join(HERE, folder, 'test_%s.py' % file)
    return os.path.exists(path) and re.search(r'^(async )?def test_%s\(' % scenario, open(path).read(), re.M)


cited = re.findall(r'`((?:e2e:)?[a-z0-9_]+\.[a-z0-9_]+)`', open(PAGE).read())
missing = [name for name in cited if '.py' not in name and not exists(name)]
for name in missing:
    print('no such test: ' + name)
print('%d tests are named' % len(cited))
sys.exit(1 if missing or not cited else 0)
