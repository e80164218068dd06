#!/usr/bin/env python3
"""Writes inputs to begin with: make_seeds.py FOLDER

FOLDER/TARGET/NAME for each target whose inputs are not text; those of text stand in seeds/ as they are. Run by hand when
a format gets something new; what it wrote is kept in seeds/ as well, so that a build needs neither compiler nor objcopy.
"""

import base64
import gzip
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

EM_X86_64 = 62
PT_LOAD, PT_NOTE = 1, 4
PAGE = 4096
EXE_AT = 0x400000


def words(*values):
    return struct.pack(f"<{len(values)}Q", *values)


def padded(data, unit):
    return data + b"\0" * (-len(data) % unit)


def note(name, kind, contents):
    name += b"\0"
    return struct.pack("<III", len(name), len(contents), kind) + padded(name, 4) + padded(contents, 4)


def elf(kind, segments):
    """segments: (type, address, held bytes, size in memory)"""
    begin = 64 + 56 * len(segments)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", kind, EM_X86_64, 1, 0, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    table, contents = b"", b""
    for segment_type, address, held, size in segments:
        table += struct.pack("<IIQQQQQQ", segment_type, 5, begin + len(contents), address, address, len(held), size, 4)
        contents += held
    return head + table + contents


def core():
    info = bytearray(136)
    struct.pack_into("<i", info, 24, 4711)
    info[40:46] = b"server"
    status = bytearray(336)
    struct.pack_into("<i", status, 32, 4711)
    struct.pack_into("<27Q", status, 112, *range(27))
    notes = (note(b"CORE", 1, bytes(status)) + note(b"CORE", 3, bytes(info)) +
             note(b"CORE", 6, words(3, EXE_AT + 64, 9, EXE_AT + 128, 0, 0)) +
             note(b"CORE", 0x46494C45, words(1, PAGE, EXE_AT, EXE_AT + 2 * PAGE, 0) + b"/bin/exe\0"))
    exe = elf(2, [(PT_NOTE, EXE_AT, note(b"GNU", 3, b"\x12\x34"), 0)])
    return elf(4, [(PT_NOTE, 0, notes, 0), (PT_LOAD, EXE_AT, exe.ljust(512, b"h"), 2 * PAGE),
                   (PT_LOAD, 0x10000000, b"d" * 64, PAGE)])


def packed(tool, data):
    return subprocess.run([tool, "-c", "-"], input=data, stdout=subprocess.PIPE, check=True).stdout


def crash_report(data):
    lines = base64.encodebytes(gzip.compress(data, mtime=0)).decode().split("\n")
    return ("ProblemType: Crash\nExecutablePath: /bin/exe\nCoreDump: base64\n" +
            "".join(f" {line}\n" for line in lines if line) + "Tags: x\n").encode()


def pclntab():
    """Go 1.20's form, as tests/probes/goroutines/go/pclntab_test.cc makes it, and an inline tree behind it."""
    t = bytearray(struct.pack("<IBBBB", 0xFFFFFFF1, 0, 0, 1, 8) + bytes(64))
    struct.pack_into("<QQ", t, 8, 2, 1)

    def text(value):
        at = len(t)
        t.extend(value + b"\0")
        return at

    def align(to):
        t.extend(b"\0" * (-len(t) % to))

    names = text(b"")
    outer, inner, leaf = (text(n) - names for n in (b"main.outer", b"main.inner[go.shape.int]", b"main.leaf"))
    align(8)
    units = len(t)
    t.extend(bytes(4))
    files = text(b"/src/main.go")
    values = len(t)
    t.append(0)

    def pairs(*numbers):
        at = len(t) - values
        t.extend(numbers)
        return at

    frame, file, line = pairs(2, 4, 48, 96, 0), pairs(2, 100, 0), pairs(22, 40, 20, 20, 19, 40, 0)
    inlined, no_frame = pairs(0, 40, 2, 20, 1, 40, 0), pairs(2, 20, 0)
    align(8)
    functab = len(t)
    t.extend(bytes(20))
    align(8)

    def record(entry, name, pcsp, tree):
        at = len(t) - functab
        t.extend(struct.pack("<10I", entry, name, 0, 0, pcsp, file, line, 3 if tree else 0, 0, 5))
        t.extend(bytes((0, 0 if tree else 1, 0, 4 if tree else 0)))
        if tree:
            t.extend(struct.pack("<7I", 0, 0, inlined, *[0xFFFFFFFF] * 3, 0))
        return at

    first, second = record(0, outer, frame, True), record(100, leaf, no_frame, False)
    struct.pack_into("<QQQ", t, functab, first << 32, second << 32 | 100, 120)
    struct.pack_into("<5Q", t, 32, names, units, files, values, functab)
    tree = struct.pack("<4I", 0, inner, 30, 5)
    return bytes([len(tree)]) + bytes(t) + tree


