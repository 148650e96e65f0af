// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import dev.sluice.filter.Problems;
import dev.sluice.topology.Topology;
import dev.sluice.topology.TopologyReader;
import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;

/** Reads a topology for a command, and prints its problems if it has any. */
final class TopologyFile {

    private TopologyFile() {}

    static Optional<Topology> orProblems(TopologyReader.Result result, PrintWriter problemsTo) {
        return switch (result) {
            case TopologyReader.Valid(Topology topology) -> Optional.of(topology);
            case TopologyReader.Invalid(List<Problems.Problem> problems) -> {
                anyProblems(problems, problemsTo);
                yield Optional.empty();
            }
        };
    }

    /** Prints what is right, and may still not be meant. */
    static void warn(Topology topology, PrintWriter to) {
        topology.warnings().forEach(warning -> to.println(warning.as("warning")));
        to.flush();
    }

    /** Prints them, and how many there are. */
    static boolean anyProblems(List<Problems.Problem> problems, PrintWriter to) {
        if (!problems.isEmpty()) {
            problems.forEach(to::println);
            to.println(problems.size() == 1 ? "1 problem" : problems.size() + " problems");
            to.flush();
        }
        return !problems.isEmpty();
    }
}
