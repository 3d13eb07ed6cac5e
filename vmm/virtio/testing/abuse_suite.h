// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a hostile driver does to any virtio device: broken rings, chains, buffers, requests and
// register writes (docs/threat-model.md). A device's test takes all of it with one line outside of
// any function, at namespace davit::virtio or deeper:
//
//   DAVIT_VIRTIO_ABUSE_SUITE(Rng, (AbuseTarget{
//       .make = [](io::FakeEventLoop&) { return std::make_unique<Rng>(RngConfig{}); },
//       .served = {0},                       // queues that a kick drains
//       .settle = [](Driver& driver) {...}}));  // runs the back end's callbacks; may be left out
//
// and deps + "//vmm/virtio/testing:abuse_suite". Each case runs on split and on packed rings. It
// holds when the process lives, guest RAM that no descriptor names is untouched, nothing is given
// back that was not queued or with more bytes than fit, and the device works after a reset. Where a
// chain breaks the rules of the ring and its queue is one of `served`, the device must have gone
// NEEDS_RESET. State of the back end that `make` captures is shared by the cases of one test.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "vmm/virtio/testing/driver.h"

namespace davit::virtio::testing {

struct AbuseTarget {
  Driver::MakeDevice make;
  std::vector<uint16_t> served;
  std::function<void(Driver&)> settle;
  // What belongs to each device that `make` made and goes before it (ports); may be left out.
  std::function<std::shared_ptr<void>(Driver&)> equip = {};
  uint64_t window = 0;  // DriverOptions::window
  bool guard = true;  // false: requests name RAM by number (balloon), so that any of it may change
};

inline void PrintTo(const AbuseTarget&, std::ostream* os) { *os << "device"; }

class DeviceAbuse : public ::testing::TestWithParam<std::tuple<AbuseTarget, bool>> {
 protected:
  void TearDown() override;

  const AbuseTarget& target() const { return std::get<0>(GetParam()); }
  bool packed() const { return std::get<1>(GetParam()); }
  bool Served(uint16_t queue) const;

  // A fresh device with this suite's ring kind, and a guarded piece of RAM.
  Driver& Make(DriverOptions options = {});
  Driver& driver() { return *driver_; }
  SplitDriverRing& split(uint16_t queue);
  PackedDriverRing& packed_ring(uint16_t queue);
  // Runs `act` once for each queue of a fresh device, then End().
  void ForEachQueue(const std::function<void(uint16_t)>& act);
  // Kicks and lets the back end work.
  void Kick(uint16_t queue);
  void Settle();
  // After a chain that breaks the ring's rules.
  void ExpectBroken(uint16_t queue);
  // Guarded RAM is whole, what came back was queued; the device works after a reset.
  void End();
  void Reset();
  uint64_t ram_end() const;
  // `bytes` of it, pseudo-random, the same in each run.
  std::vector<uint8_t> Garbage(size_t bytes);
  uint32_t Random(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

 private:
  void Drop();

  std::unique_ptr<Driver> driver_;
  std::shared_ptr<void> equipment_;
  uint64_t guard_ = 0;
  std::mt19937_64 random_{1};
};

}  // namespace davit::virtio::testing

#define DAVIT_VIRTIO_ABUSE_SUITE(name, target)                                             \
  using ::davit::virtio::testing::AbuseTarget;                                             \
  using ::davit::virtio::testing::DeviceAbuse;                                             \
  using ::davit::virtio::testing::Driver;                                                  \
  INSTANTIATE_TEST_SUITE_P(                                                                \
      name, DeviceAbuse, ::testing::Combine(::testing::Values(target), ::testing::Bool()), \
      [](const auto& info) { return std::string(std::get<1>(info.param) ? "Packed" : "Split"); })
