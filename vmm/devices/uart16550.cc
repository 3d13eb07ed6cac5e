// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See uart16550.h.
#include "vmm/devices/uart16550.h"

#include <algorithm>

namespace davit::devices {
namespace {

// Offsets; the first two are the divisor latch while LCR.DLAB is set.
enum Offset : uint64_t {
  kRbrThr = 0,
  kIer = 1,
  kIirFcr = 2,
  kLcr = 3,
  kMcr = 4,
  kLsr = 5,
  kMsr = 6,
  kScr = 7
};

constexpr uint8_t kIerReceive = 0x01, kIerThrEmpty = 0x02, kIerLineStatus = 0x04, kIerModem = 0x08;

constexpr uint8_t kIirModem = 0x00, kIirNone = 0x01, kIirThrEmpty = 0x02, kIirReceive = 0x04;
constexpr uint8_t kIirLineStatus = 0x06, kIirTimeout = 0x0c, kIirFifos = 0xc0;

constexpr uint8_t kFcrEnable = 0x01, kFcrClearRx = 0x02, kFcrClearTx = 0x04, kFcrKept = 0xc1;

constexpr uint8_t kLcrDlab = 0x80;

constexpr uint8_t kMcrDtr = 0x01, kMcrRts = 0x02, kMcrOut1 = 0x04, kMcrOut2 = 0x08;
constexpr uint8_t kMcrWritable = 0x1f;

constexpr uint8_t kLsrDataReady = 0x01, kLsrOverrun = 0x02, kLsrBreak = 0x10, kLsrThrEmpty = 0x20;
constexpr uint8_t kLsrTxEmpty = 0x40, kLsrFifoError = 0x80;

constexpr uint8_t kMsrCts = 0x10, kMsrDsr = 0x20, kMsrRi = 0x40, kMsrDcd = 0x80;
constexpr uint8_t kMsrTrailingRi = 0x04;

constexpr uint64_t kBaudBase = 115200;

}  // namespace

Uart16550::Uart16550(irq::IrqLine& irq, io::EventLoop& loop)
    : irq_(irq), loop_(loop), timeout_timer_(loop, [this] { OnTimeout(); }) {}

Uart16550::~Uart16550() {
  if (chardev_) (void)chardev_->Attach(nullptr);
}

Status Uart16550::Connect(backend::Chardev* chardev) {
  DAVIT_TRY(chardev->Attach(this));
  chardev->OnWritable([this] { OnWritable(); });
  std::lock_guard lock(mutex_);
  chardev_ = chardev;
  return {};
}

void Uart16550::Reset() {
  std::lock_guard lock(mutex_);
  s_ = UartState();
  timeout_armed_ = false;
  timeout_timer_.Cancel();
  UpdateIrq();
  if (chardev_) chardev_->ResumeInput();
}

UartState Uart16550::state() const {
  std::lock_guard lock(mutex_);
  return s_;
}

void Uart16550::Read(uint64_t offset, std::span<uint8_t> data) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < data.size(); ++i) data[i] = ReadRegister(offset + i);
}

void Uart16550::Write(uint64_t offset, std::span<const uint8_t> data) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < data.size(); ++i) WriteRegister(offset + i, data[i]);
}

uint8_t Uart16550::ReadRegister(uint64_t offset) {
  const bool dlab = s_.lcr & kLcrDlab;
  switch (offset) {
    case kRbrThr:
      return dlab ? static_cast<uint8_t>(s_.divisor) : ReadReceiver();
    case kIer:
      return dlab ? static_cast<uint8_t>(s_.divisor >> 8) : s_.ier;
    case kIirFcr:
      return ReadIir();
    case kLcr:
      return s_.lcr;
    case kMcr:
      return s_.mcr;
    case kLsr:
      return ReadLsr();
    case kMsr:
      return ReadMsr();
    case kScr:
      return s_.scr;
    default:
      return 0xff;
  }
}

void Uart16550::WriteRegister(uint64_t offset, uint8_t value) {
  const bool dlab = s_.lcr & kLcrDlab;
  switch (offset) {
    case kRbrThr:
      if (dlab) {
        s_.divisor = static_cast<uint16_t>((s_.divisor & 0xff00) | value);
      } else {
        WriteTransmitter(value);
      }
      break;
    case kIer:
      if (dlab) {
        s_.divisor = static_cast<uint16_t>((s_.divisor & 0x00ff) | (value << 8));
      } else {
        WriteIer(value);
      }
      break;
    case kIirFcr:
      WriteFcr(value);
      break;
    case kLcr:
      s_.lcr = value;
      break;
    case kMcr:
      WriteMcr(value);
      break;
    case kScr:
      s_.scr = value;
      break;
    default:  // LSR and MSR are read-only
      break;
  }
}

