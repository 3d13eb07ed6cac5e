// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/integration/host_view.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace davit::testing {
namespace {

std::string PoolDir(uint64_t page_kib) {
  return "/sys/kernel/mm/hugepages/hugepages-" + std::to_string(page_kib) + "kB/";
}

long ReadLong(const std::string& path) {
  std::ifstream in(path);
  long value = -1;
  return in >> value ? value : -1;
}

// "7f12a000-7f12b000 rw-p 00000000 00:00 0   /name" begins an entry.
std::optional<Mapping> ParseHead(const std::string& line) {
  unsigned long long begin = 0, end = 0, offset = 0;
  char rights[5] = {};
  int name_at = 0;
  if (std::sscanf(line.c_str(), "%llx-%llx %4s %llx %*s %*s %n", &begin, &end, rights, &offset,
                  &name_at) != 4) {
    return std::nullopt;
  }
  Mapping mapping;
  mapping.kib = (end - begin) / 1024;
  mapping.offset = offset;
  mapping.name = line.substr(static_cast<size_t>(name_at));
  return mapping;
}

}  // namespace

std::map<pid_t, std::string> ThreadNames(pid_t pid) {
  std::map<pid_t, std::string> names;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::string name = ReadFile(task.path() / "comm");
    if (name.ends_with('\n')) name.pop_back();
    names[std::stoi(task.path().filename())] = name;
  }
  return names;
}

bool Mapping::Has(const std::string& flag) const {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

std::optional<Mapping> MappingOfSize(pid_t pid, uint64_t kib) {
  std::vector<Mapping> all;
  std::istringstream in(ReadFile("/proc/" + std::to_string(pid) + "/smaps"));
  for (std::string line; std::getline(in, line);) {
    if (auto head = ParseHead(line)) {
      all.push_back(std::move(*head));
    } else if (!all.empty() && line.starts_with("KernelPageSize:")) {
      all.back().page_kib = std::strtoull(line.c_str() + 15, nullptr, 10);
    } else if (!all.empty() && line.starts_with("VmFlags:")) {
      std::istringstream flags(line.substr(8));
      for (std::string flag; flags >> flag;) all.back().flags.push_back(flag);
    }
  }
  std::erase_if(all, [kib](const Mapping& m) { return m.kib != kib || !m.Has("wr"); });
  if (all.size() != 1) return std::nullopt;
  return all[0];
}

long FreeHugePages(uint64_t page_kib) { return ReadLong(PoolDir(page_kib) + "free_hugepages"); }

HugePages::HugePages(uint64_t page_kib, int pages) : dir_(PoolDir(page_kib)) {
  before_ = ReadLong(dir_ + "nr_hugepages");
  const std::string what = std::to_string(pages) + " pages of " + std::to_string(page_kib) + " KiB";
  if (before_ < 0) {
    why_ = "the host has no pages of " + std::to_string(page_kib) + " KiB";
    return;
  }
  std::ofstream(dir_ + "nr_hugepages") << before_ + pages;
  const long now = ReadLong(dir_ + "nr_hugepages");
  if (now < before_ + pages) {
    why_ = "the host cannot give " + what + " (no right to, or its memory is in use)";
  }
}

HugePages::~HugePages() {
  if (before_ >= 0) std::ofstream(dir_ + "nr_hugepages") << before_;
}

long HugePages::free_pages() const { return ReadLong(dir_ + "free_hugepages"); }

HugePageMount::HugePageMount(const std::string& page_size) {
  const std::string options = "pagesize=" + page_size;
  if (mkdir(path().c_str(), 0700) != 0 ||
      mount("davit-test", path().c_str(), "hugetlbfs", 0, options.c_str()) != 0) {
    why_ = "cannot mount a hugetlbfs with " + options + ": " + std::strerror(errno);
  }
}

HugePageMount::~HugePageMount() {
  if (why_.empty()) umount2(path().c_str(), MNT_DETACH);
}

QemuBeside::QemuBeside(const std::string& machine, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"qemu-system-x86_64",
                                        "-machine",
                                        machine,
                                        "-accel",
                                        "tcg",
                                        "-S",
                                        "-nodefaults",
                                        "-vga",
                                        "none",
                                        "-display",
                                        "none",
                                        "-daemonize",
                                        "-qmp",
                                        "unix:" + qmp() + ",server=on,wait=off",
                                        "-pidfile",
                                        dir_.File("pid")};
  arguments.insert(arguments.end(), more.begin(), more.end());
  // Ready when it is in the background.
  const RunResult run = RunCommand(arguments);
  if (run.err.starts_with("cannot run qemu-system-x86_64")) {
    why_ = run.err;
    return;
  }
  EXPECT_EQ(run.status, 0) << run.err;
  const std::string pid = ReadFile(dir_.File("pid"));
  if (!pid.empty()) guard_.emplace(std::stoi(pid));
}

void ExpectQemuSays(std::vector<std::string> arguments, const std::string& text) {
  arguments.insert(arguments.begin(),
                   {"qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"});
  const RunResult result = RunCommand(arguments);
  if (result.err.starts_with("cannot run qemu-system-x86_64")) return;
  EXPECT_EQ(result.status, 1) << text;
  EXPECT_NE(result.err.find(text), std::string::npos) << "QEMU says: " << result.err;
}

}  // namespace davit::testing
