// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See log.h. A line is "davitd: level: text", as QEMU's users expect a tool's name first.
#include "vmm/base/log.h"

#include <fcntl.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "vmm/base/unique_fd.h"

namespace davit {

Status ConfigureLog(const LogConfig& config) {
  spdlog::sink_ptr sink;
  if (config.file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    // spdlog would make missing folders; a wrong path shall be an error.
    UniqueFd probe(open(config.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!probe) return FailErrno("could not open log file '" + config.file + "'");
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.file, false);
    } catch (const spdlog::spdlog_ex&) {
      return FailErrno("could not open log file '" + config.file + "'");
    }
  }
  auto logger = std::make_shared<spdlog::logger>("davitd", std::move(sink));
  std::string pattern = config.timestamps ? "%Y-%m-%dT%H:%M:%S.%fZ " : "";
  for (char c : config.prefix) pattern += c == '%' ? "%%" : std::string(1, c);
  if (!config.prefix.empty()) pattern += ' ';
  logger->set_pattern(pattern + "davitd: %l: %v", spdlog::pattern_time_type::utc);
  log_guest_errors = config.guest_errors;
  logger->set_level(spdlog::level::from_str(config.level));
  // Whoever asks for more wants to see it when it happens.
  logger->flush_on(logger->level());
  spdlog::set_default_logger(std::move(logger));
  return {};
}

}  // namespace davit
