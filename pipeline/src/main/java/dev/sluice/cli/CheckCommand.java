// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import dev.sluice.topology.TopologyReader;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sluice check FILE}. */
@Command(
        name = "check",
        description = "Says whether a topology file is right, or all that is wrong with it.",
        mixinStandardHelpOptions = true)
final class CheckCommand implements Callable<Integer> {

    @Parameters(paramLabel = "FILE", description = "Topology in HOCON.")
    private Path file = Path.of("");

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        if (TopologyFile.orProblems(
                        TopologyReader.read(file), spec.commandLine().getErr())
                .isEmpty()) {
            return Main.EXIT_CONFIG;
        }
        out.println(file + ": no problems");
        out.flush();
        return 0;
    }
}
