// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import dev.sluice.control.Environment;
import dev.sluice.control.Outcome;
import dev.sluice.control.PipelineSystem;
import dev.sluice.filter.Problems;
import dev.sluice.metrics.Summary;
import dev.sluice.topology.Topology;
import dev.sluice.topology.TopologyReader;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sluice run FILE}. */
@Command(
        name = "run",
        description =
                "Runs a topology until its source has ended, or SIGTERM or Ctrl-C drains it; SIGHUP reads the file again.",
        mixinStandardHelpOptions = true)
final class RunCommand implements Callable<Integer> {

    private static final Logger LOG = LoggerFactory.getLogger(RunCommand.class);

    @Parameters(paramLabel = "FILE", description = "Topology in HOCON.")
    private Path file = Path.of("");

    @Option(names = "--json", description = "Print the summary as one line of JSON.")
    private boolean json;

    @Option(names = "--live", description = "Show a line of figures while it runs.")
    private boolean live;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        PrintWriter err = spec.commandLine().getErr();
        Optional<Topology> topology = TopologyFile.orProblems(TopologyReader.read(file), err);
        if (topology.isEmpty()) {
            return Main.EXIT_CONFIG;
        }
        warn(topology.get());
        // Before it runs: a signal that comes meanwhile is kept until it does.
        CompletableFuture<PipelineSystem> running = new CompletableFuture<>();
        Hangup.handle(() -> reload(running.join()), () -> running.join().drain());
        PipelineSystem system = PipelineSystem.start(topology.get());
        running.complete(system);
        return Foreground.run(system, live, outcome -> report(outcome, err));
    }

    /** Only a file without problems changes anything. */
    private synchronized void reload(PipelineSystem system) {
        List<Problems.Problem> problems;
        switch (TopologyReader.read(file)) {
            case TopologyReader.Invalid invalid -> problems = invalid.problems();
            case TopologyReader.Valid(Topology topology) -> {
                problems = Environment.problems(topology, system.topology());
                if (problems.isEmpty()) {
                    warn(topology);
                    LOG.info("{}: read again", file);
                    system.change(topology);
                }
            }
        }
        if (!problems.isEmpty()) {
            problems.forEach(problem -> LOG.error("{}", problem));
            LOG.error("{}: read again, and not changed to because of that: the topology before goes on", file);
        }
    }

    private static void warn(Topology topology) {
        topology.warnings().forEach(warning -> LOG.warn("{}", warning));
    }

    private int report(Outcome outcome, PrintWriter err) {
        PrintWriter out = spec.commandLine().getOut();
        if (outcome.started()) {
            Summary summary = outcome.summary();
            out.print(json ? summary.json() + System.lineSeparator() : summary.text());
            out.flush();
        }
        if (outcome.failure() != null) {
            Verbosity.report(outcome.failure(), err);
        }
        return outcome.exitCode();
    }
}
