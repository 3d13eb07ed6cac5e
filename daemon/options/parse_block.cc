// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -blockdev, by the schema's BlockdevOptions, and -drive, its short form: a raw node on a file, or
// no medium yet, and with if=virtio the device as well. A format is what the option says, or raw;
// images are not looked at.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "daemon/options/table.h"
#include "daemon/options/values.h"
#include "qmp/handlers/block_spec.h"
#include "schema/qapi/codecs.h"

namespace davit::daemon {
namespace {

using control::BlockErrorPolicy;
using control::BlockNodeSpec;

// "cache.direct=on" is {"cache": {"direct": "on"}}.
Status Nest(json::Object& object, std::string_view path, std::string_view key,
            const std::string& text) {
  const size_t dot = key.find('.');
  const std::string head(key.substr(0, dot));
  if (head.empty()) return Fail(fmt::format("Invalid parameter '{}'", path));
  json::Value* have = object.Find(head);
  if (dot == std::string_view::npos) {
    if (have != nullptr && have->AsObject() != nullptr) {
      return Fail(fmt::format("Parameters '{}.*' used inconsistently", head));
    }
    object.Set(head, text);
    return {};
  }
  if (have == nullptr) {
    object.Set(head, json::Object());
    have = object.Find(head);
  }
  json::Object* inner = have->AsObject();
  if (inner == nullptr) return Fail(fmt::format("Parameters '{}.*' used inconsistently", head));
  return Nest(*inner, path, key.substr(dot + 1), text);
}

// The decoder of flat options names the last part of a key, and has other words for an unknown one.
Error InKeyvalWords(Error error, const ParamList& list) {
  std::string& text = error.message;
  const size_t open = text.find('\'');
  const size_t close = text.find('\'', open + 1);
  if (open == std::string::npos || close == std::string::npos) return error;
  std::string name = text.substr(open + 1, close - open - 1);
  const std::string tail = "." + name;
  if (!list.Has(name)) {
    const auto& entries = list.entries();
    const auto it = std::find_if(entries.begin(), entries.end(),
                                 [&](const auto& entry) { return entry.first.ends_with(tail); });
    if (it != entries.end()) name = it->first;
  }
  if (text.starts_with("Invalid parameter ")) {
    text = fmt::format("Parameter '{}' is unexpected", name);
  } else {
    text.replace(open + 1, close - open - 1, name);
  }
  return error;
}

Result<qapi::BlockdevOptions> DecodeBlockdev(const ParamList& list) {
  if (list.json) return qapi::Decode<qapi::BlockdevOptions>(*list.json);
  json::Object object;
  for (const auto& [key, text] : list.entries()) DAVIT_TRY(Nest(object, key, key, text));
  auto options =
      qapi::Decode<qapi::BlockdevOptions>(std::move(object), {}, qapi::DecodeMode::kOptions);
  if (!options) return Fail(InKeyvalWords(std::move(options).error(), list));
  return options;
}

template <typename T>
struct Word {
  std::string_view text;
  T value;
};

template <typename T>
std::optional<T> FindWord(std::initializer_list<Word<T>> words, std::string_view text) {
  for (const Word<T>& word : words) {
    if (word.text == text) return word.value;
  }
  return std::nullopt;
}

struct CacheMode {
  bool direct, no_flush, write_cache;
};

Status TakeCache(ParamList& list, control::DriveSpec& drive) {
  CacheMode mode{false, false, true};
  if (const auto text = list.Take("cache")) {
    const auto found = FindWord<CacheMode>({{"none", {true, false, true}},
                                            {"off", {true, false, true}},
                                            {"directsync", {true, false, false}},
                                            {"writeback", {false, false, true}},
                                            {"unsafe", {false, true, true}},
                                            {"writethrough", {false, false, false}}},
                                           *text);
    if (!found) return Fail("invalid cache option");
    mode = *found;
  }
  // The single switches go before the word.
  drive.node.direct = list.GetBool("cache.direct", mode.direct);
  drive.node.no_flush = list.GetBool("cache.no-flush", mode.no_flush);
  drive.write_cache = list.GetBool("cache.writeback", mode.write_cache);
  for (const char* key : {"cache.direct", "cache.no-flush", "cache.writeback"}) list.Take(key);
  return {};
}

Status TakeErrors(ParamList& list, control::DriveSpec& drive) {
  if (const auto text = list.Take("werror")) {
    const auto policy = FindWord<BlockErrorPolicy>({{"ignore", BlockErrorPolicy::kIgnore},
                                                    {"enospc", BlockErrorPolicy::kEnospc},
                                                    {"stop", BlockErrorPolicy::kStop},
                                                    {"report", BlockErrorPolicy::kReport}},
                                                   *text);
    if (!policy) return Fail(fmt::format("'{}' invalid write error action", *text));
    drive.werror = *policy;
  }
  if (const auto text = list.Take("rerror")) {
    const auto policy = FindWord<BlockErrorPolicy>({{"ignore", BlockErrorPolicy::kIgnore},
                                                    {"stop", BlockErrorPolicy::kStop},
                                                    {"report", BlockErrorPolicy::kReport}},
                                                   *text);
    if (!policy) return Fail(fmt::format("'{}' invalid read error action", *text));
    drive.rerror = *policy;
  }
  return {};
}

Status TakeDiscards(ParamList& list, BlockNodeSpec& node) {
  if (const auto text = list.Take("discard")) {
    node.discard = FindWord<control::BlockDiscard>({{"ignore", control::BlockDiscard::kIgnore},
                                                    {"off", control::BlockDiscard::kIgnore},
                                                    {"unmap", control::BlockDiscard::kUnmap},
                                                    {"on", control::BlockDiscard::kUnmap}},
                                                   *text);
    if (!node.discard) return Fail("Invalid discard option");
  }
  if (const auto text = list.Take("detect-zeroes")) {
    const auto mode =
        FindWord<control::BlockDetectZeroes>({{"off", control::BlockDetectZeroes::kOff},
                                              {"on", control::BlockDetectZeroes::kOn},
                                              {"unmap", control::BlockDetectZeroes::kUnmap}},
                                             *text);
    if (!mode) {
      return Fail(fmt::format("Parameter 'detect-zeroes' does not accept value '{}'", *text));
    }
    node.detect_zeroes = *mode;
  }
  return {};
}

// "throttling.bps-total", or the older "bps".
Status TakeNumber(ParamList& list, const std::string& key, const std::string& older, int64_t& out) {
  for (const std::string& name : {older, key}) {
    const std::optional<std::string> text = list.Take(name);
    if (!text) continue;
    const Number number = ParseNumber(*text);
    if (number.fault != NumberFault::kNone) {
      return Fail(fmt::format("Parameter '{}' expects a number", name));
    }
    // More than the largest is refused with the words for the limits.
    out = static_cast<int64_t>(std::min<uint64_t>(number.value, INT64_MAX));
  }
  return {};
}

Status TakeLimit(ParamList& list, const char* name, const char* older, control::BlockLimit& limit) {
  const std::string key = fmt::format("throttling.{}", name);
  DAVIT_TRY(TakeNumber(list, key, older, limit.average));
  DAVIT_TRY(TakeNumber(list, key + "-max", fmt::format("{}_max", older), limit.max));
  return TakeNumber(list, key + "-max-length", fmt::format("{}_max_length", older), limit.length);
}

Status TakeLimits(ParamList& list, control::BlockLimits& limits) {
  DAVIT_TRY(TakeLimit(list, "bps-total", "bps", limits.bps));
  DAVIT_TRY(TakeLimit(list, "bps-read", "bps_rd", limits.bps_read));
  DAVIT_TRY(TakeLimit(list, "bps-write", "bps_wr", limits.bps_write));
  DAVIT_TRY(TakeLimit(list, "iops-total", "iops", limits.iops));
  DAVIT_TRY(TakeLimit(list, "iops-read", "iops_rd", limits.iops_read));
  DAVIT_TRY(TakeLimit(list, "iops-write", "iops_wr", limits.iops_write));
  DAVIT_TRY(TakeNumber(list, "throttling.iops-size", "iops_size", limits.iops_size));
  if (const auto group = list.Take("group")) limits.group = *group;
  if (const auto group = list.Take("throttling.group")) limits.group = *group;
  return {};
}

Status TakeFile(ParamList& list, const std::string& format, BlockNodeSpec& node) {
  BlockNodeSpec file;
  file.driver = control::BlockDriver::kFile;
  file.filename = list.Take("file").value_or("");
  if (const auto text = list.Take("aio")) {
    const auto aio = FindWord<control::BlockAio>({{"threads", control::BlockAio::kThreads},
                                                  {"native", control::BlockAio::kNative},
                                                  {"io_uring", control::BlockAio::kIoUring}},
                                                 *text);
    if (!aio) return Fail("invalid aio option");
    file.aio = *aio;
  }
  if (const auto text = list.Take("file.locking")) {
    const auto locking = FindWord<control::BlockLocking>({{"auto", control::BlockLocking::kAuto},
                                                          {"on", control::BlockLocking::kOn},
                                                          {"off", control::BlockLocking::kOff}},
                                                         *text);
    if (!locking) return Fail(fmt::format("Parameter 'locking' does not accept value '{}'", *text));
    file.locking = *locking;
  }
  if (format != "raw") return Fail(fmt::format("Unknown driver '{}'", format));
  node.driver = control::BlockDriver::kRaw;
  node.file = std::make_shared<BlockNodeSpec>(std::move(file));
  return {};
}

// if= and index= make the id that a drive without one has.
Status TakePlace(ParseContext& context, ParamList& list, bool& with_device,
                 control::DriveSpec& drive) {
  const std::string bus = list.Take("if").value_or("ide");
  for (const char* known : {"ide", "scsi", "floppy", "pflash", "mtd", "sd", "xen"}) {
    if (bus == known) return Fail(fmt::format("if={} is not supported; use virtio or none", bus));
  }
  if (bus != "none" && bus != "virtio") return Fail(fmt::format("unsupported bus type '{}'", bus));
  with_device = bus == "virtio";
  std::vector<uint64_t>& taken = with_device ? context.virtio_drives : context.plain_drives;
  const auto in_use = [&](uint64_t n) {
    return std::find(taken.begin(), taken.end(), n) != taken.end();
  };
  uint64_t index = 0;
  if (const auto given = list.GetNumber("index")) {
    index = *given;
    if (in_use(index)) {
      return Fail(fmt::format("drive with bus=0, unit={0} (index={0}) exists", index));
    }
  } else {
    while (in_use(index)) ++index;
  }
  list.Take("index");
  taken.push_back(index);
  drive.id_made_up = !list.Has("id");
  drive.id = list.Take("id").value_or(fmt::format("{}{}", bus, index));
  if (!IsWellFormedId(drive.id)) {
    return Fail(
        "Parameter 'id' expects an identifier\n"
        "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
  }
  return {};
}

Status TakeReadOnly(ParamList& list, BlockNodeSpec& node) {
  node.read_only = list.GetBool("readonly", list.GetBool("read-only", false));
  list.Take("readonly");
  list.Take("read-only");
  const std::string media = list.Take("media").value_or("disk");
  if (media != "disk" && media != "cdrom") return Fail(fmt::format("'{}' invalid media", media));
  node.read_only |= media == "cdrom";
  return {};
}

// What says how an image is opened cannot be said of none.
Status TakeNoMedium(ParamList& list, const std::string& format, bool with_device,
                    control::DriveSpec& drive) {
  drive.empty = true;
  list.Take("file");
  list.Take("aio");
  if (with_device) return Fail("Device needs media, but drive is empty");
  if (format == "raw") return Fail("A block device must be specified for \"file\"");
  if (!format.empty()) return Fail(fmt::format("Unknown driver '{}'", format));
  if (!list.entries().empty()) return Fail("Must specify either driver or file");
  return {};
}

Status TakeMedium(ParamList& list, const std::string& format, control::DriveSpec& drive) {
  DAVIT_TRY(TakeCache(list, drive));
  DAVIT_TRY(TakeDiscards(list, drive.node));
  DAVIT_TRY(TakeLimits(list, drive.limits));
  drive.node.node_name = list.Take("node-name").value_or("");
  DAVIT_TRY(TakeFile(list, format, drive.node));
  if (list.entries().empty()) return {};
  return Fail(fmt::format("Block format '{}' does not support the option '{}'", format,
                          list.entries()[0].first));
}

}  // namespace

Status ApplyBlockdev(ParseContext& context, ParamList& list) {
  DAVIT_ASSIGN(const qapi::BlockdevOptions options, DecodeBlockdev(list));
  DAVIT_ASSIGN(BlockNodeSpec spec, qmp::ToBlockNodeSpec(options));
  context.options.blockdevs.push_back({context.where, std::move(spec)});
  return {};
}

Status ApplyDrive(ParseContext& context, ParamList& list) {
  control::DriveSpec drive;
  bool with_device = false;
  DAVIT_TRY(TakePlace(context, list, with_device, drive));
  const auto& drives = context.options.drives;
  if (std::any_of(drives.begin(), drives.end(),
                  [&](const DriveOption& other) { return other.spec.id == drive.id; })) {
    return Fail(fmt::format("Duplicate ID '{}' for drive", drive.id));
  }
  std::string format = list.Take("format").value_or("");
  const std::string driver = list.Take("driver").value_or("");
  if (!format.empty() && !driver.empty()) {
    return Fail("Cannot specify both 'driver' and 'format'");
  }
  if (format.empty()) format = driver;
  DAVIT_TRY(TakeErrors(list, drive));
  DAVIT_TRY(TakeReadOnly(list, drive.node));
  if (list.Get("file").empty()) {
    DAVIT_TRY(TakeNoMedium(list, format, with_device, drive));
  } else {
    DAVIT_TRY(TakeMedium(list, format.empty() ? "raw" : format, drive));
  }
  if (with_device) context.drive_devices.push_back({context.where, drive.id});
  context.options.drives.push_back({context.where, std::move(drive)});
  return {};
}

Result<control::DriveSpec> ParseDriveText(const std::string& text) {
  const ParamSchema& schema = *FindOption("drive")->schema;
  std::vector<std::string> warnings;
  DAVIT_ASSIGN(ParamList list, SplitParams(text, schema, &warnings));
  DAVIT_TRY(CheckParams(list, schema));
  // By QEMU's numbers.
  constexpr std::string_view kKinds[] = {"none", "ide", "scsi",   "floppy", "pflash",
                                         "mtd",  "sd",  "virtio", "xen"};
  const std::string kind = list.Get("if", "ide");
  const auto it = std::find(std::begin(kKinds), std::end(kKinds), kind);
  if (it == std::end(kKinds)) return Fail(fmt::format("unsupported bus type '{}'", kind));
  if (it != std::begin(kKinds)) {
    return Fail(fmt::format("Can't hot-add drive to type {}", it - std::begin(kKinds)));
  }
  ParseContext context;
  DAVIT_TRY(ApplyDrive(context, list));
  control::DriveSpec drive = std::move(context.options.drives.front().spec);
  if (drive.id_made_up) drive.id.clear();
  return drive;
}

void FinishDrives(ParseContext& context) {
  const std::string& type = context.options.machine.type;
  const bool mmio = type.empty() || type == "microvm";  // the default machine
  for (const auto& [where, id] : context.drive_devices) {
    PendingDevice device;
    device.where = where;
    device.list.Add("driver", mmio ? "virtio-blk-device" : "virtio-blk-pci");
    device.list.Add("drive", id);
    context.devices.push_back(std::move(device));
  }
}

}  // namespace davit::daemon
