// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See openers.h: -netdev tap. An interface is made or opened by name, or its descriptors are given,
// or a helper makes it. The up script runs when the interface is there, the down script when the
// back end goes. With vhost=on each queue has a vhost descriptor too.
#include <climits>

#include <fmt/format.h>

#include <algorithm>

#include "vmm/backend/net/helpers.h"
#include "vmm/backend/net/tap.h"
#include "vmm/base/log.h"
#include "vmm/machine/net/openers.h"
#include "vmm/virtio/core/features.h"

namespace davit::machine {
namespace {

// QEMU's, so that a host that is set up for it serves davit too.
constexpr char kUpScript[] = "/etc/qemu-ifup";
constexpr char kDownScript[] = "/etc/qemu-ifdown";
constexpr char kBridge[] = "br0";
constexpr char kVhostDevice[] = "/dev/vhost-net";

bool HasAny(const NetdevSpecReader& reader, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return reader.Has(name); });
}

std::vector<std::string> SplitColons(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t start = 0;;) {
    const size_t colon = text.find(':', start);
    parts.push_back(text.substr(start, colon - start));
    if (colon == std::string::npos) return parts;
    start = colon + 1;
  }
}

OpenedBackend Finish(const control::NetdevSpec& spec, backend::TapDevice device, std::string info,
                     std::function<void()> at_end) {
  const auto given = NetdevSpecReader(spec).Uint("sndbuf");
  const uint64_t limit = given.value_or(0) == 0 ? INT_MAX : std::min<uint64_t>(*given, INT_MAX);
  for (const UniqueFd& fd : device.queues) {
    Status status = backend::SetTapSendBuffer(fd.get(), static_cast<int>(limit));
    // Without the option it is an attempt.
    if (!status && given) return Fail(std::move(status).error());
  }
  return std::make_unique<backend::Tap>(spec.id, std::move(device), std::move(info),
                                        std::move(at_end));
}

OpenedBackend FromDescriptors(const control::NetdevSpec& spec, const NetdevSpecReader& reader,
                              const std::vector<std::string>& texts,
                              const control::NamedFdSource& named_fds) {
  std::vector<UniqueFd> fds;
  std::string info;
  for (const std::string& text : texts) {
    DAVIT_ASSIGN(UniqueFd fd, TakeDescriptor(spec.id, text, named_fds, backend::CheckTap));
    if (info.empty()) info = fmt::format("fd={}", fd.get());
    fds.push_back(std::move(fd));
  }
  DAVIT_ASSIGN(backend::TapDevice device,
               backend::AdoptTap(std::move(fds), reader.Bool("vnet_hdr").value_or(false)));
  return Finish(spec, std::move(device), std::move(info), {});
}

OpenedBackend FromHelper(const control::NetdevSpec& spec, const NetdevSpecReader& reader,
                         const std::string& helper) {
  DAVIT_ASSIGN(UniqueFd fd, backend::RunBridgeHelper(helper, reader.Text("br").value_or(kBridge)));
  DAVIT_TRY(backend::CheckTap(fd.get()));
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(fd));
  DAVIT_ASSIGN(backend::TapDevice device, backend::AdoptTap(std::move(fds), false));
  return Finish(spec, std::move(device), fmt::format("helper={}", helper), {});
}

OpenedBackend ByName(const control::NetdevSpec& spec, const NetdevSpecReader& reader) {
  const uint64_t queues = reader.Uint("queues").value_or(1);
  if (queues == 0 || queues > 256) {
    return Fail(fmt::format("Parameter 'queues' must be between 1 and 256, not {}", queues));
  }
  const std::string up = reader.Text("script").value_or(kUpScript);
  const std::string down = reader.Text("downscript").value_or(kDownScript);
  DAVIT_ASSIGN(backend::TapDevice device,
               backend::OpenTap(reader.Text("ifname").value_or(""), static_cast<unsigned>(queues),
                                reader.Bool("vnet_hdr").value_or(true)));
  const std::string name = device.name;
  if (!up.empty() && up != "no")
    DAVIT_TRY(backend::RunNetworkScript(backend::ScriptKind::kUp, up, name));
  std::function<void()> at_end;
  if (!down.empty() && down != "no") {
    at_end = [down, name] {
      if (Status status = backend::RunNetworkScript(backend::ScriptKind::kDown, down, name);
          !status) {
        DAVIT_LOG_WARN("{}", status.error().message);
      }
    };
  }
  return Finish(spec, std::move(device),
                fmt::format("ifname={},script={},downscript={}", name, up, down),
                std::move(at_end));
}

