// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.metrics.Counter;
import dev.sluice.metrics.DeviceCounts;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.metrics.Summary;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Framing;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pipelines that write to files: every word arrives, or its loss is told, and every buffer comes back. */
class FileSinkIT {

    private static final int BUFFERS = 8;
    private static final int BUFFER_BYTES = 64 * 1024;
    private static final int FRAMES = 500;
    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());

    @TempDir
    private Path folder;

    private Path path() {
        return folder.resolve("adc.raw");
    }

    private static String source(String more) {
        return "fpga { type = simulated, poison = true, buffer-size = %d, buffers = %d, seed = %d, %s }"
                .formatted(BUFFER_BYTES, BUFFERS, SEED, more);
    }

    private static String frames(double shortFrames) {
        return source("frames = " + FRAMES + ", short-frames = " + shortFrames);
    }

    private static String file(Path path, String more) {
        return "disk { type = file, from = fpga, path = \"%s\" %s }".formatted(path, more);
    }

    private static PipelineSystem start(String source, String sinks) {
        return PipelineSystem.start(
                TopologyTexts.valid("sluice { sources { " + source + " }\n sinks { " + sinks + " } }"));
    }

    private static Outcome end(PipelineSystem system) throws Exception {
        Outcome outcome = system.outcome().get(2, TimeUnit.MINUTES);
        DeviceCounts device = system.counters().source("fpga").device();
        assertThat(device.lent()).as("seed %d: %s", SEED, outcome).isZero();
        assertThat(device.free() + device.filled())
                .as("seed %d: %s", SEED, outcome)
                .isEqualTo(BUFFERS);
        return outcome;
    }

    private static Outcome wellEnded(PipelineSystem system) throws Exception {
        Outcome outcome = end(system);
        assertThat(outcome.failure()).as("seed %d", SEED).isNull();
        assertThat(outcome.exitCode()).isZero();
        assertEveryFrameWasLetGo(system);
        return outcome;
    }

    private static Summary.SinkSummary sink(Outcome outcome, String name) {
        return outcome.summary().sinks().stream()
                .filter(sink -> sink.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    /** By the stages: at the end, what they forgot would be given back for them. */
    private static void assertEveryFrameWasLetGo(PipelineSystem system) {
        assertThat(system.counters().source("fpga").framesGivenBack.value()).isZero();
    }

    private static FramedStream framed(Path path) throws IOException {
        try (InputStream in = new BufferedInputStream(Files.newInputStream(path))) {
            FramedStream stream = FramedStream.read(in);
            assertThat(in.read()).as("what is behind the END").isEqualTo(-1);
            return stream;
        }
    }

    private static void await(Counter counter, long least, PipelineSystem system) {
        long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        while (counter.value() < least) {
            assertThat(system.outcome()).isNotDone();
            assertThat(System.nanoTime()).isLessThan(deadline);
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
    }

    @ParameterizedTest
    @CsvSource({"0, true", "0, false", "0.01, true", "1, true", "1, false"})
    void everyWordIsInTheFile(double shortFrames, boolean direct) throws Exception {
        Outcome outcome = wellEnded(start(frames(shortFrames), file(path(), ", direct = " + direct)));

        byte[] written = Files.readAllBytes(path());
        FramedStream.assertWords(written, 0);
        assertThat(written.length)
                .isEqualTo(outcome.summary().ofSources(Summary.SourceSummary::acquiredBytes))
                .isPositive();
        Summary.SinkSummary disk = sink(outcome, "disk");
        assertThat(disk.framesSent()).isEqualTo(FRAMES);
        assertThat(disk.keptBytes()).isEqualTo(written.length);
        assertThat(disk.sentBytes()).isEqualTo(written.length);
        assertThat(disk.byReferenceBytes() + disk.plainBytes()).isEqualTo(written.length);
        assertThat(disk.unsettledBytes()).isZero();
        if (!direct) {
            assertThat(disk.byReferenceBytes()).isZero();
            assertThat(disk.plainReason()).isEqualTo("direct = false");
        } else if (shortFrames == 0) {
            assumeTrue(disk.plainReason().isEmpty(), "the file system takes O_DIRECT");
            assertThat(disk.plainBytes()).isZero();
        } else {
            assertThat(disk.plainBytes()).isPositive();
            assertThat(disk.plainReason()).contains("O_DIRECT");
        }
        assertThat(outcome.summary().text()).contains("\nwritten      ", "past the page cache", "through the page");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void rotatedFilesAreTheStreamInWholeFrames(boolean direct) throws Exception {
        long most = 3 * BUFFER_BYTES + 1;
        wellEnded(start(frames(0.5), file(path(), ", rotate-size = " + most + ", direct = " + direct)));

        long position = 0;
        List<Path> files;
        try (Stream<Path> all = Files.list(folder)) {
            files = all.sorted().toList();
        }
        assertThat(files).hasSizeGreaterThan(FRAMES / 8);
        for (int i = 0; i < files.size(); i++) {
            assertThat(files.get(i)).hasFileName("adc-%06d.raw".formatted(i + 1));
            byte[] written = Files.readAllBytes(files.get(i));
            assertThat((long) written.length).isBetween(1L, most);
            FramedStream.assertWords(written, position);
            position += written.length;
        }
    }

    @Test
    void aFileThatIsThereIsAppendedToReplacedOrRefused() throws Exception {
        String few = source("frames = 3");
        wellEnded(start(few, file(path(), "")));
        wellEnded(start(few, file(path(), "")));
        assertThat(path()).hasSize(6 * BUFFER_BYTES);
        wellEnded(start(few, file(path(), ", existing = replace")));
        assertThat(path()).hasSize(3 * BUFFER_BYTES);
        Outcome refused =
                start(few, file(path(), ", existing = refuse")).outcome().get(1, TimeUnit.MINUTES);
        assertThat(refused.failure())
                .hasMessage(
                        "cannot write to " + path() + ": it exists already; move it away, or choose append or replace");
        assertThat(path()).hasSize(3 * BUFFER_BYTES);
    }

    @Test
    void aPathThatCannotBeWrittenIsOneSentence() throws Exception {
        Path wrong = folder.resolve("none").resolve("adc.raw");
        PipelineSystem system = start(frames(0), file(wrong, ""));
        Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);

        assertThat(outcome.started()).isFalse();
        assertThat(outcome.exitCode()).isEqualTo(1);
        assertThat(outcome.failure())
                .hasMessage("cannot write to " + wrong + ": the folder " + folder.resolve("none")
                        + " does not exist; create it");
    }

    /** The second source is faster than memory, so it loses; what it lost is in the headers. */
    @ParameterizedTest
    @ValueSource(strings = {"rate = 0, frames = 500, short-frames = 0.5", "rate = 20GB, frames = 2000"})
    void aFileWithHeadersTellsWhatWasLost(String how) throws Exception {
        Outcome outcome = wellEnded(start(source(how), file(path(), ", framing = sluice")));

        FramedStream stream = framed(path());
        Summary.SourceSummary source = outcome.summary().sources().getFirst();
        assertThat(stream.end()).isEqualTo(FramedStream.End.ANNOUNCED);
        assertThat(stream.frames()).isEqualTo(source.frames());
        assertThat(stream.bytes()).isEqualTo(source.acquiredBytes());
        assertThat(stream.lostBytes()).isLessThanOrEqualTo(source.lostBytes());
        assertThat(stream.next()).isEqualTo(stream.first() + stream.bytes() + stream.lostBytes());
        assertThat(sink(outcome, "disk").plainReason()).contains("framing = sluice");
    }

    @Test
    void drainingWritesWhatWasAcquiredAndTheEnd() throws Exception {
        PipelineSystem system = start(source("rate = 50MB"), file(path(), ", framing = sluice"));
        await(system.counters().sink("disk").framesSent, 20, system);
        system.drain();
        Outcome outcome = wellEnded(system);

        FramedStream stream = framed(path());
        assertThat(stream.end()).isEqualTo(FramedStream.End.ANNOUNCED);
        assertThat(stream.bytes()).isEqualTo(outcome.summary().ofSources(Summary.SourceSummary::acquiredBytes));
    }

    @Test
    void whatCameBeforeAFilterFailedIsWrittenWithoutAnEnd() throws Exception {
        PipelineSystem system = PipelineSystem.start(TopologyTexts.valid("""
                sluice {
                  sources { %s }
                  filters { odd { type = misbehaving, from = fpga, how = throws, in-frame = 100 } }
                  sinks { disk { type = file, from = odd, path = "%s", framing = sluice } }
                }
                """.formatted(frames(0), path())));
        Outcome outcome = end(system);

        assertThat(outcome.exitCode()).isEqualTo(1);
        assertThat(outcome.failure()).hasMessageContaining("filter odd");
        FramedStream stream = framed(path());
        assertThat(stream.frames()).isEqualTo(100);
        assertThat(stream.end()).isEqualTo(FramedStream.End.BETWEEN_FRAMES);
    }

    @Test
    void aFileAndAReceiverBothGetEveryFrameOfOneSource() throws Exception {
        try (Receiver receiver = receiver()) {
            CompletableFuture<Report> report = CompletableFuture.supplyAsync(receiver::receive);
            PipelineSystem system = start(frames(0.5), file(path(), "") + "\n" + tcp(receiver));
            Outcome outcome = wellEnded(system);

            FramedStream.assertWords(Files.readAllBytes(path()), 0);
            long acquired = outcome.summary().ofSources(Summary.SourceSummary::acquiredBytes);
            assertThat(path()).hasSize(acquired);
            assertReceived(report.get(1, TimeUnit.MINUTES), acquired);
        }
    }

    private static Receiver receiver() throws IOException {
        return new Receiver(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                new Receiver.Options(Framing.SLUICE, true, null, false));
    }

    private static String tcp(Receiver receiver) throws IOException {
        return "net { type = tcp, from = fpga, connect = \"127.0.0.1:%d\" }"
                .formatted(receiver.address().getPort());
    }

    private static void assertReceived(Report report, long bytes) {
        assertThat(report.problem()).isEmpty();
        assertThat(report.wrongBytes()).isZero();
        assertThat(report.verifiedBytes()).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aFullDiskEndsAPipelineThatMustNotDrop(boolean direct) throws Exception {
        onSmallDisk(disk -> {
            Path path = disk.resolve("adc.raw");
            Outcome outcome = end(start(source("rate = 0"), file(path, ", direct = " + direct)));

            assertThat(outcome.exitCode()).isEqualTo(1);
            assertThat(outcome.failure())
                    .hasMessageStartingWith(path + ": the disk is full (No space left on device), with ")
                    .hasMessageEndingWith(" bytes in that file; delete something, or write to another disk");
            assertThat(Files.size(path) % BUFFER_BYTES).isZero();
            FramedStream.assertWords(Files.readAllBytes(path), 0);
            assertThat(sink(outcome, "disk").diskFull()).isEqualTo(1);
            assertThat(outcome.summary().json()).contains("\"disk_full\":1");
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"drop-newest", "drop-oldest"})
    void aFullDiskHoldsUpNobodyAndItsGapsAreAnnounced(String whenFull) throws Exception {
        onSmallDisk(disk -> {
            Path ballast = Files.write(disk.resolve("ballast"), new byte[2 << 20]);
            Path path = disk.resolve("adc.raw");
            try (Receiver receiver = receiver()) {
                CompletableFuture<Report> report = CompletableFuture.supplyAsync(receiver::receive);
                PipelineSystem system = start(
                        source("rate = 10MB"),
                        file(path, ", framing = sluice, when-full = " + whenFull) + "\n" + tcp(receiver));
                SinkCounters counters = system.counters().sink("disk");
                await(counters.diskFull, 1, system);
                await(counters.framesDropped, 10, system);
                long sent = counters.framesSent.value();
                Files.delete(ballast);
                await(counters.framesSent, sent + 1, system);
                system.drain();
                Outcome outcome = wellEnded(system);

                Summary.SourceSummary source = outcome.summary().sources().getFirst();
                assertReceived(report.get(1, TimeUnit.MINUTES), source.acquiredBytes());
                FramedStream stream = framed(path);
                Summary.SinkSummary file = sink(outcome, "disk");
                assertThat(stream.end()).isEqualTo(FramedStream.End.ANNOUNCED);
                assertThat(stream.frames()).isEqualTo(file.framesSent());
                assertThat(file.framesSent() + file.framesDropped()).isEqualTo(source.frames());
                assertThat(file.keptBytes() + file.droppedBytes()).isEqualTo(source.acquiredBytes());
                assertThat(stream.lostBytes()).isEqualTo(file.droppedBytes() + source.lostBytes());
                assertThat(file.diskFull()).isEqualTo(1);
                assertThat(outcome.summary().text()).contains("\ndisk full    1 times\n");
            }
        });
    }

    /** A frozen file system takes no write, and the thread that tries cannot be told to stop. */
    @Test
    void aDiskThatHangsIsGivenUpAndItsBufferKeptFromTheDevice() throws Exception {
        Path image = folder.resolve("image");
        Path disk = Files.createDirectory(folder.resolve("disk"));
        assumeTrue(
                run("truncate", "-s", "64M", image.toString()) == 0
                        && run("mkfs.ext4", "-q", image.toString()) == 0
                        && run("mount", "-o", "loop", image.toString(), disk.toString()) == 0,
                "this user may mount a file system");
        try {
            PipelineSystem system =
                    PipelineSystem.start(TopologyTexts.valid("sluice { drain-timeout = 500ms\n sources { "
                            + source("rate = 20MB") + " }\n sinks { " + file(disk.resolve("adc.raw"), "") + " } }"));
            await(system.counters().sink("disk").framesSent, 5, system);
            assertThat(run("fsfreeze", "-f", disk.toString())).isZero();
            Outcome outcome;
            try {
                await(system.counters().source("fpga").frames, BUFFERS / 2, system);
                system.drain();
                outcome = system.outcome().get(1, TimeUnit.MINUTES);
            } finally {
                assertThat(run("fsfreeze", "-u", disk.toString())).isZero();
            }
            assertThat(outcome.exitCode()).isEqualTo(1);
            assertThat(outcome.failure())
                    .hasMessageMatching("gave up draining after 500 ms: .*adc.raw did not take the last \\d+ frames");
            assertThat(outcome.summary().ofSources(Summary.SourceSummary::stuckBuffers))
                    .isEqualTo(1);
            assertThat(system.counters().source("fpga").device().lent()).isEqualTo(1);
        } finally {
            long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
            while (run("umount", disk.toString()) != 0 && System.nanoTime() < deadline) {
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50)); // the thread has yet to close the file
            }
        }
    }

    @FunctionalInterface
    private interface OnDisk {
        void run(Path disk) throws Exception;
    }

    private void onSmallDisk(OnDisk test) throws Exception {
        Path disk = Files.createDirectory(folder.resolve("small"));
        boolean mounted;
        try {
            mounted = run("mount", "-t", "tmpfs", "-o", "size=4m", "sluice-test", disk.toString()) == 0;
        } catch (IOException noSuchCommand) {
            mounted = false;
        }
        assumeTrue(mounted, "this user may mount a file system");
        try {
            test.run(disk);
        } finally {
            assertThat(run("umount", disk.toString())).isZero();
        }
    }

    private static int run(String... command) throws Exception {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertThat(process.waitFor(Duration.ofMinutes(1))).isTrue();
        return process.exitValue();
    }
}