uint8_t Uart16550::ReadReceiver() {
  if (s_.rx_count == 0) return 0;
  const uint8_t value = s_.rx[s_.rx_head].data;
  s_.rx_head = (s_.rx_head + 1) % UartState::kFifoSize;
  --s_.rx_count;
  s_.timeout_pending = false;
  StartTimeout();
  UpdateIrq();
  if (chardev_ && !loopback()) chardev_->ResumeInput();
  return value;
}

uint8_t Uart16550::ReadIir() {
  const uint8_t iir = Iir();
  if (iir == kIirThrEmpty) {
    s_.thr_empty_pending = false;
    UpdateIrq();
  }
  return iir | (fifo_on() ? kIirFifos : 0);
}

uint8_t Uart16550::ReadLsr() {
  const uint8_t lsr = Lsr();
  s_.overrun = false;
  if (s_.rx_count) s_.rx[s_.rx_head].errors = 0;
  UpdateIrq();
  return lsr;
}

uint8_t Uart16550::ReadMsr() {
  const uint8_t msr = Msr();
  s_.msr_deltas = 0;
  UpdateIrq();
  return msr;
}

size_t Uart16550::rx_trigger() const {
  constexpr std::array<size_t, 4> kTriggers = {1, 4, 8, 14};
  return fifo_on() ? kTriggers[s_.fcr >> 6] : 1;
}

// The pending interrupt of highest priority.
uint8_t Uart16550::Iir() const {
  const uint8_t head_errors = s_.rx_count ? s_.rx[s_.rx_head].errors : 0;
  if ((s_.ier & kIerLineStatus) && (s_.overrun || head_errors)) return kIirLineStatus;
  if (s_.ier & kIerReceive) {
    if (s_.rx_count >= rx_trigger()) return kIirReceive;
    if (s_.timeout_pending) return kIirTimeout;
  }
  if ((s_.ier & kIerThrEmpty) && s_.thr_empty_pending) return kIirThrEmpty;
  if ((s_.ier & kIerModem) && s_.msr_deltas) return kIirModem;
  return kIirNone;
}

uint8_t Uart16550::Lsr() const {
  uint8_t lsr = 0;
  if (s_.rx_count) lsr |= kLsrDataReady | s_.rx[s_.rx_head].errors;
  if (s_.overrun) lsr |= kLsrOverrun;
  if (s_.tx_count == 0) lsr |= kLsrThrEmpty | kLsrTxEmpty;
  for (size_t i = 0; fifo_on() && i < s_.rx_count; ++i) {
    if (s_.rx[(s_.rx_head + i) % UartState::kFifoSize].errors) lsr |= kLsrFifoError;
  }
  return lsr;
}

// In loopback mode the modem's inputs are the port's own outputs.
uint8_t Uart16550::Msr() const {
  uint8_t lines = s_.msr_lines;
  if (loopback()) {
    lines = 0;
    if (s_.mcr & kMcrRts) lines |= kMsrCts;
    if (s_.mcr & kMcrDtr) lines |= kMsrDsr;
    if (s_.mcr & kMcrOut1) lines |= kMsrRi;
    if (s_.mcr & kMcrOut2) lines |= kMsrDcd;
  }
  return lines | s_.msr_deltas;
}

void Uart16550::WriteTransmitter(uint8_t value) {
  // The interrupt line falls here and rises again below, also when the byte leaves at once.
  s_.thr_empty_pending = false;
  UpdateIrq();
  if (loopback()) {
    PushReceived({value, 0});
    s_.thr_empty_pending = true;
    UpdateIrq();
    return;
  }
  const size_t capacity = fifo_on() ? UartState::kFifoSize : 1;
  if (s_.tx_count >= capacity) {  // the driver did not look at LSR: the oldest byte is lost
    s_.tx_head = (s_.tx_head + 1) % UartState::kFifoSize;
    --s_.tx_count;
  }
  s_.tx[(s_.tx_head + s_.tx_count) % UartState::kFifoSize] = value;
  ++s_.tx_count;
  DrainTransmitter();
}

void Uart16550::DrainTransmitter() {
  while (s_.tx_count) {
    const size_t run = std::min(s_.tx_count, UartState::kFifoSize - s_.tx_head);
    const auto bytes = std::as_bytes(std::span(s_.tx).subspan(s_.tx_head, run));
    const size_t taken = chardev_ ? std::min(chardev_->Write(bytes), run) : run;
    s_.tx_head = (s_.tx_head + taken) % UartState::kFifoSize;
    s_.tx_count -= taken;
    if (taken < run) return;  // OnWritable() goes on
  }
  s_.thr_empty_pending = true;
  UpdateIrq();
}

