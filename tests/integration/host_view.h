// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the host tells about a running davitd, and what a test may change on the host: threads and
// mappings by /proc, pools of huge pages by sysfs, mounts. Also QEMU's words, where Debian's QEMU
// is installed. Owner: the thread of the test.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace davit::testing {

// Thread id -> name.
std::map<pid_t, std::string> ThreadNames(pid_t pid);

// One entry of /proc/PID/smaps.
struct Mapping {
  std::string name;  // the file, empty for anonymous memory
  uint64_t kib = 0;
  uint64_t page_kib = 0;           // KernelPageSize
  uint64_t offset = 0;             // in the file, bytes
  std::vector<std::string> flags;  // VmFlags: "rd", "mg", "dd", ...

  bool Has(const std::string& flag) const;
};

// The writable mapping of exactly this size, which a test makes unusual; nullopt: none, or several.
std::optional<Mapping> MappingOfSize(pid_t pid, uint64_t kib);

// Adds pages to the host's pool of one size, and takes them away at the end.
class HugePages {
 public:
  HugePages(uint64_t page_kib, int pages);
  ~HugePages();
  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;

  // Why the pool has not grown, or empty.
  const std::string& why() const { return why_; }
  // Pages that nobody has mapped and used.
  long free_pages() const;

 private:
  std::string dir_;
  long before_ = -1;
  std::string why_;
};

// Free pages of a pool; -1: the host has no pages of this size.
long FreeHugePages(uint64_t page_kib);

// A hugetlbfs in a folder of its own, gone with the object.
class HugePageMount {
 public:
  explicit HugePageMount(const std::string& page_size);
  ~HugePageMount();
  HugePageMount(const HugePageMount&) = delete;
  HugePageMount& operator=(const HugePageMount&) = delete;

  // Why it is not there, or empty.
  const std::string& why() const { return why_; }
  std::string File(const std::string& name) const { return path() + "/" + name; }
  std::string path() const { return dir_.File("huge"); }

 private:
  TempDir dir_;
  std::string why_;
};

// Debian's QEMU in the background, without a vCPU that runs, listening on a QMP socket; killed with
// the object.
class QemuBeside {
 public:
  // machine: of -machine; more: devices and objects.
  explicit QemuBeside(const std::string& machine, const std::vector<std::string>& more = {});

  // Why it is not there, or empty: it is not installed. A QEMU that does not start fails the test.
  const std::string& why() const { return why_; }
  std::string qmp() const { return dir_.File("qmp"); }

 private:
  TempDir dir_;
  std::optional<KillGuard> guard_;
  std::string why_;
};

// Checks that QEMU with these arguments ends with status 1 and a message that holds `text`: the
// words expected of davitd are then QEMU's. Without qemu-system-x86_64 there is nothing to check.
void ExpectQemuSays(std::vector<std::string> arguments, const std::string& text);

}  // namespace davit::testing
