// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import dev.sluice.benchmarks.compare.Rival.Runtime;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** The processes that receive, of one program for all rivals but iperf3, and for each rival new ones. */
final class Receivers implements AutoCloseable {

    /** Where a sender listens, in the run's own network namespace; no port that a socket which connects may be given. */
    private static final long SENDER_PORT = 7000;

    private final List<Child> processes = new ArrayList<>();
    private final List<Long> ports = new ArrayList<>();

    private Receivers() {}

    /** So many that listen, each on a port of its own; or that connect to one port, once the sender listens there. */
    static Receivers of(Path programs, Runtime sender, int count)
            throws IOException, InterruptedException, UnavailableException {
        Receivers receivers = new Receivers();
        String program = programs.resolve("receiver").toString();
        try {
            if (sender == Runtime.JVM_LISTENING) {
                receivers.ports.add(SENDER_PORT);
                for (int i = 0; i < count; i++) {
                    receivers.start(List.of(program, String.valueOf(SENDER_PORT)));
                }
            } else {
                String port = sender == Runtime.JVM_FRAMED ? "framed" : "raw";
                for (int i = 0; i < count; i++) {
                    Map<String, Long> listensOn =
                            receivers.start(List.of(program)).figures();
                    receivers.ports.add(listensOn.getOrDefault(port, 0L));
                }
            }
            return receivers;
        } catch (IOException | InterruptedException | UnavailableException e) {
            receivers.close();
            throw e;
        }
    }

    private Child start(List<String> command) throws IOException {
        Child process = new Child("the receiver", command);
        processes.add(process);
        return process;
    }

    /** With commas between. */
    String ports() {
        return ports.stream().map(String::valueOf).collect(Collectors.joining(","));
    }

    /** With commas between. */
    String pids() {
        return processes.stream().map(process -> String.valueOf(process.pid())).collect(Collectors.joining(","));
    }

    /** Payload bytes that came to all together, once the sender has ended. */
    long received() throws IOException, InterruptedException, UnavailableException {
        long received = 0;
        for (Child process : processes) {
            received += process.figures().getOrDefault("payload", 0L);
        }
        return received;
    }

    @Override
    public void close() {
        processes.forEach(Child::close);
    }
}
