// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Access of the compiler's tests to schema/compiler/testdata. With DAVIT_UPDATE_TESTDATA=DIR in the
// environment, expectations are written to that copy of testdata instead of compared.
#pragma once

#include <string>
#include <vector>

#include "schema/compiler/source.h"

namespace davit::schema {

// Paths relative to testdata ("errors/if-type.json") of the *.json files in a folder of it, sorted.
std::vector<std::string> TestSchemas(const std::string& folder);

// Reads files of testdata by those paths, so that messages do not depend on where tests run.
FileReader TestReader();
std::string ReadTestFile(const std::string& path);

// The names of the line "# defines: A B" of a test schema.
std::vector<std::string> TestDefines(const std::string& path);

// Expects `actual` to be the contents of testdata file `path`.
void ExpectTestFile(const std::string& path, const std::string& actual);

}  // namespace davit::schema
