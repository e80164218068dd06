#!/usr/bin/env python3
"""Checks who may know whom: check_layers.py [--root DIR] [--links FILE] [--draw]

Two pictures of the same dependencies, and both must stay inside KNOWS below: the #include lines of the sources, and the
target_link_libraries of CMake (--links: lines "target|source folder|linked target|its source folder", written by
tests/tools/links.cmake). An include that no link line allows for is reported too, so that a new dependency is always a
visible line in a CMakeLists.txt. --draw prints the picture as found. Exit status: 1 when something is wrong.

    cli --> probes --> symbols --> trace --> base      runtime --> net, sync, debug, poll, sched
     |----> exporters --> trace                        net --> poll --> sched --> context --> base; net --> sync --> sched
     '----> runtime                                    debug --> net
    endpoint --> exporters, runtime, symbols           (exporters/endpoint: what programs link, the tool does not)

Beyond that picture:
  - sched does not know poll: it calls the source of readiness that it is given (sched/poll_source.h);
  - probes and exporters do not know each other: they meet in trace::Event;
  - inside probes, exporters and cli the folders know each other as FOLDERS says: probes/process/ knows none of the
    others and may be known by all, the back ends do not know each other, nor do the readers of runtimes; only
    probes/*.cc, which chooses one, knows them all, and no header above them does; no two folders know each other,
    unless one lies in the other;
  - of libruntime those three know its public headers, without what lies in a folder detail/, and of the private ones
    base/ and symbols/ alone; examples know what a user does, the public headers;
  - public headers name no platform poller and no BPF, have no platform #if and include only public headers;
  - libruntime includes nothing that is not in libc, libstdc++, the kernel headers or sys/sdt.h, but for symbols/,
    which is not part of the runtime's archive.
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
    "http": ["runtime"],
    "endpoint": ["runtime", "symbols", "exporters", "http"],
    "cli": ["probes", "exporters", "runtime", "http"],
}
# Folders of a tree that are a layer of their own, above their neighbours.
FOLDER_LAYERS = {"exporters/endpoint": "endpoint", "exporters/http": "http"}
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
FOLDER = re.compile(r"^((?:probes|exporters|cli)(?:/[^/]+)*)/[^/]+$")
# Folder of probes, exporters or cli -> the other folders of its tree that its files may include. A folder further down
# without a row is part of the one above it.
FOLDERS = {
    "probes": ["probes/bpf", "probes/goroutines/go", "probes/launch", "probes/none", "probes/perf", "probes/process",
               "probes/ptrace", "probes/self", "probes/stream"],
    "probes/process": [],
    "probes/launch": [],
    "probes/goroutines": ["probes/process", "probes/goroutines/go", "probes/goroutines/libruntime"],
    "probes/goroutines/go": ["probes/goroutines", "probes/process", "probes/ptrace", "probes/stream"],
    "probes/goroutines/libruntime": ["probes/goroutines", "probes/process", "probes/ptrace"],
    "probes/bpf": ["probes", "probes/process", "probes/stream"],
    "probes/none": ["probes", "probes/process"],
    "probes/perf": ["probes", "probes/process", "probes/launch"],
    "probes/ptrace": ["probes", "probes/process", "probes/launch", "probes/stream"],
    "probes/ptrace/arch": ["probes/ptrace"],
    "probes/self": ["probes", "probes/process", "probes/goroutines/libruntime", "probes/stream"],
    "probes/stream": ["probes", "probes/process"],
    "exporters": ["exporters/events", "exporters/goroutines", "exporters/html", "exporters/metrics", "exporters/pages"],
    "exporters/endpoint": ["exporters", "exporters/goroutines", "exporters/http", "exporters/metrics"],
    "exporters/events": ["exporters"],
    "exporters/goroutines": ["exporters", "exporters/events"],
    "exporters/html": ["exporters", "exporters/events"],
    "exporters/http": [],
    "exporters/metrics": ["exporters", "exporters/events", "exporters/pages"],
    "exporters/pages": ["exporters", "exporters/goroutines"],
    "cli": ["cli/claims", "cli/help", "cli/system", "cli/workload"],
    "cli/claims": ["cli", "cli/run", "cli/system", "cli/workload"],
    "cli/commands": ["cli", "cli/claims", "cli/compare", "cli/documents", "cli/epoll", "cli/export", "cli/graph",
                     "cli/help", "cli/mcp", "cli/run", "cli/serve", "cli/snapshot", "cli/stat", "cli/system",
                     "cli/top", "cli/trace", "cli/workload"],
    "cli/compare": ["cli", "cli/system"],
    "cli/documents": ["cli", "cli/claims", "cli/compare", "cli/graph", "cli/run", "cli/system"],
    "cli/epoll": ["cli/documents"],
    "cli/export": ["cli"],
    "cli/graph": [],
    "cli/help": ["cli", "cli/workload"],
    "cli/mcp": ["cli", "cli/compare", "cli/run", "cli/system"],
    "cli/run": ["cli", "cli/system", "cli/workload"],
    "cli/serve": ["cli", "cli/documents"],
    "cli/snapshot": ["cli", "cli/compare", "cli/documents", "cli/graph"],
    "cli/stat": ["cli", "cli/system"],
    "cli/system": ["cli"],
    "cli/top": ["cli", "cli/documents", "cli/system"],
    "cli/trace": ["cli", "cli/compare", "cli/workload"],
    "cli/workload": ["cli/workload/load", "cli/workload/serve"],
    "cli/workload/load": ["cli/workload"],
    "cli/workload/serve": ["cli/workload", "cli/workload/load"],
}
# What the headers of a folder may include of the folders below it; the rest is for its .cc files, which choose.
HEADERS = {
    "probes": ["probes/launch", "probes/stream"],
    "probes/goroutines": ["probes/process"],
    "probes/none": ["probes"],
    "probes/perf": ["probes"],
    "exporters": [],
    "exporters/html": ["exporters"],
    "exporters/metrics": ["exporters"],
    "exporters/pages": ["exporters"],
    "cli": ["cli/system"],
    "cli/commands": [],
    "cli/mcp": ["cli", "cli/system"],
    "cli/serve": ["cli"],
    "cli/workload": [],
}
EXAMPLES = "libruntime/examples/"


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


def circles(folders):
    """Folders that know themselves by way of others. A folder and the one that it lies in may know each other: the
    files above choose among those below, which share what the files above declare."""
    beside = {folder: [other for other in others if not (folder + "/").startswith(other + "/")
                       and not (other + "/").startswith(folder + "/")] for folder, others in folders.items()}
    reach = closure(beside)
    return sorted(folder for folder, others in beside.items() if any(folder in reach[other] for other in others))


def layer_of(path):
    """The layer of a file or folder, given relative to the top; None where no rule applies (examples, tests)."""
    parts = Path(path).parts
    if not parts or parts[0] not in TREES:
        return None
    if parts[0] != "libruntime":
        return FOLDER_LAYERS.get("/".join(parts[:2]), parts[0])
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
    if layer is None and not path.startswith(EXAMPLES):
        return
    text = (root / path).read_text(encoding="utf-8")
    public = path.startswith(PUBLIC)
    if public and (fork := PLATFORM_IF.search(text)):
        problems.append(f"{path}: a public header is the same on every platform, but asks for {fork.group(1)}")
    folder = folder_of(path)
    if folder and folder not in FOLDERS:
        problems.append(f"{path}: {folder}/ has no row in FOLDERS of check_layers.py")
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
        if layer is None:
            if not target.startswith(PUBLIC):
                problems.append(f"{path}: an example includes {target}, which users do not have")
            continue
        below = layer_of(target)
        if below is None:
            problems.append(f"{path}: includes {target}, which belongs to no layer")
            continue
        if below not in allowed[layer]:
            problems.append(f"{path}: {layer} must not know {below}, but includes {target}")
        elif below != layer:
            edges[layer, below].add(path)
        if folder:
            check_folder_include(path, folder, target, problems)


def folder_of(path):
    """The folder of a file of probes, exporters or cli; None elsewhere."""
    match = FOLDER.match(path)
    if not match:
        return None
    folder = match.group(1)
    while folder not in FOLDERS and folder.count("/") > 1:
        folder = folder.rsplit("/", 1)[0]
    return folder


def check_folder_include(path, folder, target, problems):
    """An include by a file of probes, exporters or cli."""
    if target.startswith("libruntime/"):
        if not target.startswith((PUBLIC, "libruntime/base/", "libruntime/symbols/")) or "/detail/" in target:
            problems.append(f"{path}: {target} is libruntime's own")
        return
    other = folder_of(target)
    if other is None or other.split("/")[0] != folder.split("/")[0] or other == folder:
        return
    below = FOLDERS.get(folder, ())
    if not path.endswith(".cc"):
        below = HEADERS.get(folder, below)
    if other not in below:
        problems.append(f"{path}: {folder}/ must not know {target}")


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
    problems += [f"{folder}/ knows itself by way of others: FOLDERS of check_layers.py" for folder in circles(FOLDERS)]
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
