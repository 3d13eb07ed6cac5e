// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-net.
#include <fmt/format.h>

#include <bit>
#include <charconv>

#include "vmm/machine/devices/makers.h"
#include "vmm/machine/net/netdevs.h"
#include "vmm/virtio/net/net.h"

namespace davit::machine {
namespace {

using virtio::NetConfig;
namespace net = virtio::net;

struct Switch {
  const char* property;
  uint64_t feature;
};
constexpr Switch kSwitches[] = {
    {"csum", net::kCsum},
    {"ctrl_guest_offloads", net::kCtrlGuestOffloads},
    {"ctrl_mac_addr", net::kCtrlMacAddr},
    {"ctrl_rx", net::kCtrlRx},
    {"ctrl_rx_extra", net::kCtrlRxExtra},
    {"ctrl_vlan", net::kCtrlVlan},
    {"ctrl_vq", net::kCtrlVq},
    {"guest_announce", net::kGuestAnnounce},
    {"guest_csum", net::kGuestCsum},
    {"guest_ecn", net::kGuestEcn},
    {"guest_tso4", net::kGuestTso4},
    {"guest_tso6", net::kGuestTso6},
    {"guest_ufo", net::kGuestUfo},
    {"host_ecn", net::kHostEcn},
    {"host_tso4", net::kHostTso4},
    {"host_tso6", net::kHostTso6},
    {"host_ufo", net::kHostUfo},
    {"mrg_rxbuf", net::kMrgRxbuf},
    {"status", net::kStatus},
};

// The schema has checked the text: pairs of digits with a character between.
net::MacAddress ParseMac(const std::string& text) {
  net::MacAddress mac{};
  for (size_t i = 0; i < mac.size() && 3 * i + 2 <= text.size(); ++i) {
    std::from_chars(text.data() + 3 * i, text.data() + 3 * i + 2, mac[i], 16);
  }
  return mac;
}

Result<uint16_t> QueueSize(const DeviceProperties& props, const char* name, const char* end) {
  const uint64_t size = props.Uint(name);
  if (size >= 256 && size <= 1024 && std::has_single_bit(size)) return static_cast<uint16_t>(size);
  return Fail(fmt::format("Invalid {} (= {}), must be a power of 2 between 256 and 1024{}", name,
                          size, end));
}

Status ReadLinkProperties(const DeviceProperties& props, NetConfig& config) {
  const std::string duplex = props.Text("duplex");
  if (duplex == "half") {
    config.duplex = 0;
  } else if (duplex == "full") {
    config.duplex = 1;
  } else if (props.Has("duplex")) {
    return Fail("'duplex' must be 'half' or 'full'");
  }
  const int64_t speed = props.Int("speed");
  if (speed < -1) return Fail("'speed' must be between 0 and INT_MAX");
  config.speed = static_cast<int32_t>(speed);
  config.mtu = static_cast<uint16_t>(props.Uint("host_mtu"));
  return {};
}

// The object that QEMU names in events: the device inside the PCI function.
std::string PathOf(const DeviceProperties& props) {
  const std::string place = props.id().empty() ? "/machine/peripheral-anon/" + props.driver()
                                               : "/machine/peripheral/" + props.id();
  return props.driver().ends_with("-device") ? place : place + "/virtio-backend";
}

}  // namespace

MadeVirtio MakeNet(DeviceContext& context, const DeviceProperties& props) {
  if (context.netdevs == nullptr) return Fail("network cards are not available");
  Netdevs& netdevs = *context.netdevs;
  NetConfig config;
  for (const Switch& row : kSwitches) {
    if (!props.Bool(row.property)) config.features_off |= row.feature;
  }
  DAVIT_TRY(ReadLinkProperties(props, config));
  DAVIT_ASSIGN(config.rx_queue_size, QueueSize(props, "rx_queue_size", "."));
  DAVIT_ASSIGN(config.tx_queue_size, QueueSize(props, "tx_queue_size", ""));
  Netdevs::NicRequest request{props.id(), props.driver(), std::nullopt, std::nullopt};
  if (props.Has("netdev")) request.netdev = props.Text("netdev");
  if (props.Has("mac")) request.mac = ParseMac(props.Text("mac"));
  DAVIT_ASSIGN(const Netdevs::NewNic nic, netdevs.AddNic(request));
  NicRow& row = *nic.row;
  row.path = PathOf(props);
  config.mac = row.mac;
  config.mq = props.Bool("mq");
  if (config.mq) config.queue_pairs = static_cast<uint16_t>(row.queues);
  config.backend = nic.backend;
  config.vhost = nic.vhost;
  config.link_up = nic.link_up;
  config.loop = &netdevs.loop();
  config.on_rx_filter_change = [&netdevs, &row] { netdevs.RxFilterChanged(row); };
  config.keep = nic.row;
  DAVIT_ASSIGN(std::unique_ptr<virtio::Net> card, virtio::Net::Create(std::move(config)));
  row.net = card.get();
  return card;
}

// The address that it was given, or got.
std::optional<Result<control::PropertyValue>> GetNetProperty(virtio::VirtioDevice& device,
                                                             std::string_view name) {
  if (name != "mac") return std::nullopt;
  const net::MacAddress& mac = static_cast<virtio::Net&>(device).mac();
  return control::PropertyValue{fmt::format("{:02x}", fmt::join(mac, ":"))};
}

}  // namespace davit::machine
