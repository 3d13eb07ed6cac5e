// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The one translation unit that holds Asio's code (separate compilation).
#include <boost/asio/impl/src.hpp>
