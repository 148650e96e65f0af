// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run says how its bytes left. On loopback the kernel copies in the end, and that is what it must say. */
class SummaryIT {

    private static final long BYTES = 100 << 20;

    @TempDir
    private Path folder;

    @Test
    void zeroCopyOnLoopbackIsReportedAsCopied() throws IOException {
        Config summary =
                run("transport = zerocopy, plain-after-copied = 0", "--json").json();

        assertThat(summary.getLong("by_reference_bytes")).isZero();
        assertThat(summary.getLong("copied_bytes")).isGreaterThan(0);
        assertThat(summary.getString("plain_reason")).isEmpty();
    }

    @Test
    void textSaysThatTheKernelCopied() throws IOException {
        assertThat(run("transport = zerocopy, zerocopy-threshold = 0, plain-after-copied = 0")
                        .text())
                .contains("acquired     100 frames, 104,857,600 bytes")
                .containsPattern("by reference +0 bytes")
                .containsPattern("copied +104,8\\d\\d,\\d{3} bytes, by the kernel in spite of zero-copy")
                .containsPattern("lost +0 bytes");
    }

    @Test
    void zerocopyIsGivenUpWhereTheKernelCopiesAndNamesLoopback() throws IOException {
        Config summary = run("transport = zerocopy", "--json").json();

        assertThat(summary.getString("plain_reason")).contains("loopback");
        assertThat(summary.getLong("by_reference_bytes")).isZero();
        assertThat(summary.getLong("copied_bytes")).isGreaterThan(0);
        assertThat(summary.getLong("plain_bytes")).isGreaterThan(0);
    }

    @Test
    void textOfTheDefaultSaysWhatItChoseAndWhy() throws IOException {
        assertThat(run("").text())
                .containsPattern("transport +copy")
                .containsPattern("plain +[1-9][\\d,]* bytes: the receiver is on this machine");
    }

    @Test
    void copyIsAllPlain() throws IOException {
        Config summary = run("transport = copy", "--json").json();

        assertThat(summary.getLong("plain_bytes")).isEqualTo(summary.getLong("sent_bytes"));
        assertThat(summary.getLong("sent_bytes")).isGreaterThanOrEqualTo(BYTES);
        assertThat(summary.getLong("copied_bytes")).isZero();
        assertThat(summary.getLong("by_reference_bytes")).isZero();
        assertThat(summary.getString("plain_reason")).isEqualTo("transport = copy");
    }

    @Test
    void smallSlicesGoPlainly() throws IOException {
        Config summary =
                run("transport = zerocopy, zerocopy-threshold = 2MiB", "--json").json();

        assertThat(summary.getLong("plain_bytes")).isEqualTo(summary.getLong("sent_bytes"));
        assertThat(summary.getString("plain_reason"))
                .as("bytes went plainly although zero-copy was asked for, and nothing says why")
                .contains("zerocopy-threshold");
    }

    /** A run of {@value #BYTES} bytes to a receiver that finds nothing wrong. */
    private SluiceProcess.Ended run(String sink, String... options) throws IOException {
        try (SluiceProcess receiver = SluiceProcess.start("receive", "--listen", "127.0.0.1:0", "--verify", "--json")) {
            Path topology =
                    Files.writeString(folder.resolve("topology.conf"), """
                    sluice {
                      sources { f { type = simulated, frames = 100 } }
                      sinks { out { type = tcp, from = f, connect = "%s" } }
                      sinks { out { %s } }
                    }
                    """.formatted(receiver.listening(), sink));
            String[] arguments = new String[options.length + 2];
            arguments[0] = "run";
            System.arraycopy(options, 0, arguments, 1, options.length);
            arguments[options.length + 1] = topology.toString();
            SluiceProcess.Ended run = SluiceProcess.run(arguments);
            SluiceProcess.Ended received = receiver.end();
            assertThat(run.exit()).as("%s", run).isZero();
            assertThat(received.exit()).as("%s", received).isZero();
            assertThat(received.json().getLong("verified_bytes")).isEqualTo(BYTES);
            assertThat(received.json().getLong("wrong_bytes")).isZero();
            return run;
        }
    }
}
