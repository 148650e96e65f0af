// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A memlock limit that the sends under way exceed: the kernel answers ENOBUFS, and every byte still arrives. */
class LimitsIT {

    /** HELLO, END, and what keeps a slow connection alive: far less than a frame. */
    private static final long HEADERS_BYTES = 64 * 64;

    /**
     * The first limit holds a few sends of 256 KiB, so that there are always completions to wait for; the second not even
     * one, so that a send is refused with nothing outstanding and goes plainly.
     */
    @ParameterizedTest(name = "memlock limit of {0} bytes")
    @CsvSource({"1048576, false", "65536, true"})
    void sendsOnWhenTheMemlockLimitIsUsedUp(long memlockBytes, boolean somePlainly, @TempDir Path folder)
            throws IOException {
        try (SluiceProcess receiver = SluiceProcess.start("receive", "--listen=127.0.0.1:0", "--verify", "--json")) {
            Path topology = Files.writeString(folder.resolve("limits.conf"), """
                    sluice {
                      sources { fpga { type = simulated, buffer-size = 256KiB, buffers = 64, frames = 2000 } }
                      sinks { out {
                        type = tcp, from = fpga, connect = "%s", transport = zerocopy, plain-after-copied = 0
                        send-buffer = 8MiB
                      } }
                    }
                    """.formatted(receiver.listening()));
            Config summary = run(memlockBytes, topology).json();

            assertThat(summary.getLong("enobufs")).isPositive();
            assertThat(summary.getLong("frames_sent")).isEqualTo(2000);
            assertThat(summary.getLong("plain_bytes") > HEADERS_BYTES).isEqualTo(somePlainly);
            assertThat(summary.getLong("stuck_buffers")).isZero();
            Config report = receiver.end().json();
            assertThat(report.getLong("verified_bytes")).isEqualTo(2000 * 256L * 1024);
            assertThat(report.getLong("wrong_bytes")).isZero();
        }
    }

    /** Root is exempt from the limit by CAP_IPC_LOCK, so it runs without. */
    private static SluiceProcess.Ended run(long memlockBytes, Path topology) {
        List<String> command = new ArrayList<>();
        if (System.getProperty("user.name").equals("root")) {
            command.addAll(List.of("setpriv", "--inh-caps=-ipc_lock", "--bounding-set=-ipc_lock", "--"));
        }
        command.addAll(List.of("prlimit", "--memlock=" + memlockBytes + ":" + memlockBytes, "--"));
        command.addAll(SluiceProcess.sluice());
        command.addAll(List.of("run", "--json", topology.toString()));
        try (SluiceProcess sluice = SluiceProcess.program(new ProcessBuilder(command))) {
            SluiceProcess.Ended ended = sluice.end();
            assertThat(ended.exit()).as("%s", ended).isZero();
            return ended;
        }
    }
}
