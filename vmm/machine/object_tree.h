// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The user-creatable objects (-object, object-add): memory backends, I/O threads, sources of random
// numbers and limits of disks, by id, and who uses them. An object in use cannot go. Owner: control
// thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/backend/char/registry.h"
#include "vmm/backend/rng/rng.h"
#include "vmm/base/error.h"
#include "vmm/control/types.h"
#include "vmm/io/io_thread.h"
#include "vmm/machine/object_properties.h"
#include "vmm/machine/qom/qom_node.h"
#include "vmm/memory/ram_block.h"

namespace davit::backend {
class BlockGraph;
class ThrottleGroup;
}  // namespace davit::backend

namespace davit::machine {

class Secret;

class ObjectTree {
 public:
  // What applies to backends that do not say otherwise (-machine mem-merge=, dump-guest-core=).
  struct Defaults {
    bool merge = true;
    bool dump = true;
  };
  // What objects live on and refer to. The loop is the control thread's.
  struct Host {
    io::EventLoop* loop = nullptr;                 // needed for sources of random numbers
    backend::ChardevRegistry* chardevs = nullptr;  // null: there are none
    backend::FileOpener* files = nullptr;          // null: files are opened by path alone
    backend::BlockGraph* blocks = nullptr;         // needed for limits of disks
  };
  explicit ObjectTree(Defaults defaults) : defaults_(defaults) {}
  ObjectTree(Defaults defaults, Host host) : defaults_(defaults), host_(host) {}

  // may_wait: for a file of the host that has no end yet; nobody is served meanwhile. Error:
  // duplicate id, unknown type or property, a value that the type refuses, no resources.
  Status Add(const control::ObjectSpec& spec, bool may_wait = false);
  // Error: there is none of this id, or it is in use.
  Status Remove(const std::string& id);
  bool Has(const std::string& id) const { return Find(id) != nullptr; }

  // A memory backend, in use or not, by id or QOM path ("/objects/x"). Error: there is none
  // ("Device 'x' not found"), or it is of another type.
  Result<std::shared_ptr<memory::RamBlock>> FindMemory(const std::string& path,
                                                       std::string_view property) const;
  bool MemoryInUse(const std::string& id) const;
  // The mapping of a memory backend, from now on in use. Error: none of this id, or taken already.
  Result<std::shared_ptr<memory::RamBlock>> UseMemory(const std::string& id);
  // Adds RAM that the machine made for itself ("microvm.ram"), in use.
  Result<std::shared_ptr<memory::RamBlock>> AddMachineRam(const std::string& id, uint64_t size);
  // The machine no longer uses it; RAM of its own goes. Unknown ids are ignored.
  void ReleaseMemory(const std::string& id);

  // An I/O thread; in use while the caller keeps it. `property`: whose value id is, for errors.
  // Error: none of this id ("Device 'x' not found"), or of another type.
  Result<std::shared_ptr<io::IoThread>> UseIoThread(const std::string& id,
                                                    std::string_view property);
  // A source of random numbers. It may be removed meanwhile; the caller's lives on.
  Result<std::shared_ptr<backend::RngSource>> UseRng(const std::string& id,
                                                     std::string_view property);

  // Adds the objects below `objects`, which refer to this.
  void AddTo(QomNode& objects);
  std::vector<control::MemdevInfo> Memdevs() const;
  std::vector<control::IoThreadInfo> IoThreads() const;

 private:
  struct Object {
    std::string id;
    std::string type;
    std::shared_ptr<memory::RamBlock> memory;  // memory-backend-*
    std::shared_ptr<io::IoThread> thread;      // iothread; in use when not the only reference
    std::shared_ptr<backend::RngSource> rng;   // rng-*
    std::shared_ptr<backend::ThrottleGroup> throttle;  // in use when not the only reference
    std::shared_ptr<Secret> secret;
    control::ObjectSpec spec;  // as it was given; of RAM of the machine's own: empty
    RngOptions rng_options;
    control::IoThreadInfo thread_info;
    bool in_use = false;
    bool machines_own = false;  // made by AddMachineRam
  };
  Object* Find(const std::string& id) const;
  Result<const Secret*> FindSecret(const std::string& id) const;
  QomNode NodeOf(Object& object) const;
  Status CheckPreallocContext(const control::ObjectSpec& spec) const;

  Status AddRng(Object& object, const control::ObjectSpec& spec) const;
  std::optional<Status> SetThrottle(Object& object, std::string_view name,
                                    const control::PropertyValue& value) const;
  static bool InUse(const Object& object) {
    return object.in_use || object.thread.use_count() > 1 || object.throttle.use_count() > 1;
  }

  const Defaults defaults_;
  const Host host_;
  std::vector<std::unique_ptr<Object>> objects_;
};

// Letters, digits, '-', '.', '_', starting with a letter.
bool IsIdentifier(const std::string& id);

}  // namespace davit::machine
