// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See idle_cpus.h.
#include "vmm/machine/idle_cpus.h"

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "vmm/machine/cpus.h"

namespace davit::machine {

Result<std::unique_ptr<IdleCpus>> IdleCpus::Create(const cpu::Topology& topology,
                                                   bool thread_names) {
  std::unique_ptr<IdleCpus> cpus(new IdleCpus(topology));
  cpus->tids_.resize(topology.cpus);
  for (uint32_t i = 0; i < topology.cpus; ++i) {
    try {
      cpus->threads_.emplace_back(
          [raw = cpus.get(), i, thread_names] { raw->Wait(i, thread_names); });
    } catch (const std::system_error& error) {
      return Fail(fmt::format("cannot start the thread of CPU {}: {}", i, error.code().message()));
    }
  }
  std::unique_lock lock(cpus->mutex_);
  cpus->changed_.wait(lock, [&] {
    return std::find(cpus->tids_.begin(), cpus->tids_.end(), 0) == cpus->tids_.end();
  });
  return cpus;
}

IdleCpus::~IdleCpus() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void IdleCpus::Wait(size_t index, bool thread_name) {
  if (thread_name) pthread_setname_np(pthread_self(), fmt::format("CPU {}/DUMMY", index).c_str());
  std::unique_lock lock(mutex_);
  tids_[index] = gettid();
  changed_.notify_all();
  changed_.wait(lock, [this] { return ends_; });
}

std::vector<control::CpuInfo> IdleCpus::Infos() const {
  std::vector<control::CpuInfo> infos;
  for (uint32_t i = 0; i < tids_.size(); ++i) infos.push_back(InfoOf(topology_, i, tids_[i]));
  return infos;
}

// Intel SDM volume 3, table 9-1.
std::vector<control::CpuRegisters> IdleCpus::Registers() const {
  constexpr uint32_t kCode = 0x9b00, kData = 0x9300, kLdt = 0x8200, kTss = 0x8b00;
  control::CpuRegisters registers;
  const control::SegmentRegister data{0, 0, 0xffff, kData};
  registers.es = registers.ss = registers.ds = registers.fs = registers.gs = data;
  registers.cs = {0xf000, 0xffff0000, 0xffff, kCode};
  registers.ldt = {0, 0, 0xffff, kLdt};
  registers.tr = {0, 0, 0xffff, kTss};
  registers.rip = 0xfff0;
  registers.rflags = 2;
  registers.gdt_limit = registers.idt_limit = 0xffff;
  registers.cr0 = 0x60000010;
  registers.dr[6] = 0xffff0ff0;
  registers.dr[7] = 0x400;
  std::vector<control::CpuRegisters> all(tids_.size(), registers);
  for (size_t i = 1; i < all.size(); ++i) all[i].halted = true;
  return all;
}

}  // namespace davit::machine
