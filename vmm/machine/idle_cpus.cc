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

namespace davit::machine {

Result<std::unique_ptr<IdleCpus>> IdleCpus::Create(const cpu::Topology& topology,
                                                   bool thread_names) {
  std::unique_ptr<IdleCpus> cpus(new IdleCpus(thread_names));
  for (uint32_t i = 0; i < topology.cpus; ++i) DAVIT_TRY(cpus->Add(i));
  return cpus;
}

IdleCpus::~IdleCpus() {
  for (auto& cpu : cpus_) End(*cpu);
}

Status IdleCpus::Add(uint32_t index) {
  auto cpu = std::make_unique<Cpu>();
  cpu->index = index;
  try {
    cpu->thread = std::thread([this, raw = cpu.get()] { Wait(*raw); });
  } catch (const std::system_error& error) {
    return Fail(
        fmt::format("cannot start the thread of CPU {}: {}", index, error.code().message()));
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&cpu] { return cpu->thread_id != 0; });
  cpus_.push_back(std::move(cpu));
  return {};
}

void IdleCpus::Remove(uint32_t index) {
  const auto cpu = std::find_if(cpus_.begin(), cpus_.end(),
                                [index](const auto& one) { return one->index == index; });
  if (cpu == cpus_.end()) return;
  End(**cpu);
  cpus_.erase(cpu);
}

void IdleCpus::End(Cpu& cpu) {
  {
    const std::lock_guard lock(mutex_);
    cpu.ends = true;
  }
  changed_.notify_all();
  cpu.thread.join();
}

void IdleCpus::Wait(Cpu& cpu) {
  if (thread_names_) {
    pthread_setname_np(pthread_self(), fmt::format("CPU {}/DUMMY", cpu.index).c_str());
  }
  std::unique_lock lock(mutex_);
  cpu.thread_id = gettid();
  changed_.notify_all();
  changed_.wait(lock, [&cpu] { return cpu.ends; });
}

std::vector<CpuSet::Thread> IdleCpus::Threads() const {
  std::vector<Thread> threads;
  threads.reserve(cpus_.size());
  for (const auto& cpu : cpus_) threads.push_back({cpu->index, cpu->thread_id});
  return threads;
}

// Intel SDM volume 3, table 9-1.
Result<std::vector<control::CpuRegisters>> IdleCpus::Registers() {
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
  std::vector<control::CpuRegisters> all(cpus_.size(), registers);
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].index = cpus_[i]->index;
    all[i].halted = all[i].index != 0;
  }
  return all;
}

}  // namespace davit::machine
