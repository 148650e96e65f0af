// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import dev.sluice.control.Outcome;
import dev.sluice.control.PipelineSystem;
import dev.sluice.topology.Topology;
import dev.sluice.topology.TopologyReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
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
        PrintWriter out = spec.commandLine().getOut();
        Process receiver = new ProcessBuilder(List.of(
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
            CompletableFuture.delayedExecutor(seconds, TimeUnit.SECONDS).execute(system::drain);
            return Foreground.run(system, true, outcome -> report(outcome, lines, receiver));
        } finally {
            receiver.destroy();
        }
    }

    private String topology(String address) {
        return """
                sluice {
                  sources { fpga { type = simulated, rate = "%s" } }
                  sinks   { tcp  { type = tcp, from = fpga, connect = "%s" } }
                }
                """.formatted(rate, address);
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
            Config report = json(lines);
            long verified = report.getLong("verified_bytes");
            long wrong = report.getLong("wrong_bytes");
            long missing = outcome.summary().keptBytes() - report.getLong("bytes");
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
