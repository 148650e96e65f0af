// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import dev.sluice.topology.Drawing;
import dev.sluice.topology.Topology;
import dev.sluice.topology.TopologyReader;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sluice graph FILE}. */
@Command(name = "graph", description = "Draws a topology.", mixinStandardHelpOptions = true)
final class GraphCommand implements Callable<Integer> {

    @Parameters(paramLabel = "FILE", description = "Topology in HOCON.")
    private Path file = Path.of("");

    @Option(names = "--dot", description = "As Graphviz reads it: sluice graph --dot FILE | dot -Tsvg > topology.svg")
    private boolean dot;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        Optional<Topology> topology = TopologyFile.orProblems(
                TopologyReader.read(file), spec.commandLine().getErr());
        if (topology.isEmpty()) {
            return Main.EXIT_CONFIG;
        }
        Drawing drawing = new Drawing(topology.get());
        PrintWriter out = spec.commandLine().getOut();
        out.print(dot ? drawing.dot() : drawing.text());
        out.flush();
        return 0;
    }
}
