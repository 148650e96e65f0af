// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.topology.Topology;
import dev.sluice.topology.TopologyReader;

/** Topologies for tests, which have no problems. */
final class TopologyTexts {

    private TopologyTexts() {}

    static Topology valid(String text) {
        return switch (TopologyReader.read(text, "test")) {
            case TopologyReader.Valid(Topology topology) -> topology;
            case TopologyReader.Invalid invalid -> throw new AssertionError(invalid.problems());
        };
    }
}
