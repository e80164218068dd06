"""Reads a Perfetto trace through protoc --decode, which knows nothing of ours but the numbers of fields, and rebuilds
what a viewer would show."""

import codecs
import re
import subprocess
from collections import defaultdict

TOKEN = re.compile(r'\s*(?:([A-Za-z_0-9]+)\s*(\{|:\s*(?:"((?:[^"\\]|\\.)*)"|(\S+)))|(\}))')


def parse(text):
    """The text form of protocol buffers: a dict of lists."""
    top = defaultdict(list)
    stack = [top]
    for match in TOKEN.finditer(text):
        name, what, string, word, close = match.groups()
        if close:
            stack.pop()
        elif what == "{":
            stack.append(defaultdict(list))
            stack[-2][name].append(stack[-1])
        elif string is not None:
            stack[-1][name].append(codecs.escape_decode(string.encode())[0].decode("utf-8"))
        else:
            stack[-1][name].append({"true": True, "false": False}.get(word) if word in ("true", "false") else int(word))
    if len(stack) != 1:
        raise AssertionError("unbalanced")
    return top


def one(message, name, otherwise=None):
    values = message.get(name, [])
    if len(values) > 1:
        raise AssertionError(f"{name} is there {len(values)} times")
    return values[0] if values else otherwise


class Trace:
    """slices: (track, name, begin, end, args); flows: id -> [(time, track, name)]; and so on."""

    def __init__(self, path, protos):
        with open(path, "rb") as file:
            done = subprocess.run(["protoc", "-I", protos, "--decode=perfetto.protos.Trace", "perfetto_trace.proto"],
                                  stdin=file, capture_output=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"protoc: {done.stderr[-1000:]}")
        packets = parse(done.stdout.decode("utf-8"))["packet"]
        # A field that the numbers do not name is printed as its number.
        unknown = re.search(rb"^\s*\d+[:{ ]", done.stdout, re.M)
        if unknown:
            raise AssertionError(f"unknown field: {unknown.group()}")
        self.packets = len(packets)
        self.clocks = {}
        self.tracks, self.slices, self.instants, self.counters = {}, [], [], defaultdict(list)
        self.flows, self.dropped = defaultdict(list), 0
        names, events, cleared = defaultdict(dict), [], False
        for index, packet in enumerate(packets):
            if one(packet, "trusted_packet_sequence_id") != 1:
                raise AssertionError("a packet without its sequence")
            snapshot = one(packet, "clock_snapshot")
            if snapshot:
                self.clocks = {one(c, "clock_id"): one(c, "timestamp") for c in snapshot["clocks"]}
                self.primary_clock = one(snapshot, "primary_trace_clock")
            flags = one(packet, "sequence_flags", 0)
            if flags & 1:
                names.clear()
                cleared = True
                defaults = one(packet, "trace_packet_defaults")
                if one(defaults, "timestamp_clock_id") not in self.clocks:
                    raise AssertionError("times of a clock that is not known")
            self.dropped += 1 if one(packet, "previous_packet_dropped") else 0
            descriptor = one(packet, "track_descriptor")
            if descriptor:
                self.tracks[one(descriptor, "uuid")] = descriptor
            for table, entries in (one(packet, "interned_data") or {}).items():
                for entry in entries:
                    names[table][one(entry, "iid")] = one(entry, "name")
            event = one(packet, "track_event")
            if not event:
                continue
            if not flags & 2 or not cleared:
                raise AssertionError("an event without state")
            events.append((one(packet, "timestamp"), index, self._event(event, names)))
        self._rebuild(events)

    def _event(self, event, names):
        def name_in(table, iid):
            if iid not in names[table]:
                raise AssertionError(f"{table} has no {iid}")
            return names[table][iid]

        args = {}
        for annotation in event.get("debug_annotations", []):
            values = [annotation[k][0] for k in ("bool_value", "uint_value", "int_value", "string_value")
                      if k in annotation]
            args[name_in("debug_annotation_names", one(annotation, "name_iid"))] = values[0]
        for iid in event.get("category_iids", []):
            name_in("event_categories", iid)
        iid = one(event, "name_iid")
        uuid = one(event, "track_uuid")
        if uuid not in self.tracks:
            raise AssertionError(f"track {uuid} was not declared")
        return {"type": one(event, "type"), "track": uuid, "args": args, "value": one(event, "counter_value"),
                "name": name_in("event_names", iid) if iid is not None else None,
                "flows": event.get("flow_ids", []), "ends": event.get("terminating_flow_ids", [])}

    def _rebuild(self, events):
        """As the trace processor does: in order of time, and of the file where times are equal."""
        events.sort(key=lambda e: (e[0], e[1]))
        open_slices = defaultdict(list)
        for time, _, event in events:
            track = self.name_of(event["track"])
            place = (time, track, event["name"])
            if event["type"] == 1:
                open_slices[event["track"]].append((time, event))
            elif event["type"] == 2:
                begin, of = open_slices[event["track"]].pop()
                self.slices.append((track, of["name"], begin, time, of["args"]))
            elif event["type"] == 3:
                self.instants.append((track, event["name"], time, event["args"]))
            elif event["type"] == 4:
                if "counter" not in self.tracks[event["track"]]:
                    raise AssertionError("a value of what is no counter")
                self.counters[track].append((time, event["value"]))
            for flow in event["flows"]:
                self.flows[flow].append((*place, False))
            for flow in event["ends"]:
                self.flows[flow].append((*place, True))
        left = [e for slices in open_slices.values() for e in slices]
        if left:
            raise AssertionError(f"slices without an end: {left}")

    def name_of(self, uuid):
        """The names from the process down: "server/Goroutines/G7"."""
        track = self.tracks[uuid]
        process, thread = one(track, "process"), one(track, "thread")
        if process:
            return one(process, "process_name") or f"pid {one(process, 'pid')}"
        own = one(thread, "thread_name") if thread else one(track, "name")
        parent = one(track, "parent_uuid")
        return f"{self.name_of(parent)}/{own}" if parent else own

    def of(self, track):
        return sorted((s for s in self.slices if s[0] == track), key=lambda s: s[2])
