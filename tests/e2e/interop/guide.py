"""deploy/components.md, followed to the letter: what stands in the blocks of one of its sections, with the names of a scenario in the place of the page's."""
import os
import re
import shlex

from chancerytest.server import SOURCE


def blocks(title, names):
    """The indented blocks below `## title…`, each as its lines. names: what stands there, and what it is here; of several the longest."""
    with open(os.path.join(SOURCE, 'deploy', 'components.md')) as f:
        text = f.read().split('\n## ' + title, 1)[1].split('\n## ')[0]
    there = '|'.join(map(re.escape, sorted(names, key=len, reverse=True)))
    text = re.sub(r'(?<![\w.-])(%s)(?![\w-])' % there, lambda m: names[m[1]], text)
    return [re.sub('^    ', '', b, flags=re.M).splitlines() for b in re.findall(r'(?:^ {4}.*\n?)+', text, re.M)]


def commands(lines):
    """The arguments of each `chancery …`."""
    return [shlex.split(line)[1:] for line in lines if line.startswith('chancery ')]
