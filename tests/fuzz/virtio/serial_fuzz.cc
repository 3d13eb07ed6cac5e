// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A virtio-serial device between a driver that says anything on the control queues, in any order
// and in buffers of any size, and a host end that opens, closes, sends, stalls, and plugs and
// unplugs ports meanwhile. What is kept of either side stays bounded.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/base/check.h"
#include "vmm/virtio/console/port.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {
namespace {

using backend::ChardevEvent;
using backend::FakeChardev;

class SerialFuzz {
 public:
  static constexpr uint32_t kPorts = 4;

  SerialFuzz(const uint8_t* data, size_t size) : stream_(data, size) {
    auto serial = std::make_unique<Serial>(SerialConfig{.max_ports = kPorts});
    serial_ = serial.get();
    testing::DriverOptions options;
    const uint8_t features = stream_.Next();
    options.frontend.packed = features & 1;
    if (features & 2) options.features = ~console::kMultiport;
    driver_ = std::make_unique<testing::Driver>(std::move(serial), options);
    for (FakeChardev& chardev : chardevs_) chardev.room = 64;
    Plug(0);
    Plug(1);
  }
  ~SerialFuzz() {
    for (auto& port : ports_) port.reset();
  }
  void Run() {
    // One operation costs guest memory; the driver takes none back.
    for (int n = 0; n < 500 && !stream_.done(); ++n) {
      const uint8_t what = stream_.Next();
      if (what & 0x80) {
        Host(what);
      } else {
        Guest(what);
      }
      for (FakeChardev& chardev : chardevs_) {
        DAVIT_CHECK(chardev.written.size() <= 1 << 20);
      }
    }
  }

 private:
  void Plug(size_t n) {
    SerialPortConfig config;
    config.console = n == 0;
    config.chardev = &chardevs_[n];
    if (n > 1) config.name = "port" + std::to_string(n);
    auto port = SerialPort::Create(*serial_, std::move(config));
    if (port) ports_[n] = std::move(*port);
  }

  static constexpr size_t kQueues = 2 * kPorts + 2;
  static constexpr size_t kMost = 16;  // chains of a queue in flight

  testing::DriverQueue& Queue(uint8_t code) { return driver_->queue(code % kQueues); }
  // Whether the driver has room for one more; counts it.
  bool Room(uint8_t code) {
    size_t& count = in_flight_[code % kQueues];
    count -= Queue(code).CollectUsed().size();
    return count < kMost && ++count != 0;
  }

  void Guest(uint8_t what) {
    const uint8_t code = stream_.Next();
    switch (what & 7) {
      case 0:
      case 1: {  // a message as it should be, of any content
        const console::Control message{code & 0x40 ? 0xffffff00U | code : code & 7U,
                                       static_cast<uint16_t>(stream_.Next() & 15),
                                       static_cast<uint16_t>(stream_.Next() & 1)};
        if (!Room(console::kControlTransmit)) return;
        driver_->queue(console::kControlTransmit).Add().Readable(message).Publish();
        return driver_->queue(console::kControlTransmit).Kick();
      }
      case 2: {  // any bytes to any queue
        std::string bytes(code & 31, '\0');
        for (char& c : bytes) c = static_cast<char>(stream_.Next());
        const uint8_t index = stream_.Next();
        if (!bytes.empty() && Room(index)) Queue(index).Add().Readable(bytes).Publish();
        return Queue(index).Kick();
      }
      case 3: {  // room for the device
        const uint8_t index = stream_.Next();
        if (Room(index)) Queue(index).Add().Writable(1 + (code & 63)).Publish();
        return Queue(index).Kick();
      }
      case 4:
        in_flight_[code % kQueues] -= Queue(code).CollectUsed().size();
        return;
      case 5:
        driver_->SetConfig<uint8_t>(code & 15, stream_.Next());
        return;
      case 6:
        driver_->loop().RunPosted();
        return;
      default:
        if (code & 1) return;
        driver_->Reset();
        in_flight_ = {};
        (void)driver_->Start();
        return;
    }
  }

  void Host(uint8_t what) {
    const size_t n = stream_.Next() % kPorts;
    FakeChardev& chardev = chardevs_[n];
    switch (what & 7) {
      case 0:
        return chardev.Send(ChardevEvent::kOpened);
      case 1:
        return chardev.Send(ChardevEvent::kClosed);
      case 2:
        return chardev.Send(ChardevEvent::kBreak);
      case 3:
        (void)chardev.Feed(std::string(1 + stream_.Next(), 'x'));
        return;
      case 4:
        return chardev.MakeRoom(stream_.Next());
      case 5:
        driver_->frontend().OnRunning(stream_.Next() & 1);
        return;
      case 6:
        ports_[n].reset();
        return;
      default:
        if (!ports_[n]) Plug(n);
        return;
    }
  }

  fuzz::AccessStream stream_;
  std::array<FakeChardev, kPorts> chardevs_;
  std::unique_ptr<testing::Driver> driver_;
  Serial* serial_ = nullptr;
  std::array<size_t, kQueues> in_flight_{};
  std::array<std::unique_ptr<SerialPort>, kPorts> ports_;
};

}  // namespace
}  // namespace davit::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  davit::virtio::SerialFuzz(data, size).Run();
  return 0;
}
