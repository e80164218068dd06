// The document of `epoll`: interest sets, what is wrong with them, and how connections spread over workers.
#pragma once

#include <chrono>
#include <vector>

#include "exporters/long_document.h"
#include "probes/goroutines/target_info.h"
#include "probes/process/descriptors/epoll_findings.h"
#include "probes/process/descriptors/interest_sets.h"
#include "probes/process/descriptors/uring_instances.h"

namespace netpoll::cli {

// What was read of the processes that were asked for.
struct EpollView {
  std::chrono::system_clock::time_point taken_at;
  std::chrono::nanoseconds took{0};
  int looks = 1;
  std::vector<probes::TargetInfo> targets;
  std::vector<probes::InterestSet> sets;
  std::vector<probes::Finding> findings;
  std::vector<probes::UringInstance> rings;
};

exporters::Json finding_json(const probes::Finding& finding);

// fd: only registrations of this number; -1: all. The view has to outlive the document, whose lists are made from it.
exporters::LongDocument epoll_document(const EpollView& view, int fd);

}  // namespace netpoll::cli
