// Takes offsets from type descriptors, and checks that they make sense together.
#include "probes/goroutines/go/layout.h"

#include <algorithm>
#include <string>

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kMaxStruct = 1024;

// What is asked for, in this order. runtime/pprof's labelMap: a map until 1.23, since then a struct around a slice.
enum Wanted : std::size_t { kG, kM, kPollDesc, kLabelSlice, kLabelMap };
constexpr std::array<GoTypeName, 5> kWanted = {{{.name = "runtime.g"},
                                                {.name = "runtime.m"},
                                                {.name = "runtime.pollDesc"},
                                                {.name = "pprof.labelMap"},
                                                {.name = "pprof.labelMap", .kind = GoKind::kMap}}};
using TypeAddresses = std::vector<std::optional<std::uint64_t>>;  // in that order

Error unknown(std::string what) {
  return Error(ErrorKind::kNotSupported, "the Go program's type descriptors: " + std::move(what));
}

// Fills in offsets by name, and remembers the first field that is missing.
class Fields {
 public:
  Fields(const GoStruct& type, std::string_view name) : type_(type), name_(name) {}

  void get(std::string_view field, std::uint64_t& offset) {
    if (const GoField* found = type_.find(field)) {
      offset = found->offset;
      end_ = std::max(end_, found->offset + 8);
    } else if (missing_.empty()) {
      missing_ = std::string(name_) + " has no field " + std::string(field);
    }
  }
  std::uint64_t end() const { return end_; }
  const std::string& missing() const { return missing_; }

 private:
  const GoStruct& type_;
  std::string_view name_;
  std::uint64_t end_ = 0;
  std::string missing_;
};

std::optional<GoStruct> struct_of(const TypeMetadata& types, const TypeAddresses& descriptors, Wanted which) {
  const auto& descriptor = descriptors[which];
  return descriptor ? types.struct_at(*descriptor) : std::nullopt;
}

Result<GLayout> derive_g(const TypeMetadata& types, const TypeAddresses& descriptors) {
  const auto g = struct_of(types, descriptors, kG);
  if (!g) return unknown("no struct runtime.g");
  GLayout layout;
  Fields fields(*g, "runtime.g");
  std::uint64_t stack = 0;
  std::uint64_t sched = 0;
  fields.get("stack", stack);
  fields.get("m", layout.m);
  fields.get("sched", sched);
  fields.get("syscallsp", layout.syscall_sp);
  fields.get("syscallpc", layout.syscall_pc);
  fields.get("atomicstatus", layout.status);
  fields.get("goid", layout.goid);
  fields.get("waitsince", layout.wait_since);
  fields.get("waitreason", layout.wait_reason);
  fields.get("gopc", layout.go_pc);
  fields.get("startpc", layout.start_pc);
  fields.get("lockedm", layout.locked_m);
  fields.get("labels", layout.labels);
  if (!fields.missing().empty()) return unknown(fields.missing());
  if (const GoField* parent = g->find("parentGoid")) layout.parent_goid = parent->offset;
  layout.stack_lo = stack;
  layout.stack_hi = stack + 8;

  const auto gobuf = types.struct_at(g->find("sched")->type);
  if (!gobuf) return unknown("runtime.g.sched is no struct");
  Fields saved(*gobuf, "runtime.gobuf");
  saved.get("sp", layout.sched_sp);
  saved.get("pc", layout.sched_pc);
  saved.get("lr", layout.sched_lr);
  if (!saved.missing().empty()) return unknown(saved.missing());
  for (std::uint64_t* offset : {&layout.sched_sp, &layout.sched_pc, &layout.sched_lr}) *offset += sched;

  layout.bytes = std::max({fields.end(), stack + 16, sched + saved.end(), layout.parent_goid.value_or(0) + 8});
  if (g->size > kMaxStruct || layout.bytes > g->size) return unknown("runtime.g is larger than any known");
  // So in all versions; another order means that the names have another meaning.
  if (stack != 0 || layout.goid != layout.status + 8 || layout.wait_reason != layout.wait_since + 8) {
    return unknown("runtime.g has its fields in another order than any known");
  }

  const auto m = struct_of(types, descriptors, kM);
  if (!m) return unknown("no struct runtime.m");
  Fields of_m(*m, "runtime.m");
  of_m.get("procid", layout.m_procid);
  if (!of_m.missing().empty()) return unknown(of_m.missing());
  const auto offset_in_m = [&](std::string_view name) {
    const GoField* field = m->find(name);
    return field != nullptr ? std::optional(field->offset) : std::nullopt;
  };
  layout.m_gsignal = offset_in_m("gsignal");
  layout.m_vdso_sp = offset_in_m("vdsoSP");
  layout.m_vdso_pc = offset_in_m("vdsoPC");
  return layout;
}

Result<PollDescLayout> derive_poll_desc(const GoStruct& type) {
  PollDescLayout layout;
  Fields fields(type, "runtime.pollDesc");
  fields.get("fd", layout.fd);
  fields.get("rg", layout.rg);
  fields.get("wg", layout.wg);
  fields.get("rd", layout.rd);
  fields.get("wd", layout.wd);
  fields.get("self", layout.self);
  if (!fields.missing().empty()) return unknown(fields.missing());
  layout.bytes = fields.end();
  if (type.size > kMaxStruct || layout.bytes > type.size) return unknown("runtime.pollDesc is larger than any known");
  if (layout.wg != layout.rg + 8 || layout.self <= layout.wd) {
    return unknown("runtime.pollDesc has its fields in another order than any known");
  }
  return layout;
}

}  // namespace

Result<GoLayout> derive_layout(const TypeMetadata& types) {
  GoLayout layout;
  const TypeAddresses descriptors = types.find(kWanted);
  auto g = derive_g(types, descriptors);
  if (!g) return std::move(g).error();
  layout.g = *g;
  if (const auto type = struct_of(types, descriptors, kPollDesc)) {
    auto poll_desc = derive_poll_desc(*type);
    if (!poll_desc) return std::move(poll_desc).error();
    layout.poll_desc = *poll_desc;
  }
  if (descriptors[kLabelSlice]) {
    layout.labels = LabelForm::kSlice;
  } else if (descriptors[kLabelMap]) {
    layout.labels = LabelForm::kMap;
  }
  return layout;
}

}  // namespace netpoll::probes
