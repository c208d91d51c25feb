# SPDX-License-Identifier: Apache-2.0
"""The lab: a client, a router, an ALB and two Kubernetes nodes with pods, made of network namespaces."""
