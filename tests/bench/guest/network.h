// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Load on the guest's first network card. The peer is the host's end of a tap interface.
#pragma once

#include <string>

namespace davit::bench_guest {

// "ADDRESS" (of a /24): eth0 goes up with it -> "net up".
std::string SetUpNetwork(const std::string& arguments);
// "ADDRESS PORT MS": sends as fast as it can -> "tcp bytes N ns T".
std::string SendStream(const std::string& arguments);
// "ADDRESS PORT MS": takes what comes until the peer closes -> "tcp bytes N ns T".
std::string ReceiveStream(const std::string& arguments);
// "ADDRESS PORT COUNT": one byte there and back, one at a time -> "tcp trips N ns T".
std::string RoundTrips(const std::string& arguments);

}  // namespace davit::bench_guest
