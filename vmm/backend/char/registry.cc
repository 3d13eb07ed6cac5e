// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See registry.h.
#include "vmm/backend/char/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "vmm/backend/char/file_chardev.h"
#include "vmm/backend/char/null_chardev.h"
#include "vmm/backend/char/pty_chardev.h"
#include "vmm/backend/char/socket_chardev.h"
#include "vmm/backend/char/stdio_chardev.h"
#include "vmm/base/overloaded.h"

namespace davit::backend {
namespace {

constexpr std::array<std::string_view, 6> kBackendNames = {"pty",  "file", "socket",
                                                           "null", "pipe", "stdio"};

}  // namespace

ChardevRegistry::ChardevRegistry(io::EventLoop& loop) : ChardevRegistry(loop, Options{}) {}

ChardevRegistry::ChardevRegistry(io::EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {}

ChardevRegistry::~ChardevRegistry() = default;

std::span<const std::string_view> ChardevRegistry::BackendNames() { return kBackendNames; }

Result<std::unique_ptr<Chardev>> ChardevRegistry::Open(const ChardevSpec& spec) {
  using Opened = Result<std::unique_ptr<Chardev>>;
  return std::visit(
      Overloaded{
          [&](const NullSpec&) -> Opened { return std::make_unique<NullChardev>(spec.id); },
          [&](const StdioSpec& stdio) -> Opened {
            return StdioChardev::Open(spec.id, loop_, stdio.signal);
          },
          [&](const FileSpec& file) -> Opened { return FileChardev::Open(spec.id, loop_, file); },
          [&](const PipeSpec& pipe) -> Opened { return FileChardev::Open(spec.id, loop_, pipe); },
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
      },
      spec.backend);
}

Result<Chardev*> ChardevRegistry::Create(const ChardevSpec& spec) {
  if (Find(spec.id)) return Fail(fmt::format("Duplicate ID '{}' for chardev", spec.id));
  DAVIT_ASSIGN(auto chardev, Open(spec));
  return Add(std::move(chardev));
}

Result<Chardev*> ChardevRegistry::Add(std::unique_ptr<Chardev> chardev) {
  if (Find(chardev->id())) {
    return Fail(fmt::format("Duplicate ID '{}' for chardev", chardev->id()));
  }
  chardevs_.push_back(std::move(chardev));
  return chardevs_.back().get();
}

Chardev* ChardevRegistry::Find(std::string_view id) const {
  for (const auto& chardev : chardevs_) {
    if (chardev->id() == id) return chardev.get();
  }
  return nullptr;
}

Status ChardevRegistry::Remove(std::string_view id) {
  Chardev* chardev = Find(id);
  if (!chardev) return Fail(fmt::format("Chardev '{}' not found", id));
  if (chardev->frontend_open()) return Fail(fmt::format("Chardev '{}' is busy", id));
  std::erase_if(chardevs_, [chardev](const auto& c) { return c.get() == chardev; });
  return {};
}

std::vector<ChardevInfo> ChardevRegistry::List() const {
  std::vector<ChardevInfo> result;
  for (const auto& chardev : chardevs_) {
    result.push_back({chardev->id(), chardev->filename(), chardev->frontend_open()});
  }
  return result;
}

}  // namespace davit::backend
