// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/virtio/net/net.h"

#include <gtest/gtest.h>

#include <string>

#include "vmm/base/endian.h"
#include "vmm/virtio/net/rarp.h"
#include "vmm/virtio/net/test_support.h"

namespace davit::virtio {
namespace {

TEST_F(NetTest, FrameIsSentBehindItsHeader) {
  Start();
  driver_->queue(kTx).Add().Readable(kNoHeader + Frame(100)).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_EQ(driver_->queue(kTx).CollectUsed().size(), 1U);
  EXPECT_EQ(fake_.sent, std::vector{kNoHeader + Frame(100)});
}

TEST_F(NetTest, BackendWithoutHeadersGetsTheFrameAlone) {
  fake_.headers = false;
  Start();
  EXPECT_EQ(driver_->frontend().traits().features & net::kCsum, 0U);
  driver_->queue(kTx).Add().Readable(kNoHeader).Readable(Frame(100)).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_EQ(fake_.sent, std::vector{Frame(100)});
}

TEST_F(NetTest, HeaderInPiecesOfOneByteIsPutTogether) {
  Start();
  const std::string text = kNoHeader + Frame(60);
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  driver_->queue(kTx).Add().ReadablePieces(std::span(bytes), 1).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_EQ(fake_.sent, std::vector{text});
}

TEST_F(NetTest, TransmitWithoutHeaderNeedsReset) {
  Start();
  driver_->queue(kTx).Add().Readable(std::string(5, 'x')).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_TRUE(driver_->needs_reset());
  EXPECT_TRUE(fake_.sent.empty());
}

TEST_F(NetTest, ADriverInABurstNeedNotKickAgain) {
  Start();
  auto& queue = driver_->queue(kTx);
  fake_.on_send = [&] {
    fake_.on_send = {};
    queue.Add().Readable(kNoHeader + Frame(61)).Publish();
    EXPECT_FALSE(queue.KickWanted());
  };
  queue.Add().Readable(kNoHeader + Frame(60)).Publish();
  EXPECT_TRUE(queue.KickWanted());
  queue.Kick();
  EXPECT_EQ(fake_.sent.size(), 2U);
  queue.Add().Readable(kNoHeader + Frame(62)).Publish();
  EXPECT_TRUE(queue.KickWanted()) << "nothing came for a turn";
}

TEST_F(NetTest, TheDriverHearsOfEachFrameAtOnce) {
  Start();
  int told = 0;
  fake_.on_send = [&] { told = driver_->interrupts().queue(kTx); };
  driver_->queue(kTx).Add().Readable(kNoHeader + Frame(60)).Publish();
  driver_->queue(kTx).Add().Readable(kNoHeader + Frame(61)).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_EQ(told, 1) << "of the first, when the second is sent";
  PostBuffers(2, 2000);
  fake_.on_received = [&] { told = driver_->interrupts().queue(kRx); };
  fake_.waiting = {kNoHeader + Frame(60)};
  fake_.Arrive(kNoHeader + Frame(61));
  EXPECT_EQ(told, 1);
}

TEST_F(NetTest, RoomThatCameWhileTheVmStoodIsUsed) {
  Start();
  fake_.full = true;
  driver_->queue(kTx).Add().Readable(kNoHeader + Frame(60)).Publish();
  driver_->queue(kTx).Kick();
  driver_->frontend().OnRunning(false);
  fake_.MakeRoom();
  driver_->loop().RunPosted();
  EXPECT_TRUE(fake_.sent.empty());
  driver_->frontend().OnRunning(true);
  driver_->loop().RunPosted();
  EXPECT_EQ(fake_.sent.size(), 1U);
}

TEST_F(NetTest, EmptyAndHugeFramesAreDropped) {
  Start();
  driver_->queue(kTx).Add().Readable(kNoHeader).Publish();
  driver_->queue(kTx).Add().Readable(kNoHeader + std::string(70000, 'x')).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_EQ(driver_->queue(kTx).CollectUsed().size(), 2U);
  EXPECT_TRUE(fake_.sent.empty());
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(NetTest, FullBackendKeepsFramesUntilThereIsRoom) {
  Start();
  fake_.full = true;
  driver_->queue(kTx).Add().Readable(kNoHeader + Frame(60)).Publish();
  driver_->queue(kTx).Add().Readable(kNoHeader + Frame(61)).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_TRUE(driver_->queue(kTx).CollectUsed().empty());
  fake_.MakeRoom();
  EXPECT_EQ(driver_->queue(kTx).CollectUsed().size(), 2U);
  EXPECT_EQ(fake_.sent, (std::vector{kNoHeader + Frame(60), kNoHeader + Frame(61)}));
}

TEST_F(NetTest, FilterOfTheDriverHolds) {
  Start();
  EXPECT_EQ(Control(net::kClassRx, net::kRxPromisc, std::string(1, '\0')), net::kControlOk);
  PostBuffers(4, 2000);
  const std::string other("\x52\x54\0\x99\x99\x99", 6);
  fake_.Arrive(kNoHeader + Frame(100, other));
  EXPECT_TRUE(driver_->queue(kRx).CollectUsed().empty());
  const std::string table = std::string("\x01\0\0\0", 4) + other + std::string(4, '\0');
  EXPECT_EQ(Control(net::kClassMac, net::kMacTableSet, table), net::kControlOk);
  fake_.Arrive(kNoHeader + Frame(100, other));
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 1U);
}

TEST_F(NetTest, NonsenseOnTheControlQueueIsRefusedAndChangesNothing) {
  Start();
  EXPECT_EQ(Control(9, 0, ""), net::kControlError);
  EXPECT_EQ(Control(net::kClassRx, 77, "x"), net::kControlError);
  EXPECT_EQ(Control(net::kClassRx, net::kRxPromisc, ""), net::kControlError);
  EXPECT_EQ(Control(net::kClassMac, net::kMacTableSet, std::string("\xff\xff\xff\xff", 4)),
            net::kControlError);
  EXPECT_EQ(Control(net::kClassMac, net::kMacAddrSet, "abc"), net::kControlError);
  EXPECT_EQ(Control(net::kClassVlan, net::kVlanAdd, "\xff\xff"), net::kControlError);
  EXPECT_EQ(Control(net::kClassMq, net::kMqPairsSet, "\1\0"), net::kControlError);
  EXPECT_EQ(Control(net::kClassGuestOffloads, net::kGuestOffloadsSet, std::string(8, '\xff')),
            net::kControlError);
  EXPECT_EQ(Control(net::kClassAnnounce, net::kAnnounceAck, ""), net::kControlError);
  EXPECT_TRUE(net_->RxFilterState().filter.promiscuous);
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(NetTest, ControlRequestWithoutRoomForTheAnswerComesBack) {
  Start();
  driver_->queue(kControl).Add().Readable(std::string("\0\0\0", 3)).Publish();
  driver_->queue(kControl).Kick();
  EXPECT_EQ(driver_->queue(kControl).CollectUsed().size(), 1U);
  EXPECT_TRUE(net_->RxFilterState().filter.promiscuous);
}

TEST_F(NetTest, TooManyAddressesOverflow) {
  Start();
  std::string table("\x64\0\0\0", 4);  // 100
  for (int i = 0; i < 100; ++i) table += std::string(6, static_cast<char>(i));
  table += std::string(4, '\0');
  EXPECT_EQ(Control(net::kClassMac, net::kMacTableSet, table), net::kControlOk);
  const auto state = net_->RxFilterState();
  EXPECT_TRUE(state.filter.unicast_overflow);
  EXPECT_TRUE(state.filter.unicast.empty());
}

TEST_F(NetTest, FilterChangeIsToldOnceUntilItIsAskedFor) {
  Start();
  (void)net_->RxFilterState();
  const std::string on(1, '\1');
  (void)Control(net::kClassRx, net::kRxAllMulti, on);
  (void)Control(net::kClassRx, net::kRxAllMulti, on);
  EXPECT_EQ(filter_changes_, 1);
  (void)net_->RxFilterState();
  (void)Control(net::kClassRx, net::kRxAllMulti, on);
  EXPECT_EQ(filter_changes_, 2);
}

TEST_F(NetTest, LinkReachesTheDriverAndStopsFrames) {
  Start();
  const int before = driver_->interrupts().config();
  net_->SetLink(false);
  EXPECT_EQ(driver_->Config<le16>(6) & net::kStatusLinkUp, 0);
  EXPECT_EQ(driver_->interrupts().config(), before + 1);
  PostBuffers(1, 2000);
  fake_.Arrive(kNoHeader + Frame(100));
  EXPECT_TRUE(driver_->queue(kRx).CollectUsed().empty());
  driver_->queue(kTx).Add().Readable(kNoHeader + Frame(100)).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_EQ(driver_->queue(kTx).CollectUsed().size(), 1U);
  EXPECT_TRUE(fake_.sent.empty());
}

TEST_F(NetTest, AnnouncementIsAskedForAndAcknowledged) {
  Start();
  net_->Announce();
  EXPECT_NE(driver_->Config<le16>(6) & net::kStatusAnnounce, 0);
  EXPECT_EQ(Control(net::kClassAnnounce, net::kAnnounceAck, ""), net::kControlOk);
  EXPECT_EQ(driver_->Config<le16>(6) & net::kStatusAnnounce, 0);
}

TEST_F(NetTest, AnnouncementTellsTheNetworkWhereTheCardIs) {
  Start();
  net_->Announce();
  const std::string mac("\x52\x54\0\x12\x34\x56", 6);
  ASSERT_EQ(fake_.sent.size(), 1U);
  EXPECT_EQ(fake_.sent[0], kNoHeader + std::string(6, '\xff') + mac +
                               std::string("\x80\x35\0\x01\x08\0\x06\x04\0\x03", 10) + mac +
                               std::string(4, '\0') + mac + std::string(22, '\0'));
  net_->SetLink(false);
  net_->Announce();
  EXPECT_EQ(fake_.sent.size(), 1U) << "no cable";
}

TEST_F(NetTest, AnnouncementWithoutHeadersOrDriver) {
  fake_.headers = false;
  Start({}, {.features = kFeatureVersion1});
  net_->Announce();
  ASSERT_EQ(fake_.sent.size(), 1U);
  EXPECT_EQ(fake_.sent[0].size(), net::kRarpFrameSize);
  EXPECT_EQ(driver_->Config<le16>(6) & net::kStatusAnnounce, 0) << "the driver cannot";
}

TEST_F(NetTest, OffloadsOfTheDriverReachTheBackend) {
  Start();
  EXPECT_TRUE(fake_.offloads.checksum);
  EXPECT_TRUE(fake_.offloads.tso4);
  std::string none(8, '\0');
  EXPECT_EQ(Control(net::kClassGuestOffloads, net::kGuestOffloadsSet, none), net::kControlOk);
  EXPECT_EQ(fake_.offloads, backend::ReceiveOffloads{});
}

TEST_F(NetTest, QueuePairsAreSwitchedWithinWhatIsThere) {
  Start({.queue_pairs = 4, .mq = true});
  EXPECT_EQ(driver_->Config<le16>(8), 4);
  const auto set = [this](uint16_t pairs) {
    const std::string data{static_cast<char>(pairs), static_cast<char>(pairs >> 8)};
    const std::string head{static_cast<char>(net::kClassMq), 0};
    auto& queue = driver_->queue(8);
    queue.Add().Readable(head + data).Writable(1).Publish();
    queue.Kick();
    driver_->loop().RunPosted();
    return queue.CollectUsed().at(0).bytes.at(0);
  };
  EXPECT_EQ(set(4), net::kControlOk);
  EXPECT_EQ(fake_.active, 4U);
  EXPECT_EQ(set(0), net::kControlError);
  EXPECT_EQ(set(5), net::kControlError);
}

TEST_F(NetTest, StoppedVmReceivesNothing) {
  Start();
  driver_->frontend().OnRunning(false);
  EXPECT_FALSE(fake_.receiving);
  driver_->frontend().OnRunning(true);
  EXPECT_TRUE(fake_.receiving);
}

TEST_F(NetTest, BackendInUseIsRefused) {
  Start();
  NetConfig config;
  config.backend = &fake_;
  config.loop = &loop_;
  const auto second = Net::Create(config);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "netdev 'fake' is in use");
}

TEST_F(NetTest, ResetPutsTheFilterAndTheMacBack) {
  Start();
  (void)Control(net::kClassMac, net::kMacAddrSet, "abcdef");
  (void)Control(net::kClassRx, net::kRxPromisc, std::string(1, '\0'));
  driver_->Reset();
  EXPECT_EQ(driver_->Config<uint8_t>(0), 0x52);
  EXPECT_TRUE(net_->RxFilterState().filter.promiscuous);
}

TEST_F(NetTest, TheCableAndThePeerBothMakeTheLink) {
  Start();
  net_->SetLink(false);
  fake_.SetPeer(true);
  EXPECT_FALSE(net_->link()) << "the operator's word counts";
  net_->SetLink(true);
  EXPECT_TRUE(net_->link());
  fake_.SetPeer(false);
  EXPECT_FALSE(net_->link());
  EXPECT_EQ(driver_->Config<le16>(6), 0);
}

TEST_F(NetTest, ABackendThatGoesTakesTheLinkAndLeavesTheCard) {
  Start();
  fake_.full = true;
  driver_->queue(kTx).Add().Readable(kNoHeader + Frame(60)).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_TRUE(driver_->queue(kTx).CollectUsed().empty());
  net_->LoseBackend();
  EXPECT_FALSE(net_->link());
  driver_->loop().RunPosted();
  EXPECT_EQ(driver_->queue(kTx).CollectUsed().size(), 1U) << "what waited comes back";
  net_->SetLink(true);
  PostBuffers(1, 2000);
  driver_->Reset();
  EXPECT_TRUE(driver_->Start());
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(NetTest, ACardStartsWithoutLinkWhereThereIsNoPeerYet) {
  fake_.peer = false;
  Start();
  EXPECT_EQ(driver_->Config<uint16_t>(6), 0);
  fake_.SetPeer(true);
  EXPECT_EQ(driver_->Config<uint16_t>(6), net::kStatusLinkUp);
  EXPECT_TRUE(net_->link());
}

TEST_F(NetTest, ACardCanStartWithoutLink) {
  Start({.link_up = false});
  EXPECT_FALSE(net_->link());
  EXPECT_EQ(driver_->Config<le16>(6), 0);
}

}  // namespace
}  // namespace davit::virtio
