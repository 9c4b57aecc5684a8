# SPDX-License-Identifier: BSD-2-Clause
"""What the end-to-end tests stand on: namespaces, processes, clients and the program under test."""
