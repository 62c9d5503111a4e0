#!/usr/bin/env python3
"""Files for tests of the scanner, made into a folder: corpus.py DIR.

The first word of a name is what the scanner must say: clean, infected, limit, encrypted, damaged. What stands for malware is the EICAR
test string, put together here, so that the tree is not taken for infected. Archives that no library writes are made by hand.
"""

import base64
import binascii
import ctypes
import gzip
import bz2
import io
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-" + rb"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
TEXT = b"The lady doth protest too much, methinks.\n" * 40
DIR = sys.argv[1]


def put(name, data):
    with open(os.path.join(DIR, name), "wb") as f:
        f.write(data)


def noise(n, seed=1):
    """Bytes that do not compress, the same ones each time."""
    out, x = bytearray(), seed
    while len(out) < n:
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        out += struct.pack("<Q", x ^ (x >> 29))
    return bytes(out[:n])


# What Python and libarchive write


def zipped(*members, method=zipfile.ZIP_DEFLATED, comment=b""):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", method) as z:
        for name, data in members:
            z.writestr(name, data)
        z.comment = comment
    return b.getvalue()


def tarred(*members, kind=tarfile.REGTYPE):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode="w") as t:
        for name, data in members:
            i = tarfile.TarInfo(name)
            i.size = len(data)
            i.type = kind
            kind = tarfile.REGTYPE
            t.addfile(i, io.BytesIO(data))
    return b.getvalue()


