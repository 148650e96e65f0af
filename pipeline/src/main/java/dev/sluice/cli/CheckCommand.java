// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import dev.sluice.control.Environment;
import dev.sluice.filter.Problems;
import dev.sluice.testkit.TopologyTests;
import dev.sluice.topology.Topology;
import dev.sluice.topology.TopologyReader;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sluice check FILE}. */
@Command(
        name = "check",
        description =
                "Says whether a topology file is right, or all that is wrong with it: its settings, how its nodes "
                        + "are joined, whether this machine has what it asks for, and its own tests.",
        mixinStandardHelpOptions = true)
final class CheckCommand implements Callable<Integer> {

    @Parameters(paramLabel = "FILE", description = "Topology in HOCON.")
    private Path file = Path.of("");

    @Option(
            names = "--no-environment",
            description = "Do not look for devices, files and hosts: for a check on another machine.")
    private boolean noEnvironment;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        Optional<Topology> topology = TopologyFile.orProblems(TopologyReader.read(file), err);
        if (topology.isEmpty()) {
            return Main.EXIT_CONFIG;
        }
        TopologyFile.warn(topology.get(), err);
        List<Problems.Problem> problems = new ArrayList<>();
        if (!noEnvironment) {
            problems.addAll(Environment.problems(topology.get()));
        }
        problems.addAll(TopologyTests.run(topology.get()));
        if (TopologyFile.anyProblems(problems, err)) {
            return Main.EXIT_CONFIG;
        }
        int tests = topology.get().tests().size();
        out.println(file + ": no problems"
                + (tests == 0 ? "" : tests == 1 ? ", 1 test passed" : ", " + tests + " tests passed"));
        out.flush();
        return 0;
    }
}
