// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A character device back end: the host end of a serial port, a console, a QMP monitor's
// stream. Owner: control thread, except Write() and ResumeInput(), which any thread (a vCPU) may
// call.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "vmm/base/error.h"

namespace davit::backend {

enum class ChardevEvent { kOpened, kClosed, kBreak };

// The front end (a UART, a console port) as the back end sees it.
class ChardevClient {
 public:
  virtual ~ChardevClient() = default;
  // Bytes that the front end can take now; 0 stops reading the host end until ResumeInput().
  virtual size_t CanReceive() = 0;
  // At most CanReceive() bytes. Control thread.
  virtual void Receive(std::span<const std::byte> data) = 0;
  virtual void OnEvent(ChardevEvent event) = 0;
};

// What a back end has taken from the guest goes there too. Append(): any thread, never blocks.
class ChardevLog {
 public:
  virtual ~ChardevLog() = default;
  virtual void Append(std::span<const std::byte> data) = 0;
};

class Chardev {
 public:
  virtual ~Chardev() = default;
  virtual const std::string& id() const = 0;
  // As query-chardev prints it: "unix:/path,server=on", "pty:/dev/pts/3", "file", "null".
  virtual std::string filename() const = 0;
  // A front end is attached.
  virtual bool frontend_open() const = 0;
  // Whether it listens: a device whose driver opens and closes it says so. Any thread.
  bool frontend_listens() const { return frontend_listens_; }
  void set_frontend_listens(bool listens) { frontend_listens_ = listens; }
  // One client at a time; nullptr detaches. Error: "Device 'x' is in use". A client that attaches
  // to an open back end gets kOpened within the call.
  virtual Status Attach(ChardevClient* client) = 0;
  // Never blocks. Returns how many bytes were taken; a back end with no peer takes and drops all, a
  // full one takes fewer and calls the writable callback once (control thread) when there is room
  // again.
  size_t Write(std::span<const std::byte> data) {
    const size_t taken = Put(data);
    if (log_ != nullptr && taken != 0) log_->Append(data.first(taken));
    return taken;
  }
  virtual void OnWritable(std::function<void()> fn) = 0;
  // The front end has room again.
  virtual void ResumeInput() = 0;
  // Gives the front end a break, as if the host end had sent one.
  virtual void SendBreak() {}
  // What a front end attaches to: this, or of a multiplexer a place of its own.
  virtual Chardev* FrontEnd() { return this; }
  // Before a front end attaches.
  void set_log(std::unique_ptr<ChardevLog> log) { log_ = std::move(log); }

 protected:
  virtual size_t Put(std::span<const std::byte> data) = 0;  // Write() without the log

 private:
  std::unique_ptr<ChardevLog> log_;
  std::atomic<bool> frontend_listens_{true};
};

}  // namespace davit::backend
