// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/virtio/net/net.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <string>

#include "vmm/base/endian.h"
#include "vmm/virtio/net/rarp.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {
namespace {

using backend::SendResult;
using testing::Driver;
using testing::DriverOptions;

constexpr uint16_t kRx = 0, kTx = 1, kControl = 2;
const std::string kNoHeader(sizeof(net::Header), '\0');

class FakeNet final : public backend::NetBackend {
 public:
  const std::string& id() const override { return id_; }
  const char* type() const override { return "fake"; }
  std::string info() const override { return ""; }
  unsigned queues() const override { return 4; }
  Status Attach(backend::NetClient* client, io::EventLoop&) override {
    if (client != nullptr && client_ != nullptr) return Fail("netdev 'fake' is in use");
    client_ = client;
    return {};
  }
  bool has_vnet_header() const override { return headers; }
  Status SetReceiveOffloads(const backend::ReceiveOffloads& o) override {
    offloads = o;
    return {};
  }
  Status SetActiveQueues(unsigned n) override {
    active = n;
    return {};
  }
  SendResult Send(unsigned, std::span<const iovec> frame) override {
    if (full) return SendResult::kFull;
    std::string text;
    for (const iovec& piece : frame) {
      text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
    sent.push_back(text);
    return SendResult::kSent;
  }
  size_t Receive(unsigned, std::span<std::byte> out) override {
    if (waiting.empty()) return 0;
    const std::string frame = waiting.front();
    waiting.pop_front();
    std::memcpy(out.data(), frame.data(), frame.size());
    return frame.size();
  }
  void StopReceiving(unsigned) override { receiving = false; }
  void StartReceiving(unsigned) override { receiving = true; }

  void Arrive(const std::string& frame) {
    waiting.push_back(frame);
    if (receiving) client_->OnReceivable(0);
  }
  bool connected() const override { return peer; }
  void SetPeer(bool there) { client_->OnLink(peer = there); }
  void MakeRoom() {
    full = false;
    client_->OnSendable(0);
  }

  bool headers = true, full = false, receiving = false, peer = true;
  unsigned active = 0;
  backend::ReceiveOffloads offloads;
  std::vector<std::string> sent;
  std::deque<std::string> waiting;

 private:
  std::string id_ = "fake";
  backend::NetClient* client_ = nullptr;
};

class NetTest : public ::testing::Test {
 protected:
  void Start(NetConfig config = {}, DriverOptions options = {}) {
    config.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    config.backend = &fake_;
    config.loop = &loop_;
    config.on_rx_filter_change = [this] { ++filter_changes_; };
    auto net = Net::Create(config);
    ASSERT_TRUE(net) << net.error();
    net_ = net->get();
    driver_ = std::make_unique<Driver>(std::move(*net), options);
    driver_->loop().RunPosted();
  }
  void PostBuffers(int n, uint32_t size) {
    for (int i = 0; i < n; ++i) driver_->queue(kRx).Add().Writable(size).Publish();
    driver_->queue(kRx).Kick();
  }
  // The answer of a control command.
  int Control(uint8_t cls, uint8_t command, const std::string& data) {
    const std::string head{static_cast<char>(cls), static_cast<char>(command)};
    driver_->queue(kControl).Add().Readable(head + data).Writable(1).Publish();
    driver_->queue(kControl).Kick();
    driver_->loop().RunPosted();
    const auto used = driver_->queue(kControl).CollectUsed();
    return used.size() == 1 && used[0].length == 1 ? used[0].bytes[0] : -1;
  }
  static std::string Frame(size_t size, const std::string& to = "\xff\xff\xff\xff\xff\xff") {
    std::string frame = to + std::string("\x52\x54\0\x12\x34\x57\x88\xb5", 8);
    while (frame.size() < size) frame += static_cast<char>('a' + frame.size() % 26);
    return frame;
  }
  static std::string Header(uint16_t buffers) {
    net::Header header{};
    header.num_buffers = buffers;
    std::string text(sizeof(header), '\0');
    std::memcpy(text.data(), &header, sizeof(header));
    return text;
  }

  FakeNet fake_;  // outlives the device
  io::FakeEventLoop loop_;
  int filter_changes_ = 0;
  Net* net_ = nullptr;
  std::unique_ptr<Driver> driver_;
};

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

TEST_F(NetTest, ReceivedFrameFillsABuffer) {
  Start();
  PostBuffers(1, 2000);
  fake_.Arrive(kNoHeader + Frame(100));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].text(), Header(1) + Frame(100));
  EXPECT_EQ(driver_->interrupts().queue(kRx), 1);
}

TEST_F(NetTest, LongFrameIsSpreadOverMergedBuffers) {
  Start();
  PostBuffers(4, 1000);
  fake_.Arrive(kNoHeader + Frame(2500));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 3U);
  EXPECT_EQ(used[0].text() + used[1].text() + used[2].text(), Header(3) + Frame(2500));
}

TEST_F(NetTest, FrameWaitsUntilThereAreBuffersForAllOfIt) {
  Start();
  PostBuffers(2, 1000);
  fake_.Arrive(kNoHeader + Frame(2500));
  EXPECT_TRUE(driver_->queue(kRx).CollectUsed().empty());
  EXPECT_FALSE(fake_.receiving);
  PostBuffers(1, 1000);
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 3U);
  EXPECT_EQ(used[0].text() + used[1].text() + used[2].text(), Header(3) + Frame(2500));
  EXPECT_TRUE(fake_.receiving);
}

TEST_F(NetTest, FrameThatDoesNotFitOneBufferIsLostWithoutMerging) {
  Start({}, {.features = ~net::kMrgRxbuf});
  PostBuffers(1, 500);
  fake_.Arrive(kNoHeader + Frame(1000));
  fake_.Arrive(kNoHeader + Frame(100));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].text(), Header(1) + Frame(100));
}

TEST_F(NetTest, BufferWithoutRoomForTheHeaderNeedsReset) {
  Start();
  PostBuffers(1, 5);
  fake_.Arrive(kNoHeader + Frame(100));
  EXPECT_TRUE(driver_->needs_reset());
}

TEST_F(NetTest, FrameThatArrivedWithoutDriverWaitsInTheBackend) {
  Start({}, {.start = false});
  EXPECT_FALSE(fake_.receiving);
  fake_.Arrive(kNoHeader + Frame(100));
  ASSERT_TRUE(driver_->Start());
  driver_->loop().RunPosted();
  EXPECT_TRUE(fake_.receiving);
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
