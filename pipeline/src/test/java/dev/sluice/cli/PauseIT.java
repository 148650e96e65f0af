// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * All stands still for a while: the garbage collector collects everything, the process is stopped. The device does not
 * wait for that, but rate times pause fits the ring, or what does not is lost and counted.
 */
class PauseIT {

    private static final int BUFFER_BYTES = 64 << 10;
    private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
    private static final int PAUSES = 4;

    /** 13 s at 20 MB/s, of which the pauses take less than half. */
    private static final long FRAMES = 4000;

    private static final String FLOWING = "[1-9][\\d.]* MB/s \\|";

    @TempDir
    private Path folder;

    /** How a run ended, at both ends. */
    private record Run(Config sent, Config received) {}

    @Test
    void whatComesInAPauseWaitsInARingThatHoldsIt() throws IOException {
        // 1.5 s of 20 MB/s: three times the pause, for what a busy machine adds.
        Run run = run("longest-pause = 1500ms", 480);

        assertThat(run.sent().getLong("lost_bytes")).as("%s", run).isZero();
        assertThat(run.received().getLong("lost_bytes")).as("%s", run).isZero();
    }

    @Test
    void whatDoesNotFitTheRingIsCountedToTheByte() throws IOException {
        // 100 ms of 20 MB/s: each pause of 500 ms loses some 8 MB.
        Run run = run("", 32);

        assertThat(run.sent().getLong("lost_bytes"))
                .as("a source that runs on time, and a ring of a fifth of each stop: %s", run)
                .isGreaterThan(PAUSES * 32L * BUFFER_BYTES);
        assertThat(run.received().getLong("lost_bytes"))
                .as("announced: %s", run)
                .isEqualTo(run.sent().getLong("lost_bytes"));
    }

    private Run run(String global, int buffers) throws IOException {
        try (SluiceProcess receiver = SluiceProcess.start("receive", "--listen", "127.0.0.1:0", "--verify", "--json")) {
            Path topology = Files.writeString(folder.resolve("pause.conf"), """
                    sluice {
                      %s
                      sources { f {
                        type = simulated, rate = 20MB, buffer-size = %d, buffers = %d, frames = %d, poison = true
                      } }
                      sinks { out { type = tcp, from = f, connect = "%s" } }
                    }
                    """.formatted(
                            global, BUFFER_BYTES, buffers, FRAMES, receiver.listening()));
            try (SluiceProcess sender = start("run", "--json", "--live", topology.toString())) {
                sender.awaitErr(FLOWING);
                for (int i = 0; i < PAUSES; i++) {
                    collectGarbage(sender);
                    standStill(sender);
                }
                return ended(sender.end(), receiver.end());
            }
        }
    }

    /** With the collector that the start script chooses. */
    private static SluiceProcess start(String... arguments) {
        List<String> command = new ArrayList<>(SluiceProcess.sluice());
        command.add(1, "-XX:+UseSerialGC");
        command.addAll(List.of(arguments));
        return SluiceProcess.program(new ProcessBuilder(command));
    }

    /** What is true of both: nothing wrong, nothing missing that was not announced. */
    private static Run ended(SluiceProcess.Ended sent, SluiceProcess.Ended received) {
        assertThat(sent.exit()).as("%s", sent).isZero();
        assertThat(received.exit()).as("%s", received).isZero();
        Run run = new Run(sent.json(), received.json());
        assertThat(run.sent().getLong("acquired_bytes")).as("%s", run).isEqualTo(FRAMES * BUFFER_BYTES);
        assertThat(run.sent().getLong("quarantines")).as("%s", run).isZero();
        assertThat(run.received().getLong("bytes")).as("%s", run).isEqualTo(FRAMES * BUFFER_BYTES);
        assertThat(run.received().getLong("verified_bytes")).as("%s", run).isEqualTo(FRAMES * BUFFER_BYTES);
        assertThat(run.received().getLong("wrong_bytes")).as("%s", run).isZero();
        assertThat(run.received().getLong("skipped_bytes")).as("%s", run).isZero();
        assertThat(run.received().getString("problem")).as("%s", run).isEmpty();
        return run;
    }

    /** Returns when it is done: a full collection, all threads of the process stopped. */
    private static void collectGarbage(SluiceProcess process) {
        String jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
        try (SluiceProcess collection =
                SluiceProcess.program(new ProcessBuilder(jcmd, String.valueOf(process.pid()), "GC.run"))) {
            SluiceProcess.Ended ended = collection.end();
            assertThat(ended.exit()).as("%s", ended).isZero();
            assertThat(ended.text()).contains("Command executed successfully");
        }
    }

    private static void standStill(SluiceProcess process) {
        process.signal("STOP", false);
        // Not to wait for something, but what is to happen: half a second in which nothing does.
        for (long end = System.nanoTime() + PAUSE_NANOS, left; (left = end - System.nanoTime()) > 0; ) {
            LockSupport.parkNanos(left);
        }
        process.signal("CONT", false);
    }
}
