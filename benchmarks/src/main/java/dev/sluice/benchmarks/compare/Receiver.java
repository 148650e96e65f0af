// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The process that receives: the same program for all rivals but iperf3, and for each a new one. */
final class Receiver implements AutoCloseable {

    private final Child process;
    private final long rawPort;
    private final long framedPort;

    Receiver(Path programs) throws IOException, InterruptedException, UnavailableException {
        process = new Child("the receiver", List.of(programs.resolve("receiver").toString()));
        Map<String, Long> ports = process.figures();
        rawPort = ports.getOrDefault("raw", 0L);
        framedPort = ports.getOrDefault("framed", 0L);
    }

    long pid() {
        return process.pid();
    }

    long port(boolean framed) {
        return framed ? framedPort : rawPort;
    }

    /** Payload bytes that came, once the sender has ended. */
    long received() throws IOException, InterruptedException, UnavailableException {
        return process.figures().getOrDefault("payload", -1L);
    }

    @Override
    public void close() throws IOException {
        process.close();
    }
}
