// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import io.netty.util.Version;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.List;

/** What the figures were taken on and with. */
final class Machine {

    private Machine() {}

    /** The congestion control that new sockets get. */
    static String congestionControl() throws IOException {
        return read("/proc/sys/net/ipv4/tcp_congestion_control");
    }

    static String text() throws IOException {
        return """
                date         %s
                kernel       %s
                processor    %d of %s
                memory       %s; load %s
                JDK          %s %s, %s
                rivals       %s; Pekko %s; Netty %s; %s
                congestion   %s; tcp_wmem %s; tcp_rmem %s
                """.formatted(
                        OffsetDateTime.now().truncatedTo(ChronoUnit.SECONDS),
                        read("/proc/sys/kernel/ostype") + " " + read("/proc/sys/kernel/osrelease") + " "
                                + System.getProperty("os.arch"),
                        Runtime.getRuntime().availableProcessors(),
                        field("/proc/cpuinfo", "model name"),
                        field("/proc/meminfo", "MemTotal"),
                        read("/proc/loadavg").replaceFirst("( \\S+){2}$", ""),
                        System.getProperty("java.vendor.version"),
                        System.getProperty("java.vm.version"),
                        String.join(" ", Course.JVM_OPTIONS),
                        firstLine("gcc", "--version"),
                        org.apache.pekko.Version.current(),
                        netty(),
                        firstLine("iperf3", "--version"),
                        congestionControl(),
                        read("/proc/sys/net/ipv4/tcp_wmem"),
                        read("/proc/sys/net/ipv4/tcp_rmem"));
    }

    private static String netty() {
        return Version.identify().values().stream()
                .map(Version::artifactVersion)
                .findFirst()
                .orElse("of an unknown version");
    }

    /** In one call: what is in /proc/sys is all there the first time, and never again. */
    private static String read(String file) throws IOException {
        try (FileInputStream open = new FileInputStream(file)) {
            byte[] bytes = new byte[1 << 12];
            int count = open.read(bytes);
            return new String(bytes, 0, Math.max(0, count), StandardCharsets.US_ASCII)
                    .strip()
                    .replaceAll("\\s+", " ");
        }
    }

    private static String field(String file, String name) throws IOException {
        return Files.readAllLines(Path.of(file)).stream()
                .filter(line -> line.startsWith(name))
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .findFirst()
                .orElse("unknown");
    }

    private static String firstLine(String... command) {
        try {
            Process process = new ProcessBuilder(List.of(command))
                    .redirectErrorStream(true)
                    .start();
            String text = process.inputReader().readAllAsString();
            return text.lines().findFirst().orElse("unknown");
        } catch (IOException e) {
            return "no " + command[0];
        }
    }
}
