// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See io_thread.h.
#include "vmm/io/io_thread.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <future>
#include <system_error>

namespace davit::io {

// The loop and std::thread tell by exceptions what they did not get.
Result<std::unique_ptr<IoThread>> IoThread::Create(const std::string& name,
                                                   const PollOptions& polling) {
  try {
    std::unique_ptr<IoThread> thread(new IoThread(polling));
    thread->Start(name);
    return thread;
  } catch (const std::system_error& error) {
    return FailErrno(fmt::format("cannot create thread '{}'", name), error.code().value());
  }
}

void IoThread::Start(const std::string& name) {
  std::promise<pid_t> started;
  thread_ = std::thread([this, &started, short_name = name.substr(0, 15)] {
    pthread_setname_np(pthread_self(), short_name.c_str());
    sigset_t all;  // signals are the control thread's business, SIGBUS is a thread's own
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    started.set_value(gettid());
    loop_.Run();
  });
  thread_id_ = started.get_future().get();
}

IoThread::~IoThread() {
  if (!thread_.joinable()) return;
  loop_.Stop();
  thread_.join();
}

}  // namespace davit::io
