#!/usr/bin/env python3
"""Checks who may know whom: check_layers.py [--root DIR] [--links FILE] [--draw]

Two pictures of the same dependencies, and both must stay inside KNOWS below: the #include lines of the sources, and the
target_link_libraries of CMake (--links: lines "target|source folder|linked target|its source folder", written by
tests/tools/links.cmake). An include that no link line allows for is reported too, so that a new dependency is always a
visible line in a CMakeLists.txt. --draw prints the picture as found. Exit status: 1 when something is wrong.

    cli --> probes --> trace --> base          runtime --> net, sync, debug, poll, sched
     |----> exporters --> trace                net --> poll --> sched --> context --> base;   net --> sync --> sched
     '----> runtime                            debug --> net

Beyond that picture:
  - sched does not know poll: it calls the source of readiness that it is given (sched/poll_source.h);
  - probes and exporters do not know each other: they meet in trace::Event;
  - inside probes/ the folders know each other as PROBES says: process/ knows none of the others and may be known by all,
    the back ends do not know each other; only probes/*.cc, which chooses one, knows them all;
  - public headers name no platform poller and no BPF, have no platform #if and include only public headers;
  - libruntime includes nothing that is not in libc, libstdc++, the kernel headers or sys/sdt.h, but for symbols/ and
    endpoint/, which are not part of the runtime's archive: what a program links to look at itself (netpoll::debug).
"""

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

# Layer -> the layers directly below it; what those know may be used as well.
KNOWS = {
    "base": [],
    "trace": ["base"],
    "symbols": ["trace"],
    "context": ["base"],
    "sched": ["context", "trace"],
    "poll": ["sched"],
    "sync": ["sched"],
    "net": ["poll", "sync"],
    "debug": ["net"],
    "runtime": ["net", "sync", "debug"],
    "probes": ["symbols"],
    "exporters": ["trace"],
    "endpoint": ["runtime", "symbols", "exporters"],
    "cli": ["probes", "exporters", "runtime"],
}
# What is in the runtime's own archive.
RUNTIME = ("base", "trace", "context", "sched", "poll", "sync", "net", "debug", "runtime")
TREES = ("libruntime", "probes", "exporters", "cli")
SUFFIXES = (".h", ".cc", ".c", ".S", ".def")

PUBLIC = "libruntime/include/netpoll/"
# Public headers by what implements them; a folder has the name of its layer. Plain data that several layers share lives
# at the bottom: debug/ is the ABI that other processes read, and needs nothing of the runtime.
PUBLIC_FOLDERS = {**{name: name for name in KNOWS}, "debug": "base"}
PUBLIC_FILES = {"runtime.h": "runtime", "go.h": "sched", "labels.h": "sched", "debug/endpoint.h": "endpoint"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
PLATFORM_IF = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|elif)\b.*\b(__linux__|__APPLE__|__FreeBSD__|_WIN32|__unix__)", re.M)
FOREIGN_TO_PUBLIC = re.compile(r"^(sys/epoll\.h|sys/event\.h|windows\.h|linux/|bpf/)")
THIRD_PARTY = re.compile(r"^(bpf|fmt|nlohmann|CLI|boost|catch2|dwarf|elfutils|gelf|httplib|libelf|uv|zlib)[/.]")
PROBES_FOLDER = re.compile(r"^probes/([^/]+)/")
# Folder of probes/ -> the other folders of probes/ that it may include; headers at the top (counts.h, source.h) are free.
PROBES = {
    "process": [],
    "launch": ["process"],
    "goroutines": ["process", "ptrace", "stream"],
    "bpf": ["process", "launch", "stream"],
    "perf": ["process", "launch"],
    "ptrace": ["process", "launch"],
    "none": ["process"],
    "self": ["process", "goroutines", "stream"],
    "stream": ["process"],
}


def closure(graph):
    """Everything reachable from each node, the node itself included."""
    result = {}
    for start in graph:
        seen, todo = set(), [start]
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo.extend(graph.get(node, ()))
        result[start] = seen
    return result


def layer_of(path):
    """The layer of a file or folder, given relative to the top; None where no rule applies (examples, tests)."""
    parts = Path(path).parts
    if not parts or parts[0] not in TREES:
        return None
    if parts[0] != "libruntime":
        return parts[0]
    if path.startswith(PUBLIC):
        name = path[len(PUBLIC):]
        folder = name.split("/")[0] if "/" in name and name not in PUBLIC_FILES else None
        return PUBLIC_FOLDERS.get(folder) if folder else PUBLIC_FILES.get(name, "base")
    if len(parts) == 1 or parts[1].endswith(SUFFIXES):
        return "runtime"
    return parts[1] if parts[1] in KNOWS else None


