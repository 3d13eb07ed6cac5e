// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See registry.h.
#include "vmm/backend/char/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "vmm/backend/char/file_chardev.h"
#include "vmm/backend/char/mux_chardev.h"
#include "vmm/backend/char/null_chardev.h"
#include "vmm/backend/char/output_log.h"
#include "vmm/backend/char/pty_chardev.h"
#include "vmm/backend/char/ringbuf_chardev.h"
#include "vmm/backend/char/socket_chardev.h"
#include "vmm/backend/char/stdio_chardev.h"
#include "vmm/backend/char/udp_chardev.h"
#include "vmm/base/overloaded.h"

namespace davit::backend {
namespace {

constexpr std::array<std::string_view, 9> kBackendNames = {
    "pty", "file", "udp", "socket", "null", "pipe", "mux", "ringbuf", "stdio"};

std::string_view BackendOf(const ChardevSpec& spec) {
  using Name = std::string_view;
  return std::visit(Overloaded{[](const NullSpec&) -> Name { return "null"; },
                               [](const StdioSpec&) -> Name { return "stdio"; },
                               [](const FileSpec&) -> Name { return "file"; },
                               [](const PipeSpec&) -> Name { return "pipe"; },
                               [](const PtySpec&) -> Name { return "pty"; },
                               [](const SocketSpec&) -> Name { return "socket"; },
                               [](const UdpSpec&) -> Name { return "udp"; },
                               [](const RingbufSpec&) -> Name { return "ringbuf"; },
                               [](const MuxSpec&) -> Name { return "mux"; }},
                    spec.backend);
}

}  // namespace

ChardevRegistry::ChardevRegistry(io::EventLoop& loop) : ChardevRegistry(loop, Options{}) {}

ChardevRegistry::ChardevRegistry(io::EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {}

// The newest first: a multiplexer before what it stands on.
ChardevRegistry::~ChardevRegistry() {
  while (!chardevs_.empty()) chardevs_.pop_back();
}

std::span<const std::string_view> ChardevRegistry::BackendNames() { return kBackendNames; }

Result<std::unique_ptr<Chardev>> ChardevRegistry::Open(const ChardevSpec& spec) {
  std::unique_ptr<OutputLog> log;
  if (!spec.logfile.empty()) {
    DAVIT_ASSIGN(log, OutputLog::Open(spec.id, loop_, files(), spec.logfile, spec.logappend));
  }
  DAVIT_ASSIGN(std::unique_ptr<Chardev> chardev, OpenBackend(spec));
  chardev->set_log(std::move(log));
  return chardev;
}

Result<std::unique_ptr<Chardev>> ChardevRegistry::OpenBackend(const ChardevSpec& spec) {
  using Opened = Result<std::unique_ptr<Chardev>>;
  return std::visit(
      Overloaded{
          [&](const NullSpec&) -> Opened { return std::make_unique<NullChardev>(spec.id); },
          [&](const StdioSpec& stdio) -> Opened {
            return StdioChardev::Open(spec.id, loop_, stdio.signal);
          },
          [&](const FileSpec& file) -> Opened {
            return FileChardev::Open(spec.id, loop_, files(), file);
          },
          [&](const PipeSpec& pipe) -> Opened {
            return FileChardev::Open(spec.id, loop_, files(), pipe);
          },
          [&](const PtySpec&) -> Opened {
            DAVIT_ASSIGN(auto pty, PtyChardev::Open(spec.id, loop_));
            if (options_.notify) {
              options_.notify(
                  fmt::format("char device redirected to {} (label {})", pty->path(), spec.id));
            }
            return pty;
          },
          [&](const SocketSpec& socket) -> Opened {
            return SocketChardev::Open(spec.id, loop_, socket, options_.notify);
          },
          [&](const UdpSpec& udp) -> Opened { return UdpChardev::Open(spec.id, loop_, udp); },
          [&](const RingbufSpec& ring) -> Opened { return RingbufChardev::Open(spec.id, ring); },
          [&](const MuxSpec& mux) -> Opened { return OpenMux(spec.id, mux); },
      },
      spec.backend);
}

Result<std::unique_ptr<Chardev>> ChardevRegistry::OpenMux(const std::string& id,
                                                          const MuxSpec& spec) {
  Chardev* base = Find(spec.chardev);
  if (base == nullptr) return Fail(fmt::format("mux: base chardev {} not found", spec.chardev));
  DAVIT_ASSIGN(auto mux, MuxChardev::Open(id, loop_, *base, options_.quit));
  return mux;
}

Result<Chardev*> ChardevRegistry::Create(const ChardevSpec& spec) {
  if (At(spec.id)) return Fail(fmt::format("Duplicate ID '{}' for chardev", spec.id));
  DAVIT_ASSIGN(auto chardev, Open(spec));
  return Add(std::move(chardev), BackendOf(spec));
}

Result<Chardev*> ChardevRegistry::Add(std::unique_ptr<Chardev> chardev, std::string_view backend) {
  if (At(chardev->id())) {
    return Fail(fmt::format("Duplicate ID '{}' for chardev", chardev->id()));
  }
  chardevs_.push_back({std::move(chardev), backend});
  return chardevs_.back().chardev.get();
}

Chardev* ChardevRegistry::Find(std::string_view id) const {
  Chardev* const chardev = At(id);
  return chardev != nullptr ? chardev->FrontEnd() : nullptr;
}

Chardev* ChardevRegistry::At(std::string_view id) const {
  for (const Made& made : chardevs_) {
    if (made.chardev->id() == id) return made.chardev.get();
  }
  return nullptr;
}

// A multiplexer always is, as in QEMU; what it stands on has it for a front end.
bool ChardevRegistry::Busy(const Chardev& chardev) const {
  return chardev.frontend_open() || dynamic_cast<const MuxChardev*>(&chardev) != nullptr;
}

Status ChardevRegistry::Remove(std::string_view id) {
  Chardev* chardev = At(id);
  if (!chardev) return Fail(fmt::format("Chardev '{}' not found", id));
  if (Busy(*chardev)) return Fail(fmt::format("Chardev '{}' is busy", id));
  std::erase_if(chardevs_, [chardev](const Made& made) { return made.chardev.get() == chardev; });
  return {};
}

Status ChardevRegistry::CheckChange(std::string_view id) const {
  const Chardev* const chardev = At(id);
  if (chardev == nullptr) return Fail(fmt::format("Chardev '{}' does not exist", id));
  if (dynamic_cast<const MuxChardev*>(chardev) != nullptr) {
    return Fail("Mux device hotswap not supported yet");
  }
  if (Busy(*chardev)) return Fail("Chardev user does not support chardev hotswap");
  return {};
}

Result<Chardev*> ChardevRegistry::Change(const ChardevSpec& spec) {
  DAVIT_TRY(CheckChange(spec.id));
  const auto it = std::find_if(chardevs_.begin(), chardevs_.end(),
                               [&](const Made& made) { return made.chardev->id() == spec.id; });
  auto chardev = Open(spec);
  if (!chardev) {
    return Fail(fmt::format("Failed to add chardev '{}': {}", spec.id, chardev.error().message));
  }
  *it = {*std::move(chardev), BackendOf(spec)};
  return it->chardev.get();
}

Status ChardevRegistry::SendBreak(std::string_view id) {
  Chardev* chardev = At(id);
  if (!chardev) return Fail(fmt::format("Chardev '{}' not found", id));
  chardev->SendBreak();
  return {};
}

Result<RingbufChardev*> ChardevRegistry::Ringbuf(std::string_view id) const {
  Chardev* chardev = At(id);
  if (!chardev) return Fail(fmt::format("Device '{}' not found", id));
  auto* ring = dynamic_cast<RingbufChardev*>(chardev);
  if (!ring) return Fail(fmt::format("{} is not a ringbuf device", id));
  return ring;
}

Result<std::string> ChardevRegistry::RingbufRead(std::string_view id, uint64_t size) {
  DAVIT_ASSIGN(RingbufChardev * ring, Ringbuf(id));
  return ring->Take(size);
}

Status ChardevRegistry::RingbufWrite(std::string_view id, std::span<const std::byte> data) {
  DAVIT_ASSIGN(RingbufChardev * ring, Ringbuf(id));
  (void)ring->Write(data);
  return {};
}

std::vector<ChardevInfo> ChardevRegistry::List() const {
  std::vector<ChardevInfo> result;
  for (const auto& [chardev, backend] : chardevs_) {
    result.push_back({chardev->id(), chardev->filename(),
                      chardev->frontend_open() && chardev->frontend_listens(), backend});
    // What a multiplexer stands on is as open as the multiplexer.
    const auto* mux = dynamic_cast<const MuxChardev*>(chardev.get());
    if (mux == nullptr) continue;
    for (ChardevInfo& row : result) {
      if (row.label == mux->base().id()) row.frontend_open = mux->frontend_open();
    }
  }
  return result;
}

}  // namespace davit::backend
