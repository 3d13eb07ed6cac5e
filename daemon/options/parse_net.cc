// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -netdev -nic -net. A netdev is decoded by the schema's Netdev: from JSON, from key=value texts
// (stream and dgram: with dotted keys for their addresses), as QEMU does. -nic is short for a
// -netdev and a -device.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/options/table.h"
#include "daemon/options/values.h"
#include "qmp/handlers/netdev_spec.h"
#include "schema/qapi/codecs.h"

namespace davit::daemon {
namespace {

bool HasDottedKeys(std::string_view type) { return type == "stream" || type == "dgram"; }

bool IsListOfStrings(std::string_view key) {
  return key == "dnssearch" || key == "hostfwd" || key == "guestfwd";
}

// "addr.path" -> the member path of the object addr.
void SetDotted(json::Object& object, std::string_view key, const std::string& text) {
  const size_t dot = key.find('.');
  if (dot == std::string_view::npos) {
    object.Set(std::string(key), text);
    return;
  }
  const std::string head(key.substr(0, dot));
  json::Value* have = object.Find(head);
  if (have == nullptr || !have->is_object()) {
    object.Set(head, json::Object());
    have = object.Find(head);
  }
  SetDotted(*have->AsObject(), key.substr(dot + 1), text);
}

// "PREFIX[/LENGTH]", short for ipv6-prefix= and ipv6-prefixlen=.
Status SetIpv6Net(json::Object& object, const std::string& text) {
  const size_t slash = text.find('/');
  const std::string length = slash == std::string::npos ? "64" : text.substr(slash + 1);
  if (length.empty() || length.find_first_not_of("0123456789") != std::string::npos) {
    return Fail("Parameter 'ipv6-prefixlen' expects a number");
  }
  object.Set("ipv6-prefix", text.substr(0, slash));
  object.Set("ipv6-prefixlen", length);
  return {};
}

Result<json::Object> ToObject(const ParamList& list) {
  json::Object object;
  const bool dotted = HasDottedKeys(list.Get("type"));
  for (const auto& [key, text] : list.entries()) {
    if (dotted) {
      SetDotted(object, key, text);
    } else if (key == "ipv6-net") {
      DAVIT_TRY(SetIpv6Net(object, text));
    } else if (IsListOfStrings(key)) {
      if (object.Find(key) == nullptr) object.Set(key, json::Array());
      json::Object element;
      element.Set("str", text);
      object.Find(key)->AsArray()->push_back(std::move(element));
    } else {
      object.Set(key, text);
    }
  }
  return object;
}

Result<qapi::Netdev> DecodeNetdev(const ParamList& list) {
  if (list.json) return qapi::Decode<qapi::Netdev>(*list.json);
  DAVIT_ASSIGN(const json::Object object, ToObject(list));
  Result<qapi::Netdev> netdev = qapi::Decode<qapi::Netdev>(object, {}, qapi::DecodeMode::kOptions);
  if (netdev || !HasDottedKeys(list.Get("type"))) return netdev;
  // The newer parser's word for a key that nothing has taken.
  Error error = std::move(netdev).error();
  constexpr std::string_view kHead = "Invalid parameter '";
  if (error.message.starts_with(kHead)) {
    error.message = fmt::format("Parameter '{} is unexpected", error.message.substr(kHead.size()));
  }
  return Fail(std::move(error));
}

// ipv6-net=PREFIX[/LENGTH] stands for two keys, and goes before them.
Status ExpandIpv6Net(ParamList& list) {
  if (list.json || HasDottedKeys(list.Get("type"))) return {};
  const std::optional<std::string> net = list.Take("ipv6-net");
  if (!net) return {};
  if (net->empty()) return Fail("Parameter 'ipv6-net' expects a valid IPv6 prefix");
  const size_t slash = net->find('/');
  const std::string length = slash == std::string::npos ? "64" : net->substr(slash + 1);
  if (length.empty() || length.find_first_not_of("0123456789") != std::string::npos) {
    return Fail("Parameter 'ipv6-prefixlen' expects a number");
  }
  list.Add("ipv6-prefix", net->substr(0, slash));
  list.Add("ipv6-prefixlen", length);
  return {};
}

Status AddNetdev(ParseContext& context, ParamList& list, bool id_is_ours) {
  DAVIT_TRY(ExpandIpv6Net(list));
  DAVIT_ASSIGN(const qapi::Netdev netdev, DecodeNetdev(list));
  if (!id_is_ours && !IsWellFormedId(netdev.id)) {
    return Fail(
        "Parameter 'id' expects an identifier\n"
        "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
  }
  auto& netdevs = context.options.netdevs;
  if (std::any_of(netdevs.begin(), netdevs.end(),
                  [&](const NetdevOption& other) { return other.spec.id == netdev.id; })) {
    return Fail(fmt::format("Duplicate ID '{}' for netdev", netdev.id));
  }
  netdevs.push_back({context.where, qmp::ToNetdevSpec(netdev)});
  return {};
}

bool IsMac(std::string_view text) {
  if (text.size() != 17) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (i % 3 == 2 ? c != ':' && c != '-' : !hex) return false;
  }
  return true;
}

// The first byte is odd.
bool IsMulticast(std::string_view mac) {
  return std::string_view("13579bdfBDF").find(mac[1]) != std::string_view::npos;
}

}  // namespace

Status ApplyNetdev(ParseContext& context, ParamList& list) {
  if (list.help || list.Get("type") == "help") {
    context.options.show = Show::kNetdevs;
    return {};
  }
  return AddNetdev(context, list, false);
}

Status ApplyNic(ParseContext& context, ParamList& list) {
  if (list.json) return Fail("only key=value is available, no JSON");
  if (list.Get("type") == "none") return {};
  NicOption nic{context.where, list.Take("model").value_or(""), "", list.Take("mac").value_or("")};
  if (const auto long_form = list.Take("macaddr")) nic.mac = *long_form;
  if (!nic.mac.empty() && !IsMac(nic.mac)) return Fail("invalid syntax for ethernet address");
  if (!nic.mac.empty() && IsMulticast(nic.mac))
    return Fail("NIC cannot have multicast MAC address");
  const std::string* const id = list.Find("id");
  const bool id_is_ours = id == nullptr;
  nic.netdev = id != nullptr ? *id : fmt::format("#net{}00", context.nics.size());
  if (id_is_ours) list.Add("id", nic.netdev);
  DAVIT_TRY(AddNetdev(context, list, id_is_ours));
  context.nics.push_back(std::move(nic));
  return {};
}

Status ApplyNet(ParseContext&, ParamList& list) {
  if (list.Get("type") == "none") return {};
  return Fail("only none is available; use -netdev and -device, or -nic");
}

Status FinishNics(ParseContext& context) {
  const std::string& type = context.options.machine.type;
  const bool mmio = type.empty() || type == "microvm";
  std::vector<PendingDevice> devices;
  for (const NicOption& nic : context.nics) {
    std::string driver = nic.model;
    if (driver.empty() || driver == "virtio") {
      driver = mmio ? "virtio-net-device" : "virtio-net-pci";
    } else if (!driver.starts_with("virtio-net")) {
      return Fail(fmt::format("Unsupported NIC model: {}", nic.model));
    }
    PendingDevice device{nic.where, {}};
    device.list.Add("driver", driver);
    device.list.Add("netdev", nic.netdev);
    if (!nic.mac.empty()) device.list.Add("mac", nic.mac);
    devices.push_back(std::move(device));
  }
  // As in QEMU they are there before what -device adds.
  context.devices.insert(context.devices.begin(), std::make_move_iterator(devices.begin()),
                         std::make_move_iterator(devices.end()));
  return {};
}

}  // namespace davit::daemon
