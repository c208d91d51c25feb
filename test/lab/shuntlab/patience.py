# SPDX-License-Identifier: Apache-2.0
"""How much longer than usual everything may take: $SHUNT_LAB_PATIENCE, 1 unless told. An emulated machine needs it."""

import os

FACTOR = float(os.environ.get("SHUNT_LAB_PATIENCE", "1"))