def resolve(root, includer, quote, name):
    """The path of an included file relative to root, or None when it is not ours."""
    for candidate in (root / name, root / "libruntime/include" / name, (root / includer).parent / name):
        if (quote == '"' or name.startswith("netpoll/")) and candidate.is_file():
            return candidate.resolve().relative_to(root.resolve()).as_posix()
    return None


def check_file(root, path, allowed, edges, problems):
    layer = layer_of(path)
    if layer is None:
        return
    text = (root / path).read_text(encoding="utf-8")
    public = path.startswith(PUBLIC)
    if public and (fork := PLATFORM_IF.search(text)):
        problems.append(f"{path}: a public header is the same on every platform, but asks for {fork.group(1)}")
    folder = PROBES_FOLDER.match(path)
    if folder and folder.group(1) not in PROBES:
        problems.append(f"{path}: probes/{folder.group(1)}/ has no row in PROBES of check_layers.py")
    for quote, name in INCLUDE.findall(text):
        target = resolve(root, path, quote, name)
        if target is None:
            if public and FOREIGN_TO_PUBLIC.match(name):
                problems.append(f"{path}: public headers do not include <{name}>")
            if layer in RUNTIME and THIRD_PARTY.match(name):
                problems.append(f"{path}: libruntime depends on libc alone, but includes <{name}>")
            continue
        if public and not target.startswith(PUBLIC):
            problems.append(f"{path}: a public header includes the private {target}")
        below = layer_of(target)
        if below is None:
            problems.append(f"{path}: includes {target}, which belongs to no layer")
            continue
        if below not in allowed[layer]:
            problems.append(f"{path}: {layer} must not know {below}, but includes {target}")
        elif below != layer:
            edges[layer, below].add(path)
        other = PROBES_FOLDER.match(target)
        if other and path.startswith("probes/"):
            check_probes_include(path, folder, other.group(1), target, problems)


def check_probes_include(path, folder, below, target, problems):
    """An include of a file in a folder of probes/, by a file of probes/."""
    if folder:
        if below != folder.group(1) and below not in PROBES.get(folder.group(1), ()):
            problems.append(f"{path}: probes/{folder.group(1)}/ must not know {target}")
    elif not path.endswith(".cc") and below not in ("process", "launch", "stream"):
        problems.append(f"{path}: must not know the back end {target}")


def check_links(root, lines, allowed, edges, problems):
    """Compares the link lines of CMake with the rules, and the includes with the link lines."""
    linked = {layer: set() for layer in KNOWS}
    for line in lines:
        target, folder, dependency, dependency_folder = line.split("|")
        above, below = layer_of(folder), layer_of(dependency_folder)
        if above is None or below is None or above == below:
            continue
        if below not in allowed[above]:
            problems.append(f"{folder}/CMakeLists.txt: {target} links {dependency}, but {above} must not know {below}")
        linked[above].add(below)
    reach = closure(linked)
    for (above, below), files in sorted(edges.items()):
        if below not in reach[above]:
            problems.append(f"{above} includes {below} (in {sorted(files)[0]}), but no target of it links {below}")
    return linked


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--links", type=Path)
    parser.add_argument("--draw", action="store_true")
    options = parser.parse_args()

    allowed = closure(KNOWS)
    edges, problems, count = defaultdict(set), [], 0
    for tree in TREES:
        for file in sorted((options.root / tree).rglob("*")):
            if file.suffix in SUFFIXES and file.is_file():
                count += 1
                check_file(options.root, file.relative_to(options.root).as_posix(), allowed, edges, problems)
    linked = {}
    if options.links:
        lines = options.links.read_text(encoding="utf-8").split("\n")
        linked = check_links(options.root, [line for line in lines if line], allowed, edges, problems)
    if options.draw:
        for layer in KNOWS:
            included = sorted(below for above, below in edges if above == layer)
            print(f"{layer}: includes {', '.join(included) or 'nothing'}; "
                  f"links {', '.join(sorted(linked.get(layer, ()))) or 'nothing'}")
    for problem in problems:
        print(problem, file=sys.stderr)
    if count == 0:
        sys.exit(f"no sources below {options.root}")
    print(f"{count} files, {len(edges)} dependencies between layers, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
