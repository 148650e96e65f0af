// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import dev.sluice.topology.HostAndPort;
import dev.sluice.transport.ConnectionLostException;
import dev.sluice.transport.LinkBench;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code sluice bench HOST:PORT}. */
@Command(
        name = "bench",
        description =
                "Measures every transport on the way to a receiver, over one connection. The receiver is whatever reads "
                        + "there: sluice receive --framing raw --listen ADDRESS:PORT, or nc -l PORT >/dev/null.",
        mixinStandardHelpOptions = true)
final class BenchCommand implements Callable<Integer> {

    private static final int PAGE_BYTES = 4096;
    private static final int MOST_FRAME_BYTES = 64 << 20;
    private static final int MOST_ROUNDS = 99;
    private static final int MOST_SECONDS = 3600;

    @Parameters(paramLabel = "HOST:PORT", description = "Where the receiver listens.")
    private String to = "";

    @Option(
            names = "--frame-size",
            paramLabel = "BYTES",
            defaultValue = "1048576",
            description = "Bytes of a frame, a multiple of 4096. Default: ${DEFAULT-VALUE}.")
    private int frameBytes;

    @Option(
            names = "--rounds",
            paramLabel = "N",
            defaultValue = "5",
            description = "Rounds, of which the median counts. Default: ${DEFAULT-VALUE}.")
    private int rounds;

    @Option(
            names = "--seconds",
            paramLabel = "S",
            defaultValue = "1",
            description = "How long each transport sends in a round. Default: ${DEFAULT-VALUE}.")
    private int seconds;

    @Option(names = "--json", description = "Print a line of JSON for each transport.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        HostAndPort address = HostAndPort.parse(to);
        if (address == null || address.port() == 0) {
            throw Main.wrong(spec, "HOST:PORT", to, "HOST:PORT, such as 192.0.2.7:7000");
        }
        if (frameBytes < PAGE_BYTES || frameBytes > MOST_FRAME_BYTES || frameBytes % PAGE_BYTES != 0) {
            throw Main.wrong(
                    spec, "--frame-size", "" + frameBytes, "a multiple of 4096 from 4096 to " + MOST_FRAME_BYTES);
        }
        within("--rounds", rounds, MOST_ROUNDS);
        within("--seconds", seconds, MOST_SECONDS);
        LinkBench.Settings settings = new LinkBench.Settings(frameBytes, rounds, Duration.ofSeconds(seconds));
        PrintWriter err = spec.commandLine().getErr();
        try (LinkBench bench = LinkBench.connect(new InetSocketAddress(address.host(), address.port()), settings)) {
            List<LinkBench.Row> rows = bench.run(line -> {
                err.println(line);
                err.flush();
            });
            print(rows, bench.auto());
            return 0;
        } catch (ConnectionLostException e) {
            throw new IOException(
                    "the receiver at " + address + " is gone (" + e.getMessage()
                            + "): it must read anything that comes, as " + "sluice receive --framing raw does",
                    e);
        }
    }

    private void within(String option, int value, int most) {
        if (value < 1 || value > most) {
            throw Main.wrong(spec, option, "" + value, "a whole number from 1 to " + most);
        }
    }

    private void print(List<LinkBench.Row> rows, String auto) {
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            rows.forEach(row -> out.println(json(row)));
        } else {
            out.printf(
                    Locale.ROOT,
                    "%s, frames of %d bytes, Linux %s; medians of %d rounds of %d s%n",
                    to,
                    frameBytes,
                    System.getProperty("os.version"),
                    rounds,
                    seconds);
            out.printf("%-10s %9s %16s %13s%n", "transport", "MB/s", "sender CPU s/GB", "by reference");
            rows.forEach(row -> out.println(text(row)));
            out.println("auto takes " + auto);
        }
        out.flush();
    }

    private static String text(LinkBench.Row row) {
        return row.problem().isEmpty()
                ? String.format(
                        Locale.ROOT,
                        "%-10s %9.1f %16.3f %12.0f%%",
                        row.transport(),
                        row.megabytesPerSecond(),
                        row.cpuSecondsPerGigabyte(),
                        100 * row.referredShare())
                : String.format(Locale.ROOT, "%-10s not here: %s", row.transport(), row.problem());
    }

    private String json(LinkBench.Row row) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("transport", row.transport());
        fields.put("frame_bytes", frameBytes);
        if (row.problem().isEmpty()) {
            fields.put("mb_per_s", row.megabytesPerSecond());
            fields.put("sender_cpu_s_per_gb", row.cpuSecondsPerGigabyte());
            fields.put("by_reference", row.referredShare());
        } else {
            fields.put("problem", row.problem());
        }
        return ConfigFactory.parseMap(fields).root().render(ConfigRenderOptions.concise());
    }
}
