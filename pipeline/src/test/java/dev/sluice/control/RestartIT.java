// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.device.FifoDevice;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Framing;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Kill;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is crashed on purpose is started again, within the limits; past these the pipeline ends, and says why. */
@Timeout(value = 3, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class RestartIT {

    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private static final int BUFFERS = 4;
    private static final int BUFFER_BYTES = 16 << 10;

    @TempDir
    private Path folder;

    private static CompletableFuture<Report> receive(Receiver receiver) {
        CompletableFuture<Report> report = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> report.complete(receiver.receive()));
        return report;
    }

    private static Receiver.Options options() {
        return new Receiver.Options(Framing.SLUICE, true, null, true);
    }

    private static void await(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
    }

    /** As a defect in it would: its supervisor stops it. */
    private static void crash(PipelineSystem system, String path) {
        Adapter.toClassic(system.system())
                .actorSelection("/user/pipeline-0/" + path)
                .tell(Kill.getInstance(), ActorRef.noSender());
    }

    private static void awaitMore(PipelineSystem system, long more) {
        long before = system.counters().sink("out").framesSent.value();
        await(() -> system.outcome().isDone()
                || system.counters().sink("out").framesSent.value() > before + more);
    }

    @ParameterizedTest
    @CsvSource({"sink-*, resume", "sink-*, live", "StreamSupervisor-*, resume", "StreamSupervisor-*, live"})
    void whatDiedOfADefectIsStartedAgainAndNothingIsLost(String what, String delivery) throws Exception {
        try (Receiver receiver = new Receiver(ANY_PORT, options())) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = PipelineSystem.start(
                    TopologyTexts.valid("""
                    sluice {
                      sources.fpga { type = simulated, poison = true, buffer-size = 64KiB, buffers = 64, rate = 20MB }
                      sinks.out {
                        type = tcp, from = fpga, connect = "127.0.0.1:%d", delivery = %s, reconnect-min = 5ms
                        peer-timeout = 2s
                      }
                    }
                    """.formatted(receiver.address().getPort(), delivery)));
            for (int i = 0; i < 3; i++) {
                awaitMore(system, 50);
                crash(system, what);
            }
            awaitMore(system, 100);
            assertThat(system.outcome()).isNotDone();
            system.drain();
            Outcome outcome = system.outcome().join();
            assertThat(outcome.failure()).as("%s", outcome).isNull();
            Report received = report.join();
            assertThat(received.problem()).isEmpty();
            assertThat(received.connections()).isGreaterThan(1);
            assertThat(received.wrongBytes()).isZero();
            assertThat(system.counters().source("fpga").device().lent()).isZero();
            if (delivery.equals("resume")) {
                assertThat(received.skippedBytes()).isZero();
                assertThat(received.bytes() + received.lostBytes())
                        .isEqualTo(system.counters().source("fpga").acquired.value()
                                + system.counters().source("fpga").device().lostBytes());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"sink-*", "StreamSupervisor-*"})
    void whatDiesAgainAndAgainEndsThePipeline(String what) throws Exception {
        try (Receiver receiver = new Receiver(ANY_PORT, options())) {
            CompletableFuture<Report> report = receive(receiver);
            PipelineSystem system = PipelineSystem.start(
                    TopologyTexts.valid("""
                    sluice {
                      drain-timeout = 1s
                      restarts { most = 2 }
                      sources.fpga { type = simulated, buffer-size = 64KiB, buffers = 64, rate = 20MB }
                      sinks.out { type = tcp, from = fpga, connect = "127.0.0.1:%d", reconnect-min = 5ms }
                    }
                    """.formatted(receiver.address().getPort())));
            while (!system.outcome().isDone()) {
                awaitMore(system, 20);
                crash(system, what);
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
            }
            Outcome outcome = system.outcome().join();
            assertThat(outcome.exitCode()).as("%s", outcome).isEqualTo(1);
            assertThat(outcome.failure()).hasMessageContaining("see the log");
            assertThat(system.counters().source("fpga").device().lent()).isZero();
            assertThat(report).isNotDone();
        }
    }

    private FifoDevice engine(String name) throws Exception {
        return new FifoDevice(Files.createDirectory(folder.resolve(name)), BUFFERS, BUFFER_BYTES);
    }

    private static byte[] words(long position) {
        ByteBuffer words = ByteBuffer.allocate(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (long at = position; words.hasRemaining(); at += 8) {
            words.putLong(at / 8);
        }
        return words.array();
    }

    private static void fill(FifoDevice engine, int frames) throws Exception {
        for (int frame = 0; frame < frames; frame++) {
            engine.fill(engine.nextArmed(), words((long) frame * BUFFER_BYTES));
        }
    }

    /** It is found at {@code device/memory}, wherever that leads at the moment. */
    private void insert(String name) throws Exception {
        Files.createSymbolicLink(folder.resolve("device"), folder.resolve(name));
    }

    private PipelineSystem onDevice(String restarts, Receiver receiver) throws Exception {
        return PipelineSystem.start(TopologyTexts.valid("""
                sluice {
                  restarts { %s }
                  sources.other { type = mapped, protocol = fifo, device = "%s", buffers = %d, buffer-size = %d }
                  sinks.out { type = tcp, from = other, connect = "127.0.0.1:%d", reconnect-min = 5ms }
                }
                """.formatted(
                        restarts,
                        folder.resolve("device").resolve("memory"),
                        BUFFERS,
                        BUFFER_BYTES,
                        receiver.address().getPort())));
    }

    @Test
    void aDeviceThatFailsAndIsAwayForAWhileIsOpenedAgain() throws Exception {
        try (Receiver receiver = new Receiver(ANY_PORT, options());
                FifoDevice first = engine("first");
                FifoDevice second = engine("second")) {
            CompletableFuture<Report> report = receive(receiver);
            insert("first");
            PipelineSystem system = onDevice("backoff-min = 10ms, backoff-max = 20ms", receiver);
            fill(first, 100);
            Files.delete(folder.resolve("device"));
            first.report(99, 1); // no buffer of it
            await(() -> system.counters().source("other").restarts.value() == 1);
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
            insert("second");
            fill(second, 50);
            second.end();
            Outcome outcome = system.outcome().join();
            assertThat(outcome.failure()).as("%s", outcome).isNull();
            Report received = report.join();
            assertThat(received.problem()).isEmpty();
            assertThat(received.restarts()).isEqualTo(1);
            // What the failing device had filled and nobody had acquired went with it.
            assertThat(received.frames())
                    .isEqualTo(system.counters().source("other").frames.value())
                    .isBetween(150L - BUFFERS, 150L);
            assertThat(received.wrongBytes()).isZero();
            assertThat(system.counters().source("other").device().lent()).isZero();
        }
    }

    @Test
    void aDeviceThatDoesNotComeBackEndsThePipeline() throws Exception {
        try (Receiver receiver = new Receiver(ANY_PORT, options());
                FifoDevice first = engine("first")) {
            CompletableFuture<Report> report = receive(receiver);
            insert("first");
            PipelineSystem system = onDevice("within = 500ms, backoff-min = 10ms, backoff-max = 20ms", receiver);
            fill(first, 100);
            Files.delete(folder.resolve("device"));
            first.report(99, 1);
            Outcome outcome = system.outcome().join();
            assertThat(outcome.exitCode()).isEqualTo(1);
            assertThat(outcome.failure()).hasMessageContaining("device");
            assertThat(report).isNotDone();
        }
    }
}
