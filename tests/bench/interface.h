// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// IPv4 on a network interface, for the two ends of the benchmark's wire.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

namespace davit::bench {

sockaddr_in Ipv4(const std::string& address, uint16_t port);

// Gives the interface the address with 24 bits of network and brings it up. Null, or the request
// that failed, with errno.
const char* BringUp(const std::string& interface, const std::string& address);

}  // namespace davit::bench
