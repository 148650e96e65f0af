// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What a kernel may answer and hardly ever does, forced upon every nth call of a pipeline's process (man 1 strace, syscall
 * tampering: the call is not made, and has failed). No byte is lost or wrong.
 */
class KernelAnswersIT {

    private static final int FRAMES = 150;
    private static final int FRAME_BYTES = 256 * 1024;

    /** The send buffer is smaller than a frame, so that each takes several sends and most are cut short. */
    @ParameterizedTest(name = "{0}: {1} gives {2}")
    @CsvSource({
        "copy,     sendmsg,    EAGAIN,     2+3",
        "zerocopy, sendmsg,    EINTR,      2+3",
        "zerocopy, sendmsg,    EAGAIN,     2+3",
        "zerocopy, sendmsg,    ENOBUFS,    2+3",
        "zerocopy, sendmsg,    ENOMEM,     2+3",
        "zerocopy, sendmsg,    ECONNRESET, 50+60",
        "zerocopy, recvmsg,    EINTR,      2+3",
        "zerocopy, epoll_wait, EINTR,      2+3",
        "uring,    io_uring_enter, EINTR,  2+3",
        "uring,    io_uring_enter, EBUSY,  2+3",
        "splice,   vmsplice,   EINTR,      2+3",
        "splice,   splice,     EINTR,      2+3",
        "splice,   splice,     EAGAIN,     2+3",
    })
    void losesNothing(String transport, String call, String answer, String when, @TempDir Path folder)
            throws IOException {
        Config summary = run(transport, call, answer, when, answer.equals("ECONNRESET") ? 2 : 11, folder);
        boolean scarce = answer.equals("ENOMEM") || answer.equals("ENOBUFS"); // a plain send has nothing to wait for
        assertThat(scarce || summary.getLong("reconnects") > 0 == answer.equals("ECONNRESET"))
                .as("%s", summary)
                .isTrue();
    }

    /** The second call that registers is the one with the buffers. What fails while frames are sent costs a connection. */
    @ParameterizedTest(name = "{0} gives {1}")
    @CsvSource({
        "io_uring_setup,    ENOSYS,     1+, 0, this kernel has no io_uring",
        "io_uring_setup,    EPERM,      1+, 0, io_uring is not allowed here",
        "io_uring_setup,    ENOMEM,     1+, 0, io_uring gets no memory",
        "io_uring_register, EINVAL,     1+, 0, this kernel's io_uring cannot send by reference",
        "io_uring_register, EOPNOTSUPP, 2+, 0, this kernel does not register a driver's memory",
        "io_uring_register, ENOMEM,     2+, 0, the memlock limit is too small",
        "io_uring_register, EFAULT,     2+, 0, the buffers cannot be registered",
        "io_uring_enter,    EBADFD,     5+, 1, io_uring_enter has failed here",
    })
    void goesOnWithoutIoUringAndSaysWhy(
            String call, String answer, String when, long reconnects, String reason, @TempDir Path folder)
            throws IOException {
        Config summary = run("uring", call, answer, when, 1, folder);
        assertThat(summary.getLong("reconnects")).as("%s", summary).isEqualTo(reconnects);
        assertThat(summary.getString("transport")).startsWith("zerocopy, instead of uring: " + reason);
    }

    private static Config run(String transport, String call, String answer, String when, int leastInjected, Path folder)
            throws IOException {
        try (SluiceProcess receiver =
                SluiceProcess.start("receive", "--listen=127.0.0.1:0", "--verify", "--json", "--reconnect")) {
            Path topology = Files.writeString(folder.resolve("answers.conf"), """
                    sluice {
                      sources { fpga { type = simulated, poison = true, buffer-size = %d, buffers = 16, frames = %d } }
                      sinks { out {
                        type = tcp, from = fpga, connect = "%s", transport = %s, plain-after-copied = 0
                        delivery = resume, send-buffer = 96KiB, reconnect-min = 1ms, reconnect-max = 20ms
                      } }
                    }
                    """.formatted(
                            FRAME_BYTES, FRAMES, receiver.listening(), transport));
            Path trace = folder.resolve("trace");
            List<String> tampering = List.of("-e", "inject=" + call + ":error=" + answer + ":when=" + when);
            Config summary;
            try (SluiceProcess sluice =
                    SluiceProcess.traced(trace, call, tampering, "run", "--json", topology.toString())) {
                SluiceProcess.Ended ended = sluice.end();
                assertThat(ended.exit()).as("%s", ended).isZero();
                summary = ended.json();
            }
            try (var lines = Files.lines(trace)) {
                assertThat(lines.filter(line -> line.contains(answer) && line.contains("INJECTED")))
                        .hasSizeGreaterThanOrEqualTo(leastInjected);
            }
            assertThat(summary.getLong("stuck_buffers")).isZero();
            Config report = receiver.end().json();
            assertThat(report.getLong("verified_bytes")).isEqualTo((long) FRAMES * FRAME_BYTES);
            assertThat(report.getLong("wrong_bytes")).isZero();
            assertThat(report.getLong("frames")).isEqualTo(FRAMES);
            return summary;
        }
    }
}
