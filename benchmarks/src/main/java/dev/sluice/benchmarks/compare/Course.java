// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.sluice.benchmarks.compare.Rival.Runtime;
import dev.sluice.benchmarks.rivals.MachineTime;
import dev.sluice.benchmarks.rivals.Sender;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Runs one rival at a time: starts it, has it warm up and send, and holds what it says it sent against what came.
 *
 * @param programs folder of the programs in C; the receiver is one of them, started anew for each but iperf3
 * @param pace how long each sends
 * @param ring file that all send from
 */
record Course(Path programs, Pace pace, Path ring) {

    /** As many as a ring for a board has by default, in the simulated device's settings. */
    static final int BUFFERS = 64;

    /** Enough to end long after the start, for a run that only shows that all works. */
    private static final long QUICK_IPERF_BYTES = 1L << 29;

    /** MAX_BLOCKSIZE of iperf3. */
    private static final int MOST_IPERF_BYTES = 1 << 20;

    private static final String JAVA =
            Path.of(System.getProperty("java.home"), "bin", "java").toString();

    /** The options of {@code pipeline/bin/sluice}, for every JVM. */
    static final List<String> JVM_OPTIONS =
            List.of("-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow");

    /**
     * How long.
     *
     * @param quick only to show that all works
     * @param jvmWarmUpMillis over the same connection before anything counts; longer while it still compiles
     * @param warmUpMillis of a program in C, until the socket's buffers have grown
     * @param measureMillis what counts
     */
    record Pace(boolean quick, long jvmWarmUpMillis, long warmUpMillis, long measureMillis) {
        static final Pace FULL = new Pace(false, 1500, 200, 1000);
        static final Pace QUICK = new Pace(true, 100, 100, 300);

        /** @param word quick or full */
        static Pace of(String word) {
            return word.equals("quick") ? QUICK : FULL;
        }
    }

    Measurement run(Rival rival, Shape shape) throws IOException, InterruptedException, UnavailableException {
        return rival.runtime() == Runtime.IPERF ? iperf(rival, shape.frameBytes()) : send(rival, shape);
    }

    private Measurement send(Rival rival, Shape shape) throws IOException, InterruptedException, UnavailableException {
        boolean c = rival.runtime() == Runtime.C;
        long warmUpMillis = c ? pace.warmUpMillis() : pace.jvmWarmUpMillis();
        List<String> command = c
                ? new ArrayList<>(
                        List.of(programs.resolve(rival.arguments().getFirst()).toString()))
                : jvm(rival);
        try (Receivers receivers = Receivers.of(programs, rival.runtime(), shape.receivers())) {
            for (Object argument : List.of(
                    receivers.ports(),
                    receivers.pids(),
                    ring,
                    shape.frameBytes(),
                    shape.buffers(),
                    warmUpMillis,
                    pace.measureMillis())) {
                command.add(argument.toString());
            }
            try (Child sender = new Child(rival.name(), command)) {
                sender.watch(Sender.MOST_WARM_UP * warmUpMillis + 2 * pace.measureMillis());
                Map<String, Long> figures = sender.figures();
                sender.end();
                return checked(rival, figures, receivers.received());
            }
        }
    }

    private List<String> jvm(Rival rival) {
        List<String> command = new ArrayList<>(List.of(JAVA));
        command.addAll(JVM_OPTIONS);
        if (pace.quick()) {
            command.add("-XX:TieredStopAtLevel=1"); // starts sooner; its speed is not asked for
        }
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Sender.class.getName()));
        command.addAll(rival.arguments());
        return command;
    }

    private static Measurement checked(Rival rival, Map<String, Long> figures, long received) throws IOException {
        long total = figures.getOrDefault("total", 0L);
        long bytes = figures.getOrDefault("bytes", 0L);
        if (total != received) {
            throw new IOException(rival.name() + " sent " + total + " bytes, and " + received + " arrived");
        }
        if (bytes == 0) {
            throw new IOException(rival.name() + " sent nothing while it was measured");
        }
        return Measurement.of(
                bytes,
                figures.getOrDefault("wall_ns", 0L),
                figures.getOrDefault("sender_ns", 0L),
                figures.getOrDefault("receiver_ns", 0L),
                figures.getOrDefault("machine_ns", 0L),
                figures.getOrDefault("copied", 0L) / (double) total);
    }

    /** It sends one buffer over and over, to a receiver of its own; its figures are its own words. */
    private Measurement iperf(Rival rival, int frameBytes)
            throws IOException, InterruptedException, UnavailableException {
        if (frameBytes > MOST_IPERF_BYTES) {
            throw new UnavailableException("iperf3 sends at most " + Table.size(MOST_IPERF_BYTES) + " at once");
        }
        String port = String.valueOf(freePort());
        long seconds = Math.max(1, TimeUnit.MILLISECONDS.toSeconds(pace.measureMillis()));
        List<String> command =
                new ArrayList<>(List.of("iperf3", "-c", "127.0.0.1", "-p", port, "-l", "" + frameBytes, "-J"));
        command.addAll(pace.quick() ? List.of("-n", "" + QUICK_IPERF_BYTES) : List.of("-t", "" + seconds));
        command.addAll(rival.arguments());
        try (Child server = iperfServer(port)) {
            while (!server.line().contains("listening")) {
                continue;
            }
            long busy = MachineTime.busyNanos();
            try (Child client = new Child(rival.name(), command)) {
                client.watch(TimeUnit.SECONDS.toMillis(seconds));
                Config said = ConfigFactory.parseString(client.rest());
                busy = MachineTime.busyNanos() - busy;
                if (said.hasPath("error")) {
                    throw new IOException(rival.name() + ": " + said.getString("error"));
                }
                client.end();
                Config end = said.getConfig("end");
                double nanos = end.getDouble("sum_sent.seconds") * TimeUnit.SECONDS.toNanos(1);
                return Measurement.of(
                        end.getDouble("sum_sent.bytes"),
                        nanos,
                        end.getDouble("cpu_utilization_percent.host_total") / 100 * nanos,
                        end.getDouble("cpu_utilization_percent.remote_total") / 100 * nanos,
                        busy,
                        0);
            }
        }
    }

    private static long freePort() throws IOException {
        try (ServerSocket any = new ServerSocket(0)) {
            return any.getLocalPort();
        }
    }

    private static Child iperfServer(String port) throws IOException, UnavailableException {
        try {
            Child server = new Child("iperf3 -s", List.of("iperf3", "-s", "-1", "--forceflush", "-p", port));
            server.watch(0);
            return server;
        } catch (IOException e) {
            throw new UnavailableException("iperf3 is not installed");
        }
    }
}