OpenedBackend OpenTap(const control::NetdevSpec& spec, const NetdevSpecReader& reader,
                      const control::NamedFdSource& named_fds) {
  if (const auto fd = reader.Text("fd")) {
    if (HasAny(reader, {"ifname", "script", "downscript", "vnet_hdr", "helper", "queues", "fds",
                        "vhostfds"})) {
      return Fail(
          "ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, fds=, and vhostfds= are "
          "invalid with fd=");
    }
    return FromDescriptors(spec, reader, {*fd}, named_fds);
  }
  if (const auto fds = reader.Text("fds")) {
    if (HasAny(reader,
               {"ifname", "script", "downscript", "vnet_hdr", "helper", "queues", "vhostfd"})) {
      return Fail(
          "ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, and vhostfd= are invalid "
          "with fds=");
    }
    return FromDescriptors(spec, reader, SplitColons(*fds), named_fds);
  }
  if (const auto helper = reader.Text("helper")) {
    if (HasAny(reader, {"ifname", "script", "downscript", "vnet_hdr", "queues", "vhostfds"})) {
      return Fail(
          "ifname=, script=, downscript=, vnet_hdr=, queues=, and vhostfds= are invalid with "
          "helper=");
    }
    return FromHelper(spec, reader, *helper);
  }
  if (reader.Has("vhostfds")) return Fail("vhostfds= is invalid if fds= wasn't specified");
  if (reader.Has("br")) return Fail("br= is only valid with helper=");
  return ByName(spec, reader);
}

using Vhost = std::vector<std::unique_ptr<virtio::vhost::Rings>>;

Result<std::unique_ptr<virtio::vhost::Rings>> MakeVhost(UniqueFd fd) {
  auto rings = virtio::vhost::Rings::Create(virtio::vhost::MakeKernel(std::move(fd)));
  if (!rings) {
    return Fail(
        fmt::format("vhost-net requested but could not be initialized: {}", rings.error().message));
  }
  if (((*rings)->features() & virtio::kFeatureVersion1) == 0) {
    return Fail(
        "vhost-net requested but could not be initialized: the kernel has no VIRTIO_F_VERSION_1");
  }
  return rings;
}

// Given descriptors ask for it as much as vhost=on does.
Result<Vhost> OpenVhost(const control::NetdevSpec& spec, const NetdevSpecReader& reader,
                        unsigned queues, const control::NamedFdSource& named_fds) {
  std::vector<std::string> given;
  if (const auto fds = reader.Text("vhostfds")) given = SplitColons(*fds);
  if (const auto fd = reader.Text("vhostfd")) given = {*fd};
  const bool wanted =
      reader.Bool("vhost").value_or(!given.empty() || reader.Bool("vhostforce").value_or(false));
  if (!wanted && !given.empty()) return Fail("vhostfd(s)= is not valid without vhost");
  Vhost vhost;
  if (!wanted) return vhost;
  if (!given.empty() && given.size() != queues) {
    return Fail(reader.Has("fds") ? "The number of fds passed does not match the number of "
                                    "vhostfds passed"
                                  : "vhostfd= is invalid with several queues");
  }
  for (unsigned i = 0; i < queues; ++i) {
    UniqueFd fd;
    if (!given.empty()) {
      DAVIT_ASSIGN(fd, TakeDescriptor(spec.id, given[i], named_fds, virtio::vhost::CheckDevice));
    } else {
      auto opened = virtio::vhost::OpenDevice(kVhostDevice);
      if (!opened) {
        return Fail(fmt::format("tap: open vhost char device failed: {}", opened.error().message));
      }
      fd = std::move(*opened);
    }
    DAVIT_ASSIGN(auto rings, MakeVhost(std::move(fd)));
    vhost.push_back(std::move(rings));
  }
  return vhost;
}

}  // namespace

Result<OpenedNetdev> OpenTapNetdev(const control::NetdevSpec& spec,
                                   const control::NamedFdSource& named_fds) {
  const NetdevSpecReader reader(spec);
  OpenedNetdev opened;
  DAVIT_ASSIGN(opened.backend, OpenTap(spec, reader, named_fds));
  DAVIT_ASSIGN(opened.vhost, OpenVhost(spec, reader, opened.backend->queues(), named_fds));
  return opened;
}

}  // namespace davit::machine