def debug_root(at):
    """A root at that address, with a Runtime of one goroutine and its pollDesc (netpoll/debug/abi.h)."""
    g_layout = [0, 8, 12, 16, 24, 32, 36, 40, 48, 56, 64, 72, 80, 1, 88, 0]
    pd_layout = [0, 4, 8, 16, 24, 32, 40, 0]
    root = b"netpoll-debug-1\0" + struct.pack("<4I", 1, 1, 288, 4) + b"0.1.0".ljust(16, b"\0")
    root += struct.pack("<16I", *g_layout) + struct.pack("<8I", *pd_layout)
    runtime = at + len(root) + 128
    root += words(runtime, *[0] * 15)
    tables = runtime + 232
    gs, pds, counters = tables + 64, tables + 64 + 192, tables + 64 + 192 + 96
    body = struct.pack("<Q32sIIIi", 200, b"main", 1, 0, 0, 5)
    body += struct.pack("<QQII", tables, tables + 8, 2, 96) + struct.pack("<QQII", tables + 16, tables + 24, 2, 48)
    body += struct.pack("<QIIQQIIQ", counters, 1, 32, counters, counters + 32, 1, 24, counters)
    body = body.ljust(232, b"\0") + words(gs, 2, pds, 2).ljust(64, b"\0")
    g = struct.pack("<QIIQQIIQQQQQQI", 7, 4, 1, 3, 1000, 1, 0, 1, 0x401000, 0x401010, 64, 128, 72, 0)
    body += bytes(96) + g.ljust(96, b"\0") + bytes(48) + struct.pack("<iIQQqqI", 6, 1, 0, 0, 0, 0, 0).ljust(48, b"\0")
    return root + body + words(1, 2, 3, 4) + struct.pack("<QQII", 0, 0, 8, 64)


def image_with_root():
    begin = 64 + 2 * 56
    contents = note(b"netpoll", 1, words(8))
    image = elf(2, [(PT_LOAD, 0, b"", 0), (PT_NOTE, begin, contents, len(contents))])
    return image + debug_root(len(image))


def macho_with_root():
    """A program for macOS with the section that leads to a root (mach-o/loader.h)."""
    def segment(name, address, *sections):
        table = b"".join(struct.pack("<16s16s2Q8I", section, name, at, 8, *[0] * 8) for section, at in sections)
        return struct.pack("<II16s4Q4I", 0x19, 72 + len(table), name, address, 0x1000, 0, 0, 3, 3, len(sections), 0) + table

    pointer = 4096
    commands = (segment(b"__TEXT", EXE_AT, (b"__text", EXE_AT + 64)) + struct.pack("<2I2Q", 0x80000028, 24, 64, 0) +
                segment(b"__DATA", EXE_AT + pointer, (b"__netpoll", EXE_AT + pointer)))
    header = struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 2, 3, len(commands), 0, 0)
    return (header + commands).ljust(pointer, b"\0") + words(pointer + 8)


def vm_entries():
    """Records of struct kinfo_vmentry, as FreeBSD packs them (sys/user.h)."""
    def entry(kind, start, end, offset, inode, path):
        path = padded(path + b"\0", 8)
        return struct.pack("<ii4Q", 136 + len(path), kind, start, end, offset, inode).ljust(136, b"\0") + path

    return (entry(2, EXE_AT, EXE_AT + PAGE, 0, 4711, b"/usr/local/bin/server") + entry(3, EXE_AT + PAGE, EXE_AT + 2 * PAGE, 0, 0, b"") +
            entry(2, 2 * EXE_AT, 3 * EXE_AT, 0, 7, b"/lib/libc.so.7") + bytes(64))


