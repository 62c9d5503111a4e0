"""The scanner of files, as administrators see it (deploy/files.md). What it does to files is in test_upload.py and others; what happens when it
fails in tests/e2e/files."""
import base64
import json
import os
import signal

from chancerytest.scenario import alone
from chancerytest.server import EICAR, SCANNER_ASLEEP, SCANNER_DOUBLE, SCANNER_DOWN, SCANNER_EMPTY, SCANNER_OFF, SCANNER_OLD, SCANNER_UP




def test_status(t):
    """Issue 6: the engine, its signatures and their age are shown"""
    t.server.wait_scanner()
    row = t.server.files_status()
    assert row['scanner'] == 'up' and row['open'] and not row['why'], row
    assert row['signatures'] == 2 and row['age_hours'] == 0 and row['generation'] >= 1 and row['workers'] == 2, row
    assert row['folder'] == t.server.virus and row['engine'] and not row['trouble'], row
    code, out, err = t.server.cli('files', 'status')
    assert code == 0 and 'Files pass:' in out and not err, (code, out, err)
    assert t.server.metric('chancery_signatures') == 2 and t.server.metric('chancery_signatures_age_seconds') < 86400


@alone(files__on='false')
def test_off(t):
    """Setting files.on: without files nothing is started, and nothing is wrong"""
    assert t.server.scanner_condition() == SCANNER_OFF and not t.server.scanner_pid()
    code, out, err = t.server.cli('files', 'status')
    assert code == 1 and 'off' in out and err, (code, out, err)
    assert t.server.cli('status')[0] == 0


@alone(files__scanner='own', files__signatures_max_age='24h')
def test_conditions(t):
    """Issue 6: no signatures, old ones, no program: said once in the log, shown, and over by themselves"""
    s = t.server
    s.put_scanner(SCANNER_DOUBLE)
    s.write_signatures('mode', 'empty')
    os.kill(s.scanner_pid(), signal.SIGKILL)
    s.wait_scanner(SCANNER_EMPTY)
    code, out, err = s.cli('status')
    assert code == 1 and 'no file passes' in err, (code, out, err)
    row = s.files_status()
    assert row['scanner'] == 'no signatures' and not row['open'] and 'no signatures' in row['why'] and row['trouble'], row
    s.write_signatures('mode', 'old')
    s.wait_scanner(SCANNER_OLD)
    row = s.files_status()
    assert row['open'] and row['age_hours'] == 240, row
    assert 'old signatures' in s.cli('status')[2]
    s.write_signatures('mode', 'good')
    s.wait_scanner()
    assert s.cli('status')[0] == 0
    s.write_signatures('mode', 'refuse')
    s.wait_scanner(SCANNER_DOWN)
    s.wait(lambda: s.metric('chancery_scanner_starts_total') > 3, 'attempts to start it')
    s.write_signatures('mode', 'good')
    s.wait_scanner()
    for event in 'signatures-missing', 'signatures-old':
        assert s.log().count(' %s ' % event) == 1, event
    assert s.log().count(' scanner-down ') == 2, s.log()


@alone()
def test_asleep(t):
    """Setting files.scanner_start: lazy, and the first file starts it: what is infected is found in it, and nothing is wrong before"""
    s = t.server
    romeo, juliet = t.friends()
    romeo.message(juliet.jid, 'no file')
    juliet.expect_message('no file')
    assert s.scanner_condition() == SCANNER_ASLEEP and not s.scanner_pid() and s.cli('status')[0] == 0
    row = json.loads(s.cli('--json', 'status')[1])
    assert row['scanner'] == 'asleep' and s.scanner_condition() == SCANNER_ASLEEP and ' scanner-asleep ' in s.log(), row
    for content, verdict in (EICAR, 'error'), (b'words', 'result'):
        vcard = "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>%s</BINVAL></PHOTO></vCard>" % base64.b64encode(content).decode()
        assert romeo.iq('set', vcard).get('type') == verdict
    assert s.scanner_condition() == SCANNER_UP and s.metric('chancery_scanner_starts_total') == 1
    row = s.files_status()
    assert (row['infected'], row['clean'], row['scanner']) == (1, 1, 'up'), row


@alone()
def test_woken(t):
    """The same by a question about it, while it is asleep; and it is started anew as any other"""
    s = t.server
    row = s.files_status()
    assert row['open'] and row['scanner'] in ('asleep', 'up'), row
    s.wait_scanner()
    os.kill(s.scanner_pid(), signal.SIGKILL)
    s.wait(lambda: s.metric('chancery_scanner_starts_total') == 2, 'another one')
    s.wait_scanner()


@alone(files__on='false', files__signatures_max_age='24h', files__scanner_start='eager')
def test_switched_on(t):
    """Setting files.on: a reload switches files on, and off again"""
    s = t.server
    for value, condition in (('true', SCANNER_UP), ('false', SCANNER_OFF)):
        with open(s.env['CHANCERY_CONFIG']) as f:
            text = f.read()
        with open(s.env['CHANCERY_CONFIG'], 'w') as f:
            f.write(text.replace('  on: false' if value == 'true' else '  on: true', '  on: ' + value))
        code, out, err = s.cli('config', 'reload')
        assert code == 0, err
        s.wait_scanner(condition)
    s.wait(lambda: not s.scanner_pid(), 'the end of the scanner')
    assert os.listdir(s.scanner_folder()) == []
