#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
exec python3 tests/guest/lab/again_test.py
