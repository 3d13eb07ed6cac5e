// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See openers.h: -netdev tap. An interface is made or opened by name, or its descriptors are given,
// or a helper makes it. The up script runs when the interface is there, the down script when the
// back end goes.
#include <climits>

#include <fmt/format.h>

#include <algorithm>

#include "vmm/backend/net/helpers.h"
#include "vmm/backend/net/tap.h"
#include "vmm/base/log.h"
#include "vmm/machine/net/openers.h"

namespace davit::machine {
namespace {

// QEMU's, so that a host that is set up for it serves davit too.
constexpr char kUpScript[] = "/etc/qemu-ifup";
constexpr char kDownScript[] = "/etc/qemu-ifdown";
constexpr char kBridge[] = "br0";

bool HasAny(const NetdevSpecReader& reader, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return reader.Has(name); });
}

OpenedNetdev Finish(const control::NetdevSpec& spec, backend::TapDevice device, std::string info,
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

OpenedNetdev FromDescriptors(const control::NetdevSpec& spec, const NetdevSpecReader& reader,
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

OpenedNetdev FromHelper(const control::NetdevSpec& spec, const NetdevSpecReader& reader,
                        const std::string& helper) {
  DAVIT_ASSIGN(UniqueFd fd, backend::RunBridgeHelper(helper, reader.Text("br").value_or(kBridge)));
  DAVIT_TRY(backend::CheckTap(fd.get()));
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(fd));
  DAVIT_ASSIGN(backend::TapDevice device, backend::AdoptTap(std::move(fds), false));
  return Finish(spec, std::move(device), fmt::format("helper={}", helper), {});
}

OpenedNetdev ByName(const control::NetdevSpec& spec, const NetdevSpecReader& reader) {
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
  if (!up.empty() && up != "no") DAVIT_TRY(backend::RunNetworkScript(up, name));
  std::function<void()> at_end;
  if (!down.empty() && down != "no") {
    at_end = [down, name] {
      if (Status status = backend::RunNetworkScript(down, name); !status) {
        DAVIT_LOG_WARN("{}", status.error().message);
      }
    };
  }
  return Finish(spec, std::move(device),
                fmt::format("ifname={},script={},downscript={}", name, up, down),
                std::move(at_end));
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

}  // namespace

OpenedNetdev OpenTapNetdev(const control::NetdevSpec& spec,
                           const control::NamedFdSource& named_fds) {
  const NetdevSpecReader reader(spec);
  if (reader.Bool("vhost").value_or(false)) {
    return Fail(
        "vhost-net requested but could not be initialized: it is not available, use vhost=off");
  }
  if (const auto fd = reader.Text("fd")) {
    if (HasAny(reader, {"ifname", "script", "downscript", "vnet_hdr", "helper", "queues", "fds"})) {
      return Fail(
          "ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, fds=, and vhostfds= are "
          "invalid with fd=");
    }
    return FromDescriptors(spec, reader, {*fd}, named_fds);
  }
  if (const auto fds = reader.Text("fds")) {
    if (HasAny(reader, {"ifname", "script", "downscript", "vnet_hdr", "helper", "queues"})) {
      return Fail(
          "ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, and vhostfd= are invalid "
          "with fds=");
    }
    return FromDescriptors(spec, reader, SplitColons(*fds), named_fds);
  }
  if (const auto helper = reader.Text("helper")) {
    if (HasAny(reader, {"ifname", "script", "downscript", "vnet_hdr", "queues"})) {
      return Fail(
          "ifname=, script=, downscript=, vnet_hdr=, queues=, and vhostfds= are invalid with "
          "helper=");
    }
    return FromHelper(spec, reader, *helper);
  }
  if (reader.Has("br")) return Fail("br= is only valid with helper=");
  return ByName(spec, reader);
}

}  // namespace davit::machine
