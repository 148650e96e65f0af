// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How many calls of the kernel it takes to send what is there to be sent at once (man 1 strace). */
class CallsIT {

    private static final long BYTES = 64 << 20;
    private static final int BUFFERS = 64;

    /**
     * Frames of a sixteenth of what may be sent together are, mostly; a full socket cuts a batch into pieces, which the limit
     * allows for.
     */
    @ParameterizedTest(name = "{0}, frames of {1} KiB: {2} at most {3} times per MiB")
    @CsvSource({
        "copy,     64, sendmsg,           4",
        "zerocopy, 64, sendmsg,           4",
        "uring,    64, io_uring_enter,    4",
        "splice,   64, splice vmsplice,  12",
        "copy,     4,  sendmsg,          64",
    })
    void smallFramesAreSentTogether(String transport, int frameKib, String calls, int mostPerMib, @TempDir Path folder)
            throws IOException {
        try (SluiceProcess receiver = SluiceProcess.start("receive", "--listen=127.0.0.1:0", "--json")) {
            Path topology = Files.writeString(folder.resolve("calls.conf"), """
                    sluice {
                      sources { fpga { type = simulated, buffer-size = %dKiB, buffers = %d, frames = %d } }
                      sinks { out {
                        type = tcp, from = fpga, connect = "%s", transport = %s, delivery = resume
                        plain-after-copied = 0, zerocopy-threshold = 0
                      } }
                    }
                    """.formatted(
                            frameKib, BUFFERS, BYTES / 1024 / frameKib, receiver.listening(), transport));
            Path trace = folder.resolve("trace");
            try (SluiceProcess sluice = SluiceProcess.traced(
                    trace, calls.replace(' ', ','), List.of(), "run", "--json", topology.toString())) {
                SluiceProcess.Ended ended = sluice.end();
                assertThat(ended.exit()).as("%s", ended).isZero();
            }
            assertThat(receiver.end().json().getLong("bytes")).isEqualTo(BYTES);
            try (Stream<String> lines = Files.lines(trace)) {
                double perMib = (double) lines.count() / (BYTES >> 20);
                System.out.printf("%s, frames of %d KiB: %s %.1f times per MiB%n", transport, frameKib, calls, perMib);
                assertThat(perMib).isBetween(0.5, (double) mostPerMib);
            }
        }
    }
}
