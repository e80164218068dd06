// Dumps of Go programs read back: every form of header that is in use, texts of log systems, and what is no dump.
#include "probes/goroutines/dump/dump.h"

#include <string>

#include "tests/support/catch.h"

using namespace netpoll::probes;
using netpoll::trace::Goroutine;
using netpoll::trace::IoMode;

namespace {

const std::string kBlock =
    "goroutine 17 [IO wait, 2 minutes, locked to thread]:\n"
    "internal/poll.runtime_pollWait(0x7f85e3270c00, 0x72)\n"
    "\t/go/src/runtime/netpoll.go:351 +0x85\n"
    "net.(*conn).Read(0xc000014010, {0xc00000e2f8?, 0x1?, 0x1})\n"
    "\t/go/src/net/net.go:196 +0x45\n"
    "main.serve[...](...)\n"
    "\t/a path/with blanks/main.go:12\n"
    "created by main.main in goroutine 1\n"
    "\t/src/main.go:9 +0x1d\n";

Dump only(const std::string& text) {
  auto dumps = parse_dumps(text);
  INFO(text);
  REQUIRE(dumps.size() == 1);
  return std::move(dumps.front());
}

Goroutine only_goroutine(const std::string& text) {
  const Dump dump = only(text);
  REQUIRE(dump.snapshot.goroutines.size() == 1);
  return dump.snapshot.goroutines.front();
}

// The one goroutine that a header of this form begins.
Goroutine headed(const std::string& header) {
  return only_goroutine(header + "\nmain.f(...)\n\t/src/main.go:1 +0x1\n");
}

using Labels = std::vector<std::pair<std::string, std::string>>;

}  // namespace

