// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See object_tree.h.
#include "vmm/machine/object_tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "vmm/backend/block/graph.h"
#include "vmm/base/check.h"
#include "vmm/machine/object_properties.h"
#include "vmm/machine/secret/secret.h"
#include "vmm/machine/throttle_object.h"

namespace davit::machine {
namespace {

constexpr std::string_view kSecret = "secret";

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

io::PollOptions PollingOf(const control::IoThreadInfo& info) {
  return {.max_ns = info.poll_max_ns, .grow = info.poll_grow, .shrink = info.poll_shrink};
}

// Of an object that is named by its id or its QOM path.
std::string IdOf(const std::string& path) {
  constexpr std::string_view kFolder = "/objects/";
  return path.starts_with(kFolder) ? path.substr(kFolder.size()) : path;
}

tl::unexpected<Error> NotFound(const std::string& id) {
  return Fail(ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", id));
}

tl::unexpected<Error> NotOfType(std::string_view property, std::string_view type) {
  return Fail(fmt::format("Invalid parameter type for '{}', expected: {}", property, type));
}

}  // namespace

bool IsIdentifier(const std::string& id) {
  return !id.empty() && IsLetter(id[0]) && std::all_of(id.begin(), id.end(), [](char c) {
    return IsLetter(c) || IsDigit(c) || c == '-' || c == '.' || c == '_';
  });
}

ObjectTree::Object* ObjectTree::Find(const std::string& id) const {
  for (const auto& object : objects_) {
    if (object->id == id) return object.get();
  }
  return nullptr;
}

// prealloc-context names a thread-context object, of which davit has none.
Status ObjectTree::CheckPreallocContext(const control::ObjectSpec& spec) const {
  for (const auto& [name, value] : spec.properties) {
    const auto* text = std::get_if<std::string>(&value.value);
    if (name != "prealloc-context" || text == nullptr || text->empty()) continue;
    if (Has(IdOf(*text))) {
      return Fail("Invalid parameter type for 'prealloc-context', expected: thread-context");
    }
    return NotFound(*text);
  }
  return {};
}

Status ObjectTree::Add(const control::ObjectSpec& spec, bool may_wait) {
  if (!IsIdentifier(spec.id)) return Fail("Parameter 'id' expects an identifier");
  if (Has(spec.id)) {
    return Fail(fmt::format("attempt to add duplicate property '{}' to object (type 'container')",
                            spec.id));
  }
  auto object = std::make_unique<Object>();
  object->id = spec.id;
  object->type = spec.qom_type;
  object->spec = spec;
  if (spec.qom_type == "iothread") {
    DAVIT_ASSIGN(object->thread_info, ParseIoThread(spec));
    DAVIT_ASSIGN(object->thread,
                 io::IoThread::Create("IO " + spec.id, PollingOf(object->thread_info)));
    object->thread->SetMaxBatch(object->thread_info.aio_max_batch);
    object->thread_info.thread_id = object->thread->thread_id();
  } else if (spec.qom_type.starts_with("memory-backend-")) {
    DAVIT_TRY(CheckPreallocContext(spec));
    memory::RamBlockOptions base;
    base.merge = defaults_.merge;
    base.dump = defaults_.dump;
    DAVIT_ASSIGN(const memory::RamBlockOptions options, ParseMemoryBackend(spec, base));
    DAVIT_ASSIGN(object->memory, memory::RamBlock::Create(options));
  } else if (spec.qom_type.starts_with("rng-")) {
    DAVIT_TRY(AddRng(*object, spec));
  } else if (spec.qom_type == "throttle-group") {
    DAVIT_CHECK(host_.blocks != nullptr);
    DAVIT_ASSIGN(const backend::ThrottleConfig config, ParseThrottleGroup(spec));
    DAVIT_ASSIGN(object->throttle, host_.blocks->MakeGroup(spec.id, config));
  } else if (spec.qom_type == kSecret) {
    object->spec.properties.clear();  // the secret keeps what may be asked for
    const auto find = [this](const std::string& key) { return FindSecret(key); };
    DAVIT_ASSIGN(object->secret, Secret::Create(spec, find, may_wait));
  } else {
    return Fail(fmt::format("Parameter 'qom-type' does not accept value '{}'", spec.qom_type));
  }
  objects_.push_back(std::move(object));
  return {};
}

Status ObjectTree::Remove(const std::string& id) {
  const Object* object = Find(id);
  if (object == nullptr) return Fail(fmt::format("object '{}' not found", id));
  if (InUse(*object)) {
    return Fail(fmt::format("object '{}' is in use, can not be deleted", id));
  }
  std::erase_if(objects_, [object](const auto& o) { return o.get() == object; });
  return {};
}

Status ObjectTree::AddRng(Object& object, const control::ObjectSpec& spec) const {
  DAVIT_CHECK(host_.loop != nullptr);
  DAVIT_ASSIGN(object.rng_options, ParseRng(spec));
  const RngOptions& options = object.rng_options;
  if (spec.qom_type == "rng-builtin") {
    object.rng = backend::MakeRngBuiltin(*host_.loop);
  } else if (spec.qom_type == "rng-random") {
    backend::FileOpener& files = host_.files != nullptr ? *host_.files : backend::PlainOpener();
    DAVIT_ASSIGN(object.rng, backend::OpenRngRandom(*host_.loop, files, options.filename));
  } else if (spec.qom_type == "rng-egd") {
    backend::Chardev* chardev =
        host_.chardevs != nullptr ? host_.chardevs->Find(options.chardev) : nullptr;
    if (chardev == nullptr) return NotFound(options.chardev);
    DAVIT_ASSIGN(object.rng, backend::ConnectRngEgd(*host_.loop, chardev));
  } else {
    return Fail(fmt::format("Parameter 'qom-type' does not accept value '{}'", spec.qom_type));
  }
  return {};
}

Result<const Secret*> ObjectTree::FindSecret(const std::string& id) const {
  const Object* object = Find(id);
  if (object == nullptr) return Fail(fmt::format("No secret with id '{}'", id));
  if (object->secret == nullptr)
    return Fail(fmt::format("Object with id '{}' is not a secret", id));
  return object->secret.get();
}

Result<std::shared_ptr<io::IoThread>> ObjectTree::UseIoThread(const std::string& id,
                                                              std::string_view property) {
  const Object* object = Find(id);
  if (object == nullptr) return NotFound(id);
  if (object->thread == nullptr) return NotOfType(property, "iothread");
  return object->thread;
}

Result<std::shared_ptr<backend::RngSource>> ObjectTree::UseRng(const std::string& id,
                                                               std::string_view property) {
  const Object* object = Find(id);
  if (object == nullptr) return NotFound(id);
  if (object->rng == nullptr) return NotOfType(property, "rng-backend");
  return object->rng;
}

Result<std::shared_ptr<memory::RamBlock>> ObjectTree::FindMemory(const std::string& path,
                                                                 std::string_view property) const {
  const Object* object = Find(IdOf(path));
  if (object == nullptr) return NotFound(path);
  if (object->memory == nullptr) return NotOfType(property, "memory-backend");
  return object->memory;
}

bool ObjectTree::MemoryInUse(const std::string& id) const {
  const Object* object = Find(id);
  return object != nullptr && object->in_use;
}

Result<std::shared_ptr<memory::RamBlock>> ObjectTree::UseMemory(const std::string& id) {
  Object* object = Find(id);
  if (object == nullptr || object->memory == nullptr) {
    return Fail(fmt::format("Memory backend '{}' not found", id));
  }
  if (object->in_use) {
    return Fail(fmt::format("memory backend '{}' can't be used multiple times.", id));
  }
  object->in_use = true;
  return object->memory;
}

Result<std::shared_ptr<memory::RamBlock>> ObjectTree::AddMachineRam(const std::string& id,
                                                                    uint64_t size) {
  if (Has(id)) {
    return Fail(
        fmt::format("object name '{}' is reserved for the default RAM backend, it can't be "
                    "used for any other purposes. Change the object's 'id' to something else",
                    id));
  }
  memory::RamBlockOptions options;
  options.id = id;
  options.size = size;
  options.merge = defaults_.merge;
  options.dump = defaults_.dump;
  auto object = std::make_unique<Object>();
  object->id = id;
  object->type = "memory-backend-ram";
  object->in_use = true;
  object->machines_own = true;
  DAVIT_ASSIGN(object->memory, memory::RamBlock::Create(options));
  auto memory = object->memory;
  objects_.push_back(std::move(object));
  return memory;
}

void ObjectTree::ReleaseMemory(const std::string& id) {
  Object* object = Find(id);
  if (object == nullptr) return;
  object->in_use = false;
  if (object->machines_own) {
    std::erase_if(objects_, [object](const auto& o) { return o.get() == object; });
  }
}

void ObjectTree::AddTo(QomNode& objects) {
  for (const auto& object : objects_) objects.Add(NodeOf(*object));
}

std::optional<Status> ObjectTree::SetThrottle(Object& object, std::string_view name,
                                              const control::PropertyValue& value) const {
  backend::ThrottleConfig config = object.throttle->config();
  auto status = WriteThrottleGroup(config, name, value);
  if (!status || !*status) return status;
  return host_.blocks->SetLimits(*object.throttle, config);
}

QomNode ObjectTree::NodeOf(Object& object) const {
  QomNode node{.name = object.id, .type = object.type};
  node.get = [&object](std::string_view name) -> std::optional<Result<control::PropertyValue>> {
    std::optional<control::PropertyValue> value;
    if (object.memory != nullptr) value = ReadMemoryBackend(object.memory->options(), name);
    if (object.thread != nullptr) value = ReadIoThread(object.spec, object.thread_info, name);
    if (object.rng != nullptr) value = ReadRng(object.type, object.rng_options, name);
    if (object.throttle != nullptr) value = ReadThrottleGroup(object.throttle->config(), name);
    if (object.secret != nullptr) value = object.secret->Property(name);
    if (!value) return std::nullopt;
    return *std::move(value);
  };
  node.set = [this, &object, get = node.get](
                 std::string_view name,
                 const control::PropertyValue& value) -> std::optional<Status> {
    if (object.thread != nullptr) {
      auto status = WriteIoThread(object.thread_info, name, value);
      if (status && *status) {
        object.thread->SetPolling(PollingOf(object.thread_info));
        object.thread->SetMaxBatch(object.thread_info.aio_max_batch);
      }
      return status;
    }
    if (object.throttle != nullptr) return SetThrottle(object, name, value);
    if (!get(name)) return std::nullopt;
    return Fail(fmt::format("Property '{}.{}' is not writable", object.type, name));
  };
  return node;
}

std::vector<control::MemdevInfo> ObjectTree::Memdevs() const {
  std::vector<control::MemdevInfo> infos;
  for (const auto& object : objects_) {
    if (object->memory == nullptr) continue;
    const memory::RamBlockOptions& options = object->memory->options();
    control::MemdevInfo info;
    info.id = object->id;
    info.size = options.size;
    info.merge = options.merge;
    info.dump = options.dump;
    info.prealloc = options.prealloc;
    info.share = options.share;
    info.reserve = options.reserve;
    info.host_nodes = options.host_nodes;
    info.policy = PolicyName(options.policy);
    infos.push_back(std::move(info));
  }
  return infos;
}

std::vector<control::IoThreadInfo> ObjectTree::IoThreads() const {
  std::vector<control::IoThreadInfo> infos;
  for (const auto& object : objects_) {
    if (object->thread != nullptr) infos.push_back(object->thread_info);
  }
  return infos;
}

}  // namespace davit::machine
