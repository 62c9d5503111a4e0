"""RSMF 2.0 (Relativity Short Message Format), as its publisher describes it: the fields of rsmf_manifest.json as a JSON schema, the mail around it.

Stricter than the format: what it does not name is refused, and what is referred to has to be there."""
import email
import email.policy
import io
import json
import subprocess
import zipfile

STRING = {'type': 'string'}
NAME = {'type': 'string', 'minLength': 1}
NAMES = {'type': 'array', 'items': NAME}
TIME = {'type': 'string', 'pattern': r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?$'}


def thing(required=(), **members):
    return {'type': 'object', 'properties': members, 'required': list(required), 'additionalProperties': False}


def some(of):
    return {'type': 'array', 'items': of}


CUSTOM = some(thing(('name', 'value'), name=NAME, value=NAME))
SCHEMA = thing(
    ('version', 'participants', 'conversations', 'events'),
    version={'const': '2.0.0'},
    eventcollectionid=STRING,
    participants=some(thing(('id',), id=NAME, display=STRING, email={'type': 'string', 'pattern': '^[^@ ]+@[^@ ]+$'}, avatar=STRING, account_id=STRING, custom=CUSTOM)),
    conversations=some(thing(('id', 'platform', 'participants'), id=NAME, display=STRING, platform=NAME, type={'enum': ['direct', 'channel']}, participants=NAMES,
                             custodian=STRING, icon=STRING, custom=CUSTOM)),
    events=some(thing(
        ('type',), id=STRING, type={'enum': ['message', 'disclaimer', 'join', 'leave', 'history', 'unknown']}, parent=STRING, body=STRING, participant=NAME,
        conversation=NAME, timestamp=TIME, deleted={'type': 'boolean'}, importance={'enum': ['normal', 'high']},
        reactions=some(thing(('value',), value=NAME, count={'type': 'integer'}, participants=NAMES)),
        attachments=some(thing(('id',), id=NAME, display=STRING, size={'type': 'integer'})),
        edits=some(thing(('participant',), participant=NAME, timestamp=TIME, previous=STRING, new=STRING)),
        custom=CUSTOM, direction={'enum': ['incoming', 'outgoing']},
        read_receipts=some(thing(('participant',), participant=NAME, timestamp=TIME, action={'enum': ['read', 'delivered']})))))


def is_valid(manifest):
    # The system's Python, which has python3-jsonschema.
    p = subprocess.run(['/usr/bin/python3', '-c', 'import json, jsonschema, sys; jsonschema.validate(*json.load(sys.stdin))'], input=json.dumps([manifest, SCHEMA]),
                       capture_output=True, text=True, timeout=300)
    assert p.returncode == 0, p.stderr[-4000:]


def is_whole(manifest, files):
    """Whoever and whatever is referred to is there, and every file is of an event."""
    people = [p['id'] for p in manifest['participants']]
    assert len(people) == len(set(people))
    events = {e['id']: e for e in manifest['events']}
    assert len(events) == len(manifest['events'])
    conversations = {c['id'] for c in manifest['conversations']}
    attached = set()
    for c in manifest['conversations']:
        assert set(c['participants']) <= set(people)
    for e in manifest['events']:
        assert e['conversation'] in conversations and ('participant' not in e or e['participant'] in people), e
        assert 'parent' not in e or e['parent'] in events, e
        for k in ('edits', 'read_receipts'):
            assert {x['participant'] for x in e.get(k, [])} <= set(people), e
        for x in e.get('reactions', []):
            assert set(x['participants']) <= set(people) and x['count'] == len(x['participants']), e
        for x in e.get('attachments', []):
            assert x['size'] == len(files[x['id']]), x
            attached.add(x['id'])
    assert attached == set(files), (attached, set(files))


def read(data):
    """The mail, its manifest, the files in it by their names."""
    m = email.message_from_bytes(data, policy=email.policy.default)
    attachment, = m.iter_attachments()
    assert attachment.get_filename() == 'rsmf.zip' and attachment['Content-Transfer-Encoding'] == 'base64', attachment.items()
    for part in m.walk():
        assert not part.defects, part.defects
    with zipfile.ZipFile(io.BytesIO(attachment.get_content())) as z:
        assert z.testzip() is None and all('/' not in n for n in z.namelist()), z.namelist()
        files = {n: z.read(n) for n in z.namelist()}
    manifest = json.loads(files.pop('rsmf_manifest.json'))
    is_valid(manifest)
    is_whole(manifest, files)
    assert m['X-RSMF-Version'] == manifest['version'] and int(m['X-RSMF-EventCount']) == len(manifest['events']), m.items()
    assert int(m['X-RSMF-AttachmentCount']) == sum(len(e.get('attachments', [])) for e in manifest['events'])
    times = sorted(e['timestamp'] for e in manifest['events'])
    assert m['X-RSMF-BeginDate'] <= times[0] and times[-1] <= m['X-RSMF-EndDate'], m.items()
    return m, manifest, files
