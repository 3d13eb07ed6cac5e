// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Kata Containers. govmm (the Go runtime) looks at the version first, gives properties of devices
// as strings, and waits for the event that tells of a command's effect. runtime-rs reads with a
// timeout of 250 ms, so nobody else may hold up its answers.
#include <fcntl.h>

#include <string>

#include "tests/clients/fixture.h"

namespace davit::testing {
namespace {

class KataTest : public ClientTest {
 protected:
  Wire Open() {
    Wire wire = Connect();
    const json::Value greeting = Message(wire);
    const int64_t* major = greeting["QMP"]["version"]["qemu"]["major"].AsInt();
    EXPECT_TRUE(major != nullptr && *major >= 5);
    EXPECT_DONE(Ask(wire, "{\"execute\":\"qmp_capabilities\"}\n"));
    return wire;
  }
};

TEST_F(KataTest, DevicePropertiesAreStrings) {
  Wire wire = Open();
  EXPECT_DONE(Ask(wire, R"({"execute":"netdev_add","arguments":{"type":"user","id":"net0"}})"
                        "\n"));
  EXPECT_DONE(Ask(wire, R"({"execute":"device_add","arguments":{"id":"nic0","driver":)"
                        R"("virtio-net-pci","netdev":"net0","mac":"02:00:ca:fe:00:04","bus":)"
                        R"("port0","addr":"00","mq":"off","vectors":4,"romfile":"",)"
                        R"("disable-modern":"false"}})"
                        "\n"));
  EXPECT_DONE(Ask(wire, R"({"execute":"blockdev-add","arguments":{"driver":"null-co",)"
                        R"("node-name":"drive0","read-zeroes":true}})"
                        "\n"));
  EXPECT_DONE(Ask(wire, R"({"execute":"device_add","arguments":{"id":"blk0","driver":)"
                        R"("virtio-blk-pci","drive":"drive0","bus":"port1","addr":"0x0",)"
                        R"("num-queues":"1","share-rw":"on","config-wce":"off"}})"
                        "\n"));
}

TEST_F(KataTest, AnOptionRomIsRefusedByName) {
  Wire wire = Open();
  EXPECT_DONE(Ask(wire,
                  "{\"execute\":\"netdev_add\",\"arguments\":{\"type\":\"user\",\"id\":"
                  "\"net0\"}}\n"));
  const json::Value answer =
      Ask(wire, R"({"execute":"device_add","arguments":{"id":"nic0","driver":"virtio-net-pci",)"
                R"("netdev":"net0","bus":"port0","romfile":"efi-virtio.rom"}})"
                "\n");
  EXPECT_REFUSED(answer, "GenericError",
                 "virtio-net-pci: romfile 'efi-virtio.rom': option ROMs are not supported");
}

TEST_F(KataTest, DeviceDelIsDoneWhenItsEventHasCome) {
  Wire wire = Open();
  EXPECT_DONE(Ask(wire,
                  "{\"execute\":\"device_add\",\"arguments\":{\"id\":\"rng0\",\"driver\":"
                  "\"virtio-rng-pci\",\"bus\":\"port0\"}}\n"));
  ASSERT_TRUE(wire.Send("{\"execute\":\"device_del\",\"arguments\":{\"id\":\"rng0\"}}\n"));
  EXPECT_DONE(Message(wire));
  json::Value event;
  do {
    event = Event(wire, "DEVICE_DELETED");
  } while (event.is_object() && event["data"]["device"] != json::Value("rng0"));
  EXPECT_EQ(event["data"]["path"], json::Value("/machine/peripheral/rng0"));
  EXPECT_REFUSED(Ask(wire, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"rng0\"}}\n"),
                 "DeviceNotFound", "Device 'rng0' not found");
}

TEST_F(KataTest, ItWaitsForPowerdownAndThenForTheEnd) {
  Wire wire = Open();
  ASSERT_TRUE(wire.Send("{\"execute\":\"system_powerdown\"}\n"));
  EXPECT_EQ(Event(wire, "POWERDOWN")["data"], json::Value());
  EXPECT_DONE(Message(wire));
  ASSERT_TRUE(wire.Send("{\"execute\":\"quit\"}\n"));
  EXPECT_EQ(Event(wire, "SHUTDOWN")["data"]["reason"], json::Value("host-qmp-quit"));
  EXPECT_DONE(Message(wire));
  EXPECT_TRUE(wire.AtEnd());
}

TEST_F(KataTest, DescriptorsComeWithTheCommandThatTakesThem) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  Wire wire = Open();
  ASSERT_TRUE(
      wire.SendWithFd("{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"fd7\"}}\n", null.get()));
  EXPECT_DONE(Reply(wire));
}

// A client that asks for much and reads nothing is no reason to wait: its answers lie in davitd.
TEST_F(KataTest, OthersDoNotHoldUpAnAnswer) {
  Wire flood = Open();
  std::string commands;
  for (int i = 0; i < 30; ++i) commands += "{\"execute\":\"query-qmp-schema\"}\n";
  ASSERT_TRUE(flood.Send(commands));
  Wire wire = Open();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Ask(wire, "{\"execute\":\"query-status\"}\n")["return"]["status"],
              json::Value("running"));
  }
  // It has not lost anything by it.
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(Message(flood)["return"].is_array());
}

}  // namespace
}  // namespace davit::testing
