// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See block_spec.h.
#include "qmp/handlers/block_spec.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace davit::qmp {
namespace {

using control::BlockNodeSpec;

control::BlockDriver ToDriver(qapi::BlockdevDriver driver) {
  switch (driver) {
    case qapi::BlockdevDriver::kFile:
      return control::BlockDriver::kFile;
    case qapi::BlockdevDriver::kHostDevice:
      return control::BlockDriver::kHostDevice;
    case qapi::BlockdevDriver::kRaw:
      return control::BlockDriver::kRaw;
    case qapi::BlockdevDriver::kThrottle:
      return control::BlockDriver::kThrottle;
    default:
      return control::BlockDriver::kNullCo;
  }
}

control::BlockLocking ToLocking(qapi::OnOffAuto value) {
  switch (value) {
    case qapi::OnOffAuto::kOn:
      return control::BlockLocking::kOn;
    case qapi::OnOffAuto::kOff:
      return control::BlockLocking::kOff;
    default:
      return control::BlockLocking::kAuto;
  }
}

control::BlockAio ToAio(qapi::BlockdevAioOptions value) {
  switch (value) {
    case qapi::BlockdevAioOptions::kThreads:
      return control::BlockAio::kThreads;
    case qapi::BlockdevAioOptions::kNative:
      return control::BlockAio::kNative;
    default:
      return control::BlockAio::kIoUring;
  }
}

Status Take(const std::optional<int64_t>& value, const char* name, uint64_t& out) {
  if (!value) return {};
  if (*value < 0) return Fail(fmt::format("Parameter '{}' expects a number of at least 0", name));
  out = static_cast<uint64_t>(*value);
  return {};
}

Status TakeChild(const qapi::BlockdevRef& ref, BlockNodeSpec& spec) {
  if (const auto* name = std::get_if<std::string>(&ref.u)) {
    spec.file_node = *name;
    return {};
  }
  DAVIT_ASSIGN(BlockNodeSpec file, ToBlockNodeSpec(std::get<qapi::BlockdevOptions>(ref.u)));
  spec.file = std::make_shared<BlockNodeSpec>(std::move(file));
  return {};
}

Status TakeRaw(const qapi::BlockdevOptionsRaw& raw, BlockNodeSpec& spec) {
  DAVIT_TRY(Take(raw.offset, "offset", spec.offset));
  if (raw.size) {
    uint64_t size = 0;
    DAVIT_TRY(Take(raw.size, "size", size));
    spec.size = size;
  }
  return TakeChild(*raw.file, spec);
}

}  // namespace

Result<BlockNodeSpec> ToBlockNodeSpec(const qapi::BlockdevOptions& options) {
  BlockNodeSpec spec;
  spec.driver = ToDriver(options.driver);
  spec.node_name = options.node_name.value_or("");
  spec.read_only = options.read_only.value_or(false);
  spec.auto_read_only = options.auto_read_only.value_or(false);
  spec.force_share = options.force_share.value_or(false);
  if (options.cache) {
    spec.direct = options.cache->direct;
    spec.no_flush = options.cache->no_flush;
  }
  if (options.discard) {
    spec.discard = *options.discard == qapi::BlockdevDiscardOptions::kUnmap
                       ? control::BlockDiscard::kUnmap
                       : control::BlockDiscard::kIgnore;
  }
  if (options.detect_zeroes) {
    spec.detect_zeroes = static_cast<control::BlockDetectZeroes>(*options.detect_zeroes);
  }
  if (const auto* file = std::get_if<qapi::BlockdevOptionsFile>(&options.u)) {
    spec.filename = file->filename;
    if (file->locking) spec.locking = ToLocking(*file->locking);
    if (file->aio) spec.aio = ToAio(*file->aio);
  } else if (const auto* null = std::get_if<qapi::BlockdevOptionsNull>(&options.u)) {
    DAVIT_TRY(Take(null->size, "size", spec.null_size));
    spec.latency_ns = null->latency_ns.value_or(0);
    spec.read_zeroes = null->read_zeroes.value_or(false);
  } else if (const auto* raw = std::get_if<qapi::BlockdevOptionsRaw>(&options.u)) {
    DAVIT_TRY(TakeRaw(*raw, spec));
  } else if (const auto* throttle = std::get_if<qapi::BlockdevOptionsThrottle>(&options.u)) {
    spec.throttle_group = throttle->throttle_group;
    DAVIT_TRY(TakeChild(*throttle->file, spec));
  }
  return spec;
}

}  // namespace davit::qmp
