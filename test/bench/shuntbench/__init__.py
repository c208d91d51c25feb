# SPDX-License-Identifier: Apache-2.0
"""The benchmark: a client, a node and pods for each contestant, measured side by side in interleaved rounds."""
