// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// GsiTable and KvmMsi over the fake KVM: routes of one user never disturb another's.
#include "vmm/irq/kvm_msi.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "vmm/kvm/fake.h"

namespace davit::irq {
namespace {

constexpr MsiMessage kFirst{0xfee00000, 0x31}, kSecond{0xfee01000, 0x42};

class KvmMsiTest : public ::testing::Test {
 protected:
  size_t Calls(const std::string& name) const {
    return static_cast<size_t>(std::count(vm_.calls.begin(), vm_.calls.end(), name));
  }
  // GSI -> data of the MSI routes in KVM's table.
  std::map<uint32_t, uint32_t> MsiRoutes() const {
    std::map<uint32_t, uint32_t> routes;
    for (const kvm::GsiRoute& route : vm_.routes) {
      if (const auto* msi = std::get_if<kvm::Msi>(&route.target)) routes[route.gsi] = msi->data;
    }
    return routes;
  }

  kvm::FakeVm vm_;
  GsiTable table_{vm_, GsiTable::InKernelPins(), 24};
  KvmMsi msi_{vm_, table_};
};

TEST_F(KvmMsiTest, TriggerSendsTheLastMessageAndNeedsNoRoute) {
  auto route = msi_.NewRoute();
  ASSERT_TRUE(route);
  (*route)->Trigger();
  EXPECT_TRUE(vm_.msis.empty());
  ASSERT_TRUE((*route)->Set(kFirst));
  ASSERT_TRUE((*route)->Set(kSecond));
  (*route)->Trigger();
  ASSERT_EQ(vm_.msis.size(), 1U);
  EXPECT_EQ(vm_.msis[0].address, kSecond.address);
  EXPECT_EQ(vm_.msis[0].data, kSecond.data);
  EXPECT_EQ(Calls("SetGsiRouting"), 0U);
}

TEST_F(KvmMsiTest, EventFdGetsARouteBesideThoseOfTheInKernelPins) {
  auto route = *msi_.NewRoute();
  ASSERT_TRUE(route->Set(kFirst));
  auto fd = route->event_fd();
  ASSERT_TRUE(fd);
  EXPECT_EQ(*route->event_fd(), *fd);
  EXPECT_EQ(MsiRoutes(), (std::map<uint32_t, uint32_t>{{24, 0x31}}));
  EXPECT_EQ(vm_.irqfds, (std::map<int, uint32_t>{{*fd, 24}}));
  EXPECT_EQ(vm_.routes.size(), 24U + 16 + 1);  // each ISA line is in the 8259s and the IOAPIC
}

TEST_F(KvmMsiTest, EventFdBeforeTheFirstMessageIsConnectedByIt) {
  auto route = *msi_.NewRoute();
  auto fd = route->event_fd();
  ASSERT_TRUE(fd);
  EXPECT_TRUE(vm_.irqfds.empty());
  ASSERT_TRUE(route->Set(kFirst));
  EXPECT_EQ(vm_.irqfds, (std::map<int, uint32_t>{{*fd, 24}}));
}

TEST_F(KvmMsiTest, ChangeAndEndOfOneRouteLeaveTheOthers) {
  auto a = *msi_.NewRoute(), b = *msi_.NewRoute();
  ASSERT_TRUE(a->Set(kFirst) && b->Set(kFirst));
  ASSERT_TRUE(a->event_fd() && b->event_fd());
  ASSERT_TRUE(b->Set(kSecond));
  EXPECT_EQ(MsiRoutes(), (std::map<uint32_t, uint32_t>{{24, 0x31}, {25, 0x42}}));
  a.reset();
  EXPECT_EQ(MsiRoutes(), (std::map<uint32_t, uint32_t>{{25, 0x42}}));
  EXPECT_EQ(vm_.irqfds.size(), 1U);
  auto c = *msi_.NewRoute();
  ASSERT_TRUE(c->Set(kFirst) && c->event_fd());
  EXPECT_EQ(MsiRoutes(), (std::map<uint32_t, uint32_t>{{24, 0x31}, {25, 0x42}}));
}

TEST_F(KvmMsiTest, SameMessageAgainChangesNothing) {
  auto route = *msi_.NewRoute();
  ASSERT_TRUE(route->Set(kFirst) && route->event_fd());
  const size_t before = Calls("SetGsiRouting");
  ASSERT_TRUE(route->Set(kFirst));
  EXPECT_EQ(Calls("SetGsiRouting"), before);
}

TEST_F(KvmMsiTest, RefusedRouteLeavesTheOldMessage) {
  auto route = *msi_.NewRoute();
  ASSERT_TRUE(route->Set(kFirst) && route->event_fd());
  vm_.fail_call = "SetGsiRouting";
  EXPECT_FALSE(route->Set(kSecond));
  vm_.fail_call.clear();
  route->Trigger();
  EXPECT_EQ(vm_.msis.at(0).data, kFirst.data);
  EXPECT_EQ(MsiRoutes(), (std::map<uint32_t, uint32_t>{{24, 0x31}}));
}

TEST_F(KvmMsiTest, RefusedIrqfdGivesTheRouteBack) {
  auto route = *msi_.NewRoute();
  ASSERT_TRUE(route->Set(kFirst));
  vm_.fail_call = "AddIrqfd";
  EXPECT_FALSE(route->event_fd());
  EXPECT_TRUE(MsiRoutes().empty());
  vm_.fail_call.clear();
  EXPECT_TRUE(route->event_fd());
}

TEST_F(KvmMsiTest, NewPinsLeaveTheMessages) {
  auto route = *msi_.NewRoute();
  ASSERT_TRUE(route->Set(kFirst) && route->event_fd());
  ASSERT_TRUE(table_.SetPins({{3, kvm::Msi{0xfee00000, 0x33}}}));
  EXPECT_EQ(MsiRoutes(), (std::map<uint32_t, uint32_t>{{3, 0x33}, {24, 0x31}}));
  EXPECT_EQ(vm_.routes.size(), 2U);
}

TEST_F(KvmMsiTest, FullTableRefusesOneMore) {
  std::vector<kvm::GsiRoute> pins(GsiTable::kMaxRoutes - 1, kvm::GsiRoute{0, kvm::Msi{}});
  ASSERT_TRUE(table_.SetPins(std::move(pins)));
  auto gsi = table_.Add({});
  ASSERT_TRUE(gsi);
  EXPECT_FALSE(table_.Add({}));
  table_.Remove(*gsi);
  EXPECT_TRUE(table_.Add({}));
}

}  // namespace
}  // namespace davit::irq