PROGRAM = r"""
#include <sys/sdt.h>
static inline __attribute__((always_inline)) int add(int a) { DTRACE_PROBE2(netpoll, park, a, &a); return a * 3; }
namespace server { struct conn { int fd; __attribute__((noinline)) int read(int n) { return add(n) + fd; } }; }
extern "C" void _start() { server::conn c{3}; DTRACE_PROBE1(netpoll, ready, c.read(4)); for (;;) { } }
"""

# Of a goroutine that waits: control words, five registers, rbp, and where it goes on; callers above.
STACK = words(0x1F80037F, 1, 2, 3, 4, 5, 0x10040, 0x401010, 0x401030, *[0x401020] * 23)


def program(folder, *flags):
    source, out = folder / "program.cc", folder / "program"
    source.write_text(PROGRAM, encoding="ascii")
    subprocess.run(["g++", "-nostdlib", "-static", "-O1", "-ffreestanding", "-fno-stack-protector", "-Wl,-z,noseparate-code",
                    "-Wl,--build-id", "-Wl,-Ttext=0x401000", *flags, str(source), "-o", str(out)], check=True)
    return out


def main():
    top = pathlib.Path(sys.argv[1])

    def write(target, name, data):
        (top / target).mkdir(parents=True, exist_ok=True)
        (top / target / name).write_bytes(data)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        stripped = program(folder, "-s")
        info = folder / "info"
        info.write_bytes(b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\x08go1.22.5" + b"\x04path")
        write("elf", "probes", stripped.read_bytes())
        subprocess.run(["objcopy", "--add-section", f".go.buildinfo={info}", str(stripped)], check=True)
        write("elf", "go", stripped.read_bytes())
        for version in ("4", "5"):
            write("dwarf", f"dwarf{version}", program(folder, "-g", f"-gdwarf-{version}").read_bytes() + STACK)
        write("dwarf", "stripped", program(folder, "-s").read_bytes() + STACK)
    plain = core()
    write("core", "plain", plain)
    write("core", "gzip", gzip.compress(plain, mtime=0))
    for tool in ("zstd", "lz4"):
        if shutil.which(tool):
            write("core", tool, packed(tool, plain))
    write("core", "apport", crash_report(plain))
    write("pclntab", "go1.20", pclntab())
    write("debug_root", "image", image_with_root())
    write("debug_root", "root", debug_root(0))
    write("debug_root_macho", "image", macho_with_root())
    write("vm_entries", "three", vm_entries())
    write("debug_root", "ring", words(8, 64) + struct.pack("<II", 8, 64) + bytes(40) +
          b"".join(struct.pack("<QQ", 5 + i, 5 + i) + bytes(48) for i in range(8)))
    field = words(0x100, 0x200, 8)
    for which, (seed, data) in enumerate({
            "types": b"\0\x09runtime.g" + bytes(16) + field,
            "moduledata": words(0x1000, *[0x1000] * 21, 0x400000, 0x401000, *[0x600000] * 24),
            "g": words(0x1000, 0x2000, *[0] * 16) + struct.pack("<IIQ", 4, 0, 7) + bytes(232),
            "poll_desc": words(0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
            "labels": words(24, 1, 1, 40, 3, 43, 3) + b"keyvalue",
            "allgs": words(24, 2, 2, 100, 200),
            "code": b"\x48\x8b\x05\x00\x01\x00\x00\xc3" * 2}.items()):
        write("go_tables", seed, bytes([which]) + data)
    forgery = struct.Struct("<HHBQ")
    for target in ("go_memory", "libruntime_memory"):
        write(target, "honest", b"")
        for at in (0, 6, 20, 60):
            write(target, f"forged-{at}", forgery.pack(at, at * 7, at % 3, 1 << at) + forgery.pack(at, 1, 2, 0xFF))


if __name__ == "__main__":
    main()
