// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -netdev -nic -net. The words of errors are QEMU's.
#include <gtest/gtest.h>

#include "daemon/options/test_support.h"

namespace davit::daemon {
namespace {

// "key=value" of a netdev, "" when it is not there.
std::string Member(const control::NetdevSpec& spec, std::string_view name) {
  for (const auto& [key, value] : spec.properties) {
    if (key != name) continue;
    if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
    if (const auto* flag = std::get_if<bool>(&value.value)) return *flag ? "on" : "off";
    if (const auto* number = std::get_if<uint64_t>(&value.value)) return std::to_string(*number);
    std::string all;
    for (const auto& element : std::get<control::PropertyList>(value.value)) {
      all += "[" + std::get<std::string>(element.value) + "]";
    }
    return all;
  }
  return "";
}

std::string DeviceText(const Options& options, size_t index, std::string_view name) {
  for (const auto& [key, value] : options.machine.devices.at(index).spec.properties) {
    if (key == name) return std::get<std::string>(value.value);
  }
  return "";
}

TEST(NetdevOption, BothFormsGiveTheSame) {
  const Options options =
      Parse({"-netdev", "user,id=a,restrict=on,hostfwd=tcp::1-:2,hostfwd=tcp::3-:4,net=10.1.0.0/16",
             "-netdev",
             R"({"type":"user","id":"b","restrict":true,"net":"10.1.0.0/16",
                 "hostfwd":[{"str":"tcp::1-:2"},{"str":"tcp::3-:4"}]})"})
          .value();
  ASSERT_EQ(options.netdevs.size(), 2U);
  for (const NetdevOption& netdev : options.netdevs) {
    EXPECT_EQ(netdev.spec.type, "user");
    EXPECT_EQ(Member(netdev.spec, "restrict"), "on");
    EXPECT_EQ(Member(netdev.spec, "hostfwd"), "[tcp::1-:2][tcp::3-:4]");
    EXPECT_EQ(Member(netdev.spec, "net"), "10.1.0.0/16");
  }
  EXPECT_EQ(options.netdevs[0].spec.id, "a");
}

TEST(NetdevOption, NumbersAndSizes) {
  const Options options = Parse({"-netdev", "tap,id=t,sndbuf=1M,queues=4,script=no"}).value();
  const control::NetdevSpec& spec = options.netdevs.at(0).spec;
  EXPECT_EQ(Member(spec, "sndbuf"), "1048576");
  EXPECT_EQ(Member(spec, "queues"), "4");
  EXPECT_EQ(Member(spec, "script"), "no");
}

TEST(NetdevOption, Ipv6NetIsPrefixAndLength) {
  const Options options = Parse({"-netdev", "user,id=a,ipv6-net=fd00::/48", "-netdev",
                                 "user,id=b,ipv6-net=fd01::,ipv6-prefix=fec0::,ipv6-prefixlen=1"})
                              .value();
  EXPECT_EQ(Member(options.netdevs.at(0).spec, "ipv6-prefix"), "fd00::");
  EXPECT_EQ(Member(options.netdevs.at(0).spec, "ipv6-prefixlen"), "48");
  EXPECT_EQ(Member(options.netdevs.at(1).spec, "ipv6-prefix"), "fd01::");
  EXPECT_EQ(Member(options.netdevs.at(1).spec, "ipv6-prefixlen"), "64");
  const std::pair<const char*, const char*> cases[] = {
      {"user,id=n,ipv6-net=", "Parameter 'ipv6-net' expects a valid IPv6 prefix"},
      {"user,id=n,ipv6-net=fd00::/", "Parameter 'ipv6-prefixlen' expects a number"},
      {"user,id=n,ipv6-net=fd00::/64x", "Parameter 'ipv6-prefixlen' expects a number"},
      {"tap,id=n,ipv6-net=fd00::/64", "Invalid parameter 'ipv6-prefix'"},
      {"stream,id=n,addr.type=unix,addr.path=p,ipv6-net=fd00::/64",
       "Parameter 'ipv6-net' is unexpected"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(ErrorOf({"-netdev", text}), std::string("-netdev ") + text + ": " + message);
  }
}

TEST(NetdevOption, AddressesHaveDottedKeys) {
  const Options options =
      Parse({"-netdev", "stream,id=s,addr.type=inet,addr.host=h,addr.port=1,server=on", "-netdev",
             R"({"type":"dgram","id":"d","local":{"type":"fd","str":"7"}})"})
          .value();
  EXPECT_EQ(Member(options.netdevs.at(0).spec, "addr.host"), "h");
  EXPECT_EQ(Member(options.netdevs.at(0).spec, "server"), "on");
  EXPECT_EQ(Member(options.netdevs.at(1).spec, "local.type"), "fd");
  EXPECT_EQ(Member(options.netdevs.at(1).spec, "local.str"), "7");
}

TEST(NetdevOption, AnIpv6NetworkIsAPrefixAndItsLength) {
  const Options options =
      Parse({"-netdev", "user,id=a,ipv6-net=fd00:9::/56", "-netdev", "user,id=b,ipv6-net=fd00:9::"})
          .value();
  EXPECT_EQ(Member(options.netdevs.at(0).spec, "ipv6-prefix"), "fd00:9::");
  EXPECT_EQ(Member(options.netdevs.at(0).spec, "ipv6-prefixlen"), "56");
  EXPECT_EQ(Member(options.netdevs.at(1).spec, "ipv6-prefixlen"), "64");
}

TEST(NetdevOption, MistakesAreNamed) {
  const auto error = [](const char* text) {
    const std::string whole = ErrorOf({"-netdev", text});
    const std::string prefix = std::string("-netdev ") + text + ": ";
    return whole.starts_with(prefix) ? whole.substr(prefix.size()) : whole;
  };
  EXPECT_EQ(error("foo,id=x"), "Parameter 'type' does not accept value 'foo'");
  EXPECT_EQ(error("user"), "Parameter 'id' is missing");
  EXPECT_EQ(error("id=x"), "Parameter 'type' is missing");
  EXPECT_EQ(error("user,id=x,foo=1"), "Invalid parameter 'foo'");
  EXPECT_EQ(error("user,id=1x"),
            "Parameter 'id' expects an identifier\n"
            "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
  EXPECT_EQ(error(R"({"type":"user"})"), "Parameter 'id' is missing");
  EXPECT_EQ(error(R"({"type":"user","id":"x","foo":1})"), "Parameter 'foo' is unexpected");
  EXPECT_EQ(error(R"({"type":"bar","id":"x"})"), "Parameter 'type' does not accept value 'bar'");
  EXPECT_EQ(error("tap,id=x,sndbuf=foo"), "Parameter 'sndbuf' expects a size value");
  EXPECT_EQ(error("user,id=x,ipv6-net=fd00::/x"), "Parameter 'ipv6-prefixlen' expects a number");
  EXPECT_EQ(error("stream,id=x"), "Parameter 'addr' is missing");
  EXPECT_EQ(error("stream,id=x,addr.type=inet"), "Parameter 'addr.host' is missing");
  EXPECT_EQ(error("stream,id=x,addr.type=inet,addr.host=a,addr.port=1,reconnect=5"),
            "Parameter 'reconnect' is unexpected");
  EXPECT_EQ(ErrorOf({"-netdev", "user,id=x", "-netdev", "user,id=x"}),
            "-netdev user,id=x: Duplicate ID 'x' for netdev");
}

TEST(NetdevOption, HelpListsTheTypes) {
  EXPECT_EQ(Parse({"-netdev", "help"})->show, Show::kNetdevs);
}

TEST(NicOption, IsANetdevAndADevice) {
  const Options options =
      Parse({"-device", "virtio-net-pci,mac=52:54:00:00:00:01", "-M", "q35", "-nic",
             "user,restrict=on,mac=52:54:00:00:00:09", "-nic", "user,id=hh,model=virtio-net-pci"})
          .value();
  ASSERT_EQ(options.netdevs.size(), 2U);
  EXPECT_EQ(options.netdevs[0].spec.id, "#net000");
  EXPECT_EQ(Member(options.netdevs[0].spec, "restrict"), "on");
  EXPECT_EQ(options.netdevs[1].spec.id, "hh");
  ASSERT_EQ(options.machine.devices.size(), 3U);
  EXPECT_EQ(options.machine.devices[0].spec.driver, "virtio-net-pci");
  EXPECT_EQ(DeviceText(options, 0, "netdev"), "#net000");
  EXPECT_EQ(DeviceText(options, 0, "mac"), "52:54:00:00:00:09");
  EXPECT_EQ(DeviceText(options, 1, "netdev"), "hh");
  EXPECT_EQ(DeviceText(options, 2, "mac"), "52:54:00:00:00:01");
}

TEST(NicOption, TheMachineSaysTheTransport) {
  EXPECT_EQ(Parse({"-nic", "user"})->machine.devices.at(0).spec.driver, "virtio-net-device");
  EXPECT_EQ(Parse({"-nic", "user", "-M", "q35"})->machine.devices.at(0).spec.driver,
            "virtio-net-pci");
}

TEST(NicOption, NoneIsNone) {
  const Options options = Parse({"-nic", "none", "-net", "none"}).value();
  EXPECT_TRUE(options.netdevs.empty());
  EXPECT_TRUE(options.machine.devices.empty());
}

TEST(NicOption, MistakesAreNamed) {
  EXPECT_EQ(ErrorOf({"-nic", "user,model=foo"}), "Unsupported NIC model: foo");
  EXPECT_EQ(ErrorOf({"-nic", "user,model=virtio,mac=aa"}),
            "-nic user,model=virtio,mac=aa: invalid syntax for ethernet address");
  for (const char* nic : {"user,mac=01:00:00:00:00:00", "user,mac=5F:54:00:00:00:01",
                          "user,model=virtio,macaddr=fb-54-00-00-00-01"}) {
    EXPECT_EQ(ErrorOf({"-nic", nic}),
              std::string("-nic ") + nic + ": NIC cannot have multicast MAC address");
  }
  EXPECT_EQ(ErrorOf({"-nic", "foo"}), "-nic foo: Parameter 'type' does not accept value 'foo'");
  EXPECT_EQ(ErrorOf({"-nic", "user,foo=1"}), "-nic user,foo=1: Invalid parameter 'foo'");
  EXPECT_EQ(ErrorOf({"-net", "nic"}),
            "-net nic: only none is available; use -netdev and -device, or -nic");
}

}  // namespace
}  // namespace davit::daemon
