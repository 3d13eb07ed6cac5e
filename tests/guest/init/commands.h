// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The commands of init that have a file of their own. Each prints its answer; see init.cc for the
// words. Owner: init's one thread.
#pragma once

#include <string>

namespace init {

// --- disk.cc: "PATH MIB THREADS" ---
void FillDisk(const std::string& arguments);
void SumDisk(const std::string& arguments);

// --- memory.cc ---
void TouchMemory(const std::string& mib);
void FreeMemory();

// --- shell.cc ---
void RunShell(const std::string& command);
void Spawn(const std::string& command);
// Takes the status of children that have ended.
void Reap();

// --- vsock.cc: "echo PORT" or "send PORT BYTES" ---
void UseSocket(const std::string& arguments);

}  // namespace init
