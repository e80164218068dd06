// Containers and pods by the directories that container runtimes make for them, below a cgroup of our own.
#include "probes/process/cgroups.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

namespace netpoll::probes {
namespace {

namespace fs = std::filesystem;

// Directories below one that is gone at the end, innermost first. No processes are in them.
class Tree {
 public:
  Tree() {
    const auto root = find_cgroup("/");
    if (!root) return;
    path = root->path + "/netpoll-cgroups-test-" + std::to_string(::getpid());
    if (::mkdir(path.c_str(), 0755) != 0) path.clear();
  }
  ~Tree() {
    if (path.empty()) return;
    std::vector<std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_directory()) all.push_back(entry.path());
    }
    for (auto at = all.rbegin(); at != all.rend(); ++at) ::rmdir(at->c_str());
    ::rmdir(path.c_str());
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void add(const std::string& below) const { fs::create_directories(path + "/" + below); }

  // Of what was found, the part of the paths below our directory.
  std::vector<std::string> below(const std::vector<Cgroup>& found) const {
    std::vector<std::string> names;
    for (const Cgroup& cgroup : found) {
      if (cgroup.path.starts_with(path + "/")) names.push_back(cgroup.path.substr(path.size() + 1));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string path;  // empty: none may be made here
};

// A container's id that no container of this machine has.
std::string id_of(char digit) { return std::string(52, digit) + "0123456789ab"; }

}  // namespace

TEST_CASE("the hierarchy is found where it is mounted, whatever its directory is called") {
  const auto found = [](const std::string& text) {
    std::istringstream mounts(text);
    return parse_cgroup_mount(mounts);
  };
  const std::string proc = "proc /proc proc rw 0 0\n";
  CHECK(found(proc + "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n") == "/sys/fs/cgroup");
  CHECK(found(proc + "none /a\\040b\\011c\\134d cgroup2 rw 0 0\n") == "/a b\tc\\d");
  CHECK(found("none /a\\04 cgroup2 rw 0 0\n") == "/a\\04");
  CHECK(found("none /a\\089\\ cgroup2\n") == "/a\\089\\");
  CHECK(found(proc + "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncut\n").empty());
}

TEST_CASE("a container is found by its id in the directories of each runtime and driver") {
  const Tree tree;
  if (tree.path.empty()) NETPOLL_SKIP("no cgroup v2 may be made here");
  const std::string id = id_of('e'), other = id_of('d');
  // As docker and containerd, CRI-O, podman and nerdctl lay them out: with systemd, and with cgroupfs.
  const std::vector<std::string> layouts = {
      "system.slice/docker-" + id + ".scope",
      "docker/" + id,
      "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice/cri-containerd-" + id + ".scope",
      "kubepods/besteffort/pod0a1b/" + id,
      "kubepods.slice/kubepods-pod0a1b.slice/crio-" + id + ".scope",
      "machine.slice/libpod-" + id + ".scope",
      "user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope",
      "libpod_parent/libpod-" + id,
      "system.slice/nerdctl-" + id + ".scope",
  };
  for (const std::string& layout : layouts) tree.add(layout);
  // What belongs to no container's processes, or to another's; and what is inside of one found.
  tree.add("kubepods.slice/kubepods-pod0a1b.slice/crio-conmon-" + id + ".scope");
  tree.add("machine.slice/libpod-conmon-" + id + ".scope");
  tree.add("system.slice/docker-" + other + ".scope");
  tree.add("docker/" + id + "/init");
  for (const std::string& asked : {id, id.substr(0, 12)}) {
    CAPTURE(asked);
    const auto found = find_container(asked);
    REQUIRE(found);
    auto expected = layouts;
    std::sort(expected.begin(), expected.end());
    CHECK(tree.below(*found) == expected);
  }
  for (const char* wrong : {"", "0123", "docker-0123456789ab", "0123456789a/"}) {
    CAPTURE(wrong);
    CHECK(find_container(wrong).error().is(ErrorKind::kInvalid));
  }
}

TEST_CASE("a pod is found by the UID that its logs name, under both drivers and in each class of service") {
  const Tree tree;
  if (tree.path.empty()) NETPOLL_SKIP("no cgroup v2 may be made here");
  const test::TempDir logs;
  const std::string uid = "8d3e5a4c-0b6f-4f6e-9a44-1c2d3e4f5a6b", spelt = "8d3e5a4c_0b6f_4f6e_9a44_1c2d3e4f5a6b";
  const std::string fixed = "0f6a3cbb5c1f9a2d7e8b4c5d6e7f8091";  // of a static pod: the hash of its manifest
  fs::create_directories(logs.path() + "/default_web-0_" + uid);
  fs::create_directories(logs.path() + "/default_web-0-canary_11111111-1111-1111-1111-111111111111");
  fs::create_directories(logs.path() + "/kube-system_etcd-node_" + fixed);
  const std::vector<std::string> layouts = {
      "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" + spelt +
          ".slice",
      "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + spelt + ".slice",
      "kubepods.slice/kubepods-pod" + spelt + ".slice",
      "kubepods/burstable/pod" + uid,
      "kubepods/pod" + uid,
  };
  for (const std::string& layout : layouts) tree.add(layout + "/cri-containerd-" + id_of('c') + ".scope");
  tree.add("kubepods/pod" + fixed);
  tree.add("kubepods/pod11111111-1111-1111-1111-111111111111");
  const auto found = find_pod("default/web-0", logs.path());
  REQUIRE(found);
  CHECK(tree.below(*found) == layouts);
  const auto of_node = find_pod("kube-system/etcd-node", logs.path());
  REQUIRE(of_node);
  CHECK(tree.below(*of_node) == std::vector<std::string>{"kubepods/pod" + fixed});
  CHECK(find_pod("default/web", logs.path()).error().is(ErrorKind::kNotFound));
  for (const char* wrong : {"", "web-0", "/web-0", "default/"}) {
    CAPTURE(wrong);
    CHECK(find_pod(wrong, logs.path()).error().is(ErrorKind::kInvalid));
  }
}

}  // namespace netpoll::probes
