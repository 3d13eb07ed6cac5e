// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-mem end to end: what the host asks for reaches the driver, blocks come and go, and QMP
// shows and tells it. Runs on QEMU, too.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/virtio/virtio.h"
#include "vmm/virtio/mem/wire.h"

namespace davit::qtest {
namespace {

namespace mem = virtio::mem;

constexpr int64_t kMib = 1024 * 1024;
constexpr uint64_t kWindow = uint64_t{4} << 30;
constexpr uint64_t kBlock = 2 * kMib;
constexpr uint32_t kUsable = 32, kPlugged = 40, kRequested = 48;  // in the configuration space

class VirtioMemQtest : public ::testing::Test {
 protected:
  VirtioMemQtest()
      : m_({"-M", "q35", "-m", "256M,maxmem=4G", "-object",
            "memory-backend-ram,id=m0,size=1G,reserve=off", "-device",
            "virtio-mem-pci,id=v,memdev=m0,requested-size=64M"}),
        dev_(FindVirtio(m_, virtio::kIdMem)) {
    EXPECT_TRUE(dev_->Start());
  }
  int Ask(uint16_t type, uint64_t address = 0, uint16_t blocks = 0) {
    mem::Request request{};
    request.type = type;
    request.addr = address;
    request.nb_blocks = blocks;
    const auto used = dev_->queue(0).Do(Request().Struct(request).Writable(sizeof(mem::Response)));
    if (!used || used->length != sizeof(mem::Response)) return -1;
    mem::Response response;
    std::memcpy(&response, used->bytes.data(), sizeof(response));
    return response.type;
  }
  void AskFor(int64_t bytes) {
    m_.Qmp("qom-set", {{"path", "v"}, {"property", "requested-size"}, {"value", bytes}});
  }
  int64_t Size() {
    const json::Value size = m_.Qmp("qom-get", {{"path", "v"}, {"property", "size"}});
    return size.AsInt() != nullptr ? *size.AsInt() : -1;
  }

  Machine m_;
  std::unique_ptr<Virtio> dev_;
};

TEST_F(VirtioMemQtest, WhatTheHostAsksForReachesTheDriver) {
  EXPECT_EQ(dev_->Config<uint64_t>(0), kBlock);
  EXPECT_EQ(dev_->Config<uint64_t>(16), kWindow);
  EXPECT_EQ(dev_->Config<uint64_t>(kRequested), uint64_t{64 * kMib});
  AskFor(128 * kMib);
  EXPECT_TRUE(m_.WaitFor([&] { return dev_->TakeConfigInterrupt(); }));
  EXPECT_EQ(dev_->Config<uint64_t>(kRequested), uint64_t{128 * kMib});
  EXPECT_EQ(dev_->Config<uint64_t>(kUsable), uint64_t{384 * kMib});
}

TEST_F(VirtioMemQtest, BlocksComeAndGo) {
  ASSERT_EQ(Ask(mem::kPlug, kWindow, 2), mem::kAck);
  const auto event = m_.qmp().WaitEvent("MEMORY_DEVICE_SIZE_CHANGE");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["size"], json::Value(4 * kMib));
  EXPECT_EQ(event->data["id"], json::Value("v"));
  EXPECT_EQ(event->data["qom-path"], json::Value("/machine/peripheral/v"));
  EXPECT_EQ(Size(), 4 * kMib);
  EXPECT_EQ(m_.Qmp("query-memory-size-summary")["plugged-memory"], json::Value(4 * kMib));
  m_.Write(kWindow, 8, 0x1234);
  m_.Write(kWindow + kBlock, 8, 0x5678);
  ASSERT_EQ(Ask(mem::kUnplug, kWindow, 1), mem::kAck);
  EXPECT_EQ(m_.Read(kWindow, 8), 0U);
  EXPECT_EQ(m_.Read(kWindow + kBlock, 8), 0x5678U);
  EXPECT_EQ(Ask(mem::kUnplug, kWindow, 1), mem::kError);
  EXPECT_EQ(Ask(mem::kPlug, kWindow, 33), mem::kNack);
  EXPECT_EQ(dev_->Config<uint64_t>(kPlugged), kBlock);
}

TEST_F(VirtioMemQtest, DeviceResetKeepsMemoryAndSystemResetTakesIt) {
  ASSERT_EQ(Ask(mem::kPlug, kWindow, 4), mem::kAck);
  m_.Write(kWindow, 8, 0x1234);
  ASSERT_TRUE(dev_->Start());
  EXPECT_EQ(dev_->Config<uint64_t>(kPlugged), 4 * kBlock);
  EXPECT_EQ(m_.Read(kWindow, 8), 0x1234U);
  m_.Qmp("system_reset");
  ASSERT_TRUE(m_.qmp().WaitEvent("RESET"));
  EXPECT_EQ(Size(), 0);
  EXPECT_EQ(m_.Read(kWindow, 8), 0U);
}

TEST_F(VirtioMemQtest, QueriesShowIt) {
  ASSERT_EQ(Ask(mem::kPlug, kWindow, 1), mem::kAck);
  const json::Value devices = m_.Qmp("query-memory-devices");
  ASSERT_TRUE(devices.AsArray() != nullptr && devices.AsArray()->size() == 1);
  const json::Value& device = (*devices.AsArray())[0];
  EXPECT_EQ(device["type"], json::Value("virtio-mem"));
  EXPECT_EQ(device["data"]["size"], json::Value(2 * kMib));
  EXPECT_EQ(device["data"]["requested-size"], json::Value(64 * kMib));
  EXPECT_EQ(device["data"]["max-size"], json::Value(1024 * kMib));
}

}  // namespace
}  // namespace davit::qtest
