// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code kill -9} at any time, of either end, and what a record is in the end. */
@Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class KillIT {

    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final int FILE_BYTES = 150_000_007;
    private static final String QUICKLY =
            "reconnect-min = 5ms, reconnect-max = 50ms, peer-timeout = 2s, handshake-timeout = 2s";

    @TempDir
    private Path folder;

    private Path capture() throws IOException {
        System.out.println("seed " + SEED);
        Path file = folder.resolve("capture");
        byte[] some = new byte[1 << 20];
        Random random = new Random(SEED);
        try (OutputStream out = Files.newOutputStream(file)) {
            for (int left = FILE_BYTES; left > 0; left -= some.length) {
                random.nextBytes(some);
                out.write(some, 0, Math.min(left, some.length));
            }
        }
        return file;
    }

    private Path topology(Path capture, int port, String filters) throws IOException {
        return Files.writeString(folder.resolve("topology.conf"), """
                sluice {
                  sources { capture { type = replay, path = "%s", frame-size = 100003, buffers = 16 } }
                  %s
                  sinks { daq {
                    type = tcp, from = %s, connect = "127.0.0.1:%d", delivery = resume, %s
                  } }
                }
                """.formatted(
                        capture, filters, filters.isEmpty() ? "capture" : "w", port, QUICKLY));
    }

    private SluiceProcess receiver(int port, Path record) {
        return SluiceProcess.start(
                "receive", "--json", "--reconnect", "--listen", "127.0.0.1:" + port, "--record", record.toString());
    }

    private static void awaitSize(Path file, long bytes, SluiceProcess unless) throws IOException {
        while ((!Files.exists(file) || Files.size(file) < bytes) && unless.isAlive()) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
    }

    /** Kills and starts one end again until it comes to its end by itself. */
    private void killAgainAndAgain(boolean sender, String filters, Path record) throws IOException {
        Random random = new Random(SEED);
        int port = SluiceProcess.freePort();
        Path topology = topology(capture(), port, filters);
        int kills = 0;
        try (SluiceProcess other = sender ? receiver(port, record) : SluiceProcess.start("run", topology.toString())) {
            long reached = 0;
            for (SluiceProcess.Ended ended = null; ended == null; ) {
                try (SluiceProcess one =
                        sender ? SluiceProcess.start("run", "--json", topology.toString()) : receiver(port, record)) {
                    awaitSize(record, reached + random.nextLong(1 << 20, 8 << 20), one);
                    if (kills < 5 && one.isAlive()) {
                        one.kill();
                        kills++;
                        reached = Files.size(record);
                    } else {
                        ended = one.end();
                    }
                }
            }
            assertThat(kills).as("seed %d", SEED).isEqualTo(5);
            SluiceProcess.Ended last = other.end();
            assertThat(last.exit()).as("seed %d: %s", SEED, last).isZero();
        }
    }

    @Test
    void aSenderThatIsKilledAndStartedAgainGoesOnWhereTheReceiverIs() throws IOException {
        Path record = folder.resolve("record");
        killAgainAndAgain(true, "", record);
        assertThat(RawReceiver.sha256(record)).isEqualTo(RawReceiver.sha256(folder.resolve("capture")));
    }

    @Test
    void aReceiverThatIsKilledAndStartedAgainGoesOnWithItsRecord() throws IOException {
        Path record = folder.resolve("record");
        killAgainAndAgain(false, "", record);
        assertThat(RawReceiver.sha256(record)).isEqualTo(RawReceiver.sha256(folder.resolve("capture")));
    }

    /** The filter sees the whole file again, and its receiver only what it lacks. */
    @Test
    void whatAFilterKeepsIsTheSameAfterKills() throws IOException {
        String filter = "filters { w { type = channels, from = capture, channels = 8, pick = [0, 1, 2, 5, 6, 7] } }";
        Path whole = folder.resolve("whole");
        int port = SluiceProcess.freePort();
        try (SluiceProcess receiver = receiver(port, whole)) {
            assertThat(SluiceProcess.run(
                                    "run", topology(capture(), port, filter).toString())
                            .exit())
                    .isZero();
            Config report = receiver.end().json();
            assertThat(report.getLong("bytes")).isEqualTo(Files.size(whole)).isGreaterThan(100_000_000);
        }
        Path record = folder.resolve("record");
        killAgainAndAgain(true, filter, record);
        assertThat(RawReceiver.sha256(record)).isEqualTo(RawReceiver.sha256(whole));
    }
}
