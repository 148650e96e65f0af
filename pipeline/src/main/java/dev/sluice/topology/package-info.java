// SPDX-License-Identifier: Apache-2.0
/**
 * From HOCON to a {@link dev.sluice.topology.Topology}: immutable, checked, and nothing runs here. {@link
 * dev.sluice.topology.TopologyReader} reads the whole file and reports all its problems at once.
 */
@NullMarked
package dev.sluice.topology;

import org.jspecify.annotations.NullMarked;
