// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See scsi.h: the request queues.
#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "vmm/virtio/scsi/scsi_internal.h"

namespace davit::virtio {

using backend::BlockOp;
using Kind = scsi::Command::Kind;

namespace {

constexpr size_t kMaxCdb = 255;

BlockOp OpOf(Kind kind) {
  switch (kind) {
    case Kind::kWrite:
      return BlockOp::kWrite;
    case Kind::kFlush:
      return BlockOp::kFlush;
    case Kind::kDiscard:
      return BlockOp::kDiscard;
    case Kind::kWriteZeroes:
      return BlockOp::kWriteZeroes;
    default:
      return BlockOp::kRead;
  }
}

// What QEMU tells the guest of an error of the host.
scsi::Sense SenseOf(int error) {
  switch (error) {
    case ENOSPC:
      return scsi::kSpaceFull;
    case EINVAL:
      return scsi::kInvalidField;
    case ENOMEM:
      return scsi::kTargetFailure;
    default:
      return scsi::kIoError;
  }
}

}  // namespace

void ScsiDevice::StartCommand(uint16_t queue, DescriptorChain chain) {
  const uint64_t request_bytes = sizeof(scsi::CommandHeader) + cdb_size_;
  const uint64_t response_bytes = sizeof(scsi::CommandResponse) + sense_size_;
  if (chain.readable_bytes() < request_bytes || chain.writable_bytes() < response_bytes) {
    return FailChain(queue, std::move(chain), "a SCSI command without room for its headers");
  }
  Reader reader = chain.reader();
  std::array<uint8_t, kMaxCdb> cdb{};
  auto header = reader.Read<scsi::CommandHeader>();
  const std::span<uint8_t> cdb_bytes = std::span(cdb).first(cdb_size_);
  if (!header || !reader.Read(std::as_writable_bytes(cdb_bytes))) {
    return FailChain(queue, std::move(chain), "a SCSI command that cannot be read");
  }
  auto active = std::make_unique<Active>();
  active->queue = queue;
  active->sense_size = sense_size_;
  active->data_out = chain.readable_bytes() - request_bytes;
  active->data_out_at = request_bytes;
  active->data_in = chain.writable_bytes() - response_bytes;
  active->address = header->lun;
  active->task.tag = header->tag;
  active->chain.emplace(std::move(chain));
  if (!WellFormed(header->lun) || !HasTarget(header->lun[1])) {
    return Complete(std::move(active), scsi::kBadTarget, 0);
  }
  // Both directions were not offered (VIRTIO_SCSI_F_INOUT).
  if (active->data_in != 0 && active->data_out != 0) {
    return Complete(std::move(active), scsi::kFailure, 0);
  }
  Lun* const lun = Find(header->lun);
  RunCommand(std::move(active), lun, cdb_bytes);
}

void ScsiDevice::RunCommand(std::unique_ptr<Active> active, Lun* lun,
                            std::span<const uint8_t> cdb) {
  const std::vector<uint16_t> luns = LunsOf(active->address[1]);
  active->lun = lun;
  if (lun == nullptr) {
    active->command = scsi::ExecuteAbsent(cdb, luns);
  } else {
    const bool quiet = cdb[0] == scsi::kOpInquiry || cdb[0] == scsi::kOpReportLuns ||
                       cdb[0] == scsi::kOpEventStatus;
    const scsi::Sense attention = quiet ? scsi::kNoSense : lun->TakeAttention();
    if (attention.key != 0 && cdb[0] != scsi::kOpRequestSense) {
      return CompleteSense(std::move(active), attention);
    }
    const scsi::Unit unit = lun->Now();
    std::vector<uint8_t> parameters(
        std::min<uint64_t>(scsi::ParameterBytes(cdb, unit), active->data_out));
    Reader reader = active->chain->reader();
    (void)reader.Skip(active->data_out_at);
    if (!reader.Read(std::as_writable_bytes(std::span(parameters)))) parameters.clear();
    const bool open = lun->tray.open();
    active->command = scsi::Execute(cdb, parameters, unit, luns, attention, lun->tray);
    if (lun->tray.open() != open) lun->disk->NoteTrayMoved(!open, true);
  }
  scsi::Command& command = active->command;
  if (command.status != scsi::kGood) {
    const scsi::Sense sense = command.sense;
    return CompleteSense(std::move(active), sense);
  }
  if (command.kind == Kind::kAnswer) {
    const uint64_t moved = std::min<uint64_t>(command.data.size(), active->data_in);
    const bool fits = moved == command.data.size();
    Writer writer = active->chain->writer();
    (void)writer.Skip(sizeof(scsi::CommandResponse) + active->sense_size);
    (void)writer.Write(std::as_bytes(std::span(command.data).first(moved)));
    return Complete(std::move(active), fits ? scsi::kOk : scsi::kOverrun, moved);
  }
  if (!BorrowData(*active)) return Complete(std::move(active), scsi::kOverrun, 0);
  lun->tasks.Begin(active->task);
  Issue(std::move(active));
}

// Of reads and writes. False: the driver's buffers are shorter than what it asks for.
bool ScsiDevice::BorrowData(Active& active) {
  const scsi::Command& command = active.command;
  if (command.kind == Kind::kRead) {
    if (command.extents[0].bytes > active.data_in) return false;
    Writer writer = active.chain->writer();
    (void)writer.Skip(sizeof(scsi::CommandResponse) + active.sense_size);
    auto io = writer.Borrow(command.extents[0].bytes);
    if (!io) return false;
    active.io.emplace(std::move(*io));
  } else if (command.kind == Kind::kWrite) {
    if (command.extents[0].bytes > active.data_out) return false;
    Reader reader = active.chain->reader();
    (void)reader.Skip(active.data_out_at);
    auto io = reader.Borrow(command.extents[0].bytes);
    if (!io) return false;
    active.io.emplace(std::move(*io));
  }
  return true;
}

void ScsiDevice::Issue(std::unique_ptr<Active> active) {
  const scsi::Command& command = active->command;
  backend::BlockBackend& disk = *active->lun->disk;
  const scsi::Extent extent =
      command.extents.empty() ? scsi::Extent() : command.extents[active->extent];
  // It fitted when the command came; a disk may shrink while one is kept.
  const uint64_t length = disk.length();
  if (extent.bytes > length || extent.offset > length - extent.bytes) {
    return CompleteSense(std::move(active), scsi::kBadLba);
  }
  backend::BlockRequest& back = active->back;
  back.op = OpOf(command.kind);
  back.offset = extent.offset;
  back.bytes = extent.bytes;
  back.iov = active->io ? active->io->iovecs() : std::span<const iovec>();
  back.fua = command.fua;
  back.unmap = command.unmap;
  Active* const raw = active.release();  // the back end's until done()
  back.done = [this, raw](int error) { Ended(std::unique_ptr<Active>(raw), error); };
  disk.Submit(back);
}

void ScsiDevice::Ended(std::unique_ptr<Active> active, int error) {
  const scsi::Command& command = active->command;
  backend::BlockBackend& disk = *active->lun->disk;
  if (error != 0 && !resetting_ && !active->task.aborted) {
    switch (disk.OnError(command.kind == Kind::kRead, error)) {
      case backend::ErrorAction::kStop:
        held_.push_back(std::move(active));
        return;
      case backend::ErrorAction::kIgnore:
        error = 0;
        break;
      case backend::ErrorAction::kReport:
        disk.CountFailed(OpOf(command.kind));
        break;
    }
  }
  if (error == 0 && !resetting_ && !active->task.aborted &&
      ++active->extent < command.extents.size()) {
    Issue(std::move(active));
    disk.Kick();
    return;
  }
  if (active->task.aborted) return Complete(std::move(active), scsi::kAborted, 0);
  if (error != 0) {
    const scsi::Sense sense = SenseOf(error);
    return CompleteSense(std::move(active), sense);
  }
  const bool data = command.kind == Kind::kRead || command.kind == Kind::kWrite;
  const uint64_t moved = data ? command.extents[0].bytes : active->data_out;
  Complete(std::move(active), scsi::kOk, moved);
}

void ScsiDevice::CompleteSense(std::unique_ptr<Active> active, const scsi::Sense& sense) {
  active->command.status = scsi::kCheckCondition;
  active->command.sense = sense;
  Complete(std::move(active), scsi::kOk, 0);
}

// moved: bytes of the data that went either way.
void ScsiDevice::Complete(std::unique_ptr<Active> active, uint8_t response, uint64_t moved) {
  scsi::CommandResponse answer{};
  std::vector<uint8_t> sense;
  if (response == scsi::kOk && active->command.status != scsi::kGood) {
    sense = scsi::FixedSense(active->command.sense);
    sense.resize(std::min<size_t>(sense.size(), active->sense_size));
    answer.status = active->command.status;
  }
  const uint64_t wanted = active->data_in != 0 ? active->data_in : active->data_out;
  answer.sense_bytes = static_cast<uint32_t>(sense.size());
  answer.residual = static_cast<uint32_t>(wanted - std::min(moved, wanted));
  answer.response = response;
  sense.resize(active->sense_size);
  active->io.reset();
  Writer writer = active->chain->writer();
  (void)writer.Write(answer);
  (void)writer.Write(std::as_bytes(std::span(sense)));
  const uint64_t written = writer.written() + (active->data_in != 0 ? moved : 0);
  Forget(*active);
  notify_[active->queue] = true;
  Status given = queues_[active->queue]->Complete(std::move(*active->chain), written);
  if (!given && !resetting_) host().NeedsReset(given.error().message);
}

}  // namespace davit::virtio
