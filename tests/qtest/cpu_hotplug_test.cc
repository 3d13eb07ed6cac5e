// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// CPUs that come and go on the q35, with a test as the guest's ACPI driver: registers, GPE, events
// and what queries show. QEMU's own vCPUs cannot come a second time without KVM, so cases that need
// that run on davitd alone.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "schema/runtime/json/json.h"
#include "tests/support/virtio/pci.h"

namespace davit::qtest {
namespace {

constexpr uint16_t kPorts = 0xcd8;
constexpr uint16_t kSelector = kPorts, kFlags = kPorts + 4, kCommand = kPorts + 5,
                   kData = kPorts + 8;
constexpr uint8_t kPresent = 1, kInserting = 2, kRemoving = 4, kEject = 8;
constexpr uint8_t kNextWithEvent = 0, kOstEvent = 1, kOstStatus = 2;
constexpr Bdf kLpc{0, 31, 0};
constexpr uint16_t kPm = 0x600, kGpeStatus = kPm + 0x20, kGpeEnable = kPm + 0x28;
constexpr uint8_t kCpuGpe = 1 << 2;
constexpr unsigned kSciGsi = 9;

class CpuHotplugQtest : public ::testing::Test {
 protected:
  static std::vector<std::string> Args(const std::vector<std::string>& more = {}) {
    std::vector<std::string> args = {"-M",  "q35",  "-cpu",
                                     "max", "-smp", "2,maxcpus=4,sockets=4,cores=1,threads=1"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  // As the DSDT's _INI, and with the GPE enabled.
  void StartDriver() {
    PciWrite(m_, kLpc, 0x40, 4, kPm | 1);
    PciWrite(m_, kLpc, 0x44, 1, 0x80);
    m_.InterceptIoapic();
    m_.OutB(kGpeEnable, kCpuGpe);
    m_.Out(kPm + 4, 2, 1);
    m_.Out(kSelector, 4, 0);
  }
  uint8_t FlagsOf(uint32_t index) {
    m_.Out(kSelector, 4, index);
    return m_.InB(kFlags);
  }
  void Write(uint32_t index, uint8_t flags) {
    m_.Out(kSelector, 4, index);
    m_.OutB(kFlags, flags);
  }
  static json::Object Ids(const std::string& id, int64_t socket) {
    return {{"driver", "max-x86_64-cpu"},
            {"id", id},
            {"socket-id", socket},
            {"core-id", int64_t{0}},
            {"thread-id", int64_t{0}}};
  }
  // "ok", or what is wrong.
  std::string Try(std::string_view command, json::Object arguments) {
    auto done = m_.qmp().Execute(command, std::move(arguments));
    return done ? "ok" : done.error().message;
  }
  // "DEVICE PATH" of the next DEVICE_DELETED.
  std::string Deleted() {
    auto event = m_.qmp().WaitEvent("DEVICE_DELETED");
    if (!event) return event.error().message;
    const std::string* device = event->data["device"].AsString();
    return (device != nullptr ? *device : "-") + " " + *event->data["path"].AsString();
  }
  // The indexes in the order of query-cpus-fast, and their paths.
  std::string Cpus() {
    std::string text;
    const json::Value cpus = m_.Qmp("query-cpus-fast");
    for (const json::Value& cpu : *cpus.AsArray()) {
      text += std::to_string(*cpu["cpu-index"].AsInt()) + "=" + *cpu["qom-path"].AsString() + " ";
    }
    return text;
  }

  Machine m_{Args({"-device", "max-x86_64-cpu,id=c3,socket-id=3,core-id=0,thread-id=0"})};
};

constexpr char kStart[] = "0=/machine/unattached/device[0] 1=/machine/unattached/device[2] ";

TEST_F(CpuHotplugQtest, CpuOfTheCommandLineIsThereWithoutAnEvent) {
  EXPECT_EQ(m_.InB(kPorts), 0x0bU) << "the bitmap, before the driver";
  EXPECT_EQ(Cpus(), kStart + std::string("3=/machine/peripheral/c3 "));
  StartDriver();
  EXPECT_EQ(FlagsOf(2), 0U);
  EXPECT_EQ(FlagsOf(3), kPresent);
  EXPECT_EQ(m_.InB(kGpeStatus), 0U);
}

TEST_F(CpuHotplugQtest, EjectedCpuGoesWithItsThreadAndItsName) {
  StartDriver();
  Write(3, kEject);
  EXPECT_EQ(Deleted(), "- /machine/peripheral/c3/lapic");
  if (!Machine::IsQemu()) {
    EXPECT_EQ(Deleted(), "c3 /machine/peripheral/c3");
  }
  EXPECT_EQ(FlagsOf(3), 0U);
  EXPECT_EQ(Cpus(), kStart);
}

TEST_F(CpuHotplugQtest, GuestMayEjectCpusThatTheMachineHasStartedWithButTheFirst) {
  StartDriver();
  Write(1, kEject);
  EXPECT_EQ(Deleted(), "- /machine/unattached/device[2]/lapic");
  if (!Machine::IsQemu()) {
    EXPECT_EQ(Deleted(), "- /machine/unattached/device[2]");
  }
  Write(0, kEject);
  EXPECT_EQ(FlagsOf(0), kPresent);
  EXPECT_EQ(Cpus(), "0=/machine/unattached/device[0] 3=/machine/peripheral/c3 ");
}

TEST_F(CpuHotplugQtest, DeviceAddTellsTheGuestAndDeviceDelAsksIt) {
  StartDriver();
  EXPECT_EQ(Try("device_add", Ids("c2", 2)), "ok");
  EXPECT_EQ(m_.InB(kGpeStatus), kCpuGpe);
  EXPECT_TRUE(m_.Line(kSciGsi));
  m_.OutB(kGpeStatus, kCpuGpe);
  EXPECT_FALSE(m_.Line(kSciGsi));
  m_.OutB(kCommand, kNextWithEvent);
  EXPECT_EQ(m_.In(kData, 4), 2U);
  EXPECT_EQ(m_.InB(kFlags), kPresent | kInserting);
  m_.OutB(kFlags, kInserting);
  EXPECT_EQ(Cpus(), kStart + std::string("3=/machine/peripheral/c3 2=/machine/peripheral/c2 "));

  EXPECT_EQ(Try("device_del", {{"id", "c2"}}), "ok");
  EXPECT_EQ(Try("device_del", {{"id", "c2"}}), "ok");
  EXPECT_EQ(m_.InB(kGpeStatus), kCpuGpe);
  EXPECT_EQ(FlagsOf(2), kPresent | kRemoving);
  Write(2, kRemoving);
  EXPECT_EQ(FlagsOf(2), kPresent) << "the guest may keep it";
  Write(2, kEject);
  EXPECT_EQ(Deleted(), "- /machine/peripheral/c2/lapic");
  if (!Machine::IsQemu()) {
    EXPECT_EQ(Deleted(), "c2 /machine/peripheral/c2");
    EXPECT_EQ(Try("device_del", {{"id", "c2"}}), "Device 'c2' not found");
    EXPECT_EQ(Try("device_add", Ids("c2", 2)), "ok");
    EXPECT_EQ(FlagsOf(2), kPresent | kInserting);
  }
}

TEST_F(CpuHotplugQtest, WhatCannotBeIsSaidInWords) {
  EXPECT_EQ(Try("device_del", {{"id", "c3"}}),
            "acpi: device unplug request for not supported device type: max-x86_64-cpu");
  StartDriver();
  EXPECT_EQ(Try("device_add", Ids("c3", 2)), "Duplicate device ID 'c3'");
  EXPECT_EQ(Try("device_add", Ids("x", 3)), "CPU[3] with APIC ID 3 exists");
  EXPECT_EQ(Try("device_add", Ids("x", 9)), "Invalid CPU socket-id: 9 must be in range 0:3");
  EXPECT_EQ(Try("device_add", {{"driver", "max-x86_64-cpu"}}), "CPU socket-id is not set");
  EXPECT_EQ(Try("device_del", {{"id", "/machine/unattached/device[0]"}}),
            "Boot CPU is unpluggable");
  EXPECT_EQ(m_.InB(kGpeStatus), 0U) << "none of it reaches the guest";
  EXPECT_EQ(Cpus(), kStart + std::string("3=/machine/peripheral/c3 "));
}

TEST_F(CpuHotplugQtest, FirmwareFindsHowManyCpusThereAre) {
  const auto count = [this] {
    m_.Out(0x510, 2, 5);  // NB_CPUS
    return m_.InB(0x511);
  };
  EXPECT_EQ(count(), 3);
  EXPECT_EQ(Try("device_add", Ids("c2", 2)), "ok");
  EXPECT_EQ(count(), 4);
  m_.OutB(0x70, 0x5f);
  EXPECT_EQ(m_.InB(0x71), 3);
  StartDriver();
  Write(2, kEject);
  Deleted();
  m_.OutB(0x70, 0x5f);
  EXPECT_EQ(m_.InB(0x71), 2);
  EXPECT_EQ(count(), 3);
}

TEST_F(CpuHotplugQtest, WhatTheDriverReportsIsAnEventAndStays) {
  EXPECT_TRUE(m_.Qmp("query-acpi-ospm-status").AsArray()->empty()) << "no driver yet";
  StartDriver();
  m_.Out(kSelector, 4, 3);
  m_.OutB(kCommand, kOstEvent);
  m_.Out(kData, 4, 1);
  m_.OutB(kCommand, kOstStatus);
  m_.Out(kData, 4, 0x80);
  auto event = m_.qmp().WaitEvent("ACPI_DEVICE_OST");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(json::Write(event->data),
            R"({"info": {"device": "c3", "source": 1, "status": 128, "slot": "3", )"
            R"("slot-type": "CPU"}})");
  const json::Value status = m_.Qmp("query-acpi-ospm-status");
  ASSERT_EQ(status.AsArray()->size(), 4U);
  EXPECT_EQ(json::Write((*status.AsArray())[1]),
            R"({"source": 0, "status": 0, "slot": "1", "slot-type": "CPU"})");
  EXPECT_EQ(json::Write((*status.AsArray())[3]),
            R"({"device": "c3", "source": 1, "status": 128, "slot": "3", "slot-type": "CPU"})");
}

// QEMU leaves it at ACPI_DEVICE_OST.
TEST_F(CpuHotplugQtest, CpuThatTheGuestKeepsIsNamed) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU has no such event of CPUs";
  StartDriver();
  const std::string path = "/machine/unattached/device[2]";
  for (const auto& [index, id] : {std::pair(1U, path), {3U, std::string("c3")}}) {
    ASSERT_EQ(Try("device_del", {{"id", id}}), "ok");
    m_.Out(kSelector, 4, index);
    m_.OutB(kCommand, kOstEvent);
    m_.Out(kData, 4, 3);
    m_.OutB(kCommand, kOstStatus);
    m_.Out(kData, 4, 0x82);
    auto event = m_.qmp().WaitEvent("DEVICE_UNPLUG_GUEST_ERROR");
    ASSERT_TRUE(event) << event.error();
    EXPECT_EQ(json::Write(event->data),
              index == 1 ? "{\"path\": \"" + path + "\"}"
                         : R"({"device": "c3", "path": "/machine/peripheral/c3"})");
  }
  EXPECT_EQ(Cpus(), kStart + std::string("3=/machine/peripheral/c3 "));
}

TEST_F(CpuHotplugQtest, ReportAfterTheEjectionNamesNoDevice) {
  StartDriver();
  Write(3, kEject);
  m_.OutB(kCommand, kOstEvent);
  m_.Out(kData, 4, 3);
  m_.OutB(kCommand, kOstStatus);
  m_.Out(kData, 4, 0);
  auto event = m_.qmp().WaitEvent("ACPI_DEVICE_OST");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(json::Write(event->data),
            R"({"info": {"source": 3, "status": 0, "slot": "3", "slot-type": "CPU"}})");
}

TEST_F(CpuHotplugQtest, InterfaceAndCpusStayThroughAReset) {
  StartDriver();
  m_.Qmp("system_reset");
  EXPECT_EQ(FlagsOf(3), kPresent);
  EXPECT_EQ(Cpus(), kStart + std::string("3=/machine/peripheral/c3 "));
}

}  // namespace
}  // namespace davit::qtest