class Unseekable(io.RawIOBase):
    """A stream: a ZIP written to it has descriptors behind its members."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, b):
        self.data += bytes(b)
        return len(b)


la = ctypes.CDLL("libarchive.so.13")
la.archive_write_new.restype = ctypes.c_void_p
la.archive_entry_new.restype = ctypes.c_void_p
la.archive_error_string.restype = ctypes.c_char_p


def packed(fmt, members, flt=None, options=None, password=None):
    """By libarchive."""
    a = ctypes.c_void_p(la.archive_write_new())
    out, used = ctypes.create_string_buffer(16 << 20), ctypes.c_size_t(0)

    def check(r):
        if r < -20:
            raise RuntimeError(f"{fmt}: {la.archive_error_string(a)}")

    check(getattr(la, "archive_write_set_format_" + fmt)(a))
    if flt:
        check(getattr(la, "archive_write_add_filter_" + flt)(a))
    if options:
        check(la.archive_write_set_options(a, options.encode()))
    if password:
        check(la.archive_write_set_passphrase(a, password))
    check(la.archive_write_set_bytes_per_block(a, 0))
    check(la.archive_write_open_memory(a, out, ctypes.c_size_t(len(out)), ctypes.byref(used)))
    for name, data in members:
        e = ctypes.c_void_p(la.archive_entry_new())
        la.archive_entry_set_pathname(e, name.encode())
        la.archive_entry_set_filetype(e, ctypes.c_uint(0o100000))
        la.archive_entry_set_perm(e, ctypes.c_uint(0o644))
        la.archive_entry_set_size(e, ctypes.c_int64(len(data)))
        check(la.archive_write_header(a, e))
        la.archive_write_data(a, data, ctypes.c_size_t(len(data)))
        la.archive_entry_free(e)
    check(la.archive_write_close(a))
    la.archive_write_free(a)
    return out.raw[: used.value]


# ZIP by hand


class Zip:
    """Members whose three descriptions may disagree."""

    def __init__(self):
        self.body, self.directory, self.n = b"", b"", 0

    def member(self, name, data, method=0, flags=0, local_name=None, local_method=None, local_crc=None, listed=True, at=None,
               size=None, mode=0, payload=None, attributes=0, made=0x0314, local_extra=b""):
        raw = payload if payload is not None else data
        if method == 8 and payload is None:
            c = zlib.compressobj(9, zlib.DEFLATED, -15)
            raw = c.compress(data) + c.flush()
        crc, size = binascii.crc32(data), len(data) if size is None else size
        where = len(self.body) if at is None else at
        if at is None:
            ln = name if local_name is None else local_name
            self.body += struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, flags, method if local_method is None else local_method, 0, 0x5821,
                                     crc if local_crc is None else local_crc, len(raw), size, len(ln), len(local_extra)) + ln + local_extra + raw
        if listed:
            self.directory += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", made, 20, flags, method, 0, 0x5821, crc, len(raw), size,
                                          len(name), 0, 0, 0, 0, mode << 16 | attributes, where) + name
            self.n += 1
        return self

    def done(self, gap=b"", n=None, off=0, comment=b"", disk=0):
        n = self.n if n is None else n
        return self.body + gap + self.directory + struct.pack("<4sHHHHIIH", b"PK\x05\x06", disk, disk, n, n, len(self.directory),
                                                              len(self.body) + len(gap) + off, len(comment)) + comment


# Others by hand


def rar(members, flags=0, service=None):
    """RAR 4, stored."""

    def header(kind, fl, rest, data=b""):
        h = struct.pack("<BHH", kind, fl, 7 + len(rest)) + rest
        return struct.pack("<H", binascii.crc32(h) & 0xffff) + h + data

    out = b"Rar!\x1a\x07\x00" + header(0x73, 0, b"\0" * 6)
    for name, data in members + ([(service, TEXT)] if service else []):
        out += header(0x7a if name == service else 0x74, 0x8000 | flags, struct.pack("<IIBIIBBHI", len(data), len(data), 2, binascii.crc32(data), 0x58210000, 20, 0x30,
                                                        len(name), 0x20) + name, data)
    return out + header(0x7b, 0x4000, b"")


def vint(n):
    return bytes([n]) if n < 0x80 else bytes([n & 0x7f | 0x80]) + vint(n >> 7)


def rar5(*members):
    """RAR 5, stored: names that end with / are folders, those in capitals services."""

    def header(kind, rest, data=None):
        h = vint(kind) + vint(0 if data is None else 2) + (b"" if data is None else vint(len(data))) + rest
        h = vint(len(h)) + h
        return struct.pack("<I", binascii.crc32(h)) + h + (data or b"")

    out = b"Rar!\x1a\x07\x01\x00" + header(1, vint(0))
    for name, data in members:
        folder = name.endswith(b"/")
        out += header(3 if name.isupper() else 2, vint(1 if folder else 4) + vint(len(data)) + vint(0o40755 if folder else 0o100644) +
                      (b"" if folder else struct.pack("<I", binascii.crc32(data))) + vint(0) + vint(1) + vint(len(name)) + name, data)
    return out + header(5, vint(0))


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", binascii.crc32(kind + data))

    rows = b"".join(b"\0" + noise(3 * 40, y) for y in range(40))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 40, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def pdf(extra=b"", trailer=b""):
    parts = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
             b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>",
             b"<< /Length 35 >>\nstream\nBT /F1 12 Tf 20 20 Td (Hello) Tj ET\nendstream"]
    if extra:
        parts.append(extra)
    out, places = b"%PDF-1.4\n", []
    for i, p in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (i, p)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    out += b"".join(b"%010d 00000 n \n" % p for p in places)
    return out + b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, trailer, start)


def compound(*names):
    """A compound file with nothing but a directory."""
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<HHHHH", 0x3e, 3, 0xfffe, 9, 6) + b"\0" * 6
    head += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xfffffffe, 0, 0xfffffffe, 0) + struct.pack("<I", 0) + b"\xff" * 432
    fat = struct.pack("<II", 0xfffffffd, 0xfffffffe) + b"\xff" * 504
    directory = b""
    for name, kind in (("Root Entry", 5),) + tuple((n, 2) for n in names):
        raw = name.encode("utf-16-le") + b"\0\0"
        directory += raw.ljust(64, b"\0") + struct.pack("<HBBIII", len(raw), kind, 1, 0xffffffff, 0xffffffff, 1 if kind == 5 else 0xffffffff)
        directory += b"\0" * 36 + struct.pack("<IQ", 0xfffffffe, 0)
    return head + fat + directory.ljust(512, b"\0")


def docx(*more):
    return zipped(("[Content_Types].xml", b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'),
                  ("_rels/.rels", b'<?xml version="1.0"?><Relationships/>'),
                  ("word/document.xml", b'<?xml version="1.0"?><w:document>' + TEXT + b"</w:document>"), ("word/media/image1.png", png()), *more)


def odt(*more):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("mimetype", "application/vnd.oasis.opendocument.text", zipfile.ZIP_STORED)
        z.writestr("content.xml", "<office:document-content/>" * 20)
        z.writestr("Pictures/", "")
        for name, data in more:
            z.writestr(name, data)
    return b.getvalue()


def manifest(inside=""):
    return ('<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml">{inside}</manifest:file-entry>'
            "</manifest:manifest>")


def streamed(*members):
    u = Unseekable()
    with zipfile.ZipFile(u, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members:
            with z.open(name, "w", force_zip64=name.endswith("64")) as f:
                f.write(data)
    return u.data


def nested(n, data, wrap):
    for i in range(n):
        data = wrap(data, i)
    return data


def in_zip(data, i):
    return zipped((f"level{i}.zip", data), method=zipfile.ZIP_STORED)


def sparse(size):
    """A tar of a file that is nothing but a hole with a byte at its end."""
    path = os.path.join(DIR, "hole")
    with open(path, "wb") as f:
        f.truncate(size - 1)
        f.seek(size - 1)
        f.write(b"x")
    out = subprocess.run(["tar", "-C", DIR, "-S", "-cf", "-", "hole"], stdout=subprocess.PIPE, check=True).stdout
    os.unlink(path)
    return out


def overlapping():
    """Every entry of the directory is the same member."""
    z = Zip().member(b"a", b"\0" * 100000, method=8)
    for i in range(50):
        z.member(b"a", b"\0" * 100000, method=8, at=0)
    return z.done()


def mail(name, data):
    body = base64.encodebytes(data).replace(b"\n", b"\r\n")
    return (b"From: juliet@capulet.lit\r\nTo: romeo@montague.lit\r\nSubject: see there\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=xyz\r\n\r\n--xyz\r\nContent-Type: text/plain\r\n\r\nHello\r\n--xyz\r\n"
            b"Content-Type: application/octet-stream; name=" + name + b"\r\nContent-Transfer-Encoding: base64\r\n"
            b"Content-Disposition: attachment; filename=" + name + b"\r\n\r\n" + body + b"--xyz--\r\n")


def clean():
    put("clean-empty", b"")
    put("clean-text.txt", TEXT)
    put("clean-byte", b"P")
    put("clean-picture.png", png())
    put("clean-document.pdf", pdf())
    put("clean-page.html", b"<!DOCTYPE html><title>x</title><p>" + TEXT)
    put("clean-mail.eml", b"From: juliet@capulet.lit\r\nTo: romeo@montague.lit\r\nSubject: tonight\r\n\r\n" + TEXT)
    put("clean-attachment.eml", mail(b"a.zip", zipped(("a", TEXT))))
    put("clean-program", open("/bin/true", "rb").read())
    put("clean-document.docx", docx())
    put("clean-document.odt", odt(("META-INF/manifest.xml", manifest())))
    put("clean-compound.doc", compound("WordDocument"))
    put("clean-empty.zip", zipped())
    put("clean-stored.zip", zipped(("a.txt", TEXT), ("b/", b""), ("b/c.txt", TEXT), method=zipfile.ZIP_STORED))
    put("clean-comment.zip", zipped(("a.txt", TEXT), comment=b"made in Verona"))
    put("clean-names.zip", zipped(("r\u00f6m\u00e9o/\u4f60\u597d.txt", TEXT), ("\u202etxt.exe", TEXT)))
    put("clean-streamed.jar", streamed(("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n"), ("A.class", noise(3000))))
    put("clean-large-fields64.zip", streamed(("a64", TEXT)))
    put("clean-bzip2-inside.zip", zipped(("a", TEXT), method=zipfile.ZIP_BZIP2))
    put("clean-lzma-inside.zip", zipped(("a", TEXT), method=zipfile.ZIP_LZMA))
    put("clean-signing-block.apk", Zip().member(b"AndroidManifest.xml", TEXT, method=8).done(gap=noise(4096) + b"APK Sig Block 42"))
    put("clean-zip-in-zip.zip", zipped(("a", TEXT), ("b.zip", zipped(("c", TEXT))), method=zipfile.ZIP_STORED))
    put("clean-zip-in-tar.tar", tarred(("a", TEXT), ("b.zip", zipped(("c", TEXT)))))
    put("clean-zeros-behind.zip", zipped(("a", TEXT)) + b"\0" * 512)
    put("clean-link.zip", Zip().member(b"link", b"../target", mode=0o120777).done())
    put("clean.tar", tarred(("a", TEXT), ("b", noise(5000))))
    put("clean.tar.gz", gzip.compress(tarred(("a", TEXT), ("b", noise(5000)))))
    put("clean.tar.bz2", bz2.compress(tarred(("a", TEXT))))
    put("clean.tar.xz", lzma.compress(tarred(("a", TEXT))))
    put("clean.gz", gzip.compress(TEXT) + gzip.compress(TEXT))
    put("clean-nothing.gz", gzip.compress(b""))
    put("clean.7z", packed("7zip", [("a", TEXT), ("b", noise(5000))]))
    put("clean-zip-in-7z.7z", packed("7zip", [("b.zip", zipped(("c", TEXT)))], options="compression=store"))
    put("clean.iso", packed("iso9660", [("a.txt", TEXT)]))
    put("clean.cpio", packed("cpio_newc", [("a", TEXT)]))
    put("clean.ar", packed("ar_svr4", [("a", TEXT)]))
    put("clean.tar.zst", packed("pax_restricted", [("a", TEXT)], "zstd"))
    put("clean.xar", packed("xar", [("a", TEXT), ("b", noise(5000))]))
    put("clean.warc", packed("warc", [("a", TEXT)]))
    put("clean.tar.lz", packed("pax_restricted", [("a", TEXT), ("b", noise(5000))], "lzip"))
    put("clean.tar.lz4", packed("pax_restricted", [("a", TEXT), ("b", noise(5000))], "lz4"))
    put("clean.tar.Z", packed("pax_restricted", [("a", TEXT)], "compress"))
    put("clean.lzma", packed("raw", [("a", TEXT)], "lzma"))
    put("clean-rar-in-tar.tar", tarred(("a.rar", rar([(b"a.txt", TEXT)]))))
    put("clean-rar-in-zip.zip", zipped(("a.rar", rar([(b"a.txt", TEXT)])), method=zipfile.ZIP_STORED))
    put("clean-5.rar", rar5((b"a.txt", TEXT)))
    put("clean-folder5.rar", rar5((b"folder/", b""), (b"folder/a.txt", TEXT), (b"CMT", b"made in Verona")))
    put("clean-comment.rar", rar([(b"a.txt", TEXT)], service=b"CMT"))
    put("clean.rar", rar([(b"a.txt", TEXT)]))
    put("clean-self-extracting.exe", b"MZ" + noise(2000) + zipped(("a", TEXT)))
    put("clean-signed-self-extracting.exe", b"MZ" + noise(2000) + zipped(("a", TEXT)) + noise(1000))
    put("clean-nested-ten", nested(10, TEXT, in_zip))


def infected():
    put("infected.com", EICAR)
    put("infected-renamed.jpg", EICAR)
    put("infected-behind-text", TEXT + EICAR)
    put("infected.zip", zipped(("a.txt", TEXT), ("eicar.com", EICAR)))
    put("infected-stored.zip", zipped(("eicar.com", EICAR), method=zipfile.ZIP_STORED))
    put("infected-lzma-inside.zip", zipped(("eicar.com", EICAR), method=zipfile.ZIP_LZMA))
    put("infected-bzip2-inside.zip", zipped(("eicar.com", EICAR), method=zipfile.ZIP_BZIP2))
    put("infected-streamed.jar", streamed(("eicar.com", EICAR)))
    put("infected.docx", docx(("word/embeddings/oleObject1.bin", EICAR)))
    put("infected-sheet-in-document.docx", docx(("word/embeddings/sheet.xlsx", zipped(("xl/worksheets/sheet1.xml", EICAR)))))
    put("infected.tar", tarred(("a", TEXT), ("eicar.com", EICAR)))
    put("infected.tar.gz", gzip.compress(tarred(("a", TEXT), ("eicar.com", EICAR))))
    put("infected.tar.bz2", bz2.compress(tarred(("eicar.com", EICAR))))
    put("infected.tar.xz", lzma.compress(tarred(("eicar.com", EICAR))))
    put("infected.tar.zst", packed("pax_restricted", [("eicar.com", EICAR)], "zstd"))
    put("infected.tar.lz4", packed("pax_restricted", [("eicar.com", EICAR)], "lz4"))
    put("infected.tar.lz", packed("pax_restricted", [("eicar.com", EICAR)], "lzip"))
    put("infected.tar.Z", packed("pax_restricted", [("eicar.com", EICAR)], "compress"))
    put("infected.lzma", packed("raw", [("eicar.com", EICAR)], "lzma"))
    put("infected-second.gz", gzip.compress(TEXT) + gzip.compress(EICAR))
    put("infected-second.tar", tarred(("a", TEXT)) + tarred(("eicar.com", EICAR)))
    put("infected.7z", packed("7zip", [("a", TEXT), ("eicar.com", EICAR)]))
    put("infected.iso", packed("iso9660", [("eicar.com", EICAR)]))
    put("infected.cpio", packed("cpio_newc", [("eicar.com", EICAR)]))
    put("infected.ar", packed("ar_svr4", [("eicar.com", EICAR)]))
    put("infected.xar", packed("xar", [("eicar.com", EICAR)]))
    put("infected.rar", rar([(b"a.txt", TEXT), (b"eicar.com", EICAR)]))
    put("infected-in-folder5.rar", rar5((b"folder/", b""), (b"folder/eicar.com", EICAR)))
    put("infected-zip-in-ar.deb", packed("ar_svr4", [("a.zip", zipped(("eicar.com", EICAR)))]))
    put("infected-self-extracting.exe", b"MZ" + noise(2000) + zipped(("eicar.com", EICAR)))
    put("infected-self-extracting-7z.exe", b"MZ" + noise(2000) + packed("7zip", [("eicar.com", EICAR)]))
    put("infected-attachment.eml", mail(b"a.zip", zipped(("eicar.com", EICAR))))
    put("infected-lzma-attachment.eml", mail(b"a.zip", zipped(("eicar.com", EICAR), method=zipfile.ZIP_LZMA)))
    put("infected-zstd-attachment.eml", mail(b"a.zst", packed("pax_restricted", [("eicar.com", EICAR)], "zstd")))
    put("infected-lzma-attachment-in-zip.zip", zipped(("m.eml", mail(b"a.zip", zipped(("e", EICAR), method=zipfile.ZIP_LZMA)))))
    put("infected-nested-ten", nested(10, EICAR, in_zip))
    put("infected-nested-mixed", nested(3, EICAR, lambda d, i: gzip.compress(tarred(("x", zipped(("y", d)))))))
    put("infected-nested-20.gz", nested(20, EICAR, lambda d, i: gzip.compress(d)))
    # A name for what is found says more than that the archive is not in order.
    put("infected-damaged.zip", zipped(("eicar.com", EICAR), method=zipfile.ZIP_STORED)[:-30])


def encrypted():
    put("encrypted-traditional.zip", packed("zip", [("eicar.com", EICAR)], options="encryption=traditional", password=b"secret"))
    put("encrypted-aes.zip", packed("zip", [("eicar.com", EICAR)], options="encryption=aes256", password=b"secret"))
    put("encrypted-in-tar.tar.gz", gzip.compress(tarred(("a.zip", packed("zip", [("e", EICAR)], options="encryption=aes256", password=b"s")))))
    put("encrypted-office.docx", compound("EncryptionInfo", "EncryptedPackage"))
    put("encrypted-office-in-zip.zip", zipped(("report.docx", compound("EncryptionInfo", "EncryptedPackage"))))
    secret = '<manifest:encryption-data manifest:checksum-type="SHA1/1K"/>'
    put("encrypted.odt", odt(("META-INF/manifest.xml", manifest(secret)), ("settings.xml", noise(900))))
    put("encrypted-wide.odt", odt(("META-INF/manifest.xml", manifest(secret).replace("1.0\"?>", "1.0\" encoding=\"UTF-16\"?>").encode("utf-16"))))
    put("encrypted-package.odt", odt(("encrypted-package", noise(900))))
    put("encrypted-word.doc", compound("WordDocument").ljust(2048, b"\0") + struct.pack("<HHHHHH", 0xa5ec, 0xc1, 0, 0, 0, 0x0100).ljust(512, b"\0"))
    sheet = struct.pack("<HHHHHHII", 0x0809, 16, 0x0600, 0x0005, 0, 0, 0, 0) + struct.pack("<HH", 0x002f, 54) + noise(54)
    put("encrypted-sheet.xls", compound("Workbook").ljust(2048, b"\0") + sheet.ljust(512, b"\0"))
    put("encrypted.rar", rar([(b"eicar.com", noise(80))], flags=4))
    key = b"(" + b"A" * 32 + b")"
    put("encrypted-attachment.eml", mail(b"a.zip", packed("zip", [("e", EICAR)], options="encryption=aes256", password=b"s")))
    put("encrypted.pdf", pdf(b"<< /Filter /Standard /V 1 /R 2 /O %s /U %s /P -4 >>" % (key, key), b"/Encrypt 5 0 R /ID [<00><00>]"))


def limits():
    put("limit-ratio.zip", zipped(("zeros", b"\0" * (20 << 20))))
    put("limit-ratio.gz", gzip.compress(b"\0" * (20 << 20)))
    put("limit-ratio-in-tar.tar", tarred(("noise", noise(300000)), ("zeros.gz", gzip.compress(b"\0" * (20 << 20)))))
    leaf = zipped(("0", b"\0" * (5 << 20)))
    layer = zipped(*((f"{i}.zip", leaf) for i in range(16)))
    put("limit-like-42.zip", zipped(*((f"{i}.zip", layer) for i in range(16))))
    put("limit-members.zip", zipped(*((f"{i}", b"") for i in range(10001)), method=zipfile.ZIP_STORED))
    put("limit-members.tar", tarred(*((f"{i}", b"") for i in range(10001))))
    half = zipped(*((f"{i}", b"") for i in range(5001)), method=zipfile.ZIP_STORED)
    put("limit-members-nested.zip", zipped(("a.zip", half), ("b.zip", half)))
    put("limit-nested-20-infected", nested(20, EICAR, in_zip))
    put("limit-nested-mixed", nested(9, EICAR, lambda d, i: gzip.compress(tarred(("x", d)))))
    put("limit-ratio-attachment.eml", mail(b"a.zip", zipped(("zeros", b"\0" * (20 << 20)))))
    put("limit-hole.tar", sparse(1 << 40))


def damaged():
    whole = zipped(("a.txt", TEXT), ("b.txt", noise(5000)))
    put("damaged-cut.zip", whole[: len(whole) // 2])
    put("damaged-cut-end.zip", whole[:-4])
    put("damaged-cut.tar.gz", gzip.compress(tarred(("a", noise(20000))))[:9000])
    put("damaged-cut.tar", tarred(("a", noise(20000)))[:9000])
    put("damaged-cut.tar.bz2", bz2.compress(tarred(("a", noise(20000))))[:9000])
    put("damaged-cut.tar.xz", lzma.compress(tarred(("a", noise(20000))))[:9000])
    put("damaged-cut.7z", packed("7zip", [("b", noise(5000))])[:3000])
    put("damaged-cut.rar", rar([(b"a.txt", TEXT)])[:300])
    put("damaged-stream.rar", rar([(b"a.txt", TEXT)], service=b"STM"))
    put("damaged-stream5.rar", rar5((b"a.txt", TEXT), (b"STM", TEXT)))
    put("damaged-folder5.rar", rar5((b"folder/", TEXT)))
    put("damaged-behind5.rar", rar5((b"a.txt", TEXT)) + TEXT)
    put("damaged-overlapping.zip", overlapping())
    put("damaged-hidden.zip", Zip().member(b"eicar", EICAR[::-1], listed=False).member(b"a", TEXT).done())
    put("damaged-hidden-packed.zip", Zip().member(b"a", TEXT).member(b"b", TEXT, method=8, listed=False).done())
    put("damaged-hidden-last.zip", Zip().member(b"a", TEXT).done(gap=b"PK\x03\x04" + b"\0" * 60))
    put("damaged-other-name.zip", Zip().member(b"a.txt", TEXT, local_name=b"a.exe").done())
    put("damaged-other-method.zip", Zip().member(b"a", TEXT, method=8, local_method=0).done())
    put("damaged-other-checksum.zip", Zip().member(b"a", TEXT, local_crc=7).done())
    put("damaged-content.zip", Zip().member(b"a", TEXT, method=8, payload=b"\xff" * 50).done())
    put("damaged-two-sizes.zip", Zip().member(b"a", TEXT, size=10).done())
    put("damaged-inner-surplus.zip", Zip().member(b"a", TEXT, method=8, payload=zlib.compress(TEXT)[2:-4] + b"X" * 500).done())
    put("damaged-count.zip", Zip().member(b"a", TEXT).member(b"b", TEXT).done(n=1))
    put("damaged-folder.zip", Zip().member(b"folder/", EICAR[::-1]).done())
    put("damaged-link.zip", Zip().member(b"link", b"x" * 10000, mode=0o120777).done())
    hidden = packed("xar", [("a", noise(300))])
    put("damaged-device.zip", Zip().member(b"a", hidden, method=8, mode=0o060644).done())
    put("damaged-directory.zip", Zip().member(b"a", hidden, method=8, mode=0o040755).done())
    put("damaged-dos-directory.zip", Zip().member(b"a", hidden, method=8, attributes=0x10, made=20).done())
    put("damaged-local-attributes.zip", Zip().member(b"a", hidden, method=8, made=0x0a14, local_extra=struct.pack(
        "<HHBHI", 0x6c78, 7, 5, 0x0314, 0o040755 << 16)).done())
    put("damaged-packed-link.zip", Zip().member(b"link", TEXT[:60], method=14, mode=0o120777, payload=b"x" * 60).done())
    put("damaged-nul.zip", Zip().member(b"a.txt\0.exe", TEXT).done())
    put("damaged-method.zip", Zip().member(b"a", TEXT, method=97).done())
    put("damaged-part.zip", Zip().member(b"a", TEXT).done(disk=1))
    put("damaged-nowhere.zip", Zip().member(b"a", TEXT, at=5000).done())
    put("damaged-two-ends.zip", Zip().member(b"a", TEXT).done(comment=Zip().done()))
    put("damaged-later-end.zip", Zip().member(b"a", TEXT).done(comment=Zip().done()[:-2] + b"\xff\xff"))
    put("damaged-later-end-cut.zip", Zip().member(b"a", TEXT).done(comment=b"PK\x05\x06" + b"\0" * 8))
    put("damaged-empty.zip", b"PK\x05\x06" + noise(200) + Zip().done(off=204))
    put("damaged-empty-local.zip", b"PK\x03\x04" + noise(200) + Zip().done(off=204))
    put("damaged-behind.zip", whole + b"behind")
    put("damaged-before.zip", Zip().member(b"a", TEXT, listed=False).member(b"b", TEXT).done(off=-10))
    put("damaged-polyglot.png", png() + whole)
    put("damaged-polyglot.pdf", pdf() + whole)
    put("damaged-polyglot.txt", TEXT + whole)
    put("damaged-polyglot-comment.txt", TEXT + zipped(("a", TEXT), comment=b"x" * 3000))
    put("damaged-polyglot-7z.png", png() + packed("7zip", [("a", TEXT)]))
    put("damaged-polyglot-rar.png", png() + rar([(b"a.txt", TEXT)]))
    sevenzip = packed("7zip", [("a", TEXT)])
    put("damaged-polyglot-in-gap.zip", Zip().member(b"a", TEXT).done(gap=sevenzip))
    put("damaged-polyglot-in-comment.zip", zipped(("a", TEXT), comment=rar([(b"a.txt", TEXT[:80])])))
    put("damaged-polyglot-in-extra.zip", Zip().member(b"a", TEXT, local_extra=struct.pack("<HH", 0x4242, len(sevenzip)) + sevenzip).done())
    put("damaged-behind.gz", gzip.compress(TEXT) + rar([(b"a.txt", TEXT)]))
    put("damaged-behind-inside.gz.gz", gzip.compress(gzip.compress(TEXT) + rar([(b"a.txt", TEXT)])))
    put("damaged-behind.bz2", bz2.compress(TEXT) + sevenzip)
    put("damaged-behind.xz", lzma.compress(TEXT) + sevenzip)
    put("damaged-behind.lz4", packed("raw", [("a", TEXT)], "lz4") + sevenzip)
    put("damaged-behind.zst", packed("raw", [("a", TEXT)], "zstd") + sevenzip)
    put("damaged-behind.lz", packed("raw", [("a", TEXT)], "lzip") + sevenzip)
    put("damaged-behind.7z", sevenzip + rar([(b"a.txt", TEXT)]))
    put("damaged-behind.cpio", packed("cpio_newc", [("a", TEXT)]) + sevenzip)
    put("damaged-behind.iso", packed("iso9660", [("a.txt", TEXT)]) + sevenzip)
    put("damaged-before.iso", sevenzip.ljust(32768, b"\0") + packed("iso9660", [("a.txt", TEXT)])[32768:])
    put("damaged-in-front-of.iso", (b"\0" * 100 + sevenzip).ljust(32768, b"\0") + packed("iso9660", [("a.txt", TEXT)])[32768:])
    put("damaged-two-archives.exe", b"MZ" + noise(2000) + rar([(b"a.txt", TEXT)]) + sevenzip)
    put("damaged-two-archives-zip.exe", b"MZ" + noise(2000) + sevenzip + zipped(("a", TEXT)))
    put("damaged-polyglot-in-zip.zip", zipped(("a.png", png() + whole)))
    put("damaged-access-list.tar", tarred(("a", noise(600)), ("b", TEXT), kind=b"A"))
    put("damaged-behind-tar.tar", tarred(("a", TEXT)) + noise(2000))
    iso = packed("iso9660", [("a.txt", TEXT)])
    put("damaged-udf.img", (b"\0" * (17 * 2048) + b"\0NSR02\x01").ljust(100 * 2048, b"\0"))
    put("damaged-udf-bridge.iso", iso[: 20 * 2048] + b"\0NSR03\x01".ljust(2048, b"\0") + iso[21 * 2048:])
    put("damaged-dynamic.vhd", b"conectix" + noise(4000))
    put("damaged-fixed.vhd", noise(4096) + b"conectix".ljust(512, b"\0"))
    put("damaged.vmdk", b"KDMV\x01\0\0\0" + noise(4000))
    put("damaged.dmg", noise(4096) + b"koly".ljust(512, b"\0"))
    put("damaged-attachment.eml", mail(b"a.zip", Zip().member(b"a", TEXT, local_name=b"b").done()))
    put("damaged-ace.ace", b"\x12\x34\x31\x00\x00\x00\x90**ACE**" + noise(300))
    put("damaged-unknown-kind-in-zip.zip", zipped(("a.ace", b"\x12\x34\x31\x00\x00\x00\x90**ACE**" + noise(300))))


for make in (clean, infected, encrypted, limits, damaged):
    make()