void Uart16550::WriteIer(uint8_t value) {
  const uint8_t risen = value & ~s_.ier;
  s_.ier = value & 0x0f;
  if ((risen & kIerThrEmpty) && s_.tx_count == 0) s_.thr_empty_pending = true;
  if (risen & kIerReceive) StartTimeout();
  UpdateIrq();
}

void Uart16550::WriteFcr(uint8_t value) {
  const bool switched = (value ^ s_.fcr) & kFcrEnable;
  if (switched || (value & kFcrClearRx)) {
    s_.rx_count = 0;
    s_.timeout_pending = false;
    if (chardev_ && !loopback()) chardev_->ResumeInput();
  }
  if (switched || (value & kFcrClearTx)) {
    if (s_.tx_count) s_.thr_empty_pending = true;
    s_.tx_count = 0;
  }
  s_.fcr = (value & kFcrEnable) ? value & kFcrKept : 0;
  UpdateIrq();
}

void Uart16550::WriteMcr(uint8_t value) {
  const uint8_t before = Msr() & 0xf0;
  const bool was_loopback = loopback();
  s_.mcr = value & kMcrWritable;
  const uint8_t after = Msr() & 0xf0;
  const uint8_t changed = before ^ after;
  s_.msr_deltas |= static_cast<uint8_t>((changed & (kMsrCts | kMsrDsr | kMsrDcd)) >> 4);
  if ((before & kMsrRi) && !(after & kMsrRi)) s_.msr_deltas |= kMsrTrailingRi;
  if (was_loopback && !loopback() && chardev_) chardev_->ResumeInput();
  UpdateIrq();
}

void Uart16550::PushReceived(UartState::ReceivedByte byte) {
  if (s_.rx_count >= rx_capacity()) {
    s_.overrun = true;
    if (fifo_on()) return;  // the shift register is overwritten, the FIFO stays
    s_.rx_count = 0;
  }
  s_.rx[(s_.rx_head + s_.rx_count) % UartState::kFifoSize] = byte;
  ++s_.rx_count;
  s_.timeout_pending = false;
  StartTimeout();
}

void Uart16550::UpdateIrq() {
  const bool level = Iir() != kIirNone;
  if (level == irq_level_) return;
  irq_level_ = level;
  irq_.Set(level);
}

io::Clock::duration Uart16550::CharacterTime() const {
  const uint64_t data_bits = 5 + (s_.lcr & 3);
  const uint64_t bits = 1 + data_bits + ((s_.lcr & 8) ? 1 : 0) + ((s_.lcr & 4) ? 2 : 1);
  const uint64_t divisor = std::max<uint64_t>(s_.divisor, 1);
  return std::chrono::nanoseconds(bits * divisor * 1'000'000'000 / kBaudBase);
}

// Four character times without traffic and less data than the trigger level: an interrupt all the
// same.
void Uart16550::StartTimeout() {
  if (!fifo_on() || s_.rx_count == 0 || !(s_.ier & kIerReceive)) return;
  timeout_at_ = loop_.Now() + 4 * CharacterTime();
  if (timeout_armed_) return;  // OnTimeout() sees that the time has moved
  timeout_armed_ = true;
  timeout_timer_.Arm(timeout_at_);
}

void Uart16550::OnTimeout() {
  std::lock_guard lock(mutex_);
  if (!timeout_armed_) return;
  timeout_armed_ = false;
  if (!fifo_on() || s_.rx_count == 0) return;
  if (loop_.Now() < timeout_at_) {
    timeout_armed_ = true;
    timeout_timer_.Arm(timeout_at_);
    return;
  }
  s_.timeout_pending = true;
  UpdateIrq();
}

void Uart16550::OnWritable() {
  std::lock_guard lock(mutex_);
  if (s_.tx_count) DrainTransmitter();
}

size_t Uart16550::CanReceive() {
  std::lock_guard lock(mutex_);
  return loopback() ? 0 : rx_capacity() - std::min(rx_capacity(), s_.rx_count);
}

void Uart16550::Receive(std::span<const std::byte> data) {
  std::lock_guard lock(mutex_);
  for (std::byte byte : data) PushReceived({std::to_integer<uint8_t>(byte), 0});
  UpdateIrq();
}

void Uart16550::OnEvent(backend::ChardevEvent event) {
  if (event != backend::ChardevEvent::kBreak) return;
  std::lock_guard lock(mutex_);
  if (loopback()) return;
  PushReceived({0, kLsrBreak});
  UpdateIrq();
}

}  // namespace davit::devices