TEST_CASE("a goroutine is read with its state, its stack, its creator and what it waits for") {
  const Dump dump = only(kBlock);
  CHECK_FALSE(dump.cut_short);
  CHECK_FALSE(dump.counted);
  REQUIRE(dump.snapshot.goroutines.size() == 1);
  const Goroutine& g = dump.snapshot.goroutines[0];
  CHECK(g.goid == 17);
  CHECK(g.parent_goid == 1);
  CHECK(g.status == "waiting");
  CHECK(g.wait_reason == "IO wait");
  CHECK(g.io_wait);
  CHECK(g.wait_at_least_ns == 120'000'000'000);
  CHECK(g.locked_to_thread);
  CHECK(g.mode == IoMode::kRead);
  CHECK_FALSE(g.fd);
  CHECK(dump.poll_descs[0] == 0x7f85e3270c00);
  REQUIRE(g.stack.size() == 3);
  const auto& frames = dump.snapshot.frames;
  CHECK(frames[g.stack[1]].function == "net.(*conn).Read");
  CHECK(frames[g.stack[1]].file == "/go/src/net/net.go");
  CHECK(frames[g.stack[1]].line == 196);
  CHECK(frames[g.stack[2]].function == "main.serve[...]");
  CHECK(frames[g.stack[2]].file == "/a path/with blanks/main.go");
  REQUIRE(g.created_by);
  CHECK(frames[*g.created_by].function == "main.main");
  CHECK(frames[*g.created_by].line == 9);
  CHECK(g.entry == g.stack[2]);
}

TEST_CASE("headers of every version and of forks are known") {
  CHECK(headed("goroutine 1 [running]:").status == "running");
  CHECK(headed("goroutine 1 [runnable, locked to thread]:").locked_to_thread);
  CHECK(headed("goroutine 4 gp=0xc000002380 m=0 mp=0x5b1c80 [running]:").goid == 4);
  CHECK(headed("goroutine 5 gp=0xc000002380 m=nil [select (no cases), 3 minutes]:").wait_reason == "select (no cases)");
  CHECK(headed("goroutine 6 [chan receive (nil chan)]:").wait_reason == "chan receive (nil chan)");
  const Goroutine durable = headed("goroutine 7 [chan receive (durable), synctest bubble 1]:");
  CHECK(durable.wait_reason == "chan receive");
  CHECK(durable.remarks == std::vector<std::string>{"durable", "synctest bubble 1"});
  CHECK(headed("goroutine 8 [chan send (leaked)]:").remarks == std::vector<std::string>{"leaked"});
  CHECK(headed("goroutine 8 [runnable (scan)]:").status == "runnable");
  CHECK(headed("goroutine 9 [chan receive] {request_id: \"abc-123\"}:").labels == Labels{{"request_id", "abc-123"}});
  CHECK(headed("goroutine 9 [chan receive] {\"a b\": \"c, \\\"d\\\" }]:\", e: f}:").labels ==
        Labels{{"a b", "c, \"d\" }]:"}, {"e", "f"}});
  CHECK(headed(R"(goroutine 9 [chan receive] {"\x1b\u00fc": "\n\t\"\\\U0001f600\xff", "\ud83d\ude00\q": "\ud83d"}:)")
            .labels == Labels{{"\x1b\u00fc", "\n\t\"\\\U0001f600\xff"}, {"\U0001f600\\q", "\\ud83d"}});
  CHECK(headed("goroutine 9 [IO wait, 12 minutes] labels:{\"a\":\"b\"}:").labels == Labels{{"a", "b"}});
  CHECK(headed("goroutine 10 [running, \"app\":\"my ] app\"]:").labels == Labels{{"app", "my ] app"}});
  CHECK(headed("goroutine 11 [sync.Mutex.Lock, 1 minutes]:").wait_at_least_ns == 60'000'000'000);
  CHECK(headed("  goroutine 12 [running]:").goid == 12);
}

TEST_CASE("lines that are no headers begin nothing") {
  for (const char* text : {"goroutine", "goroutine 1", "goroutine 1 [running]", "goroutine x [running]:",
                           "goroutine 1 []:", "goroutine 1 [running:", "Goroutine 7 (running) created at:",
                           "goroutine 1 [running] {a: b:", "goroutine 99999999999999999999999 [running]:",
                           "[originating from goroutine 7]:", "goroutine 1[running]:", "", "\n\n"}) {
    CAPTURE(text);
    CHECK(parse_dumps(std::string(text) + "\nmain.f(...)\n\t/src/main.go:1 +0x1\n").empty());
  }
}

TEST_CASE("a running goroutine of another thread has no stack, and a long stack lacks its middle") {
  const Dump without = only(
      "goroutine 5 [running]:\n\tgoroutine running on other thread; stack unavailable\n"
      "created by main.main\n\t/src/main.go:9 +0x1d\n");
  CHECK_FALSE(without.cut_short);
  CHECK(without.snapshot.goroutines[0].stack.empty());
  CHECK(without.snapshot.goroutines[0].created_by);
  for (const char* elided : {"...additional frames elided...", "...23 frames elided..."}) {
    const Goroutine g = only_goroutine("goroutine 5 [select]:\nmain.f(...)\n\t/src/main.go:1 +0x1\n" +
                                       std::string(elided) + "\ncreated by main.main\n\t/src/main.go:9 +0x1d\n");
    CHECK(g.stack.size() == 1);
    CHECK_FALSE(g.stack_ends_early.empty());
    CHECK(g.created_by);
  }
}

TEST_CASE("ancestors are not part of the stack") {
  const Dump dump = only(
      "goroutine 7 [select]:\nmain.f(...)\n\t/src/main.go:1 +0x1\n"
      "created by main.g\n\t/src/main.go:2 +0x1\n"
      "[originating from goroutine 3]:\nmain.h(...)\n\t/src/main.go:3 +0x1\n"
      "created by main.main\n\t/src/main.go:4 +0x1\n");
  const Goroutine& g = dump.snapshot.goroutines.at(0);
  CHECK(g.stack.size() == 1);
  CHECK(g.parent_goid == 3);
  REQUIRE(g.created_by);
  CHECK(dump.snapshot.frames[*g.created_by].function == "main.g");
}

TEST_CASE("a crash's dump has addresses, registers, and its running goroutines twice") {
  const Dump dump = only(
      "SIGQUIT: quit\nPC=0x48c2c1 m=0 sigcode=0\n\n"
      "goroutine 0 gp=0x72b3a0 m=0 mp=0x72c160 [idle]:\n"
      "runtime.futex(0x72c2b8, 0x80)\n\t/go/src/runtime/sys.s:575 +0x21 fp=0x7ff8 sp=0x7ff0 pc=0x48c2c1\n\n"
      "goroutine 4 gp=0xc0001 m=3 mp=0xc0002 [running]:\n\tgoroutine running on other thread; stack unavailable\n\n"
      "rax    0xca\nrip    0x48c2c1\n-----\n\nSIGQUIT: quit\nPC=0x1 m=3 sigcode=0\n\n"
      "goroutine 4 gp=0xc0001 m=3 mp=0xc0002 [running]:\n"
      "main.f()\n\t/src/main.go:1 +0x1 fp=0x10 sp=0x8 pc=0x500001\n\nrax 0x1\n");
  REQUIRE(dump.snapshot.goroutines.size() == 2);
  CHECK(dump.snapshot.goroutines[0].goid == 0);
  CHECK(dump.snapshot.goroutines[0].system);
  const Goroutine& g = dump.snapshot.goroutines[1];
  REQUIRE(g.stack.size() == 1);
  CHECK(dump.snapshot.frames[g.stack[0]].pc == 0x500001);
  CHECK(dump.snapshot.frames[g.stack[0]].entry_pc == 0x500000);
}

TEST_CASE("the descriptor of a system call is in its arguments, unless they may be stale") {
  const std::string call = "\n\t/go/src/syscall/z.go:736 +0x38\n";
  const auto fd_of = [&](const std::string& lines) { return only_goroutine("goroutine 49 [syscall]:\n" + lines).fd; };
  CHECK(fd_of("syscall.read(0x16, {0xc000, 0x1, 0x1})" + call) == 22);
  CHECK(fd_of("syscall.Syscall(0x0, 0x16, 0xc000, 0x1)" + call + "syscall.read(...)" + call) == 22);
  CHECK_FALSE(fd_of("syscall.read(0x16?, {0xc000, 0x1, 0x1})" + call));
  CHECK_FALSE(fd_of("syscall.read(0xffffffffffffffff, {0xc000, 0x1, 0x1})" + call));
  CHECK_FALSE(fd_of("main.read(0x16)" + call));
}

TEST_CASE("what a log system puts before each line, and CRLF, change nothing") {
  const Dump plain = only("SIGQUIT: quit\n\n" + kBlock);
  for (const std::string& prefix :
       {std::string("2026-11-26T19:30:36.878Z stderr F "), std::string("Nov 26 19:30:36 host app[4711]: "),
        std::string("app-7d9f | "), std::string("    ")}) {
    CAPTURE(prefix);
    std::string text;
    int line = 0;
    std::string all = "SIGQUIT: quit\n\n" + kBlock + "\nsomething else\n";
    for (std::size_t begin = 0; begin < all.size();) {
      const std::size_t end = all.find('\n', begin);
      std::string stamped = prefix;
      // Time goes on from line to line.
      for (char& c : stamped) c = c >= '0' && c <= '9' ? static_cast<char>('0' + (line + (c - '0')) % 10) : c;
      text += stamped + all.substr(begin, end - begin) + "\r\n";
      if (++line == 6) text += "somebody else's line (in between)\r\n";
      begin = end + 1;
    }
    const Dump dump = only(text);
    REQUIRE(dump.snapshot.goroutines.size() == 1);
    CHECK(dump.snapshot.goroutines[0].goid == 17);
    CHECK(dump.snapshot.goroutines[0].stack == plain.snapshot.goroutines[0].stack);
    CHECK(dump.snapshot.goroutines[0].created_by == plain.snapshot.goroutines[0].created_by);
    CHECK_FALSE(dump.cut_short);
    REQUIRE(dump.places.size() == 1);
    CHECK(text.substr(dump.places[0].offset).starts_with("]:\r\n"));
  }
}

TEST_CASE("two dumps in one file are two") {
  const auto same = parse_dumps(kBlock + "\n" + kBlock);
  REQUIRE(same.size() == 2);
  CHECK(same[0].snapshot.goroutines.size() == 1);
  CHECK(same[1].first_line == 11);
  const std::string other = "goroutine 0 [idle]:\nruntime.f()\n\t/r.go:1 +0x1\n\n";
  const auto quits = parse_dumps("SIGQUIT: quit\n\n" + kBlock + "\nSIGQUIT: quit\n\n" + other + kBlock);
  REQUIRE(quits.size() == 2);
  CHECK(quits[0].snapshot.goroutines.size() == 1);
  CHECK(quits[1].snapshot.goroutines.size() == 2);
  const auto mixed = parse_dumps("goroutine profile: total 1\n1 @ 0x1\n#\t0x0\tmain.f+0x1\t/a.go:1\n\n" + kBlock);
  REQUIRE(mixed.size() == 2);
  CHECK(mixed[0].counted);
  CHECK_FALSE(mixed[1].counted);
}

TEST_CASE("a dump that ends in its middle says so, wherever it is cut") {
  int whole = 0;
  for (std::size_t size = 0; size < kBlock.size(); ++size) {
    const auto dumps = parse_dumps(kBlock.substr(0, size));
    if (dumps.empty()) continue;
    CAPTURE(kBlock.substr(0, size));
    REQUIRE(dumps.size() == 1);
    if (!dumps[0].cut_short) ++whole;
    for (const Goroutine& g : dumps[0].snapshot.goroutines) CHECK(g.stack.size() <= 3);
  }
  // Behind the place of a frame, with or without its newline and offset, a dump may have ended.
  CHECK(whole < 30);
  CHECK_FALSE(only(kBlock.substr(0, kBlock.size() - 1)).cut_short);
}

TEST_CASE("counted stacks are so many goroutines, with labels and addresses") {
  const Dump dump = only(
      "goroutine profile: total 4\n"
      "3 @ 0x43b256 0x465c09\n"
      "# labels: {\"conn\":\"c\\\"1\", \"role\":\"reader\"}\n"
      "#\t0x465c08\tinternal/poll.runtime_pollWait+0x88\t\t/path/netpoll.go:305\n"
      "#\t0x4a000f\tinternal/poll.(*FD).Read+0xf\t\t\t/path/fd.go:183\n"
      "\n"
      "1 @ 0x1\n"
      "#\t0x0\tmain.main+0x1\t/m.go:1\n");
  CHECK(dump.counted);
  CHECK_FALSE(dump.cut_short);
  REQUIRE(dump.snapshot.goroutines.size() == 4);
  const Goroutine& g = dump.snapshot.goroutines[2];
  CHECK(g.goid == 0);
  CHECK(g.io_wait);
  CHECK(g.mode == IoMode::kRead);
  CHECK(g.labels == Labels{{"conn", "c\"1"}, {"role", "reader"}});
  REQUIRE(g.stack.size() == 2);
  const auto& frame = dump.snapshot.frames[g.stack[0]];
  CHECK(frame.function == "internal/poll.runtime_pollWait");
  CHECK(frame.pc == 0x465c09);
  CHECK(frame.entry_pc == 0x465b80);
  CHECK(frame.line == 305);
  CHECK(only("goroutine profile: total 5\n3 @ 0x1\n").cut_short);
}

TEST_CASE("a few words cannot make us keep what does not fit") {
  std::string text = "goroutine profile: total 9\n1000000 @ 0x1\n";
  for (int i = 0; i < 2000; ++i) text += "#\t0x1\tmain.f+0x1\t/m.go:1\n";
  text += "1 @ 0x1\n18446744073709551615 @ 0x1\n";
  const auto dumps = parse_dumps(text);
  REQUIRE(dumps.size() == 1);
  CHECK(dumps[0].cut_short);
  std::string words;
  for (int i = 0; i < 200'000; ++i) words += "goroutine ";
  CHECK(parse_dumps(words).empty());
}
