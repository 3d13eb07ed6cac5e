// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/char.json: character devices.
#include <fmt/format.h>

#include "qmp/handlers/base64.h"
#include "qmp/handlers/chardev_params.h"
#include "qmp/handlers/parts.h"

namespace davit::qmp {
namespace {

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

bool IsBase64(const std::optional<qapi::DataFormat>& format) {
  return format == qapi::DataFormat::kBase64;
}

tl::unexpected<Error> FailedToAdd(const std::string& id, const Error& cause) {
  return Fail(fmt::format("Failed to add chardev '{}': {}", id, cause.message));
}

qapi::ChardevReturn Made(const std::string& filename) {
  constexpr std::string_view kPty = "pty:";
  qapi::ChardevReturn result;
  if (filename.starts_with(kPty)) result.pty = filename.substr(kPty.size());
  return result;
}

}  // namespace

Result<std::vector<qapi::ChardevInfo>> CharHandlers::QueryChardev(Context&) {
  std::vector<qapi::ChardevInfo> rows;
  for (const control::ChardevInfo& info : chardevs_.Chardevs()) {
    rows.push_back({info.label, info.filename, info.frontend_open});
  }
  return rows;
}

Result<std::vector<qapi::ChardevBackendInfo>> CharHandlers::QueryChardevBackends(Context&) {
  std::vector<qapi::ChardevBackendInfo> rows;
  for (std::string& name : chardevs_.Backends()) rows.push_back({std::move(name)});
  return rows;
}

Status CharHandlers::RingbufWrite(Context&, const qapi::RingbufWriteArgs& args) {
  if (!IsBase64(args.format)) return chardevs_.RingbufWrite(args.device, Bytes(args.data));
  // An error of the device comes first.
  DAVIT_TRY(chardevs_.RingbufWrite(args.device, {}));
  DAVIT_ASSIGN(const std::string data, DecodeBase64(args.data));
  return chardevs_.RingbufWrite(args.device, Bytes(data));
}

Result<std::string> CharHandlers::RingbufRead(Context&, const qapi::RingbufReadArgs& args) {
  DAVIT_TRY(chardevs_.RingbufWrite(args.device, {}));
  if (args.size <= 0) return Fail("size must be greater than zero");
  DAVIT_ASSIGN(std::string data,
               chardevs_.RingbufRead(args.device, static_cast<uint64_t>(args.size)));
  return IsBase64(args.format) ? EncodeBase64(data) : data;
}

Result<qapi::ChardevReturn> CharHandlers::ChardevAdd(Context& context,
                                                     const qapi::ChardevAddArgs& args) {
  for (const control::ChardevInfo& other : chardevs_.Chardevs()) {
    if (other.label == args.id) {
      return Fail(fmt::format("Chardev with id '{}' already exists", args.id));
    }
  }
  auto filename = ToChardevParams(args.backend, context.named_fds())
                      .and_then([&](control::ChardevParams params) {
                        return chardevs_.Add(args.id, std::move(params));
                      });
  if (!filename) return FailedToAdd(args.id, filename.error());
  return Made(*filename);
}

Result<qapi::ChardevReturn> CharHandlers::ChardevChange(Context& context,
                                                        const qapi::ChardevChangeArgs& args) {
  // First: a named descriptor that the parameters take is gone from its name.
  DAVIT_TRY(chardevs_.CheckChange(args.id));
  auto params = ToChardevParams(args.backend, context.named_fds());
  if (!params) return FailedToAdd(args.id, params.error());
  DAVIT_ASSIGN(const std::string filename, chardevs_.Change(args.id, std::move(*params)));
  return Made(filename);
}

Status CharHandlers::ChardevRemove(Context&, const qapi::ChardevRemoveArgs& args) {
  return chardevs_.Remove(args.id);
}

Status CharHandlers::ChardevSendBreak(Context&, const qapi::ChardevSendBreakArgs& args) {
  return chardevs_.SendBreak(args.id);
}

}  // namespace davit::qmp
