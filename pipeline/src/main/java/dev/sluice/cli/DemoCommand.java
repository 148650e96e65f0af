// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigValueFactory;
import dev.sluice.control.Outcome;
import dev.sluice.control.PipelineSystem;
import dev.sluice.metrics.Summary;
import dev.sluice.topology.Topology;
import dev.sluice.topology.TopologyReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sluice demo}: the main job on one machine, with a simulated device and a receiver in a process of its own. */
@Command(
        name = "demo",
        description = "Streams a simulated device over TCP to a receiver process that checks every word.",
        mixinStandardHelpOptions = true)
final class DemoCommand implements Callable<Integer> {

    private static final String SOURCE = "fpga";

    /** What the receiver's report may take once the sender has ended: it has all it needs by then. */
    private static final int MOST_SECONDS_FOR_REPORT = 10;

    @Option(
            names = "--seconds",
            paramLabel = "N",
            defaultValue = "10",
            description = "How long to stream. Default: ${DEFAULT-VALUE}.")
    private int seconds;

    @Option(
            names = "--rate",
            paramLabel = "SIZE",
            defaultValue = "360MB",
            description = "Bytes per second of the device, such as 100MB; 0 is as fast as it goes. Default: "
                    + "${DEFAULT-VALUE}, the rate of the FPGA that Sluice was made for.")
    private String rate = "";

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (seconds < 1) {
            throw Main.wrong(spec, "--seconds", String.valueOf(seconds), "a number from 1 on");
        }
        try {
            ConfigFactory.empty()
                    .withValue("rate", ConfigValueFactory.fromAnyRef(rate))
                    .getBytes("rate");
        } catch (ConfigException e) {
            throw Main.wrong(spec, "--rate", rate, "a size such as 100MB, or 0");
        }
        PrintWriter out = spec.commandLine().getOut();
        // Ctrl-C in a terminal, or what timeout(1) sends, goes to both processes: the receiver is to outlive the
        // sender, and ends with its stream.
        Process receiver = new ProcessBuilder(List.of(
                        "/bin/sh",
                        "-c",
                        "trap '' INT TERM; exec \"$0\" \"$@\"",
                        ProcessHandle.current().info().command().orElse("java"),
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Main.class.getName(),
                        "receive",
                        "--listen=127.0.0.1:0",
                        "--verify",
                        "--json"))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        Thread orphaned = new Thread(receiver::destroyForcibly, "end-receiver");
        Runtime.getRuntime().addShutdownHook(orphaned);
        try (BufferedReader lines = receiver.inputReader()) {
            String address = json(lines).getString("listening");
            Optional<Topology> topology = TopologyFile.orProblems(
                    TopologyReader.read(topology(address), "the demo's topology"),
                    spec.commandLine().getErr());
            if (topology.isEmpty()) {
                return Main.EXIT_CONFIG;
            }
            out.printf("simulated device, %s/s → pipeline → %s, for %d s%n", rate, address, seconds);
            out.flush();
            PipelineSystem system = PipelineSystem.start(topology.get());
            Thread.ofVirtual().start(() -> drainAfterSeconds(system));
            Runtime.getRuntime().removeShutdownHook(orphaned); // Foreground drains instead, and then it ends by itself
            return Foreground.run(system, true, outcome -> report(outcome, lines, receiver));
        } finally {
            receiver.destroyForcibly();
        }
    }

    /** Counted from the first frame: a virtual machine that starts slowly shall not use the time up. */
    private void drainAfterSeconds(PipelineSystem system) {
        while (system.counters().source(SOURCE).frames.value() == 0
                && !system.outcome().isDone()) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
        }
        LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(seconds));
        system.drain();
    }

    private String topology(String address) {
        return """
                sluice {
                  sources { %s { type = simulated, rate = "%s" } }
                  sinks   { tcp { type = tcp, from = %s, connect = "%s" } }
                }
                """.formatted(SOURCE, rate, SOURCE, address);
    }

    /** The sender's summary, the receiver's verdict, and the two held against each other. */
    private int report(Outcome outcome, BufferedReader lines, Process receiver) {
        PrintWriter out = spec.commandLine().getOut();
        out.print(outcome.summary().text());
        if (outcome.failure() != null) {
            out.flush();
            Verbosity.report(outcome.failure(), spec.commandLine().getErr());
            return outcome.exitCode();
        }
        try {
            if (!receiver.waitFor(MOST_SECONDS_FOR_REPORT, TimeUnit.SECONDS)) {
                receiver.destroyForcibly(); // it was never connected to, or it hangs
            }
            Config report = json(lines);
            long verified = report.getLong("verified_bytes");
            long wrong = report.getLong("wrong_bytes");
            long missing = outcome.summary().ofSinks(Summary.SinkSummary::keptBytes) - report.getLong("bytes");
            out.printf(Locale.ROOT, "receiver      %.1f MB/s%n", report.getDouble("mb_per_s"));
            if (!report.getString("problem").isEmpty()) {
                out.printf("receiver      %s%n", report.getString("problem"));
            }
            if (missing != 0) {
                out.printf("receiver      %d of the bytes sent did not arrive%n", missing);
            }
            out.printf("verified %d bytes, %d wrong%n", verified, wrong);
            out.flush();
            boolean good = receiver.waitFor() == 0 && wrong == 0 && missing == 0 && verified > 0;
            return good ? outcome.exitCode() : Main.EXIT_FAILED;
        } catch (IOException e) {
            Verbosity.report(e, spec.commandLine().getErr());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return Main.EXIT_FAILED;
    }

    private static Config json(BufferedReader lines) throws IOException {
        String line = lines.readLine();
        if (line == null) {
            throw new IOException("the receiver ended without a report; its own message is above");
        }
        try {
            return ConfigFactory.parseString(line);
        } catch (ConfigException e) {
            throw new IOException("the receiver said \"" + line + "\"", e);
        }
    }
}
