// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See mux_chardev.h.
#include "vmm/backend/char/mux_chardev.h"

#include <fmt/format.h>

#include <algorithm>

namespace davit::backend {
namespace {

constexpr char kEscape = 0x01;  // Ctrl-A
// Input kept for a front end that takes none; then the back end is read no further.
constexpr size_t kKept = 32;

constexpr std::string_view kHelp =
    "\n\r"
    "C-a h    show this help\n\r"
    "C-a x    end the VM\n\r"
    "C-a b    send a break\n\r"
    "C-a c    switch to the next device\n\r"
    "C-a C-a  send C-a\n\r";

}  // namespace

class MuxChardev::Place final : public Chardev {
 public:
  explicit Place(MuxChardev& mux) : mux_(mux) {}

  const std::string& id() const override { return mux_.id(); }
  std::string filename() const override { return mux_.filename(); }
  bool frontend_open() const override { return client != nullptr; }
  Status Attach(ChardevClient* new_client) override {
    if (new_client && client) return Fail(fmt::format("Device '{}' is in use", id()));
    client = new_client;
    if (!client) on_writable = nullptr;
    kept.clear();
    paused = false;
    mux_.OnAttached(*this, client != nullptr);
    return {};
  }
  size_t Put(std::span<const std::byte> data) override { return mux_.Write(data); }
  void OnWritable(std::function<void()> fn) override { on_writable = std::move(fn); }
  void SendBreak() override {
    if (client) client->OnEvent(ChardevEvent::kBreak);
  }
  void ResumeInput() override {
    if (!paused.exchange(false)) return;
    mux_.loop_.Post([alive = mux_.alive_, this] {
      if (*alive) mux_.Deliver(*this);
    });
  }

  ChardevClient* client = nullptr;
  std::string kept;                 // input that it has not taken
  std::atomic<bool> paused{false};  // it is to call ResumeInput()
  std::function<void()> on_writable;

 private:
  MuxChardev& mux_;
};

MuxChardev::MuxChardev(std::string id, io::EventLoop& loop, Chardev& base,
                       std::function<void()> quit)
    : id_(std::move(id)), loop_(loop), base_(base), quit_(std::move(quit)) {
  for (auto& place : places_) place = std::make_unique<Place>(*this);
}

Result<std::unique_ptr<MuxChardev>> MuxChardev::Open(std::string id, io::EventLoop& loop,
                                                     Chardev& base, std::function<void()> quit) {
  std::unique_ptr<MuxChardev> mux(new MuxChardev(std::move(id), loop, base, std::move(quit)));
  if (Status status = base.Attach(mux.get()); !status) {
    *mux->alive_ = false;  // not attached
    return Fail(std::move(status).error());
  }
  base.OnWritable([self = mux.get()] {
    for (const auto& place : self->places_) {
      // A copy: the front end may go meanwhile.
      if (const auto fn = place->on_writable; fn) fn();
    }
  });
  return mux;
}

MuxChardev::~MuxChardev() {
  if (!std::exchange(*alive_, false)) return;
  base_.OnWritable({});
  (void)base_.Attach(nullptr);
}

bool MuxChardev::frontend_open() const {
  return std::any_of(places_.begin(), places_.end(),
                     [](const auto& place) { return place->client && place->frontend_listens(); });
}

Chardev* MuxChardev::FrontEnd() {
  for (const auto& place : places_) {
    if (place->client == nullptr) return place.get();
  }
  return places_.back().get();
}

Status MuxChardev::Attach(ChardevClient*) {
  return Fail(fmt::format("Device '{}' is in use", id_));
}

void MuxChardev::SendBreak() {
  if (focus_) focus_->SendBreak();
}

void MuxChardev::OnAttached(Place& place, bool attached) {
  if (attached) {
    focus_ = &place;  // the newest, as in QEMU
    if (open_) place.client->OnEvent(ChardevEvent::kOpened);
  } else if (focus_ == &place) {
    FocusNext();
  }
  base_.ResumeInput();
}

void MuxChardev::FocusNext() {
  size_t at = 0;
  while (at < places_.size() && places_[at].get() != focus_) ++at;
  focus_ = nullptr;
  for (size_t i = 1; i <= places_.size() && !focus_; ++i) {
    Place* const place = places_[(at + i) % places_.size()].get();
    if (place->client) focus_ = place;
  }
}

// --- input -----------------------------------------------------------------------------------

// A Ctrl-A c within one piece may add to what another front end has not taken: at most a piece.
size_t MuxChardev::CanReceive() {
  if (!focus_) return 0;
  return kKept - std::min(kKept, focus_->kept.size());
}

void MuxChardev::Receive(std::span<const std::byte> data) {
  for (const std::byte value : data) {
    const char byte = static_cast<char>(value);
    if (TakeCommand(byte) || !focus_) continue;
    focus_->kept += byte;
  }
  for (const auto& place : places_) Deliver(*place);
}

bool MuxChardev::TakeCommand(char byte) {
  if (!std::exchange(escaped_, false)) {
    escaped_ = byte == kEscape;
    return escaped_;
  }
  if (byte == kEscape) return false;
  RunCommand(byte);
  return true;
}

void MuxChardev::RunCommand(char byte) {
  switch (byte) {
    case '?':
    case 'h':
      return Print(kHelp);
    case 'x':
      Print("davitd: Terminated\n\r");
      if (quit_) quit_();
      return;
    case 'b':
      return SendBreak();
    case 'c':
      return FocusNext();
    case 's':
    case 't':
      return Print(fmt::format("\n\rC-a {} is not available\n\r", byte));
    default:
      return;
  }
}

void MuxChardev::Print(std::string_view text) {
  (void)base_.Write(std::as_bytes(std::span(text.data(), text.size())));
}

void MuxChardev::Deliver(Place& place) {
  while (place.client && !place.kept.empty()) {
    size_t room = place.client->CanReceive();
    if (room == 0) {
      place.paused = true;
      // The front end may have made room between the two lines and found no pause to end.
      room = place.client->CanReceive();
      if (room == 0 || !place.paused.exchange(false)) return;
    }
    const std::string piece = place.kept.substr(0, room);
    place.kept.erase(0, piece.size());
    place.client->Receive(std::as_bytes(std::span(piece.data(), piece.size())));
  }
  base_.ResumeInput();
}

void MuxChardev::OnEvent(ChardevEvent event) {
  if (event == ChardevEvent::kBreak) return SendBreak();
  open_ = event == ChardevEvent::kOpened;
  for (const auto& place : places_) {
    if (place->client) place->client->OnEvent(event);
  }
}

}  // namespace davit::backend
