// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See io_thread.h.
#include "vmm/io/io_thread.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <future>

namespace davit::io {

IoThread::IoThread(const std::string& name) {
  std::promise<pid_t> started;
  thread_ = std::thread([this, &started, short_name = name.substr(0, 15)] {
    pthread_setname_np(pthread_self(), short_name.c_str());
    sigset_t all;  // signals are the control thread's business
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    started.set_value(gettid());
    loop_.Run();
  });
  thread_id_ = started.get_future().get();
}

IoThread::~IoThread() {
  loop_.Stop();
  thread_.join();
}

}  // namespace davit::io
