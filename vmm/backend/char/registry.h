// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The character devices of the process by id. Owner: control thread. Devices hold Chardev pointers:
// they go (or detach) before the registry does. The process must ignore SIGPIPE.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/backend/char/chardev.h"
#include "vmm/backend/char/spec.h"
#include "vmm/backend/file/file_opener.h"
#include "vmm/base/error.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

class RingbufChardev;

// A row of query-chardev.
struct ChardevInfo {
  std::string label;
  std::string filename;
  bool frontend_open = false;
  std::string_view backend = {};  // of BackendNames(); empty: made elsewhere
};

class ChardevRegistry {
 public:
  struct Options {
    // Told what a user must know at once: "char device redirected to /dev/pts/3 (label a)",
    // "info: waiting for connection on: ...". May be empty.
    std::function<void(const std::string&)> notify;
    // The user of a multiplexed device ends the VM (Ctrl-A x). Control thread. May be empty.
    std::function<void()> quit;
    // Opens files and logs; outlives the registry. Null: by path alone.
    FileOpener* files = nullptr;
  };
  // The loop is the control thread's and outlives the registry.
  explicit ChardevRegistry(io::EventLoop& loop);
  ChardevRegistry(io::EventLoop& loop, Options options);
  ~ChardevRegistry();  // restores the terminal, unlinks sockets

  // Error: the id is in use or ill-formed, or the back end cannot be opened.
  // A server socket with wait=on makes this wait for the client.
  Result<Chardev*> Create(const ChardevSpec& spec);
  // Takes over a device made elsewhere (tests, a monitor's socket that is listed only).
  Result<Chardev*> Add(std::unique_ptr<Chardev> chardev, std::string_view backend = {});
  // What a front end attaches to; null: none.
  Chardev* Find(std::string_view id) const;
  // Error: "Chardev 'x' not found", "Chardev 'x' is busy".
  Status Remove(std::string_view id);
  // Puts a new back end in the place of one that has no front end. Error: as QEMU's.
  Result<Chardev*> Change(const ChardevSpec& spec);
  // Error: "Chardev 'x' does not exist", or it can have no other back end.
  Status CheckChange(std::string_view id) const;

  // Error: "Chardev 'x' not found".
  Status SendBreak(std::string_view id);
  // Error: "Device 'x' not found", "x is not a ringbuf device".
  Result<std::string> RingbufRead(std::string_view id, uint64_t size);
  Status RingbufWrite(std::string_view id, std::span<const std::byte> data);

  std::vector<ChardevInfo> List() const;                    // in order of creation
  static std::span<const std::string_view> BackendNames();  // query-chardev-backends

 private:
  struct Made {
    std::unique_ptr<Chardev> chardev;
    std::string_view backend;
  };
  Result<std::unique_ptr<Chardev>> Open(const ChardevSpec& spec);
  Result<std::unique_ptr<Chardev>> OpenBackend(const ChardevSpec& spec);  // without its log
  Result<std::unique_ptr<Chardev>> OpenMux(const std::string& id, const MuxSpec& spec);
  Chardev* At(std::string_view id) const;
  FileOpener& files() const { return options_.files ? *options_.files : PlainOpener(); }
  bool Busy(const Chardev& chardev) const;
  Result<RingbufChardev*> Ringbuf(std::string_view id) const;

  io::EventLoop& loop_;
  const Options options_;
  std::vector<Made> chardevs_;
};

}  // namespace davit::backend
