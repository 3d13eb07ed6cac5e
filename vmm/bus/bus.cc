// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See bus.h.
#include "vmm/bus/bus.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "vmm/bus/hazard.h"

namespace davit::bus {
namespace {

constexpr bool SizeIsNatural(size_t n) { return n == 1 || n == 2 || n == 4 || n == 8; }

}  // namespace

Bus::Bus(std::string name) : name_(std::move(name)), table_(new Table) {}

Bus::~Bus() {
  delete table_.load();
  for (const Retired& old : retired_) delete old.table;
}

const Bus::Claimed* Bus::Find(const Table& table, uint64_t addr) {
  auto after = std::upper_bound(table.begin(), table.end(), addr,
                                [](uint64_t a, const Claimed& c) { return a < c.base; });
  if (after == table.begin()) return nullptr;
  const Claimed& claim = *std::prev(after);
  return addr <= claim.last ? &claim : nullptr;
}

void Bus::Replace(const Table* table) {
  retired_.push_back({table_.exchange(table, std::memory_order_seq_cst), ++changes_});
  FreeUnused();
}

void Bus::FreeUnused() {
  std::erase_if(retired_, [](const Retired& old) {
    if (HazardUsed(old.table)) return false;
    delete old.table;
    return true;
  });
}

Status Bus::Claim(uint64_t base, uint64_t size, std::string owner, BusDevice* device) {
  const uint64_t last = base + (size - 1);
  if (size == 0 || last < base) {
    return Fail(fmt::format("{} range of {} at {:#x} has an impossible size {:#x}", name_, owner,
                            base, size));
  }
  std::lock_guard lock(mutex_);
  const Table& old = *table_.load();
  for (const Claimed& claim : old) {
    if (base <= claim.last && claim.base <= last) {
      return Fail(fmt::format("{} range {:#x}-{:#x} of {} overlaps {:#x}-{:#x} of {}", name_, base,
                              last, owner, claim.base, claim.last, claim.owner));
    }
  }
  auto* table = new Table(old);
  auto at = std::find_if(table->begin(), table->end(),
                         [base](const Claimed& claim) { return claim.base > base; });
  table->insert(at, Claimed{base, last, device, std::move(owner)});
  Replace(table);
  return {};
}

Status Bus::Release(uint64_t base) {
  std::unique_lock lock(mutex_);
  const Table& old = *table_.load();
  auto at = std::find_if(old.begin(), old.end(),
                         [base](const Claimed& claim) { return claim.base == base; });
  if (at == old.end()) return Fail(fmt::format("no {} range is claimed at {:#x}", name_, base));
  auto* table = new Table(old);
  table->erase(table->begin() + (at - old.begin()));
  Replace(table);
  if (!HazardHeldHere()) WaitUnused(changes_, lock);
  return {};
}

void Bus::Drain() {
  std::unique_lock lock(mutex_);
  FreeUnused();
  WaitUnused(changes_, lock);
}

void Bus::WaitUnused(uint64_t change, std::unique_lock<std::mutex>& lock) {
  // Accesses are short and never block, so this ends soon. Tables retired later do not hold the
  // claim.
  while (!retired_.empty() && retired_.front().change <= change) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
    FreeUnused();
  }
}

bool Bus::Read(uint64_t addr, std::span<uint8_t> data) const {
  const HazardGuard<Table> table(table_);
  const Claimed* claim = Find(*table, addr);
  if (claim && claim->last - addr >= data.size() - 1 && SizeIsNatural(data.size())) {
    claim->device->Read(addr - claim->base, data);
    return true;
  }
  bool any = false;
  for (size_t i = 0; i < data.size(); ++i) {
    const uint64_t at = addr + i;
    claim = at < addr ? nullptr : Find(*table, at);
    if (claim) {
      claim->device->Read(at - claim->base, data.subspan(i, 1));
      any = true;
    } else {
      data[i] = 0xff;
    }
  }
  return any;
}

bool Bus::Write(uint64_t addr, std::span<const uint8_t> data) const {
  const HazardGuard<Table> table(table_);
  const Claimed* claim = Find(*table, addr);
  if (claim && claim->last - addr >= data.size() - 1 && SizeIsNatural(data.size())) {
    claim->device->Write(addr - claim->base, data);
    return true;
  }
  bool any = false;
  for (size_t i = 0; i < data.size(); ++i) {
    const uint64_t at = addr + i;
    claim = at < addr ? nullptr : Find(*table, at);
    if (claim) {
      claim->device->Write(at - claim->base, data.subspan(i, 1));
      any = true;
    }
  }
  return any;
}

std::vector<Bus::ClaimInfo> Bus::claims() const {
  std::lock_guard lock(mutex_);
  std::vector<ClaimInfo> result;
  for (const Claimed& claim : *table_.load()) {
    result.push_back({claim.base, claim.last - claim.base + 1, claim.owner});
  }
  return result;
}

}  // namespace davit::bus
