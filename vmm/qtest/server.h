// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -qtest: the protocol's lines over a character device. A command is executed when its newline is
// there, answers and IRQ events go out in the order in which they arise. A client that sends
// without reading is not read from until its answers have gone. Owner: control thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include "vmm/backend/char/chardev.h"
#include "vmm/base/error.h"
#include "vmm/qtest/executor.h"

namespace davit::qtest {

class Server final : private backend::ChardevClient {
 public:
  struct Options {
    // -qtest-log: a file, "none", or empty for stderr.
    std::string log;
  };
  // Error: the device is in use, or the log cannot be opened. All outlive the server.
  static Result<std::unique_ptr<Server>> Create(backend::Chardev& chardev, Target& target,
                                                const Options& options);
  ~Server() override;

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const {
      if (file != stderr) std::fclose(file);
    }
  };

  Server(backend::Chardev& chardev, Target& target);
  // ChardevClient
  size_t CanReceive() override;
  void Receive(std::span<const std::byte> data) override;
  void OnEvent(backend::ChardevEvent event) override;

  bool Stalled();  // the client does not read its answers
  void ServeInput();
  void ServeLine(const std::string& line);
  void Send(std::string line);  // any thread
  void Flush();                 // mutex_ held
  void OnWritable();
  void Log(char kind, const std::string& text);  // mutex_ held
  double Seconds() const;                        // since the client came

  backend::Chardev& chardev_;
  Executor executor_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::string input_;      // not looked at yet
  std::string line_;       // the beginning of one
  bool too_long_ = false;  // dropped up to the next newline
  std::chrono::steady_clock::time_point start_;

  std::mutex mutex_;  // guards the rest
  std::string output_;
  bool waiting_ = false;  // for room in the chardev
  bool opened_ = false;
  std::unique_ptr<std::FILE, CloseFile> log_;
};

}  // namespace davit::qtest
